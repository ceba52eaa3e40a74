//! Datasources from `provisioning/datasources/*.yaml`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::manifest::hex;

/// Errors in provisioning files; Grafana does not start with them either.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProvisioningError {
    #[error("cannot read `{0}`")]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("`{0}` is not the YAML of datasources")]
    NotYaml(PathBuf, #[source] Box<serde_saphyr::Error>),
    #[error("`{0}`: datasource {1}: `{2}` is missing")]
    NoField(PathBuf, usize, &'static str),
    #[error("`{0}`: `{1}` is marked as default, but another datasource is the default already")]
    TwoDefaults(PathBuf, String),
    #[error("`{0}`: two datasources have the name or uid of `{1}`")]
    Twice(PathBuf, String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    datasources: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Entry {
    name: String,
    r#type: String,
    uid: String,
    access: String,
    url: String,
    user: String,
    database: String,
    basic_auth: bool,
    is_default: bool,
    editable: bool,
    org_id: Option<u64>,
    json_data: Map<String, Value>,
}

/// Returns the datasources below `dir` in the form of `/api/datasources`; none if `dir` does not
/// exist.
pub(crate) fn read(
    dir: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Value>, ProvisioningError> {
    let mut all: Vec<Value> = Vec::new();
    for file in files(dir)? {
        let text = fs::read_to_string(&file)
            .map_err(|error| ProvisioningError::Unreadable(file.clone(), error))?;
        let parsed: File = serde_saphyr::from_str(&text)
            .map_err(|error| ProvisioningError::NotYaml(file.clone(), Box::new(error)))?;
        for (index, entry) in parsed.datasources.into_iter().enumerate() {
            for (text, name) in [(&entry.name, "name"), (&entry.r#type, "type")] {
                if text.is_empty() {
                    return Err(ProvisioningError::NoField(file, index + 1, name));
                }
            }
            let one = describe(entry, all.len() + 1, &variable);
            let same = |key: &str| all.iter().any(|other| other.get(key) == one.get(key));
            let name = one.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            if same("name") || same("uid") {
                return Err(ProvisioningError::Twice(file, name));
            }
            if one.get("isDefault") == Some(&Value::Bool(true)) && same("isDefault") {
                return Err(ProvisioningError::TwoDefaults(file, name));
            }
            all.push(one);
        }
    }
    Ok(all)
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, ProvisioningError> {
    let unreadable = |error| ProvisioningError::Unreadable(dir.to_owned(), error);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(unreadable)?,
    };
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(unreadable)?;
    files.retain(|file| file.extension().is_some_and(|end| end == "yaml" || end == "yml"));
    files.sort();
    Ok(files)
}

fn describe(entry: Entry, id: usize, variable: &impl Fn(&str) -> Option<String>) -> Value {
    let fill = |text: &str| fill_in(text, variable);
    let (name, uid) = (fill(&entry.name), fill(&entry.uid));
    let mut json_data = Value::Object(entry.json_data);
    fill_in_deep(&mut json_data, variable);
    json!({
        "id": id,
        "uid": if uid.is_empty() { uid_of(&name) } else { uid },
        "orgId": entry.org_id.unwrap_or(1),
        "name": name,
        "type": fill(&entry.r#type),
        "access": if entry.access == "direct" { "direct" } else { "proxy" },
        "url": fill(&entry.url),
        "user": fill(&entry.user),
        "database": fill(&entry.database),
        "basicAuth": entry.basic_auth,
        "isDefault": entry.is_default,
        "jsonData": json_data,
        "readOnly": !entry.editable,
    })
}

/// Returns the uid of a datasource that has none in its file, derived from its name.
fn uid_of(name: &str) -> String {
    let digits = hex(&Sha256::digest(name.as_bytes())).to_uppercase();
    format!("P{}", digits.get(..16).unwrap_or_default())
}

fn fill_in_deep(value: &mut Value, variable: &impl Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) => *text = fill_in(text, variable),
        Value::Array(values) => values.iter_mut().for_each(|one| fill_in_deep(one, variable)),
        Value::Object(map) => map.values_mut().for_each(|one| fill_in_deep(one, variable)),
        _ => {}
    }
}

/// Replaces `$NAME`, `${NAME}` and `$__env{NAME}`. An unset variable becomes the empty text, and
/// `$$` becomes `$`.
fn fill_in(text: &str, variable: &impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
            continue;
        }
        let braced = after.strip_prefix("__env{").or_else(|| after.strip_prefix('{'));
        let bare = || {
            let other = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            after.split_at(after.find(other).unwrap_or(after.len()))
        };
        let (name, after) = braced.and_then(|inside| inside.split_once('}')).unwrap_or_else(bare);
        if name.is_empty() {
            filled.push('$');
        } else {
            filled.push_str(&variable(name).unwrap_or_default());
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_as_grafana_does() {
        let variable = |name: &str| (name == "HOST").then(|| "tempo".to_owned());
        for (text, expected) in [
            ("http://$HOST:3200", "http://tempo:3200"),
            ("${HOST}x", "tempox"),
            ("$__env{HOST}", "tempo"),
            ("$UNSET", ""),
            ("5 $$ $", "5 $ $"),
            ("${HOST", "${HOST"),
        ] {
            assert_eq!(fill_in(text, &variable), expected, "{text}");
        }
    }

    #[test]
    fn a_name_always_gives_the_same_uid() {
        assert_eq!(uid_of("Prometheus"), uid_of("Prometheus"));
        assert_ne!(uid_of("Prometheus"), uid_of("Loki"));
        assert_eq!(uid_of("Tempo").len(), 17);
    }
}
