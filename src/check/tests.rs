#![expect(clippy::needless_pass_by_value, reason = "a test reads better without borrowing")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

const HASH: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const AMD64: u16 = 62;
const ARM64: u16 = 183;

/// A folder of store paths, and images over them.
struct Store {
    dir: tempfile::TempDir,
    paths: Vec<String>,
}

impl Store {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), paths: Vec::new() }
    }

    /// A store path of the closure.
    fn path(&mut self, name: &str) -> PathBuf {
        let path = self.outside(name);
        let text = path.to_str().unwrap().to_owned();
        if !self.paths.contains(&text) {
            self.paths.push(text);
        }
        path
    }

    /// A store path that the closure lacks.
    fn outside(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{HASH}-{name}"))
    }

    /// A program below a store path of the closure.
    fn program(&mut self, name: &str, below: &str, bytes: &[u8]) -> String {
        let full = self.path(name).join(below);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        crate::fs::write_atomically(&full, bytes).unwrap();
        std::fs::set_permissions(&full, std::fs::Permissions::from_mode(0o555)).unwrap();
        full.to_str().unwrap().to_owned()
    }

    fn check(&self, fields: Value) -> Result<Vec<String>, CheckError> {
        let mut spec = json!({"version": 1, "name": "app"});
        let closure: Vec<Value> = self
            .paths
            .iter()
            .map(|path| json!({"path": path, "narHash": "sha256:0", "narSize": 1000}))
            .collect();
        spec["closure"] = closure.into();
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let spec = crate::spec::parse(spec.to_string().as_bytes()).unwrap();
        let rootfs = Rootfs::new(&spec).unwrap();
        check(&spec, &rootfs)
    }

    /// The problems as `check: message`, store paths cut to their names.
    fn problems(&self, fields: Value) -> Vec<String> {
        let dir = format!("{}/{HASH}-", self.dir.path().display());
        match self.check(fields) {
            Ok(_) => Vec::new(),
            Err(CheckError::Problems(problems)) => problems
                .iter()
                .map(|p| format!("{}: {}", p.check, p.message).replace(&dir, "…-"))
                .collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    /// The one problem has this check and these words.
    fn finds(&self, fields: Value, check: &str, says: &str) {
        let problems = self.problems(fields.clone());
        let [problem] = problems.as_slice() else { panic!("{fields} gave {problems:?}") };
        assert!(problem.starts_with(&format!("{check}: ")), "{fields} gave {problem}");
        assert!(problem.contains(says), "{fields} gave {problem}");
    }

    fn passes(&self, fields: Value) {
        assert_eq!(self.problems(fields.clone()), Vec::<String>::new(), "{fields}");
    }
}

/// A 64-bit little-endian ELF program with nothing in it but its loader's name.
fn elf(machine: u16, loader: Option<&str>) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend(2_u16.to_le_bytes());
    bytes.extend(machine.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    // Entry, program headers at 64, no sections; flags.
    for word in [0_u64, 64, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, u16::from(loader.is_some()), 64, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    let Some(loader) = loader else { return bytes };
    let size = loader.len() as u64 + 1;
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(4_u32.to_le_bytes());
    for word in [120, 0, 0, size, size, 1] {
        bytes.extend(u64::to_le_bytes(word));
    }
    bytes.extend(loader.as_bytes());
    bytes.push(0);
    bytes
}

fn entrypoint(path: &str) -> Value {
    json!({"config": {"Entrypoint": [path]}})
}

#[test]
fn an_image_without_a_program_ships() {
    // Others copy from it, or name a command when they run it.
    Store::new().passes(json!({}));
    Store::new().passes(json!({"config": {"Entrypoint": [], "Cmd": []}}));
}

#[test]
fn the_program_is_found_through_links_as_a_kernel_finds_it() {
    let mut store = Store::new();
    let app = store.program("app", "bin/app", &elf(AMD64, None));
    let root = store.path("app");
    symlink("../bin/app", root.join("bin/relative")).unwrap();
    symlink(&app, root.join("bin/absolute")).unwrap();
    symlink("loop", root.join("bin/loop")).unwrap();
    symlink("nowhere", root.join("bin/dangling")).unwrap();
    symlink("/etc/hostname", root.join("bin/host")).unwrap();
    let with = |word: &str| {
        json!({"contents": [root], "symlinks": {"/app": "/bin/../bin/relative", "/b": "bin"},
            "config": {"Entrypoint": [word]}})
    };
    for word in [&app, "/bin/app", "/bin/relative", "/bin/absolute", "/app", "/b/app", "app"] {
        store.passes(with(word));
    }
    store.finds(with("/bin/loop"), "entrypoint", "is a loop of links");
    store.finds(with("/bin/dangling"), "entrypoint", "bin/nowhere`, which is not in the image");
    // The host has this file, and the image has not.
    store.finds(with("/bin/host"), "entrypoint", "leads to `/etc/hostname`, which is not in");
    store.finds(with("/bin"), "entrypoint", "is a directory");
    store.finds(with("/bin/app/x"), "entrypoint", "which is a file");
    store.finds(with("./app/y"), "entrypoint", "`/./app/y`, which leads through `");
    store.finds(with("other"), "entrypoint", "not in any directory of PATH (/usr/local/sbin:");
    store.finds(with(""), "entrypoint", "empty word");
}

#[test]
fn a_store_path_that_the_closure_lacks_is_named_as_such() {
    let mut store = Store::new();
    let path = store.program("gone", "bin/x", &elf(AMD64, None));
    store.paths.clear();
    store.finds(entrypoint(&path), "entrypoint", "…-gone`, which is not in the image's closure");
    let mut store = Store::new();
    let path = store.program("app", "bin/x", &elf(AMD64, None));
    let mut fields = entrypoint(&path);
    fields["includeStorePaths"] = false.into();
    store.finds(fields, "entrypoint", "not in the image's closure");
}

#[test]
fn the_path_variable_the_command_and_the_working_directory_count() {
    let mut store = Store::new();
    let app = store.program("app", "opt/tools/app", &elf(AMD64, None));
    let root = store.path("app");
    let with = |config: Value| json!({"contents": [root], "config": config});
    store.passes(with(json!({"Cmd": ["app"], "Env": ["PATH=/bin:/opt/tools"]})));
    store.passes(with(json!({"Cmd": ["tools/app"], "WorkingDir": "/opt"})));
    store.passes(with(json!({"Entrypoint": [app], "Cmd": ["serve"]})));
    store.finds(with(json!({"Cmd": ["app"]})), "entrypoint", "config.Cmd starts `app`");
}

#[test]
fn what_a_kernel_would_not_run_does_not_ship() {
    let store = Store::new();
    let with = |mode: &str, text: &str| {
        let file = json!({"text": text, "mode": mode});
        json!({"files": {"/app": file}, "config": {"Entrypoint": ["/app"]}})
    };
    store.finds(with("0644", "#!/bin/sh\n"), "entrypoint", "is not executable");
    store.finds(with("0755", "echo hello"), "entrypoint", "neither an ELF program nor a script");
    store.finds(with("0755", "\u{7f}ELF"), "entrypoint", "a damaged ELF file");
    let long = String::from_utf8(elf(AMD64, Some(&"/".repeat(4096)))).unwrap();
    store.finds(with("0755", &long), "entrypoint", "a damaged ELF file");
    store.finds(with("0755", "#!/bin/sh\n"), "interpreter", "`/bin/sh`, which is not in the image");
    store.finds(with("0755", "#!sh\n"), "interpreter", "is no absolute path");
    store.finds(with("0755", "#!\n"), "interpreter", "without interpreter");
    store.finds(with("0755", "#!/app\n"), "interpreter", "one interpreter too many");
}

#[test]
fn programs_must_be_made_for_the_platform_and_find_their_loader() {
    let mut store = Store::new();
    let loader = store.program("libc", "lib/ld.so", &elf(AMD64, None));
    let app = store.program("app", "bin/app", &elf(AMD64, Some(&loader)));
    let foreign = store.program("foreign", "bin/app", &elf(ARM64, None));
    let lost = store.program("lost", "bin/app", &elf(AMD64, Some("/lib64/ld-linux-x86-64.so.2")));
    store.passes(entrypoint(&app));
    store.finds(
        entrypoint(&foreign),
        "architecture",
        "made for arm64, and the image for linux/amd64",
    );
    store.finds(entrypoint(&lost), "interpreter", "`/lib64/ld-linux-x86-64.so.2`, which is not in");
    let mut arm = entrypoint(&foreign);
    arm["platform"] = json!({"os": "linux", "architecture": "arm64"});
    store.passes(arm);
    let mut linked = entrypoint(&lost);
    linked["symlinks"] = json!({"/lib64/ld-linux-x86-64.so.2": loader});
    store.passes(linked);
}

#[test]
fn env_in_a_script_finds_its_interpreter_in_path() {
    let mut store = Store::new();
    store.program("env", "usr/bin/env", &elf(AMD64, None));
    let root = store.path("env");
    let with = |env: &str| {
        json!({"contents": [root], "config": {"Entrypoint": ["/app"], "Env": [env]},
            "files": {"/app": {"text": "#!/usr/bin/env -S A=b env\n", "mode": "0755"}}})
    };
    store.passes(with("PATH=/usr/bin"));
    store.finds(with("PATH=/bin"), "interpreter", "run by `env`, which is not in PATH (/bin)");
}

#[test]
fn the_health_checks_program_and_shell_must_be_there() {
    let mut store = Store::new();
    let probe = store.program("probe", "bin/probe", &elf(AMD64, None));
    let with = |test: Value| json!({"config": {"Healthcheck": {"Test": test}}});
    store.passes(with(json!(["CMD", probe, "http://x"])));
    store.passes(with(json!(["NONE"])));
    store.finds(with(json!(["CMD", "/curl"])), "healthcheck", "Healthcheck.Test starts `/curl`");
    store.finds(with(json!(["CMD-SHELL", "x"])), "healthcheck", "starts `/bin/sh`");
}

#[test]
fn a_user_is_a_number_or_has_an_account() {
    let store = Store::new();
    let with = |user: &str| {
        json!({"users": {"app": {"uid": 7, "gid": 8}}, "groups": {"app": {"gid": 8}},
            "config": {"User": user}})
    };
    for user in ["", "0", "65532:65532", "7:app"] {
        assert_eq!(store.check(with(user)).unwrap(), Vec::<String>::new(), "{user}");
    }
    store.finds(with("nobody"), "user", "`nobody`, which is not in the image's `/etc/passwd`");
    store.finds(with("7:staff"), "user", "group `staff`");
    let warnings = store.check(with("app")).unwrap();
    assert!(warnings[0].contains("`runAsNonRoot`; write `7:8`"), "{warnings:?}");
    let mut quiet = with("app");
    quiet["checks"] = json!({"skip": ["runAsNonRoot"]});
    assert!(store.check(quiet).unwrap().is_empty());
}

#[test]
fn what_must_be_there_and_what_must_not_is_looked_up_with_patterns() {
    let mut store = Store::new();
    store.program("app", "share/doc/deep/readme.txt", b"");
    store.program("app", "bin/app", b"");
    let root = store.path("app");
    symlink("nowhere", root.join("bin/dangling")).unwrap();
    let with =
        |field: &str, pattern: &str| json!({"contents": [root], "checks": {field: [pattern]}});
    let store_pattern = format!("{}/*-app/bin", store.dir.path().display());
    for there in [
        "/",
        "/bin",
        "/bin/app",
        "/share/doc/deep",
        "/b?n/[a-b]pp",
        "/**/app",
        "/share/**/*.txt",
        "/share/**",
        &store_pattern,
    ] {
        store.passes(with("mustContain", there));
        store.finds(with("mustNotContain", there), "mustNotContain", "and is: `");
    }
    for absent in ["/bin/sh", "/bin/*.so", "/**/*.conf", "/bin/app/x"] {
        store.passes(with("mustNotContain", absent));
        store.finds(with("mustContain", absent), "mustContain", "is not in the image");
    }
    // A link to nothing is no content, and yet it is there.
    store.finds(with("mustContain", "/bin/dangling"), "mustContain", "is not in the image");
    store.finds(with("mustNotContain", "/bin/dangling"), "mustNotContain", "`/bin/dangling`");
    for (bad, field) in
        [("bin/sh", "mustContain"), ("/a/../b", "mustNotContain"), ("/[", "mustContain")]
    {
        store.finds(with(field, bad), field, &format!("`{bad}` is no pattern"));
    }
}

#[test]
fn the_budget_counts_store_paths_and_own_files() {
    // fault 31
    let mut store = Store::new();
    store.program("app", "x", b"");
    let with =
        |limit: u64| json!({"files": {"/own": {"text": "12345"}}, "checks": {"maxSize": limit}});
    store.passes(with(1005));
    store.finds(with(1004), "maxSize", "has 1005 bytes, and checks.maxSize allows 1004");
    store.finds(with(0), "maxSize", "largest parts are app (1000), /own (5)");
}

#[test]
fn secrets_are_found_where_they_are_and_never_printed() {
    let mut store = Store::new();
    // Put together here, so that nobody's search takes this file for a leak.
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC";
    let header = |kind: &str| format!("-----BEGIN {kind}PRIVATE KEY-----");
    let secrets = [
        (format!("{}\n{body}", header("")), "a private key"),
        (format!("{}\\n{body}", header("RSA ")), "a private key"),
        (format!("{}\nProc-Type: 4,ENCRYPTED\n\n{body}", header("EC ")), "a private key"),
        (format!("{}{}", "AK", "IAQ5FIY3KQ2BBXX7YZ"), "an AWS access key"),
        (format!("AWS_SECRET_ACCESS_KEY={}", "aB3/".repeat(10)), "an AWS secret key"),
        (format!("gh{}_{}", "p", "aB3d".repeat(9)), "a GitHub token"),
        (format!("glp{}-{}", "at", "aB3d".repeat(5)), "a GitLab token"),
        (format!("xo{}-{}-{}", "xb", "1".repeat(11), "aB3d".repeat(6)), "a Slack token"),
        (format!("cache.example-1:{}==", "aB".repeat(43)), "a Nix signing key"),
        (format!("gl{}_{}_0123abcd", "sa", "aB3d".repeat(8)), "a Grafana token"),
    ];
    for (secret, what) in &secrets {
        let file = json!({"files": {"/etc/app.conf": {"text": format!("# one\nkey: {secret}\n")}}});
        store.finds(file, "secrets", &format!("`/etc/app.conf`, line 2, has {what}"));
        let env = json!({"config": {"Env": [format!("KEY={secret}")]}});
        store.finds(env, "secrets", "config.Env `KEY` has");
        let label = json!({"config": {"Labels": {"l": secret}}});
        store.finds(label.clone(), "secrets", "config.Labels `l` has");
        let shown = store.problems(label).join("");
        assert!(!shown.contains(&secret[secret.len() - 16..]), "{shown}");
    }
    let key = secrets[0].0.clone();
    let source = store.program("conf", "key.pem", key.as_bytes());
    let copied = json!({"files": {"/etc/tls": {"source": source.trim_end_matches("/key.pem")}}});
    store.finds(copied, "secrets", "`/etc/tls/key.pem`, line 1, has a private key");
}

#[test]
fn what_only_looks_like_a_secret_is_no_problem() {
    let header = format!("-----BEGIN {}KEY-----", "PRIVATE ");
    for text in [
        format!("if text.startswith(\"{header}\"): load(text)"),
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A".into(),
        format!("AKIAIOSFODNN7{}", "EXAMPLE"),
        format!("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY{}KEY", "EXAMPLE"),
        format!("cache.nixos.org-1:{}=", "aB".repeat(21)),
        format!("sha256:{}", "0a".repeat(32)),
        "DATABASE_PASSWORD_FILE=/run/secrets/db".into(),
    ] {
        let store = Store::new();
        store.passes(
            json!({"files": {"/a": {"text": text}}, "config": {"Env": [format!("A={text}")]}}),
        );
    }
}

#[test]
fn all_problems_come_at_once_and_each_can_be_turned_off_by_its_name() {
    let store = Store::new();
    let mut fields = json!({
        "config": {"Entrypoint": ["/app"], "User": "nobody", "Healthcheck": {"Test": ["CMD", "/h"]}},
        "checks": {"mustContain": ["/x"]}
    });
    let error = store.check(fields.clone()).unwrap_err();
    let names: Vec<&str> = error.checks().iter().map(|check| check.name()).collect();
    assert_eq!(names, ["entrypoint", "healthcheck", "user", "mustContain"]);
    assert!(error.to_string().starts_with("the image does not pass 4 checks\n  entrypoint: "));
    fields["checks"]["skip"] = names.into();
    store.passes(fields);
}

#[test]
fn what_may_be_in_a_base_image_is_no_problem() {
    let store = Store::new();
    store.passes(json!({
        "base": {"path": "/base.tar"},
        "config": {"Entrypoint": ["python3"], "User": "nobody:staff",
            "Healthcheck": {"Test": ["CMD-SHELL", "true"]}},
        "files": {"/app": {"text": "#!/bin/sh\n", "mode": "0755"}},
        "checks": {"mustContain": ["/etc/os-release"]}
    }));
}

#[test]
fn the_names_that_turn_checks_off_are_those_of_the_spec() {
    for check in Check::ALL {
        assert_eq!(serde_json::to_value(check).unwrap(), check.name());
    }
}
