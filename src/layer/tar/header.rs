//! The header of a tar entry: ustar, with PAX records for values that ustar cannot hold.
//!
//! The form is fixed, so that a tree has exactly one tar. A path of at most 100 bytes is the name. A
//! longer one is split at the last slash that leaves at most 155 bytes for ustar's prefix and 100
//! for the name. A path that cannot be split becomes a PAX `path`. Bytes are kept, UTF-8 or not.
//! Numbers that do not fit in octal are written both in base 256 and as a PAX record, because some
//! readers know only one of the two. There are no user and group names, no access or change times
//! and no sparse files.

use std::collections::BTreeMap;

use tar::{EntryType, Header};

/// The size of a tar block.
pub(in crate::layer) const BLOCK: u64 = 512;

const MAX_NAME: usize = 100;
const MAX_PREFIX: usize = 155;
/// The smallest id, and the smallest size or time, that do not fit in octal.
const MAX_OCTAL_ID: u64 = 1 << 21;
const MAX_OCTAL_NUMBER: u64 = 1 << 33;
/// The file name of the records for readers without PAX.
const RECORDS_NAME: &[u8] = b"././@PaxHeader";

/// The metadata of an entry.
#[derive(Debug)]
pub(in crate::layer) struct Meta<'a> {
    /// Relative, without a slash at either end.
    pub(in crate::layer) path: &'a [u8],
    pub(in crate::layer) kind: Kind<'a>,
    pub(in crate::layer) mode: u32,
    pub(in crate::layer) uid: u32,
    pub(in crate::layer) gid: u32,
    pub(in crate::layer) mtime: u64,
    pub(in crate::layer) xattrs: &'a BTreeMap<String, Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::layer) enum Kind<'a> {
    Directory,
    Symlink(&'a [u8]),
    /// A regular file and its size.
    File(u64),
}

/// Appends the PAX records that the entry needs, and its header.
pub(in crate::layer) fn encode(meta: &Meta<'_>, out: &mut Vec<u8>) {
    let mut path = meta.path.to_vec();
    if matches!(meta.kind, Kind::Directory) {
        path.push(b'/');
    }
    let split = split(&path);
    let records = records(meta, &path, split.is_none());
    if !records.is_empty() {
        encode_records(&records, out);
    }
    let (prefix, name) = split.unwrap_or((&[], &path));
    let (entry_type, size, target): (_, _, &[u8]) = match meta.kind {
        Kind::Directory => (EntryType::Directory, 0, &[]),
        Kind::Symlink(target) => (EntryType::Symlink, 0, target),
        Kind::File(size) => (EntryType::Regular, size, &[]),
    };
    let mut header = Header::new_ustar();
    if let Some(ustar) = header.as_ustar_mut() {
        put(&mut ustar.name, name);
        put(&mut ustar.prefix, prefix);
        put(&mut ustar.linkname, target);
    }
    header.set_entry_type(entry_type);
    header.set_mode(meta.mode);
    header.set_uid(meta.uid.into());
    header.set_gid(meta.gid.into());
    header.set_mtime(meta.mtime);
    header.set_size(size);
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
}

/// Returns the number of zero bytes after `size` bytes of content.
pub(in crate::layer) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK
}

/// Splits a path into prefix and name; `None` if it does not fit.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= MAX_NAME {
        return Some((&[], path));
    }
    let first = path.len().checked_sub(MAX_NAME + 1)?;
    (first..=MAX_PREFIX.min(path.len().saturating_sub(2)))
        .rev()
        .filter(|at| path.get(*at) == Some(&b'/'))
        .find_map(|at| Some((path.get(..at)?, path.get(at + 1..)?)))
}

fn records(meta: &Meta<'_>, path: &[u8], long: bool) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut records = BTreeMap::new();
    let mut add = |key: &str, value: &[u8]| records.insert(key.into(), value.to_vec());
    if long {
        add("path", path);
    }
    match meta.kind {
        Kind::Symlink(target) if target.len() > MAX_NAME => {
            add("linkpath", target);
        }
        Kind::File(size) if size >= MAX_OCTAL_NUMBER => {
            add("size", size.to_string().as_bytes());
        }
        _ => {}
    }
    if meta.mtime >= MAX_OCTAL_NUMBER {
        add("mtime", meta.mtime.to_string().as_bytes());
    }
    for (key, id) in [("uid", meta.uid), ("gid", meta.gid)] {
        if u64::from(id) >= MAX_OCTAL_ID {
            add(key, id.to_string().as_bytes());
        }
    }
    for (name, value) in meta.xattrs {
        add(&format!("SCHILY.xattr.{name}"), value);
    }
    records
}

fn encode_records(records: &BTreeMap<Vec<u8>, Vec<u8>>, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    for (key, value) in records {
        body.extend_from_slice(record_length(key.len() + value.len()).to_string().as_bytes());
        body.push(b' ');
        body.extend_from_slice(key);
        body.push(b'=');
        body.extend_from_slice(value);
        body.push(b'\n');
    }
    let mut header = Header::new_ustar();
    if let Some(ustar) = header.as_ustar_mut() {
        put(&mut ustar.name, RECORDS_NAME);
    }
    header.set_entry_type(EntryType::XHeader);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(body.len() as u64);
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    let length = out.len() + body.len();
    out.append(&mut body);
    out.resize(length.next_multiple_of(512), 0);
}

/// Returns the length of a record, which includes the digits of the length itself.
fn record_length(key_and_value: usize) -> usize {
    // A space, an equals sign and a line feed.
    let rest = key_and_value + 3;
    let digits = |n: usize| n.to_string().len();
    let mut length = rest + digits(rest);
    length = rest + digits(length);
    length
}

/// Fills the start of a field. A longer value is cut; a PAX record has all of it.
fn put(field: &mut [u8], bytes: &[u8]) {
    field.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
}
