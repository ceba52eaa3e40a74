//! Image names and tags, checked when they are read.

use core::net::Ipv6Addr;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a string is no image name or no tag.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// The repository's name is not one that registries take.
    #[error("`{name}` is not an image name: {why}")]
    Name {
        /// What was given.
        name: String,
        /// What is wrong and what to do.
        why: &'static str,
    },
    /// The tag is not one that registries take.
    #[error(
        "`{0}` is not a tag: use at most 128 letters, digits, `_`, `.` and `-`, \
         and start with a letter, a digit or `_`"
    )]
    Tag(String),
}

/// A repository's name, with a registry before it or without: `betrace-backend`,
/// `127.0.0.1:5000/team/backend` (distribution-spec, "Pulling manifests").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageName(String);

/// A tag: at most 128 of `[A-Za-z0-9_.-]`, not starting with `.` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(String);

impl FromStr for ImageName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = |why| NameError::Name { name: text.chars().take(260).collect(), why };
        if text.len() > 255 {
            return Err(error("it is longer than 255 characters"));
        }
        if text.contains('@') {
            return Err(error("leave out the digest"));
        }
        let (registry, repository) = match text.split_once('/') {
            Some((first, rest)) if is_registry(first) => (Some(first), rest),
            _ => (None, text),
        };
        if registry.is_some_and(|host| !is_host(host)) {
            return Err(error("the part before the first slash is no host"));
        }
        if repository.contains(':') {
            return Err(error("leave out the tag; it has a field of its own"));
        }
        if repository.chars().any(|c| c.is_ascii_uppercase()) {
            return Err(error("registries take lowercase letters only"));
        }
        match repository.split('/').all(is_component) {
            true => Ok(Self(text.into())),
            false => Err(error(
                "use lowercase letters and digits, with single `.`, `_`, `__` or dashes between",
            )),
        }
    }
}

/// Docker's rule: the first part is a registry when it could not be a namespace.
fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn is_host(host: &str) -> bool {
    let plain = || host.find(':').map_or((host, ""), |at| host.split_at(at));
    let in_brackets = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (name, rest) = in_brackets.unwrap_or_else(plain);
    let name_ok = match in_brackets {
        Some((address, _)) => address.parse::<Ipv6Addr>().is_ok(),
        None => is_domain(name),
    };
    let port = rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    name_ok && (rest.is_empty() || port)
}

fn is_domain(name: &str) -> bool {
    let label = |c: char| c.is_ascii_alphanumeric() || c == '-';
    name.split('.').all(|part| !part.is_empty() && part.chars().all(label))
}

fn is_component(component: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !edge(component.chars().next()) || !edge(component.chars().last()) {
        return false;
    }
    component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).all(|between| {
        matches!(between, "" | "." | "_" | "__") || between.chars().all(|c| c == '-')
    })
}

impl FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let good = (1..=128).contains(&text.len())
            && !text.starts_with(['.', '-'])
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
        match good {
            true => Ok(Self(text.into())),
            false => Err(NameError::Tag(text.chars().take(140).collect())),
        }
    }
}

macro_rules! checked_string {
    ($name:ident) => {
        impl $name {
            /// The text, as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

checked_string!(ImageName);
checked_string!(Tag);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_registries_take_are_taken() {
        for name in [
            "a",
            "betrace-backend",
            "team/a.b_c__d--e",
            "127.0.0.1:5000/x/y",
            "localhost/x",
            "[::1]/x",
            "[fd00::1]:5000/x/y",
        ] {
            assert!(name.parse::<ImageName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_registries_refuse_are_refused() {
        // fault 11
        for name in [
            "",
            "Backend",
            "a//b",
            "/a",
            "a/",
            "a:tag",
            "a..b",
            "a___b",
            "-a",
            "a@sha256:0",
            "../a",
            "r.io./a",
            "[::1/a",
            "[::1]5/a",
            "[::1]:x/a",
            "[x.io]/a",
            "a:b:5/a",
        ] {
            assert!(name.parse::<ImageName>().is_err(), "{name}");
        }
        assert!("a".repeat(256).parse::<ImageName>().is_err());
    }

    #[test]
    fn tags_keep_to_the_distribution_specs_grammar() {
        // fault 11
        for tag in ["latest", "v1.0.0", "_x", &"t".repeat(128)] {
            assert!(tag.parse::<Tag>().is_ok(), "{tag}");
        }
        for tag in ["", ".x", "-x", "a b", "a/b", &"t".repeat(129)] {
            assert!(tag.parse::<Tag>().is_err(), "{tag}");
        }
    }
}
