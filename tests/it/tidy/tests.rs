//! Names of tests, and the list of faults that names them.

use std::collections::BTreeSet;
use std::path::PathBuf;

const MAX_NAME_LENGTH: usize = 60;

/// Directories whose test names have the limit. `src` joins when its names are renewed.
const CHECKED: &[&str] = &["tests/it"];

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Returns the tests below a directory, each as its file, its module path and its name.
fn tests(dir: &str) -> Vec<(PathBuf, String, String)> {
    let base = root().join(dir);
    let (mut tests, mut open) = (Vec::new(), vec![base.clone()]);
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&base).unwrap().with_extension("");
                let module = below.to_str().unwrap().replace('/', "::");
                let module = module.strip_suffix("::mod").unwrap_or(&module).to_owned();
                let text = std::fs::read_to_string(&path).unwrap();
                let names = test_names(&text).into_iter();
                tests.extend(names.map(|name| (path.clone(), module.clone(), name)));
            }
        }
    }
    tests
}

/// Returns the functions that follow a `#[test]` attribute.
fn test_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim_start) {
        is_test |= line.starts_with("#[test]");
        if let Some(name) = line.strip_prefix("fn ").filter(|_| is_test) {
            names.extend(name.split('(').next().map(str::to_owned));
            is_test = false;
        }
    }
    names
}

#[test]
fn test_names_are_within_the_limit() {
    let all = CHECKED.iter().flat_map(|dir| tests(dir));
    let long = all.filter(|(_, _, name)| name.len() > MAX_NAME_LENGTH).map(|(path, _, name)| {
        let path = path.strip_prefix(root()).unwrap().display().to_string();
        format!("{path}: {name} has {} characters, at most {MAX_NAME_LENGTH}", name.len())
    });
    super::assert_no_problems(&long.collect::<Vec<_>>());
}

#[test]
fn faults_page_names_existing_tests() {
    let all = tests("tests/it").into_iter();
    let known: BTreeSet<String> =
        all.map(|(_, module, name)| format!("{module}::{name}")).collect();
    let page = std::fs::read_to_string(root().join("docs/faults.md")).unwrap();
    let has_unit_tests = |module: &str| {
        let path = root().join("src").join(module.replace("::", "/"));
        let files = [path.with_extension("rs"), path.join("mod.rs")];
        files.iter().any(|file: &PathBuf| {
            std::fs::read_to_string(file).is_ok_and(|text| text.contains("#[test]"))
        })
    };
    let mut problems = Vec::new();
    for (number, line) in page.lines().enumerate() {
        for name in line.split('`').skip(1).step_by(2).filter(|name| name.contains("::")) {
            // The introduction explains the names by two placeholders.
            if name.ends_with("::NAME") {
                continue;
            }
            let exists = match name.strip_prefix("src::") {
                Some(module) => has_unit_tests(module),
                None => known.contains(name),
            };
            if !exists {
                problems.push(format!("docs/faults.md:{}: there is no `{name}`", number + 1));
            }
        }
    }
    let rows = page.lines().filter(|line| line.contains("Tests: ")).count();
    assert_eq!(rows, 133, "each fault has a line with its tests");
    super::assert_no_problems(&problems);
}

#[test]
fn test_functions_are_found() {
    let text = "#[test]\n#[ignore = \"x\"]\nfn a() {}\nfn b() {}\n    #[test]\n    fn c() {}\n";
    assert_eq!(test_names(text), ["a", "c"]);
}
