//! A directory for one test, with the files that an image would have.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::running::Program;

pub(crate) const MINIMAL: &str = r#"{"id":"minimal-app","type":"app","info":{"version":"1"}}"#;

/// The home directory that the images have.
const HOMEPATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../grafana-home");

/// Grafana's entrypoint in the images.
pub(crate) fn entrypoint(homepath: &str) -> [&str; 7] {
    let program = env!("CARGO_BIN_EXE_grafana");
    let logging = "cfg:default.log.mode=console";
    [program, "server", "--homepath", homepath, "--packaging", "docker", logging]
}

pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id();
        let dir = std::env::temp_dir().join(format!("stand-in-{id}-{number}-{name}"));
        fs::create_dir_all(dir.join("plugins")).unwrap();
        // Without links, because the log has resolved paths.
        Self(fs::canonicalize(dir).unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, name: &str) {
        symlink(target, self.path(name)).unwrap();
    }

    pub(crate) fn plugin(&self, dir: &str, id: &str) {
        let kind = id.rsplit('-').next().unwrap();
        let json = format!(r#"{{"id":"{id}","type":"{kind}","info":{{"version":"1.2.3"}}}}"#);
        self.file(&format!("{dir}/plugin.json"), &json);
        self.file(&format!("{dir}/module.js"), "define([])");
        self.file(&format!("{dir}/img/logo.svg"), "<svg/>");
    }

    /// Writes a correct manifest with an invalid signature.
    pub(crate) fn sign(&self, dir: &str, id: &str) {
        let hashes: Vec<String> = ["plugin.json", "module.js", "img/logo.svg"]
            .map(|name| {
                let bytes = fs::read(self.path(dir).join(name)).unwrap();
                let hash: [u8; 32] = Sha256::digest(&bytes).into();
                let (high, low) = hash.split_at(16);
                let half = |half: &[u8]| u128::from_be_bytes(half.try_into().unwrap());
                format!("\"{name}\": \"{:032x}{:032x}\"", half(high), half(low))
            })
            .into();
        let text = format!(
            "\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{{\"manifestVersion\": \"2.0.0\", \
             \"plugin\": \"{id}\", \"version\": \"1.2.3\", \"files\": {{\n{}\n}}}}\n\
             -----BEGIN PGP SIGNATURE-----\n\nnone\n-----END PGP SIGNATURE-----\n",
            hashes.join(",\n")
        );
        self.file(&format!("{dir}/MANIFEST.txt"), &text);
    }

    fn variables(&self) -> Vec<(String, String)> {
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        vec![
            ("GF_PATHS_PLUGINS".to_owned(), path("plugins")),
            ("GF_PATHS_PROVISIONING".to_owned(), path("provisioning")),
            ("GF_PATHS_DATA".to_owned(), path("data")),
            ("GF_SERVER_HTTP_PORT".to_owned(), "0".to_owned()),
            ("GF_PLUGINS_PREINSTALL_DISABLED".to_owned(), "true".to_owned()),
        ]
    }

    pub(crate) fn start(&self, more: &[(&str, &str)]) -> Program {
        self.start_in(HOMEPATH, more)
    }

    pub(crate) fn start_in(&self, homepath: &str, more: &[(&str, &str)]) -> Program {
        let own = self.variables();
        let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<(&str, &str)> = own.chain(more.iter().copied()).collect();
        Program::start(&entrypoint(homepath), &all)
    }

    /// Returns the log of a start that must fail.
    pub(crate) fn fails(&self, more: &[(&str, &str)]) -> String {
        self.fails_with(&entrypoint(HOMEPATH), more)
    }

    pub(crate) fn fails_with(&self, command: &[&str], more: &[(&str, &str)]) -> String {
        let output = Command::new(command[0])
            .args(&command[1..])
            .env_clear()
            .envs(self.variables())
            .envs(more.iter().copied())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn json(grafana: &Program, path: &str) -> Value {
    let answer = grafana.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// Returns the ids of the loaded plugins, sorted.
pub(crate) fn ids(grafana: &Program) -> Vec<String> {
    let plugins = json(grafana, "/api/plugins");
    let ids = plugins.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
    let mut ids: Vec<String> = ids.collect();
    ids.sort();
    ids
}
