//! Layers that come one after the other, before there is an image that has them.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::brought::Brought;
use super::{BLOBS, add, has_blob, write_all, writing};
use crate::fs;
use crate::image::Image;
use crate::layer::Layer;
use crate::progress::{Reporter, Task};
use crate::transport::graph::TaggedImage;
use crate::transport::{TransportError, progress_io};

/// Layers on their way into a layout, before anything names them. What was written is taken away
/// again when it is dropped or a signal ends the process, and so is a layout that was made for it,
/// with the folders above it, unless [`LayerWriter::keep`] was called or somebody names images there.
#[derive(Debug)]
pub struct LayerWriter {
    pub(super) brought: Arc<Brought>,
}

impl LayerWriter {
    /// Nothing is made before the first layer comes that is not there.
    pub fn new(dir: &Path) -> Self {
        Self { brought: Brought::new(dir) }
    }

    /// Adds layers as they come; [`LayerWriter::finish`] then finds them there.
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
            |layer: &Layer| !has_blob(&path(layer), layer.blob_size, layer.blob.look());
        write_all(layers.filter(is_missing), |layer| {
            // For one blob: whoever has images to name shall not wait for layers to be made.
            let _lock = self.brought.open(fs::LockMode::Shared)?;
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
        let named: Vec<TaggedImage> = images.iter().map(TaggedImage::of_image).collect();
        add(&named, self, reporter)
    }

    /// They stay, as something names them now.
    pub fn keep(self) {
        self.brought.keep();
    }
}

impl Drop for LayerWriter {
    fn drop(&mut self) {
        self.brought.give_up();
    }
}
