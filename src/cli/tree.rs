//! `cooper spec from-tree`: a folder that a build made, as declared files, directories and links.
//!
//! Of a mode, Nix's store keeps the executable bit alone, and of an owner nothing. So a build
//! that lays out an image's `/` has both written down before its output is registered, beside
//! the folder; [`merge`] puts that into a spec, where it is what an author could have declared.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::owners::{Owned, Owners};
use super::ui::failure::Failure;
use super::ui::output;
use crate::fs;
use crate::fs::{Context, FileOp};
use crate::json;
use crate::spec::{Directory, File, Mode, Spec};
use crate::store_path::StorePath;

/// A line for each of a million files.
const DOCUMENT_LIMIT: u64 = 256 << 20;

#[derive(Debug, Args)]
pub(super) struct FromTreeArgs {
    /// Directory to record
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Document to write; the tree must stay next to it. `-` is standard output
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Owner of every entry
    #[arg(long, default_value_t = 0)]
    uid: u32,
    /// Group of every entry
    #[arg(long, default_value_t = 0)]
    gid: u32,
    /// Owners and modes under fakeroot, as `find -printf '%y %m %U %G %P\0'` lists them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["uid", "gid"])]
    owners: Option<PathBuf>,
}

/// The document: the spec's own fields, but sources are relative to its folder.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tree {
    directories: BTreeMap<String, Directory>,
    files: BTreeMap<String, File>,
    symlinks: BTreeMap<String, String>,
}

pub(super) fn from_tree(args: &FromTreeArgs) -> Result<(), Failure> {
    let owners = args.owners.as_deref().map(Owners::read).transpose()?;
    let owned = |path: &Path, meta: &Metadata| match &owners {
        Some(owners) => owners.get(path),
        None => {
            Ok(Owned { mode: Mode::of(meta.permissions().mode()), uid: args.uid, gid: args.gid })
        }
    };
    let mut tree = Tree::default();
    let mut open = vec![args.folder.clone()];
    while let Some(dir) = open.pop() {
        for child in std::fs::read_dir(&dir).context(FileOp::List, &dir)? {
            let path = child.context(FileOp::List, &dir)?.path();
            let within = path.strip_prefix(&args.folder).unwrap_or(&path);
            let meta = std::fs::symlink_metadata(&path).context(FileOp::Read, &path)?;
            tree.add(&path, within, &meta, owned(within, &meta)?)?;
            if meta.is_dir() {
                open.push(path);
            }
        }
    }
    let bytes = json::to_bytes(&tree).map_err(Failure::bug)?;
    output::document(&args.output, &bytes)
}

impl Tree {
    /// Notes the entry at `path`, which is `within` the folder.
    fn add(
        &mut self,
        path: &Path,
        within: &Path,
        meta: &Metadata,
        owned: Owned,
    ) -> Result<(), Failure> {
        let at = format!("/{}", text(within)?);
        let Owned { mode, uid, gid } = owned;
        let mode = Some(mode);
        if meta.is_dir() {
            self.directories.insert(at, Directory { mode, uid, gid });
        } else if meta.is_symlink() {
            let target = std::fs::read_link(path).context(FileOp::ReadLink, path)?;
            self.symlinks.insert(at, text(&target)?.to_owned());
        } else if meta.is_file() {
            let source = Some(text(path)?.to_owned());
            let capabilities = crate::spec::Capabilities::default();
            self.files.insert(at, File { text: None, source, mode, uid, gid, capabilities });
        } else {
            let what = format!("`{}` is not a file, directory or link", path.display());
            return Err(Failure::input(what).hint("remove it where the tree is made"));
        }
        Ok(())
    }
}

/// A path as JSON can hold it.
fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        let what = format!("`{}` is not UTF-8, which a spec cannot say", path.display());
        Failure::input(what).hint("name a package that has it in `contents` instead")
    })
}

/// Adds a document's entries to a spec. Of a directory that both have, the spec's own mode and
/// owner stay; anything else that both have is an error.
pub(super) fn merge(spec: &mut Spec, document: &Path) -> Result<(), Failure> {
    let bytes = fs::read(document, DOCUMENT_LIMIT)?;
    let tree: Tree = serde_json::from_slice(&bytes)
        .map_err(|e| Failure::bug(e).during(format!("failed to read `{}`", document.display())))?;
    let folder = document.parent().unwrap_or(document);
    for (at, directory) in tree.directories {
        spec.directories.entry(at).or_insert(directory);
    }
    for (at, mut file) in tree.files {
        let source = file.source.take().map(|source| folder.join(source));
        file.source = source.as_deref().map(text).transpose()?.map(str::to_owned);
        declare(&mut spec.files, at, file, "files")?;
    }
    for (at, target) in tree.symlinks {
        declare(&mut spec.symlinks, at, target, "symlinks")?;
    }
    leave_out(spec, document);
    Ok(())
}

fn declare<T>(
    to: &mut BTreeMap<String, T>,
    at: String,
    value: T,
    field: &str,
) -> Result<(), Failure> {
    if to.contains_key(&at) {
        let what = format!("`{at}` is in {field}, and in the contents or commands too");
        return Err(Failure::input(what).hint("leave one of the two out"));
    }
    to.insert(at, value);
    Ok(())
}

/// A tree of nothing but directories and links is copied whole by having been read: nothing in
/// the image leads to its store path.
fn leave_out(spec: &mut Spec, document: &Path) {
    let Some((path, _)) = document.to_str().and_then(|text| StorePath::parse_prefix(text).ok())
    else {
        return;
    };
    let below = |file: &File| file.source.as_deref().is_some_and(|s| s.starts_with(path.as_str()));
    let is_source = spec.files.values().any(below);
    let refers = spec.closure.iter().any(|info| info.references.contains(&path));
    if !is_source && !refers {
        spec.closure.retain(|info| info.path != path);
    }
}
