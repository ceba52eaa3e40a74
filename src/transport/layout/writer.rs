//! Layers that come one after the other, before there is an image that has them.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::brought::Brought;
use super::{BLOBS, add, is_there, write_all, writing};
use crate::fs;
use crate::image::Image;
use crate::layer::Layer;
use crate::progress::{Reporter, Task};
use crate::transport::graph::Named;
use crate::transport::{TransportError, progress_io};

/// Layers on their way into a layout, before anything names them. What was written is taken away
/// again when it is dropped or a signal ends the process, and so is a layout that was made for it,
/// with the folders above it, unless [`Layers::keep`] was called or somebody names images there.
#[derive(Debug)]
pub struct Layers {
    pub(super) brought: Arc<Brought>,
}

impl Layers {
    /// Nothing is made before the first layer comes that is not there.
    pub fn new(dir: &Path) -> Self {
        Self { brought: Brought::new(dir) }
    }

    /// Adds layers as they come; [`Layers::finish`] then finds them there.
    pub fn write(
        &self,
        layers: impl Iterator<Item = Layer> + Send,
        reporter: &dyn Reporter,
    ) -> Result<(), TransportError> {
        // Who knows how many layers will come, and whether any will be missing?
        let task: OnceLock<Box<dyn Task>> = OnceLock::new();
        let dir = self.brought.dir();
        let blobs = dir.join(BLOBS);
        let path = |layer: &Layer| blobs.join(layer.digest.hex());
        let is_missing =
            |layer: &Layer| !is_there(&path(layer), layer.blob_size, layer.blob.look());
        write_all(layers.filter(is_missing), |layer| {
            // For one blob: whoever has images to name shall not wait for layers to be made.
            let _lock = self.brought.open(fs::Lock::Shared)?;
            let task = task.get_or_init(|| reporter.start(&writing(dir), None));
            let path = path(&layer);
            self.brought.bring(&path, || {
                progress_io::write_file(&layer.blob, layer.blob_size, &path, &**task)
            })
        })?;
        if task.get().is_some() {
            fs::sync_dir(&blobs)?;
        }
        Ok(())
    }

    /// Adds the images that have them, as [`write()`](super::write()) does, and lets them stay.
    pub fn finish(self, images: &[Image], reporter: &dyn Reporter) -> Result<(), TransportError> {
        let named: Vec<Named> = images.iter().map(Named::of_image).collect();
        add(&named, self, reporter)
    }

    /// They stay, as something names them now.
    pub fn keep(self) {
        self.brought.keep();
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        self.brought.give_up();
    }
}
