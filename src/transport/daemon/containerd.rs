//! containerd, through `ctr`, which comes with it; k3s has it as `k3s ctr`, and a kind node as
//! `docker exec -i NODE ctr`.
//!
//! It keeps blobs by digest, all of a namespace's images together, and an image's id is its
//! manifest's digest.

use std::collections::BTreeSet;
use std::io::Write;

use super::client_process::{ClientProcess, words};
use super::{Daemon, WriteArchive};
use crate::digest::Digest;
use crate::image::Image;
use crate::transport::TransportError;

/// Arguments of one call; command lines are finite.
const FILTERS_A_CALL: usize = 100;

/// A containerd that answers.
#[derive(Debug)]
pub struct Containerd {
    client: ClientProcess,
}

impl Containerd {
    /// Finds the program and sees that the daemon answers it. `command` is `ctr` or what stands
    /// for it; without a namespace the client's own default counts.
    pub fn connect(command: &[String], namespace: Option<&str>) -> Result<Self, TransportError> {
        let arguments: &[&str] = match namespace {
            Some(namespace) => &["--namespace", namespace],
            None => &[],
        };
        let client = ClientProcess::new("containerd", command, arguments);
        let output = client.output(&["version"])?;
        match output.status.success() {
            true => Ok(Self { client }),
            false => Err(client.absent(words(&output.stderr, output.status))),
        }
    }

    /// The rows of a table that `ctr images` prints, in cells.
    fn rows(
        &self,
        doing: &str,
        verb: &str,
        filter: &str,
    ) -> Result<Vec<Vec<String>>, TransportError> {
        let table = self.client.run(doing, &["images", verb, filter])?;
        let cells = |row: &str| row.split_whitespace().map(str::to_owned).collect();
        Ok(table.lines().skip(1).map(cells).collect())
    }

    /// A name that the image has already.
    fn any_name(&self, image: &Image) -> Result<Option<String>, TransportError> {
        let filter = format!("target.digest=={}", self.id_of(image));
        let rows = self.rows("list an image's names", "list", &filter)?;
        Ok(rows.into_iter().find_map(|row| row.into_iter().next()))
    }
}

fn full(reference: &str) -> String {
    crate::transport::name::complete(reference)
}

impl Daemon for Containerd {
    fn label(&self) -> &'static str {
        "containerd"
    }

    /// Images of one archive may be for different platforms, and `ctr` asks for one.
    fn accepts_multiple_images(&self) -> bool {
        false
    }

    fn id_of(&self, image: &Image) -> String {
        image.manifest.descriptor.digest.to_string()
    }

    fn id_at(&self, reference: &str) -> Result<Option<String>, TransportError> {
        let filter = format!("name=={}", full(reference));
        let rows = self.rows(&format!("look at `{reference}`"), "list", &filter)?;
        let digest = |row: Vec<String>| row.into_iter().find(|cell| cell.starts_with("sha256:"));
        Ok(rows.into_iter().find_map(digest))
    }

    fn is_complete(&self, image: &Image) -> Result<bool, TransportError> {
        let filter = format!("target.digest=={}", self.id_of(image));
        let rows = self.rows("check the image", "check", &filter)?;
        Ok(rows.iter().flatten().any(|cell| cell == "complete"))
    }

    fn present_layers(
        &self,
        images: &[Image],
        _whole: &[Image],
    ) -> Result<Vec<BTreeSet<Digest>>, TransportError> {
        let wanted: BTreeSet<Digest> =
            images.iter().flat_map(|image| &image.layers).map(|layer| layer.digest).collect();
        let filters: Vec<String> =
            wanted.iter().map(|digest| format!("digest=={digest}")).collect();
        let mut there = BTreeSet::new();
        for filters in filters.chunks(FILTERS_A_CALL) {
            let filters = filters.iter().map(String::as_str);
            let arguments: Vec<&str> =
                ["content", "list", "--quiet"].into_iter().chain(filters).collect();
            let found = self.client.run("list the layers that it has", &arguments)?;
            there.extend(found.lines().filter_map(|line| line.trim().parse::<Digest>().ok()));
        }
        let present_layers = |image: &Image| {
            let digests = image.layers.iter().map(|layer| layer.digest);
            digests.filter(|digest| there.contains(digest)).collect()
        };
        Ok(images.iter().map(present_layers).collect())
    }

    fn load(&self, write: &WriteArchive<'_>) -> Result<(), TransportError> {
        let arguments = ["images", "import", "--all-platforms", "-"];
        self.client.feed("load the archive", &arguments, write).map(drop)
    }

    fn save(&self, reference: &str, to: &mut dyn Write) -> Result<(), TransportError> {
        let arguments = ["images", "export", "-", &full(reference)];
        self.client.copy(&format!("save `{reference}`"), &arguments, to)
    }

    fn tag(&self, image: &Image, reference: &str) -> Result<(), TransportError> {
        let doing = crate::transport::moving(reference);
        let from = self.any_name(image)?.unwrap_or_else(|| self.id_of(image));
        self.client.run(&doing, &["images", "tag", "--force", &from, &full(reference)]).map(drop)
    }

    fn untag(&self, _image: &Image, reference: &str) -> Result<(), TransportError> {
        self.remove(reference)
    }

    fn temp_tags(&self, name: &str, prefix: &str) -> Result<Vec<String>, TransportError> {
        let start = full(&format!("{name}:{prefix}"));
        // Its dots are any letters to containerd, so what is found is compared once more.
        let filter = format!("name~=\"^{start}\"");
        let doing = format!("list the images called `{name}`");
        let tags = self.client.run(&doing, &["images", "list", "--quiet", &filter])?;
        let start = full(&format!("{name}:"));
        let tags = tags.lines().filter_map(|line| line.trim().strip_prefix(&start));
        Ok(tags.filter(|tag| tag.starts_with(prefix)).map(str::to_owned).collect())
    }

    fn remove(&self, reference: &str) -> Result<(), TransportError> {
        let doing = format!("remove the tag `{reference}`");
        self.client.run(&doing, &["images", "remove", &full(reference)]).map(drop)
    }
}
