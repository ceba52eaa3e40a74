//! Loads images into a daemon: asks for its layers, sends the missing ones under a temporary tag,
//! verifies that the image is complete, and then moves the tags.
//!
//! A daemon can accept an archive without some layers, report success, and keep an image that cannot
//! run. The result therefore counts only after [`Daemon::is_complete`]. If a load without some layers
//! fails, all layers are sent; if that fails too, no tag has moved.

pub(in crate::transport) mod client_process;
pub mod containerd;
pub mod docker;
pub mod podman;
pub(in crate::transport) mod temp_tags;
use std::collections::BTreeSet;
use std::env;
use std::fmt::Debug;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::SystemTime;

use self::temp_tags::{TempTags, untag};
use super::progress_io::ProgressWriter;
use super::source::Archive;
use super::{TransportError, archive};
use crate::digest::Digest;
use crate::error_chain;
use crate::fs::{Context, FileOp};
use crate::image::Image;
use crate::layer::Sink;
use crate::progress;
use crate::progress::Reporter;

/// Writes an archive; called at most once for each call of [`Daemon::load`].
pub type WriteArchive<'a> = dyn Fn(&mut dyn Sink) -> Result<(), TransportError> + Sync + 'a;

/// A program that keeps images and runs containers of them.
///
/// References are `name:tag` as the spec has them; each daemon completes them in its own way.
pub trait Daemon: Debug {
    /// What people call it.
    fn label(&self) -> &'static str;

    /// Whether one archive may hold several images.
    fn accepts_multiple_images(&self) -> bool;

    /// The id that this daemon gives an image: it depends on how it stores them.
    fn id_of(&self, image: &Image) -> String;

    /// The id of the image that a reference names, if it names any.
    fn id_at(&self, reference: &str) -> Result<Option<String>, TransportError>;

    /// Whether this very image is there with all of its layers, under whatever name.
    fn is_complete(&self, image: &Image) -> Result<bool, TransportError>;

    /// For each image the blobs of its layers that need not be sent, as far as can be told
    /// without looking at every image that the daemon has. Those in `whole` it has.
    fn present_layers(
        &self,
        images: &[Image],
        whole: &[Image],
    ) -> Result<Vec<BTreeSet<Digest>>, TransportError>;

    /// Takes an archive. That it succeeds does not say that the image is whole.
    fn load(&self, write: &WriteArchive<'_>) -> Result<(), TransportError>;

    /// Writes the image that a reference names as an archive.
    fn save(&self, reference: &str, to: &mut dyn Write) -> Result<(), TransportError>;

    /// Lets a reference name an image that is there, whatever it named before.
    fn tag(&self, image: &Image, reference: &str) -> Result<(), TransportError>;

    /// Takes a reference away, and the image with it when it has no other.
    fn untag(&self, image: &Image, reference: &str) -> Result<(), TransportError>;

    /// The tags of a name that begin with `prefix`.
    fn temp_tags(&self, name: &str, prefix: &str) -> Result<Vec<String>, TransportError> {
        let _ = (name, prefix);
        Ok(Vec::new())
    }

    /// The time at which a reference got its image, where the daemon dates that.
    fn tagged_at(&self, reference: &str) -> Option<SystemTime> {
        let _ = reference;
        None
    }

    /// Removes a reference, and the image with it when it has no other.
    fn remove(&self, reference: &str) -> Result<(), TransportError> {
        let _ = reference;
        Ok(())
    }
}

/// What loading an image came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Bytes of layers and documents that were sent for it; none when it was there already.
    /// What several images share counts for the first.
    pub sent: Option<u64>,
    /// References that named another image before, with that image's id.
    pub moved: Vec<(String, String)>,
}

/// Loads images; either every tag moves in the end or, when sending fails, none does.
pub fn load(
    daemon: &dyn Daemon,
    images: &[Image],
    reporter: &dyn Reporter,
) -> Result<Vec<Loaded>, TransportError> {
    // Dropped at the end, however that is.
    let mut temporary = TempTags::new(daemon, images)?;
    let mut sent = Vec::new();
    let (mut whole, mut missing) = (Vec::new(), Vec::new());
    for image in images {
        let is_complete = daemon.is_complete(image)?;
        sent.push((!is_complete).then_some(0));
        match is_complete {
            true => whole.push(image.clone()),
            false => missing.push(temporary.add(image)?),
        }
    }
    let together = if daemon.accepts_multiple_images() { missing.len() } else { 1 };
    let batches: Vec<&[Image]> = missing.chunks(together.max(1)).collect();
    let bytes = missing.iter().map(Image::blob_size).sum();
    let all = progress::images(reporter, batches.len(), bytes);
    let mut counts = Vec::new();
    for batch in batches {
        counts.extend(send(daemon, batch, &whole, all.reporter())?);
        whole.extend_from_slice(batch);
    }
    for (sent, count) in sent.iter_mut().flatten().zip(counts) {
        *sent = count;
    }
    images
        .iter()
        .zip(sent)
        .map(|(image, sent)| Ok(Loaded { sent, moved: move_tags(daemon, image)? }))
        .collect()
}

/// Reads an image out of a daemon, which gives it as an archive: that lies in a temporary file
/// without a name until the source is dropped.
pub fn export(
    daemon: &dyn Daemon,
    reference: &str,
    reporter: &dyn Reporter,
) -> Result<Archive, TransportError> {
    let place = format!("{reference} in {}", daemon.label());
    let mut file = tempfile::tempfile().context(FileOp::CreateTemp, env::temp_dir())?;
    let task = reporter.start(&format!("reading {place}"), None);
    daemon.save(reference, &mut ProgressWriter { to: &mut file, task: &*task })?;
    file.rewind().context(FileOp::Read, env::temp_dir())?;
    Ok(Archive::read(Path::new(&place), file)?)
}

/// Moves the tags that do not name the image yet; gives back those that named another.
fn move_tags(daemon: &dyn Daemon, image: &Image) -> Result<Vec<(String, String)>, TransportError> {
    let mut moved = Vec::new();
    for reference in super::references(image) {
        let before = daemon.id_at(&reference)?;
        if before.as_ref() == Some(&daemon.id_of(image)) {
            continue;
        }
        daemon.tag(image, &reference)?;
        moved.extend(before.map(|id| (reference, id)));
    }
    Ok(moved)
}

/// Sends what is missing, or everything when that does not do.
fn send(
    daemon: &dyn Daemon,
    images: &[Image],
    whole: &[Image],
    reporter: &dyn Reporter,
) -> Result<Vec<u64>, TransportError> {
    let omit = daemon
        .present_layers(images, whole)
        .map(|present| dispensable(images, &present))
        .unwrap_or_default();
    if !omit.is_empty() {
        match attempt(daemon, images, &omit, reporter) {
            Ok(()) => return Ok(counts(images, omit)),
            Err(error) => reporter.warn(&format!(
                "{} did not take the missing layers alone ({}); sending all layers",
                daemon.label(),
                error_chain::root(&error)
            )),
        }
        untag(daemon, images);
    }
    attempt(daemon, images, &BTreeSet::new(), reporter)?;
    Ok(counts(images, BTreeSet::new()))
}

fn attempt(
    daemon: &dyn Daemon,
    images: &[Image],
    omit: &BTreeSet<Digest>,
    reporter: &dyn Reporter,
) -> Result<(), TransportError> {
    let bytes = counts(images, omit.clone()).iter().sum();
    let all: u64 = images.iter().map(Image::blob_size).sum();
    reporter.skip(all.saturating_sub(bytes));
    let what = match images {
        [image] => format!("sending {} to {}", image.name, daemon.label()),
        images => format!("sending {} images to {}", images.len(), daemon.label()),
    };
    let task = reporter.start(&what, Some(bytes));
    daemon.load(&|to| archive::write(images, omit, &mut ProgressWriter { to, task: &*task }))?;
    for image in images {
        if !daemon.is_complete(image)? {
            return Err(TransportError::IncompleteImage {
                daemon: daemon.label(),
                image: image.name.to_string(),
            });
        }
    }
    Ok(())
}

/// Blobs that no image of the archive needs.
fn dispensable(images: &[Image], present: &[BTreeSet<Digest>]) -> BTreeSet<Digest> {
    let layers = || {
        images.iter().zip(present).flat_map(|(image, present)| {
            image.layers.iter().map(move |layer| (layer.digest, present.contains(&layer.digest)))
        })
    };
    let needed: BTreeSet<Digest> =
        layers().filter(|(_, is_present)| !is_present).map(|(digest, _)| digest).collect();
    layers().map(|(digest, _)| digest).filter(|digest| !needed.contains(digest)).collect()
}

/// Bytes of blobs that are sent for each image.
fn counts(images: &[Image], omit: BTreeSet<Digest>) -> Vec<u64> {
    let mut done = omit;
    let count = |image: &Image| {
        let layers = image.layers.iter().map(|layer| (layer.digest, layer.blob_size));
        let documents = [&image.manifest.descriptor, &image.config.descriptor];
        let all = layers.chain(documents.map(|descriptor| (descriptor.digest, descriptor.size)));
        all.filter(|(digest, _)| done.insert(*digest)).map(|(_, size)| size).sum()
    };
    images.iter().map(count).collect()
}
