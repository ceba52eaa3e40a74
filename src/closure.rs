//! The references graph of an image: every store path once, its references, and a stable order.
//!
//! [`Closure::parse`] reads the forms that Nix writes: `exportReferencesGraph` with structured
//! attributes (an array, Nix 2.8 to 2.34), and `nix path-info --json` in its old (array), middle
//! (object by path) and new (object with `version` and `info`) form.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::store_path::{PathInfo, StorePath};

/// Why paths are no closure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClosureError {
    /// Not JSON.
    #[error("the references graph is not valid JSON")]
    Json(#[from] serde_json::Error),
    /// Neither an array nor an object.
    #[error("the references graph is of no known form; {REMEDY}")]
    Form,
    /// A field of the graph itself that is missing or of another kind.
    #[error("the references graph has no field `{field}` that is {wanted}; {REMEDY}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// A field of one entry that is missing or of another kind.
    #[error("the references graph's entry `{entry}` is unusable: {why}; {REMEDY}")]
    Fields {
        /// The entry's path, or as much of the entry as fits.
        entry: String,
        /// The field, and what is wrong with it.
        why: String,
    },
    /// An entry without fields.
    #[error("the references graph has the entry `{0}`, which is no object")]
    Entry(String),
    /// A form that a later Nix writes.
    #[error("the references graph is of version {0}; this cooper reads up to 2")]
    Version(u64),
    /// A reference that leads out of the graph.
    #[error("`{path}` refers to `{reference}`, which the graph does not have")]
    Missing {
        /// Who refers.
        path: StorePath,
        /// To whom.
        reference: StorePath,
    },
    /// A path in another store than the others.
    #[error("`{path}` is not in `{store_dir}`, where the other paths are")]
    Foreign {
        /// The path.
        path: StorePath,
        /// The store of the first path.
        store_dir: String,
    },
    /// One path, two contents.
    #[error("`{path}` is in the graph twice, with different {field}")]
    Conflict {
        /// The path.
        path: StorePath,
        /// The field in which the entries differ.
        field: &'static str,
    },
    /// More bytes than can be counted.
    #[error("the nar sizes of the references graph are more than any disk holds")]
    TooLarge,
    /// A path that `path-info` knows nothing of.
    #[error("`{0}` is not valid in the store that wrote the graph; build it first")]
    Invalid(String),
}

/// What makes a graph of a known form.
const REMEDY: &str = "write it with `nix path-info --recursive --json PATH`";

/// An exabyte.
const MOST_BYTES: u64 = 1 << 60;

/// One store path of a [`Closure`]. Neighbours are indices into [`Closure::nodes`].
#[derive(Debug, Clone)]
pub struct Node {
    /// What the store registers.
    pub info: PathInfo,
    /// Whom it refers to, itself left out; ascending.
    pub references: Vec<usize>,
    /// Who refers to it, itself left out; ascending.
    pub referrers: Vec<usize>,
}

/// A references graph without gaps. Nodes are ordered by path, so any order of the input gives
/// the same closure. Cycles are fine.
#[derive(Debug, Clone, Default)]
pub struct Closure {
    nodes: Vec<Node>,
}

impl Closure {
    /// Checks that nothing is missing and nothing contradicts, and links the nodes.
    pub fn new(infos: impl IntoIterator<Item = PathInfo>) -> Result<Self, ClosureError> {
        let mut by_path: BTreeMap<StorePath, PathInfo> = BTreeMap::new();
        for mut info in infos {
            info.references.sort();
            info.references.dedup();
            if let Some(known) = by_path.get(&info.path) {
                same(known, &info)?;
            }
            by_path.insert(info.path.clone(), info);
        }
        check_store_dir(by_path.keys())?;
        check_size(by_path.values())?;
        let index: BTreeMap<&StorePath, usize> =
            by_path.keys().enumerate().map(|(i, path)| (path, i)).collect();
        let mut nodes = Vec::with_capacity(by_path.len());
        for info in by_path.values() {
            nodes.push(Node {
                info: info.clone(),
                references: link(info, &index)?,
                referrers: Vec::new(),
            });
        }
        add_referrers(&mut nodes);
        Ok(Self { nodes })
    }

    /// Reads a graph as Nix writes it; see the room's doc for the forms.
    pub fn parse(bytes: &[u8]) -> Result<Self, ClosureError> {
        Self::new(parse_infos(bytes)?)
    }

    /// All paths, ascending.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Finds a path's node.
    pub fn get(&self, path: &StorePath) -> Option<&Node> {
        let at = self.nodes.binary_search_by(|node| node.info.path.cmp(path)).ok()?;
        self.nodes.get(at)
    }

    /// The sum of the nar sizes, in bytes.
    pub fn nar_size(&self) -> u64 {
        self.nodes.iter().map(|node| node.info.nar_size).sum()
    }
}

/// Reads the entries of a graph, without asking whether they make a closure.
pub fn parse_infos(bytes: &[u8]) -> Result<Vec<PathInfo>, ClosureError> {
    match serde_json::from_slice(bytes)? {
        Value::Array(entries) => entries.into_iter().map(entry).collect(),
        Value::Object(object) => match ["version", "storeDir", "info"] {
            newest if newest.iter().any(|field| object.contains_key(*field)) => versioned(object),
            _ => by_path(object, None),
        },
        _ => Err(ClosureError::Form),
    }
}

/// Reads the form that says which one it is.
fn versioned(mut object: Map<String, Value>) -> Result<Vec<PathInfo>, ClosureError> {
    match object.get("version").map(Value::as_u64) {
        None | Some(Some(..=2)) => {}
        Some(Some(version)) => return Err(ClosureError::Version(version)),
        Some(None) => {
            return Err(ClosureError::Field { field: "version", wanted: "the number 1 or 2" });
        }
    }
    let Some(Value::Object(info)) = object.remove("info") else {
        return Err(ClosureError::Field { field: "info", wanted: "an object by store path" });
    };
    match object.remove("storeDir") {
        Some(Value::String(dir)) => by_path(info, Some(&dir)),
        None if info.keys().all(|path| path.starts_with('/')) => by_path(info, None),
        _ => Err(ClosureError::Field { field: "storeDir", wanted: "a text such as `/nix/store`" }),
    }
}

fn by_path(
    entries: Map<String, Value>,
    store_dir: Option<&str>,
) -> Result<Vec<PathInfo>, ClosureError> {
    let absolute = |path: &str| match store_dir {
        Some(dir) if !path.starts_with('/') => format!("{dir}/{path}"),
        _ => path.to_owned(),
    };
    let completed = |(path, mut value): (String, Value)| {
        if value.is_null() {
            return Err(ClosureError::Invalid(path));
        }
        let Some(fields) = value.as_object_mut() else { return Err(no_object(&value)) };
        fields.insert("path".into(), absolute(&path).into());
        let references = fields.get_mut("references").and_then(Value::as_array_mut);
        for reference in references.into_iter().flatten() {
            if let Value::String(text) = reference {
                *text = absolute(text);
            }
        }
        entry(value)
    };
    entries.into_iter().map(completed).collect()
}

fn no_object(value: &Value) -> ClosureError {
    ClosureError::Entry(short(value))
}

/// As much of an entry as fits into a message.
fn short(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

fn entry(value: Value) -> Result<PathInfo, ClosureError> {
    if value.get("valid").and_then(Value::as_bool) == Some(false) {
        let path = value.get("path").and_then(|path| path.as_str()).unwrap_or_default();
        return Err(ClosureError::Invalid(path.into()));
    }
    // serde would take an array as the fields in order.
    if !value.is_object() {
        return Err(no_object(&value));
    }
    serde_path_to_error::deserialize(&value).map_err(|error| {
        let path = value.get("path").and_then(Value::as_str).map(str::to_owned);
        let entry = path.unwrap_or_else(|| short(&value));
        ClosureError::Fields { entry, why: error.to_string() }
    })
}

fn same(a: &PathInfo, b: &PathInfo) -> Result<(), ClosureError> {
    let conflict = |field| Err(ClosureError::Conflict { path: a.path.clone(), field });
    match () {
        () if a.nar_hash != b.nar_hash => conflict("narHash"),
        () if a.nar_size != b.nar_size => conflict("narSize"),
        () if a.references != b.references => conflict("references"),
        () => Ok(()),
    }
}

/// So that no sum of sizes overflows, also over the images of a set.
fn check_size<'a>(mut infos: impl Iterator<Item = &'a PathInfo>) -> Result<(), ClosureError> {
    let total = infos.try_fold(0_u64, |sum, info| sum.checked_add(info.nar_size));
    total.filter(|total| *total <= MOST_BYTES).map(drop).ok_or(ClosureError::TooLarge)
}

fn check_store_dir<'a>(mut paths: impl Iterator<Item = &'a StorePath>) -> Result<(), ClosureError> {
    let Some(first) = paths.next() else { return Ok(()) };
    match paths.find(|path| path.store_dir() != first.store_dir()) {
        Some(path) => {
            Err(ClosureError::Foreign { path: path.clone(), store_dir: first.store_dir().into() })
        }
        None => Ok(()),
    }
}

fn link(info: &PathInfo, index: &BTreeMap<&StorePath, usize>) -> Result<Vec<usize>, ClosureError> {
    let others = info.references.iter().filter(|reference| **reference != info.path);
    others
        .map(|reference| {
            index.get(reference).copied().ok_or_else(|| ClosureError::Missing {
                path: info.path.clone(),
                reference: reference.clone(),
            })
        })
        .collect()
}

fn add_referrers(nodes: &mut [Node]) {
    let mut referrers = vec![BTreeSet::new(); nodes.len()];
    for (from, node) in nodes.iter().enumerate() {
        for to in &node.references {
            if let Some(set) = referrers.get_mut(*to) {
                set.insert(from);
            }
        }
    }
    for (node, set) in nodes.iter_mut().zip(referrers) {
        node.referrers = set.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-a-1";
    const B: &str = "/nix/store/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-b-1";

    fn entry(path: &str, references: &[&str]) -> String {
        let references = references.join("\",\"");
        let references =
            if references.is_empty() { String::new() } else { format!("\"{references}\"") };
        format!(
            r#"{{"path":"{path}","narHash":"sha256:x","narSize":7,"references":[{references}]}}"#
        )
    }

    #[test]
    fn every_form_that_a_nix_has_written_gives_the_same_closure() {
        // fault 19
        let array = format!("[{},{}]", entry(A, &[A, B]), entry(B, &[]));
        let object = format!(
            r#"{{"{A}":{{"narHash":"sha256:x","narSize":7,"references":["{A}","{B}"]}},
               "{B}":{{"narHash":"sha256:x","narSize":7,"references":[],"valid":true}}}}"#
        );
        let (a, b) = (A.trim_start_matches("/nix/store/"), B.trim_start_matches("/nix/store/"));
        let newest = format!(
            r#"{{"version":2,"storeDir":"/nix/store","info":{{
               "{a}":{{"narHash":"sha256:x","narSize":7,"references":["{a}","{b}"]}},
               "{b}":{{"narHash":"sha256:x","narSize":7,"references":[]}}}}}}"#
        );
        for form in [array, object, newest] {
            let closure = Closure::parse(form.as_bytes()).unwrap();
            assert_eq!(closure.nodes().len(), 2, "{form}");
            assert_eq!(closure.nodes()[0].references, [1], "{form}");
            assert_eq!(closure.nodes()[1].referrers, [0], "{form}");
            assert_eq!(closure.nar_size(), 14);
        }
    }

    #[test]
    fn gaps_contradictions_and_foreign_paths_are_errors_that_name_path_and_field() {
        // faults 7, 16, 18 and 19
        let foreign = B.replace("/nix/store", "/nix/storefoo");
        let other = entry(A, &[]).replace("sha256:x", "sha256:y");
        let huge = |path| entry(path, &[]).replace('7', "9223372036854775808");
        for (graph, says) in [
            (format!("[{}]", entry(A, &[B])), "which the graph does not have"),
            (format!("[{},{}]", entry(A, &[]), entry(&foreign, &[])), "is not in `/nix/store`"),
            (format!("[{},{other}]", entry(A, &[])), "different narHash"),
            (format!(r#"{{"{A}":null}}"#), "is not valid in the store"),
            (r#"{"version":3,"info":{}}"#.to_owned(), "version 3"),
            (format!("[{},{}]", huge(A), huge(B)), "more than any disk holds"),
            ("{,".to_owned(), "is not valid JSON"),
            ("7".to_owned(), "no known form; write it with `nix path-info --recursive --json"),
            (r#"{"version":1}"#.to_owned(), "no field `info` that is an object"),
            (r#"{"version":2,"info":[]}"#.to_owned(), "no field `info` that is an object"),
            (r#"{"version":"2","info":{}}"#.to_owned(), "`version` that is the number 1 or 2"),
            (r#"{"version":2,"info":{"a":{}}}"#.to_owned(), "`storeDir` that is a text"),
            (r#"{"storeDir":7,"info":{}}"#.to_owned(), "`storeDir` that is a text"),
            (format!(r#"{{"{A}":7}}"#), "has the entry `7`"),
            (
                format!("[{}]", entry(A, &[]).replace('7', "\"7\"")),
                "-a-1` is unusable: narSize: invalid type: string",
            ),
            (
                format!(r#"{{"{A}":{{"narHash":"sha256:x"}}}}"#),
                "-a-1` is unusable: missing field `narS",
            ),
            (r#"[["/nix/store/x","",1]]"#.to_owned(), "which is no object"),
        ] {
            let error = Closure::parse(graph.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{graph} gave: {error}");
        }
    }

    #[test]
    fn a_cycle_and_a_repeated_entry_are_fine() {
        // faults 15 and 18
        let graph = format!("[{},{},{}]", entry(A, &[B]), entry(B, &[A]), entry(A, &[B]));
        assert_eq!(Closure::parse(graph.as_bytes()).unwrap().nodes().len(), 2);
    }
}
