use super::*;

/// Collects warnings.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<String>>);

impl Reporter for Recorder {
    fn warn(&self, message: &str) {
        self.0.lock().unwrap().push(message.into());
    }
}

struct Logins {
    _dir: tempfile::TempDir,
    files: CredentialFiles,
    recorder: Arc<Recorder>,
}

/// A file of that name, which may be there.
fn named(name: &str, json: &str) -> Logins {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    crate::fs::write_atomically(&path, json.as_bytes()).unwrap();
    let recorder = Arc::new(Recorder::default());
    let reporter: Arc<dyn Reporter> = Arc::<Recorder>::clone(&recorder);
    let files = CredentialFiles::new(None, vec![path], Some(reporter));
    Logins { _dir: dir, files, recorder }
}

fn docker(json: &str) -> Logins {
    named("config.json", json)
}

impl Logins {
    fn user(&self, registry: &str, repository: &str) -> Option<String> {
        match self.files.find(registry, repository).unwrap() {
            Some(Credentials::Password { user, .. }) => Some(user),
            _ => None,
        }
    }

    fn warnings(&self) -> Vec<String> {
        self.recorder.0.lock().unwrap().clone()
    }
}

#[test]
fn credentials_most_specific_entry_counts() {
    // The values are base64 of a:1, b:2 and c:3.
    let logins = docker(
        r#"{"auths":{"r.io":{"auth":"YTox"},"r.io/team":{"auth":"Yjoy"},
            "https://index.docker.io/v1/":{"auth":"Yzoz"}}}"#,
    );
    assert_eq!(logins.user("r.io", "app").as_deref(), Some("a"));
    assert_eq!(logins.user("r.io", "team/app").as_deref(), Some("b"));
    assert_eq!(logins.user("docker.io", "library/x").as_deref(), Some("c"));
    assert_eq!(logins.user("r.io", "teams/app").as_deref(), Some("a"));
    assert_eq!(logins.user("r.io.evil.example", "app"), None);
}

#[test]
fn credentials_keys_match_as_docker_and_podman_match_them() {
    for (key, registry, in_docker, in_podman) in [
        ("r.io:5000", "r.io:5000", true, true),
        ("http://r.io:5000", "r.io:5000", true, true),
        ("https://r.io:5000/", "r.io:5000", true, true),
        ("https://r.io:5000/v1/", "r.io:5000", true, true),
        ("https://me@r.io:5000/v2/team", "r.io:5000", true, true),
        ("r.io:5000/", "r.io:5000", true, true),
        ("r.io:5000/v1/", "r.io:5000", true, true),
        ("r.io:5000/v2", "r.io:5000", true, true),
        ("r.io:5000/other", "r.io:5000", true, false),
        ("r.io", "r.io:5000", false, false),
        ("https://r.io.evil", "r.io", false, false),
        ("https://evil/r.io", "r.io", false, false),
        ("https://evil#@r.io", "r.io", false, false),
        ("docker.io", "docker.io", true, true),
        ("https://registry-1.docker.io", "docker.io", true, true),
        ("index.docker.io/v1/", "docker.io", true, true),
    ] {
        let json = format!(r#"{{"auths":{{"{key}":{{"auth":"YTox"}}}}}}"#);
        for (name, found) in [("config.json", in_docker), ("auth.json", in_podman)] {
            let user = named(name, &json).user(registry, "team/app");
            assert_eq!(user.is_some(), found, "{key} in {name} for {registry}");
        }
    }
}

#[test]
fn credentials_files_read_as_go_reads_them() {
    let wrapped = format!("\"YTox{}\\r\\n\"", "\\nAAAA");
    for entry in [
        r#"{"auth":"YTox"}"#,
        r#"{"Auth":"YTox","email":null}"#,
        r#"{"AUTH":"YTox","identitytoken":null}"#,
        r#"{"auth":"YT\nox\r\n"}"#,
        &format!(r#"{{"auth":{wrapped}}}"#),
        r#"{"auth":null,"username":"a","PassWord":"1"}"#,
    ] {
        for (before, after) in [
            (r#""AuthS":{"#, "}"),
            (r#""credHelpers":null,"credsStore":null,"auths":{"o.io":null,"#, "}"),
            (
                r#""auths":null,"auths":{"o.io":5,"p.io":{"auth":7},"#,
                r#"},"credHelpers":{"o.io":1}"#,
            ),
        ] {
            let logins = docker(&format!(r#"{{{before}"r.io":{entry}{after}}} trailing"#));
            assert_eq!(logins.user("r.io", "app").as_deref(), Some("a"), "{before}{entry}");
            assert_eq!(logins.warnings(), [""; 0]);
        }
    }
    for empty in ["", "null", "{}", r#"{"auths":null}"#] {
        let logins = docker(empty);
        assert_eq!((logins.user("r.io", "app"), logins.warnings()), (None, Vec::new()));
    }
}

#[test]
fn credentials_that_cannot_be_used_warn_once_and_show_no_secret() {
    for json in [
        "{",
        r#"{"auths":{"r.io":{"auth":"s3cret!"}}}"#,
        r#"{"auths":{"r.io":{"auth":"czNjcmV0"}}}"#,
        r#"{"auths":{"r.io":"s3cret"}}"#,
        r#"{"auths":{"r.io":{"password":["s3cret"]}}}"#,
        r#"{"auths":"s3cret"}"#,
        r#"{"credHelpers":{"r.io":"../s3cret-helper"}}"#,
        r#"{"credHelpers":{"r.io":["s3cret"]}}"#,
        r#"{"credsStore":"cooper-test-s3cret-absent"}"#,
    ] {
        let logins = docker(json);
        assert_eq!((logins.user("r.io", "app"), logins.user("r.io", "other")), (None, None));
        let warnings = logins.warnings();
        assert_eq!(warnings.len(), 1, "{json}: {warnings:?}");
        let shown = logins.files.shown();
        assert!(shown.contains("config.json") && shown.contains("; "), "{shown}");
        let text = format!("{warnings:?}{shown}").replace("s3cret-", "");
        assert!(!text.contains("s3cret") && !text.contains("czNjcmV0"), "{text}");
        assert!(!logins.files.without_failures().shown().contains("; "), "another host");
    }
}

#[test]
fn credentials_bad_helper_leaves_other_logins() {
    let logins = docker(
        r#"{"credsStore":"cooper-test-absent","credHelpers":{"h.io":"","b.io":"cooper-test-absent"},
            "auths":{"r.io":{"auth":"YTox"},"b.io":{"auth":"Yjoy"}}}"#,
    );
    assert_eq!(logins.user("r.io", "app").as_deref(), Some("a"), "the file is asked first");
    assert_eq!(logins.user("h.io", "app"), None, "an empty name switches the store off");
    assert_eq!(logins.warnings(), [""; 0]);
    assert_eq!(logins.user("b.io", "app").as_deref(), Some("b"));
    assert_eq!(logins.warnings().len(), 1);
}

#[test]
fn credentials_named_file_must_be_readable() {
    let missing = PathBuf::from("/nonexistent/auth.json");
    let required = CredentialFiles::new(Some(missing.clone()), Vec::new(), None);
    assert!(required.find("r.io", "app").is_err());
    let optional = CredentialFiles::new(None, vec![missing], None);
    assert_eq!(optional.find("r.io", "app").unwrap(), None);
}

#[test]
fn credentials_debug_output_has_no_password() {
    let shown = format!("{:?}", password_of("user", "s3cret"));
    assert!(shown.contains("user") && !shown.contains("s3cret"), "{shown}");
}
