//! Indexes that other tools wrote: their platforms, and entries that are not images.

use serde_json::json;

use crate::support::command::TestDir;
use crate::support::layout_builder::{
    CONFIG, LayoutBuilder, MANIFEST, TAR, digest, parse_platform, with_platform,
};

#[test]
fn index_platform_overrides_config_platform() {
    let builder = LayoutBuilder::new();
    let names = ["linux/amd64", "linux/arm64", "linux/ppc64le"];
    let entries = names.map(|name| with_platform(builder.image("linux/amd64", name, &[]), name));
    builder.write_index(&[("v1", builder.index(&entries))]);
    let locked = builder.locked_digests();
    for (name, entry) in names.iter().zip(&entries) {
        let output = builder.copy(&["--platform", name]);
        output.assert_success();
        assert_eq!(
            (builder.copied_digest().as_str(), locked[*name].as_str()),
            (digest(entry), digest(entry))
        );
        let contradicts = *name != "linux/amd64";
        assert_eq!(output.stderr.contains("the index decides"), contradicts, "{}", output.stderr);
        // The lock's image for a platform has that platform.
        let image = builder.lock().unwrap().image(&parse_platform(name), "lock".as_ref()).unwrap();
        assert_eq!(image.manifest.platform, Some(parse_platform(name)));
    }
    let inspect_json = builder.test_dir.cooper(&["inspect", "--json", "oci:from:v1"]);
    let validated = builder.test_dir.cooper(&["validate", "oci:from:v1"]);
    for (output, count) in [(inspect_json, 1), (validated, 2)] {
        output.assert_success();
        let all = format!("{}{}", output.stdout, output.stderr);
        for name in &names[1..] {
            assert!(all.contains(&format!("the index says {name}")), "{all}");
            assert!(output.stdout.matches(name).count() >= count, "{}", output.stdout);
        }
    }
}

#[test]
fn index_duplicate_platform_is_an_error() {
    for (first, second) in
        [(Some("linux/amd64"), Some("linux/amd64")), (None, None), (Some("linux/amd64/v1"), None)]
    {
        let builder = LayoutBuilder::new();
        let entry = |label, platform: Option<&str>| {
            let image = builder.image("linux/amd64", label, &[]);
            platform.map_or(image.clone(), |platform| with_platform(image, platform))
        };
        let entries = [entry("first", first), entry("second", second)];
        builder.write_index(&[("v1", builder.index(&entries))]);
        builder.assert_refused(&[
            "two images for linux/amd64",
            digest(&entries[0]),
            digest(&entries[1]),
        ]);
        // `copy` preserves the bytes in any case.
        builder.copy(&[]).assert_success();
    }
    let twice =
        r#"{"version":1,"reference":"a","root":D,"platforms":{"linux/amd64":I,"linux/amd64":I}}"#;
    let blob = r#"{"mediaType":"a","digest":"D","size":1}"#;
    let image = format!(r#"{{"manifest":{blob},"config":{blob},"layers":[]}}"#);
    let zeros = format!("sha256:{}", "0".repeat(64));
    let lock = twice
        .replace('I', &image)
        .replace(":D", &format!(":{blob}"))
        .replace("\"D\"", &format!("{zeros:?}"));
    let test_dir = TestDir::new();
    test_dir.write("lock.json", lock);
    test_dir.write_spec(&[], json!({"base": {"lock": "lock.json"}}));
    test_dir.assert_build_fails(1, &["platforms has `linux/amd64` twice"]);
    let arm = json!({"os": "linux", "architecture": "arm64"});
    let v8 = json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
    for (file, platform) in [("a.json", arm), ("b.json", v8)] {
        let spec = test_dir.write_spec(&[], json!({"platform": platform}));
        std::fs::rename(spec, test_dir.path(file)).unwrap();
    }
    let output = test_dir.cooper(&["index", "a.json", "b.json", "-o", "both.tar"]);
    output.assert_failure(1, &["two images of `app` run on linux/arm64"]);
    assert_eq!(output.stderr.matches("sha256:").count(), 2, "{}", output.stderr);
}

#[test]
fn windows_images_are_selected_by_version() {
    let builder = LayoutBuilder::new();
    let windows = |version: &str| {
        let mut entry =
            with_platform(builder.image("windows/amd64", version, &[]), "windows/amd64");
        entry["platform"]["os.version"] = version.into();
        entry
    };
    let linux = with_platform(builder.image("linux/amd64", "linux", &[]), "linux/amd64");
    let (old, new) = (windows("10.0.17763.1"), windows("10.0.20348.1"));
    builder.write_index(&[("v1", builder.index(&[linux.clone(), old.clone(), new]))]);
    for (platform, entry) in [("linux/amd64", &linux), ("windows(10.0.17763.1)/amd64", &old)] {
        builder.copy(&["--platform", platform]).assert_success();
        assert_eq!(
            (builder.copied_digest().as_str(), builder.locked_digests()[platform].as_str()),
            (digest(entry), digest(entry))
        );
    }
    assert_eq!(builder.locked_digests().len(), 3);
    builder.copy(&["--platform=windows/amd64"]).assert_failure(
        1,
        &["several images", "`windows(10.0.17763.1)/amd64`, `windows(10.0.20348.1)/amd64`"],
    );
    builder.test_dir.cooper(&["validate", "oci:from:v1"]).assert_success();
}

#[test]
fn index_without_platforms_uses_config_platforms() {
    let builder = LayoutBuilder::new();
    let names = ["linux/arm64", "linux/amd64"];
    let entries = names.map(|name| builder.image(name, name, &[]));
    builder.write_index(&[("v1", builder.index(&entries))]);
    for (name, entry) in names.iter().zip(&entries) {
        builder.copy(&["--platform", name]).assert_success();
        assert_eq!(
            (builder.copied_digest().as_str(), builder.locked_digests()[*name].as_str()),
            (digest(entry), digest(entry))
        );
        let inspect_json = builder.test_dir.cooper(&["inspect", "oci:from:v1"]);
        assert!(inspect_json.stdout.contains(name), "{}", inspect_json.stdout);
    }
}

#[test]
fn index_highest_compatible_variant_is_selected() {
    let builder = LayoutBuilder::new();
    let images =
        ["linux/arm/v5", "linux/arm/v6", "linux/amd64", "linux/amd64/v2", "linux/arm64/v8"];
    let entries = images.map(|name| with_platform(builder.image(name, name, &[]), name));
    builder.write_index(&[("v1", builder.index(&entries))]);
    let lock = builder.lock().unwrap();
    for (wanted, taken) in [
        ("linux/arm/v7", 1),
        ("linux/arm", 1),
        ("linux/arm/v5", 0),
        ("linux/amd64/v3", 3),
        ("linux/amd64", 2),
        ("linux/arm64", 4),
        ("linux/arm64/v9", 4),
    ] {
        builder.copy(&["--platform", wanted]).assert_success();
        assert_eq!(builder.copied_digest(), digest(&entries[taken]), "{wanted}");
        let locked = lock.image(&parse_platform(wanted), "lock".as_ref()).unwrap();
        assert_eq!(locked.manifest.digest.to_string(), digest(&entries[taken]), "{wanted}");
    }
    builder
        .copy(&["--platform=linux/arm/v4"])
        .assert_failure(1, &["no image for linux/arm/v4", "`linux/arm/v5`"]);
    // The same rule applies to a single image.
    builder.write_index(&[("v1", builder.image("linux/arm/v6", "alone", &[]))]);
    builder.copy(&["--platform=linux/arm/v7"]).assert_success();
    builder
        .copy(&["--platform=linux/arm/v5"])
        .assert_failure(1, &["is for linux/arm/v6, and not for linux/arm/v5"]);
}

#[test]
fn index_non_image_entries_are_skipped() {
    let builder = LayoutBuilder::new();
    let empty = "application/vnd.oci.empty.v1+json";
    let others = [
        builder.artifact(empty, "application/spdx+json"),
        builder.artifact("application/vnd.cncf.helm.config.v1+json", "application/x+gzip"),
        builder.artifact(CONFIG, "application/vnd.in-toto+json"),
        builder.blob("application/vnd.buildkit.cacheconfig.v0", b"not json"),
        builder.blob(&format!("{TAR}+gzip"), b"\x1f\x8bnot gzip"),
    ];
    let image = with_platform(builder.image("linux/amd64", "a", &[]), "linux/amd64");
    let with = [&others[..], std::slice::from_ref(&image)].concat();
    builder.write_index(&[("v1", builder.index(&with))]);
    builder.copy(&["--platform=linux/amd64"]).assert_success();
    assert_eq!(builder.copied_digest(), digest(&image));
    assert_eq!(builder.locked_digests()["linux/amd64"], digest(&image));
    builder.test_dir.cooper(&["inspect", "oci:from:v1"]).assert_success();
    builder.test_dir.cooper(&["validate", "oci:from:v1"]).assert_success();
    // The complete index is copied byte for byte.
    builder.copy(&[]).assert_success();
    builder.test_dir.cooper(&["validate", "oci:to:v1"]).assert_success();
    let kinds = [
        ("an SBOM", "application/spdx+json"),
        ("a Helm chart", "application/vnd.cncf.helm.config.v1+json"),
        ("an attestation", "application/vnd.in-toto+json"),
        ("a BuildKit build cache", "application/vnd.buildkit.cacheconfig.v0"),
        ("a layer", "application/vnd.oci.image.layer.v1.tar+gzip"),
    ];
    for (entry, (kind, media_type)) in others.iter().zip(kinds) {
        let expected_text = format!("{kind} of the type `{media_type}`");
        // As a root, as an entry of an index, and as an entry with the media type of an image.
        builder.write_index(&[("v1", builder.index(std::slice::from_ref(entry)))]);
        builder.assert_refused(&[&expected_text]);
        builder.copy(&[]).assert_success();
        builder.write_index(&[(
            "v1",
            builder.index(&[with_platform(entry.clone(), "linux/amd64"), image.clone()]),
        )]);
        builder.copy(&["--platform=linux/amd64"]).assert_success();
        assert_eq!(builder.copied_digest(), digest(&image));
        if entry["mediaType"] == MANIFEST {
            builder.write_index(&[("v1", entry.clone())]);
            builder.assert_refused(&[&expected_text]);
            builder.copy(&[]).assert_success();
            assert_eq!(
                (builder.copied_digest().as_str(), builder.copied_blobs()),
                (digest(entry), 3)
            );
        }
    }
}
