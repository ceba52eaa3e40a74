//! Archives that list their content twice, as an OCI layout and as a Docker archive.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::support::command::{CommandOutput, TestDir};

/// The files of a built archive and its `manifest.json`, which a test changes.
struct Archive {
    test_dir: TestDir,
    files: BTreeMap<String, Vec<u8>>,
    list: Value,
}

impl Archive {
    fn new() -> Self {
        let test_dir = TestDir::new();
        test_dir.store_file("a", "data", "one");
        test_dir.store_file("b", "data", "two");
        let gzip = json!({"algorithm": "gzip"});
        test_dir.write_spec(&["a", "b"], json!({"tags": ["v1", "v2"], "compression": gzip}));
        let mut files = BTreeMap::new();
        let mut tar = tar::Archive::new(std::fs::File::open(test_dir.build_archive()).unwrap());
        for entry in tar.entries().unwrap() {
            let mut entry = entry.unwrap();
            if entry.header().entry_type().is_dir() {
                continue;
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(entry.path().unwrap().to_str().unwrap().to_owned(), bytes);
        }
        let list: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        assert_eq!(list[0]["Layers"].as_array().unwrap().len(), 2);
        Self { test_dir, files, list }
    }

    /// Returns the bytes of a layer by its index.
    fn layer(&self, at: usize) -> &[u8] {
        &self.files[self.list[0]["Layers"][at].as_str().unwrap()]
    }

    /// Replaces the file that a field of the first image names.
    fn put(&mut self, field: &str, bytes: &[u8]) {
        self.files.insert("new".into(), bytes.to_vec());
        *self.list[0].pointer_mut(field).unwrap() = "new".into();
    }

    /// Validates the changed archive; `name` selects one of its images.
    fn validate(mut self, name: &str) -> CommandOutput {
        if !self.list.is_null() {
            self.files.insert("manifest.json".into(), self.list.to_string().into_bytes());
        }
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in &self.files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, name, &bytes[..]).unwrap();
        }
        self.test_dir.write("changed.tar", builder.into_inner().unwrap());
        self.test_dir.cooper(&["validate", &format!("archive:changed.tar{name}")])
    }
}

/// Returns the output of `validate` for a changed archive.
fn validate_after(change: impl FnOnce(&mut Archive)) -> CommandOutput {
    let mut archive = Archive::new();
    change(&mut archive);
    archive.validate("")
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn validate_docker_manifest_mismatch_names_file_and_field() {
    type Change = fn(&mut Archive);
    let cases: [(&str, Change); 9] = [
        ("its manifest.json is unusable: ", |archive| {
            archive.files.insert("manifest.json".into(), b"{".to_vec());
            archive.list = Value::Null;
        }),
        ("no `gone`, which manifest.json in [0].Config names", |archive| {
            archive.list[0]["Config"] = "gone".into();
        }),
        ("manifest.json's [0].Layers[1]: the layer `gone` is not in it", |archive| {
            archive.list[0]["Layers"][1] = "gone".into();
        }),
        ("manifest.json, app:v1, Layers[0]: its diff id is", |archive| {
            archive.list[0]["Layers"].as_array_mut().unwrap().reverse();
        }),
        ("manifest.json, app:v1, Layers: it has 1 layers, and the image", |archive| {
            archive.list[0]["Layers"].as_array_mut().unwrap().pop();
        }),
        ("manifest.json, app:v1, Layers[1]: its diff id is", |archive| {
            archive.put("/Layers/1", &[0; 1024]);
        }),
        ("manifest.json, app:v1, Config: it is sha256:", |archive| {
            archive.put("/Config", b"{}");
        }),
        ("RepoTags: it has `app:v3`, which index.json does not call", |archive| {
            archive.list[0]["RepoTags"].as_array_mut().unwrap().push("app:v3".into());
        }),
        ("RepoTags: it lacks `app:v2`, which index.json calls", |archive| {
            archive.list[0]["RepoTags"].as_array_mut().unwrap().pop();
        }),
    ];
    for (expected_text, change) in cases {
        let result = validate_after(change);
        assert_eq!(result.code, Some(1), "{expected_text}: {}{}", result.stdout, result.stderr);
        assert!(result.stdout.contains(expected_text), "{expected_text}: {}", result.stdout);
        assert!(!result.stdout.contains("is whole"), "{}", result.stdout);
    }
}

#[test]
fn validate_equivalent_docker_manifest_passes() {
    for change in [
        |_: &mut Archive| (),
        // Older versions of Docker write plain tars next to compressed ones.
        |archive: &mut Archive| {
            let plain = gunzip(archive.layer(1));
            archive.put("/Layers/1", &plain);
        },
        |archive: &mut Archive| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&gunzip(archive.layer(0))).unwrap();
            archive.put("/Layers/0", &encoder.finish().unwrap());
        },
        |archive: &mut Archive| {
            archive.list[0]["RepoTags"][0] = "docker.io/library/app:v1".into();
        },
    ] {
        let result = validate_after(change);
        result.assert_success();
        assert!(result.stdout.lines().all(|line| line.contains("is whole")), "{}", result.stdout);
    }
}

#[test]
fn validate_image_missing_in_docker_manifest_warns() {
    let result = validate_after(|archive| archive.list = json!([]));
    result.assert_success();
    assert!(
        result.stdout.contains("warning: manifest.json: it does not have"),
        "{}",
        result.stdout
    );
}

#[test]
fn validate_one_of_several_ignores_the_others() {
    let with_another = |name| {
        let mut archive = Archive::new();
        let mut other = archive.list[0].clone();
        other["RepoTags"] = json!([]);
        other["Config"] = "c".into();
        archive.files.insert("c".into(), b"{}".to_vec());
        archive.list.as_array_mut().unwrap().push(other);
        archive.validate(name)
    };
    with_another(":app:v1").assert_success();
    let all = with_another("");
    assert!(all.stdout.contains("which no image in index.json has"), "{}", all.stdout);
}

/// Returns the names of an archive's entries, and whether they are directories.
fn entries(bytes: &[u8]) -> Vec<(String, bool)> {
    let mut tar = tar::Archive::new(bytes);
    let name = |entry: tar::Entry<'_, &[u8]>| {
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        (name, entry.header().entry_type().is_dir())
    };
    tar.entries().unwrap().map(|entry| name(entry.unwrap())).collect()
}

#[test]
fn archive_directories_precede_their_entries() {
    let test_dir = TestDir::new();
    test_dir.store_file("a", "data", "one");
    test_dir.write_spec(&["a"], json!({}));
    let read = |name: &str| std::fs::read(test_dir.path(name)).unwrap();
    test_dir.build_archive();
    test_dir.cooper(&["copy", "oci-archive:image.tar", "oci:layout"]).assert_success();
    test_dir.cooper(&["copy", "oci:layout", "oci-archive:copied.tar"]).assert_success();
    let load = ["load", "spec.json", "--or-save", "saved"];
    let mut command = test_dir.command(&load);
    CommandOutput::new(command.env("DOCKER_HOST", "unix:///none").output().unwrap())
        .assert_success();
    let streamed = test_dir.command(&["build", "spec.json", "-o", "-"]).output().unwrap().stdout;
    for bytes in [read("image.tar"), read("copied.tar"), read("saved/app.tar"), streamed] {
        let entries = entries(&bytes);
        let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..3], ["oci-layout", "blobs/", "blobs/sha256/"]);
        let directories = entries.iter().filter(|(_, is_dir)| *is_dir).count();
        assert_eq!((directories, names.last()), (2, Some(&"index.json")));
    }
}
