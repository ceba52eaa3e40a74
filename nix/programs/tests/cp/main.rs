//! `cp` as an init container runs it: as nobody, from read-only sources, more than once.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // the helpers are tests, too

mod bench;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use bench::{Bench, PLUGIN, stderr};

#[test]
fn a_second_copy_gives_the_same_tree_and_does_not_nest() {
    let bench = Bench::new("twice");
    bench.plugin();
    for _ in 0..3 {
        bench.copies(&["-r", "plugin", "volume/betrace-app"]);
        assert_eq!(bench.tree("volume/betrace-app"), PLUGIN);
    }
    assert_eq!(bench.tree("volume").len(), PLUGIN.len() + 1, "only the copy is left");
}

#[test]
fn a_shell_finds_this_cp_and_it_is_the_same_on_every_run() {
    let bench = Bench::new("shell");
    bench.plugin();
    for _ in 0..2 {
        let script = "cp -r plugin volume/betrace-app";
        let output = bench.command(Path::new("/bin/sh"), &["-c", script]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(bench.tree("volume/betrace-app"), PLUGIN);
    }
}

#[test]
fn another_directory_receives_the_source_under_its_own_name() {
    let bench = Bench::new("into");
    bench.plugin();
    for _ in 0..2 {
        bench.copies(&["-r", "plugin", "volume"]);
        assert_eq!(bench.tree("volume/plugin"), PLUGIN);
    }
    bench.file("volume/other/notes.txt", "mine");
    bench.give("volume/other");
    bench.copies(&["-r", "plugin", "volume/other/"]);
    assert_eq!(bench.tree("volume/other/plugin"), PLUGIN);
}

#[test]
fn a_newer_version_replaces_the_older_one() {
    let bench = Bench::new("newer");
    bench.plugin();
    bench.copies(&["-r", "plugin", "volume/betrace-app"]);
    bench.file("plugin-2/plugin.json", "{2}");
    bench.file("plugin-2/module.js", "define([2])");
    bench.file("plugin-2/img/logo.svg", "<svg/>");
    bench.file("plugin-2/README.md", "new");
    bench.copies(&["-r", "plugin-2", "volume/betrace-app"]);
    assert_eq!(
        bench.tree("volume/betrace-app"),
        [
            "README.md = new",
            "img/",
            "img/logo.svg = <svg/>",
            "module.js = define([2])",
            "plugin.json = {2}"
        ]
    );
}

#[test]
fn a_dot_or_the_letter_t_never_nests() {
    let bench = Bench::new("never");
    bench.plugin();
    bench.file("volume/app/old.txt", "old");
    bench.give("volume/app");
    bench.copies(&["-r", "plugin/.", "volume/app"]);
    bench.copies(&["-rT", "plugin", "volume/app"]);
    let mut expected = PLUGIN.to_vec();
    expected.insert(3, "old.txt = old");
    assert_eq!(bench.tree("volume/app"), expected);
}

#[test]
fn directories_become_writable_and_files_keep_their_modes() {
    let bench = Bench::new("modes");
    bench.plugin();
    let mode = |name: &str| fs::metadata(bench.path(name)).unwrap().mode() & 0o777;
    for _ in 0..2 {
        bench.copies(&["-r", "plugin", "volume/app"]);
        assert_eq!(mode("volume/app") & 0o700, 0o700);
        assert_eq!(mode("volume/app/img") & 0o700, 0o700);
        assert_eq!(mode("volume/app/plugin.json"), 0o444);
        assert_eq!(mode("volume/app/module.js"), 0o555);
    }
}

#[test]
fn links_out_of_the_tree_arrive_as_files_and_links_inside_stay_links() {
    let bench = Bench::new("links");
    bench.file("store/abc-plugin/plugin.json", "{}");
    bench.file("store/abc-plugin/img/logo.svg", "<svg/>");
    bench.file("plugin/module.js", "define([])");
    symlink(bench.path("store/abc-plugin/plugin.json"), bench.path("plugin/plugin.json")).unwrap();
    symlink(bench.path("store/abc-plugin/img"), bench.path("plugin/img")).unwrap();
    symlink("module.js", bench.path("plugin/main.js")).unwrap();
    symlink("plugin.json", bench.path("plugin/again.json")).unwrap();
    symlink("../plugin/module.js", bench.path("plugin/around.js")).unwrap();
    symlink("plugin", bench.path("linked-plugin")).unwrap();
    for source in ["plugin", "linked-plugin"] {
        bench.copies(&["-r", source, "volume/app"]);
        assert_eq!(
            bench.tree("volume/app"),
            [
                "again.json = {}",
                "around.js = define([])",
                "img/",
                "img/logo.svg = <svg/>",
                "main.js -> module.js",
                "module.js = define([])",
                "plugin.json = {}"
            ]
        );
    }
}

#[test]
fn a_link_above_itself_ends_in_an_error_and_leaves_nothing() {
    let bench = Bench::new("loop");
    bench.file("nest/plugin/module.js", "define([])");
    symlink("..", bench.path("nest/plugin/up")).unwrap();
    symlink("../..", bench.path("nest/plugin/top")).unwrap();
    bench.fails(
        &["-r", "nest/plugin", "volume/app"],
        &[
            "`nest/plugin/up/plugin` is a symlink loop",
            "`nest/plugin/top` cannot be copied into itself",
        ],
    );
    assert!(bench.tree("volume").is_empty());
}

#[test]
fn what_cannot_be_copied_is_named_and_the_rest_goes_on() {
    let bench = Bench::new("partly");
    bench.file("plugin/a.txt", "a");
    bench.file("plugin/z.txt", "z");
    symlink("/missing", bench.path("plugin/gone")).unwrap();
    let made = Command::new("mkfifo").arg(bench.path("plugin/pipe")).status().unwrap();
    assert!(made.success());
    // Into a directory that is there already, good files arrive in spite of bad ones.
    bench.file("volume/app/a.txt", "old");
    bench.give("volume/app");
    bench.fails(
        &["-rT", "plugin", "volume/app"],
        &["failed to follow `plugin/gone`: No such file", "`plugin/pipe` is not a file"],
    );
    assert_eq!(bench.tree("volume/app"), ["a.txt = a", "z.txt = z"]);
    // A new one does not appear in pieces.
    bench.fails(&["-r", "plugin", "volume/new"], &["`volume/new` was not created"]);
    assert!(!bench.path("volume/new").exists());
}

#[test]
fn a_run_that_was_killed_is_finished_by_the_next() {
    let bench = Bench::new("killed");
    bench.plugin();
    bench.file("volume/.cp-partial-app/img/logo.svg", "<s");
    bench.file("volume/.cp-partial-app/module.js", "define([])");
    for name in ["volume/.cp-partial-app/img", "volume/.cp-partial-app"] {
        bench.give(name);
    }
    bench.copies(&["-r", "plugin", "volume/app"]);
    assert_eq!(bench.tree("volume/app"), PLUGIN);
    assert!(!bench.path("volume/.cp-partial-app").exists());
}

#[test]
fn a_planted_link_is_replaced_and_never_written_through() {
    let bench = Bench::new("planted");
    bench.plugin();
    bench.file("victim/file", "untouched");
    bench.copies(&["-r", "plugin", "volume/app"]);
    fs::remove_file(bench.path("volume/app/plugin.json")).unwrap();
    symlink(bench.path("victim/file"), bench.path("volume/app/plugin.json")).unwrap();
    bench.copies(&["-r", "plugin", "volume/app"]);
    assert_eq!(bench.tree("volume/app"), PLUGIN);
    assert_eq!(bench.tree("victim"), ["file = untouched"]);
    fs::remove_dir_all(bench.path("volume/app/img")).unwrap();
    symlink(bench.path("victim"), bench.path("volume/app/img")).unwrap();
    bench.fails(&["-rT", "plugin", "volume/app"], &["`volume/app/img` is not a directory"]);
    assert_eq!(bench.tree("victim"), ["file = untouched"]);
}

#[test]
fn errors_name_their_path() {
    let bench = Bench::new("errors");
    bench.plugin();
    bench.file("volume/file", "x");
    let cases: [(&[&str], &[&str]); 8] = [
        (&["plugin", "volume/x"], &["`plugin` is a directory; use -r"]),
        (&["-r", "missing", "volume/x"], &["failed to open `missing`", "No such file"]),
        (
            &["-r", "plugin", "volume/a/b/c"],
            &["failed to create `volume/a/b/.cp-partial-c`", "No such file"],
        ),
        (&["-r", "plugin", "bin/x"], &["failed to create `bin/.cp-partial-x`", "denied"]),
        (&["-r", "plugin", "volume/file"], &["`volume/file` is not a directory"]),
        (&["-r", "plugin", "bin/cp", "volume/missing"], &["`volume/missing` is not a directory"]),
        (&["volume/file", "volume/file"], &["`volume/file` is its own source"]),
        (&["-r", "volume", "volume/in"], &["`volume` cannot be copied into itself"]),
    ];
    for (args, why) in cases {
        bench.fails(args, why);
    }
    assert_eq!(bench.tree("volume"), ["file = x"]);
    for (args, message) in [
        (&["-ra", "a", "b"][..], "unknown option `-ra`; see cp --help"),
        (&["--reflink", "a", "b"], "unknown option `--reflink`; see cp --help"),
        (&["-r", "/plugin"], "missing destination after `/plugin`"),
        (&["-T", "a", "b", "c"], "-T takes one source and one destination"),
        (&["", "b"], "a path is empty"),
        (&[], "missing source; see cp --help"),
    ] {
        let output = bench.cp(args);
        assert_eq!(output.status.code(), Some(2), "cp {args:?}");
        assert_eq!(stderr(&output), format!("cp: {message}\n"));
    }
}

#[test]
fn single_files_go_to_a_name_or_into_a_directory() {
    let bench = Bench::new("single");
    bench.plugin();
    bench.copies(&["plugin/plugin.json", "volume/renamed.json"]);
    bench.copies(&["plugin/plugin.json", "plugin/module.js", "volume"]);
    bench.copies(&["-f", "plugin/module.js", "volume/renamed.json"]);
    assert_eq!(
        bench.tree("volume"),
        ["module.js = define([])", "plugin.json = {}", "renamed.json = define([])"]
    );
}

#[test]
fn closed_stream_or_reader_leaves_a_copy_whole() {
    let bench = Bench::new("streams");
    bench.plugin();
    for (at, redirection) in [">&-", "2>&-", "<&- >&- 2>&-", "| :"].iter().enumerate() {
        // The shell ends once all programs of a pipe have.
        let script = format!("cp -r plugin volume/{at} {redirection}");
        let output = bench.command(Path::new("/bin/sh"), &["-c", &script]);
        assert!(output.status.success(), "{redirection}: {}", stderr(&output));
        assert_eq!(bench.tree(&format!("volume/{at}")), PLUGIN, "{redirection}");
    }
}
