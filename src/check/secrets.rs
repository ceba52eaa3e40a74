//! Private keys and access tokens, which whoever pulls an image could read.
//!
//! Patterns are those that issuers document, long enough that chance does not make them. Store
//! paths are not searched: what is in the store is readable to all of its machine already, and
//! packages carry keys for their tests. What is found is never printed.

use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};

use super::{CheckError, Findings};
use crate::fs;
use crate::fs::{Context, FileOp};
use crate::rootfs::{Kind, Rootfs};
use crate::spec::Check;

/// Larger files are no configuration.
const SEARCHED: u64 = 1 << 20;

/// What documentation writes in place of a key.
const PLACEHOLDER: &str = "EXAMPLE";

/// What is found, and its pattern. A key's header alone is what programs that read keys have in
/// them; bytes must follow.
const PATTERNS: [(&str, &str); 15] = [
    (
        "a private key",
        r"-----BEGIN (?:[A-Z0-9]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr])*(?:[A-Za-z-]+: [^\n\\]*(?:\s|\\[nr])+)*[A-Za-z0-9+/]{24}",
    ),
    ("a Nix signing key", r"\b[A-Za-z0-9.-]+-[0-9]+:[A-Za-z0-9+/]{86}=="),
    ("an AWS access key", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    (
        "an AWS secret key",
        r#"(?i)aws_?secret_?(?:access_?)?key['"]?\s*[=:]\s*['"]?[A-Za-z0-9/+]{40}(?:[^A-Za-z0-9/+=]|$)"#,
    ),
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{82})\b"),
    ("a GitLab token", r"\bgl(?:pat|dt|rt|cbt)-[A-Za-z0-9_-]{20,}"),
    ("a Slack token", r"\bxox[abeoprs]-[0-9]{8,}-[A-Za-z0-9-]{16,}"),
    ("a Google API key", r"\bAIza[A-Za-z0-9_-]{35}\b"),
    ("a Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{20,}\b"),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("a PyPI token", r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}"),
    ("a Docker Hub token", r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{27,}"),
    ("a Grafana token", r"\bglsa_[A-Za-z0-9]{32}_[a-f0-9]{8}\b"),
    ("a SendGrid key", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b"),
    ("an AI service's key", r"\bsk-(?:ant|proj)-[A-Za-z0-9_-]{40,}"),
];

/// All patterns at once; one by one only where something is found.
struct Search(RegexSet);

impl Search {
    fn new() -> Result<Self, regex::Error> {
        let patterns = PATTERNS.iter().map(|(_, pattern)| pattern);
        // Bytes, not Unicode: its tables are left out of the build.
        RegexSetBuilder::new(patterns).unicode(false).build().map(Self)
    }

    /// What is in the bytes, and in which line.
    fn find(&self, bytes: &[u8]) -> Result<Vec<(&'static str, usize)>, regex::Error> {
        let mut all = Vec::new();
        for (what, pattern) in self.0.matches(bytes).iter().filter_map(|at| PATTERNS.get(at)) {
            let regex = RegexBuilder::new(pattern).unicode(false).build()?;
            let mut found = regex.find_iter(bytes);
            if let Some(found) = found.find(|found| !is_placeholder(found.as_bytes())) {
                let before = bytes.get(..found.start()).unwrap_or_default();
                all.push((*what, before.split(|byte| *byte == b'\n').count()));
            }
        }
        Ok(all)
    }
}

fn is_placeholder(found: &[u8]) -> bool {
    found.windows(PLACEHOLDER.len()).any(|part| part == PLACEHOLDER.as_bytes())
}

pub(super) fn check(rootfs: &Rootfs, out: &mut Findings<'_>) -> Result<(), CheckError> {
    if !out.spec.checks.wants(Check::Secrets) {
        return Ok(());
    }
    let search = Search::new()?;
    for (place, text) in config_texts(out) {
        for (what, _) in search.find(text.as_bytes())? {
            report(out, &place, what);
        }
    }
    for (path, node) in &rootfs.entries {
        let bytes = match &node.kind {
            Kind::Bytes(bytes) => bytes.clone(),
            Kind::Copy(from)
                if std::fs::metadata(from).context(FileOp::Read, from)?.len() <= SEARCHED =>
            {
                fs::read(from, SEARCHED)?
            }
            _ => continue,
        };
        for (what, line) in search.find(&bytes)? {
            let path = String::from_utf8_lossy(path);
            report(out, &format!("`/{path}`, line {line},"), what);
        }
    }
    Ok(())
}

fn report(out: &mut Findings<'_>, place: &str, what: &str) {
    let how = "everyone who pulls the image could read it; give it to the container when it runs";
    out.problem(Check::Secrets, format!("{place} has {what}: {how}"));
}

/// The texts of config and manifest, each with its place.
fn config_texts(out: &Findings<'_>) -> Vec<(String, String)> {
    let config = &out.spec.config;
    let mut texts = Vec::new();
    for entry in &config.env {
        let name = entry.split('=').next().unwrap_or_default();
        texts.push((format!("config.Env `{name}`"), entry.clone()));
    }
    for (field, words) in [("Entrypoint", &config.entrypoint), ("Cmd", &config.cmd)] {
        texts.extend(words.iter().map(|words| (format!("config.{field}"), words.join("\n"))));
    }
    if let Some(health) = &config.healthcheck {
        texts.push(("config.Healthcheck.Test".into(), health.test.join("\n")));
    }
    for (field, map) in [("config.Labels", &config.labels), ("annotations", &out.spec.annotations)]
    {
        texts.extend(map.iter().map(|(name, text)| (format!("{field} `{name}`"), text.clone())));
    }
    texts
}
