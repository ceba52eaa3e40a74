//! Docker, with either of its stores.
//!
//! | | overlay2 and the like | containerd |
//! |---|---|---|
//! | keeps layers by | chain: an unbroken prefix | the blob's digest |
//! | an image's id is | the config's digest | the manifest's digest |
//! | takes an archive with a gap | never | always, also when the layer is not there |

pub(in crate::transport) mod api;
pub(in crate::transport) mod body_writer;
pub mod host;
pub(in crate::transport) mod ssh;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use reqwest::Method;
use serde::Deserialize;

use self::api::{Api, DOCKER};
use self::host::Endpoint;
use super::{Daemon, WriteArchive};
use crate::digest::{DiffId, Digest};
use crate::image::Image;
use crate::transport::TransportError;

/// From here on the interface tells whether an image's content is all there.
const TELLS_WHAT_IS_AVAILABLE: (u32, u32) = (1, 48);
/// Of one name so many images are looked at; the newest share the most.
const MAX_COMPARED_IMAGES: usize = 8;

/// A Docker daemon that answers.
#[derive(Debug)]
pub struct Docker {
    api: Api,
    store: Store,
    accepts_multiple_images: bool,
    /// Lists of images by name that are still to be used.
    listed: Mutex<BTreeMap<String, Vec<Listed>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    /// A graph driver: overlay2, btrfs, vfs.
    Graph,
    /// containerd's, which can tell whether an image is whole.
    Containerd,
    /// containerd's in a version that cannot.
    SilentContainerd,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default)]
    driver_status: Option<Vec<Vec<String>>>,
}

/// What is asked of `images/NAME/json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(rename = "RootFS", default)]
    rootfs: RootFs,
    #[serde(default)]
    manifests: Option<Vec<Manifest>>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    #[serde(default)]
    last_tag_time: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    #[serde(default)]
    layers: Option<Vec<DiffId>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    available: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

impl Docker {
    /// Connects, and learns which store it has.
    pub fn connect(endpoint: &Endpoint) -> Result<Self, TransportError> {
        let api = Api::new(endpoint)?;
        let peer = api.ping()?;
        let info: Option<Info> = api.get("describe itself", "/info")?;
        let status = info.and_then(|info| info.driver_status).unwrap_or_default();
        let containerd = status.iter().flatten().any(|word| word == "io.containerd.snapshotter.v1");
        let store = match (containerd, peer.version >= TELLS_WHAT_IS_AVAILABLE) {
            (false, _) => Store::Graph,
            (true, true) => Store::Containerd,
            (true, false) => Store::SilentContainerd,
        };
        Ok(Self { api, store, accepts_multiple_images: !peer.is_podman, listed: Mutex::default() })
    }

    fn inspect(&self, name: &str) -> Result<Option<Inspected>, TransportError> {
        let query = if self.store == Store::Containerd { "?manifests=1" } else { "" };
        self.api.get(&format!("look at `{name}`"), &format!("/images/{name}/json{query}"))
    }

    /// The images of a name.
    fn list(&self, name: &str) -> Result<Vec<Listed>, TransportError> {
        let filter = format!("%7B%22reference%22:%5B%22{name}%22%5D%7D");
        let doing = format!("list the images called `{name}`");
        let listed = self.api.get(&doing, &format!("/images/json?filters={filter}"))?;
        Ok(listed.unwrap_or_default())
    }

    /// The layers of every image that one of ours may share some with: those of the same names.
    /// The daemon chooses them, so an image of another name costs it nothing.
    fn related(&self, images: &[Image]) -> Result<Vec<Vec<DiffId>>, TransportError> {
        let names: BTreeSet<&str> = images.iter().map(|image| image.name.as_str()).collect();
        let mut ids = BTreeSet::new();
        for name in names {
            let known = self.listed.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
            let listed = known.map_or_else(|| self.list(name), Ok)?.into_iter();
            ids.extend(listed.take(MAX_COMPARED_IMAGES).map(|image| image.id));
        }
        let mut related = Vec::new();
        for id in ids {
            if let Some(found) = self.inspect(&id)?.filter(|found| self.has_all(found)) {
                related.push(found.rootfs.layers.unwrap_or_default());
            }
        }
        Ok(related)
    }

    fn has_all(&self, found: &Inspected) -> bool {
        match self.store {
            // An image is there only once its layers are.
            Store::Graph => true,
            Store::Containerd => {
                let manifests = found.manifests.as_deref().unwrap_or_default();
                manifests.iter().any(|manifest| manifest.id == found.id && manifest.available)
            }
            Store::SilentContainerd => false,
        }
    }
}

impl Daemon for Docker {
    fn label(&self) -> &'static str {
        DOCKER
    }

    fn accepts_multiple_images(&self) -> bool {
        self.accepts_multiple_images
    }

    fn id_of(&self, image: &Image) -> String {
        let document = match self.store {
            Store::Graph => &image.config,
            Store::Containerd | Store::SilentContainerd => &image.manifest,
        };
        document.descriptor.digest.to_string()
    }

    fn id_at(&self, reference: &str) -> Result<Option<String>, TransportError> {
        Ok(self.inspect(reference)?.map(|found| found.id))
    }

    fn is_complete(&self, image: &Image) -> Result<bool, TransportError> {
        let id = self.id_of(image);
        let Some(found) = self.inspect(&id)? else { return Ok(false) };
        let layers = found.rootfs.layers.clone().unwrap_or_default();
        let same = layers.iter().eq(image.layers.iter().map(|layer| &layer.diff_id));
        let whole = self.store == Store::SilentContainerd || self.has_all(&found);
        Ok(found.id == id && same && whole)
    }

    fn present_layers(
        &self,
        images: &[Image],
        whole: &[Image],
    ) -> Result<Vec<BTreeSet<Digest>>, TransportError> {
        if self.store == Store::SilentContainerd {
            return Ok(vec![BTreeSet::new(); images.len()]);
        }
        let mut related = self.related(images)?;
        let layers = |image: &Image| image.layers.iter().map(|layer| layer.diff_id).collect();
        related.extend(whole.iter().map(layers));
        let present_layers = |image| match self.store {
            Store::Graph => longest_prefix(image, &related),
            _ => by_diff_id(image, related.iter().flatten()),
        };
        Ok(images.iter().map(present_layers).collect())
    }

    fn load(&self, write: &WriteArchive<'_>) -> Result<(), TransportError> {
        self.api.load(write)
    }

    fn save(&self, reference: &str, to: &mut dyn Write) -> Result<(), TransportError> {
        let doing = format!("save `{reference}`");
        self.api.copy(&doing, &format!("/images/{reference}/get"), to)
    }

    fn tag(&self, image: &Image, reference: &str) -> Result<(), TransportError> {
        // What follows the last colon is the tag; the name may hold a port.
        let (name, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
        let path = format!("/images/{}/tag?repo={name}&tag={tag}", self.id_of(image));
        self.api.act(&crate::transport::moving(reference), Method::POST, &path)
    }

    fn untag(&self, _image: &Image, reference: &str) -> Result<(), TransportError> {
        self.remove(reference)
    }

    fn temp_tags(&self, name: &str, prefix: &str) -> Result<Vec<String>, TransportError> {
        let listed = self.list(name)?;
        let tag = |full: &String| {
            let (of, tag) = full.rsplit_once(':')?;
            let is_it = crate::transport::familiar(of) == crate::transport::familiar(name)
                && tag.starts_with(prefix);
            is_it.then(|| tag.to_owned())
        };
        let names = listed.iter().filter_map(|image| image.repo_tags.as_ref()).flatten();
        let tags = names.filter_map(tag).collect();
        // A load asks for the same list to find layers.
        let mut known = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), listed);
        Ok(tags)
    }

    fn tagged_at(&self, reference: &str) -> Option<SystemTime> {
        let tagged = self.inspect(reference).ok().flatten()?.metadata?.last_tag_time?;
        let time: jiff::Timestamp = tagged.parse().ok()?;
        // The year 1 stands for an unknown date.
        (time > jiff::Timestamp::UNIX_EPOCH).then(|| time.into())
    }

    fn remove(&self, reference: &str) -> Result<(), TransportError> {
        let path = format!("/images/{reference}");
        self.api.act(&format!("remove the tag `{reference}`"), Method::DELETE, &path)
    }
}

/// The blobs below the first layer that no related image has in the same place.
fn longest_prefix(image: &Image, related: &[Vec<DiffId>]) -> BTreeSet<Digest> {
    let shared = |other: &Vec<DiffId>| {
        image.layers.iter().zip(other).take_while(|(layer, id)| layer.diff_id == **id).count()
    };
    let count = related.iter().map(shared).max().unwrap_or_default();
    image.layers.iter().take(count).map(|layer| layer.digest).collect()
}

/// The blobs of layers that are among `there`, wherever they stand. A layer of the same files
/// may have come in another compression; that shows when the image is not whole.
pub(in crate::transport) fn by_diff_id<'a>(
    image: &Image,
    there: impl Iterator<Item = &'a DiffId>,
) -> BTreeSet<Digest> {
    let there: BTreeSet<&DiffId> = there.collect();
    let layers = image.layers.iter().filter(|layer| there.contains(&layer.diff_id));
    layers.map(|layer| layer.digest).collect()
}

/// A door for a fuzz target: whether bytes are one of Docker's answers.
#[cfg(fuzzing)]
pub(in crate::transport) fn is_answer(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Info>(bytes).is_ok()
        || serde_json::from_slice::<Inspected>(bytes).is_ok()
        || serde_json::from_slice::<Vec<Listed>>(bytes).is_ok()
}
