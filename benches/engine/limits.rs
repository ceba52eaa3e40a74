//! The limits of this machine: a build is not faster than reading, hashing, compressing and writing
//! its bytes.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use cooper::digest::Hasher;

use crate::corpus::{Corpus, ten_megabytes as bytes_of_ten};
use crate::timing::{self, Limit, seconds};

/// Calls a function for each number below `count`, on this number of threads.
fn each(count: usize, threads: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    work(number);
                }
            });
        }
    });
}

/// Reads every file.
pub(crate) fn read(corpus: &Corpus, threads: usize) -> f64 {
    let files = &corpus.files;
    seconds(|| {
        each(files.len(), threads, |number| {
            let mut file = File::open(&files[number].0).unwrap();
            let mut buf = vec![0; 256 << 10];
            while let Ok(1..) = file.read(&mut buf) {
                std::hint::black_box(&buf);
            }
        });
    })
}

/// Writes this number of bytes to a new file and syncs it.
pub(crate) fn write(corpus: &Corpus) -> f64 {
    let block = vec![7; 1 << 20];
    let path = corpus.work.path().join("written");
    let taken = seconds(|| {
        let mut file = File::create(&path).unwrap();
        for _ in 0..corpus.bytes >> 20 {
            file.write_all(&block).unwrap();
        }
        file.sync_all().unwrap();
    });
    std::fs::remove_file(path).unwrap();
    taken
}

/// Reads and hashes every file, with the number of interleaved streams of this CPU.
fn read_and_hash(corpus: &Corpus, threads: usize) -> f64 {
    let groups: Vec<_> = corpus.files.chunks(Hasher::streams_at_once()).collect();
    seconds(|| {
        each(groups.len(), threads, |number| {
            let open = |(path, _): &(_, u64)| File::open::<&PathBuf>(path).unwrap();
            hash_all(groups[number].iter().map(open).collect());
        });
    })
}

/// Hashes streams to their ends with the fastest code for this CPU.
fn hash_all<R: Read>(streams: Vec<R>) {
    let hasher = match Hasher::streams_at_once() {
        1 => Hasher::new,
        _ => Hasher::interleaved,
    };
    let mut streams: Vec<_> =
        streams.into_iter().map(|stream| (stream, hasher(), vec![0; 256 << 10], 0)).collect();
    while !streams.is_empty() {
        for (stream, _, buf, count) in &mut streams {
            *count = stream.read(buf).unwrap();
        }
        streams.retain(|(.., count)| *count > 0);
        Hasher::update_all(streams.iter_mut().map(|(_, hasher, buf, n)| (hasher, &buf[..*n])));
    }
}

/// Passes this number of bytes through a pipe of cooper's size, to a reader that drops them.
fn pipe(bytes: u64) -> f64 {
    let block = vec![7; 1 << 20];
    seconds(|| {
        let (from, mut to) = std::io::pipe().unwrap();
        // If the size of a pipe is fixed, cooper has the same one.
        let _ = rustix::pipe::fcntl_setpipe_size(&to, 1 << 20);
        let reader = std::thread::spawn(|| timing::drain(from));
        for _ in 0..bytes >> 20 {
            to.write_all(&block).unwrap();
        }
        drop(to);
        reader.join().unwrap();
    })
}

pub(crate) fn gzip(block: &[u8]) -> usize {
    let level = libdeflater::CompressionLvl::new(6).unwrap();
    let mut compressor = libdeflater::Compressor::new(level);
    let mut out = vec![0; compressor.gzip_compress_bound(block.len())];
    compressor.gzip_compress(block, &mut out).unwrap()
}

pub(crate) fn zstd(block: &[u8]) -> usize {
    ::zstd::bulk::compress(block, 3).unwrap().len()
}

/// Passes this number of bytes through a pipe, or reads and hashes them, whichever takes longer.
/// With `all`, both in sequence, because the reader of the pipe needs a core as well.
pub(crate) fn read_and_hash_or_pipe(corpus: &Corpus, threads: usize) -> Limit {
    let (hashing, piping) = (read_and_hash(corpus, threads), pipe(corpus.bytes));
    Limit { seconds: hashing.max(piping), with_all: Some(hashing + piping) }
}

/// Compresses blocks in memory; with `all`, hashes input and output as well.
pub(crate) fn compress(
    blocks: &[Vec<u8>],
    threads: usize,
    compressor: impl Fn(&[u8]) -> usize + Sync,
) -> Limit {
    let packed = AtomicUsize::new(0);
    let alone = seconds(|| {
        each(blocks.len(), threads, |number| {
            packed.fetch_add(compressor(&blocks[number]), Ordering::Relaxed);
        });
    });
    let groups: Vec<_> = blocks.chunks(Hasher::streams_at_once()).collect();
    let hashing = seconds(|| {
        each(groups.len(), threads, |number| {
            hash_all(groups[number].iter().map(Vec::as_slice).collect());
        });
    });
    let blobs = packed.into_inner() as f64 / blocks.iter().map(Vec::len).sum::<usize>() as f64;
    Limit { seconds: alone, with_all: Some(alone + hashing * (1.0 + blobs)) }
}

/// The start of cooper, and 30 ms.
pub(crate) fn start() -> f64 {
    let started = seconds(|| {
        let mut cooper = Command::new(env!("CARGO_BIN_EXE_cooper"));
        cooper.arg("--version").stdout(Stdio::null()).status().unwrap();
    });
    started + 0.030
}

/// One and a half times the time to read, hash, compress and durably write 10 MB on one thread, and
/// 30 ms.
pub(crate) fn ten_megabytes() -> f64 {
    let dir = tempfile::tempdir_in(".").unwrap();
    let from = dir.path().join("from");
    std::fs::write(&from, bytes_of_ten(0)).unwrap();
    let level = libdeflater::CompressionLvl::new(6).unwrap();
    let done = seconds(|| {
        let bytes = std::fs::read(&from).unwrap();
        let mut out = File::create(dir.path().join("to")).unwrap();
        let (mut plain, mut packed) = (Hasher::new(), Hasher::new());
        for block in bytes.chunks(1 << 20) {
            plain.update(block);
            let mut compressor = libdeflater::Compressor::new(level);
            let mut buf = vec![0; compressor.gzip_compress_bound(block.len())];
            let count = compressor.gzip_compress(block, &mut buf).unwrap();
            packed.update(&buf[..count]);
            out.write_all(&buf[..count]).unwrap();
        }
        out.sync_all().unwrap();
        std::hint::black_box((plain.finish(), packed.finish()));
    });
    1.5 * done + 0.030
}
