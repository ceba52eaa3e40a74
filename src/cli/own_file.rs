//! Files of an image that are in no store path: the field of the spec that declares each, and the
//! place that its bytes come from.

use std::path::Path;

use serde::Serialize;

use super::ui::failure::Failure;
use super::ui::output::Text;
use super::ui::table;
use crate::fs::{Context, FileOp};
use crate::rootfs::{Kind, Node, Rootfs};
use crate::spec::Spec;

/// One of the image's own files, as `cooper why` shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnFile {
    path: String,
    size: u64,
    declared_by: String,
    /// The file or the link's target in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

/// The own files whose absolute path is one that is asked for. Directories are among them where the
/// spec declares them.
pub(super) fn find(
    spec: &Spec,
    rootfs: &Rootfs,
    is_asked: impl Fn(&str) -> bool,
) -> Result<Vec<OwnFile>, Failure> {
    let mut found = Vec::new();
    for (path, node) in &rootfs.entries {
        let path = format!("/{}", String::from_utf8_lossy(path));
        let declared = if is_asked(&path) { declared_by(spec, &path, node) } else { None };
        let Some(declared_by) = declared else { continue };
        let (size, source) = match &node.kind {
            Kind::Directory => (0, source_of(spec, &path)),
            Kind::Symlink(target) => (0, Some(String::from_utf8_lossy(target).into_owned())),
            Kind::Bytes(bytes) => (bytes.len() as u64, None),
            Kind::Copy(from) => {
                let meta = std::fs::metadata(from).context(FileOp::Read, from)?;
                (meta.len(), Some(from.display().to_string()))
            }
        };
        found.push(OwnFile { path, size, declared_by, source });
    }
    Ok(found)
}

/// The field that an author edits to change the entry; none of a directory that is there for the
/// sake of what is in it.
fn declared_by(spec: &Spec, path: &str, node: &Node) -> Option<String> {
    let fields = [
        ("directories", spec.directories.contains_key(path)),
        ("symlinks", spec.symlinks.contains_key(path)),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, has)| *has) {
        return Some(format!("{field}.{path:?}"));
    }
    let own = Path::new(path).ancestors().filter_map(Path::to_str);
    if let Some(above) = own.into_iter().find(|above| spec.files.contains_key(*above)) {
        return Some(format!("files.{above:?}"));
    }
    match (&node.kind, path) {
        (Kind::Bytes(_), "/etc/passwd") => Some("users".into()),
        (Kind::Bytes(_), "/etc/group") => Some("groups".into()),
        (Kind::Directory, _) => None,
        _ => Some("contents".into()),
    }
}

/// The directory of the store that a declared tree is copied from.
fn source_of(spec: &Spec, path: &str) -> Option<String> {
    Path::new(path).ancestors().find_map(|above| {
        let source = spec.files.get(above.to_str()?)?.source.as_deref()?;
        let below = Path::new(path).strip_prefix(above).ok()?;
        Some(Path::new(source).join(below).display().to_string().trim_end_matches('/').to_owned())
    })
}

impl OwnFile {
    pub(super) fn show(&self) -> Text {
        let mut text = Text::default();
        text.line(&self.path);
        text.line(format_args!("  size: {}", table::bytes(self.size)));
        text.line("  layer: the top one, with the image's own files");
        text.line(format_args!("  declared by: {}", self.declared_by));
        if let Some(source) = &self.source {
            text.line(format_args!("  source: {source}"));
        }
        text
    }
}
