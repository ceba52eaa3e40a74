//! Tests of complete layers. `header.rs` tests the form of tar headers.
#![expect(clippy::disallowed_methods, reason = "a test stops at the first error anyway")]

#[cfg(test)]
mod build;
#[cfg(test)]
mod header;

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::progress::NullReporter;
use crate::rootfs::{self, Node};

const HASH: &str = "ppalkb4fq3rl0qvhbbhvzwmh2yk9i1l1";

/// A store in a temporary folder.
struct Fake {
    dir: tempfile::TempDir,
}

impl Fake {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{HASH}-{name}"))
    }

    fn info(&self, name: &str) -> PathInfo {
        let path = self.path(name).to_str().unwrap().parse().unwrap();
        PathInfo { path, nar_hash: "sha256:test".into(), nar_size: 1, references: Vec::new() }
    }

    fn file(&self, below: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path("p").join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn build(&self, compression: Compression) -> Result<Layer, LayerError> {
        build_with(&[self.info("p")], compression, 1, &EphemeralCache::new().unwrap())
    }

    fn tar(&self) -> Vec<u8> {
        bytes_of(&self.build(Compression::None {}).unwrap())
    }

    fn error(&self) -> String {
        let error = self.build(Compression::None {}).unwrap_err();
        let LayerError::Write { source, .. } = error else { panic!("{error}") };
        source.to_string()
    }
}

fn build_with(
    infos: &[PathInfo],
    compression: Compression,
    jobs: usize,
    store: &dyn LayerCache,
) -> Result<Layer, LayerError> {
    let content = Content::StorePaths(infos);
    let request = Request { name: "test".into(), content, compression, mtime: 1 };
    build(&[request], store, jobs, &NullReporter).map(|mut layers| layers.remove(0))
}

fn rootfs_tar(rootfs: &Rootfs) -> Result<Vec<u8>, LayerError> {
    let rootfs = Arc::new(rootfs.clone());
    let content = Content::Rootfs(&rootfs, &[]);
    let compression = Compression::None {};
    let request = Request { name: "own files".into(), content, compression, mtime: 1 };
    let layers = build(&[request], &EphemeralCache::new().unwrap(), 1, &NullReporter)?;
    assert_eq!(Arc::strong_count(&rootfs), 2, "the layer has the same files and no copies");
    Ok(bytes_of(&layers[0]))
}

fn bytes_of(layer: &Layer) -> Vec<u8> {
    let mut written = Vec::new();
    layer.blob.write_to(&mut written).unwrap();
    let mut read = Vec::new();
    layer.blob.open().unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(written, read, "both ways of reading give the same");
    assert_eq!(Digest::of(&written), layer.digest);
    assert_eq!(written.len() as u64, layer.blob_size);
    written
}

/// Path, type, mode and content or target of each entry, as an independent reader sees them.
fn list(tar: &[u8]) -> Vec<(Vec<u8>, char, u32, Vec<u8>)> {
    let mut archive = ::tar::Archive::new(tar);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path_bytes().into_owned();
        let kind = entry.header().entry_type().as_byte() as char;
        let mode = entry.header().mode().unwrap();
        assert_eq!(entry.header().mtime().unwrap(), 1);
        let mut content = entry.link_name_bytes().unwrap_or_default().into_owned();
        entry.read_to_end(&mut content).unwrap();
        (path, kind, mode, content)
    });
    entries.collect()
}

/// The entries below the store path, without those above it.
fn below(fake: &Fake, tar: &[u8]) -> Vec<(String, char, u32, Vec<u8>)> {
    let root = fake.path("p");
    let root = root.as_os_str().as_bytes().strip_prefix(b"/").unwrap();
    let found = list(tar).into_iter().filter_map(|(path, kind, mode, content)| {
        let rest = path.strip_prefix(root)?;
        Some((String::from_utf8_lossy(rest).into_owned(), kind, mode, content))
    });
    found.collect()
}

#[test]
fn a_store_path_becomes_entries_in_order_with_canonical_modes() {
    let fake = Fake::new();
    fake.file("b/x", b"x");
    let run = fake.file("b-run", b"#!");
    fs::set_permissions(&run, fs::Permissions::from_mode(0o6711)).unwrap();
    fake.file("a", b"A");
    symlink("/nowhere", fake.path("p").join("c")).unwrap();
    let found = below(&fake, &fake.tar());
    let expected = [
        ("/", '5', 0o555, ""),
        ("/a", '0', 0o444, "A"),
        ("/b/", '5', 0o555, ""),
        ("/b/x", '0', 0o444, "x"),
        ("/b-run", '0', 0o555, "#!"),
        ("/c", '2', 0o777, "/nowhere"),
    ];
    let expected = expected.map(|(path, kind, mode, content)| {
        (path.to_owned(), kind, mode, content.as_bytes().to_vec())
    });
    assert_eq!(found, expected);
}

#[test]
fn the_store_directory_and_its_parents_come_first_and_once() {
    let fake = Fake::new();
    fake.file("a", b"");
    fs::write(fake.path("q"), b"whole path").unwrap();
    let infos = [fake.info("p"), fake.info("q")];
    let store = EphemeralCache::new().unwrap();
    let layer = build_with(&infos, Compression::None {}, 1, &store).unwrap();
    let paths: Vec<_> = list(&bytes_of(&layer)).into_iter().map(|entry| entry.0).collect();
    let dir = fake.dir.path().to_str().unwrap().trim_start_matches('/').to_owned();
    let mut expected: Vec<String> =
        dir.match_indices('/').map(|(at, _)| dir[..=at].to_owned()).collect();
    expected.push(format!("{dir}/"));
    expected.extend([format!("{dir}/{HASH}-p/"), format!("{dir}/{HASH}-p/a")]);
    expected.push(format!("{dir}/{HASH}-q"));
    assert_eq!(paths, expected.into_iter().map(String::into_bytes).collect::<Vec<_>>());
}

#[test]
fn a_hard_linked_store_gives_the_same_bytes() {
    let (one, two) = (Fake::new(), Fake::new());
    for fake in [&one, &two] {
        fake.file("a", b"same");
        fake.file("b", b"same");
    }
    fs::remove_file(two.path("p").join("b")).unwrap();
    fs::hard_link(two.path("p").join("a"), two.path("p").join("b")).unwrap();
    assert_eq!(below(&one, &one.tar()), below(&two, &two.tar()));
}

#[test]
fn what_no_image_can_carry_is_refused_at_once() {
    let fake = Fake::new();
    fake.file("a", b"");
    let fifo = fake.path("p").join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert!(fake.error().contains("is a FIFO"), "{}", fake.error());
    fs::remove_file(&fifo).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(&fifo).unwrap();
    assert!(fake.error().contains("is a socket"), "{}", fake.error());
    fs::remove_file(&fifo).unwrap();
    fake.file(".wh.a", b"");
    assert!(fake.error().contains("starts with `.wh.`"), "{}", fake.error());
}

#[test]
fn a_path_that_vanished_is_named() {
    let fake = Fake::new();
    let error = fake.build(Compression::default()).unwrap_err();
    assert_eq!(error.to_string(), "failed to write layer 1 of 1 (test)");
    assert!(fake.error().starts_with("failed to read `/"), "{}", fake.error());
}

#[test]
fn content_that_changes_between_hashing_and_writing_is_an_error_and_no_wrong_blob() {
    let fake = Fake::new();
    let path = fake.file("a", b"before");
    let layer = fake.build(Compression::None {}).unwrap();
    for other in [&b"BEFORE"[..], b"longer than before", b"b"] {
        fs::write(&path, other).unwrap();
        let error = layer.blob.write_to(&mut Vec::new()).unwrap_err();
        assert!(matches!(error, LayerError::StoreChanged(_)), "{error}");
        let read = layer.blob.open().unwrap().read_to_end(&mut Vec::new());
        assert!(read.is_err());
    }
}

#[test]
fn a_blob_that_this_process_wrote_is_read_as_long_as_nobody_wrote_to_it() {
    let fake = Fake::new();
    fake.file("a", b"content");
    let layer = fake.build(Compression::default()).unwrap();
    let path = layer.blob.path().unwrap();
    let bytes = fs::read(path).unwrap();
    let copy = |to: &Path| layer.blob.copy_to(&mut fs::File::create(to).unwrap());
    let shared = fake.dir.path().join("shared");
    let to = fake.dir.path().join("copy");
    layer.blob.write_file(&shared).unwrap();
    copy(&to).unwrap();
    assert_eq!(fs::read(&shared).unwrap(), bytes);
    assert_eq!(fs::read(&to).unwrap(), bytes);
    // As another process does that makes the same blob.
    fs::rename(&to, path).unwrap();
    copy(&to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), bytes);
    let mut other = bytes;
    other[12] ^= 1;
    fs::write(path, other).unwrap();
    assert!(matches!(copy(&to), Err(LayerError::DamagedBlob { .. })));
    let written = layer.blob.write_file(&to);
    assert!(matches!(written, Err(LayerError::DamagedBlob { .. })));
    let written = layer.blob.write_to(&mut Vec::new());
    assert!(matches!(written, Err(LayerError::DamagedBlob { .. })));
}

#[test]
fn names_are_kept_byte_for_byte() {
    let fake = Fake::new();
    let odd: [&[u8]; 10] = [
        b"-n",
        b"..foo",
        b"A",
        b"a",
        b"a b ",
        b"back\\slash",
        b"new\nline",
        b"tab\t=",
        b"\xc3\xa9",
        b"\xff\xfe",
    ];
    fake.file("0", b"");
    // Longer than ustar has room for; the reader used here ends a PAX record at a line feed.
    let long = |name: &[u8]| {
        let name = name.iter().map(|byte| if *byte == b'\n' { b'N' } else { *byte });
        name.chain([b'x'; 150]).collect::<Vec<u8>>()
    };
    for name in odd {
        let path = fake.path("p").join(std::ffi::OsStr::from_bytes(name));
        fs::write(path, name).unwrap();
        let path = fake.path("p").join(std::ffi::OsStr::from_bytes(&long(name)));
        fs::write(path, name).unwrap();
    }
    let root = [fake.path("p").as_os_str().as_bytes(), b"/"].concat()[1..].to_vec();
    let found: Vec<Vec<u8>> = list(&fake.tar())
        .into_iter()
        .filter_map(|entry| Some(entry.0.strip_prefix(&root[..])?.to_vec()))
        .filter(|name| !name.is_empty() && name != b"0")
        .collect();
    let mut expected: Vec<Vec<u8>> =
        odd.iter().flat_map(|name| [name.to_vec(), long(name)]).collect();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes_and_other_programs_can_read_them() {
    let fake = Fake::new();
    let noise: Vec<u8> = (0..2_500_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
    fake.file("big", &noise);
    let plain = fake.tar();
    for compression in [Compression::default(), Compression::Zstd { level: 3 }] {
        let store = EphemeralCache::new().unwrap();
        let build = |jobs| build_with(&[fake.info("p")], compression, jobs, &store).unwrap();
        let one = build(1);
        let many = build(7);
        assert_eq!(one.digest, many.digest);
        assert_eq!(one.diff_id.hex(), Digest::of(&plain).hex());
        let bytes = bytes_of(&one);
        let mut back = Vec::new();
        match compression {
            Compression::Gzip { .. } => {
                assert_eq!(bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
                flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut back).unwrap();
            }
            _ => {
                zstd::Decoder::new(&bytes[..]).unwrap().read_to_end(&mut back).unwrap();
            }
        }
        assert_eq!(back, plain);
    }
}

#[test]
fn a_look_ahead_comes_to_what_was_seen_after_reading() {
    let fake = Fake::new();
    let path = fake.file("a/b", b"content");
    fake.file("empty", b"");
    let node = |kind| Node { kind, mode: 0o644, uid: 0, gid: 0, xattrs: [].into() };
    let copy = (b"copy".to_vec(), node(rootfs::Kind::Copy(path)));
    let bytes = (b"bytes".to_vec(), node(rootfs::Kind::Bytes(b"bytes".to_vec())));
    let rootfs = Rootfs { entries: [copy, bytes].into() };
    let paths = [fake.info("p").path].into();
    for source in [tar::TarContent::StorePaths(paths), tar::TarContent::Rootfs(rootfs.into())] {
        let mut reader = source.open(1);
        while reader.fill(&mut [0; 100]).unwrap() > 0 {}
        assert_eq!(source.open(1).stamp_without_reading().unwrap(), reader.seen());
    }
}

#[test]
fn an_empty_rootfs_is_a_valid_tar() {
    assert_eq!(rootfs_tar(&Rootfs::default()).unwrap(), [0; 1024]);
}

#[test]
fn a_rootfs_keeps_owners_modes_and_attributes() {
    let node = |kind, mode, uid| Node {
        kind,
        mode,
        uid,
        gid: 0,
        xattrs: std::collections::BTreeMap::default(),
    };
    let mut rootfs = Rootfs::default();
    rootfs.entries.insert(b"tmp".to_vec(), node(rootfs::Kind::Directory, 0o1777, 0));
    let mut ping = node(rootfs::Kind::Bytes(b"ping".to_vec()), 0o4755, 4_000_000_000);
    ping.xattrs.insert("security.capability".into(), vec![1, 0, 0, 2, 0xff]);
    rootfs.entries.insert(b"tmp/ping".to_vec(), ping);
    let tar = rootfs_tar(&rootfs).unwrap();
    let mut archive = ::tar::Archive::new(&tar[..]);
    let mut entries = archive.entries().unwrap().map(Result::unwrap);
    assert_eq!(entries.next().unwrap().header().mode().unwrap(), 0o1777);
    let mut ping = entries.next().unwrap();
    assert_eq!(ping.header().mode().unwrap(), 0o4755);
    assert_eq!(ping.header().uid().unwrap(), 4_000_000_000);
    let records = ping.pax_extensions().unwrap().unwrap().map(Result::unwrap);
    let records: Vec<_> =
        records.map(|r| (r.key_bytes().to_vec(), r.value_bytes().to_vec())).collect();
    assert_eq!(
        records,
        [
            (b"SCHILY.xattr.security.capability".to_vec(), vec![1, 0, 0, 2, 0xff]),
            (b"uid".to_vec(), b"4000000000".to_vec()),
        ]
    );
}

#[test]
fn a_rootfs_cannot_steer_overlayfs() {
    let xattrs = [("trusted.overlay.opaque".to_owned(), b"y".to_vec())].into();
    let node = Node { kind: rootfs::Kind::Directory, mode: 0o755, uid: 0, gid: 0, xattrs };
    let rootfs = Rootfs { entries: [(b"a".to_vec(), node)].into() };
    assert!(rootfs_tar(&rootfs).is_err());
}

#[test]
fn the_versions_in_the_cache_key_are_those_that_are_built() {
    let lock =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    for (name, version) in [("libdeflate-sys", compress::LIBDEFLATE), ("zstd-sys", compress::ZSTD)]
    {
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(
            lock.contains(&entry),
            "{name} is no longer {version}: change src/layer/compress.rs"
        );
    }
}
