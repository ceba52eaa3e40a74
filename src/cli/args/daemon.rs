//! Daemons as verbs name them: which kind, and how it is reached.

use clap::{Args, ValueEnum};

use crate::cli::ui::failure::Failure;
use crate::transport::daemon::Daemon;
use crate::transport::daemon::containerd::Containerd;
use crate::transport::daemon::docker::Docker;
use crate::transport::daemon::docker::host;
use crate::transport::daemon::podman::Podman;

/// A kind of daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Kind {
    /// Docker, at the address of the `docker` client
    Docker,
    /// podman, through the `podman` program
    Podman,
    /// containerd, through `ctr`
    Containerd,
}

/// How a daemon is reached.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Daemon options")]
pub(in crate::cli) struct DaemonArgs {
    /// Namespace of containerd: `k8s.io` for k3s and kind [default: that of ctr]
    #[arg(long, value_name = "NS")]
    namespace: Option<String>,
    /// Client program of podman or containerd with its first arguments: `k3s ctr`, `docker exec -i
    /// kind-control-plane ctr`
    #[arg(long, value_name = "COMMAND")]
    client: Option<String>,
}

impl DaemonArgs {
    /// Connects, so that a daemon that is not there is known before any work is done.
    pub(in crate::cli) fn connect(&self, kind: Kind) -> Result<Box<dyn Daemon>, Failure> {
        if self.namespace.is_some() && kind != Kind::Containerd {
            return Err(Failure::input("`--namespace` is for containerd alone"));
        }
        if self.client.is_some() && kind == Kind::Docker {
            return Err(Failure::input("`--client` is for podman and containerd alone")
                .hint("`DOCKER_HOST` or `docker context use` say where Docker is"));
        }
        let command = |default: &str| -> Vec<String> {
            let words = self.client.as_deref().unwrap_or(default).split_whitespace();
            words.map(str::to_owned).collect()
        };
        Ok(match kind {
            Kind::Docker => {
                let endpoint = host::find(&|name| std::env::var_os(name))?;
                Box::new(Docker::connect(&endpoint)?)
            }
            Kind::Podman => Box::new(Podman::connect(&command("podman"))?),
            Kind::Containerd => {
                Box::new(Containerd::connect(&command("ctr"), self.namespace.as_deref())?)
            }
        })
    }
}
