//! Numbers that octal cannot hold, as GNU tar and Rust's tar crate read them.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::process::Command;

use ::tar::{Archive, Header};
use tempfile::NamedTempFile;

use crate::layer::tar::header::{BLOCK, Kind, Meta, encode, padding};

/// Size, mtime, uid and gid.
type Numbers = (u64, u64, u32, u32);

/// On both sides of what octal can hold, each alone and all together; the ids' last is the
/// largest that is no `-1`.
const NUMBERS: [Numbers; 10] = [
    ((1 << 33) - 1, 1, 0, 0),
    (1 << 33, 1, 0, 0),
    (9 << 30, 1, 0, 0),
    (1, 0, 0, 0),
    (1, 1 << 31, 0, 0),
    (1, (1 << 33) - 1, 0, 0),
    (1, 1 << 33, 0, 0),
    (1, 1, (1 << 21) - 1, 1 << 21),
    (1, 1, 1 << 21, (1 << 21) - 1),
    (9 << 30, 1 << 34, u32::MAX - 1, u32::MAX - 1),
];

fn header(path: &str, (size, mtime, uid, gid): Numbers) -> Vec<u8> {
    let xattrs = &BTreeMap::new();
    let path = path.as_bytes();
    let mut bytes = Vec::new();
    encode(
        &Meta { path, kind: Kind::File(size), mode: 0o644, uid, gid, mtime, xattrs },
        &mut bytes,
    );
    bytes
}

/// A tar of a file with these headers and as many zeros as it should have, which take no room on
/// the disk, and of another file: who reads that one has not lost its place.
fn archive(headers: &[u8], size: u64) -> NamedTempFile {
    let named = NamedTempFile::new().unwrap();
    let mut file = named.as_file();
    file.write_all(headers).unwrap();
    let next = headers.len() as u64 + size + padding(size);
    file.seek(SeekFrom::Start(next)).unwrap();
    file.write_all(&header("next", (0, 1, 0, 0))).unwrap();
    file.set_len(next + 3 * BLOCK).unwrap();
    named
}

fn by_gnu_tar(archive: &NamedTempFile) -> Vec<Numbers> {
    let mut tar = Command::new("tar");
    tar.args(["--list", "--verbose", "--numeric-owner", "--full-time", "--utc"]);
    let output = tar.arg("--file").arg(archive.path()).env("LC_ALL", "C").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.ends_with(" next\n"), "{text}");
    let numbers = text.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, owner, size, date, time, _] = words[..] else { panic!("{line}") };
        let (uid, gid) = owner.split_once('/').unwrap();
        let time: jiff::Timestamp = format!("{date}T{time}Z").parse().unwrap();
        let mtime = time.as_second().try_into().unwrap();
        (size.parse().unwrap(), mtime, uid.parse().unwrap(), gid.parse().unwrap())
    });
    numbers.collect()
}

fn by_rust(archive: &NamedTempFile) -> Vec<Numbers> {
    let mut archive = Archive::new(archive.reopen().unwrap());
    let numbers = archive.entries_with_seek().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let header = entry.header();
        let id = |id: u64| u32::try_from(id).unwrap();
        let mtime = header.mtime().unwrap();
        (entry.size(), mtime, id(header.uid().unwrap()), id(header.gid().unwrap()))
    });
    numbers.collect()
}

/// The headers as who knows no base 256 has them: those fields are zero.
fn without_base_256(headers: &[u8]) -> Vec<u8> {
    let mut headers = headers.to_vec();
    let start = headers.len() - 512;
    let mut last = Header::from_byte_slice(&headers[start..]).clone();
    let old = last.as_old_mut();
    for field in [&mut old.uid[..], &mut old.gid, &mut old.size, &mut old.mtime] {
        if field[0] >= 0x80 {
            field.fill(b'0');
        }
    }
    last.set_cksum();
    headers[start..].copy_from_slice(last.as_bytes());
    headers
}

#[test]
fn large_sizes_times_and_ids_are_read_whether_a_reader_knows_pax_or_base_256() {
    for numbers in NUMBERS {
        let headers = header("file", numbers);
        let last = headers.len() - 512;
        let needs_records = last > 0;
        let (size, mtime, uid, gid) = numbers;
        let large = size.max(mtime) >= 1 << 33 || uid.max(gid) >= 1 << 21;
        assert_eq!(needs_records, large, "{numbers:?}");
        let expected = [numbers, (0, 1, 0, 0)];
        let tar = |headers: &[u8]| archive(headers, size);
        assert_eq!(by_gnu_tar(&tar(&headers)), expected);
        assert_eq!(by_rust(&tar(&headers)), expected);
        assert_eq!(by_gnu_tar(&tar(&headers[last..])), expected, "base 256 alone");
        assert_eq!(by_gnu_tar(&tar(&without_base_256(&headers))), expected, "PAX alone");
    }
}
