//! Layers that are written into a layout while other layers are built.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use cooper::digest::Digest;
use cooper::layer::{Content, EphemeralCache, Layer, Request, build};
use cooper::progress::NullReporter;
use cooper::spec::Compression;
use cooper::store_path::PathInfo;
use cooper::transport::layout;
use serde_json::Value;

use crate::support::sandbox::{GZIP, Sandbox, assert_success, stderr_text};

fn build_layer(sandbox: &Sandbox) -> Layer {
    let path = sandbox.store_path(0).to_str().unwrap().parse().unwrap();
    let infos =
        [PathInfo { path, nar_hash: "sha256:test".into(), nar_size: 1, references: Vec::new() }];
    let request = Request {
        name: "test".into(),
        content: Content::StorePaths(&infos),
        compression: Compression::default(),
        mtime: 1,
    };
    build(&[request], &EphemeralCache::new().unwrap(), 1, &NullReporter).unwrap().remove(0)
}

#[test]
fn layer_reaches_layout_before_next_layer_is_built() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(1, 1000);
    let layer = build_layer(&sandbox);
    let there = sandbox.path("layout/blobs/sha256").join(layer.digest.hex());
    let mut first = Some(layer);
    let layers = std::iter::from_fn(|| {
        let next = first.take();
        let is_there = || {
            (0..6000).any(|_| {
                std::thread::sleep(Duration::from_millis(10));
                there.exists()
            })
        };
        assert!(next.is_some() || is_there());
        next
    });
    let dir = sandbox.path("layout");
    layout::LayerWriter::new(&dir).write(layers, &NullReporter).unwrap();
}

#[test]
fn layout_failure_stops_taking_layers() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(1, 1000);
    let layer = build_layer(&sandbox);
    fs::write(layer.blob.path().unwrap(), "something else").unwrap();
    let endless = std::iter::repeat_with(|| layer.clone());
    let dir = sandbox.path("layout");
    let error = layout::LayerWriter::new(&dir).write(endless, &NullReporter).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
}

#[test]
fn layout_complete_builds_no_layers() {
    let sandbox = Sandbox::new();
    layout::LayerWriter::new(&sandbox.path("layout"))
        .write(std::iter::empty(), &NullReporter)
        .unwrap();
    assert_eq!(sandbox.leftovers(), [""; 0]);
}

#[test]
fn layout_unreferenced_new_layers_are_removed() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(2, 1000);
    sandbox.write_spec(GZIP);
    // The store path of the second layer is missing; the first layer may be written by then.
    fs::remove_dir_all(sandbox.store_path(1)).unwrap();
    for _ in 0..5 {
        let output = sandbox.build(&[], "layout", &["--format", "layout"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr_text(&output));
        assert!(!sandbox.path("layout").exists());
    }
    let layer = build_layer(&sandbox);
    let dir = sandbox.path("layout");
    let layers = layout::LayerWriter::new(&dir);
    layers.write(std::iter::once(layer.clone()), &NullReporter).unwrap();
    assert!(dir.join("blobs/sha256").join(layer.digest.hex()).exists());
    drop(layers);
    assert!(!dir.exists());
}

#[test]
fn layout_layers_of_other_processes_stay() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(1, 1000);
    let (layer, dir) = (build_layer(&sandbox), sandbox.path("layout"));
    let blob = dir.join("blobs/sha256").join(layer.digest.hex());
    let layers = layout::LayerWriter::new(&dir);
    layers.write(std::iter::once(layer.clone()), &NullReporter).unwrap();
    fs::write(dir.join("blobs/sha256/other"), "").unwrap();
    drop(layers);
    assert!(!blob.exists() && dir.join("oci-layout").exists());
    // A layer that another index names, and a layer of an unreadable index.
    for index in [format!(r#"{{"manifests": [{{"digest": "{}"}}]}}"#, layer.digest), "{".into()] {
        let layers = layout::LayerWriter::new(&dir);
        layers.write(std::iter::once(layer.clone()), &NullReporter).unwrap();
        fs::write(dir.join("index.json"), index).unwrap();
        drop(layers);
        assert!(blob.exists());
        fs::remove_file(&blob).unwrap();
    }
}

#[test]
fn layout_without_cache_owns_its_blobs() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(1, 1000);
    let layer = build_layer(&sandbox);
    let dir = sandbox.path("layout");
    let layers = layout::LayerWriter::new(&dir);
    layers.write(std::iter::once(layer.clone()), &NullReporter).unwrap();
    let (kept, digest) = (layer.blob.path().unwrap().to_path_buf(), layer.digest);
    assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o7777, 0o644);
    layers.keep();
    drop(layer);
    let blob = dir.join("blobs/sha256").join(digest.hex());
    assert!(!kept.exists());
    assert_eq!(fs::metadata(&blob).unwrap().nlink(), 1);
    assert_eq!(Digest::of(&fs::read(&blob).unwrap()), digest);
}

#[test]
fn layout_without_links_uses_copy_file_range() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(2, 100_000);
    sandbox.write_spec(GZIP);
    let trace = sandbox.path("trace");
    let strace = [
        "strace",
        "-f",
        "-y",
        "-qq",
        "-e",
        "inject=ioctl,link,linkat:error=EOPNOTSUPP",
        "-e",
        "trace=ioctl,link,linkat,copy_file_range",
        "-o",
        trace.to_str().unwrap(),
    ];
    assert_success(&sandbox.build(&strace, "layout", &["--format", "layout"]).output().unwrap());
    let trace = fs::read_to_string(trace).unwrap();
    let blobs = fs::read_dir(sandbox.cache_path("blobs")).unwrap().map(|blob| blob.unwrap().path());
    for blob in blobs {
        assert!(trace.contains(blob.to_str().unwrap()), "{trace}");
    }
}

#[test]
fn layout_disk_error_is_reported_and_recovers() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(3, 100_000);
    sandbox.write_spec(GZIP);
    let args = ["--format", "layout"];
    let inject = "inject=fsync:error=EIO:when=1";
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", inject];
    let output = sandbox.build(&strace, "layout", &args).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr_text(&output));
    assert!(stderr_text(&output).contains("failed to sync"), "{}", stderr_text(&output));
    assert!(!sandbox.path("layout/index.json").exists());
    assert_success(&sandbox.build(&[], "layout", &args).output().unwrap());
    let mut cooper = std::process::Command::new(env!("CARGO_BIN_EXE_cooper"));
    assert_success(&cooper.arg("validate").arg(sandbox.path("layout")).output().unwrap());
}

fn index(layout: &Path) -> Value {
    serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap()
}

#[test]
fn layout_index_and_image_take_over_each_others_name() {
    let sandbox = Sandbox::with_store_paths(1, 1000, GZIP);
    let dir = sandbox.path("layout");
    let build = || sandbox.build(&[], "layout", &["--format", "layout"]);
    let mut index_of = std::process::Command::new(env!("CARGO_BIN_EXE_cooper"));
    index_of.arg("index").arg(sandbox.path("spec.json")).arg("-o").arg(&dir);
    index_of.args(["--format", "layout"]).arg("--cache").arg(sandbox.path("cache"));
    for (mut command, kind) in [(build(), "manifest"), (index_of, "index"), (build(), "manifest")] {
        assert_success(&command.output().unwrap());
        let index = index(&dir);
        let entries = index["manifests"].as_array().unwrap();
        assert_eq!(entries.len(), 1, "{index}");
        assert!(entries[0]["mediaType"].as_str().unwrap().contains(kind), "{index}");
    }
}
