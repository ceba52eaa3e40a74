//! The platform of an image: its notation, and the rule by which one platform runs the images of
//! another.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The platform of an image, with the fields of OCI (image-spec, image-index.md, `platform`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, …: Go's names.
    pub architecture: String,
    /// `v8`, …, where the architecture has variants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// The order of images that run on one platform: the greatest is the best.
///
/// An image whose variant is known to run is better than one of which nothing is known. Then the
/// higher variant is better, and a stated variant is better than the architecture's base variant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    is_known: bool,
    variant: Vec<u32>,
    is_stated: bool,
}

impl Platform {
    /// Returns true if the two statements about one image do not contradict each other: a statement
    /// without a variant agrees with any variant.
    pub fn fits(&self, other: &Self) -> bool {
        let variants = self.variant.as_ref().zip(other.variant.as_ref());
        self.os == other.os
            && self.architecture == other.architecture
            && variants.is_none_or(|(own, other)| own == other)
    }

    /// Returns true if both names stand for one platform.
    pub fn is_same(&self, other: &Self) -> bool {
        self.normalized() == other.normalized()
    }

    /// Returns the platform without a variant that its name implies: `linux/arm64/v8` is
    /// `linux/arm64`, and `linux/amd64/v1` is `linux/amd64`.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let implied = match self.architecture.as_str() {
            "arm64" => Some("v8"),
            "amd64" => Some("v1"),
            _ => None,
        };
        let variant = self.variant.clone().filter(|variant| Some(variant.as_str()) != implied);
        Self { variant, ..self.clone() }
    }

    /// Returns how well an image for this platform runs on `machine`, or nothing if it does not.
    ///
    /// A machine runs the images of its own variant and of lower ones. An architecture has a base
    /// variant, as in containerd: `linux/arm` stands for `linux/arm/v7`. Of an image without a
    /// variant on a machine of a lower one, and of an architecture without a base variant, nothing
    /// is known; such an image comes last.
    pub fn rank_on(&self, machine: &Self) -> Option<Rank> {
        if (&self.os, &self.architecture) != (&machine.os, &machine.architecture) {
            return None;
        }
        let (own, other) = (self.normalized().variant, machine.normalized().variant);
        let levels = self.level().zip(machine.level());
        let is_known =
            own == other || levels.as_ref().is_some_and(|(own, other)| own.runs_on(other));
        // Of images of which nothing is known none is better than another.
        let variant = levels.filter(|_| is_known).map(|(own, _)| own.numbers).unwrap_or_default();
        let is_open = own.is_none() || other.is_none() && self.base_variant().is_none();
        let is_stated = is_known && own.is_some();
        (is_known || is_open).then_some(Rank { is_known, variant, is_stated })
    }

    fn base_variant(&self) -> Option<&'static str> {
        match self.architecture.as_str() {
            "arm" => Some("v7"),
            "arm64" => Some("v8"),
            "amd64" => Some("v1"),
            _ => None,
        }
    }

    fn level(&self) -> Option<Level> {
        let variant = self.variant.as_deref().or(self.base_variant());
        Level::parse(&self.architecture, variant?)
    }
}

/// A variant in numbers: `v8.2` is 8 and 2.
struct Level {
    /// The architecture, and the letters of the variant.
    family: (String, String),
    numbers: Vec<u32>,
}

impl Level {
    fn parse(architecture: &str, variant: &str) -> Option<Self> {
        let letters: String = variant.chars().filter(char::is_ascii_alphabetic).collect();
        // Docker's older manifest lists write `7` for `v7`.
        let letters = if letters.is_empty() { "v".into() } else { letters };
        let numbers = variant.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
        let numbers: Vec<u32> = numbers.map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let family = (architecture.to_owned(), letters);
        (!numbers.is_empty()).then_some(Self { family, numbers })
    }

    /// Returns true if programs for this variant run on `machine`. Arm's v9.0 has all of v8.5, and
    /// so on for later minor versions.
    fn runs_on(&self, machine: &Self) -> bool {
        if self.family != machine.family {
            return false;
        }
        let minor = |level: &Self| level.numbers.get(1).copied().unwrap_or(0);
        let major = |level: &Self| level.numbers.first().copied();
        let is_arm = self.family.0 == "arm64";
        match (major(self), major(machine)) {
            (Some(8), Some(9)) if is_arm => minor(self) <= minor(machine).saturating_add(5),
            _ => self.numbers <= machine.numbers,
        }
    }
}

impl Default for Platform {
    fn default() -> Self {
        Self { os: "linux".into(), architecture: "amd64".into(), variant: None }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

/// Text that does not name a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform; write `linux/arm64` or `linux/arm/v7`")]
pub struct PlatformError(String);

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [os, architecture, variant @ ..]
                if variant.len() < 2 && parts.iter().all(|part| !part.is_empty()) =>
            {
                Ok(Self {
                    os: (*os).into(),
                    architecture: (*architecture).into(),
                    variant: variant.first().map(|variant| (*variant).into()),
                })
            }
            _ => Err(PlatformError(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn image_of_a_lower_variant_runs() {
        for (machine, runs) in [
            ("linux/arm/v7", "linux/arm/v7 linux/arm linux/arm/v6 linux/arm/v5"),
            ("linux/arm", "linux/arm/v7 linux/arm linux/arm/v6 linux/arm/v5"),
            ("linux/arm/v6", "linux/arm/v6 linux/arm/6 linux/arm/v5"),
            ("linux/arm64", "linux/arm64/v8 linux/arm64"),
            ("linux/arm64/v9.1", "linux/arm64/v9 linux/arm64/v8.6 linux/arm64/v8 linux/arm64"),
            ("linux/amd64/v3", "linux/amd64/v3 linux/amd64/v2 linux/amd64/v1 linux/amd64"),
            ("linux/ppc64le/power10", "linux/ppc64le/power10 linux/ppc64le/power9"),
            ("linux/riscv64/rva23u64", "linux/riscv64/rva23u64 linux/riscv64/rva20u64"),
            ("linux/386", "linux/386"),
        ] {
            for image in runs.split(' ') {
                let rank = platform(image).rank_on(&platform(machine));
                assert!(rank.is_some_and(|rank| rank.is_known), "{image} on {machine}");
            }
        }
    }

    #[test]
    fn image_of_a_higher_or_other_variant_does_not_run() {
        for (image, machine) in [
            ("linux/arm/v7", "linux/arm/v6"),
            ("linux/arm64/v8.7", "linux/arm64/v9.1"),
            ("linux/arm64/v9", "linux/arm64/v8"),
            ("linux/amd64/v4", "linux/amd64/v3"),
            ("linux/amd64/v3", "linux/amd64"),
            ("linux/amd64", "linux/386"),
            ("linux/arm/v7", "linux/arm64"),
            ("windows/amd64", "linux/amd64"),
            ("linux/mips/softfloat", "linux/mips/hardfloat"),
            ("linux/arm/v99999999999", "linux/arm/v7"),
        ] {
            assert_eq!(platform(image).rank_on(&platform(machine)), None, "{image} on {machine}");
        }
    }

    #[test]
    fn image_of_an_unknown_variant_comes_last() {
        let rank = |image: &str, machine| platform(image).rank_on(&platform(machine)).unwrap();
        for (machine, images) in [
            ("linux/arm/v6", ["linux/arm", "linux/arm/v5", "linux/arm/v6"]),
            ("linux/arm", ["linux/arm/v5", "linux/arm/v6", "linux/arm"]),
            ("linux/arm/v7", ["linux/arm/v6", "linux/arm", "linux/arm/v7"]),
            ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v3"]),
            ("linux/ppc64le", ["linux/ppc64le/power8", "linux/ppc64le/power9", "linux/ppc64le"]),
            (
                "linux/ppc64le/power9",
                ["linux/ppc64le", "linux/ppc64le/power8", "linux/ppc64le/power9"],
            ),
        ] {
            let ranks = images.map(|image| rank(image, machine));
            assert!(ranks.is_sorted(), "{machine}: {ranks:?}");
        }
    }

    #[test]
    fn platform_without_two_parts_is_an_error() {
        for text in ["", "linux", "linux/", "/amd64", "linux/arm/", "linux/arm/v7/x"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
        assert_eq!(platform("linux/arm/v7").to_string(), "linux/arm/v7");
    }
}
