//! How registries are reached: options, and the files that other tools log in to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use clap::Args;

use super::spec_input;
use crate::cli::ui::failure::Failure;
use crate::cli::ui::progress;
use crate::transport::name::reference::Reference;
use crate::transport::registry::{
    CredentialFiles, Options, Proxies, Registry, RegistryError, Remote, Secret,
};

/// A token is some kilobytes.
const TOKEN_LIMIT: u64 = 1 << 20;

/// Options of every verb that speaks to a registry.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry options")]
pub(in crate::cli) struct RegistryArgs {
    /// Trust the certificate authorities in this PEM file too (repeatable)
    ///
    /// They count for the registry and for every host that it redirects to.
    #[arg(long = "ca-file", value_name = "FILE")]
    ca_files: Vec<PathBuf>,
    /// Certificate directory: *.crt of authorities, *.cert with *.key of the client
    ///
    /// The default is the first directory certs.d/HOST[:PORT] in ~/.config/containers,
    /// /etc/containers and /etc/docker. Its certificates count for the registry alone, and for an
    /// HTTPS proxy in front of it. A host that the registry redirects to has its own directory
    /// certs.d/HOST[:PORT], or none.
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// Use plain HTTP for this host (repeatable). Loopback is always allowed
    ///
    /// All other hosts need TLS, also those that a registry redirects to.
    #[arg(long, value_name = "HOST[:PORT]")]
    insecure_http: Vec<String>,
    /// Read a bearer token for the registry from standard input
    #[arg(long)]
    registry_token_stdin: bool,
    /// Host that gets the credentials if the registry names it for tokens (repeatable)
    #[arg(long = "token-host", value_name = "HOST")]
    token_hosts: Vec<String>,
    /// Idle timeout for registry requests
    ///
    /// A body must also move at least 10 kB/s over 30 s, or over this time if it is shorter.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=3600))]
    registry_timeout: u64,
    /// Number of retries of a failed request
    ///
    /// Retried are broken connections, idle timeouts, 408, 425, 429 and 5xx, except 501 and 505.
    /// Each pause is reported.
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(0..=20))]
    registry_retries: u32,
    /// Maximum sum of the pauses between retries of one request
    ///
    /// If a registry asks for a longer pause with `Retry-After`, the command fails and prints the
    /// registry's text.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(0..=86400))]
    registry_wait: u64,
    #[arg(skip)]
    connections: Connections,
}

/// The registries that a command is connected to, by name: all places in one registry share its
/// login, and what is known about a host that does not answer.
type Connections = Mutex<BTreeMap<String, Arc<Registry>>>;

impl Default for RegistryArgs {
    fn default() -> Self {
        let Options { idle, retries, wait, .. } = Options::default();
        Self {
            ca_files: Vec::new(),
            cert_dir: None,
            insecure_http: Vec::new(),
            registry_token_stdin: false,
            token_hosts: Vec::new(),
            registry_timeout: idle.as_secs(),
            registry_retries: retries,
            registry_wait: wait.as_secs(),
            connections: Connections::default(),
        }
    }
}

/// Connects to the registry of a reference.
pub(in crate::cli) fn connect(
    registry: &str,
    args: &RegistryArgs,
) -> Result<Arc<Registry>, Failure> {
    let mut known = args.connections.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(connection) = known.get(registry) {
        return Ok(Arc::clone(connection));
    }
    let connection = Registry::connect(registry, options(args)?)?;
    known.insert(registry.to_owned(), Arc::clone(&connection));
    Ok(connection)
}

/// Opens an image in a registry for reading.
pub(in crate::cli) fn source(
    reference: &Reference,
    args: &RegistryArgs,
) -> Result<Remote, Failure> {
    Ok(Remote::open(&connect(&reference.registry, args)?, reference)?)
}

fn options(args: &RegistryArgs) -> Result<Options, Failure> {
    Ok(Options {
        credentials: credential_files(),
        token: if args.registry_token_stdin { Some(token_from_stdin()?) } else { None },
        ca_files: args.ca_files.clone(),
        certificate_dirs: certificate_dirs(),
        certificate_dir: args.cert_dir.clone(),
        proxies: proxies(),
        insecure_http: args.insecure_http.clone(),
        token_hosts: args.token_hosts.clone(),
        idle: Duration::from_secs(args.registry_timeout),
        retries: args.registry_retries,
        wait: Duration::from_secs(args.registry_wait),
        reporter: progress::current(),
        ..Options::default()
    })
}

fn token_from_stdin() -> Result<Secret, Failure> {
    let during = |failure: Failure| failure.during("failed to read a token".into());
    let bytes = spec_input::stdin(TOKEN_LIMIT).map_err(during)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| during(Failure::input("standard input holds a token that is no text")))?;
    match text.trim() {
        "" => Err(Failure::input("standard input holds no token")
            .hint("write it there, as in `cooper push … --registry-token-stdin < token`")),
        token => Ok(Secret::new(token)),
    }
}

/// The files of logins, for one registry. All registries of a run share what is known of helpers.
fn credential_files() -> CredentialFiles {
    static FILES: OnceLock<CredentialFiles> = OnceLock::new();
    FILES.get_or_init(login_files).without_failures()
}

/// The files in which docker, podman and skopeo keep logins: `REGISTRY_AUTH_FILE` alone if it is
/// set, else podman's files and then Docker's.
fn login_files() -> CredentialFiles {
    let docker = var("DOCKER_CONFIG").or_else(|| var("HOME").map(|home| home.join(".docker")));
    let optional = [
        var("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
        config_dir().map(|dir| dir.join("containers/auth.json")),
        docker.map(|dir| dir.join("config.json")),
    ];
    let optional = optional.into_iter().flatten().collect();
    CredentialFiles::new(var("REGISTRY_AUTH_FILE"), optional, Some(progress::current()))
}

fn var(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn config_dir() -> Option<PathBuf> {
    var("XDG_CONFIG_HOME").or_else(|| var("HOME").map(|home| home.join(".config")))
}

/// Where podman and Docker keep certificates, in podman's order.
fn certificate_dirs() -> Vec<PathBuf> {
    let own = config_dir().map(|dir| dir.join("containers/certs.d"));
    let all = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    own.into_iter().chain(all).collect()
}

/// The proxies of the environment, in capitals or not, as curl and the programs in Go read them.
fn proxies() -> Proxies {
    let either = |name: &str| {
        let names = [name.to_ascii_uppercase(), name.to_owned()];
        names.iter().filter_map(|name| std::env::var(name).ok()).find(|value| !value.is_empty())
    };
    let all = || either("all_proxy");
    // A web server hands `Proxy:` headers of its clients to CGI programs as HTTP_PROXY.
    let is_cgi = std::env::var_os("REQUEST_METHOD").is_some();
    Proxies {
        https: either("https_proxy").or_else(all).map(Secret::new),
        http: either("http_proxy").filter(|_| !is_cgi).or_else(all).map(Secret::new),
        except: either("no_proxy").unwrap_or_default(),
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let hint = match &error {
            RegistryError::Unauthorized { registry, .. } => {
                Some(format!("log in with `docker login {registry}` or `podman login {registry}`"))
            }
            RegistryError::Refused { retry_after: Some(_), .. } => Some(
                "try again after that time, or allow a longer wait with `--registry-wait`; a login \
                 may have a higher limit"
                    .into(),
            ),
            error if error.is_client_cert_rejected() => Some(
                "show a client certificate that it knows: put client.cert and client.key where \
                 podman and Docker look, such as /etc/containers/certs.d/HOST:PORT, or name their \
                 folder with `--cert-dir`, which is for the registry itself"
                    .into(),
            ),
            RegistryError::Unreachable { proxy: Some(_), host, .. }
            | RegistryError::Refused { proxy: Some(_), host, .. }
            | RegistryError::Proxy { host, .. }
                if !error.is_about_tls() =>
            {
                Some(format!(
                    "the proxy is the one of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY; to go without, \
                     add `{host}` to NO_PROXY"
                ))
            }
            RegistryError::Unreachable { host, .. } if !error.is_about_tls() => Some(format!(
                "see that `{host}` is its name and port, and that it runs; if it speaks plain \
                 HTTP, allow that with `--insecure-http {host}`"
            )),
            RegistryError::Unreachable { host, .. } => Some(format!(
                "if `{host}` has a certificate of its own, name its authority with `--ca-file`; if \
                 it wants one of yours, put it into certs.d/{host} or name its folder with \
                 `--cert-dir`; if it speaks plain HTTP, allow that with `--insecure-http {host}`"
            )),
            _ => None,
        };
        let failure = match &error {
            RegistryError::Certificates { .. }
            | RegistryError::Proxy { .. }
            | RegistryError::Credentials { .. }
            | RegistryError::NotFound { .. } => Self::input(error),
            _ => Self::environment(error),
        };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
