//! What is asked of an image before it ships.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Assertions of the author's, and the checks that are turned off. Those that need no argument
/// are on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Checks {
    /// Checks that are not made.
    pub skip: Vec<Check>,
    /// Paths that the image must have, its links followed; `*`, `?`, `[…]` and `**` as a shell
    /// reads them.
    pub must_contain: Vec<String>,
    /// Paths that the image must not have, with the same patterns.
    pub must_not_contain: Vec<String>,
    /// The most bytes that store paths (as nars) and own files may have together, uncompressed
    /// and without the base's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
}

impl Checks {
    /// Whether a check is made.
    pub fn wants(&self, check: Check) -> bool {
        !self.skip.contains(&check)
    }
}

/// One check, by the name that turns it off.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// The entrypoint, or else the command, is in the image and executable.
    Entrypoint,
    /// The health check's program is in the image and executable.
    Healthcheck,
    /// Programs are made for the platform's architecture.
    Architecture,
    /// The loaders of programs and the interpreters of scripts are in the image.
    Interpreter,
    /// The user is a number or in the image's `/etc/passwd`, the group in `/etc/group`.
    User,
    /// A warning when Kubernetes' `runAsNonRoot` would refuse the user.
    RunAsNonRoot,
    /// Runtimes find files and directories where they open and mount some themselves: `/etc`,
    /// `/dev`, `/proc` and `/sys` are directories, `/etc/passwd` and `/etc/hosts` files.
    RuntimePaths,
    /// What `mustContain` lists.
    MustContain,
    /// What `mustNotContain` lists.
    MustNotContain,
    /// The limit of `maxSize`.
    MaxSize,
    /// No private key and no access token in the config, the annotations and own files.
    Secrets,
}

impl Check {
    /// All checks.
    pub const ALL: [Self; 11] = [
        Self::Entrypoint,
        Self::Healthcheck,
        Self::Architecture,
        Self::Interpreter,
        Self::User,
        Self::RunAsNonRoot,
        Self::RuntimePaths,
        Self::MustContain,
        Self::MustNotContain,
        Self::MaxSize,
        Self::Secrets,
    ];

    /// The name in `checks.skip`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Entrypoint => "entrypoint",
            Self::Healthcheck => "healthcheck",
            Self::Architecture => "architecture",
            Self::Interpreter => "interpreter",
            Self::User => "user",
            Self::RunAsNonRoot => "runAsNonRoot",
            Self::RuntimePaths => "runtimePaths",
            Self::MustContain => "mustContain",
            Self::MustNotContain => "mustNotContain",
            Self::MaxSize => "maxSize",
            Self::Secrets => "secrets",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
