//! `cooper build`: assemble images into an archive or a layout.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

pub(in crate::cli) use crate::cli::args::output_path::check_output;
use crate::cli::args::output_path::refuse_inputs;
use crate::cli::args::spec_input;
use crate::cli::ui::failure::Failure;
use crate::cli::ui::output::is_stdout;
use crate::cli::ui::summary;
use crate::cli::ui::summary::Row;
use crate::cli::ui::{output, progress};
use crate::cli::{GlobalArgs, assemble};
use crate::digest::Digest;
use crate::fs::AtomicFile;
use crate::image::Image;
use crate::layer::{Layer, LayerCache, Sink};
use crate::progress::{Reporter, Task};
use crate::spec::{Spec, Tag};
use crate::transport::archive::{self, Archive};
use crate::transport::graph::TaggedImage;
use crate::transport::progress_io::ProgressWriter;
use crate::transport::{TransportError, layout};

/// Gathers headers and small blobs; the blocks of large ones pass it by.
const BUFFER: usize = 64 << 10;
/// As much as Linux lets everybody have.
#[cfg(target_os = "linux")]
const PIPE: usize = 1 << 20;

/// Assemble images into an archive or a layout
///
/// The archive is an OCI layout and a Docker archive in one file. `docker load`, `podman load`,
/// `skopeo copy oci-archive:` and `ctr image import` read it.
#[derive(Debug, Args)]
pub(in crate::cli) struct BuildArgs {
    /// SPEC of an image
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Output path; `-` writes one archive to standard output
    #[arg(long, short, value_name = "PATH")]
    output: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Archive)]
    format: Format,
    /// Compare every store path with its registered NAR hash first; reads all store paths
    #[arg(long)]
    verify_store: bool,
    /// Tag to use instead of the spec's tags (repeatable)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<Tag>,
}

/// What images are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// One tar file for all consumers
    Archive,
    /// An OCI layout directory; images are added to an existing one
    Layout,
}

/// Images, and how long each took.
type Assembled = (Vec<Image>, Vec<Duration>);

pub(in crate::cli) fn run(global: &GlobalArgs, args: &BuildArgs) -> Result<(), Failure> {
    let since = Instant::now();
    let to_stdout = is_stdout(&args.output);
    let specs = spec_input::read_tagged_specs(&args.specs, &args.tags)?;
    spec_input::reject_duplicate_names(&specs, |spec| spec.name.to_string())?;
    check_output(&args.output, args.format)?;
    refuse_inputs(&args.output, &args.specs, &specs)?;
    let reporter = progress::reporter(global);
    spec_input::warn_unknown_packages(&specs, &*reporter);
    let store = if args.verify_store {
        assemble::verify_store(global, &specs, &*reporter)?;
        assemble::verified_store(global, &reporter)?
    } else {
        assemble::store(global, &reporter)?
    };
    let assembled = match args.format {
        Format::Layout => {
            let work = || layout(global, &specs, &*store, &*reporter, &args.output);
            assemble::healing(&*store, false, work)?
        }
        Format::Archive if to_stdout => {
            return assemble::healing(&*store, true, || {
                let stdout = raw_stdout().map_err(TransportError::Stream)?;
                stream(global, &specs, &*store, &*reporter, stdout, &args.output).map(drop)
            });
        }
        Format::Archive => {
            let (file, assembled) = archive(global, &specs, &*store, &*reporter, &args.output)?;
            file.commit()?;
            assembled
        }
    };
    report(global, &assembled.0, &assembled.1, since)
}

fn report(
    global: &GlobalArgs,
    images: &[Image],
    times: &[Duration],
    since: Instant,
) -> Result<(), Failure> {
    let row = |(image, time): (_, &Duration)| Row { image, time: Some(*time), sent: None };
    let rows: Vec<Row<'_>> = images.iter().zip(times).map(row).collect();
    if global.json {
        return output::data(&summary::json(&rows)?);
    }
    if !global.quiet {
        output::notes(&summary::table(&rows, since.elapsed()));
    }
    Ok(())
}

/// Standard output without the buffer that looks for line ends, and with a pipe that holds more
/// than the kernel's 64 KiB where it lets us.
fn raw_stdout() -> io::Result<File> {
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    // What is no pipe, or may not grow, is only slower.
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&stdout, PIPE);
    Ok(stdout.into())
}

/// Assembles images into one archive, which is at that path once it is committed.
pub(in crate::cli) fn archive(
    global: &GlobalArgs,
    specs: &[Spec],
    store: &dyn LayerCache,
    reporter: &dyn Reporter,
    path: &Path,
) -> Result<(AtomicFile, Assembled), Failure> {
    assemble::healing(store, false, || {
        let mut file = AtomicFile::create(path)?;
        let assembled = stream(global, specs, store, reporter, file.writer(), path)?;
        Ok((file, assembled))
    })
}

/// Assembles images into the layout of that path.
fn layout(
    global: &GlobalArgs,
    specs: &[Spec],
    store: &dyn LayerCache,
    reporter: &dyn Reporter,
    path: &Path,
) -> Result<Assembled, Failure> {
    let layers = layout::LayerWriter::new(path);
    let write = |arriving| layers.write(arriving, reporter);
    let unwritten = |error| unwritten(error, path);
    let (assembled, ()) =
        assemble_while_writing(global, specs, store, reporter, write, &unwritten)?;
    layers.finish(&assembled.0, reporter)?;
    Ok(assembled)
}

/// Assembles images into one archive. `path` is what people call the stream.
fn stream(
    global: &GlobalArgs,
    specs: &[Spec],
    store: &dyn LayerCache,
    reporter: &dyn Reporter,
    to: impl Write + AsFd + Send,
    path: &Path,
) -> Result<Assembled, Failure> {
    let unwritten = |error| unwritten(error, path);
    let task = reporter.start(&writing(path), None);
    let mut out = BufWriter::with_capacity(BUFFER, to);
    let mut out = ProgressWriter { to: &mut out, task: &*task };
    let write = |layers| write_layers(layers, &mut out);
    let (assembled, written) =
        assemble_while_writing(global, specs, store, reporter, write, &unwritten)?;
    let named: Vec<TaggedImage> = assembled.0.iter().map(TaggedImage::of_image).collect();
    Archive::resume(&mut out, written).finish(&named).map_err(unwritten)?;
    Ok(assembled)
}

/// Assembles images. What is finished is written while the rest is being made.
fn assemble_while_writing<T: Send>(
    global: &GlobalArgs,
    specs: &[Spec],
    store: &dyn LayerCache,
    reporter: &dyn Reporter,
    write: impl FnOnce(mpsc::IntoIter<Layer>) -> Result<T, TransportError> + Send,
    unwritten: &dyn Fn(TransportError) -> Failure,
) -> Result<(Assembled, T), Failure> {
    // Layers wait here for the writer; they are names of bytes, not the bytes.
    let (finished, layers) = mpsc::channel::<Layer>();
    std::thread::scope(|scope| {
        let writer = std::thread::Builder::new()
            .spawn_scoped(scope, move || write(layers.into_iter()))
            .map_err(no_thread)?;
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        let on_layer = |layer: &Layer| finished.send(layer.clone()).map_err(gone);
        let assembled = assemble::assemble_and_tell(global, specs, store, reporter, &on_layer);
        drop(finished);
        // When the writer has failed, that is why the rest has.
        let written = writer.join().unwrap_or_else(|panic| resume_unwind(panic));
        let written = written.map_err(unwritten)?;
        Ok((assembled?, written))
    })
}

/// Whoever limits processes limits threads with them.
fn no_thread(error: io::Error) -> Failure {
    Failure::environment(error).during("failed to start a thread".into()).hint(
        "more processes than this user or container may have; raise that limit, or lower `--jobs`",
    )
}

/// Writes layers as they come.
fn write_layers(
    layers: mpsc::IntoIter<Layer>,
    out: &mut dyn Sink,
) -> Result<BTreeSet<Digest>, TransportError> {
    let mut archive = Archive::start(out)?;
    for layer in layers {
        archive.layer(&layer)?;
    }
    Ok(archive.pause())
}

/// Names where the bytes were to go: what is written into a stream does not know.
fn unwritten(error: TransportError, path: &Path) -> Failure {
    let is_nameless = error.is_sinks();
    let failure = Failure::from(error);
    match is_stdout(path) {
        _ if !is_nameless => failure,
        true => failure.during("failed to write to standard output".into()),
        false => failure.during(format!("failed to write to `{}`", path.display())),
    }
}

/// Writes what is named into a layout, or into an archive beside its final path that is then
/// renamed, so that no half archive is ever found there; `-` is standard output.
pub(in crate::cli) fn write(
    graphs: &[TaggedImage],
    path: &Path,
    format: Format,
    reporter: &dyn Reporter,
) -> Result<(), Failure> {
    if format == Format::Layout {
        return Ok(layout::write_graphs(graphs, path, reporter)?);
    }
    let task = reporter.start(&writing(path), None);
    if is_stdout(path) {
        return write_stream(graphs, raw_stdout().map_err(TransportError::Stream)?, path, &*task);
    }
    let mut file = AtomicFile::create(path)?;
    write_stream(graphs, file.writer(), path, &*task)?;
    Ok(file.commit()?)
}

/// What people read while something is written.
fn writing(path: &Path) -> String {
    match is_stdout(path) {
        true => "writing to standard output".into(),
        false => format!("writing `{}`", path.display()),
    }
}

fn write_stream(
    graphs: &[TaggedImage],
    to: impl Write + AsFd,
    path: &Path,
    task: &dyn Task,
) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(BUFFER, to);
    let mut out = ProgressWriter { to: &mut out, task };
    archive::write_graphs(graphs, &BTreeSet::new(), &mut out)
        .and_then(|()| out.flush().map_err(TransportError::Stream))
        .map_err(|error| unwritten(error, path))
}
