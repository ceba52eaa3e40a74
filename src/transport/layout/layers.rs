//! Layers that come one after the other, before there is an image that has them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::{BLOBS, INDEX, OCI_LAYOUT_FILE, check, is_same, is_there, open, write_all, writing};
use crate::file;
use crate::layer::Layer;
use crate::report::{Reporter, Task};
use crate::transport::{TransportError, counted};

/// Layers on their way into a layout, before anything names them. What was written is taken away
/// again when it is dropped, and so is a layout that was made for it, unless [`Layers::keep`] was
/// called or somebody names images there.
#[derive(Debug)]
pub struct Layers<'a> {
    dir: &'a Path,
    was_there: bool,
    written: Mutex<Vec<PathBuf>>,
    named: bool,
}

impl<'a> Layers<'a> {
    /// Nothing is made before the first layer comes that is not there.
    pub fn new(dir: &'a Path) -> Self {
        Self { dir, was_there: dir.exists(), written: Mutex::default(), named: false }
    }

    /// Adds layers as they come; [`write()`](super::write()) then finds them there.
    pub fn write(
        &self,
        layers: impl Iterator<Item = Layer> + Send,
        reporter: &dyn Reporter,
    ) -> Result<(), TransportError> {
        // Who knows how many layers will come, and whether any will be missing?
        let task: OnceLock<Box<dyn Task>> = OnceLock::new();
        let blobs = self.dir.join(BLOBS);
        let path = |layer: &Layer| blobs.join(layer.digest.hex());
        let is_missing =
            |layer: &Layer| !is_there(&path(layer), layer.blob_size, layer.blob.look());
        write_all(layers.filter(is_missing), |layer| {
            // For one blob: whoever has images to name shall not wait for layers to be made.
            let _lock = open(self.dir, file::Lock::Shared)?;
            let task = task.get_or_init(|| reporter.start(&writing(self.dir), None));
            counted::write_file(&layer.blob, layer.blob_size, &path(&layer), &**task)?;
            self.written().push(path(&layer));
            Ok(())
        })?;
        if !self.written().is_empty() {
            file::sync_dir(&blobs)?;
        }
        Ok(())
    }

    /// They stay, as something names them now.
    pub fn keep(mut self) {
        self.named = true;
    }

    pub(super) fn written(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Layers<'_> {
    fn drop(&mut self) {
        if self.named || !self.dir.is_dir() {
            return;
        }
        // Not as for writing: on a full disk nothing can be made.
        let Ok(lock) = File::open(self.dir) else { return };
        let locked = file::lock(&lock, self.dir, file::Lock::Alone).is_ok();
        let is_ours = locked && is_same(&lock, self.dir) && check(self.dir).is_ok();
        if !is_ours || self.dir.join(INDEX).exists() {
            return;
        }
        for path in self.written().drain(..) {
            let _ = fs::remove_file(path);
        }
        // Folders go only when they are empty: another process may be at work here.
        let blobs = self.dir.join(BLOBS);
        let mut folders = [blobs.as_path()].into_iter().chain(blobs.parent());
        if folders.all(is_gone) {
            let _ = fs::remove_file(self.dir.join(OCI_LAYOUT_FILE));
            if !self.was_there {
                let _ = fs::remove_dir(self.dir);
            }
        }
    }
}

/// Removes an empty folder; whether it is not there then.
fn is_gone(dir: &Path) -> bool {
    fs::remove_dir(dir).map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true)
}
