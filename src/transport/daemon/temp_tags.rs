//! The temporary tags under which images are sent to a daemon, and what killed loads left of them.
//!
//! A load holds a lock for each of its tags, so a tag whose lock is free is not in use on this
//! machine and goes with the next load of its name. A tag says which locks its load holds: one of
//! another machine or container goes when the daemon says that it is an hour old.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Daemon;
use crate::digest::Digest;
use crate::fs;
use crate::fs::{Context, FileError, FileOp, LockMode, TryLock, has_name};
use crate::image::Image;
use crate::spec::{NameError, Tag};
use crate::transport::TransportError;

/// The beginning of each temporary tag.
const PREFIX: &str = "cooper-loading-";
/// The age at which a tag goes whose load cannot be asked for.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// The tags of a load and those that killed loads left: they go in the end, however it ends.
#[derive(Debug)]
pub(in crate::transport) struct TempTags<'a> {
    daemon: &'a dyn Daemon,
    /// The tags that killed loads left, and those that this load may find there.
    references: BTreeSet<String>,
    /// The set of locks that this process sees.
    domain: String,
    /// The images of this load that have been given a tag.
    own: Vec<Image>,
    _locks: BTreeMap<String, TagLock>,
}

impl<'a> TempTags<'a> {
    /// Waits until no other load of these images is at work on this machine.
    pub(in crate::transport) fn new(
        daemon: &'a dyn Daemon,
        images: &[Image],
    ) -> Result<Self, TransportError> {
        let dir = lock_dir();
        let domain = domain(dir.as_deref());
        let mut references = BTreeSet::new();
        for image in images {
            references.insert(format!("{}:{}", image.name, tag_of(image, &domain)));
        }
        let mut locks = BTreeMap::new();
        // In their order, so that two loads never wait for each other.
        for reference in &references {
            if let Some(dir) = &dir {
                locks.insert(reference.clone(), TagLock::new(dir, reference)?);
            }
        }
        let names: BTreeSet<&str> = images.iter().map(|image| image.name.as_str()).collect();
        for name in names {
            // A daemon that does not list its tags keeps what is left there.
            for tag in daemon.temp_tags(name, PREFIX).unwrap_or_default() {
                let reference = format!("{name}:{tag}");
                if locks.contains_key(&reference) {
                    continue;
                }
                let lock = dir.as_deref().and_then(|dir| TagLock::try_new(dir, &reference));
                let is_old = || daemon.tagged_at(&reference).is_some_and(is_old);
                let is_stale = match is_of_domain(&tag, &domain) {
                    true => lock.is_some() || is_old(),
                    false => is_old(),
                };
                if is_stale {
                    locks.extend(lock.map(|lock| (reference.clone(), lock)));
                    references.insert(reference);
                }
            }
        }
        Ok(Self { daemon, references, domain, own: Vec::new(), _locks: locks })
    }

    /// Gives an image its temporary tag instead of its own ones.
    pub(in crate::transport) fn add(&mut self, image: &Image) -> Result<Image, NameError> {
        let tag: Tag = tag_of(image, &self.domain).parse()?;
        let image = Image { tags: vec![tag], ..image.clone() };
        self.own.push(image.clone());
        Ok(image)
    }
}

impl Drop for TempTags<'_> {
    fn drop(&mut self) {
        untag(self.daemon, &self.own);
        let own: BTreeSet<String> =
            self.own.iter().flat_map(crate::transport::references).collect();
        for reference in self.references.difference(&own) {
            // Most of the time it is not there.
            let _ = self.daemon.remove(reference);
        }
    }
}

/// Made of the image's digest, so that the next load of the image finds what a killed one left.
fn tag_of(image: &Image, domain: &str) -> String {
    let digest = image.manifest.descriptor.digest.hex();
    format!("{PREFIX}{}-{domain}", digest.get(..20).unwrap_or_default())
}

/// Removes the tags of images from a daemon.
pub(in crate::transport) fn untag(daemon: &dyn Daemon, images: &[Image]) {
    for image in images {
        for reference in crate::transport::references(image) {
            // It may not exist; and a daemon that has ended was an error before.
            let _ = daemon.untag(image, &reference);
        }
    }
}

/// Returns true if the lock of a tag, if there is one, is among those that this process sees. Tags
/// without a domain are of coopers before there were any.
fn is_of_domain(tag: &str, domain: &str) -> bool {
    let rest = tag.strip_prefix(PREFIX).unwrap_or_default();
    rest.split_once('-').is_none_or(|(_, of)| of == domain)
}

#[allow(clippy::disallowed_methods, reason = "an age means nothing without now")]
fn is_old(since: SystemTime) -> bool {
    // A date of the future is of a clock that is wrong.
    SystemTime::now().duration_since(since).is_ok_and(|age| age >= MAX_AGE)
}

/// The directory of this user's locks; none where there is no safe one. It does not depend on the
/// environment, which differs between the shells of one user.
fn lock_dir() -> Option<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let shared = |parent: &Path| parent.join(format!("cooper-{user}"));
    let places = [
        PathBuf::from(format!("/run/user/{user}/cooper")),
        shared(Path::new("/tmp")),
        shared(&env::temp_dir()),
    ];
    places.into_iter().find(|dir| {
        // It may be there already.
        let _ = DirBuilder::new().mode(0o700).create(dir);
        std::fs::symlink_metadata(dir).is_ok_and(|meta| {
            meta.is_dir() && meta.uid() == user && meta.permissions().mode() & 0o022 == 0
        })
    })
}

/// Says which locks a load holds: all loads that see the same directory have the same, also after
/// a restart of the machine.
fn domain(dir: Option<&Path>) -> String {
    let mut parts = Vec::new();
    for path in ["/etc/machine-id", "/proc/sys/kernel/hostname"] {
        parts.push(fs::read(Path::new(path), 4096).unwrap_or_default());
    }
    let namespace = std::fs::read_link("/proc/self/ns/mnt").unwrap_or_default();
    parts.push(namespace.as_os_str().as_encoded_bytes().to_vec());
    parts.push(match dir {
        Some(dir) => dir.as_os_str().as_encoded_bytes().to_vec(),
        // Nothing is locked, so no other load may remove what this one sends.
        None => std::process::id().to_string().into_bytes(),
    });
    let id = Digest::of(&parts.join(&0)).hex();
    id.get(..8).unwrap_or_default().to_owned()
}

/// The lock of a tag; its file goes with it.
#[derive(Debug)]
struct TagLock {
    path: PathBuf,
    file: File,
}

impl TagLock {
    fn open(dir: &Path, reference: &str) -> Result<Self, FileError> {
        let id = Digest::of(reference.as_bytes()).hex();
        let path = dir.join(format!("load-{}.lock", id.get(..20).unwrap_or_default()));
        let mut options = File::options();
        let file = options.read(true).append(true).create(true).open(&path);
        Ok(Self { file: file.context(FileOp::Open, &path)?, path })
    }

    /// The process that held the lock may have removed its file.
    fn is_held(&self) -> Result<bool, FileError> {
        has_name(&self.file, &self.path).context(FileOp::Read, &self.path)
    }

    /// Waits for the process that holds it.
    fn new(dir: &Path, reference: &str) -> Result<Self, FileError> {
        loop {
            let lock = Self::open(dir, reference)?;
            fs::lock(&lock.file, &lock.path, LockMode::Exclusive)?;
            if lock.is_held()? {
                return Ok(lock);
            }
        }
    }

    /// None if another process holds it, or has just held it.
    fn try_new(dir: &Path, reference: &str) -> Option<Self> {
        let lock = Self::open(dir, reference).ok()?;
        let is_held = fs::try_lock(&lock.file).is_ok_and(|tried| tried != TryLock::InUse)
            && lock.is_held().unwrap_or(false);
        is_held.then_some(lock)
    }
}

impl Drop for TagLock {
    fn drop(&mut self) {
        // The file of another process's lock stays.
        let is_ours = fs::try_lock(&self.file).is_ok_and(|tried| tried != TryLock::InUse);
        if is_ours && self.is_held().unwrap_or(false) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "an age means nothing without now")]
    fn temp_tag_of_another_machine_has_its_domain() {
        for (tag, is_ours) in [
            ("cooper-loading-0123456789abcdef0123", true),
            ("cooper-loading-0123-ours", true),
            ("cooper-loading-0123-theirs", false),
            ("cooper-loading-0123-ours-1", false),
            ("cooper-loading-", true),
        ] {
            assert_eq!(is_of_domain(tag, "ours"), is_ours, "{tag}");
        }
        let now = SystemTime::now();
        assert!(is_old(now - MAX_AGE) && !is_old(now) && !is_old(now + MAX_AGE));
    }

    #[test]
    fn tag_lock_is_exclusive_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let locks = || {
            let names =
                std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
            names.filter(|name| name != "inside").count()
        };
        let inside = dir.path().join("inside");
        std::thread::scope(|scope| {
            for number in 0..4 {
                let inside = &inside;
                let dir = dir.path();
                scope.spawn(move || {
                    for at in 0..50 {
                        let lock = match (number + at) % 4 {
                            0 => TagLock::try_new(dir, "team/app:v1"),
                            _ => Some(TagLock::new(dir, "team/app:v1").unwrap()),
                        };
                        if lock.is_some() {
                            File::create_new(inside).unwrap();
                            std::fs::remove_file(inside).unwrap();
                        }
                    }
                });
            }
        });
        let held = TagLock::new(dir.path(), "a:v1").unwrap();
        let other = TagLock::new(dir.path(), "b:v1").unwrap();
        assert!(TagLock::try_new(dir.path(), "a:v1").is_none());
        assert_eq!(locks(), 2);
        drop((held, other));
        assert_eq!(locks(), 0);
    }
}
