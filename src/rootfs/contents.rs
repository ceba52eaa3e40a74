//! Linking (or copying) the trees of `contents` into `/`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::declared::copied;
use super::{Kind, Node, Origin, RootfsError, Tree, collision, shown};
use crate::file::Context;
use crate::spec::Spec;

/// What Nix's builders leave for other builders, of no use in an image.
const FOR_BUILDERS: &str = "nix-support";

/// Files are compared byte by byte only up to this size; larger twins count as different.
const COMPARED: u64 = 64 << 20;

pub(super) fn add(
    tree: &mut Tree,
    spec: &Spec,
    declared: &BTreeMap<Vec<u8>, (Node, Origin)>,
) -> Result<(), RootfsError> {
    let mut roots: Vec<PathBuf> = Vec::new();
    for path in &spec.contents {
        let root = PathBuf::from(path.as_str());
        super::stays_in_store(&root)?;
        if !fs::metadata(&root).context("read", &root)?.is_dir() {
            return Err(RootfsError::ContentIsFile(root));
        }
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    let link = spec.include_store_paths;
    Linker { tree, declared, link, above: Vec::new() }.merge(&[], &roots)
}

struct Linker<'a> {
    tree: &'a mut Tree,
    declared: &'a BTreeMap<Vec<u8>, (Node, Origin)>,
    link: bool,
    /// The directories that are being listed, their links followed.
    above: Vec<PathBuf>,
}

impl Linker<'_> {
    /// Brings the children of several directories, all for one place in the image, together.
    fn merge(&mut self, at: &[u8], sources: &[PathBuf]) -> Result<(), RootfsError> {
        let outer = self.above.len();
        self.above.extend(sources.iter().filter_map(|source| fs::canonicalize(source).ok()));
        let mut children: BTreeMap<OsString, Vec<PathBuf>> = BTreeMap::new();
        for source in sources {
            for child in fs::read_dir(source).context("list", source)? {
                let child = child.context("list", source)?;
                children.entry(child.file_name()).or_default().push(child.path());
            }
        }
        for (name, origins) in children {
            if at.is_empty() && name == FOR_BUILDERS {
                continue;
            }
            let mut path = at.to_vec();
            if !at.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            self.place(path, &origins)?;
        }
        self.above.truncate(outer);
        Ok(())
    }

    fn place(&mut self, path: Vec<u8>, origins: &[PathBuf]) -> Result<(), RootfsError> {
        let Some(first) = origins.first() else { return Ok(()) };
        // A link that leads nowhere, or back up, is a leaf.
        let is_dir = |path: &PathBuf| {
            fs::metadata(path).is_ok_and(|meta| meta.is_dir()) && !self.leads_up(path)
        };
        if let Some(other) = origins.iter().find(|origin| is_dir(origin) != is_dir(first)) {
            return Err(collision(&path, quoted(first), quoted(other)));
        }
        if !is_dir(first) {
            if let Some(other) = origins.iter().skip(1).find(|other| !same_file(first, other)) {
                return Err(collision(&path, quoted(first), quoted(other)));
            }
            let node = self.leaf(&path, first, origins.len() == 1)?;
            return self.tree.insert(path, node, quoted(first));
        }
        if self.link && origins.len() == 1 && path.contains(&b'/') && !self.is_declared(&path) {
            let node = link_to(first);
            return self.tree.insert(path, node, quoted(first));
        }
        // What is behind links is listed here, and copied when there are no store paths.
        origins.iter().try_for_each(|origin| super::stays_in_store(origin))?;
        let node = Node::new(Kind::Directory, 0o755);
        self.tree.insert(path.clone(), node, quoted(first))?;
        self.merge(&path, origins)
    }

    fn leaf(&self, path: &[u8], origin: &Path, is_only: bool) -> Result<Node, RootfsError> {
        // A link back up that several have leads to what all of them have there.
        if self.link && (is_only || !self.leads_up(origin)) {
            return Ok(link_to(origin));
        }
        let kind = fs::symlink_metadata(origin).context("read", origin)?.file_type();
        copied(&shown(path), origin, kind)
    }

    /// Whether a path is a link to a directory that it lies in.
    fn leads_up(&self, path: &Path) -> bool {
        path.is_symlink() && fs::canonicalize(path).is_ok_and(|real| self.above.contains(&real))
    }

    /// Whether the spec declares this path or one below it.
    fn is_declared(&self, path: &[u8]) -> bool {
        let next = self.declared.range(path.to_vec()..).find(|(declared, _)| {
            // `a-b` sorts between `a` and `a/b`.
            !declared.starts_with(path) || matches!(declared.get(path.len()), None | Some(b'/'))
        });
        next.is_some_and(|(declared, _)| declared.starts_with(path))
    }
}

fn link_to(origin: &Path) -> Node {
    Node::new(Kind::Symlink(origin.as_os_str().as_bytes().to_vec()), 0o777)
}

fn quoted(path: &Path) -> Origin {
    format!("`{}`", path.display())
}

/// Whether two leaves lead to one file, or to files of equal bytes and executable bit.
fn same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(real_a), Ok(real_b)) if real_a == real_b => true,
        (Ok(real), Ok(_)) if !real.is_dir() => {
            let meta = |path| fs::metadata(path).map(|m| (m.len(), m.permissions().mode() & 0o111));
            let read = |path| crate::file::read(path, COMPARED);
            matches!((meta(a), meta(b)), (Ok(ma), Ok(mb)) if ma == mb)
                && matches!((read(a), read(b)), (Ok(ba), Ok(bb)) if ba == bb)
        }
        _ => matches!((fs::read_link(a), fs::read_link(b)), (Ok(ta), Ok(tb)) if ta == tb),
    }
}
