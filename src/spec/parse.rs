//! From bytes to a checked [`Spec`].

use super::{Config, ConfigError, LayeringMode, Spec, VERSION};

/// Why bytes are no spec. `cli` names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Not JSON, or a field of another shape than the contract's.
    #[error("{message}")]
    Json {
        /// `serde_json`'s words, with line and column.
        message: String,
        /// The known field that an unknown one is nearest to.
        suggestion: Option<String>,
    },
    /// An array where the object should be.
    #[error("the spec is an array; it must be an object, at line 1 column 1")]
    NotAnObject,
    /// A spec that another cooper wrote.
    #[error("version is {0}, and this cooper reads version {VERSION} only")]
    Version(u64),
    /// The image has no name to be loaded or pushed under.
    #[error("tags is empty; give at least one tag")]
    NoTag,
    /// A path in the image that is not absolute and plain.
    #[error("{field} has `{path}`; write an absolute path without `.`, `..` or `//` in it")]
    ImagePath {
        /// The field.
        field: &'static str,
        /// The path.
        path: String,
    },
    /// A file without bytes, or with two sources of them.
    #[error("files.\"{0}\" needs either `text` or `source`, and not both")]
    FileSource(String),
    /// Two declarations for one path in the image.
    #[error("`{path}` is declared twice, in {first} and in {second}")]
    Collision {
        /// The path in the image.
        path: String,
        /// The field that has it first.
        first: &'static str,
        /// The field that has it again.
        second: &'static str,
    },
    /// A limit that no image can keep.
    #[error("layering.maxLayers is {0}; write a number from 1 to 125, the most that Docker takes")]
    MaxLayers(u32),
    /// A name or field of `/etc/passwd` or `/etc/group` that would break the file.
    #[error("{field}.\"{name}\" has a colon or a line break in it")]
    Account {
        /// `users` or `groups`.
        field: &'static str,
        /// The account.
        name: String,
    },
    /// A base that is nowhere, or in two places.
    #[error("base needs either `path` (a layout or an archive) or `lock` (from `cooper lock`){0}")]
    Base(&'static str),
    /// The runtime config.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Reads a spec and checks all that can be known without the store.
pub fn parse(bytes: &[u8]) -> Result<Spec, SpecError> {
    // serde would take an array as the fields in order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(SpecError::NotAnObject);
    }
    let mut spec: Spec = serde_json::from_slice(bytes).map_err(|e| json_error(&e))?;
    spec.config.check()?;
    spec.config.settle_env();
    check(&spec)?;
    Ok(spec)
}

impl Config {
    /// Reads a fragment of a config: JSON with some of the config's fields.
    pub fn parse_fragment(bytes: &[u8]) -> Result<Self, SpecError> {
        let config: Self = serde_json::from_slice(bytes).map_err(|e| json_error(&e))?;
        config.check()?;
        Ok(config)
    }
}

fn check(spec: &Spec) -> Result<(), SpecError> {
    if spec.version != VERSION {
        return Err(SpecError::Version(spec.version));
    }
    if spec.tags.is_empty() {
        return Err(SpecError::NoTag);
    }
    if !(1..=125).contains(&spec.layering.max_layers) {
        return Err(SpecError::MaxLayers(spec.layering.max_layers));
    }
    for (path, file) in &spec.files {
        if file.content().is_none() {
            return Err(SpecError::FileSource(path.clone()));
        }
    }
    check_base(spec)?;
    check_paths(spec)?;
    check_accounts(spec)
}

fn check_base(spec: &Spec) -> Result<(), SpecError> {
    let Some(base) = &spec.base else { return Ok(()) };
    match (&base.path, &base.lock) {
        (None, None) => Err(SpecError::Base("")),
        (Some(_), Some(_)) => Err(SpecError::Base(", and not both")),
        (Some(_), None) if !base.blobs.is_empty() => {
            Err(SpecError::Base("; `blobs` goes with `lock`"))
        }
        (None, Some(_)) if base.reference.is_some() => {
            Err(SpecError::Base("; `reference` goes with `path`"))
        }
        _ => Ok(()),
    }
}

fn check_paths(spec: &Spec) -> Result<(), SpecError> {
    let fields = [
        ("files", spec.files.keys().collect::<Vec<_>>()),
        ("directories", spec.directories.keys().collect()),
        ("symlinks", spec.symlinks.keys().collect()),
    ];
    let mut seen = std::collections::BTreeMap::new();
    for (field, paths) in fields {
        for path in paths {
            if !is_plain_absolute(path) {
                return Err(SpecError::ImagePath { field, path: path.clone() });
            }
            if let Some(first) = seen.insert(path, field) {
                return Err(SpecError::Collision { path: path.clone(), first, second: field });
            }
        }
    }
    Ok(())
}

fn is_plain_absolute(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        !path.contains('\0') && rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
    })
}

fn check_accounts(spec: &Spec) -> Result<(), SpecError> {
    let breaks = |text: &str| text.contains([':', '\n', '\0']);
    for (name, user) in &spec.users {
        if [name, &user.description, &user.home, &user.shell].iter().any(|text| breaks(text)) {
            return Err(SpecError::Account { field: "users", name: name.clone() });
        }
    }
    for (name, group) in &spec.groups {
        if breaks(name) || group.members.iter().any(|member| breaks(member) || member.contains(','))
        {
            return Err(SpecError::Account { field: "groups", name: name.clone() });
        }
    }
    Ok(())
}

impl Spec {
    /// Whether the plan reads the graphs of the other images of the set.
    pub fn layers_as_set(&self) -> bool {
        self.layering.mode == LayeringMode::Set
    }
}

fn json_error(error: &serde_json::Error) -> SpecError {
    let message = error.to_string();
    let suggestion = suggest(&message);
    SpecError::Json { message, suggestion }
}

/// serde names the unknown field and all that it knows, between backticks; the nearest one is
/// what was meant, if any is near.
fn suggest(message: &str) -> Option<String> {
    let names = message.strip_prefix("unknown field `")?;
    let mut quoted = names.split('`').step_by(2);
    let unknown = quoted.next()?;
    quoted
        .map(|known| (distance(unknown, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, known)| known.to_owned())
}

/// Levenshtein's distance, without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().take(64).collect();
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, cb) in b.to_lowercase().chars().take(64).enumerate() {
        let mut next = vec![i + 1];
        for ((ca, above), above_left) in a.iter().zip(row.iter().skip(1)).zip(row.iter()) {
            let left = next.last().copied().unwrap_or_default();
            let step = above_left + usize::from(*ca != cb);
            next.push(step.min(left + 1).min(above + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_with(extra: &str) -> Result<Spec, SpecError> {
        parse(format!(r#"{{"version":1,"name":"a"{extra}}}"#).as_bytes())
    }

    #[test]
    fn the_smallest_spec_gets_the_documented_defaults() {
        let spec = parse_with("").unwrap();
        assert_eq!(spec.tags.iter().map(crate::spec::Tag::as_str).collect::<Vec<_>>(), ["latest"]);
        assert_eq!(spec.created.to_string(), "1970-01-01T00:00:01Z");
        assert_eq!(spec.platform.to_string(), "linux/amd64");
        assert_eq!(spec.layering.max_layers, 60);
    }

    #[test]
    fn a_misspelt_field_is_an_error_that_names_the_nearest_one() {
        // fault 4
        let error = parse_with(r#","config":{"Entrypont":[]}"#).unwrap_err();
        let SpecError::Json { message, suggestion } = error else { unreachable!() };
        assert!(message.starts_with("unknown field `Entrypont`"), "{message}");
        assert_eq!(suggestion.as_deref(), Some("Entrypoint"));
        let error = parse_with(r#","zzz":1"#).unwrap_err();
        assert!(matches!(error, SpecError::Json { suggestion: None, .. }));
    }

    #[test]
    fn the_last_of_two_variables_wins_at_the_place_of_the_first() {
        // fault 10
        let spec = parse_with(r#","config":{"Env":["A=1","B=2","A=3"]}"#).unwrap();
        assert_eq!(spec.config.env, ["A=3", "B=2"]);
    }

    #[test]
    fn each_bad_spec_is_an_error_that_says_what_is_wrong() {
        // faults 1 to 13
        let deep = format!(r#","config":{{"Labels":{}"#, "[".repeat(100_000));
        for (extra, says) in [
            (r#","name":"b""#, "duplicate field `name`"),
            (r#","config":{"Labels":{"a":"1","a":"2"}}"#, "duplicate field `a`"),
            (r#","config":{"Env":["A"]}"#, "write `NAME=value`"),
            (r#","config":{"Env":["A=\u0000"]}"#, "NUL"),
            (r#","config":{"User":"4294967296"}"#, "config.User"),
            (r#","config":{"User":"-1"}"#, "config.User"),
            (r#","config":{"ExposedPorts":{"http":{}}}"#, "config.ExposedPorts"),
            (r#","config":{"WorkingDir":"x"}"#, "config.WorkingDir"),
            (r#","config":{"Healthcheck":{"Test":["curl"]}}"#, "CMD-SHELL"),
            (r#","created":"now""#, "RFC 3339"),
            (r#","created":"""#, "RFC 3339"),
            (r#","created":"1969-12-31T23:59:59Z""#, "before 1970"),
            (r#","tags":[]"#, "at least one tag"),
            (r#","tags":[".x"]"#, "is not a tag"),
            (r#","layering":{"maxLayers":0}"#, "maxLayers"),
            (r#","layering":{"maxLayers":126}"#, "maxLayers"),
            (r#","layering":{"maxLayers":1e400}"#, "number out of range"),
            (r#","layering":{"maxLayers":"60"}"#, "invalid type: string"),
            (r#","files":{"/a":{"text":"","mode":"0888"}}"#, "octal"),
            (r#","files":{"/a":{"text":"","mode":"0644junk"}}"#, "octal"),
            (r#","files":{"/a":{"text":"","mode":"u+x"}}"#, "octal"),
            (r#","files":{"/a":{"text":"","mode":"10000"}}"#, "octal"),
            (r#","files":{"/a":{}}"#, "`text` or `source`"),
            (r#","files":{"/a":{"text":"","uid":-1}}"#, "-1"),
            (r#","files":{"a":{"text":""}}"#, "absolute path"),
            (r#","files":{"/a/../b":{"text":""}}"#, "absolute path"),
            (r#","files":{"/a":{"text":""}},"symlinks":{"/a":"b"}"#, "declared twice"),
            (r#","compression":{"algorithm":"gzip","level":10}"#, "levels 1 to 9"),
            (r#","base":{}"#, "`path`"),
            (r#","base":{"path":"a","lock":"b"}"#, "not both"),
            (r#","base":{"path":"a","blobs":{"x":"y"}}"#, "goes with `lock`"),
            (r#","base":{"lock":"a","reference":"x"}"#, "goes with `path`"),
            (r#","users":{"a:b":{"uid":1,"gid":1}}"#, "colon"),
            (
                r#","closure":[{"path":"/nix/store/x","narHash":"","narSize":1}]"#,
                "not a store path",
            ),
            (&deep, "invalid type"),
        ] {
            let error = parse_with(extra).unwrap_err().to_string();
            assert!(error.contains(says), "{extra} gave: {error}");
        }
    }

    #[test]
    fn what_is_not_a_json_object_in_utf_8_is_refused_with_its_place() {
        // faults 1, 2 and 6
        let inputs: [&[u8]; 6] =
            [b"", b"null", b"[]", b"{\"version\":1", b"\xef\xbb\xbf{}", b"{\"\xff\":1}"];
        for bytes in inputs {
            let error = parse(bytes).unwrap_err().to_string();
            assert!(error.contains("line 1 column"), "{error}");
        }
    }

    #[test]
    fn a_spec_of_another_version_is_refused() {
        let error = parse(br#"{"version":2,"name":"a"}"#).unwrap_err();
        assert!(matches!(error, SpecError::Version(2)));
    }
}
