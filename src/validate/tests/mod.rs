#[cfg(test)]
mod limits;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::digest::DiffId;
use crate::image::{Document, ImageManifest, MEDIA_TYPE_CONFIG, MEDIA_TYPE_MANIFEST};
use crate::progress::NullReporter;
use crate::transport::source::{Encoding, SourceError};

/// An image in memory, to be spoilt by a test.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) root: Option<Descriptor>,
    pub(super) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(super) opened: AtomicUsize,
}

impl Source for Memory {
    fn name(&self) -> String {
        "memory".into()
    }

    fn roots(&self) -> Result<Vec<Descriptor>, SourceError> {
        Ok(self.root.iter().cloned().collect())
    }

    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let bytes = self.blobs.get(&descriptor.digest).cloned().ok_or(SourceError::Missing {
            place: self.name(),
            digest: descriptor.digest,
            wanted_by: "a test wants".into(),
        })?;
        Ok(Box::new(Cursor::new(bytes)))
    }
}

impl Memory {
    pub(super) fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Descriptor {
        let document = Document::from_bytes(media_type, bytes);
        self.blobs.insert(document.descriptor.digest, document.bytes);
        document.descriptor
    }

    /// An image whose layers are blobs with the tars that they stand for.
    fn of(layers: &[(Encoding, Vec<u8>, Vec<u8>)]) -> Self {
        let mut memory = Self::default();
        let diff_ids: Vec<_> = layers.iter().map(|(_, _, tar)| DiffId::of(tar)).collect();
        let config = serde_json::json!({
            "os": "linux", "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: MEDIA_TYPE_MANIFEST.into(),
            config: memory.add(MEDIA_TYPE_CONFIG, config.to_string().into_bytes()),
            layers: layers
                .iter()
                .map(|(encoding, blob, _)| memory.add(encoding.media_type(), blob.clone()))
                .collect(),
            annotations: BTreeMap::new(),
        };
        let document = Document::new(MEDIA_TYPE_MANIFEST, &manifest).unwrap();
        memory.root = Some(memory.add(MEDIA_TYPE_MANIFEST, document.bytes));
        memory
    }

    pub(super) fn plain(tars: &[Vec<u8>]) -> Self {
        let layers: Vec<_> = tars.iter().map(|t| (Encoding::Plain, t.clone(), t.clone())).collect();
        Self::of(&layers)
    }

    pub(super) fn check(&self) -> Report {
        check(self, &self.roots().unwrap(), Limits::new(2), &NullReporter)
    }
}

/// A tar of entries: name, type flag, and the bytes or the link.
pub(super) fn tar_of(entries: &[(&str, u8, &str)]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, flag, content) in entries {
        let mut header = ::tar::Header::new_ustar();
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(::tar::EntryType::new(*flag));
        let is_link = matches!(flag, b'1' | b'2');
        if is_link {
            header.set_link_name_literal(content).unwrap();
        }
        let bytes = if is_link { &[][..] } else { content.as_bytes() };
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn messages(report: &Report) -> String {
    let lines =
        report.findings.iter().map(|f| format!("{:?} {}: {}\n", f.severity, f.place, f.message));
    lines.collect()
}

#[test]
fn a_good_image_has_no_findings_and_its_sizes_are_counted() {
    let tar = tar_of(&[("etc/", b'5', ""), ("etc/a", b'0', "hello")]);
    let layers = [
        (Encoding::Plain, tar.clone(), tar.clone()),
        (Encoding::Gzip, gzip(&tar), tar.clone()),
        (Encoding::Zstd, zstd::encode_all(tar.as_slice(), 1).unwrap(), tar.clone()),
    ];
    let report = Memory::of(&layers).check();
    assert!(report.is_good(), "{}", messages(&report));
    assert_eq!(report.images[0].layers, 3);
    assert_eq!(report.images[0].tar_size, 3 * tar.len() as u64);
}

#[test]
fn several_gzip_members_are_one_layer_and_junk_behind_them_is_none() {
    // fault 65
    let tar = tar_of(&[("a", b'0', "hello")]);
    let (first, second) = tar.split_at(600);
    let members = [gzip(first), gzip(second)].concat();
    let report = Memory::of(&[(Encoding::Gzip, members.clone(), tar.clone())]).check();
    assert!(report.is_good(), "{}", messages(&report));
    for (what, blob) in [
        ("junk", [members.clone(), b"junk".to_vec()].concat()),
        ("cut", members[..members.len() - 9].to_vec()),
        ("zstd labelled gzip", zstd::encode_all(tar.as_slice(), 1).unwrap()),
        ("plain labelled gzip", tar.clone()),
    ] {
        let report = Memory::of(&[(Encoding::Gzip, blob, tar.clone())]).check();
        assert!(!report.is_good(), "{what}");
    }
}

#[test]
fn every_mismatch_is_found_and_not_the_first_one_only() {
    // faults 55 and 56
    let (one, two) = (tar_of(&[("a", b'0', "1")]), tar_of(&[("b", b'0', "2")]));
    let mut memory = Memory::plain(&[one.clone(), two.clone()]);
    memory.blobs.insert(Digest::of(&one), tar_of(&[("a", b'0', "x")]));
    memory.blobs.insert(Digest::of(&two), two[..1000].to_vec());
    let report = memory.check();
    let text = messages(&report);
    assert!(text.contains("layer 1 of 2: digest mismatch"), "{text}");
    assert!(text.contains("layer 2 of 2: size mismatch") && text.contains("got 1000"), "{text}");
}

#[test]
fn a_wrong_diff_id_is_found() {
    // fault 56
    let tar = tar_of(&[("a", b'0', "1")]);
    let report = Memory::of(&[(Encoding::Plain, tar, b"another".to_vec())]).check();
    assert!(messages(&report).contains("its diff id is"), "{}", messages(&report));
}

/// A layer of one file of zeros.
fn zeros(encoding: Encoding, size: usize) -> (Encoding, Vec<u8>, Vec<u8>) {
    let tar = tar_of(&[("zeros", b'0', &"\0".repeat(size))]);
    let blob = if encoding == Encoding::Zstd {
        zstd::encode_all(tar.as_slice(), 3).unwrap()
    } else {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(&tar).unwrap();
        encoder.finish().unwrap()
    };
    assert!(blob.len() * 500 < tar.len(), "{}", blob.len());
    (encoding, blob, tar)
}

#[test]
fn layers_beyond_the_inflate_limit_are_an_error() {
    let limits = Limits { inflated: 30 << 20, ..Limits::new(1) };
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let (one, other) = (zeros(encoding, 20 << 20), zeros(encoding, (20 << 20) + 512));
        let check = |layers: &[_], limits| {
            let memory = Memory::of(layers);
            check(&memory, &memory.roots().unwrap(), limits, &NullReporter)
        };
        let both = [one.clone(), other];
        assert!(check(&both, Limits::new(1)).is_good(), "any ratio is good");
        assert!(check(&[one], limits).is_good());
        let text = messages(&check(&both, limits));
        let said = "layer 2 of 2: the layers decompress to more than the limit of 31457280 bytes, \
                    and to more than 300 times their size (`--inflate-limit`)";
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn root_that_is_not_a_directory_is_an_error() {
    for (name, kind, said) in [
        ("/.", b'2', "a symbolic link"),
        (".", b'2', "a symbolic link"),
        ("./", b'2', "a symbolic link"),
        ("/", b'1', "a hard link"),
        ("//", b'6', "a device or a FIFO"),
        ("", b'0', "a file"),
        ("a/..", b'0', "a file"),
    ] {
        let link = if kind == b'6' { "" } else { "etc" };
        let report = Memory::plain(&[tar_of(&[(name, kind, link)])]).check();
        let text = messages(&report);
        assert!(!report.is_good(), "{name}");
        let message = format!("`/`: it replaces the root directory by {said}");
        assert!(text.contains(&message), "{name}: {text}");
    }
    for name in ["./", "/", ".", "//"] {
        let report = Memory::plain(&[tar_of(&[(name, b'5', "")])]).check();
        assert!(report.is_good(), "{name}: {}", messages(&report));
    }
}

#[test]
fn what_a_layer_may_not_hold_is_found_by_path() {
    // faults 66 to 68
    for (says, entries) in [
        ("`/a`: it is in the layer twice", &[("a", b'0', ""), ("./a", b'0', "")][..]),
        ("`/a`: it is in the layer twice", &[("a", b'5', ""), ("a/", b'5', "")]),
        ("leaves the image by `..`", &[("../a", b'0', "")]),
        ("leaves the image by `..`", &[("a/../../b", b'0', "")]),
        ("starts with a slash", &[("/a", b'0', "")]),
        ("`/l/a`: it lies below a symbolic link", &[("l", b'2', "/etc"), ("l/a", b'0', "")]),
        ("a hard link that leaves", &[("a", b'1', "../../etc/passwd")]),
        ("a hard link to itself", &[("a", b'1', "a")]),
        ("which is not there", &[("a", b'1', "b")]),
        ("comes after it", &[("a", b'1', "b"), ("b", b'0', "")]),
        ("hides no name", &[("a/.wh.", b'0', "")]),
        ("hides no name", &[("a/.wh...", b'0', "")]),
        ("which is no directory", &[("a", b'0', ""), ("a/b", b'0', "")]),
        ("none of POSIX's", &[("a", b'Z', "")]),
        ("sparse", &[("a", b'S', "")]),
    ] {
        let report = Memory::plain(&[tar_of(entries)]).check();
        let text = messages(&report);
        assert!(!report.is_good() && text.contains(says), "{says}: {text}");
    }
}

#[test]
fn what_consumers_take_in_two_ways_is_a_warning() {
    for (says, lower, upper) in [
        ("leaves the image; runtimes", &[][..], &[("a", b'2', "../../x")][..]),
        ("nothing below it to hide", &[], &[(".wh.a", b'0', "")]),
        ("some unpackers follow", &[("bin", b'2', "usr/bin")], &[("bin/a", b'0', "")]),
        ("hides what the link led to", &[("bin", b'2', "usr/bin")], &[("bin", b'5', "")]),
        ("in a lower layer", &[("a", b'0', "")], &[("b", b'1', "a")]),
    ] {
        let report = Memory::plain(&[tar_of(lower), tar_of(upper)]).check();
        let text = messages(&report);
        assert!(report.is_good() && text.contains(says), "{says}: {text}");
    }
}

#[test]
fn whiteouts_hide_what_is_below_and_nothing_else() {
    let lower = tar_of(&[("a/", b'5', ""), ("a/b", b'0', ""), ("c", b'0', "")]);
    let upper = tar_of(&[("a/.wh.b", b'0', ""), (".wh.c", b'0', ""), ("c", b'0', "new")]);
    let above = tar_of(&[("d", b'1', "a/b"), ("e", b'1', "c")]);
    let report = Memory::plain(&[lower, upper, above]).check();
    let text = messages(&report);
    assert!(text.contains("hard link to `/a/b`, which is not there"), "{text}");
    assert!(!text.contains("`/c`, which is not there"), "{text}");
}

#[test]
fn an_empty_place_is_no_good_image() {
    assert!(!Memory::default().check().is_good());
}

#[test]
fn a_blob_of_another_size_than_one_of_its_manifests_says_is_found() {
    let tar = tar_of(&[("a", b'0', "x")]);
    let mut memory = Memory::plain(std::slice::from_ref(&tar));
    let honest = memory.root.clone().unwrap();
    let bytes = String::from_utf8(memory.blobs[&honest.digest].clone()).unwrap();
    let size = |size: usize| format!("\"size\":{size}}}],");
    let lying = bytes.replace(&size(tar.len()), &size(tar.len() + 5));
    assert_ne!(lying, bytes);
    let lying = memory.add(MEDIA_TYPE_MANIFEST, lying.into_bytes());
    for roots in [[lying.clone(), honest.clone()], [honest, lying]] {
        let report = check(&memory, &roots, Limits::new(2), &NullReporter);
        assert!(!report.is_good());
        assert!(report.findings[0].message.contains("size mismatch for blob"), "{report:?}");
    }
}

#[test]
fn a_name_that_no_kernel_takes_is_found_and_not_kept() {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (length, flag) in [(2_047, b'0'), (100_000, b'0'), (100_000, b'1')] {
        let name = format!("{}a", "a/".repeat(length));
        let mut header = ::tar::Header::new_gnu();
        header.set_size(0);
        header.set_entry_type(::tar::EntryType::new(flag));
        match flag {
            b'1' => builder.append_link(&mut header, "link", &name).unwrap(),
            _ => builder.append_data(&mut header, &name, &[][..]).unwrap(),
        }
    }
    let findings = Memory::plain(&[builder.into_inner().unwrap()]).check().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].message.contains("4096"), "{findings:?}");
    assert!(findings[0].place.len() < 300, "{findings:?}");
}

#[test]
fn a_copy_of_a_blob_in_its_descriptor_is_the_blob() {
    let tar = tar_of(&[("a", b'0', "x")]);
    let good = Memory::plain(std::slice::from_ref(&tar));
    let bytes = good.blobs[&good.root.as_ref().unwrap().digest].clone();
    let data = |bytes: &[u8]| base64::prelude::BASE64_STANDARD.encode(bytes);
    for (at, pointer) in ["/layers/0", "/config"].into_iter().enumerate() {
        let mut manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let digest: Digest =
            manifest.pointer(pointer).unwrap()["digest"].as_str().unwrap().parse().unwrap();
        for (copy, is_good) in
            [(data(&good.blobs[&digest]), true), (data(b"x"), false), ("?".into(), false)]
        {
            manifest.pointer_mut(pointer).unwrap()["data"] = copy.into();
            let mut memory = Memory::plain(std::slice::from_ref(&tar));
            memory.root = Some(memory.add(MEDIA_TYPE_MANIFEST, manifest.to_string().into_bytes()));
            let report = memory.check();
            assert_eq!(report.is_good(), is_good, "{at}: {}", messages(&report));
        }
    }
    let mut memory = Memory::plain(&[tar]);
    memory.root.as_mut().unwrap().other.insert("data".into(), data(b"x").into());
    assert!(messages(&memory.check()).contains("`data` in its descriptor"));
}
