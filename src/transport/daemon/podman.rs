//! podman, through its own program: that works as root and without, with a local store and with
//! a machine behind ssh.
//!
//! It keeps layers by diff id, and takes one image an archive.

use std::collections::BTreeSet;
use std::io::Write;

use serde::Deserialize;

use super::client_process::{ClientProcess, words};
use super::docker::by_diff_id;
use super::{Daemon, WriteArchive};
use crate::digest::{DiffId, Digest};
use crate::image::Image;
use crate::transport::TransportError;

/// Of one name so many images are looked at.
const MAX_COMPARED_IMAGES: usize = 8;
/// What `podman image exists` ends with when there is no such image.
const NO_SUCH_IMAGE: i32 = 1;

/// A podman that answers.
#[derive(Debug)]
pub struct Podman {
    client: ClientProcess,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(rename = "RootFS")]
    rootfs: RootFs,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    #[serde(default)]
    layers: Option<Vec<DiffId>>,
}

impl Podman {
    /// Finds the program and sees that it works. `command` is `podman`, or what stands for it.
    pub fn connect(command: &[String]) -> Result<Self, TransportError> {
        let client = ClientProcess::new("podman", command, &[]);
        let output = client.output(&["info", "--format", "{{.Store.GraphDriverName}}"])?;
        match output.status.success() {
            true => Ok(Self { client }),
            false => Err(client.absent(words(&output.stderr, output.status))),
        }
    }

    fn inspect(&self, name: &str) -> Result<Option<Inspected>, TransportError> {
        let doing = format!("look at `{name}`");
        let exists = self.client.output(&["image", "exists", name])?;
        if exists.status.code() == Some(NO_SUCH_IMAGE) {
            return Ok(None);
        }
        let text = self.client.run(&doing, &["image", "inspect", name])?;
        let failed = |source| TransportError::Daemon { daemon: "podman", doing, source };
        let found: Vec<Inspected> = serde_json::from_str(&text).map_err(|e| failed(e.into()))?;
        Ok(found.into_iter().next())
    }
}

/// Completed as Docker does, which is also how `podman load` reads an archive; podman's own short
/// names find it.
fn full(reference: &str) -> String {
    crate::transport::name::complete(reference)
}

impl Daemon for Podman {
    fn label(&self) -> &'static str {
        "podman"
    }

    fn accepts_multiple_images(&self) -> bool {
        false
    }

    fn id_of(&self, image: &Image) -> String {
        image.config.descriptor.digest.hex()
    }

    fn id_at(&self, reference: &str) -> Result<Option<String>, TransportError> {
        Ok(self.inspect(&full(reference))?.map(|found| found.id))
    }

    fn is_complete(&self, image: &Image) -> Result<bool, TransportError> {
        let Some(found) = self.inspect(&self.id_of(image))? else { return Ok(false) };
        let layers = found.rootfs.layers.unwrap_or_default();
        Ok(layers.iter().eq(image.layers.iter().map(|layer| &layer.diff_id)))
    }

    fn present_layers(
        &self,
        images: &[Image],
        whole: &[Image],
    ) -> Result<Vec<BTreeSet<Digest>>, TransportError> {
        let names: BTreeSet<&str> = images.iter().map(|image| image.name.as_str()).collect();
        let layers = whole.iter().flat_map(|image| &image.layers);
        let mut there: BTreeSet<DiffId> = layers.map(|layer| layer.diff_id).collect();
        for name in names {
            let filter = format!("reference={}", full(name));
            let arguments = ["images", "--quiet", "--no-trunc", "--filter", &filter];
            let ids = self.client.run(&format!("list the images called `{name}`"), &arguments)?;
            let ids: BTreeSet<&str> = ids.lines().collect();
            for id in ids.into_iter().take(MAX_COMPARED_IMAGES) {
                let id = id.trim_start_matches("sha256:");
                let found = self.inspect(id)?.and_then(|found| found.rootfs.layers);
                there.extend(found.unwrap_or_default());
            }
        }
        Ok(images.iter().map(|image| by_diff_id(image, there.iter())).collect())
    }

    fn load(&self, write: &WriteArchive<'_>) -> Result<(), TransportError> {
        self.client.feed("load the archive", &["load", "--quiet"], write).map(drop)
    }

    fn save(&self, reference: &str, to: &mut dyn Write) -> Result<(), TransportError> {
        let arguments = ["save", "--quiet", "--format", "oci-archive", &full(reference)];
        self.client.copy(&format!("save `{reference}`"), &arguments, to)
    }

    fn tag(&self, image: &Image, reference: &str) -> Result<(), TransportError> {
        let doing = crate::transport::moving(reference);
        self.client.run(&doing, &["tag", &self.id_of(image), &full(reference)]).map(drop)
    }

    /// Looks for the name instead of knowing it: versions of podman complete what stands in an
    /// archive in different ways. Unlike `podman untag` this removes the image with its last
    /// name.
    fn untag(&self, image: &Image, reference: &str) -> Result<(), TransportError> {
        let found = self.inspect(&self.id_of(image))?;
        let end = format!("/{reference}");
        for name in found.and_then(|found| found.repo_tags).unwrap_or_default() {
            if name == reference || name.ends_with(&end) {
                self.client.run(&format!("remove the tag `{name}`"), &["rmi", &name])?;
            }
        }
        Ok(())
    }

    fn temp_tags(&self, name: &str, prefix: &str) -> Result<Vec<String>, TransportError> {
        let doing = format!("list the images called `{name}`");
        // Versions of podman complete a short name in an archive in different ways.
        let names = [full(name), format!("localhost/{name}")];
        let filters = names.each_ref().map(|name| format!("reference={name}"));
        let mut arguments = vec!["images", "--format", "{{.Repository}}:{{.Tag}}"];
        arguments.extend(filters.iter().flat_map(|filter| ["--filter", filter]));
        let tags = self.client.run(&doing, &arguments)?;
        let tag = |line: &str| {
            let (of, tag) = line.trim().rsplit_once(':')?;
            let is_it = names.iter().any(|name| name == of) && tag.starts_with(prefix);
            is_it.then(|| tag.to_owned())
        };
        Ok(tags.lines().filter_map(tag).collect())
    }

    fn remove(&self, reference: &str) -> Result<(), TransportError> {
        let doing = format!("remove the tag `{reference}`");
        self.client.run(&doing, &["rmi", reference]).map(drop)
    }
}

/// A door for a fuzz target: whether bytes are podman's answer about images.
#[cfg(fuzzing)]
pub(in crate::transport) fn is_answer(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Vec<Inspected>>(bytes).is_ok()
}
