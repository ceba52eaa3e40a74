//! Layers, lists, archives and digests as other tools write them.

use cooper::digest::Digest;
use serde_json::{Value, json};

use crate::support::command::Place;
use crate::support::layout_builder::{CONFIG, INDEX, MANIFEST, Odd, TAR, digest, stated};

#[test]
fn unknown_layer_types_are_copied_unread() {
    for media_type in ["application/vnd.oci.image.layer.nydus.blob.v1", "application/x", ""] {
        let odd = Odd::new();
        let layer = odd.blob(media_type, b"data");
        odd.names(&[("v1", odd.image("linux/amd64", "a", &[layer]))]);
        odd.copy(&[]).succeeded();
        assert_eq!(odd.copied_blobs(), 4);
        odd.place.cooper(&["copy", "oci:from:v1", "archive:to.tar:v1"]).succeeded();
        odd.place.cooper(&["inspect", "to.tar"]).succeeded();
        let validated = odd.place.cooper(&["validate", "to.tar"]);
        let says = format!("it has the media type `{media_type}`, which cooper cannot read");
        assert!(validated.stdout.contains(&says), "{}", validated.stdout);
        odd.place.spec(&[], json!({"base": {"path": "from", "reference": "v1"}}));
        odd.place.refuses(1, &[&says]);
    }
}

#[test]
fn foreign_layers_are_copied_without_their_blobs() {
    for media_type in [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        TAR,
    ] {
        let odd = Odd::new();
        let digest = Digest::of(media_type.as_bytes()).to_string();
        let url = "https://layers.example.invalid/base";
        let foreign =
            json!({"mediaType": media_type, "digest": digest, "size": 1000, "urls": [url]});
        odd.names(&[("v1", odd.image("linux/amd64", "a", &[foreign]))]);
        let ran = odd.copy(&[]);
        ran.succeeded();
        assert!(
            ran.stderr.contains("without its blob") && ran.stderr.contains(url),
            "{}",
            ran.stderr
        );
        assert_eq!(odd.copied_blobs(), 3);
        odd.place.cooper(&["inspect", "oci:to:v1"]).succeeded();
        let validated = odd.place.cooper(&["validate", "oci:to:v1"]);
        validated.succeeded();
        assert!(validated.stdout.contains(&format!("a foreign layer, to be fetched from `{url}`")));
        odd.place.spec(&[], json!({"base": {"path": "from"}}));
        odd.place.refuses(1, &["a foreign layer", url]);
    }
}

#[test]
fn null_lists_are_empty() {
    for index in
        [r#"{"schemaVersion":2,"manifests":null}"#, r#"{"manifests":null,"annotations":null}"#]
    {
        let odd = Odd::new();
        odd.place.write("from/index.json", index);
        odd.place.cooper(&["inspect", "from"]).failed(1, &["there is no image in `from`"]);
        odd.place.spec(&[], json!({}));
        odd.place.cooper(&["build", "spec.json", "--format=layout", "-o", "from"]).succeeded();
        odd.copy(&[]).failed(1, &["has no image `v1`; it has `docker.io/library/app:latest`"]);
        odd.place.cooper(&["validate", "from"]).succeeded();
    }
    let odd = Odd::new();
    let config = json!({"os": "linux", "architecture": "amd64", "config": null, "history": null,
                        "rootfs": {"type": "layers", "diff_ids": null}});
    let config = odd.document(CONFIG, &config);
    let image = odd.manifest(&json!({"config": config, "layers": null, "annotations": null}));
    let nothing = odd.document(INDEX, &json!({"schemaVersion": 2, "manifests": null}));
    odd.names(&[("v1", odd.index(&[image.clone(), nothing]))]);
    odd.copy(&["--platform=linux/amd64"]).succeeded();
    assert_eq!(
        (odd.copied().as_str(), odd.locked()["linux/amd64"].as_str()),
        (digest(&image), digest(&image))
    );
    odd.place.cooper(&["inspect", "oci:from:v1"]).succeeded();
    odd.place.cooper(&["validate", "oci:from:v1"]).succeeded();
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
    let place = Place::new();
    place.spec(&[], json!({}));
    let tar = std::fs::read(place.builds()).unwrap();
    let (xz, bzip2) = (xz(&tar), bzip2(&tar));
    let zstd = zstd::encode_all(&tar[..], 3).unwrap();
    let skippable = [b"\x5f\x2a\x4d\x18\x04\0\0\0size", &zstd[..]].concat();
    // pbzip2 and xz write several streams into one file.
    let (first, second) = tar.split_at(tar.len() / 2);
    let several: Vec<u8> = [first, second].iter().flat_map(|part| self::bzip2(part)).collect();
    for (name, bytes) in
        [("a.tar.xz", xz), ("a.tar.bz2", bzip2), ("b.tar.bz2", several), ("a.tar.zst", skippable)]
    {
        place.write(name, bytes);
        place.cooper(&["validate", name]).succeeded();
        place.cooper(&["inspect", name]).succeeded();
        place.cooper(&["copy", name, "oci:from-packed:v1"]).succeeded();
        let copied = std::fs::read_to_string(place.path("from-packed/index.json")).unwrap();
        place.cooper(&["copy", "image.tar", "oci:from-plain:v1"]).succeeded();
        assert_eq!(copied, std::fs::read_to_string(place.path("from-plain/index.json")).unwrap());
    }
    place.write("a.tar.lz4", b"\x04\x22\x4d\x18 and more");
    place.write("a.zip", b"PK\x03\x04 and more");
    for (name, says) in [
        ("a.tar.lz4", "compressed with lz4, which cooper does not read"),
        ("a.zip", "compressed with zip, which cooper does not read"),
    ] {
        place.cooper(&["validate", name]).failed(1, &[says]);
        place.cooper(&["inspect", name]).failed(1, &[says]);
        place.cooper(&["copy", name, "oci:none:v1"]).failed(1, &[says]);
    }
}

#[test]
fn truncated_compressed_archive_is_an_input_error() {
    let place = Place::new();
    place.spec(&[], json!({}));
    let tar = std::fs::read(place.builds()).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::copy(&mut &tar[..], &mut gzip).unwrap();
    for (name, bytes) in [
        ("cut.tar.gz", gzip.finish().unwrap()),
        ("cut.tar.bz2", bzip2(&tar)),
        ("cut.tar.xz", xz(&tar)),
        ("cut.tar.zst", zstd::encode_all(&tar[..], 3).unwrap()),
    ] {
        place.write(name, &bytes[..bytes.len() - 16]);
        let says = format!("failed to decompress `{name}`");
        place.cooper(&["validate", name]).failed(1, &[&says]);
        place.cooper(&["inspect", name]).failed(1, &[&says]);
        place.cooper(&["copy", name, "oci:none:v1"]).failed(1, &[&says]);
        place.spec(&[], json!({"base": {"path": name}}));
        place.refuses(1, &[&says]);
        assert!(!place.path("none").exists());
    }
}

#[test]
fn zstd_layer_with_skippable_frame_is_read() {
    for low in [b'\x50', b'\x57', b'\x5f'] {
        let odd = Odd::new();
        let tar = [0; 1024];
        let zstd = zstd::encode_all(&tar[..], 3).unwrap();
        let blob = [&[low, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9], &zstd[..]].concat();
        let layer = odd.blob(&format!("{TAR}+zstd"), &blob);
        let config = json!({"os": "linux", "architecture": "amd64",
                            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&tar).to_string()]}});
        let config = odd.document(CONFIG, &config);
        odd.names(&[("v1", odd.manifest(&json!({"config": config, "layers": [layer]})))]);
        odd.place.cooper(&["validate", "oci:from:v1"]).succeeded();
        odd.place.cooper(&["inspect", "oci:from:v1"]).succeeded();
        odd.place.spec(&[], json!({"base": {"path": "from"}}));
        odd.place.builds();
    }
}

#[test]
fn index_entry_with_sha512_digest_is_skipped() {
    let odd = Odd::new();
    let other = |name: &str, algorithm: &str| {
        json!({"mediaType": MANIFEST, "size": 2, "digest": format!("{algorithm}:{}", "0".repeat(128)),
               "annotations": {"org.opencontainers.image.ref.name": name}, "com.example": 1.50})
    };
    let image = odd.image("linux/amd64", "a", &[]);
    let entries = [other("five", "sha512"), image.clone(), other("blake", "blake3+b64u")];
    let named = |entries: &[Value]| {
        let index = json!({"schemaVersion": 2, "manifests": entries});
        odd.place.write("from/index.json", index.to_string());
    };
    let mut two = image.clone();
    two["annotations"] = json!({"org.opencontainers.image.ref.name": "v1"});
    named(&[entries[0].clone(), two, entries[2].clone()]);
    for args in
        [&["copy", "oci:from:v1", "oci:to:v1"][..], &["inspect", "from"], &["validate", "from"]]
    {
        let ran = odd.place.cooper(args);
        ran.succeeded();
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            all.contains("`five`") && all.contains("sha512:") && all.contains("passed over"),
            "{all}"
        );
    }
    // What is added leaves the other entries as they are, but for one of its own name.
    odd.place.cooper(&["copy", "oci:from:v1", "oci:from:five"]).succeeded();
    let index = std::fs::read_to_string(odd.place.path("from/index.json")).unwrap();
    assert!(!index.contains("sha512") && index.contains("blake3+b64u:"), "{index}");
    assert!(index.contains("\"com.example\":1.5"), "{index}");
    // In an index it is the same.
    let index = odd.index(&[other("x", "sha512"), stated(image.clone(), "linux/amd64")]);
    odd.names(&[("v1", index)]);
    let ran = odd.copy(&["--platform=linux/amd64"]);
    ran.succeeded();
    assert!(ran.stderr.contains("passed over"), "{}", ran.stderr);
    assert_eq!(
        (odd.copied().as_str(), odd.locked()["linux/amd64"].as_str()),
        (digest(&image), digest(&image))
    );
    odd.copy(&[]).succeeded();
    // A digest that is broken is an error as before.
    named(&[other("broken", "sha256")]);
    odd.place.cooper(&["inspect", "from"]).failed(1, &["manifests[0]", "hexadecimal"]);
}
