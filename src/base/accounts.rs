//! The account files of a base, found by path as a program in a container finds them: links are
//! followed across layers, and a file that a whiteout hides does not exist.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufReader, Read};

use super::BaseError;
use crate::rootfs::Account;
use crate::transport::source::tar::{Kind, TarError, TarReader};
use crate::transport::source::{self, Encoding, Magic, Source};
use crate::validate::Tree;

/// Paths without the leading slash.
const FILES: [&str; 2] = ["etc/passwd", "etc/group"];
/// Account files of a distribution have a few kilobytes.
const MAX_BYTES: u64 = 1 << 20;
/// Linux follows at most 40 links of a path (`path_resolution(7)`); a chain of hard links over
/// layers is bounded alike.
const MAX_LINKS: usize = 40;
/// Go's `os.Root`, by which runtimes open these files, follows at most 8.
const MAX_LINKS_BELOW_ROOT: usize = 8;

/// The account files that the layers make, by path. Layers are read again only for a file that a
/// link leads to.
pub(super) fn read(
    source: &dyn Source,
    layers: &[source::Layer],
    tree: &Tree,
) -> Result<BTreeMap<Vec<u8>, Account>, BaseError> {
    let mut accounts = BTreeMap::new();
    let mut kept = tree.kept_files();
    for path in FILES.map(str::as_bytes) {
        let Some(end) = walk(tree, path) else { continue };
        let bytes = match end.kind {
            Kind::File | Kind::HardLink => match kept.remove(&end.path) {
                Some(bytes) => Ok(bytes),
                None => content(source, layers, &end)?,
            },
            Kind::Directory => Err("is a directory".into()),
            _ => Err("is not a regular file".into()),
        };
        accounts.insert(path.to_vec(), Account { bytes, escapes: escapes(tree, path) });
    }
    Ok(accounts)
}

/// Returns true if a link of the file itself escapes; those of the directories above do not count.
fn escapes(tree: &Tree, path: &[u8]) -> bool {
    let (parent, name) = path.split_at(path.iter().position(|byte| *byte == b'/').unwrap_or(0));
    let parent = walk(tree, parent).map_or_else(|| parent.to_vec(), |end| end.path);
    walk(tree, &[&parent, name].concat()).is_some_and(|end| end.escapes)
}

/// The entry at the end of a path.
struct End {
    path: Vec<u8>,
    kind: Kind,
    /// Counted from 1.
    layer: usize,
    escapes: bool,
}

/// Follows a path through the tree; none if nothing is at its end.
fn walk(tree: &Tree, path: &[u8]) -> Option<End> {
    let mut todo: VecDeque<Vec<u8>> = components(path).collect();
    let mut end = End { path: Vec::new(), kind: Kind::Directory, layer: 0, escapes: false };
    let mut links = 0;
    while let Some(component) = todo.pop_front() {
        if component == b".." {
            end.escapes |= end.path.is_empty();
            let slash = end.path.iter().rposition(|byte| *byte == b'/').unwrap_or_default();
            end.path.truncate(slash);
            continue;
        }
        let parent = end.path.len();
        if !end.path.is_empty() {
            end.path.push(b'/');
        }
        end.path.extend_from_slice(&component);
        let (kind, link, layer) = match tree.entry_at(&end.path) {
            Some(entry) => entry,
            // Some tools leave out the entries of directories.
            None if !todo.is_empty() => (Kind::Directory, Vec::new(), 0),
            None => return None,
        };
        (end.kind, end.layer) = (kind, layer);
        if kind != Kind::Symlink {
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return None;
        }
        // An upper layer may name a path below a link; unpackers follow the link then.
        let rest: Vec<Vec<u8>> = todo.iter().cloned().collect();
        let literal = [end.path.as_slice(), &rest.join(&b'/')].join(&b'/');
        if let Some((kind, _, upper)) = tree.entry_at(&literal).filter(|(.., at)| *at > layer)
            && !todo.is_empty()
            && kind != Kind::Symlink
        {
            return Some(End { path: literal, kind, layer: upper, escapes: end.escapes });
        }
        let is_absolute = link.starts_with(b"/");
        end.escapes |= is_absolute || links > MAX_LINKS_BELOW_ROOT;
        end.path.truncate(if is_absolute { 0 } else { parent });
        end.kind = Kind::Directory;
        components(&link).rev().for_each(|component| todo.push_front(component));
    }
    Some(end)
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/');
    parts.filter(|part| !matches!(*part, b"" | b".")).map(<[u8]>::to_vec)
}

/// The bytes of a file, or the reason why they are of no use.
fn content(
    source: &dyn Source,
    layers: &[source::Layer],
    end: &End,
) -> Result<Result<Vec<u8>, String>, BaseError> {
    let mut path = end.path.clone();
    let mut layer = end.layer;
    for _ in 0..layers.len() + MAX_LINKS {
        let Some(below) = layer.checked_sub(1) else { break };
        let Some(stored) = layers.get(below) else { break };
        match in_layer(source, stored, &path).map_err(|e| failed(source, stored, e))? {
            Some(InLayer::Bytes(bytes)) => return Ok(Ok(bytes)),
            Some(InLayer::TooLarge(size)) => {
                return Ok(Err(format!("has {size} bytes; cooper reads at most {MAX_BYTES}")));
            }
            // A hard link is to an entry before it, in the same layer or in a lower one.
            Some(InLayer::HardLink(target)) if target != path => path = target,
            Some(_) => break,
            None => layer = below,
        }
    }
    Ok(Err("is a hard link to a file that is not in the image".into()))
}

fn failed(source: &dyn Source, layer: &source::Layer, error: io::Error) -> BaseError {
    source::read_error(source, layer.descriptor.digest, error).into()
}

enum InLayer {
    Bytes(Vec<u8>),
    TooLarge(u64),
    HardLink(Vec<u8>),
    Other,
}

/// The last entry of that path in a layer. The layer is read to its end, where its digest is
/// compared.
fn in_layer(
    source: &dyn Source,
    layer: &source::Layer,
    path: &[u8],
) -> io::Result<Option<InLayer>> {
    let raw = source::VerifyingReader::new(source, &layer.descriptor).map_err(io::Error::other)?;
    let mut raw = BufReader::with_capacity(1 << 18, raw);
    // The layer was checked: its bytes are what its media type names.
    let magic = Magic::Layer(layer.encoding.unwrap_or(Encoding::Plain));
    let mut found = None;
    {
        let mut tar = TarReader::streaming(magic.decoder(&mut raw)?);
        loop {
            let entry = match tar.next_entry() {
                Ok(Some(entry)) => entry,
                Err(TarError::Read(error)) => return Err(error),
                Ok(None) | Err(TarError::NoEnd(_)) => break,
                Err(error) => return Err(io::Error::other(error)),
            };
            if !components(&entry.path).eq(components(path)) {
                continue;
            }
            found = Some(match entry.kind {
                Kind::File if entry.size > MAX_BYTES => InLayer::TooLarge(entry.size),
                Kind::File => {
                    let mut bytes = Vec::new();
                    tar.read_to_end(&mut bytes)?;
                    InLayer::Bytes(bytes)
                }
                Kind::HardLink => {
                    let parts: Vec<Vec<u8>> = components(&entry.link).collect();
                    InLayer::HardLink(parts.join(&b'/'))
                }
                _ => InLayer::Other,
            });
        }
    }
    io::copy(&mut raw, &mut io::sink())?;
    Ok(found)
}
