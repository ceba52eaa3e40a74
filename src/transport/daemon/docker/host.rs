//! Where Docker is: `DOCKER_HOST`, the current context, or the usual socket, in the order and
//! with the files of Docker's own client.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::fs;
use crate::transport::TransportError;
use crate::transport::go_json::{GoJsonError, Object};

/// Docker's own default.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// Docker's port with TLS and without.
const PORTS: (u16, u16) = (2376, 2375);
/// Configuration files are small.
const CONFIG_LIMIT: u64 = 16 << 20;

/// Reads a variable of the environment. The room itself never looks there.
pub type Variable<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// A place where Docker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket of this machine.
    Unix(PathBuf),
    /// `host:port`, with TLS when there are certificates to use.
    Tcp(String, Option<Certificates>),
    /// `ssh://…`, which Docker's client dials.
    Ssh(String),
}

/// The files of a TLS connection; each may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// Holds `ca.pem`, `cert.pem` and `key.pem`.
    pub dir: PathBuf,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address, _) => write!(f, "tcp://{address}"),
            Self::Ssh(url) => f.write_str(url),
        }
    }
}

/// Finds Docker as its own client does: `DOCKER_HOST`, then `DOCKER_CONTEXT`, then the
/// configuration's `currentContext`, then the usual socket.
pub fn find(variable: &Variable<'_>) -> Result<Endpoint, TransportError> {
    let text = |name| variable(name).and_then(|v| v.into_string().ok()).filter(|v| !v.is_empty());
    let config = config_dir(variable);
    if let Some(host) = text("DOCKER_HOST") {
        let certificates = text("DOCKER_TLS_VERIFY").and_then(|_| {
            let dir = text("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| config.clone())?;
            Some(Certificates { dir })
        });
        return parse("DOCKER_HOST", &host, certificates);
    }
    let named = text("DOCKER_CONTEXT").map(|name| ("DOCKER_CONTEXT".to_owned(), name));
    let current = match (named, &config) {
        (Some(named), _) => Some(named),
        (None, Some(dir)) => current_context(dir)?,
        (None, None) => None,
    };
    match (current, config) {
        (Some((setting, name)), Some(dir)) if name != "default" => context(&setting, &name, &dir),
        _ => Ok(Endpoint::Unix(DEFAULT_SOCKET.into())),
    }
}

fn config_dir(variable: &Variable<'_>) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    path("DOCKER_CONFIG").or_else(|| path("HOME").map(|home| home.join(".docker")))
}

/// The name in `config.json`, with the words that say where it stands.
fn current_context(dir: &Path) -> Result<Option<(String, String)>, TransportError> {
    let path = dir.join("config.json");
    if !path.exists() {
        return Ok(None);
    }
    let name = read(&path, |config| config.text("currentContext"))?;
    let setting = format!("`currentContext` in `{}`", path.display());
    Ok((!name.is_empty()).then_some((setting, name)))
}

fn context(setting: &str, name: &str, dir: &Path) -> Result<Endpoint, TransportError> {
    let contexts = dir.join("contexts");
    // Docker's client files a context under the hash of its name.
    let id = Digest::of(name.as_bytes()).hex();
    let path = contexts.join("meta").join(&id).join("meta.json");
    if !path.exists() {
        let why = "there is no such context; `docker context ls` lists those that there are";
        return Err(wrong(setting, name, why.to_owned()));
    }
    let host = read(&path, docker_endpoint)?;
    let tls = contexts.join("tls").join(&id).join("docker");
    let certificates = tls.is_dir().then_some(Certificates { dir: tls });
    let setting = format!("`Endpoints.docker.Host` in `{}`", path.display());
    parse(&setting, &host, certificates)
}

/// `Endpoints.docker.Host` of the `meta.json` of a context.
fn docker_endpoint(context: &Object) -> Result<String, GoJsonError> {
    let endpoints = context.map("Endpoints")?;
    let Some(docker) = endpoints.get("docker") else { return Ok(String::new()) };
    Object::from_value(docker, "Endpoints.docker")?.text("Host")
}

fn read(
    path: &Path,
    field: impl FnOnce(&Object) -> Result<String, GoJsonError>,
) -> Result<String, TransportError> {
    let bytes = fs::read(path, CONFIG_LIMIT)?;
    let found = Object::parse(&bytes).and_then(|object| field(&object));
    found.map_err(|error| TransportError::Config { path: path.into(), why: error.to_string() })
}

fn wrong(setting: &str, value: &str, why: String) -> TransportError {
    TransportError::Setting { setting: setting.to_owned(), value: value.to_owned(), why }
}

fn parse(
    setting: &str,
    host: &str,
    certificates: Option<Certificates>,
) -> Result<Endpoint, TransportError> {
    let Some((scheme, rest)) = host.split_once("://") else {
        let why = "write unix:///path, tcp://host:port or ssh://user@host";
        return Err(wrong(setting, host, why.to_owned()));
    };
    match scheme {
        "unix" if rest.starts_with('/') => Ok(Endpoint::Unix(rest.into())),
        "unix" => Err(wrong(setting, host, "a socket's path starts with `/`".to_owned())),
        "ssh" => Ok(Endpoint::Ssh(host.to_owned())),
        "https" if certificates.is_none() => {
            let why = "for TLS set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to its certificates";
            Err(wrong(setting, host, why.to_owned()))
        }
        "tcp" | "http" | "https" => {
            let address = rest.trim_end_matches('/');
            if address.is_empty() || address.contains('/') {
                return Err(wrong(setting, host, "write tcp://host:port".to_owned()));
            }
            let port = if certificates.is_some() { PORTS.0 } else { PORTS.1 };
            // A colon within brackets is part of an IPv6 address.
            let has_port = address.rsplit(']').next().is_some_and(|end| end.contains(':'));
            let address = if has_port { address.to_owned() } else { format!("{address}:{port}") };
            Ok(Endpoint::Tcp(address, certificates))
        }
        _ => Err(wrong(setting, host, format!("cooper does not speak {scheme}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(variables: &[(&str, &str)]) -> Result<Endpoint, TransportError> {
        find(&|name| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| v.into()))
    }

    #[test]
    fn without_any_setting_it_is_the_usual_socket() {
        assert_eq!(find_in(&[]).unwrap(), Endpoint::Unix("/var/run/docker.sock".into()));
    }

    #[test]
    fn docker_host_is_read_with_its_schemes_and_default_ports() {
        let host = |host| find_in(&[("DOCKER_HOST", host)]).unwrap().to_string();
        assert_eq!(host("unix:///run/x.sock"), "unix:///run/x.sock");
        assert_eq!(host("tcp://10.0.0.1"), "tcp://10.0.0.1:2375");
        assert_eq!(host("tcp://[::1]"), "tcp://[::1]:2375");
        assert_eq!(host("tcp://[::1]:99"), "tcp://[::1]:99");
        assert_eq!(host("ssh://me@there:22"), "ssh://me@there:22");
        let tls = [
            ("DOCKER_HOST", "tcp://h"),
            ("DOCKER_TLS_VERIFY", "1"),
            ("DOCKER_CERT_PATH", "/certs"),
        ];
        let dir = PathBuf::from("/certs");
        assert_eq!(
            find_in(&tls).unwrap(),
            Endpoint::Tcp("h:2376".into(), Some(Certificates { dir }))
        );
    }

    #[test]
    fn a_host_that_nobody_speaks_is_refused_with_the_variables_name() {
        for host in
            ["/run/docker.sock", "unix://run", "npipe:////x", "tcp://", "tcp://a/b", "https://a"]
        {
            let error = find_in(&[("DOCKER_HOST", host)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("DOCKER_HOST says `{host}`: ")), "{error}");
        }
    }

    #[test]
    fn a_config_that_cannot_be_read_is_named_without_the_logins_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = ("DOCKER_CONFIG", dir.path().to_str().unwrap());
        let path = dir.path().join("config.json");
        for (text, why) in [
            (r#"{"auths":{"r":{"auth":"s3cret""#, "syntax error at line 1, column 30"),
            (r#"{"currentContext":["s3cret"]}"#, "`currentContext` is not a string"),
        ] {
            fs::write_atomically(&path, text.as_bytes()).unwrap();
            let error = find_in(&[home]).unwrap_err().to_string();
            assert_eq!(error, format!("invalid JSON in `{}`: {why}", path.display()));
        }
        // Fields that say nothing of where Docker is do not matter here.
        for text in [r#"{"auths":5,"CurrentContext":null}"#, "", "null", r#"{"auths":{"r":null}}"#]
        {
            fs::write_atomically(&path, text.as_bytes()).unwrap();
            assert_eq!(find_in(&[home]).unwrap(), Endpoint::Unix(DEFAULT_SOCKET.into()), "{text}");
        }
    }

    #[test]
    fn the_current_context_is_followed_and_docker_host_wins_over_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_str().unwrap();
        let id = Digest::of(b"far").hex();
        let meta = dir.path().join("contexts/meta").join(&id);
        std::fs::create_dir_all(&meta).unwrap();
        let tls = dir.path().join("contexts/tls").join(&id).join("docker");
        std::fs::create_dir_all(&tls).unwrap();
        let write = |path: PathBuf, text: &str| {
            fs::write_atomically(&path, text.as_bytes()).unwrap();
        };
        write(
            meta.join("meta.json"),
            r#"{"name":"far","Metadata":null,"endpoints":{"kubernetes":null,"docker":{"host":"tcp://far:1","SkipTLSVerify":false}}}"#,
        );
        write(dir.path().join("config.json"), r#"{"auths":{},"currentContext":"far"}"#);
        let far = Endpoint::Tcp("far:1".into(), Some(Certificates { dir: tls }));
        assert_eq!(find_in(&[("DOCKER_CONFIG", home)]).unwrap(), far);
        let host = ("DOCKER_HOST", "unix:///x");
        assert_eq!(find_in(&[("DOCKER_CONFIG", home), host]).unwrap().to_string(), "unix:///x");
        let default = [("DOCKER_CONFIG", home), ("DOCKER_CONTEXT", "default")];
        assert_eq!(find_in(&default).unwrap(), Endpoint::Unix(DEFAULT_SOCKET.into()));
        let gone = [("DOCKER_CONFIG", home), ("DOCKER_CONTEXT", "gone")];
        assert!(find_in(&gone).unwrap_err().to_string().starts_with("DOCKER_CONTEXT says `gone`"));
    }
}
