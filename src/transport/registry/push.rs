//! Images into a registry: blobs, then manifests, then tags.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, StatusCode};

use super::RegistryError;
use super::client::Registry;
use super::request::Request;
use super::response::claimed;
use super::token::Scope;
use super::upload::{Arrival, Upload};
use crate::digest::Digest;
use crate::image::Document;
use crate::report::{self, Reporter, Task};
use crate::spec::Tag;
use crate::transport::graph::{Blob, Graph};
use crate::transport::source::ACCEPTED;

/// What goes into one repository.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The repository, without the registry.
    pub repository: String,
    /// The tags that it gets, last of all. Without any it can be had by digest.
    pub tags: Vec<Tag>,
    /// The image or index.
    pub graph: Graph,
}

impl Parcel {
    fn size(&self) -> u64 {
        self.graph.blobs().map(|blob| blob.descriptor.size).sum()
    }
}

/// What a push moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
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
    pub moved: Moved,
}

/// Which repository of this registry is known to have a blob.
type Homes = Mutex<BTreeMap<Digest, String>>;

impl Registry {
    /// Pushes parcels one after the other, so that later ones mount what earlier ones brought.
    /// `mount_from` are repositories of the same registry that may have some of it.
    pub fn push(
        self: &Arc<Self>,
        parcels: &[Parcel],
        mount_from: &[String],
        reporter: &dyn Reporter,
    ) -> Result<Vec<Pushed>, RegistryError> {
        let homes = Homes::default();
        let push = Push { registry: self, homes: &homes, mount_from };
        let whole = report::images(reporter, parcels.len(), parcels.iter().map(Parcel::size).sum());
        let all = async {
            let mut pushed = Vec::new();
            for parcel in parcels {
                pushed.push(push.parcel(parcel, whole.reporter()).await?);
            }
            Ok(pushed)
        };
        self.runtime.block_on(all)
    }
}

struct Push<'a> {
    registry: &'a Registry,
    homes: &'a Homes,
    mount_from: &'a [String],
}

impl Push<'_> {
    async fn parcel(
        &self,
        parcel: &Parcel,
        reporter: &dyn Reporter,
    ) -> Result<Pushed, RegistryError> {
        let root = parcel.graph.root();
        let pushed = |moved| Pushed {
            name: format!("{}/{}", self.registry.name, parcel.repository),
            tags: parcel.tags.clone(),
            digest: root.descriptor.digest,
            moved,
        };
        if self.is_there(parcel).await? {
            let present = parcel.graph.blobs().count() as u64;
            self.remember(parcel);
            reporter.skip(parcel.size());
            return Ok(pushed(Moved { present, ..Moved::default() }));
        }
        let moved = self.blobs(parcel, false, reporter).await?;
        match self.manifests(parcel).await {
            // A registry that tidied up between our question and now.
            Err(RegistryError::Refused { message, .. }) if names_a_missing_blob(&message) => {
                let again = self.blobs(parcel, true, reporter).await?;
                self.manifests(parcel).await?;
                let (uploaded, bytes) =
                    (moved.uploaded + again.uploaded, moved.bytes + again.bytes);
                Ok(pushed(Moved { uploaded, bytes, ..again }))
            }
            Err(error) => Err(error),
            Ok(()) => Ok(pushed(moved)),
        }
    }

    /// Whether all tags name the very bytes already.
    async fn is_there(&self, parcel: &Parcel) -> Result<bool, RegistryError> {
        let digest = parcel.graph.root().descriptor.digest;
        let names: Vec<String> = match parcel.tags.is_empty() {
            true => vec![digest.to_string()],
            false => parcel.tags.iter().map(Tag::to_string).collect(),
        };
        let scope = Scope::new(&parcel.repository, true);
        for name in names {
            let what = format!("look for `{}:{name}`", parcel.repository);
            let url = self.registry.url(&format!("{}/manifests/{name}", parcel.repository));
            let request =
                Request::new(Method::HEAD, url, &scope, &what).header(ACCEPT, ACCEPTED.join(", "));
            let answer = self.registry.send(&request).await?;
            let same = matches!(claimed(answer.headers()), Some(Ok(there)) if there == digest);
            match answer.status() {
                StatusCode::OK if same => {}
                StatusCode::FORBIDDEN => return Err(self.registry.refusal(answer, &what).await),
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn remember(&self, parcel: &Parcel) {
        if let Ok(mut homes) = self.homes.lock() {
            for blob in parcel.graph.blobs() {
                homes.insert(blob.descriptor.digest, parcel.repository.clone());
            }
        }
    }

    /// Brings all blobs into the repository, several at once.
    async fn blobs(
        &self,
        parcel: &Parcel,
        even_if_there: bool,
        reporter: &dyn Reporter,
    ) -> Result<Moved, RegistryError> {
        let what = format!("pushing {}", parcel.repository);
        let task = Mutex::new(reporter.start(&what, Some(parcel.size())));
        let blobs: Vec<&Blob> = parcel.graph.blobs().collect();
        let one = |blob| self.blob(parcel, blob, even_if_there, &task);
        let parallel = self.registry.options.parallel.max(1);
        let moved: Vec<Moved> =
            stream::iter(blobs).map(one).buffer_unordered(parallel).try_collect().await?;
        self.remember(parcel);
        Ok(moved.into_iter().fold(Moved::default(), |sum, moved| Moved {
            present: sum.present + moved.present,
            mounted: sum.mounted + moved.mounted,
            uploaded: sum.uploaded + moved.uploaded,
            bytes: sum.bytes + moved.bytes,
        }))
    }

    async fn blob(
        &self,
        parcel: &Parcel,
        blob: &Blob,
        even_if_there: bool,
        progress: &Mutex<Box<dyn Task>>,
    ) -> Result<Moved, RegistryError> {
        let own = Scope::new(&parcel.repository, true);
        if !even_if_there && self.has(&own, blob).await? {
            skip_of(progress, blob);
            return Ok(Moved { present: 1, ..Moved::default() });
        }
        let home = match even_if_there {
            true => None,
            false => self.home(blob, &parcel.repository).await,
        };
        let upload =
            Upload { repository: &parcel.repository, blob, mount_from: home.as_deref(), progress };
        Ok(match self.registry.upload(&upload).await? {
            Arrival::Mounted => {
                skip_of(progress, blob);
                Moved { mounted: 1, ..Moved::default() }
            }
            Arrival::Uploaded => {
                Moved { uploaded: 1, bytes: blob.descriptor.size, ..Moved::default() }
            }
        })
    }

    /// A repository to mount from: one that is known to have the blob, or of those that the user
    /// named the first that says it has. One alone need not be asked.
    async fn home(&self, blob: &Blob, own: &str) -> Option<String> {
        let digest = blob.descriptor.digest;
        let known = self.homes.lock().ok().and_then(|homes| homes.get(&digest).cloned());
        if known.is_some() {
            return known.filter(|home| home != own);
        }
        let mut named = self.mount_from.iter().filter(|home| *home != own);
        if self.mount_from.len() > 1 {
            for home in named {
                // Whoever may not look there cannot mount from there.
                if self.has(&Scope::new(home, false), blob).await.unwrap_or(false) {
                    return Some(home.clone());
                }
            }
            return None;
        }
        named.next().cloned()
    }

    async fn has(&self, scope: &Scope, blob: &Blob) -> Result<bool, RegistryError> {
        let (digest, repository) = (blob.descriptor.digest, &scope.repository);
        let what = format!("look for blob {digest} in `{repository}`");
        let url = self.registry.url(&format!("{repository}/blobs/{digest}"));
        let answer = self.registry.send(&Request::new(Method::HEAD, url, scope, &what)).await?;
        let status = answer.status();
        if status == StatusCode::FORBIDDEN {
            return Err(self.registry.refusal(answer, &what).await);
        }
        let length = answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length: Option<u64> = length.and_then(|length| length.parse().ok());
        match length {
            Some(length) if status == StatusCode::OK && length != blob.descriptor.size => {
                let why = format!("it has {length} bytes, and not {}", blob.descriptor.size);
                Err(self.registry.protocol(&what, why))
            }
            // Whatever a registry cannot say, it may be asked to take.
            _ => Ok(status == StatusCode::OK),
        }
    }

    /// Puts the documents, each after those that it names, and the tags last.
    async fn manifests(&self, parcel: &Parcel) -> Result<(), RegistryError> {
        let root = parcel.graph.root();
        for document in parcel.graph.documents() {
            if document.descriptor.digest != root.descriptor.digest {
                self.put(parcel, document, &document.descriptor.digest.to_string()).await?;
            }
        }
        if parcel.tags.is_empty() {
            return self.put(parcel, root, &root.descriptor.digest.to_string()).await;
        }
        for tag in &parcel.tags {
            self.put(parcel, root, tag.as_str()).await?;
        }
        Ok(())
    }

    async fn put(
        &self,
        parcel: &Parcel,
        document: &Document,
        name: &str,
    ) -> Result<(), RegistryError> {
        let what = format!("write the manifest `{}:{name}`", parcel.repository);
        let scope = Scope::new(&parcel.repository, true);
        let url = self.registry.url(&format!("{}/manifests/{name}", parcel.repository));
        let mut request = Request::new(Method::PUT, url, &scope, &what)
            .header(CONTENT_TYPE, &document.descriptor.media_type);
        request.body = Some(document.bytes.clone());
        let answer = self.registry.send(&request).await?;
        match answer.status().is_success() {
            true => self.registry.check_claim(answer.headers(), document.descriptor.digest, &what),
            false => Err(self.registry.refusal(answer, &what).await),
        }
    }
}

/// What the registry has needs no work.
fn skip_of(task: &Mutex<Box<dyn Task>>, blob: &Blob) {
    if let Ok(task) = task.lock() {
        task.skip(blob.descriptor.size);
    }
}

fn names_a_missing_blob(message: &str) -> bool {
    ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"].iter().any(|code| message.contains(code))
}
