//! What is hostile costs bounded time and memory, and is said.

use super::tests::{Memory, messages, tar_of};
use super::*;
use crate::image::{MEDIA_TYPE_CONFIG, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST};
use crate::report::Silent;
use crate::transport::source::tar::TarReader;

#[test]
fn a_layer_of_too_many_entries_or_faults_is_told_of_in_bounded_memory() {
    // fault 64
    let tar = tar_of(&vec![("../a", b'0', ""); 1500]);
    let report = Memory::plain(&[tar]).check();
    let text = messages(&report);
    assert!(report.findings.len() < 1010, "{}", report.findings.len());
    assert!(text.contains("there is more, which is not listed"), "{text}");
    let tar = tar_of(&[("a", b'0', ""), ("b", b'2', "to"), ("c", b'0', "")]);
    let entries = |entries, names| {
        let mut scan = Scan::default();
        let most = layer::Most { entries, names };
        let result = layer::entries(&mut TarReader::streaming(&tar[..]), &mut scan, most);
        (scan.entries.len(), result.map_err(|error| error.to_string()))
    };
    assert_eq!(entries(3, 5), (3, Ok(())));
    let (count, result) = entries(2, 5);
    assert!(count == 2 && result.unwrap_err().contains("more than 2 entries"));
    let (count, result) = entries(3, 4);
    assert!(count == 2 && result.unwrap_err().contains("more than 4 bytes"));
}

#[test]
fn of_a_thousand_and_more_wrong_links_a_thousand_are_listed() {
    let names: Vec<String> = (0..1500).map(|at| format!("link{at}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), b'1', "gone")).collect();
    let findings = Memory::plain(&[tar_of(&entries)]).check().findings;
    assert_eq!(findings.len(), 1001);
    assert!(findings[1000].message.contains("there is more"), "{:?}", findings[1000]);
}

#[test]
fn what_many_images_share_is_listed_a_hundred_thousand_times_at_most() {
    let names: Vec<String> = (0..1000).map(|at| format!("link{at}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), b'1', "gone")).collect();
    let mut memory = Memory::plain(&[tar_of(&entries)]);
    let image = memory.root.clone().unwrap();
    let bytes = String::from_utf8(memory.blobs[&image.digest].clone()).unwrap();
    let other = |at: usize| format!("{}{}", bytes, " ".repeat(at)).into_bytes();
    let roots: Vec<_> = (0..102).map(|at| memory.add(MEDIA_TYPE_MANIFEST, other(at))).collect();
    let findings = check(&memory, &roots, 2, &Silent).findings;
    assert_eq!(findings.len(), 100_001);
    assert_eq!(findings[100_000].place, "memory");
    assert_eq!(findings[100_000].severity, Severity::Error);
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
    let report = check(&memory, &roots, 2, &Silent);
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
        images.push(memory.add(MEDIA_TYPE_MANIFEST, manifest.to_string().into_bytes()));
    }
    let index = serde_json::json!({"schemaVersion": 2, "manifests": images});
    let index = memory.add(MEDIA_TYPE_INDEX, index.to_string().into_bytes());
    memory.root = Some(index.clone());
    assert!(messages(&memory.check()).contains("more than cooper keeps"));
    let error = source::images(&memory, &index, None).unwrap_err().to_string();
    assert!(error.contains("bytes of configs, more than cooper keeps"), "{error}");
}
