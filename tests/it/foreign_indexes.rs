//! Indexes as other tools write them: their platforms, and entries that are not images.

use serde_json::json;

use crate::support::command::Place;
use crate::support::layout_builder::{CONFIG, MANIFEST, Odd, TAR, digest, of, stated};

#[test]
fn index_platform_overrides_config_platform() {
    let odd = Odd::new();
    let names = ["linux/amd64", "linux/arm64", "linux/ppc64le"];
    let entries = names.map(|name| stated(odd.image("linux/amd64", name, &[]), name));
    odd.names(&[("v1", odd.index(&entries))]);
    let locked = odd.locked();
    for (name, entry) in names.iter().zip(&entries) {
        let ran = odd.copy(&["--platform", name]);
        ran.succeeded();
        assert_eq!((odd.copied().as_str(), locked[*name].as_str()), (digest(entry), digest(entry)));
        let contradicts = *name != "linux/amd64";
        assert_eq!(ran.stderr.contains("the index decides"), contradicts, "{}", ran.stderr);
        // What a lock has for a platform is for that platform.
        let image = odd.lock().unwrap().image(&of(name), "lock".as_ref()).unwrap();
        assert_eq!(image.manifest.platform, Some(of(name)));
    }
    let inspected = odd.place.cooper(&["inspect", "--json", "oci:from:v1"]);
    let validated = odd.place.cooper(&["validate", "oci:from:v1"]);
    for (ran, count) in [(inspected, 1), (validated, 2)] {
        ran.succeeded();
        let all = format!("{}{}", ran.stdout, ran.stderr);
        for name in &names[1..] {
            assert!(all.contains(&format!("the index says {name}")), "{all}");
            assert!(ran.stdout.matches(name).count() >= count, "{}", ran.stdout);
        }
    }
}

#[test]
fn index_duplicate_platform_is_an_error() {
    for (first, second) in
        [(Some("linux/amd64"), Some("linux/amd64")), (None, None), (Some("linux/amd64/v1"), None)]
    {
        let odd = Odd::new();
        let entry = |label, platform: Option<&str>| {
            let image = odd.image("linux/amd64", label, &[]);
            platform.map_or(image.clone(), |platform| stated(image, platform))
        };
        let entries = [entry("first", first), entry("second", second)];
        odd.names(&[("v1", odd.index(&entries))]);
        odd.refused(&["two images for linux/amd64", digest(&entries[0]), digest(&entries[1])]);
        // Bytes move all the same.
        odd.copy(&[]).succeeded();
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
    let place = Place::new();
    place.write("lock.json", lock);
    place.spec(&[], json!({"base": {"lock": "lock.json"}}));
    place.refuses(1, &["platforms has `linux/amd64` twice"]);
    let arm = json!({"os": "linux", "architecture": "arm64"});
    let v8 = json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
    for (file, platform) in [("a.json", arm), ("b.json", v8)] {
        let spec = place.spec(&[], json!({"platform": platform}));
        std::fs::rename(spec, place.path(file)).unwrap();
    }
    let ran = place.cooper(&["index", "a.json", "b.json", "-o", "both.tar"]);
    ran.failed(1, &["two images of `app` run on linux/arm64"]);
    assert_eq!(ran.stderr.matches("sha256:").count(), 2, "{}", ran.stderr);
}

#[test]
fn windows_images_are_selected_by_version() {
    let odd = Odd::new();
    let windows = |version: &str| {
        let mut entry = stated(odd.image("windows/amd64", version, &[]), "windows/amd64");
        entry["platform"]["os.version"] = version.into();
        entry
    };
    let linux = stated(odd.image("linux/amd64", "linux", &[]), "linux/amd64");
    let (old, new) = (windows("10.0.17763.1"), windows("10.0.20348.1"));
    odd.names(&[("v1", odd.index(&[linux.clone(), old.clone(), new]))]);
    for (platform, entry) in [("linux/amd64", &linux), ("windows(10.0.17763.1)/amd64", &old)] {
        odd.copy(&["--platform", platform]).succeeded();
        assert_eq!(
            (odd.copied().as_str(), odd.locked()[platform].as_str()),
            (digest(entry), digest(entry))
        );
    }
    assert_eq!(odd.locked().len(), 3);
    odd.copy(&["--platform=windows/amd64"]).failed(
        1,
        &["several images", "`windows(10.0.17763.1)/amd64`, `windows(10.0.20348.1)/amd64`"],
    );
    odd.place.cooper(&["validate", "oci:from:v1"]).succeeded();
}

#[test]
fn index_without_platforms_uses_config_platforms() {
    let odd = Odd::new();
    let names = ["linux/arm64", "linux/amd64"];
    let entries = names.map(|name| odd.image(name, name, &[]));
    odd.names(&[("v1", odd.index(&entries))]);
    for (name, entry) in names.iter().zip(&entries) {
        odd.copy(&["--platform", name]).succeeded();
        assert_eq!(
            (odd.copied().as_str(), odd.locked()[*name].as_str()),
            (digest(entry), digest(entry))
        );
        let inspected = odd.place.cooper(&["inspect", "oci:from:v1"]);
        assert!(inspected.stdout.contains(name), "{}", inspected.stdout);
    }
}

#[test]
fn index_highest_compatible_variant_is_selected() {
    let odd = Odd::new();
    let images =
        ["linux/arm/v5", "linux/arm/v6", "linux/amd64", "linux/amd64/v2", "linux/arm64/v8"];
    let entries = images.map(|name| stated(odd.image(name, name, &[]), name));
    odd.names(&[("v1", odd.index(&entries))]);
    let lock = odd.lock().unwrap();
    for (wanted, taken) in [
        ("linux/arm/v7", 1),
        ("linux/arm", 1),
        ("linux/arm/v5", 0),
        ("linux/amd64/v3", 3),
        ("linux/amd64", 2),
        ("linux/arm64", 4),
        ("linux/arm64/v9", 4),
    ] {
        odd.copy(&["--platform", wanted]).succeeded();
        assert_eq!(odd.copied(), digest(&entries[taken]), "{wanted}");
        let locked = lock.image(&of(wanted), "lock".as_ref()).unwrap();
        assert_eq!(locked.manifest.digest.to_string(), digest(&entries[taken]), "{wanted}");
    }
    odd.copy(&["--platform=linux/arm/v4"])
        .failed(1, &["no image for linux/arm/v4", "`linux/arm/v5`"]);
    // An image alone is held against the same rule.
    odd.names(&[("v1", odd.image("linux/arm/v6", "alone", &[]))]);
    odd.copy(&["--platform=linux/arm/v7"]).succeeded();
    odd.copy(&["--platform=linux/arm/v5"])
        .failed(1, &["is for linux/arm/v6, and not for linux/arm/v5"]);
}

#[test]
fn index_non_image_entries_are_skipped() {
    let odd = Odd::new();
    let empty = "application/vnd.oci.empty.v1+json";
    let others = [
        odd.artifact(empty, "application/spdx+json"),
        odd.artifact("application/vnd.cncf.helm.config.v1+json", "application/x+gzip"),
        odd.artifact(CONFIG, "application/vnd.in-toto+json"),
        odd.blob("application/vnd.buildkit.cacheconfig.v0", b"not json"),
        odd.blob(&format!("{TAR}+gzip"), b"\x1f\x8bnot gzip"),
    ];
    let image = stated(odd.image("linux/amd64", "a", &[]), "linux/amd64");
    let with = [&others[..], std::slice::from_ref(&image)].concat();
    odd.names(&[("v1", odd.index(&with))]);
    odd.copy(&["--platform=linux/amd64"]).succeeded();
    assert_eq!(odd.copied(), digest(&image));
    assert_eq!(odd.locked()["linux/amd64"], digest(&image));
    odd.place.cooper(&["inspect", "oci:from:v1"]).succeeded();
    odd.place.cooper(&["validate", "oci:from:v1"]).succeeded();
    // All of it is copied, byte for byte.
    odd.copy(&[]).succeeded();
    odd.place.cooper(&["validate", "oci:to:v1"]).succeeded();
    let kinds = [
        ("an SBOM", "application/spdx+json"),
        ("a Helm chart", "application/vnd.cncf.helm.config.v1+json"),
        ("an attestation", "application/vnd.in-toto+json"),
        ("a BuildKit build cache", "application/vnd.buildkit.cacheconfig.v0"),
        ("a layer", "application/vnd.oci.image.layer.v1.tar+gzip"),
    ];
    for (entry, (kind, media_type)) in others.iter().zip(kinds) {
        let says = format!("{kind} of the type `{media_type}`");
        // By itself, in an index, and where the index calls it an image.
        odd.names(&[("v1", odd.index(std::slice::from_ref(entry)))]);
        odd.refused(&[&says]);
        odd.copy(&[]).succeeded();
        odd.names(&[("v1", odd.index(&[stated(entry.clone(), "linux/amd64"), image.clone()]))]);
        odd.copy(&["--platform=linux/amd64"]).succeeded();
        assert_eq!(odd.copied(), digest(&image));
        if entry["mediaType"] == MANIFEST {
            odd.names(&[("v1", entry.clone())]);
            odd.refused(&[&says]);
            odd.copy(&[]).succeeded();
            assert_eq!((odd.copied().as_str(), odd.copied_blobs()), (digest(entry), 3));
        }
    }
}
