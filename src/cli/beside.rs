//! What an image has beside its layers of store paths: the base's layers, the layer of its own
//! files, the config. `cooper diff` compares them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::commands::plan::PlannedImage;
use super::ui::failure::Failure;
use super::{GlobalArgs, assemble};
use crate::closure::Closure;
use crate::digest::DiffId;
use crate::image::{self, Document};
use crate::layer::{self, Content, EphemeralCache, Layer};
use crate::plan::causes;
use crate::progress::Reporter;
use crate::rootfs::{Kind, Node, Rootfs};
use crate::spec::{Compression, Spec};
use crate::store_path::StorePath;

/// These parts of one image.
#[derive(Debug)]
pub(super) struct ImageParts {
    base: Vec<Layer>,
    own: Option<OwnFiles>,
    /// With layers of nothing in it: their digests are known only when they are made.
    config: Document,
}

#[derive(Debug)]
struct OwnFiles {
    rootfs: Arc<Rootfs>,
    diff_id: DiffId,
    size: u64,
}

/// One that a client has to fetch.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) what: &'static str,
    pub(super) size: u64,
    /// The store paths that started it.
    pub(super) causes: Vec<StorePath>,
    /// What else there is to say of why.
    pub(super) because: String,
}

impl ImageParts {
    /// Of an image that is to be built, and fails where that would. Makes the small layer and
    /// nothing else.
    pub(super) fn of_new(
        global: &GlobalArgs,
        spec: &Spec,
        laid: &PlannedImage,
        reporter: &dyn Reporter,
    ) -> Result<Self, Failure> {
        let during = |f: Failure| f.during(format!("failed to assemble `{}`", spec.name));
        Self::of(global, spec, laid, reporter, Err).map_err(during)
    }

    /// Of an image that clients have. Own files whose sources are gone from the store since are
    /// left out, which is said.
    pub(super) fn of_old(
        global: &GlobalArgs,
        spec: &Spec,
        laid: &PlannedImage,
        reporter: &dyn Reporter,
    ) -> Result<Self, Failure> {
        Self::of(global, spec, laid, reporter, |why| match why.is_not_found() {
            true => {
                let name = &spec.name;
                reporter.warn(&format!("the own files of `{name}` are left out: {why}"));
                Ok(Rootfs::default())
            }
            false => Err(why),
        })
    }

    fn of(
        global: &GlobalArgs,
        spec: &Spec,
        laid: &PlannedImage,
        reporter: &dyn Reporter,
        without: impl FnOnce(Failure) -> Result<Rootfs, Failure>,
    ) -> Result<Self, Failure> {
        let read = laid.base.as_ref().map(|base| base.read(global.limits(), reporter));
        let read = read.transpose()?;
        let rootfs = assemble::own_files(spec).and_then(|rootfs| match &read {
            Some(read) => Ok(Rootfs::on_base(spec, &read.below)?),
            None => Ok(rootfs),
        });
        let rootfs = Arc::new(rootfs.or_else(without)?);
        let infos = assemble::layer_infos(&laid.plan, &laid.closure);
        let requests = assemble::requests(spec, &laid.plan, &infos, &rootfs);
        let names = requests.iter().map(|request| request.name.clone()).collect();
        let own = requests.into_iter().filter(|r| matches!(r.content, Content::Rootfs(..)));
        let own: Vec<_> =
            own.map(|own| layer::Request { compression: Compression::None {}, ..own }).collect();
        let made = layer::build(&own, &EphemeralCache::new()?, global.jobs(), reporter)?;
        let own = made.first().map(|layer| (layer.diff_id, layer.tar_size));
        let config = image::draft_config(spec, read.as_ref().map(|read| &read.lower), names);
        Ok(Self {
            base: read.map(|read| read.layers).unwrap_or_default(),
            own: own.map(|(diff_id, size)| OwnFiles { rootfs, diff_id, size }),
            config: config.map_err(Failure::bug)?,
        })
    }

    /// The bytes of all of it.
    pub(super) fn size(&self) -> u64 {
        let base: u64 = self.base.iter().map(|layer| layer.tar_size).sum();
        base + self.own.as_ref().map_or(0, |own| own.size) + self.config.descriptor.size
    }

    /// How many of it are layers.
    pub(super) fn layers(&self) -> usize {
        self.base.len() + usize::from(self.own.is_some())
    }

    /// What of it a client of `old` has to fetch, the config first and the base last;
    /// `other_layers` are new too. Whatever is in them, layers are new when they are `remade`.
    pub(super) fn fetches(
        &self,
        old: &Self,
        closures: (&Closure, &Closure),
        other_layers: bool,
        remade: Option<&str>,
    ) -> Vec<Part> {
        let had: BTreeSet<DiffId> = old.base.iter().map(|layer| layer.diff_id).collect();
        let base = self.base.iter().rev().filter(|layer| !had.contains(&layer.diff_id));
        let base: Vec<Part> = base
            .map(|layer| Part {
                what: "base",
                size: layer.tar_size,
                causes: Vec::new(),
                because: "another base image".into(),
            })
            .collect();
        let own = self.own.as_ref().and_then(|own| own.fetch(old.own.as_ref(), closures, remade));
        let tar = |of: &Self| of.own.as_ref().map(|own| own.diff_id);
        let layers = other_layers || tar(self) != tar(old) || !base.is_empty();
        let config = self.config(&old.config, closures, layers);
        config.into_iter().chain(own).chain(base).collect()
    }

    fn config(
        &self,
        old: &Document,
        (old_closure, new_closure): (&Closure, &Closure),
        layers: bool,
    ) -> Option<Part> {
        let size = self.config.descriptor.size;
        let part = |causes, because: &str| Part {
            what: "config",
            size,
            causes,
            because: because.to_owned(),
        };
        if self.config.bytes == old.bytes {
            return layers.then(|| part(Vec::new(), "it names the layers"));
        }
        // A store path in it ends where JSON's text or a list of paths does.
        let text = String::from_utf8_lossy(&self.config.bytes);
        let words = text.split(['"', ':', '=', ' ', ',']);
        let named = words.filter_map(|word| StorePath::parse_prefix(word).ok());
        let named: BTreeSet<StorePath> = named.map(|(path, _)| path).collect();
        let named: Vec<StorePath> = named.into_iter().collect();
        Some(part(causes(old_closure, new_closure, &named), "the spec's config, or its layers"))
    }
}

impl OwnFiles {
    fn fetch(
        &self,
        old: Option<&Self>,
        closures: (&Closure, &Closure),
        remade: Option<&str>,
    ) -> Option<Part> {
        if remade.is_none() && old.is_some_and(|old| old.diff_id == self.diff_id) {
            return None;
        }
        let same = |path: &[u8], node: &Node| {
            old.and_then(|old| old.rootfs.entries.get(path)).is_some_and(|had| had == node)
        };
        let changed: Vec<(&Vec<u8>, &Node)> =
            self.rootfs.entries.iter().filter(|(path, node)| !same(path, node)).collect();
        let named: BTreeSet<StorePath> =
            changed.iter().filter_map(|(_, node)| store_path(&node.kind)).collect();
        let named: Vec<StorePath> = named.into_iter().collect();
        let (old_closure, new_closure) = closures;
        let shown = |(path, _): &(&Vec<u8>, &Node)| format!("/{}", String::from_utf8_lossy(path));
        let because = match changed.as_slice() {
            [] => remade.unwrap_or("files that are gone").to_owned(),
            [one] => shown(one),
            [first, rest @ ..] => format!("{} and {} more", shown(first), rest.len()),
        };
        Some(Part {
            what: "own files",
            size: self.size,
            causes: causes(old_closure, new_closure, &named),
            because,
        })
    }
}

/// Where a link leads or a copy comes from.
fn store_path(kind: &Kind) -> Option<StorePath> {
    let text = match kind {
        Kind::Symlink(target) => std::str::from_utf8(target).ok()?,
        Kind::Copy(from) => Path::to_str(from)?,
        Kind::Directory | Kind::Bytes(_) => return None,
    };
    StorePath::parse_prefix(text).ok().map(|(path, _)| path)
}
