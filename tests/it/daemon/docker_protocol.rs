//! The load protocol with a Docker that reports a wrong state.

use std::cell::Cell;
use std::collections::BTreeSet;

use cooper::digest::Digest;
use cooper::image::{self, Image};
use cooper::layer::{self, Content, EphemeralCache, Request};
use cooper::progress::NullReporter;
use cooper::rootfs::Rootfs;
use cooper::spec;
use cooper::transport::TransportError;
use cooper::transport::daemon::docker::Docker;
use cooper::transport::daemon::docker::host::Endpoint;
use cooper::transport::daemon::{self, Daemon, WriteArchive};

use crate::support::fixture::stdout;
use crate::support::servers::Dockerd;

/// A real Docker with two wrong answers.
#[derive(Debug)]
struct FaultyDocker {
    docker: Docker,
    /// Reports that it has every layer.
    has_all: bool,
    /// Reports every loaded image as incomplete.
    never_whole: bool,
    loads: Cell<u32>,
}

impl Daemon for FaultyDocker {
    fn label(&self) -> &'static str {
        self.docker.label()
    }
    fn accepts_multiple_images(&self) -> bool {
        self.docker.accepts_multiple_images()
    }
    fn id_of(&self, image: &Image) -> String {
        self.docker.id_of(image)
    }
    fn id_at(&self, reference: &str) -> Result<Option<String>, TransportError> {
        self.docker.id_at(reference)
    }
    fn is_complete(&self, image: &Image) -> Result<bool, TransportError> {
        Ok(!self.never_whole && self.docker.is_complete(image)?)
    }
    fn present_layers(
        &self,
        images: &[Image],
        whole: &[Image],
    ) -> Result<Vec<BTreeSet<Digest>>, TransportError> {
        let all = |image: &Image| image.layers.iter().map(|layer| layer.digest).collect();
        if self.has_all {
            Ok(images.iter().map(all).collect())
        } else {
            self.docker.present_layers(images, whole)
        }
    }
    fn load(&self, write: &WriteArchive<'_>) -> Result<(), TransportError> {
        self.loads.set(self.loads.get() + 1);
        self.docker.load(write)
    }
    fn save(&self, reference: &str, to: &mut dyn std::io::Write) -> Result<(), TransportError> {
        self.docker.save(reference, to)
    }
    fn tag(&self, image: &Image, reference: &str) -> Result<(), TransportError> {
        self.docker.tag(image, reference)
    }
    fn untag(&self, image: &Image, reference: &str) -> Result<(), TransportError> {
        self.docker.untag(image, reference)
    }
}

fn faulty_docker(docker: &Dockerd, has_all: bool, never_whole: bool) -> FaultyDocker {
    let endpoint = Endpoint::Unix(docker.host().trim_start_matches("unix://").into());
    let docker = Docker::connect(&endpoint).unwrap();
    FaultyDocker { docker, has_all, never_whole, loads: Cell::new(0) }
}

fn image(store: &EphemeralCache, text: &str) -> Image {
    let json =
        format!(r#"{{"version":1,"name":"a","tags":["v1"],"files":{{"/x":{{"text":"{text}"}}}}}}"#);
    let spec = spec::parse(json.as_bytes()).unwrap();
    let rootfs = std::sync::Arc::new(Rootfs::new(&spec).unwrap());
    let request = Request {
        name: "own files".into(),
        content: Content::Rootfs(&rootfs, &[]),
        compression: spec.compression,
        mtime: spec.mtime.seconds(),
    };
    let layers = layer::build(&[request], store, 1, &NullReporter).unwrap();
    image::build(&spec, None, layers).unwrap()
}

fn tags(docker: &Dockerd) -> String {
    let arguments = ["images", "--all", "--format", "{{.Repository}}:{{.Tag}}"];
    stdout(&docker.docker().args(arguments).output().unwrap())
}

#[test]
fn daemon_missing_claimed_layers_gets_all_layers() {
    let (docker, store) = (Dockerd::start(), EphemeralCache::new().unwrap());
    let (one, two) = (image(&store, "one"), image(&store, "two"));
    let wrong = faulty_docker(&docker, true, false);
    let loaded = daemon::load(&wrong, std::slice::from_ref(&one), &NullReporter).unwrap();
    assert_eq!(wrong.loads.get(), 2, "without the layer, then with it");
    assert!(loaded[0].sent.unwrap() > one.blob_size());
    daemon::load(&wrong, std::slice::from_ref(&two), &NullReporter).unwrap();
    assert_eq!(wrong.id_at("a:v1").unwrap(), Some(wrong.id_of(&two)));
    assert!(!tags(&docker).contains("cooper-loading"), "{}", tags(&docker));
}

#[test]
fn load_incomplete_image_error_keeps_old_tag() {
    let (docker, store) = (Dockerd::start(), EphemeralCache::new().unwrap());
    let (one, two) = (image(&store, "one"), image(&store, "two"));
    let right = faulty_docker(&docker, false, false);
    daemon::load(&right, std::slice::from_ref(&one), &NullReporter).unwrap();
    let wrong = faulty_docker(&docker, true, true);
    let error = daemon::load(&wrong, &[two], &NullReporter).unwrap_err();
    assert!(matches!(error, TransportError::IncompleteImage { .. }), "{error}");
    assert_eq!(right.id_at("a:v1").unwrap(), Some(right.id_of(&one)));
    assert_eq!(tags(&docker), "a:v1\n");
}
