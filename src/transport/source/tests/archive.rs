//! Archives and layouts as they lie on a disk, honest and not.

use crate::transport::source::*;

/// A tar of the given entries: name, bytes, and whether it is a link to them.
fn tar_of(entries: &[(&str, &[u8], bool)]) -> tempfile::NamedTempFile {
    let mut builder = ::tar::Builder::new(tempfile::NamedTempFile::new().unwrap());
    for (name, bytes, link) in entries {
        let mut header = ::tar::Header::new_ustar();
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        if *link {
            header.set_entry_type(::tar::EntryType::Symlink);
            header.set_link_name_literal(bytes).unwrap();
            header.set_size(0);
        } else {
            header.set_size(bytes.len() as u64);
        }
        header.set_cksum();
        builder.append(&header, if *link { &[][..] } else { *bytes }).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn a_docker_archive_with_shared_layers_and_links_is_read() {
    // fault 72: old versions of `docker save` link a layer that they have written before
    let config = br#"{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":[]}}"#;
    let list = br#"[{"Config":"c.json","RepoTags":["a:v1","a:v2"],"Layers":["one/layer.tar"]},
        {"Config":"c.json","RepoTags":null,"Layers":["two/layer.tar"]}]"#;
    let file = tar_of(&[
        ("manifest.json", list, false),
        ("c.json", config, false),
        ("one/layer.tar", b"layer", false),
        ("two/layer.tar", b"../one/layer.tar", true),
    ]);
    let archive = Archive::open(file.path()).unwrap();
    let roots = archive.roots().unwrap();
    assert_eq!(roots.len(), 3);
    assert_eq!(choose(&archive, Some("a:v2")).unwrap().digest, roots[2].digest, "equal layers");
    let layer = Descriptor { digest: Digest::of(b"layer"), ..roots[0].clone() };
    let mut bytes = Vec::new();
    archive.open(&layer).unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"layer");
}

#[test]
fn an_archive_that_leads_out_of_itself_or_nowhere_is_refused() {
    // fault 72
    type Entry<'a> = (&'a str, &'a [u8], bool);
    type Entries<'a> = &'a [Entry<'a>];
    let config: Entry<'_> = ("c", b"{}", false);
    let list: Entry<'_> = ("manifest.json", br#"[{"Config":"c","Layers":["l"]}]"#, false);
    let cases: &[(&str, Entries<'_>)] = &[
        ("it has neither", &[("x", b"", false)]),
        ("unusable", &[("manifest.json", b"{", false)]),
        (
            "no `../../etc/passwd`",
            &[("manifest.json", br#"[{"Config":"../../etc/passwd"}]"#, false)],
        ),
        ("no `/etc/passwd`", &[("manifest.json", br#"[{"Config":"/etc/passwd"}]"#, false)]),
        ("missing field `Config`", &[("manifest.json", b"[{}]", false)]),
        ("`l` is not in it", &[list, config, ("l", b"../../etc/passwd", true)]),
        ("`l` is not in it", &[list, config, ("l", b"/etc/passwd", true)]),
        ("leads in a circle", &[list, config, ("l", b"m", true), ("m", b"l", true)]),
        (
            "version is `2.0.0`",
            &[
                ("oci-layout", br#"{"imageLayoutVersion":"2.0.0"}"#, false),
                ("index.json", b"{}", false),
            ],
        ),
    ];
    for (says, entries) in cases {
        let file = tar_of(entries);
        let error = Archive::open(file.path()).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
}

#[test]
fn what_an_archive_says_twice_is_refused() {
    let list: &[u8] = br#"[{"Config":"c","Layers":[]}]"#;
    let lists = [("manifest.json", list, false), ("./manifest.json", list, false)];
    let configs = [("manifest.json", list, false), ("c", b"{}", false), ("c", b"{ }", false)];
    for (name, entries) in [("manifest.json", &lists[..]), ("c", &configs)] {
        let error = Archive::open(tar_of(entries).path()).unwrap_err().to_string();
        assert!(error.contains(&format!("two entries `{name}`")), "{error}");
    }
}

#[test]
fn an_archive_whose_names_would_fill_the_memory_is_refused() {
    let mut builder = ::tar::Builder::new(tempfile::NamedTempFile::new().unwrap());
    for at in 0..34 {
        let name = format!("{at}{}", "/a".repeat(500_000));
        builder.append_data(&mut ::tar::Header::new_gnu(), &name, &[][..]).unwrap();
    }
    let error = Archive::open(builder.into_inner().unwrap().path()).unwrap_err();
    assert!(matches!(error, SourceError::Tar { source: tar::TarError::Names(_), .. }), "{error}");
}

#[test]
fn a_cut_archive_is_noticed_when_it_is_opened() {
    let file = tar_of(&[("manifest.json", b"[]", false), ("big", &[7; 5000], false)]);
    let whole = crate::fs::read(file.path(), 1 << 20).unwrap();
    let cut = tempfile::NamedTempFile::new().unwrap();
    crate::fs::write_atomically(cut.path(), &whole[..whole.len() - 3000]).unwrap();
    assert!(matches!(Archive::open(cut.path()), Err(SourceError::Tar { .. })));
}

fn write(path: &std::path::Path, text: &str) {
    crate::fs::write_atomically(path, text.as_bytes()).unwrap();
}

#[test]
fn a_layout_is_read_from_plain_files_only() {
    // fault 73
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    assert!(Layout::open(dir.path()).is_err(), "no oci-layout");
    write(&at("oci-layout"), r#"{"imageLayoutVersion":"2"}"#);
    assert!(Layout::open(dir.path()).unwrap_err().to_string().contains("version is `2`"));
    write(&at("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
    let layout = Layout::open(dir.path()).unwrap();
    assert!(layout.roots().is_err(), "no index.json");
    write(&at("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#);
    assert_eq!(layout.roots().unwrap(), []);

    std::fs::create_dir_all(at("blobs/sha256")).unwrap();
    let blob = Document::from_bytes("x/y", b"blob".to_vec()).descriptor;
    let path = at("blobs/sha256").join(blob.digest.hex());
    let open = || layout.open(&blob).map(drop).map_err(|error| error.to_string());
    assert!(open().unwrap_err().contains("has no blob"));
    std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
    assert!(open().unwrap_err().contains("symbolic link"));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(open().is_err(), "a folder");
    std::fs::remove_dir(&path).unwrap();
    write(&path, "blob");
    open().unwrap();
}

#[test]
fn a_layer_of_a_docker_archive_that_is_not_what_its_name_says_is_no_layer() {
    let name = format!("blobs/sha256/{}", Digest::of(b"honest").hex());
    let list = format!(r#"[{{"Config":"c","Layers":["{name}"]}}]"#);
    let diff_ids = format!(r#"{{"diff_ids":["{}"]}}"#, Digest::of(b"honest"));
    let config = format!(r#"{{"os":"linux","architecture":"amd64","rootfs":{diff_ids}}}"#);
    for (bytes, is_good) in [(b"honest", true), (b"forged", false)] {
        let file = tar_of(&[
            ("manifest.json", list.as_bytes(), false),
            ("c", config.as_bytes(), false),
            (&name, bytes, false),
        ]);
        let archive = Archive::open(file.path()).unwrap();
        let images = images(
            &archive,
            &choose(&archive, None).unwrap(),
            None,
            &crate::progress::NullReporter,
        )
        .unwrap();
        let mut layer = VerifyingReader::new(&archive, &images[0].layers[0].descriptor).unwrap();
        assert_eq!(layer.read_to_end(&mut Vec::new()).is_ok(), is_good);
    }
}
