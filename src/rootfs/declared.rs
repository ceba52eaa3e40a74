//! What the spec says outright: files, directories, links, users and groups.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::FileType;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Kind, Node, Origin, RootfsError};
use crate::fs::{Context, FileOp};
use crate::spec::{File, FileSource, Spec};

pub(super) type Entries = BTreeMap<Vec<u8>, (Node, Origin)>;

pub(super) fn entries(spec: &Spec) -> Result<Entries, RootfsError> {
    let mut entries = Entries::new();
    for (path, text) in accounts(spec) {
        let node = Node::new(Kind::Bytes(text.into_bytes()), 0o644);
        entries.insert(path.into(), (node, "users and groups".into()));
    }
    for (path, directory) in &spec.directories {
        let mode = directory.mode.map_or(0o755, crate::spec::Mode::bits);
        let mut node = Node::new(Kind::Directory, mode);
        (node.uid, node.gid) = (directory.uid, directory.gid);
        insert(&mut entries, relative(path), node, field("directories", path))?;
    }
    for (path, target) in &spec.symlinks {
        let node = Node::new(Kind::Symlink(target.clone().into_bytes()), 0o777);
        insert(&mut entries, relative(path), node, field("symlinks", path))?;
    }
    for (path, file) in &spec.files {
        add_file(&mut entries, path, file)?;
    }
    Ok(entries)
}

fn insert(to: &mut Entries, path: Vec<u8>, node: Node, from: Origin) -> Result<(), RootfsError> {
    if let Some((_, first)) = to.get(&path) {
        return Err(super::collision(&path, first.clone(), from));
    }
    to.insert(path, (node, from));
    Ok(())
}

/// What an error calls an entry of a field.
fn field(field: &str, path: &str) -> Origin {
    format!("{field}.\"{path}\"")
}

fn relative(path: &str) -> Vec<u8> {
    path.trim_start_matches('/').as_bytes().to_vec()
}

fn accounts(spec: &Spec) -> Vec<(&'static str, String)> {
    let mut passwd = String::new();
    for (name, user) in &spec.users {
        let crate::spec::User { uid, gid, description, home, shell } = user;
        // Writing into a String cannot fail.
        let _ = writeln!(passwd, "{name}:x:{uid}:{gid}:{description}:{home}:{shell}");
    }
    let mut group = String::new();
    for (name, entry) in &spec.groups {
        let _ = writeln!(group, "{name}:x:{}:{}", entry.gid, entry.members.join(","));
    }
    let files = [("etc/passwd", passwd), ("etc/group", group)];
    files.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

fn add_file(entries: &mut Entries, path: &str, file: &File) -> Result<(), RootfsError> {
    let origin = match file.content() {
        Some(FileSource::Text(text)) => {
            let mode = file.mode.map_or(0o644, crate::spec::Mode::bits);
            let node = owned(Node::new(Kind::Bytes(text.as_bytes().to_vec()), mode), file);
            return insert(entries, relative(path), node, field("files", path));
        }
        Some(FileSource::Path(origin)) => Path::new(origin),
        // `spec` has refused a file without a source.
        None => return Ok(()),
    };
    super::check_in_store(origin)?;
    let meta = std::fs::metadata(origin).context(FileOp::Read, origin)?;
    if meta.is_dir() {
        if !file.capabilities.is_empty() {
            return Err(RootfsError::CapabilitiesOfTree(path.into()));
        }
        if file.mode.is_some() {
            return Err(RootfsError::ModeOfTree(path.into()));
        }
        return add_tree(entries, path, &relative(path), origin, file);
    }
    let mut node = copied(path, origin, meta.file_type())?;
    if let Some(mode) = file.mode {
        node.mode = mode.bits();
    }
    insert(entries, relative(path), owned(node, file), field("files", path))
}

fn owned(mut node: Node, file: &File) -> Node {
    (node.uid, node.gid) = (file.uid, file.gid);
    if !file.capabilities.is_empty() {
        node.xattrs.insert("security.capability".into(), file.capabilities.to_xattr());
    }
    node
}

/// Copies a tree: what is linked in it stays a link.
fn add_tree(
    entries: &mut Entries,
    path: &str,
    at: &[u8],
    origin: &Path,
    file: &File,
) -> Result<(), RootfsError> {
    let directory = owned(Node::new(Kind::Directory, 0o755), file);
    insert(entries, at.to_vec(), directory, field("files", path))?;
    for child in std::fs::read_dir(origin).context(FileOp::List, origin)? {
        let child = child.context(FileOp::List, origin)?;
        let mut below = at.to_vec();
        below.push(b'/');
        below.extend_from_slice(child.file_name().as_bytes());
        let kind = child.file_type().context(FileOp::Read, child.path())?;
        if kind.is_dir() {
            add_tree(entries, path, &below, &child.path(), file)?;
        } else {
            let node = owned(copied(path, &child.path(), kind)?, file);
            insert(entries, below, node, field("files", path))?;
        }
    }
    Ok(())
}

/// A file or link of the store as an entry, with the mode that its executable bit asks for.
pub(super) fn copied(path: &str, origin: &Path, kind: FileType) -> Result<Node, RootfsError> {
    if kind.is_symlink() {
        let target = std::fs::read_link(origin).context(FileOp::ReadLink, origin)?;
        return Ok(Node::new(Kind::Symlink(target.as_os_str().as_bytes().to_vec()), 0o777));
    }
    if !kind.is_file() {
        return Err(RootfsError::Special { path: path.into(), origin: origin.into() });
    }
    let meta = std::fs::metadata(origin).context(FileOp::Read, origin)?;
    let mode = if meta.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
    Ok(Node::new(Kind::Copy(origin.into()), mode))
}
