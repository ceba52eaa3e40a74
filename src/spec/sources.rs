//! Whether a spec takes its bytes from where it says: from its own closure.

use super::{Spec, SpecError};
use crate::store_path::StorePath;

impl Spec {
    /// Checks that `contents` and the sources of `files` are in the closure. Outside of Nix's
    /// sandbox any file of the machine could be read, and an image must not depend on the
    /// machine.
    pub fn check_sources(&self) -> Result<(), SpecError> {
        for path in &self.contents {
            if !self.has(path) {
                return Err(self.outside("contents".into(), path.as_str()));
            }
        }
        for (path, file) in &self.files {
            let Some(source) = &file.source else { continue };
            let dots = source.split('/').any(|part| matches!(part, "." | ".."));
            let known = StorePath::parse_prefix(source).is_ok_and(|(root, _)| self.has(&root));
            if dots || !known {
                return Err(self.outside(format!("files.\"{path}\".source"), source));
            }
        }
        Ok(())
    }

    fn has(&self, path: &StorePath) -> bool {
        self.closure.iter().any(|info| info.path == *path)
    }

    fn outside(&self, field: String, path: &str) -> SpecError {
        let closure = match self.closure.len() {
            0 => "the closure, which is empty".to_owned(),
            1 => "the closure, which has one path".to_owned(),
            count => format!("the closure, which has {count} paths"),
        };
        SpecError::OutsideClosure { field, path: path.into(), closure }
    }
}
