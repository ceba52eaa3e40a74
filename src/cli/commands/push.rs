//! `cooper push`: assemble images and bring them to a registry.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use crate::cli::args::registry;
use crate::cli::args::registry::RegistryArgs;
use crate::cli::args::spec_input;
use crate::cli::ui::failure::Failure;
use crate::cli::ui::{output, progress, table};
use crate::cli::{GlobalArgs, assemble};
use crate::image::Image;
use crate::spec::Tag;
use crate::transport::graph::Graph;
use crate::transport::name::reference::Reference;
use crate::transport::registry::{PushItem, Pushed};

/// Assemble images and push them to a registry
///
/// Only blobs that the registry lacks are sent. Tags move last: a failed push leaves every tag as
/// it was. Credentials are those of `docker login`, `podman login` or `REGISTRY_AUTH_FILE`.
#[derive(Debug, Args)]
pub(in crate::cli) struct PushArgs {
    /// SPEC of an image
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Registry and namespace; each image's name is its repository below them
    #[arg(long, value_name = "REGISTRY[/NAMESPACE]", value_parser = destination)]
    to: Destination,
    /// Tag to use instead of the spec's tags (repeatable)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<Tag>,
    /// Mount existing blobs from this repository (repeatable)
    #[arg(long = "mount-from", value_name = "REPOSITORY")]
    mount_from: Vec<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// A registry and the namespace that repositories are put below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Destination {
    pub(in crate::cli) registry: String,
    namespace: Option<String>,
}

impl Destination {
    /// The repository of an image of that name.
    pub(in crate::cli) fn repository(&self, name: &str) -> String {
        // A spec's name may have a registry of its own; this one takes its place.
        let name = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => rest,
            _ => name,
        };
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        }
    }
}

pub(in crate::cli) fn destination(text: &str) -> Result<Destination, String> {
    let text = text.strip_prefix("docker://").unwrap_or(text).trim_end_matches('/');
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(format!("`{text}` is a URL; leave out `{scheme}://` and write `{rest}`"));
    }
    // The grammar of names is that of a reference, which needs a repository.
    let reference: Reference = format!("{text}/x")
        .parse()
        .map_err(|_| format!("`{text}` is no registry with a namespace"))?;
    let below = reference.repository.strip_suffix("/x").filter(|namespace| !namespace.is_empty());
    if !text.starts_with(&reference.registry) && !text.starts_with("docker.io") {
        return Err(format!("`{text}` names no registry; write `registry.example.org/{text}`"));
    }
    Ok(Destination { registry: reference.registry, namespace: below.map(str::to_owned) })
}

pub(in crate::cli) fn run(global: &GlobalArgs, args: &PushArgs) -> Result<(), Failure> {
    let since = Instant::now();
    let specs = spec_input::read_tagged_specs(&args.specs, &args.tags)?;
    spec_input::reject_duplicate_names(&specs, |spec| args.to.repository(spec.name.as_str()))?;
    let reporter = progress::reporter(global);
    spec_input::warn_unknown_packages(&specs, &*reporter);
    let connection = registry::connect(&args.to.registry, &args.registry)?;
    let store = assemble::store(global, &reporter)?;
    let parcel = |image: &Image| PushItem {
        repository: args.to.repository(image.name.as_str()),
        tags: image.tags.clone(),
        graph: Graph::of_image(image),
    };
    let pushed = assemble::healing(&*store, false, || {
        let (images, _) = assemble::assemble_all(global, &specs, &*store, &*reporter)?;
        let parcels: Vec<PushItem> = images.iter().map(parcel).collect();
        Ok(connection.push(&parcels, &args.mount_from, &*reporter)?)
    })?;
    report(global, &pushed, connection.requests(), since)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    name: &'a str,
    tags: Vec<&'a str>,
    digest: String,
    uploaded_bytes: u64,
    uploaded: u64,
    mounted: u64,
    present: u64,
}

#[derive(Serialize)]
struct Summary<'a> {
    images: Vec<Line<'a>>,
    requests: u64,
}

/// What was pushed and what it cost.
pub(in crate::cli) fn report(
    global: &GlobalArgs,
    pushed: &[Pushed],
    requests: u64,
    since: Instant,
) -> Result<(), Failure> {
    if global.json {
        let images = pushed.iter().map(|pushed| Line {
            name: &pushed.name,
            tags: pushed.tags.iter().map(Tag::as_str).collect(),
            digest: pushed.digest.to_string(),
            uploaded_bytes: pushed.moved.bytes,
            uploaded: pushed.moved.uploaded,
            mounted: pushed.moved.mounted,
            present: pushed.moved.present,
        });
        let summary = Summary { images: images.collect(), requests };
        return output::data(&output::json(&summary)?);
    }
    if global.quiet {
        return Ok(());
    }
    let heading = ["IMAGE", "TAG", "DIGEST", "SENT", "BLOBS"].map(str::to_owned).to_vec();
    let rows = pushed.iter().map(|pushed| {
        let moved = &pushed.moved;
        vec![
            pushed.name.clone(),
            pushed.tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(","),
            pushed.digest.to_string(),
            table::bytes(moved.bytes),
            format!("{} new, {} mounted, {} there", moved.uploaded, moved.mounted, moved.present),
        ]
    });
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    let time = table::seconds(since.elapsed());
    let mut text = table::table(&rows, &[3]);
    text.line(format_args!("{requests} requests in {time}"));
    output::notes(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_get_their_repository_below_the_namespace() {
        for (text, registry, repository) in [
            ("r.io", "r.io", "app"),
            ("r.io/team", "r.io", "team/app"),
            ("localhost:5000/", "localhost:5000", "app"),
            ("docker.io/team", "docker.io", "team/app"),
        ] {
            let destination = destination(text).unwrap();
            assert_eq!(destination.registry, registry);
            assert_eq!(destination.repository("app"), repository);
        }
        assert!(destination("team").is_err());
        assert!(destination("r.io/Team").is_err());
        let url = destination("https://r.io/team/").unwrap_err();
        assert!(url.ends_with("leave out `https://` and write `r.io/team`"), "{url}");
    }
}
