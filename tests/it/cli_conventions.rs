//! Rules that hold for every command: refused output, exit codes, notes and summaries.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::command::{CommandOutput, TestDir};

const SPEC: &str = r#"{"version":1,"name":"app","files":{"/x":{"text":"x"}}}"#;

fn test_dir() -> TestDir {
    let test_dir = TestDir::new();
    test_dir.write("spec.json", SPEC);
    test_dir
}

/// Runs cooper on a terminal of its own; both outputs come as one.
fn run_on_terminal(test_dir: &TestDir, env: &[(&str, &str)], args: &str) -> Output {
    let mut script = Command::new("script");
    let command = format!("{} {args}", env!("CARGO_BIN_EXE_cooper"));
    script.args(["-qec", &command, "/dev/null"]).current_dir(test_dir.path(""));
    for asked in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        script.env_remove(asked);
    }
    script.env("TERM", "xterm").env("XDG_CACHE_HOME", test_dir.path("cache"));
    script.envs(env.iter().copied()).output().unwrap()
}

#[test]
fn archive_to_terminal_is_refused() {
    let test_dir = test_dir();
    test_dir.build_archive();
    for subcommand in ["build spec.json", "save image.tar", "index spec.json"] {
        let output = run_on_terminal(&test_dir, &[], &format!("{subcommand} -o -"));
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.starts_with("error: refusing to write an archive to a terminal"), "{text}");
        assert!(text.contains("hint: "), "{text}");
    }
}

#[test]
fn dash_writes_documents_to_stdout() {
    let test_dir = test_dir();
    test_dir.write("root/etc/x", "x");
    let from_tree = |to: &str| test_dir.cooper(&["spec", "from-tree", "root", "-o", to]);
    let plan = |to: &str| test_dir.cooper(&["plan", "spec.json", &format!("--write-lock={to}")]);
    for (write, file) in
        [(&from_tree as &dyn Fn(&str) -> CommandOutput, "tree"), (&plan, "layers.lock")]
    {
        write(file).assert_success();
        let result = write("-");
        assert_eq!((result.code, result.stderr.as_str()), (Some(0), ""));
        assert_eq!(result.stdout, std::fs::read_to_string(test_dir.path(file)).unwrap());
    }
    assert!(!test_dir.path("-").exists());
}

#[test]
fn help_no_color_or_dumb_terminal_is_plain() {
    let test_dir = test_dir();
    let help = |env: &[_]| run_on_terminal(&test_dir, env, "--help").stdout.contains(&0x1b);
    assert!(help(&[]));
    assert!(!help(&[("NO_COLOR", "1")]));
    assert!(!help(&[("TERM", "dumb")]));
    assert!(!help(&[("TERM", "dumb"), ("CI", "true")]));
}

#[test]
fn archive_name_with_compressed_suffix_is_refused() {
    let test_dir = test_dir();
    test_dir.build_archive();
    for name in ["out.tar.gz", "out.tgz", "out.tar.zst"] {
        let archive = format!("oci-archive:{name}:v1");
        for subcommand in [
            &["copy", "image.tar", name][..],
            &["copy", "image.tar", &archive],
            &["save", "image.tar", "-o", name],
            &["build", "spec.json", "-o", name],
            &["index", "spec.json", "-o", name],
        ] {
            let result = test_dir.cooper(subcommand);
            result.assert_failure(1, &[name, "an archive is a plain tar", "`.tar`"]);
            assert!(!test_dir.path(name).exists(), "{subcommand:?}");
        }
    }
    // A directory may have any name.
    test_dir.cooper(&["copy", "image.tar", "oci:out.tgz"]).assert_success();
    test_dir.cooper(&["copy", "image.tar", "out.tgz"]).assert_success();
    test_dir.cooper(&["save", "image.tar", "--format=layout", "-o", "saved.tgz"]).assert_success();
}

#[test]
fn validate_unreadable_location_checks_the_others() {
    let test_dir = test_dir();
    test_dir.build_archive();
    test_dir.write("junk.tar", "junk");
    let words = ["validate", "junk.tar", "image.tar", "none.tar"];
    let result = test_dir.cooper(&words);
    assert_eq!(result.code, Some(1), "{}", result.stderr);
    assert!(result.stdout.contains("app:latest is whole"), "{}", result.stdout);
    let errors: Vec<&str> =
        result.stderr.lines().filter(|line| line.starts_with("error:")).collect();
    let messages = ["error: failed to check `junk.tar`", "error: failed to check `none.tar`"];
    assert_eq!(errors, messages, "{}", result.stderr);
    assert!(result.stderr.contains("No such file"), "{}", result.stderr);
    let data: Value =
        serde_json::from_str(&test_dir.cooper(&[&words[..], &["--json"]].concat()).stdout).unwrap();
    let good: Vec<&Value> =
        data.as_array().unwrap().iter().map(|test_dir| &test_dir["good"]).collect();
    assert_eq!(good, [false, true, false]);
    assert_eq!(data[2]["place"], "none.tar");
    assert!(data[2]["error"].as_str().unwrap().contains("No such file"), "{data}");
    assert_eq!(data[1]["error"], Value::Null);
}

#[test]
fn validate_several_locations_worst_error_sets_exit_code() {
    let test_dir = test_dir();
    test_dir.build_archive();
    for words in [["docker-daemon:a:v1", "none.tar"], ["none.tar", "docker-daemon:a:v1"]] {
        let mut command = test_dir.command(&["validate", "image.tar"]);
        command.args(words).env("DOCKER_HOST", "unix:///missing");
        let result = CommandOutput::new(command.output().unwrap());
        assert_eq!(result.code, Some(2), "{}", result.stderr);
        let messages: Vec<String> =
            words.map(|word| word.trim_start_matches("docker-daemon:").to_owned()).into();
        for location in messages {
            assert!(
                result.stderr.contains(&format!("failed to check `{location}`")),
                "{}",
                result.stderr
            );
        }
    }
}

#[test]
fn fifo_as_image_is_refused_immediately() {
    let test_dir = test_dir();
    crate::support::command::run("mkfifo", &[&test_dir.path("fifo")]);
    for subcommand in ["inspect", "history"] {
        let mut command = Command::new("timeout");
        command.args(["20", env!("CARGO_BIN_EXE_cooper"), subcommand, "fifo"]);
        let result = CommandOutput::new(command.current_dir(test_dir.path("")).output().unwrap());
        result.assert_failure(1, &["failed to read `fifo`", "no regular file"]);
    }
}

#[test]
fn index_summary_has_one_duration() {
    let test_dir = test_dir();
    let messages = test_dir.cooper(&["index", "spec.json", "-o", "out.tar"]).stderr;
    assert!(messages.starts_with("IMAGE") && !messages.contains("TIME"), "{messages}");
    assert!(messages.lines().any(|line| line.starts_with("in ")), "{messages}");
}

#[test]
fn cache_info_counts_layers_and_blobs() {
    let test_dir = test_dir();
    let other = SPEC.replace("app", "b");
    test_dir.write("b.json", other);
    for spec in ["spec.json", "b.json"] {
        test_dir.cooper(&["build", spec, "-o", "out.tar"]).assert_success();
    }
    let info = test_dir.stdout_of(&["cache", "info"]);
    assert!(info.contains("\n1 layer, 1 blob; "), "{info}");
    test_dir.write("b.json", SPEC.replace("\"x\"}", "\"y\"}"));
    test_dir.cooper(&["build", "b.json", "-o", "out.tar"]).assert_success();
    let info = test_dir.stdout_of(&["cache", "info"]);
    assert!(info.contains("\n2 layers, 2 blobs; "), "{info}");
}

#[test]
fn cache_verify_reports_each_damage_once() {
    let test_dir = test_dir();
    test_dir.build_archive();
    let blobs = cooper::cache::folder(&test_dir.path("cache/cooper")).join("blobs");
    for blob in std::fs::read_dir(blobs).unwrap() {
        std::fs::write(blob.unwrap().path(), "junk").unwrap();
    }
    let verified = test_dir.cooper(&["cache", "verify"]);
    assert_eq!(verified.code, Some(1), "{}", verified.stderr);
    assert!(verified.stdout.contains("damaged: "), "{}", verified.stdout);
    assert!(verified.stderr.contains("removed"), "{}", verified.stderr);
    assert_eq!(test_dir.cooper(&["cache", "verify"]).code, Some(0));
}

#[test]
fn max_layers_error_names_the_option() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&["a"], serde_json::json!({}));
    let result = test_dir.cooper(&["plan", "spec.json", "--max-layers", "1"]);
    result.assert_failure(1, &["no layer left", "hint: `--max-layers 1`", "own files"]);
    let result = test_dir.cooper(&["plan", "spec.json", "--max-layers", "1000"]);
    result.assert_failure(1, &["at most 125", "hint: `--max-layers 1000`"]);
}

#[test]
fn help_to_full_device_is_an_error() {
    let test_dir = test_dir();
    for args in [&["--help"][..], &["--version"], &["help", "build"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = test_dir.command(args).stdout(full).output().unwrap();
        let messages = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {messages}");
        assert!(messages.contains("failed to write to standard output"), "{messages}");
    }
}

#[test]
fn exit_codes_are_in_help_and_readme() {
    let test_dir = test_dir();
    let help = test_dir.stdout_of(&["--help"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    assert!(help.contains("128"), "{help}");
    for code in ["0", "1", "2", "3", "128 + N"] {
        assert!(readme.lines().any(|line| line.starts_with(&format!("| {code} |"))), "{code}");
    }
}

#[test]
fn notes_follow_quiet_and_json() {
    let test_dir = test_dir();
    let run = |args: &[&str]| {
        let mut command = test_dir.command(args);
        let result =
            CommandOutput::new(command.env("DOCKER_HOST", "unix:///missing").output().unwrap());
        result.assert_success();
        result.stderr
    };
    for subcommand in [&["list", "spec.json"][..], &["load", "spec.json", "--or-save", "saved"]] {
        assert_eq!(run(&[subcommand, &["--quiet"]].concat()), "", "{subcommand:?}");
        let messages = run(&[subcommand, &["--json"]].concat());
        let events = messages.lines().map(|line| serde_json::from_str(line).expect(line));
        let events: Vec<Value> = events.collect();
        let warned = |e: &Value| e["message"].as_str().is_some_and(|m| m.contains("missing"));
        assert!(events.iter().any(warned), "{messages}");
    }
}

#[test]
fn thread_limit_is_an_environment_error() {
    // The limit does not apply to root.
    let script = "[ $(id -u) = 0 ] && set -- setpriv --reuid 65534 --clear-groups \"$@\"
        exec prlimit --nproc=0 \"$@\"";
    let test_dir = test_dir();
    let run = |args: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_cooper")]).args(args.split(' '));
        command.stdin(std::fs::File::open(test_dir.path("spec.json")).unwrap());
        CommandOutput::new(command.output().unwrap())
    };
    // A command without threads works.
    run("schema").assert_success();
    run("build - -o - --cache none").assert_failure(2, &["failed to start", "hint: ", "processes"]);
}
