//! Paths in a layer, as different spellings of one place.

/// A path that was brought into its one spelling: no leading or trailing slash, no `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Below the root.
    Inside(Vec<u8>),
    /// The root itself.
    Root,
    /// Outside, by way of `..`.
    Outside,
}

/// Where a path of a tar leads, counted from `from`.
pub(super) fn place(path: &[u8], from: &[u8]) -> Place {
    let start: &[u8] = if path.starts_with(b"/") { b"" } else { from };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in start.split(is_slash).chain(path.split(is_slash)) {
        match part {
            b"" | b"." => {}
            b".." => {
                if parts.pop().is_none() {
                    return Place::Outside;
                }
            }
            part => parts.push(part),
        }
    }
    match parts.is_empty() {
        true => Place::Root,
        false => Place::Inside(parts.join(&b'/')),
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "slice::split calls it with a reference")]
fn is_slash(byte: &u8) -> bool {
    *byte == b'/'
}

/// The folder that a path is in; empty at the root.
pub(super) fn parent(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or_default();
    path.get(..end).unwrap_or_default()
}

/// The part of a path that is shown.
const MAX_SHOWN: usize = 500;

/// A path as messages show it.
pub(super) fn shown(path: &[u8]) -> String {
    let start = path.get(..MAX_SHOWN).unwrap_or(path);
    let rest = if start.len() < path.len() { "…" } else { "" };
    format!("`/{}{rest}`", String::from_utf8_lossy(start).escape_debug())
}
