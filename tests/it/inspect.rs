//! The commands that describe a planned image, and those that describe cooper.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::command::TestDir;

/// An image that uses most fields, with two store paths.
fn example() -> TestDir {
    let test_dir = TestDir::new();
    test_dir.executable("app-1.0", "bin/app", &minimal_elf());
    test_dir.store_file("app-1.0", "share/doc/readme", "hello");
    test_dir.store_file("tzdata-2025b", "share/zoneinfo/UTC", "");
    let app = test_dir.store_path("app-1.0");
    test_dir.write_spec(
        &["app-1.0", "tzdata-2025b"],
        json!({
            "name": "team/app", "tags": ["v1", "latest"],
            "contents": [app, test_dir.store_path("tzdata-2025b")],
            "files": {"/etc/app.conf": {"text": "port = 8080\n", "uid": 65532}},
            "config": {"Entrypoint": ["/bin/app"], "Cmd": ["--greeting", "it's me"],
                "Env": ["PORT=8080"], "User": "65532:65532", "ExposedPorts": {"8080/tcp": {}},
                "Labels": {"org.opencontainers.image.title": "App"},
                "Healthcheck": {"Test": ["CMD", "/bin/app", "check"]}},
        }),
    );
    test_dir
}

/// A program for amd64 that is never run.
fn minimal_elf() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(64, 0);
    // e_type, e_machine, e_version, and the sizes of the absent headers.
    for (at, byte) in [(16, 2), (18, 62), (20, 1), (52, 64), (54, 56), (58, 64)] {
        bytes[at] = byte;
    }
    bytes
}

/// Replaces the test directory in an output.
fn without_test_dir(test_dir: &TestDir, text: &str) -> String {
    text.replace(test_dir.path("store").to_str().unwrap(), "/nix/store")
}

#[test]
fn inspect_shows_config_layers_and_biggest_paths() {
    let test_dir = example();
    insta::assert_snapshot!(without_test_dir(
        &test_dir,
        &test_dir.stdout_of(&["inspect", "spec.json"])
    ));
    assert!(!test_dir.path("cache").exists(), "nothing was built");
}

#[test]
fn inspect_json_matches_text_output() {
    let test_dir = example();
    let json: Value = serde_json::from_str(&test_dir.stdout_of(&[
        "inspect",
        "spec.json",
        "--json",
        "--biggest",
        "1",
    ]))
    .unwrap();
    assert_eq!(json[0]["name"], "team/app");
    assert_eq!(json[0]["tags"], json!(["v1", "latest"]));
    assert_eq!(json[0]["config"]["User"], "65532:65532");
    let layers = json[0]["layers"].as_array().unwrap();
    let sizes: u64 = layers.iter().map(|layer| layer["size"].as_u64().unwrap()).sum();
    assert_eq!(json[0]["size"], sizes);
    assert_eq!(json[0]["biggest"].as_array().unwrap().len(), 1);
    let own = layers.last().unwrap()["paths"].as_array().unwrap();
    assert!(own.contains(&json!({"path": "/etc/app.conf", "size": 12})), "{own:?}");
}

#[test]
fn history_lists_layers_top_first() {
    let test_dir = example();
    insta::assert_snapshot!(without_test_dir(
        &test_dir,
        &test_dir.stdout_of(&["history", "spec.json"])
    ));
    let json: Value =
        serde_json::from_str(&test_dir.stdout_of(&["history", "spec.json", "--json"])).unwrap();
    assert_eq!(json[0]["comment"], "own files");
    test_dir.build_archive();
    let built = test_dir.path("image.tar");
    let config = config_of(&built);
    let mut comments: Vec<&Value> =
        config["history"].as_array().unwrap().iter().map(|entry| &entry["comment"]).collect();
    comments.reverse();
    let messages: Vec<&Value> =
        json.as_array().unwrap().iter().map(|entry| &entry["comment"]).collect();
    assert_eq!(messages, comments, "the built image's history, the top layer first");
}

/// Returns the config in an archive, by its Docker manifest.
fn config_of(archive: &Path) -> Value {
    let read = |name: &str| -> Value {
        let file = std::fs::File::open(archive).unwrap();
        let mut archive = tar::Archive::new(file);
        let mut entries = archive.entries().unwrap().map(Result::unwrap);
        let entry = entries.find(|entry| entry.path().unwrap() == Path::new(name)).unwrap();
        serde_json::from_reader(entry).unwrap()
    };
    read(read("manifest.json")[0]["Config"].as_str().unwrap())
}

#[test]
fn why_follows_symlinks_of_the_image() {
    let test_dir = example();
    let why = |path: &str| test_dir.cooper(&["why", "spec.json", path]);
    let app = why("app");
    assert!(app.stdout.contains("-app-1.0\n"), "{}", app.stderr);
    for path in ["/bin/app", "/bin/../share/doc/readme"] {
        assert_eq!(why(path).stdout, app.stdout);
    }
    why("/bin/none").assert_failure(1, &["image `team/app` has no `/bin/none`"]);
    why("/bin")
        .assert_failure(1, &["`/bin` in image `team/app` is a directory of several sources"]);
}

#[test]
fn why_names_the_field_and_source_of_own_files() {
    let test_dir = TestDir::new();
    test_dir.store_file("source", "src/app.py", "print()\n");
    test_dir.store_file("nss", "etc/passwd", "root:x:0:0::/:\n");
    let store_path = |name| test_dir.store_path(name).display().to_string();
    let (source, nss) = (store_path("source"), store_path("nss"));
    test_dir.write_spec(
        &["source", "nss"],
        json!({
            "contents": [nss],
            "files": {"/app/src": {"source": format!("{source}/src")}, "/etc/a": {"text": "abc"}},
            "symlinks": {"/srv/app.py": "/app/src/app.py"},
            "directories": {"/app": {}},
            "groups": {"app": {"gid": 1}},
        }),
    );
    let app = format!(
        "/app/src/app.py\n  size: 8 B\n  layer: the top one, with the image's own files\n  \
         declared by: files.\"/app/src\"\n  source: {source}/src/app.py\n"
    );
    assert_eq!(test_dir.stdout_of(&["why", "spec.json", "/app/src/app.py"]), app);
    assert_eq!(test_dir.stdout_of(&["why", "spec.json", "/srv/app.py"]), app, "links are followed");
    let by_name = test_dir.stdout_of(&["why", "spec.json", "app.py"]);
    assert!(by_name.starts_with(&app) && by_name.contains("declared by: symlinks.\"/srv/app.py\""));
    for (path, field, source) in [
        ("/app/src", "files.\"/app/src\"", Some(format!("{source}/src"))),
        ("/app", "directories.\"/app\"", None),
        ("/etc/a", "files.\"/etc/a\"", None),
        ("/etc/group", "groups", None),
        ("/etc/passwd", "contents", Some(format!("{nss}/etc/passwd"))),
    ] {
        let json: Value =
            serde_json::from_str(&test_dir.stdout_of(&["why", "spec.json", path, "--json"]))
                .unwrap();
        assert_eq!(json[0]["declaredBy"], field, "{path}");
        assert_eq!(json[0]["source"].as_str(), source.as_deref(), "{path}");
    }
    let missing = test_dir.cooper(&["why", "spec.json", "other.py"]);
    missing.assert_failure(1, &["has no store path or own file `other.py`"]);
}

#[test]
fn schema_accepts_what_build_accepts() {
    let test_dir = example();
    let schema: Value = serde_json::from_str(&test_dir.stdout_of(&["schema"])).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("schema.json", schema).unwrap();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    let spec: Value =
        serde_json::from_slice(&std::fs::read(test_dir.path("spec.json")).unwrap()).unwrap();
    assert!(schemas.validate(&spec, index).is_ok());
    test_dir.build_archive();
}

#[test]
fn completions_list_commands_in_every_shell() {
    let test_dir = TestDir::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let text = test_dir.stdout_of(&["completions", shell]);
        for subcommand in ["build", "inspect", "history"] {
            assert!(text.contains(subcommand), "{shell} has no {subcommand}");
        }
    }
    test_dir.cooper(&["completions", "cmd"]).assert_failure(1, &["invalid value 'cmd'"]);
}

#[test]
fn man_writes_a_page_for_every_command() {
    let test_dir = TestDir::new();
    assert!(test_dir.stdout_of(&["man"]).contains(".TH cooper 1"));
    assert_eq!(test_dir.stdout_of(&["man", "share/man/man1"]), "");
    let pages = test_dir.path("share/man/man1");
    let help = test_dir.stdout_of(&["help"]);
    let subcommands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let subcommands: Vec<&str> = subcommands
        .map_while(|line| line.split_whitespace().next())
        .filter(|v| *v != "help")
        .collect();
    assert!(subcommands.len() > 5, "{help}");
    for subcommand in subcommands {
        let page = std::fs::read_to_string(pages.join(format!("cooper-{subcommand}.1"))).unwrap();
        assert!(page.contains(&format!("cooper\\-{subcommand} \\- ")), "{page}");
    }
    assert!(pages.join("cooper.1").exists() && pages.join("cooper-spec-from-attrs.1").exists());
}

#[test]
fn readme_names_every_command() {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let help = TestDir::new().stdout_of(&["--help"]);
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let subcommands: Vec<&str> = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(subcommands.len() > 10, "{subcommands:?}");
    for subcommand in subcommands {
        let named = [format!("`{subcommand}`"), format!("`{subcommand} ")];
        assert!(
            named.iter().any(|name| readme.contains(name)),
            "README.md does not name `{subcommand}`"
        );
    }
}
