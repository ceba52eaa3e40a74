//! Where a spec takes its bytes from: from its own closure, and what of that is only copied.

use std::collections::BTreeSet;

use super::{FileSource, Spec, SpecError};
use crate::store_path::{PathInfo, StorePath};

impl Spec {
    /// Checks that `contents` and the sources of `files` are in the closure. Outside of Nix's
    /// sandbox any file of the machine could be read, and an image must not depend on the
    /// machine.
    pub fn check_sources(&self) -> Result<(), SpecError> {
        let closure: BTreeSet<&StorePath> = self.closure.iter().map(|info| &info.path).collect();
        for path in &self.contents {
            if !closure.contains(path) {
                return Err(self.outside("contents".into(), path.as_str()));
            }
        }
        for (path, file) in &self.files {
            let Some(source) = &file.source else { continue };
            let dots = source.split('/').any(|part| matches!(part, "." | ".."));
            let known =
                StorePath::parse_prefix(source).is_ok_and(|(root, _)| closure.contains(&root));
            if dots || !known {
                return Err(self.outside(format!("files.\"{path}\".source"), source));
            }
        }
        Ok(())
    }

    /// The closure that the image keeps in its own store: all but the sources of `files` that
    /// nothing refers to. Their bytes are at their places in the image already.
    pub fn stored(&self) -> Vec<PathInfo> {
        let sources = self.files.values().filter_map(|file| file.source.as_deref());
        let mut copied: BTreeSet<StorePath> = sources
            .filter_map(|source| StorePath::parse_prefix(source).ok())
            .map(|(root, _)| root)
            .collect();
        // A path that refers to itself would look for itself there.
        for reference in self.closure.iter().flat_map(|info| &info.references) {
            copied.remove(reference);
        }
        copied.retain(|path| !self.mentions(path));
        self.closure.iter().filter(|info| !copied.contains(&info.path)).cloned().collect()
    }

    /// What `layering.changesOften` has that is the name of no store path: not of the image's own
    /// nor, when it is planned with a set, of another one's.
    pub fn unknown_changes_often(&self) -> Vec<&str> {
        let often = &self.layering.changes_often;
        if often.is_empty() || !self.include_store_paths {
            return Vec::new();
        }
        let stored = self.stored();
        let others = self.layering.others().flat_map(|(_, graph)| graph);
        let names: BTreeSet<_> =
            stored.iter().chain(others).flat_map(|info| info.path.names()).collect();
        often.iter().map(String::as_str).filter(|name| !names.contains(*name)).collect()
    }

    /// Whether the image itself, by what is written in it, leads to the path.
    fn mentions(&self, path: &StorePath) -> bool {
        let texts = self.files.values().filter_map(|file| match file.content() {
            Some(FileSource::Text(text)) => Some(text),
            _ => None,
        });
        let homes = self.users.values().flat_map(|user| [user.home.as_str(), user.shell.as_str()]);
        let mut texts = texts
            .chain(homes)
            .chain(self.symlinks.values().map(String::as_str))
            .chain(self.annotations.values().map(String::as_str))
            .chain(self.config.texts());
        self.contents.contains(path)
            || self.layering.groups.iter().any(|group| group.paths.contains(path))
            || texts.any(|text| text.contains(path.as_str()))
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
