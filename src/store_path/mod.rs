//! Nix store paths, parsed once, and what the store registers about them.
//!
//! The form is `/nix/store/<32 characters>-<name>`; see the Nix manual, "Store path specification".

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod nar_hash;
mod package_name;

pub use nar_hash::nar_hash;
pub use package_name::PackageName;

/// The store directory of nearly every Nix.
pub const DEFAULT_STORE_DIR: &str = "/nix/store";

const HASH_LEN: usize = 32;
/// The digits of Nix's base 32, which leaves out e, o, t and u.
const BASE32: &str = "0123456789abcdfghijklmnpqrsvwxyz";
const MAX_NAME_LEN: usize = 211;

/// Why a string is no store path.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{path}` is not a store path: {why}")]
pub struct StorePathError {
    /// The string, cut when it is long.
    pub path: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// An absolute store path, such as `/nix/store/<hash>-<name>`; never a path below one.
///
/// Ordered by its text, so by hash first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath {
    text: Box<str>,
    base: usize,
}

impl StorePath {
    /// The whole path, as Nix prints it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The directory it is in, without a slash at its end.
    pub fn store_dir(&self) -> &str {
        self.text.get(..self.base.saturating_sub(1)).unwrap_or_default()
    }

    /// `<hash>-<name>`.
    pub fn base_name(&self) -> &str {
        self.text.get(self.base..).unwrap_or_default()
    }

    /// The 32 characters of Nix's base 32.
    pub fn hash(&self) -> &str {
        self.base_name().get(..HASH_LEN).unwrap_or_default()
    }

    /// What follows the hash: `glibc-2.40-66`.
    pub fn name(&self) -> &str {
        self.base_name().get(HASH_LEN + 1..).unwrap_or_default()
    }

    /// The name as that of a package, which all its versions and platforms share.
    pub fn package_name(&self) -> PackageName<'_> {
        PackageName::new(self.name())
    }

    /// The names that the path goes by where a person names a package: the whole name, the part
    /// before the version, and that part without a cross compiler's platform.
    pub fn names(&self) -> [Cow<'_, str>; 3] {
        let name = self.name();
        let versioned = name.get(..package_name::version_at(name)).unwrap_or(name);
        [name.into(), versioned.into(), self.package_name().package().to_owned().into()]
    }

    /// Parses a path that may reach below a store path, and gives the store path and the rest
    /// (with its leading slash, or empty).
    pub fn parse_prefix(text: &str) -> Result<(Self, &str), StorePathError> {
        let error = |why| StorePathError { path: text.chars().take(200).collect(), why };
        if !text.starts_with('/') {
            return Err(error("it is not absolute"));
        }
        // The store directory is not fixed: the base name is the first component that looks
        // like one.
        let mut start = 1;
        for component in text.split('/').skip(1) {
            if is_base_name(component) {
                let end = start + component.len();
                let (path, rest) = text.split_at(end);
                return Ok((Self { text: path.into(), base: start }, rest));
            }
            start += component.len() + 1;
        }
        Err(error("it has no `<32 characters of hash>-<name>` in it"))
    }
}

fn is_base_name(component: &str) -> bool {
    let Some((hash, name)) = component.split_at_checked(HASH_LEN) else {
        return false;
    };
    let Some(name) = name.strip_prefix('-') else {
        return false;
    };
    hash.chars().all(|c| BASE32.contains(c))
        && !name.is_empty()
        && name.len() <= MAX_NAME_LEN
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-._?=".contains(c))
}

impl FromStr for StorePath {
    type Err = StorePathError;

    fn from_str(text: &str) -> Result<Self, StorePathError> {
        let (path, rest) = Self::parse_prefix(text)?;
        if !rest.is_empty() {
            return Err(StorePathError {
                path: text.chars().take(200).collect(),
                why: "it reaches below one",
            });
        }
        Ok(path)
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorePath({})", self.text)
    }
}

impl AsRef<std::path::Path> for StorePath {
    fn as_ref(&self) -> &std::path::Path {
        self.as_str().as_ref()
    }
}

impl Serialize for StorePath {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for StorePath {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What the store registers about a path; one entry of a references graph.
///
/// Unknown fields (`closureSize`, `valid`, `deriver`, …) are read over: each version of Nix
/// writes others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathInfo {
    /// The path itself.
    pub path: StorePath,
    /// The hash of its nar: `sha256:` and base 32. The other forms that Nix writes, base 16 and SRI,
    /// are read too.
    #[serde(deserialize_with = "nar_hash::read")]
    pub nar_hash: String,
    /// The size of its nar, in bytes.
    pub nar_size: u64,
    /// The paths that it refers to, itself included where it does; in any order.
    #[serde(default)]
    pub references: Vec<StorePath>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "/nix/store/ppalkb4fq3rl0qvhbbhvzwmh2yk9i1l1-hello-2.12.1";

    #[test]
    fn a_store_path_gives_its_parts() {
        let path: StorePath = HELLO.parse().unwrap();
        assert_eq!(path.store_dir(), "/nix/store");
        assert_eq!(path.hash(), "ppalkb4fq3rl0qvhbbhvzwmh2yk9i1l1");
        assert_eq!(path.name(), "hello-2.12.1");
        assert_eq!(path.package_name().package(), "hello");
    }

    #[test]
    fn a_package_name_ends_where_the_version_starts() {
        for (name, package) in [
            ("gcc-14.2.1.20250322-lib", "gcc"),
            ("nss-cacert-3.108", "nss-cacert"),
            ("python3.12-numpy-2.1", "python3.12-numpy"),
            ("no-version", "no-version"),
        ] {
            let path = format!("/nix/store/ppalkb4fq3rl0qvhbbhvzwmh2yk9i1l1-{name}");
            assert_eq!(path.parse::<StorePath>().unwrap().package_name().package(), package);
        }
    }

    #[test]
    fn cross_package_goes_by_its_native_name_too() {
        let name = "tool-aarch64-unknown-linux-gnu-0.1.0";
        let path = format!("/nix/store/ppalkb4fq3rl0qvhbbhvzwmh2yk9i1l1-{name}");
        let names = path.parse::<StorePath>().unwrap().names().map(Cow::into_owned);
        assert_eq!(names, [name, "tool-aarch64-unknown-linux-gnu", "tool"]);
    }

    #[test]
    fn a_path_below_a_store_path_is_split_from_it() {
        let below = format!("{HELLO}/bin/hello");
        let (path, rest) = StorePath::parse_prefix(&below).unwrap();
        assert_eq!((path.as_str(), rest), (HELLO, "/bin/hello"));
        assert!(below.parse::<StorePath>().is_err());
    }

    #[test]
    fn strings_that_only_look_like_store_paths_are_refused() {
        // fault 18
        for text in [
            "",
            "hello",
            "/nix/store",
            "/nix/store/hello",
            "/nix/storefoo/x",
            "/nix/store/ppalkb4fq3rl0qvhbbhvzwmh2yk9i1l1",
            "/nix/store/eeeekb4fq3rl0qvhbbhvzwmh2yk9i1l1-hello",
            "/nix/store/ppalkb4fq3rl0qvhbbhvzwmh2yk9i1l1-he llo",
        ] {
            assert!(text.parse::<StorePath>().is_err(), "{text}");
        }
    }
}
