//! `cooper diff` in cases where its limit could pass wrongly.

use serde_json::{Value, json};

use crate::support::command::TestDir;

#[test]
fn diff_other_mtime_or_compression_counts_all_layers() {
    let test_dir = TestDir::new();
    test_dir.store_file("a-1", "x", "x");
    let files = json!({"/etc/motd": {"text": "x"}});
    let spec = |name: &str, mut fields: Value| {
        fields["files"] = files.clone();
        std::fs::rename(test_dir.write_spec(&["a-1"], fields), test_dir.path(name)).unwrap();
    };
    spec("old.json", json!({"compression": {"algorithm": "gzip"}}));
    spec("zstd.json", json!({"compression": {"algorithm": "zstd"}}));
    spec("later.json", json!({"mtime": "2025-01-01T00:00:00Z"}));
    spec(
        "both.json",
        json!({"mtime": "2025-01-01T00:00:00Z", "compression": {"algorithm": "gzip", "level": 9}}),
    );
    for (new, why, config) in [
        ("zstd.json", "another compression", false),
        ("later.json", "another mtime", true),
        ("both.json", "another compression and mtime", true),
    ] {
        let args = ["diff", "old.json", new, "--json"];
        let report: Value = serde_json::from_str(&test_dir.cooper(&args).stdout).unwrap();
        assert_eq!(report["layers"][0]["because"], why);
        assert_eq!(report["layers"][0]["narSize"], 1000);
        let others = report["others"].as_array().unwrap();
        let because = |what: &str| others.iter().find(|o| o["what"] == what).map(|o| &o["because"]);
        assert_eq!(because("own files"), Some(&json!(why)), "{report}");
        assert_eq!(because("config").is_some(), config, "{report}");
        let text = test_dir.stdout_of(&["diff", "old.json", new]);
        assert_eq!(text.matches(why).count(), 2, "{text}");
        assert!(text.contains("in 2 of 2 layers"), "{text}");
        let over = test_dir.cooper(&["diff", "old.json", new, "--max-bytes", "0"]);
        assert_eq!(over.code, Some(1), "{}", over.stderr);
    }
}

#[test]
fn diff_missing_files_allowed_in_old_image_only() {
    let test_dir = TestDir::new();
    let spec = |name: &str, source: &str| {
        let source = test_dir.store_path("a-1").join(source);
        let files = json!({"files": {"/x": {"source": source}}});
        std::fs::rename(test_dir.write_spec(&["a-1"], files), test_dir.path(name)).unwrap();
    };
    test_dir.store_file("a-1", "here", "x");
    let fifo = test_dir.store_path("a-1").join("fifo");
    crate::support::command::run("mkfifo", &[&fifo]);
    spec("whole.json", "here");
    spec("gone.json", "gone");
    spec("odd.json", "fifo");
    let diff = |old: &str, new: &str| test_dir.cooper(&["diff", old, new, "--max-bytes=1000000"]);
    let forgiven = diff("gone.json", "whole.json");
    forgiven.assert_success();
    assert!(forgiven.stderr.starts_with("warning: the own files of `app`"), "{}", forgiven.stderr);
    let quiet = test_dir.cooper(&["diff", "--quiet", "gone.json", "whole.json"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
    let messages = test_dir.cooper(&["diff", "--json", "gone.json", "whole.json"]).stderr;
    let warned = |line: &str| serde_json::from_str::<Value>(line).unwrap()["event"] == "warning";
    assert!(messages.lines().any(warned), "{messages}");
    diff("whole.json", "gone.json").assert_failure(1, &["failed to assemble `app`", "gone"]);
    for (old, new) in [("odd.json", "whole.json"), ("whole.json", "odd.json")] {
        diff(old, new).assert_failure(1, &["not a file, directory or link"]);
    }
}
