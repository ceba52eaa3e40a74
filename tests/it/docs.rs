//! Documentation that is generated, or that names files.
//!
//! `COOPER_WRITE_DOCS=1 cargo test --locked --test it docs` writes `docs/spec-json.md`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn schema() -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_cooper")).arg("schema").output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns a value's `description` on one line, with `|` escaped for a table.
fn meaning(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or("–");
    text.replace("[`VERSION`]", "1")
        .replace('|', "\\|")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns the name of a schema's type, with links to the sections of named types.
fn type_name(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    if let Some(types) = schema["anyOf"].as_array() {
        let names = types.iter().filter(|one| one["type"] != "null").map(type_name);
        return names.collect::<Vec<_>>().join(" or ");
    }
    let name = match &schema["type"] {
        Value::Array(names) => names.iter().find(|name| *name != "null").unwrap(),
        name => name,
    };
    match name.as_str().unwrap() {
        "array" => format!("list of {}", type_name(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map to {}", type_name(&schema["additionalProperties"]))
        }
        name => name.to_owned(),
    }
}

fn write_fields(page: &mut String, schema: &Value) {
    let Some(fields) = schema["properties"].as_object() else { return };
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    page.push_str("\n| field | type | default | meaning |\n|---|---|---|---|\n");
    for (name, field) in fields {
        let default = match field.get("default") {
            _ if required.iter().any(|one| one == name) => "required".to_owned(),
            None | Some(Value::Null) => "–".to_owned(),
            Some(value) => format!("`{value}`"),
        };
        let (kind, meaning) = (type_name(field), meaning(field));
        writeln!(page, "| `{name}` | {kind} | {default} | {meaning} |").unwrap();
    }
}

/// Writes the values of an enumeration, or the forms of an object by its constant field.
fn write_variants(page: &mut String, variants: &[Value]) {
    page.push_str("\n| value | further fields | meaning |\n|---|---|---|\n");
    for variant in variants {
        let none = Map::new();
        let fields = variant["properties"].as_object().unwrap_or(&none);
        let (tags, others): (Vec<_>, Vec<_>) =
            fields.iter().partition(|(_, field)| field.get("const").is_some());
        let value = if let Some(value) = variant.get("const") {
            format!("`{value}`")
        } else {
            let shown = tags.iter().map(|(name, tag)| format!("`{name}`: `{}`", tag["const"]));
            shown.collect::<Vec<_>>().concat()
        };
        let others = others.iter().map(|(name, field)| {
            let limits = [("minimum", "from"), ("maximum", "to"), ("default", "default")];
            let limits = limits.iter().filter_map(|(key, name)| Some((name, field.get(key)?)));
            let limits: Vec<String> =
                limits.map(|(name, limit)| format!("{name} {limit}")).collect();
            format!("`{name}` {}", limits.join(" "))
        });
        let others = others.collect::<Vec<_>>().join(", ");
        writeln!(page, "| {value} | {others} | {} |", meaning(variant)).unwrap();
    }
}

fn spec_page() -> String {
    let schema = schema();
    let mut page = String::from(
        "# spec.json\n\n<!-- Generated from `cooper schema`; see CONTRIBUTING.md. -->\n\n\
         `spec.json` describes an image except the bytes of its store paths. Flakes write it; `cooper schema` prints\n\
         its JSON Schema, from which this page is generated. Unknown fields are errors.\n",
    );
    write_fields(&mut page, &schema);
    let types: BTreeMap<String, Value> = serde_json::from_value(schema["$defs"].clone()).unwrap();
    for (name, kind) in &types {
        write!(page, "\n## {name}\n").unwrap();
        if kind.get("description").is_some() {
            write!(page, "\n{}\n", meaning(kind)).unwrap();
        }
        for (form, schema) in [("A string", kind), ("A list of strings", &kind["items"])] {
            if let Some(pattern) = schema["pattern"].as_str() {
                write!(page, "\n{form} of the form\n\n```text\n{pattern}\n```\n").unwrap();
            }
        }
        if let Some(variants) = kind["oneOf"].as_array() {
            write_variants(&mut page, variants);
        }
        write_fields(&mut page, kind);
    }
    page
}

#[test]
fn spec_page_equals_schema() {
    let page = spec_page();
    let path = root().join("docs/spec-json.md");
    if std::env::var_os("COOPER_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let hint = "run `COOPER_WRITE_DOCS=1 cargo test --locked --test it docs`";
    assert!(written == page, "docs/spec-json.md differs from the schema; {hint}");
}

/// Each row of the table in `docs/architecture.md` names a file and `file`: `test`.
#[test]
fn architecture_table_names_existing_files_and_tests() {
    let page = read("docs/architecture.md");
    let (_, table) = page.split_once("| question | file | test |\n").unwrap();
    let rows: Vec<&str> = table.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 10, "{rows:?}");
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, file, test] = cells[..] else { panic!("{row}") };
        assert!(root().join(file.trim_matches('`')).is_file(), "{row}");
        let (test_file, name) = test.trim_matches('`').split_once("`: `").unwrap();
        assert!(read(test_file).contains(&format!("fn {name}(")), "{row}");
    }
}

#[test]
fn links_between_pages_lead_to_files() {
    let mut pages: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
        .into_iter()
        .map(PathBuf::from)
        .collect();
    let docs = std::fs::read_dir(root().join("docs")).unwrap();
    pages.extend(docs.map(|entry| Path::new("docs").join(entry.unwrap().file_name())));
    for page in pages {
        for part in read(&page).split("](").skip(1) {
            let link = part.split([')', '#']).next().unwrap();
            if link.is_empty() || link.contains("://") {
                continue;
            }
            let target = root().join(page.parent().unwrap()).join(link);
            assert!(target.exists(), "{}: {link}", page.display());
        }
    }
}

#[test]
fn architecture_map_lists_the_modules_of_the_crate() {
    let page = read("docs/architecture.md");
    let section = page.split("## Modules").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut rows: Vec<&str> = rows.collect();
    rows.sort_unstable();
    let library = read("src/lib.rs");
    let modules =
        library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    assert_eq!(rows, modules.collect::<Vec<_>>());
}
