//! Rules that no compiler checks: which module imports which, how long files and functions may
//! be, where a package is used, and how texts are written.

mod circles;
mod language;
mod scanner;
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Modules in the order of the crate doc's table, each with what it may import.
const MODULES: &[(&str, &[&str])] = &[
    ("error_chain", &[]),
    ("digest", &[]),
    ("store_path", &[]),
    ("progress", &[]),
    ("json", &[]),
    ("fs", &[]),
    ("spec", &["store_path"]),
    ("closure", &["store_path"]),
    ("plan", &["spec", "closure", "store_path"]),
    ("rootfs", &["spec", "store_path", "fs"]),
    ("check", &["spec", "rootfs", "store_path", "fs"]),
    ("layer", &["plan", "rootfs", "spec", "digest", "store_path", "fs", "progress"]),
    ("cache", &["layer", "spec", "digest", "store_path", "fs", "progress", "json"]),
    ("image", &["spec", "layer", "digest", "json"]),
    (
        "transport",
        &["image", "layer", "digest", "cache", "spec", "fs", "progress", "json", "error_chain"],
    ),
    (
        "validate",
        &["transport", "image", "layer", "spec", "digest", "fs", "progress", "json", "error_chain"],
    ),
    (
        "base",
        &[
            "validate",
            "transport",
            "image",
            "layer",
            "rootfs",
            "spec",
            "digest",
            "fs",
            "progress",
            "json",
        ],
    ),
    ("cli", &["*"]),
];

/// Packages that only some modules may use.
const PACKAGES: &[(&str, &[&str])] = &[
    ("indicatif", &["cli"]),
    ("clap", &["cli"]),
    ("tokio", &["transport"]),
    ("reqwest", &["transport"]),
    ("rayon", &["layer"]),
    ("oci_spec", &["image", "base"]),
    ("canon_json", &["json"]),
];

/// Modules without files, environment, clock, threads or async.
const PURE: &[&str] = &["error_chain", "digest", "store_path", "spec", "closure", "plan"];
const IMPURE: &[&str] = &["fs", "env", "time", "thread", "net"];

const BANNED_MODULE_NAMES: &[&str] = &["util", "utils", "common", "helpers", "manager"];

const MAX_FILE_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 60;

struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut directories = vec![src.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let below = path.strip_prefix(&src).unwrap();
            let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            found.push(Source { path: below.into(), module, text });
        }
    }
    assert!(found.len() > 20, "the test reads the real sources");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Returns the lines that are not comments, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| !is_comment(line)).map(|(n, l)| (n + 1, l))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Returns every name that follows `root::` in the code, with its line. Names in braces count,
/// over several lines and in nested braces.
fn names_after<'a>(root: &str, text: &'a str) -> Vec<(usize, &'a str)> {
    let mut names = Vec::new();
    let mut name_from = |from: usize| {
        let spaces = text[from..].len() - text[from..].trim_start().len();
        let name = &text[from + spaces..];
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        let line = text[..from + spaces].matches('\n').count() + 1;
        let is_comment = text.lines().nth(line - 1).is_some_and(is_comment);
        names.extend((end > 0 && !is_comment).then_some((line, &name[..end])));
    };
    for (at, root) in text.match_indices(&format!("{root}::")) {
        let from = at + root.len();
        if !text[from..].starts_with('{') {
            name_from(from);
            continue;
        }
        let mut depth = 0;
        for (at, c) in text[from..].char_indices() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            match (depth, c) {
                (0, _) => break,
                (1, '{' | ',') => name_from(from + at + 1),
                _ => {}
            }
        }
    }
    names
}

#[test]
fn imports_in_braces_are_found() {
    let text = "use crate::{\n    a::{X, Y},\n    b,\n};\nuse crate::c::{d, e};\n// crate::f\n";
    assert_eq!(names_after("crate", text), [(2, "a"), (3, "b"), (5, "c")]);
}

fn assert_no_problems(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn modules_import_only_their_row() {
    let allowed: BTreeMap<_, _> = MODULES.iter().copied().collect();
    let mut problems = Vec::new();
    for source in sources().iter().filter(|s| !["lib", "main"].contains(&s.module.as_str())) {
        let Some(row) = allowed.get(source.module.as_str()) else {
            problems.push(format!("{}: no row in tests/it/tidy/mod.rs", source.path.display()));
            continue;
        };
        for (line, module) in names_after("crate", &source.text) {
            let known = allowed.contains_key(module);
            if known && module != source.module && !row.contains(&module) && *row != ["*"] {
                let path = source.path.display();
                problems
                    .push(format!("src/{path}:{line}: {} may not import {module}", source.module));
            }
        }
    }
    assert_no_problems(&problems);
}

#[test]
fn crate_documentation_lists_every_module() {
    let doc = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let built = |module: &str| doc.contains(&format!("pub mod {module};"));
    let missing = MODULES
        .iter()
        .filter(|(module, _)| built(module) && !doc.contains(&format!("| [`{module}`]")));
    assert_no_problems(
        &missing.map(|(module, _)| format!("src/lib.rs: no row for {module}")).collect::<Vec<_>>(),
    );
}

#[test]
fn packages_are_used_only_in_their_modules() {
    let mut problems = Vec::new();
    for source in sources() {
        for (name, modules) in PACKAGES {
            for (line, text) in code(&source.text) {
                if text.contains(&format!("{name}::")) && !modules.contains(&source.module.as_str())
                {
                    problems.push(format!(
                        "src/{}:{line}: {name} may be used only in {modules:?}",
                        source.path.display()
                    ));
                }
            }
        }
    }
    assert_no_problems(&problems);
}

#[test]
fn pure_modules_have_no_side_effects() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|s| PURE.contains(&s.module.as_str())) {
        let asynchronous = code(&source.text).filter(|(_, text)| text.contains("async "));
        let impure = names_after("std", &source.text).into_iter();
        let impure = impure.filter(|(_, name)| IMPURE.contains(name));
        for (line, word) in asynchronous.map(|(line, _)| (line, "async")).chain(impure) {
            let path = source.path.display();
            problems.push(format!(
                "src/{path}:{line}: {} is pure and may not use {word}",
                source.module
            ));
        }
    }
    assert_no_problems(&problems);
}

#[test]
fn module_names_state_a_purpose() {
    let builder = sources().into_iter().filter(|source| {
        let parts = source.path.iter().filter_map(|part| part.to_str());
        parts
            .map(|part| part.trim_end_matches(".rs"))
            .any(|part| BANNED_MODULE_NAMES.contains(&part))
    });
    assert_no_problems(
        &builder.map(|source| format!("src/{}", source.path.display())).collect::<Vec<_>>(),
    );
}

#[test]
fn files_and_functions_are_within_limits() {
    let mut problems = Vec::new();
    for source in sources() {
        let path = source.path.display();
        let lines = source.text.lines().count();
        if lines > MAX_FILE_LINES {
            problems.push(format!("src/{path}: {lines} lines, at most {MAX_FILE_LINES}"));
        }
        for (name, start, length) in functions(&source.text) {
            if length > MAX_FUNCTION_LINES {
                problems.push(format!(
                    "src/{path}:{start}: {name} has {length} lines, at most {MAX_FUNCTION_LINES}"
                ));
            }
        }
    }
    assert_no_problems(&problems);
}

/// Functions by rustfmt's layout: from the line with `fn` to the closing brace of its indent.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let Some(at) = trimmed.find("fn ") else { continue };
        // A trait's method without a body ends where its signature does.
        if trimmed.ends_with(';') {
            continue;
        }
        let before = &trimmed[..at];
        if !before
            .split_whitespace()
            .all(|w| w.starts_with("pub") || ["const", "async", "fn"].contains(&w))
        {
            continue;
        }
        // A trait's method without a body ends in a semicolon before any brace.
        let head = lines[start..]
            .iter()
            .find(|line| line.ends_with('{') || line.ends_with(';') || line.ends_with('}'));
        if head.is_none_or(|line| !line.ends_with('{')) {
            continue;
        }
        let indent = &line[..line.len() - trimmed.len()];
        let close = format!("{indent}}}");
        let Some(length) = lines[start..].iter().position(|line| *line == close) else { continue };
        let name = trimmed[at + 3..].split(['(', '<']).next().unwrap_or_default();
        found.push((name.to_owned(), start + 1, length + 1));
    }
    found
}

#[test]
fn functions_are_measured() {
    let text = "trait T {\n    fn none(\n        &self,\n    );\n}\npub fn one(\n    a: u8,\n) {\n    a\n}\n\nimpl X {\n    fn two() {\n    }\n}\n";
    assert_eq!(functions(text), [("one".to_owned(), 6, 5), ("two".to_owned(), 13, 2)]);
}

#[test]
fn fuzz_lock_file_matches_the_main_lock_file() {
    let packages = |lock: &str| -> BTreeMap<String, Vec<String>> {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(lock));
        let mut packages = BTreeMap::<String, Vec<String>>::new();
        for package in text.unwrap().split("[[package]]\n").skip(1) {
            let mut quoted = package.split('"').skip(1).step_by(2).map(str::to_owned);
            packages.entry(quoted.next().unwrap()).or_default().extend(quoted.next());
        }
        packages
    };
    let (own, mut fuzzed) = (packages("Cargo.lock"), packages("fuzz/Cargo.lock"));
    fuzzed.retain(|name, versions| {
        own.get(name).is_some_and(|own| versions.iter().any(|version| !own.contains(version)))
    });
    assert!(
        own.len() > 100 && fuzzed.is_empty(),
        "different versions in fuzz/Cargo.lock: {fuzzed:?}"
    );
}

#[test]
fn nix_capabilities_match_the_spec() {
    let names = |path: &str| -> Vec<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = std::fs::read_to_string(path).unwrap();
        let quoted = text.split('"').filter(|part| part.starts_with("cap_"));
        let is_name = |part: &&str| part.bytes().all(|b| b == b'_' || b.is_ascii_lowercase());
        quoted.filter(is_name).take(41).map(str::to_owned).collect()
    };
    let known = names("src/spec/capability.rs");
    assert_eq!(known.len(), 41);
    assert_eq!(names("nix/lib/capability.nix"), known);
}
