//! The compose stack and the pod of `compose/`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // the helpers are tests, too

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// Services with images of this project, which have health checks of their own.
const OWN: &str = "betrace-";

/// The variable without which Grafana fetches plugins at every start.
const PREINSTALL_DISABLED: &str = "GF_PLUGINS_PREINSTALL_DISABLED";

fn compose() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../compose"))
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(compose().join(name)).unwrap()).unwrap()
}

fn services() -> Vec<(String, Value)> {
    let stack = yaml("docker-compose.yml");
    let services = stack["services"].as_object().unwrap();
    services.iter().map(|(name, service)| (name.clone(), service.clone())).collect()
}

fn texts(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn core_profile_needs_only_own_images() {
    let mut core = BTreeSet::new();
    for (name, service) in services() {
        let image = service["image"].as_str().unwrap();
        let profiles = texts(&service["profiles"]);
        assert!(profiles.contains("full"), "{name}");
        assert_eq!(profiles.contains("core"), image.starts_with(OWN), "{name}: {image}");
        if profiles.contains("core") {
            assert!(image.ends_with(":${IMAGE_TAG:-latest}"), "{name}: {image}");
            core.insert(name);
        }
    }
    assert_eq!(core, ["backend", "grafana", "prometheus"].map(str::to_owned).into());
}

#[test]
fn every_grafana_disables_preinstall() {
    let (_, grafana) = services().into_iter().find(|(name, _)| name == "grafana").unwrap();
    assert_eq!(grafana["environment"][PREINSTALL_DISABLED], "true");
    let chart =
        fs::read_to_string(compose().join("kubernetes/chart/templates/grafana.yaml")).unwrap();
    let image = fs::read_to_string(compose().join("../nix/images/grafana.nix")).unwrap();
    for (text, set) in [
        (chart, format!("- name: {PREINSTALL_DISABLED}\n              value: \"true\"\n")),
        (image, format!("{PREINSTALL_DISABLED} = \"true\";\n")),
    ] {
        assert!(text.contains(&set), "{set}");
    }
}

#[test]
fn foreign_images_are_pinned_and_probed_by_own_programs() {
    let mut outside = BTreeSet::new();
    for (name, service) in services() {
        let image = service["image"].as_str().unwrap();
        if image.starts_with(OWN) {
            assert!(service["healthcheck"].get("test").is_none(), "{name} has its own");
            continue;
        }
        let version = image.rsplit_once(':').unwrap().1;
        assert_eq!(
            version.split('.').filter(|part| part.parse::<u32>().is_ok()).count(),
            3,
            "{image}"
        );
        let test = texts(&service["healthcheck"]["test"]);
        assert!(test.contains("CMD"), "{name}: without a shell, as there is none inside");
        outside.insert(name);
    }
    assert_eq!(outside, ["loki", "pyroscope", "tempo"].map(str::to_owned).into());
}

#[test]
fn ports_bind_loopback_and_passwords_have_no_default() {
    for (name, service) in services() {
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("${BIND_ADDRESS:-127.0.0.1}:${"), "{name}: {port}");
        }
        for (variable, value) in service["environment"].as_object().into_iter().flatten() {
            if variable.contains("PASSWORD") {
                assert!(value.as_str().unwrap().ends_with(":-}"), "{name}: {variable}={value}");
            }
        }
    }
}

#[test]
fn service_depends_only_on_services_of_its_profiles() {
    let all = services();
    for (name, service) in &all {
        for (needed, how) in service["depends_on"].as_object().into_iter().flatten() {
            let other = &all.iter().find(|(other, _)| other == needed).unwrap().1;
            let (mine, its) = (texts(&service["profiles"]), texts(&other["profiles"]));
            assert!(mine.is_subset(&its), "{name} waits for {needed}");
            assert_eq!(how["condition"], "service_healthy", "{name} waits for {needed}");
            assert!(other.get("healthcheck").is_some(), "{needed}");
        }
    }
}

#[test]
fn mounted_files_exist_and_volumes_are_declared() {
    let stack = yaml("docker-compose.yml");
    for (name, service) in services() {
        for volume in texts(&service["volumes"]) {
            let source = volume.split(':').next().unwrap();
            if source.starts_with('.') {
                assert!(compose().join(source).is_file(), "{name}: {volume}");
                assert!(volume.ends_with(":ro"), "{name}: {volume}");
                assert!(yaml(source).is_object(), "{source}");
            } else {
                assert!(stack["volumes"].get(source).is_some(), "{name}: {volume}");
            }
        }
    }
}

#[test]
fn every_variable_is_in_env_example_with_default() {
    let stack = fs::read_to_string(compose().join("docker-compose.yml")).unwrap();
    let example = fs::read_to_string(compose().join(".env.example")).unwrap();
    let mut seen = 0;
    for use_of in stack.split("${").skip(1) {
        let (variable, default) = use_of.split('}').next().unwrap().split_once('-').unwrap();
        let line = format!("#{}={default}", variable.trim_end_matches(':'));
        assert!(example.lines().any(|other| other == line), "{line} in .env.example");
        seen += 1;
    }
    assert!(seen > 10, "the variables were found");
}

#[test]
fn pod_fills_grafanas_volume_without_root() {
    let pod = yaml("kubernetes/pod.yaml");
    let spec = &pod["spec"];
    let (init, main) = (&spec["initContainers"][0], &spec["containers"][0]);
    let mount = |container: &Value| {
        let mount = &container["volumeMounts"][0];
        (mount["name"].clone(), mount["mountPath"].as_str().unwrap().to_owned())
    };
    assert_eq!(mount(init).0, spec["volumes"][0]["name"]);
    assert_eq!(mount(init).0, mount(main).0);
    assert_eq!(mount(main).1, "/var/lib/grafana/plugins");
    let meta = fs::read_to_string(compose().join("../demo/grafana-plugin/plugin.json")).unwrap();
    let meta: Value = serde_json::from_str(&meta).unwrap();
    let id = meta["id"].as_str().unwrap();
    let command: Vec<&str> =
        init["command"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(command, ["cp", "-r", "/plugin", &format!("{}/{id}", mount(init).1)]);
    assert_eq!(main["env"][0]["value"], id);
    assert_eq!(main["env"][1]["name"], PREINSTALL_DISABLED);
    assert_eq!(main["env"][1]["value"], "true");
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    for container in [init, main] {
        // Kubernetes cannot check a user name for `runAsNonRoot`.
        assert!(container["securityContext"]["runAsUser"].as_u64().unwrap() > 0);
        assert_eq!(container["imagePullPolicy"], "IfNotPresent");
    }
}
