//! Import circles between files.
//!
//! File A imports file B if a path in A leads to an item that B defines; re-exports are followed.
//! A module and its own direct child may import each other. Inline test modules do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::scanner::rust_code;

/// The circles that exist, each as its files; an entry with a slash at its end stands for a
/// directory. Remove a set together with its circle; never add one.
const KNOWN: &[&[&str]] = &[
    &["src/cli/"],
    &["src/plan/allocate.rs", "src/plan/lock.rs", "src/plan/rebalance.rs"],
    &["src/rootfs/contents.rs", "src/rootfs/on_base.rs"],
    &["src/transport/graph.rs", "src/transport/layout/mod.rs"],
    &[
        "src/transport/http/certificates.rs",
        "src/transport/mod.rs",
        "src/transport/registry/",
        "src/transport/source/error.rs",
    ],
    &["src/validate/limits.rs", "src/validate/paths.rs"],
];

/// A Rust file as a module of its crate.
struct Module {
    /// From the root of the repository.
    file: String,
    /// The code; comments, texts and inline test modules are blank.
    code: String,
    imports: Vec<Import>,
    items: BTreeSet<String>,
}

impl Module {
    fn new(file: String, code: String) -> Self {
        Self { file, imports: imports(&code), items: items(&code), code }
    }
}

/// One name of a `use` declaration.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    path: Vec<String>,
    /// `*` for all names.
    name: String,
}

/// The modules of one crate by their paths.
struct Crate(BTreeMap<Vec<String>, Module>);

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Blanks the inline modules that are compiled for tests only.
fn without_inline_tests(code: &str) -> String {
    let mut code = code.to_owned();
    while let Some(start) = code.find("mod tests {") {
        let mut depth = 0;
        let end = code[start..].char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            *c == '}' && depth == 0
        });
        let end = end.map_or(code.len(), |(at, _)| start + at + 1);
        let blank: String =
            code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        code.replace_range(start..end, &blank);
    }
    code
}

/// Splits at commas that are not inside braces.
fn split_list(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            parts.push(&list[start..at]);
            start = at + 1;
        }
    }
    parts.push(&list[start..]);
    parts
}

/// Adds the names of a use tree to the imports.
fn expand(prefix: &[String], tree: &str, imports: &mut Vec<Import>) {
    let tree = tree.trim();
    if let Some(open) = tree.find('{') {
        let mut path = prefix.to_vec();
        path.extend(segments(&tree[..open]));
        let close = tree.rfind('}').unwrap_or(tree.len());
        for part in split_list(&tree[open + 1..close]) {
            expand(&path, part, imports);
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(p, a)| (p, Some(a.trim())));
    let mut full = prefix.to_vec();
    full.extend(segments(path));
    let Some(last) = full.last().cloned() else { return };
    if last == "*" || last == "self" {
        full.pop();
    }
    let name = match (last.as_str(), alias) {
        (_, Some(alias)) => alias.to_owned(),
        ("self", None) => full.last().cloned().unwrap_or_default(),
        _ => last,
    };
    imports.push(Import { path: full, name });
}

/// Returns the imports of all `use` declarations.
fn imports(code: &str) -> Vec<Import> {
    let mut imports = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let starts =
            code[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        if let Some(end) = code[at..].find(';').filter(|_| starts) {
            expand(&[], &code[at + 4..at + end], &mut imports);
        }
    }
    imports
}

/// Returns every path of two or more segments outside of `use` declarations.
fn paths(code: &str) -> BTreeSet<Vec<String>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c: char| !is_part(c)).filter(|word| word.contains("::"));
    words.map(segments).filter(|path| !path.is_empty()).collect()
}

/// Returns the names of the items that the code defines.
fn items(code: &str) -> BTreeSet<String> {
    const KEYWORDS: &[&str] =
        &["fn", "struct", "enum", "trait", "type", "const", "static", "union"];
    let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_').peekable();
    let mut items = BTreeSet::new();
    while let Some(word) = words.next() {
        if KEYWORDS.contains(&word) {
            items.extend(words.peek().map(|name| (*name).to_owned()));
        }
    }
    items
}

impl Crate {
    fn read(dir: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut modules = BTreeMap::new();
        let mut open = vec![root.join(dir)];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let below = path.strip_prefix(root.join(dir)).unwrap().to_str().unwrap().to_owned();
                if path.is_dir() && below != "bin" {
                    open.push(path);
                } else if let Some(name) = below.strip_suffix(".rs") {
                    let mut module: Vec<String> = name.split('/').map(str::to_owned).collect();
                    let is_root = ["lib", "main"].contains(&name);
                    if is_root || module.last().is_some_and(|last| last == "mod") {
                        module.pop();
                    }
                    // The binary of a package with a library uses the library by its name.
                    if name == "main" && path.with_file_name("lib.rs").exists() {
                        continue;
                    }
                    let code = rust_code(&std::fs::read_to_string(&path).unwrap());
                    let code = without_inline_tests(&code);
                    modules.insert(module, Module::new(format!("{dir}/{below}"), code));
                }
            }
        }
        Self(modules)
    }

    /// Returns the module that defines what the path names, seen from a module.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
        let mut at = from.to_vec();
        let mut rest = path;
        while let Some((first, after)) = rest.split_first() {
            let child = [&at[..], std::slice::from_ref(first)].concat();
            match first.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                _ if self.0.contains_key(&child) => at = child,
                _ => return self.named(&at, first, after, depth).or(Some(at)),
            }
            rest = after;
        }
        Some(at)
    }

    /// Follows the imports of a module for a name.
    fn named(
        &self,
        at: &[String],
        name: &str,
        after: &[String],
        depth: usize,
    ) -> Option<Vec<String>> {
        let module = self.0.get(at)?;
        if depth > 8 || module.items.contains(name) {
            return None;
        }
        if let Some(import) = module.imports.iter().find(|import| import.name == name) {
            self.is_local(at, &import.path).then_some(())?;
            let path = [&import.path[..], after].concat();
            return self.resolve(at, &path, depth + 1);
        }
        let globs = module.imports.iter().filter(|import| import.name == "*");
        let globs = globs.filter(|import| self.is_local(at, &import.path));
        let modules = globs.filter_map(|import| self.resolve(at, &import.path, depth + 1));
        modules.filter(|module| module != at).find(|glob| {
            self.0.get(glob).is_some_and(|module| {
                module.items.contains(name) || module.imports.iter().any(|i| i.name == name)
            })
        })
    }

    /// Returns true if the path leads into this crate.
    fn is_local(&self, at: &[String], path: &[String]) -> bool {
        path.first().is_some_and(|first| {
            let child = [at, std::slice::from_ref(first)].concat();
            ["crate", "self", "super"].contains(&first.as_str()) || self.0.contains_key(&child)
        })
    }

    /// Returns the modules that a module imports, without its parent and its direct children.
    fn imported(&self, at: &[String], module: &Module) -> BTreeSet<Vec<String>> {
        let declared = module.imports.iter().map(|import| import.path.clone());
        let written = paths(&module.code).into_iter().map(|path| {
            let import = module.imports.iter().find(|import| import.name == path[0]);
            import.map_or(path.clone(), |import| [&import.path[..], &path[1..]].concat())
        });
        let all = declared.chain(written).filter(|path| self.is_local(at, path));
        let all = all.filter_map(|path| self.resolve(at, &path, 0));
        let is_family = |other: &[String]| {
            other.split_last().is_some_and(|(_, parent)| parent == at)
                || at.split_last().is_some_and(|(_, parent)| parent == other)
        };
        all.filter(|other| other != at && !is_family(other)).collect()
    }

    /// Returns the sets of files that import each other in a circle.
    fn circles(&self) -> Vec<Vec<String>> {
        let edges: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> =
            self.0.iter().map(|(at, module)| (at, self.imported(at, module))).collect();
        let reached = |from: &Vec<String>| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(at) = open.pop() {
                for next in edges.get(&at).into_iter().flatten() {
                    if seen.insert(next.clone()) {
                        open.push(next.clone());
                    }
                }
            }
            seen
        };
        let reached: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> =
            self.0.keys().map(|at| (at, reached(at))).collect();
        let mut circles = BTreeSet::new();
        for (at, others) in &reached {
            if others.contains(*at) {
                let members = others.iter().filter(|other| reached[other].contains(*at));
                let mut files: Vec<String> =
                    members.map(|member| self.0[member].file.clone()).collect();
                files.sort();
                circles.insert(files);
            }
        }
        circles.into_iter().collect()
    }
}

#[test]
fn import_circles_equal_the_known_list() {
    let mut dirs = vec!["src".to_owned(), "nix/programs/src".to_owned()];
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    for entry in std::fs::read_dir(demo).unwrap() {
        let path = entry.unwrap().path();
        if path.join("src").is_dir() {
            dirs.push(format!("demo/{}/src", path.file_name().unwrap().to_str().unwrap()));
        }
    }
    dirs.sort();
    let found: Vec<Vec<String>> = dirs.iter().flat_map(|dir| Crate::read(dir).circles()).collect();
    let covers = |known: &[&str], set: &[String]| {
        let is_known = |file: &String| {
            known
                .iter()
                .any(|entry| file == entry || entry.ends_with('/') && file.starts_with(entry))
        };
        set.iter().all(is_known)
    };
    let new = found.iter().filter(|set| !KNOWN.iter().any(|known| covers(known, set)));
    let gone = KNOWN.iter().filter(|known| !found.iter().any(|set| covers(known, set)));
    let problems: Vec<String> = new
        .map(|set| format!("these files import each other in a circle: {}", set.join(", ")))
        .chain(gone.map(|set| format!("remove from KNOWN in tests/it/tidy/circles.rs: {set:?}")))
        .collect();
    super::assert_no_problems(&problems);
}

#[test]
fn use_trees_are_expanded() {
    let found = imports("use crate::{a::{B, self}, c::*};\npub use d::E as F;\n");
    let import = |path: &str, name: &str| Import { path: segments(path), name: name.into() };
    let expected = [
        import("crate::a::B", "B"),
        import("crate::a", "a"),
        import("crate::c", "*"),
        import("d::E", "F"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn circles_are_found_through_re_exports() {
    let module = |file: &str, code: &str| Module::new(file.into(), code.into());
    let modules = [
        ("", module("lib.rs", "mod a; mod b; mod c;")),
        ("a", module("a/mod.rs", "mod inner; pub use inner::Item;")),
        ("a::inner", module("a/inner.rs", "use crate::b::B; pub struct Item;")),
        ("b", module("b.rs", "use crate::a::Item; pub struct B;")),
        ("c", module("c.rs", "use crate::a::Item; use super::b;")),
    ];
    let circles =
        Crate(modules.into_iter().map(|(path, module)| (segments(path), module)).collect());
    assert_eq!(circles.circles(), [["a/inner.rs", "b.rs"]]);
}
