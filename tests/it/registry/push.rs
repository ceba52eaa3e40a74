//! The blobs and tags that a push sends, and their order.

use serde_json::json;

use super::fault_proxy::{Fault, Proxy};
use super::server::Registry;
use super::{digest, image, push, push_result, validate};
use crate::cache_damage;
use crate::support::fixture::{Fixture, stderr, stdout};

#[test]
fn push_sends_missing_blobs_only() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let to = format!("{}/team", registry.name());
    let spec = image(&fixture, "app", 2);

    let first = push_result(&push(&fixture, &spec, &to).output().unwrap());
    assert_eq!(first["images"][0]["uploaded"], 4, "three layers and a config: {first}");

    let again = push_result(&push(&fixture, &spec, &to).output().unwrap());
    assert_eq!(again["images"][0]["uploadedBytes"], 0);
    assert_eq!(again["requests"], 1, "one question shows that all is there");

    let changed = push_result(&push(&fixture, &image(&fixture, "app", 3), &to).output().unwrap());
    let bytes = changed["images"][0]["uploadedBytes"].as_u64().unwrap();
    assert_eq!(changed["images"][0]["uploaded"], 2, "a layer and the config: {changed}");
    assert!((20_000..24_000).contains(&bytes), "{bytes}");

    stdout(&validate(&fixture, &format!("{to}/app:v1")).output().unwrap());
}

#[test]
fn push_several_images_mounts_shared_blobs() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let (one, two) = (image(&fixture, "one", 2), image(&fixture, "two", 3));
    let mut command = push(&fixture, &one, &registry.name());
    let result = push_result(&command.arg(&two).output().unwrap());
    assert_eq!(result["images"][1]["mounted"], 1, "the large layer: {result}");
    for name in ["one", "two"] {
        let location = format!("{}/{name}:v1", registry.name());
        stdout(&validate(&fixture, &location).output().unwrap());
    }
}

#[test]
fn push_mount_from_several_uses_the_one_with_the_blob() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let (one, two) = (image(&fixture, "one", 2), image(&fixture, "two", 3));
    push_result(&push(&fixture, &one, &registry.name()).output().unwrap());
    let mut command = push(&fixture, &two, &registry.name());
    command.args(["--mount-from", "nobody", "--mount-from", "two", "--mount-from", "one"]);
    let result = push_result(&command.output().unwrap());
    assert_eq!(result["images"][0]["mounted"], 1, "the large layer: {result}");
}

#[test]
fn push_without_mount_support_uploads() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    for (what, status) in [("accepted", 0), ("refused", 405), ("forbidden", 403)] {
        let proxy = Proxy::start(registry.port(), move |seen, _| match seen.is("POST", "mount=") {
            true if status > 0 => Fault::Answer(status, Vec::new(), Vec::new()),
            _ => Fault::None,
        });
        let spec = image(&fixture, what, 2);
        let mut command = push(&fixture, &spec, &proxy.name());
        // An empty repository: the registry starts an upload instead.
        let result = push_result(&command.args(["--mount-from", "nobody"]).output().unwrap());
        assert_eq!(result["images"][0]["uploaded"], 4, "{what}: {result}");
        stdout(&validate(&fixture, &format!("{}/{what}:v1", registry.name())).output().unwrap());
    }
}

#[test]
fn push_sends_blobs_first_and_tags_last() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let proxy = Proxy::start(registry.port(), |_, _| Fault::None);
    let spec = image(&fixture, "app", 2);
    let mut command = push(&fixture, &spec, &proxy.name());
    push_result(&command.args(["--tag", "a", "--tag", "b"]).output().unwrap());
    let puts: Vec<String> = proxy
        .requests()
        .iter()
        .filter(|seen| seen.method == "PUT")
        .map(|seen| seen.path.split('?').next().unwrap().rsplit_once('/').unwrap().1.to_owned())
        .collect();
    assert_eq!(puts.len(), 6, "{puts:?}");
    assert_eq!(puts[4..], ["a", "b"]);
}

#[test]
fn push_index_follows_its_images() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let item = fixture.item("data", 1, 1000);
    let specs = ["amd64", "arm64"].map(|architecture| {
        let platform = json!({"platform": {"os": "linux", "architecture": architecture}});
        fixture.write_spec("app", "v1", std::slice::from_ref(&item), &platform)
    });
    let mut command = fixture.cooper();
    command.args(["index", "--json", "--to", &registry.name()]).args(&specs);
    stdout(&command.output().unwrap());
    let location = format!("{}/app:v1", registry.name());
    let mut skopeo = std::process::Command::new("skopeo");
    skopeo.args(["inspect", "--raw", "--tls-verify=false", &format!("docker://{location}")]);
    let index: serde_json::Value =
        serde_json::from_str(&stdout(&skopeo.output().unwrap())).unwrap();
    let platforms: Vec<_> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["platform"]["architecture"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
    stdout(&validate(&fixture, &location).output().unwrap());
}

#[test]
fn push_concurrent_same_tag_one_wins_whole() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let specs = [image(&fixture, "app", 2), image(&fixture, "app", 3)];
    let digests = std::thread::scope(|scope| {
        let push = |spec| {
            let (fixture, name) = (fixture.cooper(), registry.name());
            scope.spawn(move || {
                let mut command = fixture;
                let output =
                    command.args(["push", "--json"]).arg(spec).args(["--to", &name]).output();
                digest(&output.unwrap())
            })
        };
        specs.each_ref().map(push).map(|thread| thread.join().unwrap())
    });
    let location = format!("{}/app:v1", registry.name());
    let mut command = fixture.cooper();
    let checked = stdout(&command.args(["validate", "--json", &location]).output().unwrap());
    assert!(digests.iter().any(|digest| checked.contains(digest)), "{checked}");
}

#[test]
fn push_killed_at_any_time_keeps_old_tag() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let old =
        digest(&push(&fixture, &image(&fixture, "app", 2), &registry.name()).output().unwrap());
    let new = image(&fixture, "app", 3);
    for (method, part) in
        [("HEAD", "/blobs/"), ("POST", "/blobs/"), ("PUT", "/blobs/"), ("PUT", "/manifests/")]
    {
        let proxy = Proxy::start(registry.port(), move |seen, _| match seen.is(method, part) {
            true => Fault::Swallow,
            false => Fault::None,
        });
        let mut child = push(&fixture, &new, &proxy.name()).spawn().unwrap();
        let since = std::time::Instant::now();
        while proxy.count(method, part) == 0 {
            assert!(since.elapsed().as_secs() < 60, "{method} {part} never came");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let location = format!("{}/app:v1", registry.name());
        let mut command = fixture.cooper();
        let checked = stdout(&command.args(["validate", "--json", &location]).output().unwrap());
        assert!(checked.contains(&old), "after {method} {part}: {checked}");
    }
    push_result(&push(&fixture, &new, &registry.name()).output().unwrap());
}

#[test]
fn push_damaged_cache_sends_correct_blobs() {
    use std::os::unix::fs::FileExt;
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let spec = image(&fixture, "app", 2);
    // A registry without digest headers does not detect wrong blobs.
    let silent = Proxy::start(registry.port(), |seen, _| match seen.is("PUT", "/uploads/") {
        true => Fault::Header("Docker-Content-Digest", None),
        false => Fault::None,
    });
    push_result(&push(&fixture, &spec, &format!("{}/good", silent.name())).output().unwrap());

    let blobs = cooper::cache::folder(&fixture.dir().join("cache")).join("blobs");
    let damage = |blob: std::fs::DirEntry| {
        let file = std::fs::OpenOptions::new().read(true).write(true).open(blob.path()).unwrap();
        let (mut byte, before) = ([0], file.metadata().unwrap().modified().unwrap());
        file.read_exact_at(&mut byte, 50).unwrap();
        file.write_all_at(&[!byte[0]], 50).unwrap();
        file.set_modified(before).unwrap();
    };
    for (name, to) in [("one", registry.name()), ("two", silent.name())] {
        std::fs::read_dir(&blobs).unwrap().for_each(|blob| damage(blob.unwrap()));
        let output = push(&fixture, &spec, &format!("{to}/{name}")).output().unwrap();
        let warnings = stderr(&output, 0);
        assert!(warnings.contains("is damaged; its entry is removed"), "{warnings}");
        let location = format!("{}/{name}/app:v1", registry.name());
        stdout(&validate(&fixture, &location).output().unwrap());
    }
}

#[test]
fn push_damaged_cache_image_is_whole() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let spec = fixture.write_spec("app", "v1", &[cache_damage::item(&fixture)], &json!({}));
    let build = fixture.cooper().arg("build").arg(&spec).args(["-o", "good.tar"]).output();
    stderr(&build.unwrap(), 0);
    cache_damage::damage(&fixture);
    let mut push = fixture.cooper();
    push.arg("push").arg(&spec).args(["--to", &registry.name()]);
    cache_damage::assert_damage_warning(&push.output().unwrap(), 0);
    let location = format!("docker://{}/app:v1", registry.name());
    stderr(&fixture.cooper().arg("validate").arg(location).output().unwrap(), 0);
}
