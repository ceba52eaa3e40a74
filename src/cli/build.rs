//! `cooper build`: assemble images into an archive or a layout.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::summary::{self, Row};
use super::{Global, assemble, input, output, progress};
use crate::file::AtomicFile;
use crate::image::Image;
use crate::spec::Tag;
use crate::transport::graph::Named;
use crate::transport::{self, archive, layout};

/// Assemble images into an archive or a layout
///
/// The archive is an OCI layout and a Docker archive in one: `docker load`, `podman load`,
/// `skopeo copy oci-archive:` and `ctr image import` all take it.
#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// What to assemble
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Where the result goes; `-` streams one archive to standard output
    #[arg(long, short, value_name = "PATH")]
    output: PathBuf,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Archive)]
    format: Format,
    /// Tags instead of the spec's; may be given again
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<Tag>,
}

/// What images are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One tar that every consumer takes
    Archive,
    /// A folder of blobs with an index; images are added to what is there
    Layout,
}

pub(super) fn run(global: &Global, args: &BuildArgs) -> Result<(), Failure> {
    let since = Instant::now();
    let to_stdout = args.output.as_os_str() == "-";
    if to_stdout && args.format == Format::Layout {
        return Err(Failure::input("a layout is a folder and cannot go to standard output")
            .hint("leave out `--format layout`, or name a folder with `-o`"));
    }
    let specs = input::read_tagged_specs(&args.specs, &args.tags)?;
    let reporter = progress::reporter(global);
    let store = assemble::store(global)?;
    let (images, times) = assemble::assemble_all(global, &specs, &*store, &*reporter)?;
    match args.format {
        Format::Layout => layout::write(&images, &args.output)?,
        Format::Archive if to_stdout => stream(&images)?,
        Format::Archive => write_archive(&images, &args.output)?,
    }
    if to_stdout {
        return Ok(());
    }
    report(global, &images, &times, since)
}

fn report(
    global: &Global,
    images: &[Image],
    times: &[Duration],
    since: Instant,
) -> Result<(), Failure> {
    let row = |(image, time): (_, &Duration)| Row { image, time: *time, sent: None };
    let rows: Vec<Row<'_>> = images.iter().zip(times).map(row).collect();
    if global.json {
        return output::data(&summary::json(&rows)?);
    }
    if !global.quiet {
        output::note(&summary::table(&rows, since.elapsed()));
    }
    Ok(())
}

fn stream(images: &[Image]) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    Ok(archive::write(images, &BTreeSet::new(), &mut out)?)
}

/// Writes images into an archive.
pub(super) fn write_archive(images: &[Image], path: &Path) -> Result<(), Failure> {
    let named: Vec<Named> = images.iter().map(Named::of_image).collect();
    write(&named, path, Format::Archive)
}

/// Writes what is named into a layout, or into an archive beside its final path that is then
/// renamed, so that no half archive is ever found there.
pub(super) fn write(graphs: &[Named], path: &Path, format: Format) -> Result<(), Failure> {
    if format == Format::Layout {
        return Ok(layout::write_graphs(graphs, path)?);
    }
    let mut file = AtomicFile::create(path)?;
    let mut out = BufWriter::with_capacity(1 << 20, file.file());
    archive::write_graphs(graphs, &BTreeSet::new(), &mut out)?;
    out.flush().map_err(transport::TransportError::Stream)?;
    drop(out);
    Ok(file.commit()?)
}
