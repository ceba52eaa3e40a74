//! Images on base images.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::fixture::{Fixture, stderr, stdout};

/// Builds a base image similar to that of a distribution: merged `/usr`, a sticky `/tmp`, accounts,
/// a config.
fn base(fixture: &Fixture) -> String {
    let root = fixture.dir().join("base");
    for dir in ["usr/bin", "etc", "tmp", "srv"] {
        std::fs::create_dir_all(root.join(dir)).unwrap();
    }
    std::os::unix::fs::symlink("usr/bin", root.join("bin")).unwrap();
    std::fs::write(root.join("usr/bin/theirs"), "theirs").unwrap();
    std::fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    let chmod = |mode: &str, path: &str| {
        run(Command::new("chmod").arg(mode).arg(root.join(path)));
    };
    chmod("1777", "tmp");
    chmod("0750", "srv");
    let tool = |arguments: &[&str]| {
        run(Command::new("umoci").args(arguments).current_dir(fixture.dir()));
    };
    tool(&["init", "--layout", "lower"]);
    tool(&["new", "--image", "lower:v1"]);
    tool(&["insert", "--image", "lower:v1", "base", "/"]);
    tool(&[
        "config",
        "--image",
        "lower:v1",
        "--config.env",
        "A=1",
        "--config.env",
        "B=2",
        "--config.label",
        "a=1",
        "--config.label",
        "b=2",
        "--config.exposedports",
        "1/tcp",
        "--config.volume",
        "/srv",
        "--config.user",
        "7:8",
        "--config.workingdir",
        "/srv",
        "--config.entrypoint",
        "/bin/theirs",
        "--config.cmd",
        "serve",
        "--architecture",
        "amd64",
    ]);
    fixture.dir().join("lower").display().to_string()
}

fn run(command: &mut Command) -> String {
    stdout(&command.output().unwrap())
}

fn build(fixture: &Fixture, base: &Value, rest: Value, to: &str) {
    let item = fixture.item("data", 1, 1000);
    let mut fields = json!({"base": base});
    for (key, value) in rest.as_object().unwrap() {
        fields[key] = value.clone();
    }
    let spec = fixture.write_spec("app", "v1", &[item], &fields);
    let mut command = fixture.cooper();
    command.arg("build").arg(spec).args(["--format", "layout", "-o", to]);
    run(&mut command);
    run(fixture.cooper().args(["validate", to]));
}

/// Returns a document of a layout by its digest.
fn blob(layout: &Path, digest: &Value) -> Value {
    let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    serde_json::from_slice(&std::fs::read(layout.join("blobs/sha256").join(hex)).unwrap()).unwrap()
}

/// Returns the manifest and the config of the only image in a layout.
fn documents(layout: &Path) -> (Value, Value) {
    let index: Value =
        serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    let manifest = blob(layout, &index["manifests"][0]["digest"]);
    let config = blob(layout, &manifest["config"]["digest"]);
    (manifest, config)
}

#[test]
fn base_config_is_inherited_and_layers_are_kept() {
    let fixture = Fixture::new();
    let lower = base(&fixture);
    let config = json!({"config": {"Env": ["B=3", "C=4"], "Labels": {"b": "3"}, "Cmd": ["mine"]}});
    build(&fixture, &json!({"path": lower, "reference": "v1"}), config, "upper");
    let (below, _) = documents(Path::new(&lower));
    let (manifest, config) = documents(&fixture.dir().join("upper"));
    assert_eq!(manifest["layers"][0]["digest"], below["layers"][0]["digest"], "bytes as they were");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 3);
    let inherited = &config["config"];
    assert_eq!(inherited["Env"], json!(["A=1", "B=3", "C=4"]));
    assert_eq!(inherited["Labels"], json!({"a": "1", "b": "3"}));
    assert_eq!(inherited["ExposedPorts"], json!({"1/tcp": {}}));
    assert_eq!(inherited["Volumes"], json!({"/srv": {}}));
    assert_eq!((&inherited["User"], &inherited["WorkingDir"]), (&json!("7:8"), &json!("/srv")));
    assert_eq!(inherited["Entrypoint"], json!(["/bin/theirs"]));
    assert_eq!(inherited["Cmd"], json!(["mine"]));
    let layers = config["history"].as_array().unwrap().iter();
    assert_eq!(layers.filter(|entry| entry["empty_layer"] != json!(true)).count(), 3);
    assert!(manifest["annotations"]["org.opencontainers.image.base.digest"].is_string());
}

#[test]
fn plan_with_base_shows_base_layers_and_config() {
    let fixture = Fixture::new();
    let fields = json!({
        "base": {"path": base(&fixture), "reference": "v1"},
        "config": {"Env": ["B=3", "C=4"], "Labels": {"b": "3"}, "Cmd": ["mine"]},
    });
    let spec = fixture.write_spec("app", "v1", &[fixture.item("data", 1, 1000)], &fields);
    let text = run(fixture.cooper().arg("plan").arg(&spec));
    let (_, below) = text.split_once("on a base of ").unwrap();
    insta::assert_snapshot!(below, @r#"
    1 layer, which gives
      Entrypoint   ["/bin/theirs"]
      Env          A=1
      ExposedPorts 1/tcp
      Labels       a=1
      User         7:8
      Volumes      /srv
      WorkingDir   /srv
    "#);
    let plan: Value =
        serde_json::from_str(&run(fixture.cooper().args(["plan", "--json"]).arg(&spec))).unwrap();
    assert_eq!(plan[0]["base"]["inherited"]["Env"], json!(["A=1"]));
}

#[test]
fn own_files_follow_links_and_accounts_of_the_base() {
    let fixture = Fixture::new();
    let lower = base(&fixture);
    let own = json!({
        "files": {"/bin/mine": {"text": "mine"}, "/tmp/x": {"text": ""}, "/srv/y": {"text": ""}},
        "users": {"app": {"uid": 9, "gid": 9}},
    });
    build(&fixture, &json!({"path": lower, "reference": "v1"}), own, "upper");
    let mut umoci = Command::new("umoci");
    umoci.args(["unpack", "--image", "upper:v1", "bundle"]).current_dir(fixture.dir());
    run(&mut umoci);
    let root = fixture.dir().join("bundle/rootfs");
    assert!(root.join("bin").is_symlink(), "the base's link is still one");
    for file in ["usr/bin/theirs", "usr/bin/mine"] {
        assert!(root.join(file).is_file(), "{file}");
    }
    let mode = |path: &str| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!((mode("tmp"), mode("srv")), (0o1777, 0o750));
    let passwd = std::fs::read_to_string(root.join("etc/passwd")).unwrap();
    assert_eq!(passwd, "root:x:0:0::/root:/bin/sh\napp:x:9:9::/:/sbin/nologin\n");
}

#[test]
fn base_from_layout_archive_and_docker_save_agree() {
    let fixture = Fixture::new();
    let lower = base(&fixture);
    let skopeo = |to: &str| {
        let mut command = Command::new("skopeo");
        command.args(["copy", "-q", "oci:lower:v1", to]).current_dir(fixture.dir());
        run(&mut command);
    };
    skopeo("oci-archive:lower.tar:v1");
    skopeo("docker-archive:docker.tar:lower:v1");
    let at = |name: &str| fixture.dir().join(name).display().to_string();
    let mut ids = Vec::new();
    for (path, reference) in
        [(lower, "v1"), (at("lower.tar"), "v1"), (at("docker.tar"), "lower:v1")]
    {
        let to = format!("out-{}", ids.len());
        build(&fixture, &json!({"path": path, "reference": reference}), json!({}), &to);
        let (manifest, config) = documents(&fixture.dir().join(&to));
        ids.push((manifest["config"]["digest"].clone(), config["rootfs"]["diff_ids"].clone()));
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0].1, ids[2].1, "docker save has plain tars of the same content");
}

/// A change to a manifest and a config.
type Change<'a> = &'a dyn Fn(&mut Value, &mut Value);

#[test]
fn hostile_bases_are_refused_before_writing() {
    let fixture = Fixture::new();
    let lower = base(&fixture);
    let (manifest, config) = documents(Path::new(&lower));
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let spoilt = |change: Change<'_>| copy_with_change(&fixture, &lower, change);
    let zeros = format!("sha256:{}", "0".repeat(64));
    let many: Vec<Value> = vec![manifest["layers"][0].clone(); 125];
    let ids: Vec<Value> = vec![config["rootfs"]["diff_ids"][0].clone(); 125];
    let cases: [(&str, Change<'_>); 9] = [
        ("its diff id is", &|_, c| c["rootfs"]["diff_ids"][0] = json!(zeros)),
        ("2 diff ids for the 1 layers", &|_, c| c["rootfs"]["diff_ids"] = json!([zeros, zeros])),
        ("0 diff ids for the 1 layers", &|_, c| c["rootfs"]["diff_ids"] = Value::Null),
        ("size mismatch for blob", &|m, _| m["layers"][0]["size"] = json!(12)),
        ("to be fetched from `http://169.254.169.254/`", &|m, _| {
            m["layers"][0]["urls"] = json!(["http://169.254.169.254/"]);
        }),
        ("runs on linux/arm64", &|_, c| c["architecture"] = json!("arm64")),
        ("hexadecimal", &|m, _| m["layers"][0]["digest"] = json!("sha256:../../../etc/passwd")),
        ("is unusable: `config.Env` is the string \"A=1\"", &|_, c| {
            c["config"]["Env"] = json!("A=1");
        }),
        ("Docker mounts at most 125", &|m, c| {
            m["layers"] = json!(many);
            c["rootfs"]["diff_ids"] = json!(ids);
            c["history"] = Value::Null;
        }),
    ];
    for (expected_text, change) in cases {
        assert_refused(&fixture, &spoilt(change), expected_text);
    }
    let flipped = spoilt(&|_, _| {});
    let blob = flipped.join("blobs/sha256").join(layer.strip_prefix("sha256:").unwrap());
    let mut bytes = std::fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    assert_refused(&fixture, &flipped, "digest mismatch");
    std::fs::remove_file(&blob).unwrap();
    assert_refused(&fixture, &flipped, "has no blob");
}

/// Copies a layout and replaces the manifest and the config of its only image.
fn copy_with_change(fixture: &Fixture, layout: &str, change: Change<'_>) -> PathBuf {
    let (mut manifest, mut config) = documents(Path::new(layout));
    change(&mut manifest, &mut config);
    let dir = tempfile::tempdir_in(fixture.dir()).unwrap().keep();
    run(Command::new("cp").arg("-r").arg(format!("{layout}/.")).arg(&dir));
    let put = |descriptor: &mut Value, bytes: String| {
        let digest = cooper::digest::Digest::of(bytes.as_bytes());
        std::fs::write(dir.join("blobs/sha256").join(digest.hex()), &bytes).unwrap();
        descriptor["digest"] = json!(digest.to_string());
        descriptor["size"] = json!(bytes.len());
    };
    put(&mut manifest["config"], config.to_string());
    let mut index: Value =
        serde_json::from_slice(&std::fs::read(dir.join("index.json")).unwrap()).unwrap();
    put(&mut index["manifests"][0], manifest.to_string());
    std::fs::write(dir.join("index.json"), index.to_string()).unwrap();
    dir
}

#[test]
fn equal_layers_are_listed_twice_and_written_once() {
    let fixture = Fixture::new();
    let lower = base(&fixture);
    let twice = copy_with_change(&fixture, &lower, &|manifest, config| {
        for list in [&mut manifest["layers"], &mut config["rootfs"]["diff_ids"]] {
            let list = list.as_array_mut().unwrap();
            list.push(list[0].clone());
        }
        config["history"] = Value::Null;
    });
    build(&fixture, &json!({"path": twice}), json!({}), "upper");
    let (manifest, config) = documents(&fixture.dir().join("upper"));
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!((layers.len(), &layers[0]), (4, &layers[1]));
    assert_eq!(config["rootfs"]["diff_ids"][0], config["rootfs"]["diff_ids"][1]);
    run(fixture.cooper().args(["copy", "oci:upper:v1", "upper.tar"]));
    run(fixture.cooper().args(["validate", "upper.tar"]));
    let listed = run(Command::new("tar").arg("-tf").arg(fixture.dir().join("upper.tar")));
    let blobs: Vec<&str> = listed.lines().filter(|name| name.contains("blobs/sha256/")).collect();
    // Four layers share a blob: three blobs with the config and the manifest.
    assert_eq!(blobs.iter().filter(|name| !name.ends_with('/')).count(), 5, "{listed}");
    let read = Command::new("skopeo")
        .arg("inspect")
        .arg("oci-archive:upper.tar")
        .current_dir(fixture.dir())
        .output();
    assert_eq!(
        serde_json::from_str::<Value>(&stdout(&read.unwrap())).unwrap()["Layers"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

fn assert_refused(fixture: &Fixture, base: &Path, expected_text: &str) {
    let fields = json!({"base": {"path": base.display().to_string()}});
    let spec = fixture.write_spec("app", "v1", &[fixture.item("data", 1, 1000)], &fields);
    let mut command = fixture.cooper();
    command.arg("build").arg(spec).args(["-o", "out.tar"]);
    let error = stderr(&command.output().unwrap(), 1);
    assert!(error.contains(expected_text), "{expected_text}: {error}");
    assert!(!fixture.dir().join("out.tar").exists());
}

#[test]
fn locked_base_from_blobs_and_registry_agree() {
    use crate::registry::server::Registry;
    let (fixture, registry) = (Fixture::new(), Registry::start());
    base(&fixture);
    let reference = format!("{}/lower:v1", registry.name());
    let cooper = |arguments: &[&str]| run(fixture.cooper().args(arguments));
    cooper(&["copy", "oci:lower:v1", &reference]);
    cooper(&["lock", &reference, "-o", "base.lock.json"]);
    let text = std::fs::read_to_string(fixture.dir().join("base.lock.json")).unwrap();
    for printed in [&["lock", &reference][..], &["lock", &reference, "-o", "-"]] {
        assert_eq!(stdout(&fixture.cooper().args(printed).output().unwrap()), text);
    }
    let lock: Value = serde_json::from_str(&text).unwrap();
    let image = &lock["platforms"]["linux/amd64"];
    let mut blobs = serde_json::Map::new();
    let all = [&image["manifest"], &image["config"]]
        .into_iter()
        .chain(image["layers"].as_array().unwrap());
    for blob in all {
        let digest = blob["digest"].as_str().unwrap();
        let file = digest.replace(':', "-");
        cooper(&["fetch", "--lock", "base.lock.json", digest, "-o", &file]);
        let mut printed = fixture.cooper();
        printed.args(["fetch", "--lock", "base.lock.json", digest, "-o", "-"]);
        let bytes = std::fs::read(fixture.dir().join(&file)).unwrap();
        assert_eq!(printed.output().unwrap().stdout, bytes);
        blobs.insert(digest.into(), json!(fixture.dir().join(file).display().to_string()));
    }
    let lock = fixture.dir().join("base.lock.json").display().to_string();
    build(&fixture, &json!({"lock": lock, "blobs": blobs}), json!({}), "with-blobs");
    build(&fixture, &json!({"lock": lock}), json!({}), "from-registry");
    let (with, from) =
        ["with-blobs", "from-registry"].map(|name| documents(&fixture.dir().join(name))).into();
    assert_eq!(with, from);
    let name = &with.0["annotations"]["org.opencontainers.image.base.name"];
    assert_eq!(name, &json!(reference));

    let arm = json!({"base": {"lock": lock}, "platform": {"os": "linux", "architecture": "arm64"}});
    let spec = fixture.write_spec("app", "v1", &[], &arm);
    let mut command = fixture.cooper();
    command.arg("build").arg(spec).args(["-o", "out.tar"]);
    let error = stderr(&command.output().unwrap(), 1);
    assert!(error.contains("linux/arm64") && error.contains("linux/amd64"), "{error}");
    assert!(!fixture.dir().join("-").exists());
}
