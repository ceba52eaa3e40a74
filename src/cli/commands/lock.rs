//! `cooper lock` and `cooper fetch`: pin a base image, and get its blobs one by one.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::Args;

use crate::base::{BaseError, Lock};
use crate::cli::GlobalArgs;
use crate::cli::args::output_path::refuse_terminal;
use crate::cli::args::registry;
use crate::cli::args::registry::RegistryArgs;
use crate::cli::ui::failure::Failure;
use crate::cli::ui::{output, progress};
use crate::digest::Digest;
use crate::fs::{AtomicFile, Context, FileOp};
use crate::image::Descriptor;
use crate::json;
use crate::progress::Task;
use crate::transport::name::reference::Reference;
use crate::transport::registry::Remote;
use crate::transport::source::{Source, VerifyingReader};

/// Pin a base image: write the current digests of its name, for every platform
///
/// Commit the file and name it in `base.lock` of an image. Nix then fetches each blob by its
/// digest.
#[derive(Debug, Args)]
pub(in crate::cli) struct LockArgs {
    /// The base image, such as docker.io/grafana/grafana:13.2.2
    #[arg(value_name = "REFERENCE")]
    reference: Reference,
    /// Where the lock goes; `-` is standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Fetch one blob of a lock by its digest (called by flakes)
#[derive(Debug, Args)]
pub(in crate::cli) struct FetchArgs {
    /// The lock that names the blob
    #[arg(long, value_name = "FILE")]
    lock: PathBuf,
    /// The blob
    #[arg(value_name = "DIGEST")]
    digest: Digest,
    /// Where it goes; `-` is standard output
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(in crate::cli) fn run(global: &GlobalArgs, args: &LockArgs) -> Result<(), Failure> {
    let source = registry::source(&args.reference, &args.registry)?;
    let reporter = progress::reporter(global);
    let lock = Lock::of(&source, &args.reference.to_string(), source.root(), &*reporter)?;
    let mut text = json::to_bytes(&lock).map_err(Failure::bug)?;
    text.push(b'\n');
    output::document(&args.output, &text)?;
    if !global.quiet && !global.json && !output::is_stdout(&args.output) {
        let platforms: Vec<&str> = lock.platforms.keys().map(String::as_str).collect();
        output::note(format_args!(
            "locked {} as {} for {}",
            lock.reference,
            lock.root.digest,
            platforms.join(", ")
        ));
    }
    Ok(())
}

pub(in crate::cli) fn fetch(global: &GlobalArgs, args: &FetchArgs) -> Result<(), Failure> {
    let to_stdout = output::is_stdout(&args.output);
    refuse_terminal(&args.output, "a blob")?;
    let lock = Lock::read(&args.lock).map_err(BaseError::from)?;
    let descriptor = lock.blob(args.digest).ok_or_else(|| {
        Failure::input(format!("`{}` names no blob {}", args.lock.display(), args.digest))
    })?;
    let reference = lock.reference(&args.lock).map_err(BaseError::from)?;
    let registry = registry::connect(&reference.registry, &args.registry)?;
    let source = Remote::pinned(&registry, &reference, descriptor.clone());
    let what = format!("fetching {}", descriptor.digest);
    let task = progress::reporter(global).start(&what, Some(descriptor.size));
    if to_stdout {
        let mut out = io::stdout().lock();
        let write = |bytes: &[u8]| out.write_all(bytes).map_err(output::unwritten);
        pass_on(&source, descriptor, write, &*task)?;
        return out.flush().map_err(output::unwritten);
    }
    let path = &args.output;
    let mut file = AtomicFile::create(path)?;
    let write = |bytes: &[u8]| Ok(file.file().write_all(bytes).context(FileOp::Write, path)?);
    pass_on(&source, descriptor, write, &*task)?;
    Ok(file.commit()?)
}

/// Reads a blob and checks it: bytes that are wrong have been written when that is known.
fn pass_on(
    source: &dyn Source,
    descriptor: &Descriptor,
    mut write: impl FnMut(&[u8]) -> Result<(), Failure>,
    task: &dyn Task,
) -> Result<(), Failure> {
    let mut reader = VerifyingReader::new(source, descriptor)?;
    let mut buf = vec![0; 1 << 18];
    loop {
        let count = reader.read(&mut buf).map_err(|error| {
            crate::transport::source::read_error(source, descriptor.digest, error)
        })?;
        let Some(bytes) = buf.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        write(bytes)?;
        task.advance(bytes.len() as u64);
    }
}
