//! From a word on the command line to where an image lies.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TryMapValueParser, TypedValueParser, ValueParserFactory};

use super::daemon::{DaemonArgs, Kind};
use crate::cli::ui::failure::Failure;
use crate::progress::Reporter;
use crate::transport::daemon;
use crate::transport::name::reference::{Reference, ReferenceError};
use crate::transport::source::{self, Source, SourceError};

/// Where an image lies or shall lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum ImageLocation {
    /// A layout.
    Layout(PathBuf, Option<String>),
    /// An archive.
    Archive(PathBuf, Option<String>),
    /// A path of which only the file system knows what it is.
    Path(PathBuf),
    /// An image or repository in a registry.
    Registry(Reference),
    /// A word alone that is no file: an image on Docker Hub, if a file was not meant.
    Word(Reference),
    /// An image in a daemon.
    Daemon(Kind, Reference),
}

/// How words begin that name an image in a daemon; skopeo's and the daemons' own names.
const DAEMONS: [(&str, &str); 4] = [
    ("docker-daemon:", "docker"),
    ("podman:", "podman"),
    ("containers-storage:", "podman"),
    ("containerd:", "containerd"),
];

impl ImageLocation {
    /// skopeo's words for places are taken; without one, what exists is a path, and what looks
    /// like a path is one. Paths need not be UTF-8, names must.
    pub(in crate::cli) fn of(word: &OsStr) -> Result<Self, String> {
        let after = |prefix: &str| word.as_bytes().strip_prefix(prefix.as_bytes());
        if let Some(rest) = after("oci:") {
            let (path, name) = path_and_name(word, rest)?;
            return Ok(Self::Layout(path, name));
        }
        if let Some(rest) =
            ["oci-archive:", "docker-archive:", "archive:"].into_iter().find_map(after)
        {
            let (path, name) = path_and_name(word, rest)?;
            return Ok(Self::Archive(path, name));
        }
        // Looks alone make no path of what says that it is in a registry.
        if after("docker://").is_none() && looks_like_a_path(word) {
            return Ok(Self::Path(word.into()));
        }
        let nowhere = |why: &dyn fmt::Display| {
            let word = word.display();
            format!("`{word}` is neither an existing file nor a registry reference: {why}")
        };
        let text = word.to_str().ok_or_else(|| nowhere(&"its name is not UTF-8"))?;
        if let Some(rest) = text.strip_prefix("docker://") {
            return rest.parse().map(Self::Registry).map_err(|e| e.to_string());
        }
        for (prefix, kind) in DAEMONS {
            if let Some(rest) = text.strip_prefix(prefix) {
                return in_daemon(text, kind, rest);
            }
        }
        let reference = text.parse().map_err(|e: ReferenceError| nowhere(&e))?;
        Ok(match text.contains(['/', ':', '.', '@']) {
            true => Self::Registry(reference),
            false => Self::Word(reference),
        })
    }
}

/// So that clap takes places that are no UTF-8.
impl ValueParserFactory for ImageLocation {
    type Parser = TryMapValueParser<OsStringValueParser, fn(OsString) -> Result<Self, String>>;

    fn value_parser() -> Self::Parser {
        OsStringValueParser::new().try_map(|word| Self::of(&word))
    }
}

fn in_daemon(text: &str, kind: &str, rest: &str) -> Result<ImageLocation, String> {
    let kind = <Kind as clap::ValueEnum>::from_str(kind, false)?;
    let reference: Reference = rest.parse().map_err(|e| format!("`{text}`: {e}"))?;
    match reference.digest {
        None => Ok(ImageLocation::Daemon(kind, reference)),
        Some(_) => Err(format!("`{text}` has a digest; name the image by its tag")),
    }
}

/// How names of archives end that are compressed; such are only read.
const COMPRESSED: [&str; 8] =
    [".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.xz", ".txz", ".tar.bz2", ".tbz2"];

/// Whether who reads the name expects a compressed archive.
pub(in crate::cli) fn is_named_as_compressed(path: &Path) -> bool {
    let name = path.as_os_str().as_bytes();
    COMPRESSED.iter().any(|end| name.ends_with(end.as_bytes()))
}

fn looks_like_a_path(word: &OsStr) -> bool {
    let bytes = word.as_bytes();
    let starts = ["/", "./", "../", "~"].iter().any(|start| bytes.starts_with(start.as_bytes()));
    let ends = COMPRESSED.iter().chain(&[".tar", "/"]).any(|end| bytes.ends_with(end.as_bytes()));
    starts || ends || bytes == b"." || Path::new(word).exists()
}

/// `PATH` or `PATH:NAME` after the first part of a word; a colon within a name is the name's.
fn path_and_name(word: &OsStr, rest: &[u8]) -> Result<(PathBuf, Option<String>), String> {
    let whole = Path::new(OsStr::from_bytes(rest));
    let colon = rest.iter().position(|byte| *byte == b':').filter(|_| !whole.exists());
    let (path, name) = rest.split_at_checked(colon.unwrap_or(rest.len())).unwrap_or((rest, b""));
    if path.is_empty() {
        return Err(format!("`{}` names no path", word.display()));
    }
    let name = OsStr::from_bytes(name.strip_prefix(b":").unwrap_or_default());
    let name =
        name.to_str().ok_or_else(|| format!("the name `{}` is not UTF-8", name.display()))?;
    let name = Some(name.to_owned()).filter(|name| !name.is_empty());
    Ok((OsStr::from_bytes(path).into(), name))
}

impl ImageLocation {
    /// The name of one of several images, if the word had one.
    pub(in crate::cli) fn image(&self) -> Option<&str> {
        match self {
            Self::Layout(_, name) | Self::Archive(_, name) => name.as_deref(),
            Self::Path(_) | Self::Registry(_) | Self::Word(_) | Self::Daemon(..) => None,
        }
    }

    /// What it names, if that is in a registry.
    pub(in crate::cli) fn in_registry(&self) -> Option<&Reference> {
        match self {
            Self::Registry(reference) | Self::Word(reference) => Some(reference),
            _ => None,
        }
    }

    /// What messages call it.
    pub(in crate::cli) fn called(&self) -> String {
        match self {
            Self::Layout(path, _) | Self::Archive(path, _) | Self::Path(path) => {
                path.display().to_string()
            }
            Self::Registry(reference) | Self::Word(reference) => reference.to_string(),
            Self::Daemon(_, reference) => daemon_reference(reference),
        }
    }

    /// Tells whoever gave a word alone what it was taken for.
    pub(in crate::cli) fn hint(&self, failure: Failure) -> Failure {
        let Self::Word(reference) = self else { return failure };
        let (name, word) = (reference.name(), reference.familiar());
        failure.hint(format!(
            "there is no file `{word}` here, so it was taken for an image on Docker Hub: write \
             `./{word}` for a file, `{name}` for the image"
        ))
    }
}

/// How registries and daemons are reached; what verbs that read from one share.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ConnectOptions {
    #[command(flatten)]
    pub(in crate::cli) daemon: DaemonArgs,
    #[command(flatten)]
    pub(in crate::cli) registry: super::registry::RegistryArgs,
}

/// Opens a place for reading.
pub(in crate::cli) fn open(
    place: &ImageLocation,
    reach: &ConnectOptions,
    reporter: &dyn Reporter,
) -> Result<Box<dyn Source>, Failure> {
    let opened = match place {
        ImageLocation::Layout(path, _) => source::Layout::open(path).map(|s| Box::new(s) as Box<_>),
        ImageLocation::Archive(path, _) => {
            source::Archive::open(path).map(|s| Box::new(s) as Box<_>)
        }
        ImageLocation::Path(path) => source::open_path(path),
        ImageLocation::Registry(reference) | ImageLocation::Word(reference) => {
            return open_registry(reference, reach).map_err(|failure| place.hint(failure));
        }
        ImageLocation::Daemon(kind, reference) => {
            let daemon = reach.daemon.connect(*kind)?;
            let name = daemon_reference(reference);
            return Ok(Box::new(daemon::export(&*daemon, &name, reporter)?));
        }
    };
    opened.map_err(|error| {
        let no_layout =
            matches!(&error, SourceError::File(file) if file.path.ends_with("oci-layout"));
        let failure = Failure::from(error);
        match no_layout {
            true => {
                failure.hint("a folder is read as an OCI layout, which has a file `oci-layout`")
            }
            false => failure,
        }
    })
}

/// As [`open`], and something must be there.
pub(in crate::cli) fn open_filled(
    place: &ImageLocation,
    reach: &ConnectOptions,
    reporter: &dyn Reporter,
) -> Result<Box<dyn Source>, Failure> {
    let source = open(place, reach, reporter)?;
    source.warnings().iter().for_each(|warning| reporter.warn(warning));
    match source.roots()?.is_empty() {
        true => Err(Failure::input(format!("there is no image in `{}`", source.name()))),
        false => Ok(source),
    }
}

/// `name:tag`, as daemons list it.
pub(in crate::cli) fn daemon_reference(reference: &Reference) -> String {
    let tag = reference.tag.as_ref().map_or("latest", |tag| tag.as_str());
    let tagless = Reference { tag: None, ..reference.clone() };
    format!("{}:{tag}", tagless.familiar())
}

fn open_registry(
    reference: &Reference,
    reach: &ConnectOptions,
) -> Result<Box<dyn Source>, Failure> {
    Ok(Box::new(super::registry::source(reference, &reach.registry)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_paths_or_references_by_their_looks() {
        for (text, place) in [
            ("oci:dir:v1", ImageLocation::Layout("dir".into(), Some("v1".into()))),
            (
                "oci-archive:a.tar:x/y:v1",
                ImageLocation::Archive("a.tar".into(), Some("x/y:v1".into())),
            ),
            ("./missing", ImageLocation::Path("./missing".into())),
            ("missing.tar", ImageLocation::Path("missing.tar".into())),
            ("/", ImageLocation::Path("/".into())),
            ("docker-daemon:a:v1", ImageLocation::Daemon(Kind::Docker, "a:v1".parse().unwrap())),
            ("podman:t/a", ImageLocation::Daemon(Kind::Podman, "t/a".parse().unwrap())),
            ("r.io/a:v1", ImageLocation::Registry("r.io/a:v1".parse().unwrap())),
            ("nope", ImageLocation::Word("nope".parse().unwrap())),
            ("nope:v1", ImageLocation::Registry("nope:v1".parse().unwrap())),
            ("docker://nope", ImageLocation::Registry("nope".parse().unwrap())),
            ("docker://r.io/a.tar", ImageLocation::Registry("r.io/a.tar".parse().unwrap())),
        ] {
            assert_eq!(ImageLocation::of(OsStr::new(text)).unwrap(), place);
        }
    }
}
