//! The house rules that no compiler knows: who may import whom, how long things may be, and
//! where a crate may be used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rooms in the order of the crate doc's table, each with what it may import.
const ROOMS: &[(&str, &[&str])] = &[
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
    ("transport", &["image", "layer", "digest", "cache", "spec", "fs", "progress", "json"]),
    ("validate", &["transport", "image", "layer", "spec", "digest", "fs", "progress", "json"]),
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

/// Crates that only some rooms may use.
const CRATES: &[(&str, &[&str])] = &[
    ("indicatif", &["cli"]),
    ("clap", &["cli"]),
    ("tokio", &["transport"]),
    ("reqwest", &["transport"]),
    ("bollard", &["transport"]),
    ("oci_client", &["transport"]),
    ("rayon", &["layer"]),
    ("oci_spec", &["image", "base"]),
    ("canon_json", &["json"]),
];

/// Rooms without files, environment, clock, threads or async.
const PURE: &[&str] = &["digest", "store_path", "spec", "closure", "plan"];
const IMPURE: &[&str] = &["fs", "env", "time", "thread", "net"];

const NO_ROOMS: &[&str] = &["util", "utils", "common", "helpers", "manager"];

const MOST_LINES_A_FILE: usize = 400;
const MOST_LINES_A_FUNCTION: usize = 60;

struct Source {
    path: PathBuf,
    room: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(&src).unwrap();
            let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
            let room = first.trim_end_matches(".rs").to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            found.push(Source { path: below.into(), room, text });
        }
    }
    assert!(found.len() > 20, "the test reads the real sources");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Lines of code: what is behind `//` is prose.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| !is_prose(line)).map(|(n, l)| (n + 1, l))
}

fn is_prose(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Every name that follows `root::` in the code, with its line; also those in braces, which may go
/// over lines and have braces in them.
fn named_after<'a>(root: &str, text: &'a str) -> Vec<(usize, &'a str)> {
    let mut names = Vec::new();
    let mut name_from = |from: usize| {
        let spaces = text[from..].len() - text[from..].trim_start().len();
        let name = &text[from + spaces..];
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        let line = text[..from + spaces].matches('\n').count() + 1;
        let is_prose = text.lines().nth(line - 1).is_some_and(is_prose);
        names.extend((end > 0 && !is_prose).then_some((line, &name[..end])));
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
    assert_eq!(named_after("crate", text), [(2, "a"), (3, "b"), (5, "c")]);
}

fn none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn modules_import_only_their_row() {
    let allowed: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let mut problems = Vec::new();
    for source in sources().iter().filter(|s| !["lib", "main"].contains(&s.room.as_str())) {
        let Some(row) = allowed.get(source.room.as_str()) else {
            problems.push(format!("{}: no row in tests/it/tidy/mod.rs", source.path.display()));
            continue;
        };
        for (line, room) in named_after("crate", &source.text) {
            let known = allowed.contains_key(room);
            if known && room != source.room && !row.contains(&room) && *row != ["*"] {
                let path = source.path.display();
                problems.push(format!("src/{path}:{line}: {} may not import {room}", source.room));
            }
        }
    }
    none(&problems);
}

#[test]
fn crate_documentation_lists_every_module() {
    let doc = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let built = |room: &str| doc.contains(&format!("pub mod {room};"));
    let missing =
        ROOMS.iter().filter(|(room, _)| built(room) && !doc.contains(&format!("| [`{room}`]")));
    none(&missing.map(|(room, _)| format!("src/lib.rs: no row for {room}")).collect::<Vec<_>>());
}

#[test]
fn packages_are_used_only_in_their_modules() {
    let mut problems = Vec::new();
    for source in sources() {
        for (name, rooms) in CRATES {
            for (line, text) in code(&source.text) {
                if text.contains(&format!("{name}::")) && !rooms.contains(&source.room.as_str()) {
                    problems.push(format!(
                        "src/{}:{line}: {name} lives in {rooms:?}",
                        source.path.display()
                    ));
                }
            }
        }
    }
    none(&problems);
}

#[test]
fn pure_modules_have_no_side_effects() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|s| PURE.contains(&s.room.as_str())) {
        let asynchronous = code(&source.text).filter(|(_, text)| text.contains("async "));
        let impure = named_after("std", &source.text).into_iter();
        let impure = impure.filter(|(_, name)| IMPURE.contains(name));
        for (line, word) in asynchronous.map(|(line, _)| (line, "async")).chain(impure) {
            let path = source.path.display();
            problems.push(format!("src/{path}:{line}: {} is pure, no {word}", source.room));
        }
    }
    none(&problems);
}

#[test]
fn module_names_state_a_purpose() {
    let odd = sources().into_iter().filter(|source| {
        let parts = source.path.iter().filter_map(|part| part.to_str());
        parts.map(|part| part.trim_end_matches(".rs")).any(|part| NO_ROOMS.contains(&part))
    });
    none(&odd.map(|source| format!("src/{}", source.path.display())).collect::<Vec<_>>());
}

#[test]
fn files_and_functions_are_within_limits() {
    let mut problems = Vec::new();
    for source in sources() {
        let path = source.path.display();
        let lines = source.text.lines().count();
        if lines > MOST_LINES_A_FILE {
            problems.push(format!("src/{path}: {lines} lines, at most {MOST_LINES_A_FILE}"));
        }
        for (name, start, length) in functions(&source.text) {
            if length > MOST_LINES_A_FUNCTION {
                problems.push(format!(
                    "src/{path}:{start}: {name} has {length} lines, at most {MOST_LINES_A_FUNCTION}"
                ));
            }
        }
    }
    none(&problems);
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
    assert!(own.len() > 100 && fuzzed.is_empty(), "bring these in line: {fuzzed:?}");
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
