//! A builder of unusual OCI layouts.

use std::collections::BTreeMap;

use cooper::base::Lock;
use cooper::digest::Digest;
use cooper::progress::NullReporter;
use cooper::spec::Platform;
use cooper::transport::source::{Layout, Source};
use serde_json::{Value, json};

use crate::support::command::{CommandOutput, TestDir};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";

/// The layout `from` in a temporary directory.
pub(crate) struct LayoutBuilder {
    pub(crate) test_dir: TestDir,
}

impl LayoutBuilder {
    pub(crate) fn new() -> Self {
        let test_dir = TestDir::new();
        test_dir.write("from/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
        Self { test_dir }
    }

    pub(crate) fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        self.test_dir.write(&format!("from/blobs/sha256/{}", digest.hex()), bytes);
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()})
    }

    pub(crate) fn document(&self, media_type: &str, value: &Value) -> Value {
        self.blob(media_type, value.to_string().as_bytes())
    }

    /// Writes an image with one empty layer and the given ones.
    pub(crate) fn image(&self, platform: &str, label: &str, layers: &[Value]) -> Value {
        let tar = self.blob(TAR, &[0; 1024]);
        let own = parse_platform(platform);
        let mut diff_ids = vec![tar["digest"].clone()];
        diff_ids.extend(layers.iter().map(|layer| layer["digest"].clone()));
        let config = json!({
            "os": own.os, "architecture": own.architecture, "variant": own.variant,
            "config": {"Labels": {"a": label}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": null,
        });
        let config = self.document(CONFIG, &config);
        let layers = [&[tar], layers].concat();
        self.manifest(&json!({"config": config, "layers": layers}))
    }

    pub(crate) fn manifest(&self, fields: &Value) -> Value {
        let mut manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST});
        manifest.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.document(MANIFEST, &manifest)
    }

    /// Writes an artifact that is not an image.
    pub(crate) fn artifact(&self, config: &str, layer: &str) -> Value {
        let layer = self.blob(layer, b"anything");
        self.manifest(&json!({"config": self.blob(config, b"{}"), "layers": [layer]}))
    }

    pub(crate) fn index(&self, entries: &[Value]) -> Value {
        self.document(INDEX, &json!({"schemaVersion": 2, "manifests": entries}))
    }

    /// Writes `index.json` with these names and entries.
    pub(crate) fn write_index(&self, entries: &[(&str, Value)]) {
        let named = entries.iter().map(|(name, entry)| {
            let mut entry = entry.clone();
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
            entry
        });
        let index = json!({"schemaVersion": 2, "manifests": named.collect::<Vec<_>>()});
        self.test_dir.write("from/index.json", index.to_string());
    }

    pub(crate) fn copy(&self, arguments: &[&str]) -> CommandOutput {
        let _ = std::fs::remove_dir_all(self.test_dir.path("to"));
        self.test_dir.cooper(&[&["copy", "oci:from:v1", "oci:to:v1"], arguments].concat())
    }

    /// Returns the digest of the copied image.
    pub(crate) fn copied_digest(&self) -> String {
        let index = std::fs::read(self.test_dir.path("to/index.json")).unwrap();
        let index: Value = serde_json::from_slice(&index).unwrap();
        index["manifests"][0]["digest"].as_str().unwrap().to_owned()
    }

    pub(crate) fn copied_blobs(&self) -> usize {
        std::fs::read_dir(self.test_dir.path("to/blobs/sha256")).unwrap().count()
    }

    /// Returns the lock that `cooper lock` would write.
    pub(crate) fn lock(&self) -> Result<Lock, String> {
        let layout = Layout::open(&self.test_dir.path("from")).unwrap();
        let root = &layout.roots().unwrap()[0];
        Lock::of(&layout, "a:v1", root, &NullReporter).map_err(|error| error.to_string())
    }

    pub(crate) fn locked_digests(&self) -> BTreeMap<String, String> {
        let platforms = self.lock().unwrap().platforms.into_iter();
        platforms.map(|(key, image)| (key, image.manifest.digest.to_string())).collect()
    }

    /// Checks that every command that selects an image fails with these texts.
    pub(crate) fn assert_refused(&self, expected_text: &[&str]) {
        self.copy(&["--platform=linux/amd64"]).assert_failure(1, expected_text);
        self.test_dir.cooper(&["inspect", "oci:from:v1"]).assert_failure(1, expected_text);
        let error = self.lock().unwrap_err();
        let validated = self.test_dir.cooper(&["validate", "oci:from:v1"]);
        assert_eq!(validated.code, Some(1), "{}", validated.stdout);
        for words in expected_text {
            assert!(error.contains(words), "wanted `{words}`, got: {error}");
            assert!(validated.stdout.contains(words), "wanted `{words}`: {}", validated.stdout);
        }
    }
}

pub(crate) fn parse_platform(platform: &str) -> Platform {
    platform.parse().unwrap()
}

/// Adds a platform to an entry of an index.
pub(crate) fn with_platform(mut entry: Value, platform: &str) -> Value {
    entry["platform"] = serde_json::to_value(parse_platform(platform)).unwrap();
    entry
}

pub(crate) fn digest(entry: &Value) -> &str {
    entry["digest"].as_str().unwrap()
}
