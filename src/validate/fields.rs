//! Types of the fields of manifests, indexes and configs.
//!
//! The tables follow image-spec (manifest.md, image-index.md, descriptor.md, config.md) and Docker's
//! image specification v1.2. Runtimes read these documents in Go: a field of another type is an
//! error there, `null` is the same as no field, and names are compared without regard to case.
//! Fields that the tables lack may have any type.

use serde_json::{Map, Value};

/// The largest number of findings about one document.
const MAX_FINDINGS: usize = 20;
/// The longest part of a name in a message, in characters.
const MAX_NAME: usize = 100;

/// The type of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Type {
    Text,
    Flag,
    Integer,
    /// RFC 3339.
    Time,
    /// An object of strings.
    TextMap,
    /// An object of empty objects.
    Set,
    List(&'static Type),
    Fields(&'static [(&'static str, Type)]),
}

const TEXTS: Type = Type::List(&Type::Text);

const PLATFORM: Type = Type::Fields(&[
    ("architecture", Type::Text),
    ("os", Type::Text),
    ("os.version", Type::Text),
    ("os.features", TEXTS),
    ("variant", Type::Text),
    ("features", TEXTS),
]);

const DESCRIPTOR: Type = Type::Fields(&[
    ("mediaType", Type::Text),
    ("digest", Type::Text),
    ("size", Type::Integer),
    ("urls", TEXTS),
    ("annotations", Type::TextMap),
    ("data", Type::Text),
    ("artifactType", Type::Text),
    ("platform", PLATFORM),
]);

/// A manifest or an index, by OCI or by Docker.
pub(super) const MANIFEST: Type = Type::Fields(&[
    ("schemaVersion", Type::Integer),
    ("mediaType", Type::Text),
    ("artifactType", Type::Text),
    ("config", DESCRIPTOR),
    ("layers", Type::List(&DESCRIPTOR)),
    ("manifests", Type::List(&DESCRIPTOR)),
    ("subject", DESCRIPTOR),
    ("annotations", Type::TextMap),
]);

const HEALTHCHECK: Type = Type::Fields(&[
    ("Test", TEXTS),
    ("Interval", Type::Integer),
    ("Timeout", Type::Integer),
    ("StartPeriod", Type::Integer),
    ("StartInterval", Type::Integer),
    ("Retries", Type::Integer),
]);

const CONTAINER: Type = Type::Fields(&[
    ("User", Type::Text),
    ("ExposedPorts", Type::Set),
    ("Env", TEXTS),
    ("Entrypoint", TEXTS),
    ("Cmd", TEXTS),
    ("Volumes", Type::Set),
    ("WorkingDir", Type::Text),
    ("Labels", Type::TextMap),
    ("StopSignal", Type::Text),
    ("ArgsEscaped", Type::Flag),
    ("Memory", Type::Integer),
    ("MemorySwap", Type::Integer),
    ("CpuShares", Type::Integer),
    ("Healthcheck", HEALTHCHECK),
    ("Shell", TEXTS),
    ("OnBuild", TEXTS),
    ("StopTimeout", Type::Integer),
    ("NetworkDisabled", Type::Flag),
    ("Hostname", Type::Text),
    ("Domainname", Type::Text),
    ("Image", Type::Text),
    ("MacAddress", Type::Text),
    ("AttachStdin", Type::Flag),
    ("AttachStdout", Type::Flag),
    ("AttachStderr", Type::Flag),
    ("Tty", Type::Flag),
    ("OpenStdin", Type::Flag),
    ("StdinOnce", Type::Flag),
]);

const HISTORY: Type = Type::Fields(&[
    ("created", Type::Time),
    ("created_by", Type::Text),
    ("author", Type::Text),
    ("comment", Type::Text),
    ("empty_layer", Type::Flag),
]);

/// An image's configuration, by OCI or by Docker.
pub(super) const CONFIG: Type = Type::Fields(&[
    ("created", Type::Time),
    ("author", Type::Text),
    ("architecture", Type::Text),
    ("os", Type::Text),
    ("os.version", Type::Text),
    ("os.features", TEXTS),
    ("variant", Type::Text),
    ("config", CONTAINER),
    ("rootfs", Type::Fields(&[("type", Type::Text), ("diff_ids", TEXTS)])),
    ("history", Type::List(&HISTORY)),
    ("id", Type::Text),
    ("parent", Type::Text),
    ("container", Type::Text),
    ("container_config", CONTAINER),
    ("docker_version", Type::Text),
]);

/// The fields of a document that have another type than `kind` gives them, a message each. A
/// document that is not JSON has none: its reader reports that.
pub(super) fn check(document: &[u8], kind: Type) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Ok(value) = serde_json::from_slice(document) {
        compare(&value, kind, "", &mut wrong);
    }
    wrong
}

fn compare(value: &Value, kind: Type, path: &str, wrong: &mut Vec<String>) {
    if wrong.len() >= MAX_FINDINGS {
        return;
    }
    match (kind, value) {
        (_, Value::Null) | (Type::Text, Value::String(_)) | (Type::Flag, Value::Bool(_)) => {}
        (Type::Fields(fields), Value::Object(object)) => {
            for (name, value) in object {
                let known = fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
                if let Some((field, kind)) = known {
                    compare(value, *kind, &below(path, field), wrong);
                }
            }
        }
        (Type::List(kind), Value::Array(values)) => {
            for (at, value) in values.iter().enumerate() {
                compare(value, *kind, &format!("{path}[{at}]"), wrong);
            }
        }
        (Type::TextMap, Value::Object(map)) => each(map, Type::Text, path, wrong),
        (Type::Set, Value::Object(set)) => each(set, Type::Fields(&[]), path, wrong),
        (Type::Integer, Value::Number(number)) if number.is_i64() => {}
        (Type::Time, Value::String(text)) if is_time(text) => {}
        (kind, value) => {
            let (is, wanted) = (describe(value), expected(kind));
            let path = if path.is_empty() { "the document".into() } else { format!("`{path}`") };
            wrong.push(format!("{path} is {is}, and must be {wanted}"));
        }
    }
}

fn each(map: &Map<String, Value>, kind: Type, path: &str, wrong: &mut Vec<String>) {
    for (name, value) in map {
        if !value.is_string() || !matches!(kind, Type::Text) {
            let name: String = name.chars().take(MAX_NAME).collect();
            compare(value, kind, &format!("{path}.\"{name}\""), wrong);
        }
    }
}

fn below(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() <= MAX_NAME => format!("the string \"{text}\""),
        Value::String(_) => "a string".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

fn expected(kind: Type) -> &'static str {
    match kind {
        Type::Text => "a string",
        Type::Flag => "true or false",
        Type::Integer => "a whole number of at most 64 bits",
        Type::Time => "a time such as 1970-01-01T00:00:01Z (RFC 3339)",
        Type::TextMap => "an object whose values are strings",
        Type::Set => "an object whose values are empty objects",
        Type::List(Type::Text) => "a list of strings",
        Type::List(_) => "a list of objects",
        Type::Fields([]) => "an empty object",
        Type::Fields(_) => "an object",
    }
}

/// A time as Go reads it: `2006-01-02T15:04:05`, perhaps a fraction, then `Z` or `+07:00`.
fn is_time(text: &str) -> bool {
    let shape = |part: &str, shape: &str| {
        let same = |(c, wanted): (char, char)| match wanted {
            '0' => c.is_ascii_digit(),
            '+' => matches!(c, '+' | '-'),
            wanted => c == wanted,
        };
        part.len() == shape.len() && part.chars().zip(shape.chars()).all(same)
    };
    let Some((time, rest)) = text.split_at_checked("2006-01-02T15:04:05".len()) else {
        return false;
    };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    shape(time, "0000-00-00T00:00:00")
        && !time.ends_with(":60")
        && (zone == "Z" || shape(zone, "+00:00"))
        && time.parse::<jiff::civil::DateTime>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(document: &str, kind: Type) -> String {
        check(document.as_bytes(), kind).join("\n")
    }

    #[test]
    fn config_of_every_known_field_is_good() {
        for good in [
            r#"{"created":"0001-01-01T00:00:00Z","author":"a","architecture":"amd64","os":"linux",
                "os.version":"1","os.features":["a"],"variant":"v8","rootfs":{"type":"layers",
                "diff_ids":["sha256:0"]},"history":[{"created":"2020-02-29T23:59:59.123456789+05:30",
                "created_by":"a","author":"b","comment":"c","empty_layer":true}],"id":"x","other":1,
                "config":{"User":"1","ExposedPorts":{"80/tcp":{}},"Env":["A=1"],"Cmd":[],
                "Entrypoint":["a"],"Volumes":{"/v":{}},"WorkingDir":"/","Labels":{"a":"b"},
                "StopSignal":"TERM","Memory":1,"Healthcheck":{"Test":["NONE"],"Interval":1000000},
                "Tty":false,"StopTimeout":3,"ArgsEscaped":true,"Other":[1]}}"#,
            r#"{"created":null,"config":{"Env":null,"ExposedPorts":{"80/tcp":null},"Labels":null,
                "Entrypoint":null,"Healthcheck":null,"Volumes":null},"history":null}"#,
        ] {
            assert_eq!(messages(good, CONFIG), "");
        }
    }

    #[test]
    fn config_field_of_another_type_is_named() {
        for (document, message) in [
            (
                r#"{"config":{"Entrypoint":"/bin/app"}}"#,
                "`config.Entrypoint` is the string \"/bin/app\", and must be a list of strings",
            ),
            (
                r#"{"config":{"ExposedPorts":["80/tcp"]}}"#,
                "`config.ExposedPorts` is a list, and must be an object whose values are empty objects",
            ),
            (
                r#"{"config":{"Env":{"A":"1"}}}"#,
                "`config.Env` is an object, and must be a list of strings",
            ),
            (r#"{"config":{"env":[1]}}"#, "`config.Env[0]` is the number 1, and must be a string"),
            (
                r#"{"config":{"Volumes":{"/v":"x"}}}"#,
                "`config.Volumes.\"/v\"` is the string \"x\", and must be an empty object",
            ),
            (
                r#"{"config":{"Labels":{"a":1}}}"#,
                "`config.Labels.\"a\"` is the number 1, and must be a string",
            ),
            (
                r#"{"config":{"Healthcheck":{"Interval":"30s"}}}"#,
                "`config.Healthcheck.Interval` is the string \"30s\", and must be a whole number of at \
                 most 64 bits",
            ),
            (r#"{"config":[]}"#, "`config` is a list, and must be an object"),
            (
                r#"{"history":[{"empty_layer":"true"}]}"#,
                "`history[0].empty_layer` is the string \"true\", and must be true or false",
            ),
            (
                r#"{"history":[{"created":"yesterday"}]}"#,
                "`history[0].created` is the string \"yesterday\", and must be a time such as \
                 1970-01-01T00:00:01Z (RFC 3339)",
            ),
            (
                r#"{"config":{"StopTimeout":1.5}}"#,
                "`config.StopTimeout` is the number 1.5, and must be a whole number of at most 64 bits",
            ),
            ("[]", "the document is a list, and must be an object"),
        ] {
            assert_eq!(messages(document, CONFIG), message);
        }
    }

    #[test]
    fn config_time_is_what_go_reads() {
        for (time, good) in [
            ("2020-01-01T00:00:00Z", true),
            ("2020-01-01T00:00:00.5-08:00", true),
            ("2020-02-30T00:00:00Z", false),
            ("2020-01-01T00:00:60Z", false),
            ("2020-01-01 00:00:00Z", false),
            ("2020-01-01T00:00:00", false),
            ("2020-01-01T00:00:00.Z", false),
            ("2020-01-01T00:00:00+0800", false),
            ("1577836800", false),
            ("", false),
            ("2020-01-01T00:00:0é", false),
        ] {
            assert_eq!(is_time(time), good, "{time}");
        }
    }

    #[test]
    fn manifest_field_of_another_type_is_named() {
        for (document, message) in [
            (r#"{"annotations":{"a":true}}"#, "`annotations.\"a\"` is true, and must be a string"),
            (
                r#"{"layers":[{},{"annotations":{"a":[]}}]}"#,
                "`layers[1].annotations.\"a\"` is a list, and must be a string",
            ),
            (
                r#"{"manifests":[{"platform":{"os.features":"x"}}]}"#,
                "`manifests[0].platform.os.features` is the string \"x\", and must be a list of strings",
            ),
            (
                r#"{"subject":"sha256:0"}"#,
                "`subject` is the string \"sha256:0\", and must be an object",
            ),
        ] {
            assert_eq!(messages(document, MANIFEST), message);
        }
    }

    #[test]
    fn config_with_many_wrong_fields_has_a_short_list() {
        let many = format!("{{\"config\":{{\"Env\":[{}1]}}}}", "1,".repeat(100_000));
        assert_eq!(check(many.as_bytes(), CONFIG).len(), MAX_FINDINGS);
    }
}
