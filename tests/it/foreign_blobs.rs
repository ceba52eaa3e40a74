//! Layers, lists, archives and digests that other tools wrote.

use cooper::digest::Digest;
use serde_json::{Value, json};

use crate::support::command::TestDir;
use crate::support::layout_builder::{
    CONFIG, INDEX, LayoutBuilder, MANIFEST, TAR, digest, with_platform,
};

#[test]
fn unknown_layer_types_are_copied_unread() {
    for media_type in ["application/vnd.oci.image.layer.nydus.blob.v1", "application/x", ""] {
        let builder = LayoutBuilder::new();
        let layer = builder.blob(media_type, b"data");
        builder.write_index(&[("v1", builder.image("linux/amd64", "a", &[layer]))]);
        builder.copy(&[]).assert_success();
        assert_eq!(builder.copied_blobs(), 4);
        builder.test_dir.cooper(&["copy", "oci:from:v1", "archive:to.tar:v1"]).assert_success();
        builder.test_dir.cooper(&["inspect", "to.tar"]).assert_success();
        let validated = builder.test_dir.cooper(&["validate", "to.tar"]);
        let expected_text =
            format!("it has the media type `{media_type}`, which cooper cannot read");
        assert!(validated.stdout.contains(&expected_text), "{}", validated.stdout);
        builder.test_dir.write_spec(&[], json!({"base": {"path": "from", "reference": "v1"}}));
        builder.test_dir.assert_build_fails(1, &[&expected_text]);
    }
}

#[test]
fn foreign_layers_are_copied_without_their_blobs() {
    for media_type in [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        TAR,
    ] {
        let builder = LayoutBuilder::new();
        let digest = Digest::of(media_type.as_bytes()).to_string();
        let url = "https://layers.example.invalid/base";
        let foreign =
            json!({"mediaType": media_type, "digest": digest, "size": 1000, "urls": [url]});
        builder.write_index(&[("v1", builder.image("linux/amd64", "a", &[foreign]))]);
        let output = builder.copy(&[]);
        output.assert_success();
        assert!(
            output.stderr.contains("without its blob") && output.stderr.contains(url),
            "{}",
            output.stderr
        );
        assert_eq!(builder.copied_blobs(), 3);
        builder.test_dir.cooper(&["inspect", "oci:to:v1"]).assert_success();
        let validated = builder.test_dir.cooper(&["validate", "oci:to:v1"]);
        validated.assert_success();
        assert!(validated.stdout.contains(&format!("a foreign layer, to be fetched from `{url}`")));
        builder.test_dir.write_spec(&[], json!({"base": {"path": "from"}}));
        builder.test_dir.assert_build_fails(1, &["a foreign layer", url]);
    }
}

#[test]
fn null_lists_are_empty() {
    for index in
        [r#"{"schemaVersion":2,"manifests":null}"#, r#"{"manifests":null,"annotations":null}"#]
    {
        let builder = LayoutBuilder::new();
        builder.test_dir.write("from/index.json", index);
        builder
            .test_dir
            .cooper(&["inspect", "from"])
            .assert_failure(1, &["there is no image in `from`"]);
        builder.test_dir.write_spec(&[], json!({}));
        builder
            .test_dir
            .cooper(&["build", "spec.json", "--format=layout", "-o", "from"])
            .assert_success();
        builder
            .copy(&[])
            .assert_failure(1, &["has no image `v1`; it has `docker.io/library/app:latest`"]);
        builder.test_dir.cooper(&["validate", "from"]).assert_success();
    }
    let builder = LayoutBuilder::new();
    let config = json!({"os": "linux", "architecture": "amd64", "config": null, "history": null,
                        "rootfs": {"type": "layers", "diff_ids": null}});
    let config = builder.document(CONFIG, &config);
    let image = builder.manifest(&json!({"config": config, "layers": null, "annotations": null}));
    let nothing = builder.document(INDEX, &json!({"schemaVersion": 2, "manifests": null}));
    builder.write_index(&[("v1", builder.index(&[image.clone(), nothing]))]);
    builder.copy(&["--platform=linux/amd64"]).assert_success();
    assert_eq!(
        (builder.copied_digest().as_str(), builder.locked_digests()["linux/amd64"].as_str()),
        (digest(&image), digest(&image))
    );
    builder.test_dir.cooper(&["inspect", "oci:from:v1"]).assert_success();
    builder.test_dir.cooper(&["validate", "oci:from:v1"]).assert_success();
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(6);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    std::io::copy(&mut &bytes[..], &mut writer).unwrap();
    writer.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    std::io::copy(&mut &bytes[..], &mut writer).unwrap();
    writer.finish().unwrap()
}

#[test]
fn compressed_archives_are_read() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({}));
    let tar = std::fs::read(test_dir.build_archive()).unwrap();
    let (xz, bzip2) = (xz(&tar), bzip2(&tar));
    let zstd = zstd::encode_all(&tar[..], 3).unwrap();
    let skippable = [b"\x5f\x2a\x4d\x18\x04\0\0\0size", &zstd[..]].concat();
    // pbzip2 and xz write several streams into one file.
    let (first, second) = tar.split_at(tar.len() / 2);
    let several: Vec<u8> = [first, second].iter().flat_map(|part| self::bzip2(part)).collect();
    for (name, bytes) in
        [("a.tar.xz", xz), ("a.tar.bz2", bzip2), ("b.tar.bz2", several), ("a.tar.zst", skippable)]
    {
        test_dir.write(name, bytes);
        test_dir.cooper(&["validate", name]).assert_success();
        test_dir.cooper(&["inspect", name]).assert_success();
        test_dir.cooper(&["copy", name, "oci:from-packed:v1"]).assert_success();
        let copied = std::fs::read_to_string(test_dir.path("from-packed/index.json")).unwrap();
        test_dir.cooper(&["copy", "image.tar", "oci:from-plain:v1"]).assert_success();
        assert_eq!(
            copied,
            std::fs::read_to_string(test_dir.path("from-plain/index.json")).unwrap()
        );
    }
    test_dir.write("a.tar.lz4", b"\x04\x22\x4d\x18 and more");
    test_dir.write("a.zip", b"PK\x03\x04 and more");
    for (name, expected_text) in [
        ("a.tar.lz4", "compressed with lz4, which cooper does not read"),
        ("a.zip", "compressed with zip, which cooper does not read"),
    ] {
        test_dir.cooper(&["validate", name]).assert_failure(1, &[expected_text]);
        test_dir.cooper(&["inspect", name]).assert_failure(1, &[expected_text]);
        test_dir.cooper(&["copy", name, "oci:none:v1"]).assert_failure(1, &[expected_text]);
    }
}

#[test]
fn truncated_compressed_archive_is_an_input_error() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({}));
    let tar = std::fs::read(test_dir.build_archive()).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::copy(&mut &tar[..], &mut gzip).unwrap();
    for (name, bytes) in [
        ("cut.tar.gz", gzip.finish().unwrap()),
        ("cut.tar.bz2", bzip2(&tar)),
        ("cut.tar.xz", xz(&tar)),
        ("cut.tar.zst", zstd::encode_all(&tar[..], 3).unwrap()),
    ] {
        test_dir.write(name, &bytes[..bytes.len() - 16]);
        let expected_text = format!("failed to decompress `{name}`");
        test_dir.cooper(&["validate", name]).assert_failure(1, &[&expected_text]);
        test_dir.cooper(&["inspect", name]).assert_failure(1, &[&expected_text]);
        test_dir.cooper(&["copy", name, "oci:none:v1"]).assert_failure(1, &[&expected_text]);
        test_dir.write_spec(&[], json!({"base": {"path": name}}));
        test_dir.assert_build_fails(1, &[&expected_text]);
        assert!(!test_dir.path("none").exists());
    }
}

#[test]
fn zstd_layer_with_skippable_frame_is_read() {
    for low in [b'\x50', b'\x57', b'\x5f'] {
        let builder = LayoutBuilder::new();
        let tar = [0; 1024];
        let zstd = zstd::encode_all(&tar[..], 3).unwrap();
        let blob = [&[low, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9], &zstd[..]].concat();
        let layer = builder.blob(&format!("{TAR}+zstd"), &blob);
        let config = json!({"os": "linux", "architecture": "amd64",
                            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&tar).to_string()]}});
        let config = builder.document(CONFIG, &config);
        builder.write_index(&[(
            "v1",
            builder.manifest(&json!({"config": config, "layers": [layer]})),
        )]);
        builder.test_dir.cooper(&["validate", "oci:from:v1"]).assert_success();
        builder.test_dir.cooper(&["inspect", "oci:from:v1"]).assert_success();
        builder.test_dir.write_spec(&[], json!({"base": {"path": "from"}}));
        builder.test_dir.build_archive();
    }
}

#[test]
fn index_entry_with_sha512_digest_is_skipped() {
    let builder = LayoutBuilder::new();
    let other = |name: &str, algorithm: &str| {
        json!({"mediaType": MANIFEST, "size": 2, "digest": format!("{algorithm}:{}", "0".repeat(128)),
               "annotations": {"org.opencontainers.image.ref.name": name}, "com.example": 1.50})
    };
    let image = builder.image("linux/amd64", "a", &[]);
    let entries = [other("five", "sha512"), image.clone(), other("blake", "blake3+b64u")];
    let named = |entries: &[Value]| {
        let index = json!({"schemaVersion": 2, "manifests": entries});
        builder.test_dir.write("from/index.json", index.to_string());
    };
    let mut two = image.clone();
    two["annotations"] = json!({"org.opencontainers.image.ref.name": "v1"});
    named(&[entries[0].clone(), two, entries[2].clone()]);
    for args in
        [&["copy", "oci:from:v1", "oci:to:v1"][..], &["inspect", "from"], &["validate", "from"]]
    {
        let output = builder.test_dir.cooper(args);
        output.assert_success();
        let all = format!("{}{}", output.stdout, output.stderr);
        assert!(
            all.contains("`five`") && all.contains("sha512:") && all.contains("passed over"),
            "{all}"
        );
    }
    // A new image replaces the entry of its own name and keeps the others.
    builder.test_dir.cooper(&["copy", "oci:from:v1", "oci:from:five"]).assert_success();
    let index = std::fs::read_to_string(builder.test_dir.path("from/index.json")).unwrap();
    assert!(!index.contains("sha512") && index.contains("blake3+b64u:"), "{index}");
    assert!(index.contains("\"com.example\":1.5"), "{index}");
    // The same holds inside an index.
    let index = builder.index(&[other("x", "sha512"), with_platform(image.clone(), "linux/amd64")]);
    builder.write_index(&[("v1", index)]);
    let output = builder.copy(&["--platform=linux/amd64"]);
    output.assert_success();
    assert!(output.stderr.contains("passed over"), "{}", output.stderr);
    assert_eq!(
        (builder.copied_digest().as_str(), builder.locked_digests()["linux/amd64"].as_str()),
        (digest(&image), digest(&image))
    );
    builder.copy(&[]).assert_success();
    // An invalid digest is an error.
    named(&[other("broken", "sha256")]);
    builder
        .test_dir
        .cooper(&["inspect", "from"])
        .assert_failure(1, &["manifests[0]", "hexadecimal"]);
}
