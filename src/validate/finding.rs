//! What is wrong, and how much of it is listed.

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Some consumers take the image otherwise than others, or its author would be surprised.
    Warning,
    /// The image is not what it says, or consumers refuse it.
    Error,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes that could not be read, which is not the image's fault.
    Unread,
    /// Bytes that are not those that were named.
    Bytes,
    /// A document that contradicts itself or another one.
    Document,
    /// A path or link within a layer.
    Path,
    /// An entry that replaces the root directory.
    Root,
    /// A limit of cooper's, which an option raises.
    Limit,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub kind: Kind,
    /// Where: the image, the layer, the path.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl Finding {
    pub(super) fn error(kind: Kind, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, kind, place: place.into(), message: message.into() }
    }

    pub(super) fn warning(place: impl Into<String>, message: impl Into<String>) -> Self {
        let (severity, kind) = (Severity::Warning, Kind::Path);
        Self { severity, kind, place: place.into(), message: message.into() }
    }

    /// The same, found in a part of `place`.
    pub(super) fn below(self, place: &str) -> Self {
        let comma = if self.place.is_empty() { "" } else { ", " };
        Self { place: format!("{place}{comma}{}", self.place), ..self }
    }
}

/// Adds a finding unless there are `most`: then a last one says so, and is as bad as the worst of
/// those that it stands for.
pub(super) fn push_some(
    findings: &mut Vec<Finding>,
    most: usize,
    finding: impl FnOnce() -> Finding,
) {
    if findings.len() < most {
        return findings.push(finding());
    }
    match findings.get_mut(most) {
        None => {
            let message = "more findings omitted".into();
            findings.push(Finding { place: String::new(), message, ..finding() });
        }
        Some(last) if last.severity == Severity::Error => {}
        Some(last) => Finding { severity: last.severity, kind: last.kind, .. } = finding(),
    }
}
