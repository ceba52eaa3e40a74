//! What an image takes over from its base.
//!
//! | field | rule |
//! |---|---|
//! | `Env` | the base's, then the image's own; of one name the image's value, at the base's place |
//! | `Labels`, `ExposedPorts`, `Volumes` | both; of one name the image's |
//! | `Entrypoint`, `Cmd` | the image's if it has them; an image with an entrypoint of its own drops the base's `Cmd`, whose words were for another program |
//! | `User`, `WorkingDir`, `StopSignal`, `Healthcheck`, `Shell` | the image's if it has one, else the base's; `["NONE"]` turns a health check off |
//! | `OnBuild` | never: it is meant for Dockerfiles |
//! | fields that cooper does not know | kept as they stand, but for those that describe the container that Docker once built the base in |
//! | history | the base's entries, then one a layer |
//! | manifest annotations | none but `org.opencontainers.image.base.digest` and `base.name` |

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::spec::Config;

/// Fields of a config that say nothing about the image: a builder's container had them.
const CONTAINER_FIELDS: [&str; 11] = [
    "AttachStderr",
    "AttachStdin",
    "AttachStdout",
    "Domainname",
    "Hostname",
    "Image",
    "MacAddress",
    "OnBuild",
    "OpenStdin",
    "StdinOnce",
    "Tty",
];
const KNOWN: [&str; 11] = [
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
];

/// What an image is put on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaseConfig {
    /// The digest of the base's manifest.
    pub digest: Option<crate::digest::Digest>,
    /// What its lock calls it.
    pub name: Option<String>,
    /// The base's `config` object, as it stands.
    pub config: Map<String, Value>,
    /// The base's history, as it stands.
    pub history: Vec<Map<String, Value>>,
    /// How many layers it has.
    pub layers: usize,
}

/// The config of an image on a base, and the base's fields that cooper does not know.
pub(super) fn config(
    lower: &BaseConfig,
    own: &Config,
) -> Result<(Config, BTreeMap<String, Value>), serde_json::Error> {
    let mut known = Map::new();
    let mut unknown = BTreeMap::new();
    for (name, value) in &lower.config {
        if KNOWN.contains(&name.as_str()) {
            if let Some(value) = understood(name, value) {
                known.insert(name.clone(), value);
            }
        } else if !CONTAINER_FIELDS.contains(&name.as_str()) {
            unknown.insert(name.clone(), value.clone());
        }
    }
    let base: Config = serde_json::from_value(Value::Object(known))?;
    Ok((over(base, own.clone()), unknown))
}

/// What of an image's config comes from its base: whole fields, and of lists and sets of names
/// the entries that are not the image's own.
pub(super) fn taken(
    lower: &BaseConfig,
    own: &Config,
) -> Result<Map<String, Value>, serde_json::Error> {
    let (config, unknown) = config(lower, own)?;
    let Value::Object(all) = serde_json::to_value(config)? else { return Ok(Map::new()) };
    let own = serde_json::to_value(own)?;
    let of_base = all.into_iter().filter_map(|(name, value)| {
        let taken = without_own_entries(&name, value, own.get(&name))?;
        Some((name, taken))
    });
    Ok(of_base.chain(unknown).collect())
}

fn without_own_entries(name: &str, value: Value, own: Option<&Value>) -> Option<Value> {
    match (name, value, own) {
        (_, value, Some(own)) if value == *own => None,
        ("Env", Value::Array(all), Some(Value::Array(own))) => {
            Some(all.into_iter().filter(|entry| !own.contains(entry)).collect())
        }
        ("ExposedPorts" | "Volumes" | "Labels", Value::Object(all), Some(Value::Object(own))) => {
            let others = all.into_iter().filter(|(key, _)| !own.contains_key(key));
            Some(Value::Object(others.collect()))
        }
        (_, value, _) => Some(value),
    }
    .filter(|value| !matches!(value, Value::Null))
    .filter(|value| value.as_array().is_none_or(|entries| !entries.is_empty()))
    .filter(|value| value.as_object().is_none_or(|entries| !entries.is_empty()))
}

/// A field's value without what other tools write for nothing at all.
fn understood(name: &str, value: &Value) -> Option<Value> {
    match (name, value) {
        (_, Value::Null) => None,
        ("User" | "WorkingDir" | "StopSignal", Value::String(text)) if text.is_empty() => None,
        // A set is an object whose values mean nothing.
        ("ExposedPorts" | "Volumes", Value::Object(set)) => {
            Some(set.keys().map(|key| (key.clone(), Value::Object(Map::new()))).collect())
        }
        ("Healthcheck", Value::Object(check)) => {
            let fields = ["Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"];
            let known = check.iter().filter(|(name, _)| fields.contains(&name.as_str()));
            Some(
                known
                    .filter(|(_, value)| !value.is_null())
                    .map(|(n, v)| (n.clone(), v.clone()))
                    .collect(),
            )
        }
        (_, value) => Some(value.clone()),
    }
}

fn over(mut base: Config, own: Config) -> Config {
    if own.entrypoint.is_some() {
        base.cmd = None;
    }
    let mut env = Config { env: base.env, ..Config::default() };
    for entry in &own.env {
        if let Some((name, value)) = entry.split_once('=') {
            env.set_env(name, value);
        }
    }
    base.exposed_ports.extend(own.exposed_ports);
    base.volumes.extend(own.volumes);
    base.labels.extend(own.labels);
    Config {
        env: env.env,
        exposed_ports: base.exposed_ports,
        volumes: base.volumes,
        labels: base.labels,
        user: own.user.or(base.user),
        entrypoint: own.entrypoint.or(base.entrypoint),
        cmd: own.cmd.or(base.cmd),
        working_dir: own.working_dir.or(base.working_dir),
        stop_signal: own.stop_signal.or(base.stop_signal),
        healthcheck: own.healthcheck.or(base.healthcheck),
        shell: own.shell.or(base.shell),
        on_build: own.on_build,
    }
}

/// The base's history, with as many entries for layers as the base has layers: Docker counts.
pub(super) fn history(lower: &BaseConfig) -> Vec<Map<String, Value>> {
    let has_layer = |entry: &&Map<String, Value>| {
        !entry.get("empty_layer").and_then(Value::as_bool).unwrap_or_default()
    };
    if lower.history.iter().filter(has_layer).count() == lower.layers {
        return lower.history.clone();
    }
    let entry = Map::from_iter([("comment".into(), Value::from("a layer of the base image"))]);
    vec![entry; lower.layers]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lower(config: &str) -> BaseConfig {
        BaseConfig { config: serde_json::from_str(config).unwrap(), ..BaseConfig::default() }
    }

    fn merged(base: &str, own: &str) -> Value {
        let own: Config = serde_json::from_str(own).unwrap();
        let (config, unknown) = config(&lower(base), &own).unwrap();
        let mut value = serde_json::to_value(config).unwrap();
        value.as_object_mut().unwrap().extend(unknown);
        value
    }

    #[test]
    fn each_field_follows_the_documented_rule() {
        // fault 74
        for (what, base, own, result) in [
            (
                "variables",
                r#"{"Env":["A=1","B=2"]}"#,
                r#"{"Env":["C=3","A=4"]}"#,
                r#"{"Env":["A=4","B=2","C=3"]}"#,
            ),
            (
                "labels, ports and volumes",
                r#"{"Labels":{"a":"1","b":"2"},"ExposedPorts":{"1/tcp":{}},"Volumes":{"/a":{}}}"#,
                r#"{"Labels":{"b":"3"},"ExposedPorts":{"2/tcp":{}},"Volumes":{"/b":{}}}"#,
                r#"{"Labels":{"a":"1","b":"3"},"ExposedPorts":{"1/tcp":{},"2/tcp":{}},
                    "Volumes":{"/a":{},"/b":{}}}"#,
            ),
            (
                "an entrypoint of its own drops the base's words",
                r#"{"Entrypoint":["a"],"Cmd":["b"]}"#,
                r#"{"Entrypoint":["c"]}"#,
                r#"{"Entrypoint":["c"]}"#,
            ),
            (
                "words of its own keep the base's entrypoint",
                r#"{"Entrypoint":["a"],"Cmd":["b"]}"#,
                r#"{"Cmd":["c"]}"#,
                r#"{"Entrypoint":["a"],"Cmd":["c"]}"#,
            ),
            (
                "user, directory, signal, check and shell",
                r#"{"User":"1","WorkingDir":"/a","StopSignal":"SIGINT","Shell":["a"],
                    "Healthcheck":{"Test":["CMD","a"]},"OnBuild":["RUN x"]}"#,
                r#"{"User":"2","Healthcheck":{"Test":["NONE"]}}"#,
                r#"{"User":"2","WorkingDir":"/a","StopSignal":"SIGINT","Shell":["a"],
                    "Healthcheck":{"Test":["NONE"]}}"#,
            ),
            (
                "nulls, what is unknown, and a builder's container",
                r#"{"Env":null,"Cmd":null,"User":"","Volumes":null,"ArgsEscaped":true,
                    "Hostname":"x","Image":"y","Healthcheck":{"Test":["CMD"],"New":1}}"#,
                "{}",
                r#"{"ArgsEscaped":true,"Healthcheck":{"Test":["CMD"]}}"#,
            ),
        ] {
            let result: Value = serde_json::from_str(result).unwrap();
            assert_eq!(merged(base, own), result, "{what}");
        }
    }

    #[test]
    fn a_field_of_another_shape_is_an_error() {
        // fault 71
        for base in [r#"{"Env":"A=1"}"#, r#"{"Entrypoint":[1]}"#, r#"{"Labels":{"a":1}}"#] {
            assert!(config(&lower(base), &Config::default()).is_err(), "{base}");
        }
    }

    #[test]
    fn a_history_that_miscounts_is_replaced() {
        // fault 71
        let entry = |empty| Map::from_iter([("empty_layer".into(), Value::from(empty))]);
        let good = BaseConfig {
            history: vec![entry(false), entry(true)],
            layers: 1,
            ..BaseConfig::default()
        };
        assert_eq!(history(&good), good.history);
        let bad = BaseConfig { layers: 2, ..good };
        assert_eq!(history(&bad).len(), 2);
    }
}
