//! `cooper load`: assemble images and put them into a daemon.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use super::build;
use crate::cli::args::daemon::{DaemonArgs, Kind};
use crate::cli::args::spec_input;
use crate::cli::ui::failure::Failure;
use crate::cli::ui::summary;
use crate::cli::ui::summary::Row;
use crate::cli::ui::{output, progress};
use crate::cli::{GlobalArgs, assemble};
use crate::fs::{AtomicFile, Context, FileOp};
use crate::image::Image;
use crate::spec::{Spec, Tag};
use crate::transport::TransportError;
use crate::transport::daemon::{self, Daemon};

/// Assemble images and put them into a daemon
///
/// Only layers that the daemon lacks are sent, under a temporary tag. The tag moves when the image
/// is complete. The Docker daemon is that of the `docker` client: `DOCKER_HOST`, contexts, the
/// default socket.
#[derive(Debug, Args)]
pub(in crate::cli) struct LoadArgs {
    /// SPEC of an image
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    #[command(flatten)]
    target: Target,
    /// Only the image with this name (repeatable)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Tag to use instead of the specs' tags (repeatable)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<Tag>,
    /// Write DIR/NAME.tar if no daemon is reachable
    #[arg(long, value_name = "DIR")]
    or_save: Option<PathBuf>,
}

/// Which daemon.
#[derive(Debug, Args)]
pub(in crate::cli) struct Target {
    /// Kind of the daemon
    #[arg(long, value_enum, default_value_t = Kind::Docker)]
    to: Kind,
    #[command(flatten)]
    daemon: DaemonArgs,
}

impl Target {
    /// Connects, so that a daemon that is not there is known before any work is done.
    pub(in crate::cli) fn connect(&self) -> Result<Box<dyn Daemon>, Failure> {
        self.daemon.connect(self.to)
    }

    /// The command that loads an archive.
    fn command(&self, path: &Path) -> String {
        let path = path.display();
        match self.to {
            Kind::Docker => format!("docker load -i {path}"),
            Kind::Podman => format!("podman load -i {path}"),
            Kind::Containerd => format!("ctr images import {path}"),
        }
    }
}

pub(in crate::cli) fn run(global: &GlobalArgs, args: &LoadArgs) -> Result<(), Failure> {
    let since = Instant::now();
    let specs = choose(spec_input::read_tagged_specs(&args.specs, &args.tags)?, &args.only)?;
    spec_input::reject_duplicate_names(&specs, |spec| spec.name.to_string())?;
    let reporter = progress::reporter(global);
    let daemon = match (args.target.connect(), &args.or_save) {
        (Ok(daemon), _) => Some(daemon),
        (Err(failure), Some(_)) if failure.is_environment() => {
            reporter.warn(&format!("{failure}; writing archives instead"));
            None
        }
        (Err(failure), None) if failure.is_environment() => {
            return Err(failure.or("`--or-save DIR` writes archives instead"));
        }
        (Err(failure), _) => return Err(failure),
    };
    spec_input::warn_unknown_packages(&specs, &*reporter);
    let store = assemble::store(global, &reporter)?;
    let (mut images, mut times, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(daemon) = &daemon {
        (images, times, notes) = assemble::healing(&*store, false, || {
            let (images, times) = assemble::assemble_all(global, &specs, &*store, &*reporter)?;
            let notes = put(&**daemon, &images, &*reporter)?;
            Ok((images, times, notes))
        })?;
    } else if let Some(dir) = &args.or_save {
        let paths = saved_paths(dir, &specs)?;
        let is_new = !dir.exists();
        std::fs::create_dir_all(dir).context(FileOp::CreateDir, dir)?;
        let mut files = Vec::new();
        let saved = specs.iter().zip(paths).try_for_each(|(spec, path)| {
            let spec = std::slice::from_ref(spec);
            let (file, saved) = build::archive(global, spec, &*store, &*reporter, &path)?;
            files.push(file);
            images.extend(saved.0);
            times.extend(saved.1);
            notes.push(saved_note(&path, &args.target));
            Ok::<(), Failure>(())
        });
        // No file appears until all are complete.
        let saved = saved.and_then(|()| Ok(files.into_iter().try_for_each(AtomicFile::commit)?));
        saved.inspect_err(|_| {
            if is_new {
                let _ = std::fs::remove_dir(dir);
            }
        })?;
    }
    report(global, &images, &times, &notes, since)
}

/// What became of an image: a cell of the table, and lines above it.
pub(in crate::cli) struct Note {
    sent: Option<u64>,
    lines: Vec<String>,
}

/// Puts images into a daemon; what became of each.
pub(in crate::cli) fn put(
    daemon: &dyn Daemon,
    images: &[Image],
    reporter: &dyn crate::progress::Reporter,
) -> Result<Vec<Note>, Failure> {
    let loaded = daemon::load(daemon, images, reporter).map_err(|error| {
        let moved = error.is_of_a_tag();
        let refused = matches!(&error, TransportError::Daemon { daemon: "Docker", .. });
        let failure = Failure::from(error);
        if moved {
            return failure;
        }
        let failure = failure.during("failed to load; no tag was moved".into());
        let mut layers = images.iter().flat_map(|image| &image.layers);
        match refused && layers.any(|layer| layer.media_type().ends_with("+zstd")) {
            true => failure.hint(
                "set `compression = \"gzip\"`: Docker 20.10 and older cannot read zstd layers",
            ),
            false => failure,
        }
    })?;
    let note = |(image, loaded): (&Image, daemon::Loaded)| {
        let mut lines = Vec::new();
        if loaded.sent.is_none() {
            lines.push(format!(
                "{} is in {} already, nothing was sent",
                image.name,
                daemon.label()
            ));
        }
        let moved = loaded.moved.iter().map(|(reference, id)| {
            format!("{reference} named another image before, {}", summary::short(id))
        });
        lines.extend(moved);
        Note { sent: loaded.sent, lines }
    };
    Ok(images.iter().zip(loaded).map(note).collect())
}

/// Where the archive of each image goes. A name may hold a registry and a namespace.
fn saved_paths(dir: &Path, specs: &[Spec]) -> Result<Vec<PathBuf>, Failure> {
    let name = |spec: &Spec| spec.name.as_str().replace(['/', ':'], "_");
    let paths: Vec<PathBuf> =
        specs.iter().map(|spec| dir.join(format!("{}.tar", name(spec)))).collect();
    let mut seen = BTreeSet::new();
    match paths.iter().find(|path| !seen.insert(*path)) {
        Some(path) => {
            Err(Failure::input(format!("two of the images would be saved as `{}`", path.display()))
                .hint("save them one at a time, each into a folder of its own"))
        }
        None => Ok(paths),
    }
}

fn saved_note(path: &Path, target: &Target) -> Note {
    let line = format!("wrote {}; load it with `{}`", path.display(), target.command(path));
    Note { sent: None, lines: vec![line] }
}

/// Tells what became of the images.
pub(in crate::cli) fn report(
    global: &GlobalArgs,
    images: &[Image],
    times: &[Duration],
    notes: &[Note],
    since: Instant,
) -> Result<(), Failure> {
    let rows: Vec<Row<'_>> = images
        .iter()
        .zip(times)
        .zip(notes)
        .map(|((image, time), note)| Row { image, time: Some(*time), sent: note.sent })
        .collect();
    if global.json {
        return output::data(&summary::json(&rows)?);
    }
    if !global.quiet {
        for line in notes.iter().flat_map(|note| &note.lines) {
            output::note(line);
        }
        output::notes(&summary::table(&rows, since.elapsed()));
    }
    Ok(())
}

/// The images of the given names, or all.
fn choose(specs: Vec<Spec>, only: &[String]) -> Result<Vec<Spec>, Failure> {
    let names: BTreeSet<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(name.as_str())) {
        let names: Vec<&str> = names.into_iter().collect();
        return Err(Failure::input(format!("`--only {unknown}`: no image is called that"))
            .hint(format!("there are {}", names.join(", "))));
    }
    let chosen =
        |spec: &Spec| only.is_empty() || only.iter().any(|name| name == spec.name.as_str());
    Ok(specs.into_iter().filter(chosen).collect())
}
