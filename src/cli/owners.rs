//! What `find` saw under fakeroot: owners and modes that only a simulation knows.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::ui::failure::Failure;
use crate::fs;
use crate::spec::Mode;

/// A line for each of a million files.
const LIMIT: u64 = 256 << 20;

/// What an entry is said to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owned {
    pub(super) mode: Mode,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The entries of a folder by their paths in it.
#[derive(Debug)]
pub(super) struct Owners(BTreeMap<PathBuf, Owned>);

impl Owners {
    /// Reads what `find FOLDER -mindepth 1 -printf '%y %m %U %G %P\0'` printed.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is something else, or has an entry that is no file, directory or
    /// link: a device is a plain file to all but the simulation.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = fs::read(path, LIMIT)?;
        let records = bytes.split(|byte| *byte == 0).filter(|record| !record.is_empty());
        let owners = records.map(|record| {
            let failed = || {
                let record = String::from_utf8_lossy(record);
                Failure::input(format!("`{}` is no list of owners: `{record}`", path.display()))
                    .hint("write it with `find FOLDER -mindepth 1 -printf '%y %m %U %G %P\\0'`")
            };
            let (kind, name, owned) = parse(record).ok_or_else(failed)?;
            if !matches!(kind, b"f" | b"d" | b"l") {
                return Err(Failure::input(format!(
                    "`{}` is not a file, directory or link",
                    name.display()
                ))
                .hint("leave it out: a runtime makes the devices that a container needs"));
            }
            Ok((name.to_owned(), owned))
        });
        Ok(Self(owners.collect::<Result<_, _>>()?))
    }

    /// What is said of the entry of that path in the folder.
    pub(super) fn get(&self, path: &Path) -> Result<Owned, Failure> {
        self.0.get(path).copied().ok_or_else(|| {
            Failure::input(format!("the list of owners has no entry for `{}`", path.display()))
                .hint("write it when the folder is finished")
        })
    }
}

fn parse(record: &[u8]) -> Option<(&[u8], &Path, Owned)> {
    let mut words = record.splitn(5, |byte| *byte == b' ');
    let kind = words.next()?;
    let mut number = |radix| {
        let text = std::str::from_utf8(words.next()?).ok()?;
        u32::from_str_radix(text, radix).ok()
    };
    let (mode, uid, gid) = (Mode::of(number(8)?), number(10)?, number(10)?);
    let name = words.next().filter(|name| !name.is_empty())?;
    Some((kind, Path::new(OsStr::from_bytes(name)), Owned { mode, uid, gid }))
}
