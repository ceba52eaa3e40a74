//! What is hostile costs bounded time and memory, and is said.

use std::sync::atomic::Ordering;

use super::{Memory, messages, tar_of};
use crate::image::{MEDIA_TYPE_CONFIG, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST};
use crate::progress::NullReporter;
use crate::transport::source::tar::TarReader;
use crate::validate::*;

#[test]
fn a_layer_of_too_many_entries_or_faults_is_told_of_in_bounded_memory() {
    // fault 64
    let tar = tar_of(&vec![("../a", b'0', ""); 1500]);
    let report = Memory::plain(&[tar]).check();
    let text = messages(&report);
    assert!(report.findings.len() < 1010, "{}", report.findings.len());
    assert!(text.contains("more findings omitted"), "{text}");
    let names: Vec<String> = (0..200).map(|at| format!("file-{at}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), b'0', "")).collect();
    let memory = Memory::plain(&[tar_of(&entries)]);
    let within = |bytes| {
        let limits = Limits { memory: bytes, ..Limits::new(1) };
        messages(&check(&memory, &memory.roots().unwrap(), limits, &NullReporter))
    };
    assert_eq!(within(100_000), "");
    let text = within(20_000);
    let said =
        "layer 1 of 1: it needs more memory than the limit of 20000 bytes (`--memory-limit`)";
    assert!(text.contains(said), "{text}");
}

#[test]
fn layers_of_the_same_files_take_the_memory_of_one() {
    let tar = |own: usize| {
        let names: Vec<String> = (0..2000).map(|at| format!("usr/share/app/file-{at}")).collect();
        let own = format!("layer-{own}");
        let names = std::iter::once(own.as_str()).chain(names.iter().map(String::as_str));
        tar_of(&names.map(|name| (name, b'0', "")).collect::<Vec<_>>())
    };
    let least = |layers: usize| {
        let memory = Memory::plain(&(0..layers).map(tar).collect::<Vec<_>>());
        let fits = |bytes: u64| {
            let limits = Limits { memory: bytes, ..Limits::new(2) };
            check(&memory, &memory.roots().unwrap(), limits, &NullReporter).is_good()
        };
        (1..1000).map(|at| at * 50_000).find(|bytes| fits(*bytes)).unwrap()
    };
    let (one, many) = (least(1), least(16));
    assert!(one > 200_000 && many <= one * 5 / 2, "{one} {many}");
}

#[test]
fn directory_links_in_circles_and_chains_end() {
    let names: Vec<String> = (0..3000).map(|at| format!("l{at}")).collect();
    let targets: Vec<String> = (1..=3000).map(|at| format!("l{at}/././.")).collect();
    let mut entries: Vec<(&str, u8, &str)> = vec![
        ("usr/bin/", b'5', ""),
        ("bin", b'2', "usr/bin"),
        ("sbin", b'2', "/../bin/."),
        ("usr/sbin", b'2', "../sbin"),
        ("a", b'2', "b"),
        ("b", b'2', "a"),
        ("self", b'2', "self/x"),
        ("gone", b'2', "nothing"),
        ("file", b'0', ""),
        ("to-file", b'2', "file"),
        ("l3000/", b'5', ""),
    ];
    entries.extend(names.iter().zip(&targets).map(|(name, to)| (name.as_str(), b'2', to.as_str())));
    let workspace = Arc::new(Workspace::new(Limits::new(1)));
    let mut scan = Scan::new(&workspace);
    let tar = tar_of(&entries);
    entries::entries(&mut TarReader::streaming(&tar[..]), &workspace, &mut scan).unwrap();
    let mut tree = Tree::new(&workspace);
    tree.add(&scan);
    let links = tree.directory_links().unwrap();
    let target = |link: &str| links.get(link.as_bytes()).map(|to| String::from_utf8_lossy(to));
    for link in ["bin", "sbin", "usr/sbin"] {
        assert_eq!(target(link).as_deref(), Some("usr/bin"), "{link}");
    }
    for link in ["a", "b", "self", "gone", "to-file", "l0", "l2959"] {
        assert_eq!(target(link), None, "{link}");
    }
    // Linux follows 40 links on the way of one path.
    assert_eq!(target("l2960").as_deref(), Some("l3000"));
    assert_eq!(links.len(), 3 + 40);
}

#[test]
fn tree_lower_layers_are_hidden_by_whiteouts_and_files() {
    let workspace = Arc::new(Workspace::new(Limits::new(1)));
    let layers: [&[(&str, u8, &str)]; 4] = [
        &[("a/b/c", b'0', ""), ("d/e", b'0', ""), ("f/g", b'0', ""), ("h/i/j", b'0', "")],
        &[("a/.wh.b", b'0', ""), ("d", b'0', ""), ("f/.wh..wh..opq", b'0', ""), ("f/k", b'0', "")],
        &[("a/b/x", b'0', ""), (".wh.d", b'0', ""), ("h/.wh.i", b'0', ""), ("h/i/l", b'2', "m")],
        &[("f/n", b'1', "f/k")],
    ];
    let mut tree = Tree::new(&workspace);
    for round in 0..2 {
        for layer in layers {
            let mut scan = Scan::new(&workspace);
            let tar = tar_of(layer);
            entries::entries(&mut TarReader::streaming(&tar[..]), &workspace, &mut scan).unwrap();
            let findings = tree.add(&scan);
            assert!(
                findings.iter().all(|f| f.message.contains("in a lower layer")),
                "{findings:?}"
            );
        }
        let layer = |path: &str| tree.entry_at(path.as_bytes()).map(|(_, _, layer)| layer);
        let there = [("a/b/x", 3), ("f/k", 2), ("h/i/l", 3), ("f/n", 4), ("a/b", 3)];
        assert!(there.iter().all(|(path, at)| layer(path) == Some(*at)), "{round}: {tree:?}");
        assert!(["a/b/c", "d/e", "d", "f/g", "h/i/j"].iter().all(|path| layer(path).is_none()));
        let hard = tree.entry_at(b"f/n").unwrap();
        assert_eq!((hard.1, tree.entry_at(b"h/i/l").unwrap().1), (b"f/k".to_vec(), b"m".to_vec()));
        tree.restart();
        assert_eq!(tree.entry_at(b"f/k"), None);
    }
}

#[test]
fn of_a_thousand_and_more_wrong_links_a_thousand_are_listed() {
    let names: Vec<String> = (0..1500).map(|at| format!("link{at}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), b'1', "gone")).collect();
    let findings = Memory::plain(&[tar_of(&entries)]).check().findings;
    assert_eq!(findings.len(), 1001);
    assert!(findings[1000].message.contains("more findings omitted"), "{:?}", findings[1000]);
}

#[test]
fn what_many_images_share_is_listed_ten_thousand_times_at_most() {
    let names: Vec<String> = (0..1000).map(|at| format!("link{at}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), b'1', "gone")).collect();
    let mut memory = Memory::plain(&[tar_of(&entries)]);
    let image = memory.root.clone().unwrap();
    let bytes = String::from_utf8(memory.blobs[&image.digest].clone()).unwrap();
    let other = |at: usize| format!("{}{}", bytes, " ".repeat(at)).into_bytes();
    let roots: Vec<_> = (0..12).map(|at| memory.add(MEDIA_TYPE_MANIFEST, other(at))).collect();
    let findings = check(&memory, &roots, Limits::new(2), &NullReporter).findings;
    assert_eq!(findings.len(), 10_001);
    assert_eq!(findings[10_000].place, "memory");
    assert_eq!(findings[10_000].severity, Severity::Error);
}

#[test]
fn an_error_behind_a_thousand_warnings_is_not_lost() {
    let names: Vec<String> = (0..1500).map(|at| format!("link{at}")).collect();
    for worst in [("../a", b'0', ""), ("hard", b'1', "gone"), ("link0", b'0', "")] {
        let mut entries: Vec<_> =
            names.iter().map(|name| (name.as_str(), b'2', "../../x")).collect();
        let warned = Memory::plain(&[tar_of(&entries)]).check();
        assert!(warned.is_good(), "{:?}", warned.findings.last());
        entries.push(worst);
        // What lies over a lower layer's links warns as often.
        let report = Memory::plain(&[tar_of(&entries[..1500]), tar_of(&entries)]).check();
        assert!(!report.is_good(), "{worst:?} {:?}", report.findings.last());
    }
}

#[test]
fn indexes_that_name_the_same_one_many_times_are_followed_once() {
    let mut memory = Memory::plain(&[tar_of(&[("a", b'0', "x")])]);
    let mut root = memory.root.clone().unwrap();
    for _ in 0..4 {
        let index = serde_json::json!({"schemaVersion": 2, "manifests": vec![&root; 2000]});
        root = memory.add(MEDIA_TYPE_INDEX, index.to_string().into_bytes());
    }
    memory.root = Some(root.clone());
    let report = memory.check();
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.images.len(), 1);
    let fifth = serde_json::json!({"schemaVersion": 2, "manifests": [root]});
    memory.root = Some(memory.add(MEDIA_TYPE_INDEX, fifth.to_string().into_bytes()));
    assert!(messages(&memory.check()).contains("it lies within 4 others"));
}

#[test]
fn what_has_a_thousand_names_is_read_once() {
    let mut memory = Memory::plain(&[tar_of(&[("a", b'0', "x")])]);
    let image = memory.root.clone().unwrap();
    let config = memory.add("x/y", b"{}".to_vec());
    let artifact =
        serde_json::json!({"schemaVersion": 2, "config": &config, "layers": vec![&config; 1000]});
    let artifact = memory.add(MEDIA_TYPE_MANIFEST, artifact.to_string().into_bytes());
    let named = |descriptor: &Descriptor, at: usize| Descriptor {
        annotations: BTreeMap::from([(source::REF_NAME.into(), format!("v{at}"))]),
        ..descriptor.clone()
    };
    let roots: Vec<_> = (0..2000).map(|at| named([&image, &artifact][at % 2], at)).collect();
    let report = check(&memory, &roots, Limits::new(2), &NullReporter);
    assert!(report.is_good(), "{}", messages(&report));
    assert_eq!(report.images[0].names.len(), 1000);
    let opened = memory.opened.load(Ordering::Relaxed);
    assert!(opened < 10, "{opened}");
}

#[test]
fn manifests_that_share_a_huge_config_do_not_fill_the_memory() {
    let mut memory = Memory::plain(&[]);
    let config = serde_json::json!({
        "os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []},
        "config": {"Labels": {"a": "a".repeat(8_000_000)}},
    });
    let config = memory.add(MEDIA_TYPE_CONFIG, config.to_string().into_bytes());
    let mut images = Vec::new();
    for at in 0..17 {
        let manifest =
            serde_json::json!({"schemaVersion": 2, "config": config, "layers": [], "at": at});
        let entry = memory.add(MEDIA_TYPE_MANIFEST, manifest.to_string().into_bytes());
        let mut entry = serde_json::to_value(entry).unwrap();
        let variant = format!("v{at}");
        entry["platform"] =
            serde_json::json!({"os": "linux", "architecture": "amd64", "variant": variant});
        images.push(entry);
    }
    let index = serde_json::json!({"schemaVersion": 2, "manifests": images});
    let index = memory.add(MEDIA_TYPE_INDEX, index.to_string().into_bytes());
    memory.root = Some(index.clone());
    assert!(messages(&memory.check()).contains("more than cooper keeps"));
    let error = source::images(&memory, &index, None, &NullReporter).unwrap_err().to_string();
    assert!(error.contains("bytes of manifests and configs, more than cooper keeps"), "{error}");
}
