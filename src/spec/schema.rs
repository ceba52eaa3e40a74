//! The contract as a JSON Schema (draft 2020-12), derived from the types that read it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};

use super::{Capabilities, ImageName, Mode, Spec, Tag, Time, VERSION};
use crate::store_path::StorePath;

/// The schema of a spec.json.
pub fn schema() -> Schema {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Spec>();
    schema.insert("title".into(), "cooper's spec.json".into());
    let version = schema.pointer_mut("/properties/version");
    if let Some(version) = version.and_then(|version| version.as_object_mut()) {
        version.insert("const".into(), VERSION.into());
    }
    schema
}

/// Types that are checked text in JSON.
macro_rules! text {
    ($type:ident, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text!(ImageName, {
    "type": "string",
    "maxLength": 255,
    "pattern": "^([A-Za-z0-9.\\[\\]:-]+/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$",
    "description": "A repository's name, without tag and digest.",
});
text!(Tag, {
    "type": "string",
    "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
});
text!(Time, {
    "type": "string",
    "format": "date-time",
    "description": "RFC 3339, not before 1970.",
});
text!(Mode, {
    "type": "string",
    "pattern": "^0?[0-7]{1,4}$",
    "description": "Twelve permission bits in octal.",
});
text!(StorePath, {
    "type": "string",
    "pattern": "^/.*/[0-9a-df-np-sv-z]{32}-[A-Za-z0-9+._?=-]{1,211}$",
    "description": "An absolute store path, never a path below one.",
});
text!(Capabilities, {
    "type": "array",
    "items": {
        "type": "string",
        "pattern": "^[A-Za-z_]+(,[A-Za-z_]+)*=?\\+?[eip]+$",
    },
});

#[cfg(test)]
mod tests {
    use super::*;

    /// What the schema says of some JSON.
    fn accepts(json: &str) -> bool {
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        compiler.add_resource("spec.json", schema().to_value()).unwrap();
        let index = compiler.compile("spec.json", &mut schemas).unwrap();
        schemas.validate(&serde_json::from_str(json).unwrap(), index).is_ok()
    }

    /// A spec in which everything is set.
    const FULL: &str = r#"{"version":1,"name":"localhost:5000/team/app","tags":["v1","latest"],
        "platform":{"os":"linux","architecture":"arm64","variant":"v8"},
        "created":"2024-01-02T03:04:05Z","mtime":"1970-01-01T00:00:01Z",
        "contents":["/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-a"],"includeStorePaths":true,
        "files":{"/a":{"text":"x","mode":"0644","uid":1,"gid":2},
            "/b":{"source":"/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-a/b",
                "capabilities":["cap_net_raw,CAP_KILL=+ep"]}},
        "directories":{"/tmp":{"mode":"1777"}},"symlinks":{"/c":"a"},
        "users":{"u":{"uid":1,"gid":1,"home":"/","shell":"/bin/sh","description":""}},
        "groups":{"g":{"gid":1,"members":["u"]}},
        "config":{"User":"1:1","ExposedPorts":{"80/tcp":{}},"Env":["A=b"],"Entrypoint":["/a"],
            "Cmd":[],"Volumes":{"/v":{}},"WorkingDir":"/","Labels":{"l":"m"},
            "StopSignal":"SIGINT","Shell":["/bin/sh"],"OnBuild":["RUN x"],
            "Healthcheck":{"Test":["CMD","/a"],"Interval":1000000,"Timeout":0,
                "StartPeriod":1000000,"StartInterval":1000000,"Retries":3}},
        "annotations":{"x":"y"},
        "layering":{"mode":"set","maxLayers":40,"minLayerSize":1,"changesOften":["a"],
            "groups":[{"name":"g","paths":["/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-a"]}],
            "siblings":{"b":[]}},
        "compression":{"algorithm":"zstd","level":3},"base":{"path":"/x","reference":"v1"},
        "checks":{"skip":["user"],"mustContain":["/a"],"mustNotContain":["/z*"],"maxSize":9},
        "closure":[{"path":"/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-a",
            "narHash":"sha256:0","narSize":1,"references":[]}]}"#;

    #[test]
    fn what_the_reader_takes_the_schema_takes_and_the_same_written_again() {
        for json in [r#"{"version":1,"name":"a"}"#, FULL] {
            let spec = crate::spec::parse(json.as_bytes()).unwrap();
            assert!(accepts(json), "{json}");
            let again = serde_json::to_value(&spec).unwrap().to_string();
            assert!(accepts(&again), "{again}");
        }
    }

    #[test]
    fn what_the_reader_refuses_by_shape_the_schema_refuses() {
        for extra in [
            r#""version":2"#,
            r#""name":"App""#,
            r#""entrypont":[]"#,
            r#""config":[]"#,
            r#""config":{"Healthcheck":[]}"#,
            r#""config":{"ExposedPorts":["80/tcp"]}"#,
            r#""tags":[".x"]"#,
            r#""files":{"/a":{"text":"","mode":"0888"}}"#,
            r#""files":{"/a":{"text":"","uid":-1}}"#,
            r#""contents":["hello"]"#,
            r#""layering":{"maxLayers":0}"#,
            r#""layering":{"maxLayers":126}"#,
            r#""compression":{"algorithm":"gzip","level":10}"#,
            r#""compression":{"algorithm":"bzip2"}"#,
            r#""checks":{"skip":["all"]}"#,
        ] {
            let mut json = serde_json::json!({"version": 1, "name": "a"});
            let more: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&format!("{{{extra}}}")).unwrap();
            json.as_object_mut().unwrap().extend(more);
            let json = json.to_string();
            assert!(crate::spec::parse(json.as_bytes()).is_err(), "the reader took {json}");
            assert!(!accepts(&json), "the schema took {json}");
        }
    }
}
