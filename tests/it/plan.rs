//! The planning commands: their arguments, output and locks.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::command;
use crate::support::fixture::stdout;

/// A program with its libraries: name, size and references.
type Packages<'a> = &'a [(&'a str, u64, &'a [&'a str])];

const WEB: Packages<'_> = &[
    ("glibc-2.40", 30_000_000, &[]),
    ("openssl-3.4.1", 6_000_000, &["glibc-2.40"]),
    ("tzdata-2025b", 2_000_000, &[]),
    ("python3-3.12.9", 60_000_000, &["glibc-2.40", "openssl-3.4.1", "tzdata-2025b"]),
    ("web-1.0", 400_000, &["python3-3.12.9"]),
];

fn store_path(name: &str, build: u8) -> String {
    let digits = name.bytes().flat_map(|byte| [byte / 16, byte % 16]);
    let hash: String =
        digits.map(|digit| char::from(b"0123456789abcdfg"[usize::from(digit)])).collect();
    format!("/nix/store/{build}{hash:0>31.31}-{name}")
}

/// Returns the graph of a store: every path that depends on a changed path has another hash.
fn graph(packages: Packages<'_>, changed: &[&str]) -> Value {
    let build = |name: &str| {
        let mut todo = vec![name];
        while let Some(at) = todo.pop() {
            if changed.contains(&at) {
                return 1;
            }
            todo.extend(packages.iter().filter(|(name, ..)| *name == at).flat_map(|(.., to)| *to));
        }
        0
    };
    let path = |name: &str| store_path(name, build(name));
    packages
        .iter()
        .map(|(name, size, references)| {
            json!({
                "path": path(name),
                "narHash": format!("sha256:{name}{}", build(name)),
                "narSize": size,
                "references": references.iter().map(|to| path(to)).collect::<Vec<_>>(),
            })
        })
        .collect()
}

fn write_spec(dir: &Path, file: &str, closure: &Value, layering: &Value) -> PathBuf {
    let spec = json!({"version": 1, "name": "web", "layering": layering, "closure": closure});
    let path = dir.join(file);
    std::fs::write(&path, spec.to_string()).unwrap();
    path
}

fn cooper(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cooper")).args(args).output().unwrap()
}

fn cooper_stdout(args: &[&str]) -> String {
    let output = cooper(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn run_with_stdin(args: &[&str], input: &str) -> Output {
    command::run_with_stdin(Command::new(env!("CARGO_BIN_EXE_cooper")).args(args), input)
}

#[test]
fn plan_lists_layers_with_volatile_ones_on_top() {
    let dir = tempfile::tempdir().unwrap();
    let spec = write_spec(dir.path(), "spec.json", &graph(WEB, &[]), &json!({"maxLayers": 5}));
    insta::assert_snapshot!(cooper_stdout(&["plan", spec.to_str().unwrap()]));
}

#[test]
fn plan_of_a_set_names_images_of_shared_layers() {
    let dir = tempfile::tempdir().unwrap();
    let job: Packages<'_> =
        &[("glibc-2.40", 30_000_000, &[]), ("job-2.1", 900_000, &["glibc-2.40"])];
    let layering = json!({"mode": "set", "siblings": {"job": graph(job, &[])}});
    let spec = write_spec(dir.path(), "spec.json", &graph(WEB, &[]), &layering);
    insta::assert_snapshot!(cooper_stdout(&["plan", spec.to_str().unwrap()]));
}

#[test]
fn why_shows_layer_images_and_dependency_chain() {
    let dir = tempfile::tempdir().unwrap();
    let spec = write_spec(dir.path(), "spec.json", &graph(WEB, &[]), &json!({}));
    insta::assert_snapshot!(cooper_stdout(&["why", spec.to_str().unwrap(), "openssl"]));
    let below = format!("{}/lib/libssl.so.3", store_path("openssl-3.4.1", 0));
    let by_path = cooper_stdout(&["why", spec.to_str().unwrap(), &below]);
    assert_eq!(by_path, cooper_stdout(&["why", spec.to_str().unwrap(), "openssl"]));
    let absent = cooper(&["why", spec.to_str().unwrap(), "curl"]);
    assert_eq!(absent.status.code(), Some(1));
    let message = String::from_utf8(absent.stderr).unwrap();
    assert!(message.contains("image `web` has no store path or own file `curl`"), "{message}");
}

#[test]
fn diff_shows_bytes_to_fetch_and_causes() {
    let dir = tempfile::tempdir().unwrap();
    let old = write_spec(dir.path(), "old.json", &graph(WEB, &[]), &json!({}));
    let new = write_spec(dir.path(), "new.json", &graph(WEB, &["openssl-3.4.1"]), &json!({}));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    insta::assert_snapshot!(cooper_stdout(&["diff", old, new]));
    insta::assert_snapshot!("diff_nothing", cooper_stdout(&["diff", old, old]));
}

#[test]
fn diff_over_max_bytes_fails() {
    let dir = tempfile::tempdir().unwrap();
    let old = write_spec(dir.path(), "old.json", &graph(WEB, &[]), &json!({}));
    let new = write_spec(dir.path(), "new.json", &graph(WEB, &["web-1.0"]), &json!({}));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let report: Value =
        serde_json::from_str(&cooper_stdout(&["diff", "--json", old, new])).unwrap();
    let bytes = report["bytes"].as_u64().unwrap();
    let config = report["others"][0]["size"].as_u64().unwrap();
    assert_eq!(bytes, 400_000 + config);
    let (below, at) = ((bytes - 1).to_string(), bytes.to_string());
    let over = cooper(&["diff", old, new, "--max-bytes", &below]);
    assert_eq!(over.status.code(), Some(1));
    let message = String::from_utf8(over.stderr).unwrap();
    let expected_text = format!("{bytes} bytes to fetch are over the {below} allowed");
    assert!(message.contains(&expected_text), "{message}");
    assert!(cooper(&["diff", old, new, "--max-bytes", &at]).status.success());
}

#[test]
fn diff_counts_own_files_and_config() {
    let dir = tempfile::tempdir().unwrap();
    let image = |file: &str, changed: &[&str], motd: &str| {
        let graph = graph(WEB, changed);
        let web = graph[4]["path"].as_str().unwrap().to_owned();
        let spec = json!({
            "version": 1, "name": "web", "closure": graph,
            "symlinks": {"/bin/web": format!("{web}/bin/web")},
            "files": {"/etc/motd": {"text": motd}},
            "config": {"Entrypoint": [format!("{web}/bin/web")]},
        });
        let path = dir.path().join(file);
        std::fs::write(&path, spec.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let old = image("old.json", &[], "hello");
    let release = image("release.json", &["web-1.0"], "hello");
    let words = image("texts.json", &[], "good morning");
    insta::assert_snapshot!("diff_release", cooper_stdout(&["diff", &old, &release]));
    insta::assert_snapshot!("diff_words", cooper_stdout(&["diff", &old, &words]));
}

#[test]
fn diff_config_size_equals_the_built_config() {
    let dir = tempfile::tempdir().unwrap();
    let spec = |file: &str, line: &str| {
        let spec = json!({"version": 1, "name": "web", "files": {"/etc/motd": {"text": line}}});
        let path = dir.path().join(file);
        std::fs::write(&path, spec.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (old, new) = (spec("old.json", "a"), spec("new.json", "b"));
    let report: Value =
        serde_json::from_str(&cooper_stdout(&["diff", "--json", &old, &new])).unwrap();
    let layout = dir.path().join("layout");
    let layout = layout.to_str().unwrap();
    let built = cooper(&["build", &new, "--format", "layout", "-o", layout, "--cache", "none"]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let sizes: Vec<u64> = std::fs::read_dir(format!("{layout}/blobs/sha256"))
        .unwrap()
        .map(|blob| blob.unwrap().metadata().unwrap().len())
        .collect();
    let config = report["others"][0]["size"].as_u64().unwrap();
    assert!(sizes.contains(&config), "{config} is none of {sizes:?}");
}

#[test]
fn build_stale_lock_prints_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("nix/store");
    let mut paths: Vec<Value> = Vec::new();
    for (name, size, to) in [("base-1", 900_000, None), ("app-1", 200_000, Some(0))] {
        let path = store.join(Path::new(&store_path(name, 0)).file_name().unwrap());
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("data"), vec![7; size]).unwrap();
        let references: Vec<String> = to
            .map(|at: usize| paths[at]["path"].as_str().unwrap().to_owned())
            .into_iter()
            .collect();
        paths.push(json!({
            "path": path, "narHash": format!("sha256:{name}"), "narSize": size, "references": references,
        }));
    }
    let output = dir.path().join("image.tar");
    let build = |lock: Value| {
        let spec = write_spec(dir.path(), "spec.json", &json!(paths), &json!({"lock": lock}));
        let args = ["build", spec.to_str().unwrap(), "-o", output.to_str().unwrap()];
        let done = cooper(&[&args[..], &["--cache", "none"]].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stderr).unwrap()
    };
    let dear = build(json!([["app", "base"]]));
    let warning = dear.lines().find(|line| line.contains("more bytes than fresh ones"));
    assert!(warning.is_some_and(|line| line.contains("--repack")), "{dear}");
    let kept = build(json!([["base"], ["app"]]));
    assert!(!kept.contains("more bytes"), "{kept}");
}

#[test]
fn plan_reads_graphs_from_stdin() {
    let web = graph(WEB, &[]);
    let args = ["plan", "--closure", "-", "--max-layers", "3"];
    let output = run_with_stdin(&args, &web.to_string());
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let layers = plan["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 3);
    assert_eq!(layers.iter().flat_map(|layer| layer.as_array().unwrap()).count(), 5);
    let output = run_with_stdin(&args, &json!({"images": {"a": web, "b": web}}).to_string());
    let plans: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plans["images"]["a"], plans["images"]["b"]);
}

#[test]
fn plan_invalid_graph_error_names_the_path() {
    let with = |path: &str, references: &[&str]| json!([{"path": path, "narHash": "sha256:x", "narSize": 1, "references": references}]);
    let (a, b) = (store_path("a-1", 0), store_path("b-1", 0));
    for (graph, max_layers, expected_text) in [
        (with(&a, &[&b]), "5", format!("`{a}` refers to `{b}`, which the graph does not have")),
        (with("/nix/storefoo/a", &[]), "5", "`/nix/storefoo/a` is not a store path".to_owned()),
        (with(&a, &[]), "0", format!("no layer left for them, not even for `{a}`")),
        (with(&a, &[]), "126", "Docker mounts at most 125".to_owned()),
        (
            json!({"images": {"web": with(&a, &[&b])}}),
            "5",
            "images.\"web\" in standard input".to_owned(),
        ),
        (json!({"version": 1}), "5", "failed to read standard input".to_owned()),
        (json!({"version": 1}), "5", "the references graph has no field `info`".to_owned()),
    ] {
        let args = ["plan", "--closure", "-", "--max-layers", max_layers];
        let output = run_with_stdin(&args, &graph.to_string());
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(&expected_text), "{message}");
    }
}

#[test]
fn simulate_versions_file_is_recognised_by_content() {
    let test_dir = command::TestDir::new();
    test_dir.write("spec.json", r#"{"version":1,"name":"web","entrypont":[]}"#);
    test_dir.write("graph.json", r#"{"version":2,"storeDir":"/nix/store"}"#);
    let spec = test_dir.cooper(&["simulate", "spec.json"]);
    spec.assert_failure(1, &["failed to read `spec.json`", "unknown field `entrypont`"]);
    let graph = test_dir.cooper(&["simulate", "graph.json"]);
    graph.assert_failure(1, &["failed to read `graph.json`", "no field `info`", "nix path-info"]);
}

#[test]
fn layer_lock_is_written_kept_and_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let layering = json!({"maxLayers": 4});
    let spec = write_spec(dir.path(), "spec.json", &graph(WEB, &[]), &layering);
    let lock = dir.path().join("layers.lock.json");
    let (spec, lock_text) = (spec.to_str().unwrap(), lock.to_str().unwrap());
    let fresh = cooper_stdout(&["plan", spec, &format!("--write-lock={lock_text}")]);
    insta::assert_snapshot!("layers_lock", std::fs::read_to_string(&lock).unwrap());
    assert_eq!(cooper_stdout(&["plan", spec, "--lock", lock_text]), fresh);

    // Written by hand, so that keeping it is expensive: everything in one layer.
    let all = json!([["glibc", "openssl", "tzdata", "python3", "web"]]);
    std::fs::write(&lock, json!({"version": 1, "images": {"web": all}}).to_string()).unwrap();
    let kept = cooper(&["plan", spec, "--lock", lock_text]);
    assert!(String::from_utf8(kept.stdout).unwrap().contains("in 1 layers"));
    let warning = String::from_utf8(kept.stderr).unwrap();
    assert!(warning.contains("% more bytes than fresh ones would"), "{warning}");
    cooper_stdout(&["plan", spec, "--repack", &format!("--write-lock={lock_text}")]);
    let again = cooper(&["plan", spec, "--lock", lock_text]);
    assert_eq!(String::from_utf8(again.stdout).unwrap(), fresh);
    assert_eq!(String::from_utf8(again.stderr).unwrap(), "");
}

#[test]
fn layer_lock_invalid_error_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let spec = write_spec(dir.path(), "spec.json", &graph(WEB, &[]), &json!({}));
    let lock = dir.path().join("layers.lock.json");
    for (text, expected_text) in [
        ("", "EOF while parsing"),
        (r#"{"version":2,"images":{}}"#, "version 2 is not known"),
        (r#"{"version":1,"imgs":{}}"#, "unknown field `imgs`"),
    ] {
        std::fs::write(&lock, text).unwrap();
        let output = cooper(&["plan", spec.to_str().unwrap(), "--lock", lock.to_str().unwrap()]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(
            message.contains("layers.lock.json") && message.contains(expected_text),
            "{message}"
        );
    }
}

#[test]
fn simulate_compares_plans_over_versions() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join("web");
    std::fs::create_dir(&directory).unwrap();
    let write = |name: &str, graph: Value| std::fs::write(directory.join(name), graph.to_string());
    write("base.json", graph(WEB, &[])).unwrap();
    write("app.json", graph(WEB, &["web-1.0"])).unwrap();
    write("fix.json", graph(WEB, &["openssl-3.4.1"])).unwrap();
    let directory_text = directory.to_str().unwrap();
    let table = cooper_stdout(&["simulate", directory_text, "--max-layers", "3"]);
    insta::assert_snapshot!(table);
    let file = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (base, app, fix) = (file("base.json"), file("app.json"), file("fix.json"));
    let listed =
        cooper_stdout(&["simulate", "--from-first", &base, &app, &fix, "--max-layers", "3"]);
    assert_eq!(listed, table);
}

#[test]
fn readme_table_equals_simulate_output() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let graphs = tempfile::tempdir().unwrap();
    let mut series = Vec::new();
    for set in ["datascience", "webstack"] {
        let archive = root.join(format!("tests/layering/{set}.tar.xz"));
        let mut tar = Command::new("tar");
        tar.arg("-xf").arg(archive).arg("-C").arg(graphs.path());
        stdout(&tar.output().unwrap());
        let images = std::fs::read_dir(graphs.path().join(set)).unwrap();
        series.extend(images.map(|image| image.unwrap().path()));
    }
    series.sort();
    let mut simulate = Command::new(env!("CARGO_BIN_EXE_cooper"));
    let table = simulate.args(["simulate", "--max-layers", "40"]).args(series).output().unwrap();
    let table = stdout(&table);
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    for (plan, row) in [
        ("one layer", "one layer"),
        ("popularity", "by popularity, as nix2container does"),
        ("cooper", "cooper"),
    ] {
        let line = table.lines().find(|line| line.starts_with(plan)).unwrap();
        let times: Vec<&str> = line.split_whitespace().filter(|word| word.ends_with('x')).collect();
        let row = format!("| {row} | {} |", times.join(" | "));
        assert!(readme.lines().any(|line| line == row), "{row} is not in the README");
    }
}
