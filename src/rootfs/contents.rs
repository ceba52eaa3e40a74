//! Linking (or copying) the trees of `contents` into `/`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::declared::copied;
use super::{BaseFilesystem, Kind, Node, Origin, RootfsError, Tree, collision, shown};
use crate::fs::{Context, FileOp};
use crate::spec::Spec;

/// What Nix's builders leave for other builders, of no use in an image.
const FOR_BUILDERS: &str = "nix-support";

/// Files are compared byte by byte only up to this size; larger twins count as different.
const COMPARED: u64 = 64 << 20;

pub(super) fn add(
    tree: &mut Tree,
    spec: &Spec,
    declared: &BTreeMap<Vec<u8>, (Node, Origin)>,
    below: Option<&BaseFilesystem>,
) -> Result<(), RootfsError> {
    let mut roots: Vec<PathBuf> = Vec::new();
    for path in &spec.contents {
        let root = PathBuf::from(path.as_str());
        super::check_in_store(&root)?;
        if !std::fs::metadata(&root).context(FileOp::Read, &root)?.is_dir() {
            return Err(RootfsError::ContentIsFile(root));
        }
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    let link = spec.include_store_paths;
    let (above, gathered) = (BTreeMap::new(), BTreeSet::new());
    let mut linker = Linker { tree, declared, below, link, above, gathered };
    let mut places = Places::new();
    for root in roots {
        linker.gather(Vec::new(), root, &mut places)?;
    }
    for (path, Place { sources, above, .. }) in places {
        if let Some(first) = sources.first().filter(|_| !path.is_empty()) {
            let node = Node::new(Kind::Directory, 0o755);
            linker.tree.insert(path.clone(), node, quoted(first))?;
        }
        linker.above = above.into_iter().map(|path| (path, 1)).collect();
        linker.merge(&path, &sources)?;
    }
    Ok(())
}

/// The root and the directories of the base, by where they are in the end.
type Places = BTreeMap<Vec<u8>, Place>;

/// The origins of one directory of the image.
#[derive(Default)]
struct Place {
    /// The directories of `contents` whose children come into it.
    sources: Vec<PathBuf>,
    /// Their real paths.
    real: BTreeSet<PathBuf>,
    /// The real paths of the directories above them.
    above: BTreeSet<PathBuf>,
}

struct Linker<'a> {
    tree: &'a mut Tree,
    declared: &'a BTreeMap<Vec<u8>, (Node, Origin)>,
    below: Option<&'a BaseFilesystem>,
    link: bool,
    /// The directories that are being listed, their links followed, and how often each is.
    above: BTreeMap<PathBuf, usize>,
    /// Directories whose children come into one that the base has.
    gathered: BTreeSet<PathBuf>,
}

impl Linker<'_> {
    /// Notes a directory, and those in it that the base has too. A link of the base may bring
    /// several directories of one package together.
    fn gather(
        &mut self,
        at: Vec<u8>,
        source: PathBuf,
        places: &mut Places,
    ) -> Result<(), RootfsError> {
        let real = std::fs::canonicalize(&source).context(FileOp::Read, &source)?;
        let place = places.entry(at.clone()).or_default();
        place.above.extend(self.above.keys().cloned());
        // A package whose `lib64` is a link to its `lib` has one directory.
        if !place.real.insert(real.clone()) && self.below.is_some() {
            return Ok(());
        }
        place.sources.push(source.clone());
        if self.below.is_none() {
            return Ok(());
        }
        self.enter(&real);
        for child in std::fs::read_dir(&source).context(FileOp::List, &source)? {
            let child = child.context(FileOp::List, &source)?;
            let path = joined(&at, child.file_name().as_bytes());
            if let Some(place) = self.place_in_base(&path, &child.path()) {
                super::check_in_store(&child.path())?;
                self.gathered.insert(child.path());
                self.gather(place, child.path(), places)?;
            }
        }
        self.leave(&real);
        Ok(())
    }

    fn enter(&mut self, real: &Path) {
        *self.above.entry(real.into()).or_default() += 1;
    }

    fn leave(&mut self, real: &Path) {
        if let Some(count) = self.above.get_mut(real) {
            *count -= 1;
            if *count == 0 {
                self.above.remove(real);
            }
        }
    }

    /// The directory of the base that the children of a directory of `contents` come into.
    fn place_in_base(&self, path: &[u8], child: &Path) -> Option<Vec<u8>> {
        let below = self.below?;
        let place = match below.links.get(path) {
            Some(target) => target.clone(),
            None => below.directories.contains_key(path).then(|| path.to_vec())?,
        };
        self.is_dir(child).then_some(place)
    }

    /// Returns true if there is a directory to list: a link that dangles, or leads back up, is a leaf.
    fn is_dir(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|meta| meta.is_dir()) && !self.leads_up(path)
    }

    /// Brings the children of several directories, all for one place in the image, together.
    fn merge(&mut self, at: &[u8], sources: &[PathBuf]) -> Result<(), RootfsError> {
        let real: Vec<PathBuf> =
            sources.iter().filter_map(|source| std::fs::canonicalize(source).ok()).collect();
        real.iter().for_each(|real| self.enter(real));
        let mut children: BTreeMap<OsString, Vec<PathBuf>> = BTreeMap::new();
        for source in sources {
            for child in std::fs::read_dir(source).context(FileOp::List, source)? {
                let child = child.context(FileOp::List, source)?;
                if !self.gathered.contains(&child.path()) {
                    children.entry(child.file_name()).or_default().push(child.path());
                }
            }
        }
        for (name, origins) in children {
            if at.is_empty() && name == FOR_BUILDERS {
                continue;
            }
            self.place(joined(at, name.as_bytes()), &origins)?;
        }
        real.iter().for_each(|real| self.leave(real));
        Ok(())
    }

    fn place(&mut self, path: Vec<u8>, origins: &[PathBuf]) -> Result<(), RootfsError> {
        let Some(first) = origins.first() else { return Ok(()) };
        let is_dir = self.is_dir(first);
        if let Some(other) = origins.iter().find(|origin| self.is_dir(origin) != is_dir) {
            return Err(collision(&path, quoted(first), quoted(other)));
        }
        if !is_dir {
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
        origins.iter().try_for_each(|origin| super::check_in_store(origin))?;
        let node = Node::new(Kind::Directory, 0o755);
        self.tree.insert(path.clone(), node, quoted(first))?;
        self.merge(&path, origins)
    }

    fn leaf(&self, path: &[u8], origin: &Path, is_only: bool) -> Result<Node, RootfsError> {
        // A link back up that several have leads to what all of them have there.
        if self.link && (is_only || !self.leads_up(origin)) {
            return Ok(link_to(origin));
        }
        let kind = std::fs::symlink_metadata(origin).context(FileOp::Read, origin)?.file_type();
        copied(&shown(path), origin, kind)
    }

    /// Whether a path is a link to a directory that it lies in.
    fn leads_up(&self, path: &Path) -> bool {
        path.is_symlink()
            && std::fs::canonicalize(path).is_ok_and(|real| self.above.contains_key(&real))
    }

    /// Whether the spec declares this path or one below it.
    fn is_declared(&self, path: &[u8]) -> bool {
        let inside = joined(path, b"");
        let next = self.declared.range(inside.clone()..).next();
        self.declared.contains_key(path) || next.is_some_and(|(path, _)| path.starts_with(&inside))
    }
}

/// A path below a directory of the image.
fn joined(at: &[u8], name: &[u8]) -> Vec<u8> {
    if at.is_empty() { name.to_vec() } else { [at, name].join(&b'/') }
}

fn link_to(origin: &Path) -> Node {
    Node::new(Kind::Symlink(origin.as_os_str().as_bytes().to_vec()), 0o777)
}

fn quoted(path: &Path) -> Origin {
    format!("`{}`", path.display())
}

/// Whether two leaves lead to one file, or to files of equal bytes and executable bit.
pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    match (std::fs::canonicalize(a), std::fs::canonicalize(b)) {
        (Ok(real_a), Ok(real_b)) if real_a == real_b => true,
        (Ok(real), Ok(_)) if !real.is_dir() => {
            let meta =
                |path| std::fs::metadata(path).map(|m| (m.len(), m.permissions().mode() & 0o111));
            let read = |path| crate::fs::read(path, COMPARED);
            matches!((meta(a), meta(b)), (Ok(ma), Ok(mb)) if ma == mb)
                && matches!((read(a), read(b)), (Ok(ba), Ok(bb)) if ba == bb)
        }
        _ => matches!((std::fs::read_link(a), std::fs::read_link(b)), (Ok(ta), Ok(tb)) if ta == tb),
    }
}
