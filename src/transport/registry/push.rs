//! Images into a registry: blobs, then manifests, then tags.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};

use super::RegistryError;
use super::auth::token::Scope;
use super::client::Registry;
use super::net::retry::Tries;
use super::request::Request;
use super::upload::{Upload, UploadOutcome};
use crate::digest::Digest;
use crate::image::Document;
use crate::progress;
use crate::progress::{Reporter, Task};
use crate::spec::Tag;
use crate::transport::graph::{Blob, Graph};
use crate::transport::source::{IndexEntry, Manifest, read_manifest};

/// What goes into one repository.
#[derive(Debug, Clone)]
pub struct PushItem {
    /// The repository, without the registry.
    pub repository: String,
    /// The tags that it gets, last of all. Without any it can be had by digest.
    pub tags: Vec<Tag>,
    /// The image or index.
    pub graph: Graph,
}

impl PushItem {
    fn size(&self) -> u64 {
        self.graph.blobs().map(|blob| blob.descriptor.size).sum()
    }
}

/// What a push moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushStats {
    /// Blobs that were there.
    pub present: u64,
    /// Blobs that were taken over from other repositories.
    pub mounted: u64,
    /// Blobs that were sent.
    pub uploaded: u64,
    /// Bytes of those.
    pub bytes: u64,
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Registry and repository.
    pub name: String,
    /// The tags.
    pub tags: Vec<Tag>,
    /// What they name now.
    pub digest: Digest,
    /// What was moved for it.
    pub moved: PushStats,
}

/// Which repository of this registry is known to have a blob.
pub(super) type MountSources = Mutex<BTreeMap<Digest, String>>;

impl Registry {
    /// Pushes parcels one after the other, so that later ones mount what earlier ones brought.
    /// `mount_from` are repositories of the same registry that may have some of it.
    pub fn push(
        self: &Arc<Self>,
        parcels: &[PushItem],
        mount_from: &[String],
        reporter: &dyn Reporter,
    ) -> Result<Vec<Pushed>, RegistryError> {
        let homes = MountSources::default();
        let push = Push::new(self, &homes, mount_from);
        let whole =
            progress::images(reporter, parcels.len(), parcels.iter().map(PushItem::size).sum());
        let all = async {
            let mut pushed = Vec::new();
            for parcel in parcels {
                pushed.push(push.parcel(parcel, whole.reporter()).await?);
            }
            Ok(pushed)
        };
        self.runtime.block_on(all)
    }

    /// Gives tags to a manifest or an index that a repository has already, and moves nothing.
    /// None if the repository lacks it or a part of it.
    pub fn tag(
        self: &Arc<Self>,
        repository: &str,
        tags: &[Tag],
        document: &Document,
    ) -> Result<Option<Pushed>, RegistryError> {
        let homes = MountSources::default();
        let push = Push::new(self, &homes, &[]);
        let is_tagged = self.runtime.block_on(push.tag(repository, tags, document))?;
        let present = named_by(document).len() as u64;
        let moved = PushStats { present, ..PushStats::default() };
        Ok(is_tagged.then(|| self.pushed(repository, tags, document, moved)))
    }

    fn pushed(&self, repository: &str, tags: &[Tag], root: &Document, moved: PushStats) -> Pushed {
        Pushed {
            name: format!("{}/{repository}", self.name),
            tags: tags.to_vec(),
            digest: root.descriptor.digest,
            moved,
        }
    }
}

pub(super) struct Push<'a> {
    pub(super) registry: &'a Registry,
    pub(super) homes: &'a MountSources,
    pub(super) mount_from: &'a [String],
    /// False once the registry did not let cooper look for a manifest.
    pub(super) shows_manifests: AtomicBool,
    /// False once the registry did not let cooper look for a blob.
    pub(super) shows_blobs: AtomicBool,
}

impl<'a> Push<'a> {
    fn new(registry: &'a Registry, homes: &'a MountSources, mount_from: &'a [String]) -> Self {
        let (shows_manifests, shows_blobs) = (AtomicBool::new(true), AtomicBool::new(true));
        Self { registry, homes, mount_from, shows_manifests, shows_blobs }
    }

    async fn parcel(
        &self,
        parcel: &PushItem,
        reporter: &dyn Reporter,
    ) -> Result<Pushed, RegistryError> {
        let root = parcel.graph.root();
        let pushed = |moved| self.registry.pushed(&parcel.repository, &parcel.tags, root, moved);
        if self.tag(&parcel.repository, &parcel.tags, root).await? {
            let present = parcel.graph.blobs().count() as u64;
            self.remember(parcel);
            reporter.skip(parcel.size());
            return Ok(pushed(PushStats { present, ..PushStats::default() }));
        }
        let known = self.known_parts(parcel).await?;
        let moved = self.blobs(parcel, &Effort::Missing(&known), reporter).await?;
        match self.manifests(parcel, &known).await {
            // A registry that removed content between the question and now.
            Err(error) if error.is_missing_content() => {
                let again = self.blobs(parcel, &Effort::All, reporter).await?;
                self.manifests(parcel, &BTreeSet::new()).await?;
                let (uploaded, bytes) =
                    (moved.uploaded + again.uploaded, moved.bytes + again.bytes);
                Ok(pushed(PushStats { uploaded, bytes, ..again }))
            }
            Err(error) => Err(error),
            Ok(()) => Ok(pushed(moved)),
        }
    }

    /// Gives tags to a manifest that the repository has; false if it has not, or not all that the
    /// manifest names. Where all tags name it already, nothing is written.
    async fn tag(
        &self,
        repository: &str,
        tags: &[Tag],
        root: &Document,
    ) -> Result<bool, RegistryError> {
        let digest = root.descriptor.digest;
        let mut named = 0;
        for tag in tags {
            if !self.has_manifest(repository, tag.as_str(), digest).await? {
                break;
            }
            named += 1;
        }
        let rest = tags.get(named..).unwrap_or_default();
        if !tags.is_empty() && rest.is_empty() {
            return Ok(true);
        }
        if named == 0 && !self.has_manifest(repository, &digest.to_string(), digest).await? {
            return Ok(false);
        }
        for tag in rest {
            match self.put(repository, root, tag.as_str()).await {
                Err(error) if error.is_missing_content() => return Ok(false),
                result => result?,
            }
        }
        Ok(true)
    }

    /// The manifests of an index that the repository has, and all that they name.
    async fn known_parts(&self, parcel: &PushItem) -> Result<BTreeSet<Digest>, RegistryError> {
        let mut known = BTreeSet::new();
        let root = parcel.graph.root().descriptor.digest;
        for document in parcel.graph.documents() {
            let digest = document.descriptor.digest;
            let name = digest.to_string();
            if digest != root && self.has_manifest(&parcel.repository, &name, digest).await? {
                known.insert(digest);
                known.extend(named_by(document));
            }
        }
        Ok(known)
    }

    fn remember(&self, parcel: &PushItem) {
        if let Ok(mut homes) = self.homes.lock() {
            for blob in parcel.graph.blobs() {
                homes.insert(blob.descriptor.digest, parcel.repository.clone());
            }
        }
    }

    /// Brings all blobs into the repository, several at the same time.
    async fn blobs(
        &self,
        parcel: &PushItem,
        effort: &Effort<'_>,
        reporter: &dyn Reporter,
    ) -> Result<PushStats, RegistryError> {
        let what = format!("pushing {}", parcel.repository);
        let task = Mutex::new(reporter.start(&what, Some(parcel.size())));
        let blobs: Vec<&Blob> = parcel.graph.blobs().collect();
        // Credentials that may be wrong are shown for one blob first.
        let is_alone = !self.shows_blobs.load(Ordering::Relaxed);
        let (first, rest) = blobs.split_at(usize::from(is_alone && !blobs.is_empty()));
        let one = |blob| self.blob(parcel, blob, effort, &task);
        let parallel = self.registry.options.parallel.max(1);
        let mut moved = Vec::new();
        for blob in first {
            moved.push(one(*blob).await?);
        }
        let rest = stream::iter(rest.iter().copied()).map(one).buffer_unordered(parallel);
        moved.extend(rest.try_collect::<Vec<PushStats>>().await?);
        self.remember(parcel);
        Ok(moved.into_iter().fold(PushStats::default(), |sum, moved| PushStats {
            present: sum.present + moved.present,
            mounted: sum.mounted + moved.mounted,
            uploaded: sum.uploaded + moved.uploaded,
            bytes: sum.bytes + moved.bytes,
        }))
    }

    async fn blob(
        &self,
        parcel: &PushItem,
        blob: &Blob,
        effort: &Effort<'_>,
        progress: &Mutex<Box<dyn Task>>,
    ) -> Result<PushStats, RegistryError> {
        let own = Scope::new(&parcel.repository, true);
        let home = match effort {
            Effort::All => None,
            Effort::Missing(known) => {
                if known.contains(&blob.descriptor.digest) || self.has(&own, blob).await? {
                    skip_of(progress, blob);
                    return Ok(PushStats { present: 1, ..PushStats::default() });
                }
                self.home(blob, &parcel.repository).await?
            }
        };
        let upload =
            Upload { repository: &parcel.repository, blob, mount_from: home.as_deref(), progress };
        Ok(match self.registry.upload(&upload).await? {
            UploadOutcome::Mounted => {
                skip_of(progress, blob);
                PushStats { mounted: 1, ..PushStats::default() }
            }
            UploadOutcome::Uploaded => {
                PushStats { uploaded: 1, bytes: blob.descriptor.size, ..PushStats::default() }
            }
        })
    }

    /// Puts the documents that are not known to be there, each after those that it names, and
    /// the tags last.
    async fn manifests(
        &self,
        parcel: &PushItem,
        known: &BTreeSet<Digest>,
    ) -> Result<(), RegistryError> {
        let (repository, root) = (&parcel.repository, parcel.graph.root());
        for document in parcel.graph.documents() {
            let digest = document.descriptor.digest;
            if digest != root.descriptor.digest && !known.contains(&digest) {
                self.put(repository, document, &digest.to_string()).await?;
            }
        }
        if parcel.tags.is_empty() {
            return self.put(repository, root, &root.descriptor.digest.to_string()).await;
        }
        for tag in &parcel.tags {
            self.put(repository, root, tag.as_str()).await?;
        }
        Ok(())
    }

    async fn put(
        &self,
        repository: &str,
        document: &Document,
        name: &str,
    ) -> Result<(), RegistryError> {
        let registry = self.registry;
        let what = format!("write the manifest `{repository}:{name}`");
        let scope = Scope::new(repository, true);
        let url = registry.url(&format!("{repository}/manifests/{name}"));
        let mut request = Request::new(Method::PUT, url, &scope, &what)
            .header(CONTENT_TYPE, &document.descriptor.media_type);
        request.body = Some(document.bytes.clone());
        let mut tries = Tries::new(&registry.options);
        let mut is_disputed = false;
        loop {
            let answer = registry.send_within(&request, &mut tries).await?;
            let status = answer.status();
            if status.is_success() {
                return registry.check_claim(answer.headers(), document.descriptor.digest, &what);
            }
            let error = registry.refusal(answer, &what).await;
            // The bytes have their digest, so one more try may be taken.
            let is_last = error.is_missing_content() || std::mem::replace(&mut is_disputed, true);
            match tries.pause(None) {
                Some(pause) if status == StatusCode::BAD_REQUEST && !is_last => {
                    registry.sleep(pause, &tries, &error).await;
                }
                _ => return Err(registry.give_up(error)),
            }
        }
    }
}

/// How much of an image is moved.
enum Effort<'a> {
    /// All but these blobs and those that the repository turns out to have.
    Missing(&'a BTreeSet<Digest>),
    /// Every blob.
    All,
}

/// The blobs that a manifest names, or the manifests that an index names.
fn named_by(document: &Document) -> Vec<Digest> {
    match read_manifest(document) {
        Ok(Manifest::Image { config, layers }) => std::iter::once(config.digest)
            .chain(layers.iter().map(|layer| layer.descriptor.digest))
            .collect(),
        Ok(Manifest::Artifact { blobs, .. }) => blobs.iter().map(|blob| blob.digest).collect(),
        Ok(Manifest::Index(entries)) => {
            entries.iter().filter_map(IndexEntry::read).map(|entry| entry.digest).collect()
        }
        Err(_) => Vec::new(),
    }
}

/// What the registry has needs no work.
fn skip_of(task: &Mutex<Box<dyn Task>>, blob: &Blob) {
    if let Ok(task) = task.lock() {
        task.skip(blob.descriptor.size);
    }
}
