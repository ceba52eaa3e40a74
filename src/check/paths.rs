//! What an author says must be in the image, and what must not.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use globset::{GlobBuilder, GlobMatcher};

use super::{CheckError, Findings};
use crate::rootfs::image::{Image, Resolved};
use crate::spec::Check;

/// Paths that a message lists before it only counts.
const LISTED: usize = 5;

pub(super) fn check(image: &Image<'_>, out: &mut Findings<'_>) -> Result<(), CheckError> {
    let checks = &image.spec.checks;
    for pattern in patterns(&checks.must_contain, Check::MustContain, out) {
        if !image.has_base() && !pattern.resolves(image)? {
            let what = "is not in the image; add to `contents` or `files` what has it";
            out.problem(Check::MustContain, format!("`{}` {what}", pattern.text));
        }
    }
    for pattern in patterns(&checks.must_not_contain, Check::MustNotContain, out) {
        let found = pattern.matches(image)?;
        if !found.is_empty() {
            let mut names: Vec<String> = found
                .iter()
                .take(LISTED)
                .map(|path| format!("`/{}`", String::from_utf8_lossy(path)))
                .collect();
            if found.len() > LISTED {
                names.push(format!("{} more", found.len() - LISTED));
            }
            let what = format!("must not be in the image, and is: {}", names.join(", "));
            out.problem(Check::MustNotContain, format!("`{}` {what}", pattern.text));
        }
    }
    Ok(())
}

/// Those texts that are patterns; the others are problems.
fn patterns<'a>(texts: &'a [String], field: Check, out: &mut Findings<'_>) -> Vec<Pattern<'a>> {
    let mut patterns = Vec::new();
    for text in texts {
        match Pattern::new(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(why) => out.problem(field, format!("`{text}` is no pattern: {why}")),
        }
    }
    patterns
}

/// An absolute path whose components may have wildcards.
struct Pattern<'a> {
    text: &'a str,
    parts: Vec<Part<'a>>,
}

enum Part<'a> {
    Plain(&'a str),
    Wild(GlobMatcher),
    /// `**`: any number of directories.
    Deep,
}

impl<'a> Pattern<'a> {
    /// Reads a pattern; the error says what is wrong with it.
    fn new(text: &'a str) -> Result<Self, String> {
        let plain = || "write an absolute path without `.` or `..`".to_owned();
        let rest = text.strip_prefix('/').filter(|rest| !rest.contains('\0')).ok_or_else(plain)?;
        let mut parts = Vec::new();
        for part in rest.split('/').filter(|part| !part.is_empty()) {
            parts.push(match part {
                "." | ".." => return Err(plain()),
                "**" => Part::Deep,
                part if part.contains(['*', '?', '[']) => Part::Wild(matcher(part)?),
                part => Part::Plain(part),
            });
        }
        // At the end, `**` is everything below, files too.
        if matches!(parts.last(), Some(Part::Deep)) {
            parts.push(Part::Wild(matcher("*")?));
        }
        Ok(Self { text, parts })
    }

    /// Whether it leads, through links, to something.
    fn resolves(&self, image: &Image<'_>) -> Result<bool, CheckError> {
        for path in self.matches(image)? {
            if !matches!(image.find_bytes(&path)?.1, Resolved::Missing(_)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The entries that match, their last link not followed, as a shell would expand it.
    fn matches(&self, image: &Image<'_>) -> Result<Vec<Vec<u8>>, CheckError> {
        let mut found = vec![Vec::new()];
        for part in &self.parts {
            let mut next = Vec::new();
            for path in found {
                step(image, &path, part, &mut next)?;
            }
            next.sort();
            next.dedup();
            found = next;
        }
        Ok(found)
    }
}

fn matcher(part: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(part).literal_separator(true).build();
    Ok(glob.map_err(|error| error.kind().to_string())?.compile_matcher())
}

/// Adds the paths that one more part of a pattern leads to.
fn step(
    image: &Image<'_>,
    path: &[u8],
    part: &Part<'_>,
    next: &mut Vec<Vec<u8>>,
) -> Result<(), CheckError> {
    match part {
        Part::Plain(name) => {
            let path = join(path, name.as_bytes());
            if image.has_entry(&[b"/", path.as_slice()].concat())? {
                next.push(path);
            }
        }
        Part::Wild(glob) => {
            let (real, Resolved::Directory) = image.find_bytes(path)? else { return Ok(()) };
            let names = image.list(&real)?.into_iter().map(|(name, _)| name);
            let fitting = names.filter(|name| glob.is_match(OsStr::from_bytes(name)));
            next.extend(fitting.map(|name| join(path, &name)));
        }
        Part::Deep => descend(image, path, &mut BTreeSet::new(), next)?,
    }
    Ok(())
}

/// Adds a directory and all below it. Links are followed, for contents are linked into an image
/// by whole directories; each directory is entered once, for links may lead back up.
fn descend(
    image: &Image<'_>,
    path: &[u8],
    entered: &mut BTreeSet<Vec<u8>>,
    next: &mut Vec<Vec<u8>>,
) -> Result<(), CheckError> {
    let (real, Resolved::Directory) = image.find_bytes(path)? else { return Ok(()) };
    if !entered.insert(real.clone()) {
        return Ok(());
    }
    next.push(path.to_vec());
    for (name, _) in image.list(&real)?.into_iter().filter(|(_, may_be_dir)| *may_be_dir) {
        descend(image, &join(path, &name), entered, next)?;
    }
    Ok(())
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, name].join(&b'/') }
}
