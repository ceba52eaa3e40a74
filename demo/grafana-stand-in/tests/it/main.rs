//! The stand-in as a container runs it, with plugins in the layouts that images use.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // the helpers are tests, too

#[path = "../../../testing/running.rs"]
mod running;

mod home;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use home::{Home, MINIMAL};
use running::Program;

const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../grafana-plugin");
const PROVISIONING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../compose/provisioning");

#[test]
fn every_response_names_the_stand_in() {
    let home = Home::new("name");
    let grafana = home.start(&[]);
    let health = grafana.get("/api/health");
    let received: serde_json::Value = serde_json::from_str(&health.body).unwrap();
    assert_eq!(received["database"], "ok");
    assert!(received["version"].as_str().unwrap().starts_with("stand-in "));
    assert!(health.head.contains("server: grafana-stand-in/"), "{}", health.head);
    assert!(grafana.get("/").body.contains("this is not Grafana"));
    assert_eq!(grafana.get("/login").status, 404);
}

#[test]
fn own_plugin_with_allowed_id_is_listed() {
    let home = Home::new("ours");
    home.link(OURS, "plugins/betrace-app");
    let grafana =
        home.start(&[("GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS", "x-panel, betrace-app")]);
    let plugins = home::json(&grafana, "/api/plugins");
    assert_eq!(plugins.as_array().unwrap().len(), 1);
    assert_eq!(plugins[0]["id"], "betrace-app");
    assert_eq!(plugins[0]["type"], "app");
    assert_eq!(plugins[0]["signature"], "unsigned");
    assert_eq!(plugins[0]["info"]["version"], "0.1.0");
    let settings = home::json(&grafana, "/api/plugins/betrace-app/settings");
    let module = grafana.get(&format!("/{}", settings["module"].as_str().unwrap()));
    assert_eq!(module.body, fs::read_to_string(Path::new(OURS).join("module.js")).unwrap());
    assert!(module.head.contains("content-type: application/javascript"), "{}", module.head);
    let logo = plugins[0]["info"]["logos"]["small"].as_str().unwrap();
    assert_eq!(grafana.get(&format!("/public/plugins/betrace-app/{logo}")).status, 200);
}

#[test]
fn own_plugin_in_node_renders() {
    if std::env::var_os("WITHOUT_NODE").is_some() {
        return;
    }
    let output = Command::new("node").arg("../testing/check-plugin.js").current_dir(OURS).output();
    let output =
        output.expect("this needs Node; install nodejs, or set WITHOUT_NODE to leave it out");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn unsigned_plugin_is_refused_with_variable_to_set() {
    let home = Home::new("unsigned");
    home.link(OURS, "plugins/betrace-app");
    let mut grafana = home.start(&[]);
    assert_eq!(home::json(&grafana, "/api/plugins"), serde_json::json!([]));
    let line = grafana.await_log("plugin refused");
    assert!(line.contains("`betrace-app` is unsigned"), "{line}");
    assert!(line.contains("GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS"), "{line}");
    assert_eq!(grafana.get("/api/plugins/betrace-app/settings").status, 404);
}

#[test]
fn plugins_are_found_where_grafana_finds_them() {
    let home = Home::new("found");
    home.plugin("plugins/a-panel", "a-panel");
    home.plugin("plugins/vendor/deep/er/b-panel", "b-panel");
    home.plugin("plugins/c-app", "c-app");
    home.plugin("plugins/c-app/datasource", "child-datasource");
    home.plugin("plugins/d-app/dist", "d-app");
    home.plugin("plugins/d-app/src", "d-source-app");
    home.plugin("plugins/e-app/node_modules/x", "x-app");
    home.file("plugins/plugin.json", MINIMAL);
    home.plugin("store/hash-f-app", "f-app");
    home.link(home.path("store/hash-f-app"), "plugins/f-app");
    let all = "a-panel,b-panel,c-app,child-datasource,d-app,d-source-app,x-app,f-app,minimal-app";
    let grafana = home.start(&[("GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS", all)]);
    assert_eq!(
        home::ids(&grafana),
        ["a-panel", "b-panel", "c-app", "child-datasource", "d-app", "f-app"]
    );
}

#[test]
fn invalid_plugin_is_refused_with_file_and_field() {
    let home = Home::new("refused");
    let cases = [
        ("broken", "{", "/plugins/broken/plugin.json` is not JSON"),
        ("list", "[]", "`id` is missing"),
        ("noid", r#"{"type":"app","info":{"version":"1"}}"#, "`id` is missing"),
        ("notype", r#"{"id":"notype-app","info":{"version":"1"}}"#, "`type` is missing"),
        ("nover", r#"{"id":"nover-app","type":"app","info":{}}"#, "`info.version` is missing"),
        ("kind", r#"{"id":"kind","type":"theme","info":{"version":"1"}}"#, "unknown type `theme`"),
    ];
    for (name, json, _) in cases {
        home.file(&format!("plugins/{name}/plugin.json"), json);
    }
    home.plugin("plugins/first", "same-app");
    home.plugin("plugins/second", "same-app");
    let mut grafana = home.start(&[("GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS", "same-app")]);
    for (_, _, why) in cases {
        let line = grafana.await_log(why);
        assert!(line.contains("plugin refused"), "{line}");
    }
    let twice = grafana.await_log("loaded already");
    assert!(twice.contains("/plugins/second/") && twice.contains("/plugins/first"), "{twice}");
    assert_eq!(home::ids(&grafana), ["same-app"]);
}

#[test]
fn plugin_with_file_links_out_of_its_directory_is_refused() {
    let home = Home::new("linked");
    home.plugin("store/x-app", "x-app");
    home.plugin("plugins/x-app", "x-app");
    fs::remove_file(home.path("plugins/x-app/module.js")).unwrap();
    symlink(home.path("store/x-app/module.js"), home.path("plugins/x-app/module.js")).unwrap();
    let mut grafana = home.start(&[("GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS", "x-app")]);
    assert!(home::ids(&grafana).is_empty());
    let line = grafana.await_log("plugin refused");
    assert!(line.contains("module.js` is a link out of the plugin's directory"), "{line}");
}

#[test]
fn plugin_without_module_js_loads_with_warning() {
    let home = Home::new("module");
    home.file("plugins/minimal/plugin.json", MINIMAL);
    let mut grafana = home.start(&[("GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS", "minimal-app")]);
    assert_eq!(home::ids(&grafana), ["minimal-app"]);
    grafana.await_log("plugin minimal-app: module.js is missing");
}

#[test]
fn plugin_that_differs_from_manifest_is_refused() {
    let home = Home::new("manifest");
    for name in ["good", "modified", "extra", "older", "junk", "short"] {
        home.plugin(&format!("plugins/{name}"), &format!("{name}-app"));
        home.sign(&format!("plugins/{name}"), &format!("{name}-app"));
    }
    home.file("plugins/modified/module.js", "evil()");
    home.file("plugins/extra/more.js", "evil()");
    let older = home.path("plugins/older/MANIFEST.txt");
    fs::write(&older, fs::read_to_string(&older).unwrap().replace("1.2.3", "1.2.2")).unwrap();
    home.file("plugins/junk/MANIFEST.txt", "not a manifest");
    home.file("plugins/short/MANIFEST.txt", "tiny");
    let mut grafana = home.start(&[]);
    let plugins = home::json(&grafana, "/api/plugins");
    assert_eq!(home::ids(&grafana), ["good-app"]);
    assert_eq!(plugins[0]["signature"], "unchecked");
    for why in [
        "`module.js` is not the file that was signed",
        "`more.js` is not in MANIFEST.txt",
        "for `older-app` in version `1.2.2`",
        "not a signed message",
        "`short-app` is unsigned",
    ] {
        grafana.await_log(why);
    }
}

#[test]
fn file_outside_plugin_is_not_served() {
    let home = Home::new("traversal");
    home.plugin("plugins/x-app", "x-app");
    home.file("plugins/secret.txt", "secret");
    let grafana = home.start(&[("GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS", "x-app")]);
    for path in ["../secret.txt", "%2e%2e/secret.txt", "..%2fsecret.txt", "/etc/hostname", "img"] {
        let answer = grafana.get(&format!("/public/plugins/x-app/{path}"));
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
    }
}

#[test]
fn own_provisioning_gives_four_datasources() {
    let home = Home::new("provisioning");
    let grafana = home.start(&[("GF_PATHS_PROVISIONING", PROVISIONING)]);
    let all = home::json(&grafana, "/api/datasources");
    let received: Vec<(&str, &str, &str)> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|one| ["uid", "type", "url"].map(|key| one[key].as_str().unwrap()).into())
        .collect();
    assert_eq!(
        received,
        [
            ("prometheus", "prometheus", "http://prometheus:9090"),
            ("tempo", "tempo", "http://tempo:3200"),
            ("loki", "loki", "http://loki:3100"),
            ("pyroscope", "grafana-pyroscope-datasource", "http://pyroscope:4040"),
        ]
    );
    let defaults = all.as_array().unwrap().iter().filter(|one| one["isDefault"] == true).count();
    assert_eq!(defaults, 1);
}

#[test]
fn datasource_without_plugin_is_logged() {
    let home = Home::new("types");
    for (at, id) in [
        ("public/app/plugins/datasource/loki", "loki"),
        ("data/plugins-bundled/tempo", "tempo"),
        ("data/plugins-bundled/pyroscope", "grafana-pyroscope-datasource"),
    ] {
        home.plugin(&format!("grafana/{at}"), id);
    }
    home.file("grafana/conf/defaults.ini", "");
    let grafana = home.path("grafana");
    let grafana = grafana.to_str().unwrap();
    let mut one = home.start_in(grafana, &[("GF_PATHS_PROVISIONING", PROVISIONING)]);
    one.await_log("data source Prometheus: there is no plugin for the type prometheus");
    one.terminate();
    one.ended();
    assert_eq!(one.whole_log().iter().filter(|line| line.contains("no plugin")).count(), 1);

    let mut whole = home.start(&[("GF_PATHS_PROVISIONING", PROVISIONING)]);
    whole.terminate();
    whole.ended();
    assert!(!whole.whole_log().iter().any(|line| line.contains("no plugin")));
}

#[test]
fn preinstall_at_start_can_be_disabled() {
    let home = Home::new("preinstall");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let catalog = format!("http://{closed}");
    for disabled in ["false", ""] {
        let mut open = home.start(&[
            ("GF_PLUGINS_PREINSTALL_DISABLED", disabled),
            ("GF_GRAFANA_COM_URL", &catalog),
        ]);
        let line = open.await_log("Failed to install plugin pluginId=grafana-pyroscope-app");
        assert!(line.contains("level=error") && line.contains("refused"), "{line}");
        while home::json(&open, "/api/health")["preinstall"] == "running" {
            std::thread::yield_now();
        }
        assert_eq!(home::json(&open, "/api/health")["preinstall"], "failed");
    }
    let mut closed = home.start(&[("GF_GRAFANA_COM_URL", &catalog)]);
    assert_eq!(home::json(&closed, "/api/health")["preinstall"], "disabled");
    closed.terminate();
    assert_eq!(closed.ended().code(), Some(0));
    assert!(!closed.whole_log().iter().any(|line| line.contains("plugin pluginId=")));
}

#[test]
fn invalid_command_line_is_refused_by_name() {
    let home = Home::new("arguments");
    let program = env!("CARGO_BIN_EXE_grafana");
    let missing = home.path("missing");
    for (command, why) in [
        (&[program][..], "the command is missing"),
        (&[program, "sh"], "unknown argument `sh`"),
        (&[program, "server", "--home", "/"], "unknown argument `--home`"),
        (
            &[program, "server", "--homepath", missing.to_str().unwrap()],
            "missing/conf/defaults.ini",
        ),
    ] {
        let log = home.fails_with(command, &[]);
        assert!(log.contains(why), "{command:?}: {log}");
    }
}

#[test]
fn invalid_provisioning_stops_start_and_names_file() {
    let entry = |name: &str, uid: &str, default: bool| {
        format!("- {{name: {name}, uid: {uid}, type: loki, isDefault: {default}}}\n")
    };
    let list = |entries: &[String]| format!("apiVersion: 1\ndatasources:\n{}", entries.concat());
    for (yaml, why) in [
        ("datasources: [".to_owned(), "is not the YAML"),
        ("datasources: 7".to_owned(), "is not the YAML"),
        ("datasources: [{type: loki}]".to_owned(), "datasource 1: `name` is missing"),
        (list(&[entry("a", "x", true), entry("b", "y", true)]), "`b` is marked as default"),
        (list(&[entry("a", "x", true), entry("b", "x", false)]), "name or uid of `b`"),
    ] {
        let home = Home::new("wrong");
        home.file("provisioning/datasources/all.yaml", &yaml);
        let output = home.fails(&[]);
        assert!(output.contains("/provisioning/datasources/all.yaml"), "{output}");
        assert!(output.contains(why), "{output}");
    }
}

#[test]
fn unwritable_data_directory_stops_start() {
    let home = Home::new("data");
    home.file("data", "a file where a directory should be");
    let output = home.fails(&[]);
    assert!(output.contains("GF_PATHS_DATA must name a directory"), "{output}");
}

#[test]
fn health_without_data_fails() {
    let home = Home::new("gone");
    let grafana = home.start(&[]);
    fs::remove_dir_all(home.path("data")).unwrap();
    let answer = grafana.get("/api/health");
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains(r#""database":"failing""#), "{}", answer.body);
}

#[test]
fn state_survives_restart_and_sigterm_ends_cleanly() {
    let home = Home::new("restart");
    for times in ["started 1 times", "started 2 times"] {
        let mut grafana: Program = home.start(&[]);
        assert!(grafana.get("/").body.contains(times));
        grafana.terminate();
        assert_eq!(grafana.ended().code(), Some(0));
        assert!(grafana.whole_log().last().unwrap().contains("stopped"));
    }
}
