#[cfg(test)]
mod archive;
use std::collections::BTreeMap;
use std::io::Cursor;

use super::*;
use crate::image::{MEDIA_TYPE_CONFIG, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST};
use crate::progress::NullReporter;
use crate::transport::graph::Graph;

/// A source whose blobs are in memory, under the digests that a test claims for them.
#[derive(Debug, Default)]
struct Memory {
    roots: Vec<Descriptor>,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Source for Memory {
    fn name(&self) -> String {
        "memory".into()
    }

    fn roots(&self) -> Result<Vec<Descriptor>, SourceError> {
        Ok(self.roots.clone())
    }

    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError> {
        let missing = || SourceError::Missing {
            place: self.name(),
            digest: descriptor.digest,
            wanted_by: "a test wants".into(),
        };
        let bytes = self.blobs.get(&descriptor.digest).ok_or_else(missing)?;
        Ok(Box::new(Cursor::new(bytes.clone())))
    }
}

impl Memory {
    fn add(&mut self, media_type: &str, bytes: &[u8]) -> Descriptor {
        let document = Document::from_bytes(media_type, bytes.to_vec());
        self.blobs.insert(document.descriptor.digest, bytes.to_vec());
        document.descriptor
    }

    /// An image for a platform, told apart by its label.
    fn image(&mut self, architecture: &str, variant: Option<&str>, label: &str) -> Descriptor {
        let config = serde_json::json!({
            "os": "linux", "architecture": architecture, "variant": variant,
            "config": {"Labels": {"a": label}}, "rootfs": {"type": "layers", "diff_ids": []},
        });
        let config = self.add(MEDIA_TYPE_CONFIG, config.to_string().as_bytes());
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MEDIA_TYPE_MANIFEST,
            "config": config, "layers": [],
        });
        let platform = Platform {
            os: "linux".into(),
            architecture: architecture.into(),
            variant: variant.map(str::to_owned),
        };
        let manifest = self.add(MEDIA_TYPE_MANIFEST, manifest.to_string().as_bytes());
        Descriptor { platform: Some(platform), ..manifest }
    }

    fn index(&mut self, entries: &[Descriptor]) -> Descriptor {
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": MEDIA_TYPE_INDEX, "manifests": entries,
        });
        self.add(MEDIA_TYPE_INDEX, index.to_string().as_bytes())
    }
}

fn platform(text: &str) -> Platform {
    let mut parts = text.split('/').map(str::to_owned);
    Platform {
        os: parts.next().unwrap(),
        architecture: parts.next().unwrap(),
        variant: parts.next(),
    }
}

fn label(found: &[ResolvedImage]) -> &str {
    assert_eq!(found.len(), 1);
    found[0].parsed.config["Labels"]["a"].as_str().unwrap()
}

#[test]
fn a_platform_finds_its_image_and_others_are_listed() {
    // fault 61
    let mut memory = Memory::default();
    let images: Vec<Descriptor> = [
        ("amd64", None, "amd"),
        ("arm64", Some("v8"), "arm64"),
        ("arm", Some("v6"), "six"),
        ("arm", Some("v7"), "seven"),
    ]
    .map(|(architecture, variant, label)| memory.image(architecture, variant, label))
    .to_vec();
    let root = memory.index(&images);
    for (wanted, found) in [
        ("linux/amd64", Ok("amd")),
        ("linux/arm64", Ok("arm64")),
        ("linux/arm64/v8", Ok("arm64")),
        ("linux/arm/v7", Ok("seven")),
        ("linux/arm", Ok("seven")),
        ("linux/arm/v8", Ok("seven")),
        ("linux/arm/v5", Err("no image")),
        ("linux/riscv64", Err("no image")),
        ("windows/amd64", Err("no image")),
    ] {
        match (images_for(&memory, &root, wanted), found) {
            (Ok(images), Ok(expected)) => assert_eq!(label(&images), expected, "{wanted}"),
            (Err(error), Err(says)) => {
                let error = error.to_string();
                assert!(error.contains(says) && error.contains("`linux/arm/v6`"), "{error}");
            }
            (found, _) => panic!("{wanted}: {found:?}"),
        }
    }
}

fn images_for(
    memory: &Memory,
    root: &Descriptor,
    wanted: &str,
) -> Result<Vec<ResolvedImage>, SourceError> {
    images(memory, root, Some(&platform(wanted)), &NullReporter)
}

#[test]
fn attestations_are_no_images() {
    // fault 62
    let mut memory = Memory::default();
    let image = memory.image("amd64", None, "amd");
    let attestation = Descriptor {
        platform: Some(platform("unknown/unknown")),
        ..memory.add(MEDIA_TYPE_MANIFEST, b"{}")
    };
    let root = memory.index(&[attestation, image]);
    assert_eq!(label(&images(&memory, &root, None, &NullReporter).unwrap()), "amd");
}

#[test]
fn the_fifth_index_within_indexes_is_one_too_many_for_every_reader() {
    // fault 60
    for is_empty in [false, true] {
        let mut memory = Memory::default();
        let mut root = memory.image("amd64", None, "deep");
        if is_empty {
            root = memory.index(&[]);
        }
        for depth in 1 + usize::from(is_empty)..=INDEX_DEPTH + 1 {
            root = memory.index(&[root]);
            let error = |result: Result<(), SourceError>| result.err().map(|e| e.to_string());
            let selected = error(match images(&memory, &root, None, &NullReporter) {
                Err(SourceError::NoImages { .. }) if is_empty => Ok(()),
                images => images.map(drop),
            });
            let blobs = memory.blobs.clone();
            let source: std::sync::Arc<dyn Source> =
                std::sync::Arc::new(Memory { roots: Vec::new(), blobs });
            let followed = error(Graph::read(&source, &root).map(drop));
            assert_eq!(selected.is_none(), depth <= INDEX_DEPTH, "{depth}: {selected:?}");
            assert_eq!(selected, followed);
        }
    }
}

#[test]
fn names_choose_among_several_images() {
    let mut memory = Memory::default();
    let named = |descriptor: Descriptor, name: &str| Descriptor {
        annotations: BTreeMap::from([(IMAGE_NAME.into(), name.into())]),
        ..descriptor
    };
    let (a, b) = (memory.image("amd64", None, "a"), memory.image("amd64", None, "b"));
    memory.roots =
        vec![named(a.clone(), "docker.io/library/a:v1"), named(b.clone(), "r.io/x/b:v2")];
    for (wanted, expected) in
        [("a:v1", &a), ("docker.io/library/a:v1", &a), ("v1", &a), ("r.io/x/b:v2", &b), ("v2", &b)]
    {
        assert_eq!(choose(&memory, Some(wanted)).unwrap().digest, expected.digest, "{wanted}");
    }
    let digest = b.digest.to_string();
    assert_eq!(choose(&memory, Some(&digest)).unwrap().digest, b.digest);
    assert!(matches!(choose(&memory, None), Err(SourceError::Ambiguous { .. })));
    let error = choose(&memory, Some("c:v1")).unwrap_err().to_string();
    assert!(error.contains("`docker.io/library/a:v1`, `r.io/x/b:v2`"), "{error}");
    // fault 73: two equal names, two images
    memory.roots = vec![named(a, "a:v1"), named(b, "a:v1")];
    assert!(matches!(choose(&memory, Some("a:v1")), Err(SourceError::SameName { .. })));
}

#[test]
fn a_manifest_that_two_clients_could_read_differently_is_refused() {
    // faults 56 to 59, 63 and 70
    let digest = format!("sha256:{}", "a".repeat(64));
    let config =
        format!(r#""config":{{"mediaType":"{MEDIA_TYPE_CONFIG}","digest":"{digest}","size":1}}"#);
    let layer = |media_type: &str, digest: &str, size: &str| {
        format!(r#""layers":[{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}]"#)
    };
    let tar = "application/vnd.oci.image.layer.v1.tar";
    for (manifest, says) in [
        (format!(r#"{{{config},"layers":[],"manifests":[]}}"#), "an index and an image at once"),
        (format!(r#"{{"mediaType":"{MEDIA_TYPE_INDEX}",{config},"layers":[]}}"#), "was named as"),
        (format!(r#"{{"schemaVersion":1,{config},"layers":[]}}"#), "schemaVersion is 1"),
        (r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(), "schema 1"),
        (format!("{{{config}}}"), "neither `layers` nor `manifests`"),
        (r#"{"layers":[]}"#.to_owned(), "no `config`"),
        (format!("{{{config},{}}}", layer(tar, "sha256:xyz", "1")), "hexadecimal"),
        (format!("{{{config},{}}}", layer(tar, "sha256:../../x", "1")), "hexadecimal"),
        (format!("{{{config},{}}}", layer(tar, "sha512:00", "1")), "sha256:"),
        (format!("{{{config},{}}}", layer(tar, &digest, "-1")), "-1"),
        (format!(r#"{{{config},{config},"layers":[]}}"#), "duplicate field"),
        ("[]".to_owned(), "invalid"),
        ("{".to_owned(), "EOF"),
        ("[".repeat(100_000), "recursion"),
    ] {
        let document = Document::from_bytes(MEDIA_TYPE_MANIFEST, manifest.clone().into_bytes());
        let error = read_manifest(&document).unwrap_err().to_string();
        let start: String = manifest.chars().take(200).collect();
        assert!(error.contains(says) || says == "recursion", "{start}: {error}");
    }
}

#[test]
fn documents_larger_than_any_image_has_are_not_even_read() {
    // fault 63
    let mut memory = Memory::default();
    let of_size = |size: u64| usize::try_from(size).unwrap();
    let manifest = memory.add(MEDIA_TYPE_MANIFEST, &vec![b' '; of_size(MANIFEST_LIMIT) + 1]);
    let config = memory.add(MEDIA_TYPE_CONFIG, &vec![b' '; of_size(CONFIG_LIMIT) + 1]);
    let with = serde_json::json!({"schemaVersion": 2, "config": &config, "layers": []});
    let with = memory.add(MEDIA_TYPE_MANIFEST, with.to_string().as_bytes());
    memory.blobs.retain(|digest, _| *digest == with.digest);
    for (root, what) in [(manifest, "manifest"), (with, "config")] {
        let error = images(&memory, &root, None, &NullReporter).unwrap_err();
        let is_right =
            matches!(&error, SourceError::TooLarge { what: large, .. } if *large == what);
        assert!(is_right, "{what}: {error}");
    }
}

#[test]
fn what_is_no_image_is_an_artifact_and_unknown_fields_are_kept() {
    let digest = Digest::of(b"x");
    let chart = format!(
        r#"{{"config":{{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"{digest}",
            "size":1}},"layers":[],"subject":{{}},"new":1}}"#
    );
    let document = Document::from_bytes(MEDIA_TYPE_MANIFEST, chart.into_bytes());
    assert!(
        matches!(read_manifest(&document).unwrap(), Manifest::Artifact { blobs, kind } if blobs.len() == 1 && kind.starts_with("a Helm chart"))
    );
}

#[test]
fn a_config_has_a_diff_id_for_each_layer_and_a_platform() {
    // faults 56 and 71
    let id = format!("\"sha256:{}\"", "0".repeat(64));
    for (config, layers, says) in [
        (r#"{"os":"linux","architecture":"amd64"}"#.to_owned(), 0, "no `rootfs.diff_ids`"),
        (r#"{"os":"linux","architecture":"amd64","rootfs":null}"#.to_owned(), 0, "rootfs.diff_ids"),
        (
            r#"{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":null}}"#.to_owned(),
            1,
            "0 diff ids for the 1 layers",
        ),
        (
            format!(r#"{{"os":"linux","architecture":"amd64","rootfs":{{"diff_ids":[{id}]}}}}"#),
            2,
            "1 diff ids for the 2 layers",
        ),
        (r#"{"architecture":"amd64","rootfs":{"diff_ids":[]}}"#.to_owned(), 0, "no `os`"),
        (r#"{"os":"linux","rootfs":{"diff_ids":[]}}"#.to_owned(), 0, "no `architecture`"),
        ("null".to_owned(), 0, "invalid type"),
    ] {
        let document = Document::from_bytes(MEDIA_TYPE_CONFIG, config.clone().into_bytes());
        let error = Config::parse(&document, layers).unwrap_err().to_string();
        assert!(error.contains(says), "{config}: {error}");
    }
}

#[test]
fn bytes_that_are_not_those_of_their_descriptor_never_pass() {
    // fault 55
    let mut memory = Memory::default();
    let good = memory.add("x/y", b"honest bytes");
    let read = |memory: &Memory, descriptor: &Descriptor| {
        read_document(memory, descriptor, "config", 1000).map(|document| document.bytes)
    };
    assert_eq!(read(&memory, &good).unwrap(), b"honest bytes");
    for (bytes, expected) in [
        (b"honest bytez".as_slice(), "digest mismatch"),
        (b"honest byte", "expected 12 bytes, got 11"),
        (b"honest bytes!", "expected 12 bytes, got 13"),
    ] {
        memory.blobs.insert(good.digest, bytes.to_vec());
        let error = read(&memory, &good).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let huge = Descriptor { size: 5000, ..good };
    assert!(matches!(read(&memory, &huge), Err(SourceError::TooLarge { .. })));
}

#[test]
fn what_indexes_name_many_times_is_read_once() {
    let mut memory = Memory::default();
    let mut root = memory.image("amd64", None, "a");
    for _ in 0..4 {
        let index = serde_json::json!({"schemaVersion": 2, "manifests": vec![&root; 2000]});
        root = memory.add(MEDIA_TYPE_INDEX, index.to_string().as_bytes());
    }
    assert_eq!(images(&memory, &root, None, &NullReporter).unwrap().len(), 1);
    let source: std::sync::Arc<dyn Source> = std::sync::Arc::new(memory);
    assert_eq!(Graph::read(&source, &root).unwrap().documents().len(), 5);
}

#[test]
fn an_archive_that_inflates_to_more_than_it_may_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.tar.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    std::io::Write::write_all(&mut encoder, &[0; 5000]).unwrap();
    crate::fs::write_atomically(&path, &encoder.finish().unwrap()).unwrap();
    let within = |most| {
        let mut file = std::fs::File::open(&path).unwrap();
        let mut plain = tempfile::tempfile().unwrap();
        super::archive::inflate(&mut file, Magic::Layer(Encoding::Gzip), most, &mut plain)
            .map(|()| plain.metadata().unwrap().len())
    };
    assert_eq!(within(5000).unwrap(), 5000);
    let error = within(4999).unwrap_err().to_string();
    assert_eq!(error, "it decompresses to more than 64 GiB, and to more than 300 times its size");
}
