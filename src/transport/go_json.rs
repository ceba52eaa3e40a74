//! JSON files of docker and podman, by the rules of Go's `encoding/json`, which both use.
//!
//! A field's name may have any capitals; of a field that is there twice the later value counts;
//! `null` stands for an absent value; invalid UTF-8 becomes U+FFFD. As Docker does, only the first
//! value of a file is read, and an empty file is an empty object. The values of an object are kept
//! as text until they are asked for, so that one of the wrong type spoils nothing else.
//!
//! No error quotes the file: it can hold passwords.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The reason why a file or a field cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GoJsonError {
    /// The file is not JSON, or its first value is not an object.
    #[error("syntax error at line {line}, column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1, or 0 before the first.
        column: usize,
    },
    /// A field has a value of another type.
    #[error("`{field}` is not {wanted}")]
    Type {
        /// The field.
        field: String,
        /// The type, with its article.
        wanted: &'static str,
    },
}

/// The fields of an object in their order; a name may be there twice.
#[derive(Debug, Default)]
pub(super) struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    /// Reads the object that a file holds.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, GoJsonError> {
        let text = String::from_utf8_lossy(bytes);
        if text.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let mut values = serde_json::Deserializer::from_str(&text).into_iter::<Option<Self>>();
        match values.next() {
            Some(Err(error)) => {
                Err(GoJsonError::Syntax { line: error.line(), column: error.column() })
            }
            object => Ok(object.and_then(Result::ok).flatten().unwrap_or_default()),
        }
    }

    /// Reads a value of another object; `field` is what errors call it.
    pub(super) fn from_value(value: &RawValue, field: &str) -> Result<Self, GoJsonError> {
        let object = serde_json::from_str::<Option<Self>>(value.get());
        object.map(Option::unwrap_or_default).map_err(|_| wrong_type(field, "an object"))
    }

    /// The text of a field; empty where the field is absent.
    pub(super) fn text(&self, name: &str) -> Result<String, GoJsonError> {
        let mut found = String::new();
        for value in self.values(name) {
            let text: Option<String> =
                serde_json::from_str(value.get()).map_err(|_| wrong_type(name, "a string"))?;
            if let Some(text) = text {
                found = text;
            }
        }
        Ok(found)
    }

    /// The object of a field by its keys, whose capitals count; empty where the field is absent.
    pub(super) fn map(&self, name: &str) -> Result<BTreeMap<String, Box<RawValue>>, GoJsonError> {
        let mut found = BTreeMap::new();
        for value in self.values(name) {
            match value.get() {
                "null" => found.clear(),
                _ => found.extend(Self::from_value(value, name)?.0),
            }
        }
        Ok(found)
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &RawValue> {
        let same = |(key, _): &&(String, _)| folded(key).eq(folded(name));
        self.0.iter().filter(same).map(|(_, value)| &**value)
    }
}

fn wrong_type(field: &str, wanted: &'static str) -> GoJsonError {
    GoJsonError::Type { field: field.into(), wanted }
}

/// A name without the difference of capitals. Go folds two letters beyond ASCII into ASCII.
fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    })
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }

        d.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_json_fields_read_as_go_reads_them() {
        for (json, text) in [
            (r#"{"auth":"a"}"#, "a"),
            (r#"{"AUTH":"a"}"#, "a"),
            (r#"{"Auth":"a","auth":"b"}"#, "b"),
            (r#"{"auth":"a","auth":null}"#, "a"),
            (r#"{"auth":null}"#, ""),
            (r#"{"other":"a"}"#, ""),
            (r#"{"auth":"a"} {"auth":"b"} and more"#, "a"),
            ("null", ""),
            (" \n", ""),
        ] {
            assert_eq!(Object::parse(json.as_bytes()).unwrap().text("auth").unwrap(), text);
        }
        let fold = Object::parse("{\"cred\u{17f}Store\":\"a\",\"to\u{212a}en\":\"b\"}".as_bytes());
        let fold = fold.unwrap();
        assert_eq!((fold.text("credsStore").unwrap(), fold.text("token").unwrap()), {
            ("a".into(), "b".into())
        });
        let broken = Object::parse(b"{\"auth\":\"\xff\"}").unwrap();
        assert_eq!(broken.text("auth").unwrap(), "\u{fffd}");
    }

    #[test]
    fn go_json_maps_merge_and_null_empties_them() {
        let keys = |json: &str| -> Vec<String> {
            Object::parse(json.as_bytes()).unwrap().map("auths").unwrap().into_keys().collect()
        };
        assert_eq!(keys(r#"{"auths":{"A":1,"a":2},"Auths":{"b":3}}"#), ["A", "a", "b"]);
        assert_eq!(keys(r#"{"auths":{"a":2},"auths":null}"#), [""; 0]);
    }

    #[test]
    fn go_json_errors_name_the_place_and_never_the_value() {
        let error = |json: &str| Object::parse(json.as_bytes()).unwrap_err().to_string();
        for json in ["{", "[\"s3cret\"]", "{\"a\":\"s3cret\",,}", "\"s3cret\"", "\u{feff}{}"] {
            let error = error(json);
            assert!(error.starts_with("syntax error at line 1, column "), "{json}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        let object = Object::parse(br#"{"auths":"s3cret","store":["s3cret"]}"#).unwrap();
        let auths = object.map("auths").unwrap_err().to_string();
        assert_eq!(auths, "`auths` is not an object");
        assert_eq!(object.text("store").unwrap_err().to_string(), "`store` is not a string");
    }
}
