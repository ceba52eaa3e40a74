//! The OCI config object, with the fields that Docker adds to it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::strict_json::{optional, set, unique};

/// What a runtime does with the image: the `config` object of the OCI image configuration
/// (image-spec, config.md), with `Healthcheck`, `Shell` and `OnBuild`, which Docker reads
/// (Docker image specification v1.2). Names are the specification's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Config {
    /// `uid`, `uid:gid`, `user` or `user:group`. Kubernetes wants numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `port/protocol`, such as `8080/tcp`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "set")]
    #[schemars(with = "BTreeMap<String, set::Empty>")]
    pub exposed_ports: BTreeSet<String>,
    /// `NAME=value`, in the order given; the last of a name wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The program that runs, with its first arguments; those of `Cmd` follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The entrypoint's default arguments, or what is run if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Paths where a runtime mounts volumes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "set")]
    #[schemars(with = "BTreeMap<String, set::Empty>")]
    pub volumes: BTreeSet<String>,
    /// Where the process starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Metadata, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "unique")]
    pub labels: BTreeMap<String, String>,
    /// `SIGTERM` or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// How Docker asks whether the container is well.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional")]
    pub healthcheck: Option<Healthcheck>,
    /// What runs Docker's shell forms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// Dockerfile lines that an image built on this one starts with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_build: Option<Vec<String>>,
}

/// Docker's health check. Durations are nanoseconds; 0 or absent means Docker's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Healthcheck {
    /// `["CMD", program, …]`, `["CMD-SHELL", line]` or `["NONE"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// Until a check counts as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// In which failures do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<u64>,
    /// Between two checks in the start period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<u64>,
    /// Failures in a row that make the container unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u64>,
}

/// The shortest duration that Docker takes where it does not come from an image (its API's
/// `minimumDuration`).
const MILLISECOND: u64 = 1_000_000;

impl Healthcheck {
    fn check(&self) -> Result<(), ConfigError> {
        let durations = [
            ("Interval", self.interval),
            ("Timeout", self.timeout),
            ("StartPeriod", self.start_period),
            ("StartInterval", self.start_interval),
        ];
        for (field, number) in durations.into_iter().chain([("Retries", self.retries)]) {
            if let Some(large) = number.filter(|number| i64::try_from(*number).is_err()) {
                return Err(ConfigError::Number(field, large));
            }
        }
        for (field, duration) in durations {
            if let Some(short) = duration.filter(|d| (1..MILLISECOND).contains(d)) {
                return Err(ConfigError::Duration(field, short));
            }
        }
        match self.test.first() {
            Some(word) if !["CMD", "CMD-SHELL", "NONE"].contains(&word.as_str()) => {
                Err(ConfigError::Healthcheck(word.clone()))
            }
            _ => Ok(()),
        }
    }
}

/// Why a config cannot be what its author meant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// An environment entry without a name and an equals sign.
    #[error("config.Env has `{0}`; write `NAME=value`")]
    Env(String),
    /// A string that no process can be given.
    #[error("config.{0} has a NUL character in `{1}`")]
    Nul(&'static str, String),
    /// Something that is no port.
    #[error("config.ExposedPorts has `{0}`; write `8080/tcp` or `8080`")]
    Port(String),
    /// A path that must be absolute and is not.
    #[error("config.{0} is `{1}`; it must be an absolute path")]
    Relative(&'static str, String),
    /// A health check whose first word is none of Docker's.
    #[error("config.Healthcheck.Test starts with `{0}`; write `CMD`, `CMD-SHELL` or `NONE` first")]
    Healthcheck(String),
    /// A duration that was meant in another unit; Docker refuses it, but not in an image.
    #[error(
        "config.Healthcheck.{0} is {1} nanoseconds; it must be 0 or at least a millisecond, \
         1000000 (10000000000 is 10 s, in a flake \"10s\")"
    )]
    Duration(&'static str, u64),
    /// A number that Go's readers of configs do not take.
    #[error("config.Healthcheck.{0} is {1}; it must fit into a signed 64-bit number")]
    Number(&'static str, u64),
    /// A signal that Docker, podman and Kubernetes would refuse when a container is made or stopped.
    #[error("config.StopSignal is `{0}`; write a name such as `SIGTERM` or a number from 1 to 64")]
    StopSignal(String),
    /// A uid or gid that no kernel has.
    #[error("config.User is `{0}`; a number must be between 0 and 4294967294")]
    User(String),
}

impl Config {
    /// Sets an environment variable, replacing the entry of that name where it stands.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let entry = format!("{name}={value}");
        let same = |e: &&mut String| e.split_once('=').is_some_and(|(n, _)| n == name);
        match self.env.iter_mut().find(same) {
            Some(existing) => *existing = entry,
            None => self.env.push(entry),
        }
    }

    /// Every text in which a path may be written.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let test = self.healthcheck.iter().flat_map(|check| &check.test);
        let lists = [&self.entrypoint, &self.cmd, &self.shell, &self.on_build];
        let words = lists.into_iter().flatten().flatten();
        let places = [&self.working_dir, &self.user].into_iter().flatten();
        let all = self.env.iter().chain(words).chain(test).chain(places).chain(&self.volumes);
        all.chain(self.labels.values()).map(String::as_str)
    }

    /// Leaves one entry a name: the last value, at the place of the first.
    pub(super) fn settle_env(&mut self) {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for entry in std::mem::take(&mut self.env) {
            let Some((name, _)) = entry.split_once('=') else { continue };
            if let Some(known) = places.get(name).and_then(|place| self.env.get_mut(*place)) {
                *known = entry;
            } else {
                places.insert(name.to_owned(), self.env.len());
                self.env.push(entry);
            }
        }
    }

    /// Lays a fragment over this config: its variables, labels, ports and volumes are added and
    /// win by name; of the other fields it fills those that are empty.
    pub fn merge_fragment(&mut self, fragment: Self) {
        self.exposed_ports.extend(fragment.exposed_ports);
        self.volumes.extend(fragment.volumes);
        self.labels.extend(fragment.labels);
        self.env.extend(fragment.env);
        self.settle_env();
        self.user = self.user.take().or(fragment.user);
        self.entrypoint = self.entrypoint.take().or(fragment.entrypoint);
        self.cmd = self.cmd.take().or(fragment.cmd);
        self.working_dir = self.working_dir.take().or(fragment.working_dir);
        self.stop_signal = self.stop_signal.take().or(fragment.stop_signal);
        self.healthcheck = self.healthcheck.take().or(fragment.healthcheck);
        self.shell = self.shell.take().or(fragment.shell);
        self.on_build = self.on_build.take().or(fragment.on_build);
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for entry in &self.env {
            match entry.split_once('=') {
                Some((name, _)) if !name.is_empty() => {}
                _ => return Err(ConfigError::Env(entry.clone())),
            }
        }
        let lists = [
            ("Env", Some(&self.env)),
            ("Entrypoint", self.entrypoint.as_ref()),
            ("Cmd", self.cmd.as_ref()),
            ("Healthcheck.Test", self.healthcheck.as_ref().map(|h| &h.test)),
        ];
        for (field, list) in lists {
            if let Some(word) = list.into_iter().flatten().find(|word| word.contains('\0')) {
                return Err(ConfigError::Nul(field, word.replace('\0', "\\0")));
            }
        }
        if let Some(port) = self.exposed_ports.iter().find(|port| !is_port(port)) {
            return Err(ConfigError::Port(port.clone()));
        }
        if let Some(text) = self.stop_signal.as_deref().filter(|text| !is_signal(text)) {
            return Err(ConfigError::StopSignal(text.into()));
        }
        self.check_paths()?;
        self.check_user()?;
        self.healthcheck.as_ref().map_or(Ok(()), Healthcheck::check)
    }

    fn check_paths(&self) -> Result<(), ConfigError> {
        let dir = self.working_dir.iter().map(|dir| ("WorkingDir", dir));
        let volumes = self.volumes.iter().map(|volume| ("Volumes", volume));
        match dir.chain(volumes).find(|(_, path)| !path.starts_with('/') && !path.is_empty()) {
            Some((field, path)) => Err(ConfigError::Relative(field, path.clone())),
            None => Ok(()),
        }
    }

    fn check_user(&self) -> Result<(), ConfigError> {
        let user = self.user.as_deref().unwrap_or_default();
        let numeric = |part: &str| part.starts_with('-') || part.starts_with(char::is_numeric);
        let fits = |part: &str| part.parse::<u32>().is_ok_and(|id| id != u32::MAX);
        match user.split(':').any(|part| numeric(part) && !fits(part)) {
            true => Err(ConfigError::User(user.into())),
            false => Ok(()),
        }
    }
}

/// Linux's signals, as `kill` lists them.
const SIGNALS: [&str; 34] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "IOT", "BUS", "FPE", "KILL", "USR1", "SEGV",
    "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CLD", "CONT", "STOP", "TSTP", "TTIN",
    "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "POLL", "PWR", "SYS",
];

/// A number or a name, as Docker takes it: with `SIG` or without, in any case. Nothing is none.
fn is_signal(text: &str) -> bool {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let within = |number: &str, most: u8| number.parse().is_ok_and(|n| (1..=most).contains(&n));
    let real_time = |base: &str, sign: char, most| {
        let rest = name.strip_prefix(base);
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix(sign).is_some_and(|number| within(number, most))
        })
    };
    text.is_empty()
        || within(text, 64)
        || SIGNALS.contains(&name)
        || real_time("RTMIN", '+', 15)
        || real_time("RTMAX", '-', 14)
}

/// `port`, `port/protocol` or a range of ports, as Docker takes it.
fn is_port(text: &str) -> bool {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number = |port: &str| port.parse::<u16>().ok().filter(|port| *port > 0);
    ["tcp", "udp", "sctp"].contains(&protocol)
        && matches!((number(first), number(last)), (Some(a), Some(b)) if a <= b)
}
