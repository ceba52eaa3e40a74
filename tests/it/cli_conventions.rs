//! What a verb refuses to do, and how it says what it did.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::command::{Place, Ran};

const SPEC: &str = r#"{"version":1,"name":"app","files":{"/x":{"text":"x"}}}"#;

fn place() -> Place {
    let place = Place::new();
    place.write("spec.json", SPEC);
    place
}

/// Runs cooper on a terminal of its own; both outputs come as one.
fn on_a_terminal(place: &Place, env: &[(&str, &str)], args: &str) -> Output {
    let mut script = Command::new("script");
    let command = format!("{} {args}", env!("CARGO_BIN_EXE_cooper"));
    script.args(["-qec", &command, "/dev/null"]).current_dir(place.path(""));
    for asked in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        script.env_remove(asked);
    }
    script.env("TERM", "xterm").env("XDG_CACHE_HOME", place.path("cache"));
    script.envs(env.iter().copied()).output().unwrap()
}

#[test]
fn archive_to_terminal_is_refused() {
    let place = place();
    place.builds();
    for verb in ["build spec.json", "save image.tar", "index spec.json"] {
        let output = on_a_terminal(&place, &[], &format!("{verb} -o -"));
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.starts_with("error: an archive is nothing for a terminal"), "{text}");
        assert!(text.contains("hint: "), "{text}");
    }
}

#[test]
fn dash_writes_documents_to_stdout() {
    let place = place();
    place.write("folder/etc/x", "x");
    let from_tree = |to: &str| place.cooper(&["spec", "from-tree", "folder", "-o", to]);
    let plan = |to: &str| place.cooper(&["plan", "spec.json", &format!("--write-lock={to}")]);
    for (write, file) in [(&from_tree as &dyn Fn(&str) -> Ran, "tree"), (&plan, "layers.lock")] {
        write(file).succeeded();
        let ran = write("-");
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert_eq!(ran.stdout, std::fs::read_to_string(place.path(file)).unwrap());
    }
    assert!(!place.path("-").exists());
}

#[test]
fn help_no_color_or_dumb_terminal_is_plain() {
    let place = place();
    let help = |env: &[_]| on_a_terminal(&place, env, "--help").stdout.contains(&0x1b);
    assert!(help(&[]));
    assert!(!help(&[("NO_COLOR", "1")]));
    assert!(!help(&[("TERM", "dumb")]));
    assert!(!help(&[("TERM", "dumb"), ("CI", "true")]));
}

#[test]
fn archive_name_with_compressed_suffix_is_refused() {
    let place = place();
    place.builds();
    for name in ["out.tar.gz", "out.tgz", "out.tar.zst"] {
        let archive = format!("oci-archive:{name}:v1");
        for verb in [
            &["copy", "image.tar", name][..],
            &["copy", "image.tar", &archive],
            &["save", "image.tar", "-o", name],
            &["build", "spec.json", "-o", name],
            &["index", "spec.json", "-o", name],
        ] {
            let ran = place.cooper(verb);
            ran.failed(1, &[name, "an archive is a plain tar", "`.tar`"]);
            assert!(!place.path(name).exists(), "{verb:?}");
        }
    }
    // A folder may have any name.
    place.cooper(&["copy", "image.tar", "oci:out.tgz"]).succeeded();
    place.cooper(&["copy", "image.tar", "out.tgz"]).succeeded();
    place.cooper(&["save", "image.tar", "--format=layout", "-o", "saved.tgz"]).succeeded();
}

#[test]
fn validate_unreadable_location_checks_the_others() {
    let place = place();
    place.builds();
    place.write("junk.tar", "junk");
    let words = ["validate", "junk.tar", "image.tar", "none.tar"];
    let ran = place.cooper(&words);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("app:latest is whole"), "{}", ran.stdout);
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error:")).collect();
    let told = ["error: failed to check `junk.tar`", "error: failed to check `none.tar`"];
    assert_eq!(errors, told, "{}", ran.stderr);
    assert!(ran.stderr.contains("No such file"), "{}", ran.stderr);
    let data: Value =
        serde_json::from_str(&place.cooper(&[&words[..], &["--json"]].concat()).stdout).unwrap();
    let good: Vec<&Value> = data.as_array().unwrap().iter().map(|place| &place["good"]).collect();
    assert_eq!(good, [false, true, false]);
    assert_eq!(data[2]["place"], "none.tar");
    assert!(data[2]["error"].as_str().unwrap().contains("No such file"), "{data}");
    assert_eq!(data[1]["error"], Value::Null);
}

#[test]
fn validate_several_locations_worst_error_sets_exit_code() {
    let place = place();
    place.builds();
    for words in [["docker-daemon:a:v1", "none.tar"], ["none.tar", "docker-daemon:a:v1"]] {
        let mut command = place.command(&["validate", "image.tar"]);
        command.args(words).env("DOCKER_HOST", "unix:///nowhere");
        let ran = Ran::of(command.output().unwrap());
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        let told: Vec<String> =
            words.map(|word| word.trim_start_matches("docker-daemon:").to_owned()).into();
        for place in told {
            assert!(ran.stderr.contains(&format!("failed to check `{place}`")), "{}", ran.stderr);
        }
    }
}

#[test]
fn fifo_as_image_is_refused_immediately() {
    let place = place();
    crate::support::command::run("mkfifo", &[&place.path("fifo")]);
    for verb in ["inspect", "history"] {
        let mut command = Command::new("timeout");
        command.args(["20", env!("CARGO_BIN_EXE_cooper"), verb, "fifo"]);
        let ran = Ran::of(command.current_dir(place.path("")).output().unwrap());
        ran.failed(1, &["failed to read `fifo`", "no regular file"]);
    }
}

#[test]
fn index_summary_has_one_duration() {
    let place = place();
    let told = place.cooper(&["index", "spec.json", "-o", "out.tar"]).stderr;
    assert!(told.starts_with("IMAGE") && !told.contains("TIME"), "{told}");
    assert!(told.lines().any(|line| line.starts_with("in ")), "{told}");
}

#[test]
fn cache_info_counts_layers_and_blobs() {
    let place = place();
    let other = SPEC.replace("app", "b");
    place.write("b.json", other);
    for spec in ["spec.json", "b.json"] {
        place.cooper(&["build", spec, "-o", "out.tar"]).succeeded();
    }
    let info = place.data(&["cache", "info"]);
    assert!(info.contains("\n1 layer, 1 blob; "), "{info}");
    place.write("b.json", SPEC.replace("\"x\"}", "\"y\"}"));
    place.cooper(&["build", "b.json", "-o", "out.tar"]).succeeded();
    let info = place.data(&["cache", "info"]);
    assert!(info.contains("\n2 layers, 2 blobs; "), "{info}");
}

#[test]
fn cache_verify_reports_each_damage_once() {
    let place = place();
    place.builds();
    let blobs = cooper::cache::folder(&place.path("cache/cooper")).join("blobs");
    for blob in std::fs::read_dir(blobs).unwrap() {
        std::fs::write(blob.unwrap().path(), "junk").unwrap();
    }
    let verified = place.cooper(&["cache", "verify"]);
    assert_eq!(verified.code, Some(1), "{}", verified.stderr);
    assert!(verified.stdout.contains("damaged: "), "{}", verified.stdout);
    assert!(verified.stderr.contains("removed"), "{}", verified.stderr);
    assert_eq!(place.cooper(&["cache", "verify"]).code, Some(0));
}

#[test]
fn max_layers_error_names_the_option() {
    let place = Place::new();
    place.spec(&["a"], serde_json::json!({}));
    let ran = place.cooper(&["plan", "spec.json", "--max-layers", "1"]);
    ran.failed(1, &["no layer left", "hint: `--max-layers 1`", "own files"]);
    let ran = place.cooper(&["plan", "spec.json", "--max-layers", "1000"]);
    ran.failed(1, &["at most 125", "hint: `--max-layers 1000`"]);
}

#[test]
fn help_to_full_device_is_an_error() {
    let place = place();
    for args in [&["--help"][..], &["--version"], &["help", "build"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = place.command(args).stdout(full).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        assert!(told.contains("failed to write to standard output"), "{told}");
    }
}

#[test]
fn exit_codes_are_in_help_and_readme() {
    let place = place();
    let help = place.data(&["--help"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    assert!(help.contains("128"), "{help}");
    for code in ["0", "1", "2", "3", "128 + N"] {
        assert!(readme.lines().any(|line| line.starts_with(&format!("| {code} |"))), "{code}");
    }
}

#[test]
fn notes_follow_quiet_and_json() {
    let place = place();
    let run = |args: &[&str]| {
        let mut command = place.command(args);
        let ran = Ran::of(command.env("DOCKER_HOST", "unix:///nowhere").output().unwrap());
        ran.succeeded();
        ran.stderr
    };
    for verb in [&["list", "spec.json"][..], &["load", "spec.json", "--or-save", "saved"]] {
        assert_eq!(run(&[verb, &["--quiet"]].concat()), "", "{verb:?}");
        let told = run(&[verb, &["--json"]].concat());
        let events = told.lines().map(|line| serde_json::from_str(line).expect(line));
        let events: Vec<Value> = events.collect();
        let warned = |e: &Value| e["message"].as_str().is_some_and(|m| m.contains("nowhere"));
        assert!(events.iter().any(warned), "{told}");
    }
}

#[test]
fn thread_limit_is_an_environment_error() {
    // Nobody but root may start one.
    let script = "[ $(id -u) = 0 ] && set -- setpriv --reuid 65534 --clear-groups \"$@\"
        exec prlimit --nproc=0 \"$@\"";
    let place = place();
    let run = |args: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_cooper")]).args(args.split(' '));
        command.stdin(std::fs::File::open(place.path("spec.json")).unwrap());
        Ran::of(command.output().unwrap())
    };
    // What needs no thread works without one.
    run("schema").succeeded();
    run("build - -o - --cache none").failed(2, &["failed to start", "hint: ", "processes"]);
}
