//! A store path's name, read as the name of a package.
//!
//! nixpkgs calls a package `PNAME[-static][-HOST]-VERSION[-OUTPUT]`. HOST is the platform that a
//! cross compiler builds for, such as `aarch64-unknown-linux-gnu`; the native package of that
//! platform has the same name without it. The two are one package, so the platform is left out.

use std::borrow::Cow;
use std::cmp::Ordering;

/// How the names of processors begin.
const PROCESSORS: [&str; 17] = [
    "aarch64",
    "alpha",
    "arm",
    "i386",
    "i486",
    "i586",
    "i686",
    "loongarch",
    "m68k",
    "microblaze",
    "mips",
    "or1k",
    "powerpc",
    "riscv",
    "s390",
    "sparc",
    "x86_64",
];
const VENDORS: [&str; 2] = ["unknown", "pc"];
/// How the names of the C libraries' ABIs begin.
const ABIS: [&str; 4] = ["android", "gnu", "musl", "uclibc"];
/// nixpkgs adds this to the names of packages that are linked statically; its set of those has
/// musl.
const STATIC: &str = "-static";

/// The name of a package, in its parts. Ordered by the part before the version, then by the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageName<'a> {
    /// The name as the native package has it.
    text: Cow<'a, str>,
    /// Bytes of `text` before the version.
    package: usize,
}

impl<'a> PackageName<'a> {
    /// Reads what follows the hash in a store path.
    pub fn new(name: &'a str) -> Self {
        let text = without_platform(name);
        let package = version_at(&text);
        Self { text, package }
    }

    /// The name of the native package: `glibc-2.40-66-bin`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the version, which two versions of a package share: `glibc`.
    pub fn package(&self) -> &str {
        self.text.get(..self.package).unwrap_or_default()
    }

    /// The part after [`Self::package`], with the dash that it begins with: `-2.40-66-bin`.
    pub fn version_and_output(&self) -> &str {
        self.text.get(self.package..).unwrap_or_default()
    }
}

impl Ord for PackageName<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.package(), self.as_str()).cmp(&(other.package(), other.as_str()))
    }
}

impl PartialOrd for PackageName<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The length of a name without its version. Nix's `parseDrvName` cuts there too: at the first dash
/// that no letter follows.
pub(super) fn version_at(name: &str) -> usize {
    let dash = name.match_indices('-').map(|(at, _)| at).find(|at| is_version(&name[at + 1..]));
    dash.unwrap_or(name.len())
}

fn is_version(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// A name without the platform before its version.
fn without_platform(name: &str) -> Cow<'_, str> {
    let dashes = name.match_indices('-').map(|(at, _)| at).filter(|at| *at > 0);
    for at in dashes {
        let (before, after) = name.split_at(at);
        if let Some((abi, rest)) = platform(after).filter(|(_, rest)| ends_a_name(rest)) {
            let before = match abi.starts_with("musl") {
                true => {
                    before.strip_suffix(STATIC).filter(|name| !name.is_empty()).unwrap_or(before)
                }
                false => before,
            };
            return match rest {
                "" => before.into(),
                rest => format!("{before}{rest}").into(),
            };
        }
    }
    name.into()
}

/// Splits `-PROCESSOR-VENDOR-linux-ABI` off a text, and gives the ABI and the rest.
fn platform(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.strip_prefix('-')?.splitn(4, '-');
    let (processor, vendor, kernel) = (parts.next()?, parts.next()?, parts.next()?);
    let last = parts.next()?;
    let (abi, rest) = last.split_at(last.find('-').unwrap_or(last.len()));
    let begins = |text: &str, starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
    let fits = begins(processor, &PROCESSORS)
        && VENDORS.contains(&vendor)
        && kernel == "linux"
        && begins(abi, &ABIS);
    fits.then_some((abi, rest))
}

/// Tests that a package's name ends before this: a version follows, or an output, or nothing.
fn ends_a_name(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix('-') else {
        return rest.is_empty();
    };
    is_version(rest) || rest.bytes().all(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn package(name: &str) -> String {
        PackageName::new(name).package().to_owned()
    }

    #[test]
    fn cross_package_name_is_that_of_the_native_one() {
        for (cross, native) in [
            ("healthprobe-aarch64-unknown-linux-gnu-0.1.0", "healthprobe-0.1.0"),
            ("hello-static-x86_64-unknown-linux-musl-2.12.3", "hello-2.12.3"),
            ("nss-cacert-armv7l-unknown-linux-gnueabihf-3.123", "nss-cacert-3.123"),
            ("glibc-riscv64-unknown-linux-gnu-2.42-51-bin", "glibc-2.42-51-bin"),
            ("tzdata-powerpc64le-unknown-linux-gnuabielfv2-2026b", "tzdata-2026b"),
            ("no-version-aarch64-unknown-linux-musl", "no-version"),
            ("no-version-s390x-unknown-linux-gnu-lib", "no-version-lib"),
            ("bash-static-aarch64-unknown-linux-gnu-5.2", "bash-static-5.2"),
            ("a-static-static-i686-unknown-linux-musl-1", "a-static-1"),
            ("name-alone-1.0-mips64el-unknown-linux-gnuabi64", "name-alone-1.0"),
        ] {
            assert_eq!(PackageName::new(cross), PackageName::new(native), "{cross}");
        }
    }

    #[test]
    fn name_like_a_platform_is_left_whole() {
        for (name, expected) in [
            ("bash-static-5.2", "bash-static"),
            ("firmware-aarch64-1", "firmware-aarch64"),
            ("linux-gnu", "linux-gnu"),
            ("gcc-aarch64-linux-gnu-12.2", "gcc-aarch64-linux-gnu"),
            ("aarch64-unknown-linux-gnu-gcc-14.2", "aarch64-unknown-linux-gnu-gcc"),
            ("x86_64-unknown-linux-musl-1.0", "x86_64-unknown-linux-musl"),
            ("the-great-unknown-linux-gnu-1", "the-great-unknown-linux-gnu"),
            ("std-aarch64-unknown-linux-tools-1", "std-aarch64-unknown-linux-tools"),
            ("run-x86_64-unknown-linux-gnu-tests-1", "run-x86_64-unknown-linux-gnu-tests"),
            ("mac-aarch64-apple-darwin-1", "mac-aarch64-apple-darwin"),
        ] {
            assert_eq!(package(name), expected);
            assert_eq!(PackageName::new(name).as_str(), name);
        }
    }

    #[test]
    fn parts_of_a_name_are_the_whole_of_it() {
        let name = PackageName::new("glibc-aarch64-unknown-linux-gnu-2.40-66-bin");
        assert_eq!((name.package(), name.version_and_output()), ("glibc", "-2.40-66-bin"));
    }

    proptest! {
        /// Any package, made for any platform of nixpkgs, is the native one.
        #[test]
        fn platform_in_a_name_changes_no_package(
            pname in "[a-z][a-z0-9+]{0,8}(-[a-z][a-z0-9.]{0,8}){0,2}",
            version in "(-[0-9][0-9a-z.]{0,8}(-[a-z]{1,5})?)?",
            platform in prop::sample::select(vec![
                "aarch64-unknown-linux-gnu", "armv6l-unknown-linux-gnueabihf",
                "x86_64-unknown-linux-gnu", "riscv64-unknown-linux-musl", "i686-unknown-linux-uclibc",
            ]),
        ) {
            prop_assume!(!pname.ends_with(STATIC));
            let (cross, native) = (format!("{pname}-{platform}{version}"), format!("{pname}{version}"));
            let (cross, native) = (PackageName::new(&cross), PackageName::new(&native));
            prop_assert_eq!(native.package(), pname.as_str());
            prop_assert_eq!(cross, native);
        }

        /// No text is cut to nothing, and a name without a platform stays as it is.
        #[test]
        fn any_name_has_parts(name in "[0-9a-zA-Z+._?=-]{1,60}") {
            let read = PackageName::new(&name);
            prop_assert!(!read.as_str().is_empty());
            prop_assert_eq!(format!("{}{}", read.package(), read.version_and_output()), read.as_str());
        }
    }
}
