use super::*;

/// A ustar header with the given fields.
fn header(path: &str, flag: u8, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path(path).unwrap();
    header.set_size(size);
    header.set_entry_type(tar::EntryType::new(flag));
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn pax(records: &[u8]) -> Vec<u8> {
    [header("pax", b'x', records.len() as u64), padded(records)].concat()
}

fn global(records: &[u8]) -> Vec<u8> {
    [header("pax", b'g', records.len() as u64), padded(records)].concat()
}

fn with_end(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), vec![0; 1024]].concat()
}

fn read_all(bytes: &[u8]) -> Result<Vec<Entry>, TarError> {
    let mut reader = TarReader::streaming(bytes);
    std::iter::from_fn(|| reader.next_entry().transpose()).collect()
}

#[test]
fn entries_come_with_their_names_sizes_and_places() {
    let tar = with_end(&[
        header("dir/", b'5', 0),
        header("dir/file", b'0', 3),
        padded(b"abc"),
        header("link", b'2', 0),
    ]);
    let entries = read_all(&tar).unwrap();
    let seen: Vec<_> = entries.iter().map(|e| (e.path.as_slice(), e.kind, e.size)).collect();
    assert_eq!(
        seen,
        [
            (b"dir/".as_slice(), Kind::Directory, 0),
            (b"dir/file", Kind::File, 3),
            (b"link", Kind::Symlink, 0)
        ]
    );
    assert_eq!(entries[1].offset, 1024);
}

#[test]
fn seeking_and_streaming_find_the_same_entries() {
    let tar = with_end(&[header("a", b'0', 700), padded(&[7; 700]), header("b", b'0', 0)]);
    let mut seeking = TarReader::seeking(io::Cursor::new(&tar));
    let sought: Vec<_> =
        std::iter::from_fn(|| seeking.next_entry().transpose()).map(Result::unwrap).collect();
    assert_eq!(sought, read_all(&tar).unwrap());
}

#[test]
fn an_entrys_bytes_can_be_read_and_the_rest_is_passed_over() {
    let tar = with_end(&[header("a", b'0', 5), padded(b"hello"), header("b", b'0', 0)]);
    let mut reader = TarReader::streaming(tar.as_slice());
    reader.next_entry().unwrap();
    let mut two = [0; 2];
    reader.read_exact(&mut two).unwrap();
    assert_eq!(&two, b"he");
    assert_eq!(reader.next_entry().unwrap().unwrap().path, b"b");
}

#[test]
fn pax_records_name_what_a_header_cannot() {
    let name = "n".repeat(300);
    let tar = with_end(&[pax(format!("310 path={name}\n").as_bytes()), header("short", b'0', 0)]);
    assert_eq!(read_all(&tar).unwrap()[0].path, name.as_bytes());
}

#[test]
fn an_empty_pax_value_is_accepted() {
    // fault 66: BuildKit writes empty SCHILY.xattr records
    let records = b"30 SCHILY.xattr.user.overlay=\n8 path=\n";
    let tar = with_end(&[pax(records), header("a", b'0', 0)]);
    assert_eq!(read_all(&tar).unwrap()[0].path, b"a");
}

#[test]
fn what_two_readers_could_read_differently_is_an_error() {
    // fault 66
    let two_sizes = [pax(b"12 size=512\n"), header("a", b'0', 3), padded(b"abc")];
    let mut broken = header("a", b'0', 0);
    broken[0] = b'z';
    for (what, tar, says) in [
        ("two sizes", with_end(&two_sizes), "512 by its PAX record"),
        ("long record", with_end(&[pax(b"99 path=a\n"), header("a", b'0', 0)]), "length is wrong"),
        ("no length", with_end(&[pax(b"x path=a\n"), header("a", b'0', 0)]), "no length"),
        ("length 0", with_end(&[pax(b"0 path=a\n"), header("a", b'0', 0)]), "length is wrong"),
        ("bad size", with_end(&[pax(b"9 size=-\n"), header("a", b'0', 0)]), "should be a number"),
        (
            "two headers",
            with_end(&[pax(b"10 path=b\n"), pax(b"11 mtime=1\n"), header("a", b'0', 0)]),
            "the second one of its entry",
        ),
        (
            "a name for all",
            with_end(&[global(b"10 path=b\n"), header("a", b'0', 0)]),
            "all entries one name",
        ),
        ("old sparse", with_end(&[header("a", b'S', 0)]), "sparse"),
        (
            "pax sparse",
            with_end(&[pax(b"22 GNU.sparse.major=1\n"), header("a", b'0', 0)]),
            "sparse",
        ),
        ("checksum", with_end(&[broken]), "checksum"),
        ("huge extension", with_end(&[header("x", b'x', 2 << 20)]), "larger than 1 MiB"),
        ("cut in a header", header("a", b'0', 0)[..100].to_vec(), "cut at byte 100"),
        ("no end", header("a", b'0', 0), "no end marker"),
        ("cut in data", [header("a", b'0', 9999), padded(b"abc")].concat(), "cut at byte 1024"),
        ("nothing", Vec::new(), "no end marker"),
    ] {
        let error = read_all(&tar).unwrap_err().to_string();
        assert!(error.contains(says), "{what}: {error}");
    }
}

#[test]
fn a_comment_for_all_entries_is_passed_over() {
    let tar = with_end(&[global(b"13 comment=x\n"), header("a", b'0', 0)]);
    assert_eq!(read_all(&tar).unwrap().len(), 1);
}

#[test]
fn what_the_tar_crate_writes_is_read_back_with_long_names() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(130));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    builder.append_data(&mut header, &long, b"cask".as_slice()).unwrap();
    let tar = builder.into_inner().unwrap();
    let entries = read_all(&tar).unwrap();
    assert_eq!((entries[0].path.as_slice(), entries[0].size), (long.as_bytes(), 4));
}
