//! Making layers in parallel.

use std::sync::Arc;

use super::store::{Key, Lookup, Record, Store};
use super::tar::Source;
use super::{Blob, Content, Layer, LayerError, Request, compress};
use crate::digest::Hasher;
use crate::report::Reporter;
use crate::spec::Compression;
use rayon::prelude::*;

/// Makes the layers, on `jobs` threads (0: as many as there are cores); the answer has the order
/// of the requests.
pub fn build(
    requests: &[Request<'_>],
    store: &dyn Store,
    jobs: usize,
    reporter: &dyn Reporter,
) -> Result<Vec<Layer>, LayerError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build()?;
    let of = requests.len();
    pool.install(|| {
        let made = requests.par_iter().enumerate().map(|(index, request)| {
            one(request, store, reporter).map_err(|source| LayerError::Write {
                number: index + 1,
                of,
                name: request.name.clone(),
                source: Box::new(source),
            })
        });
        made.collect()
    })
}

fn one(
    request: &Request<'_>,
    store: &dyn Store,
    reporter: &dyn Reporter,
) -> Result<Layer, LayerError> {
    let (source, key) = match request.content {
        Content::StorePaths(infos) => {
            let paths = infos.iter().map(|info| info.path.clone()).collect();
            let key = Key::new(infos, request.compression, request.mtime);
            (Source::StorePaths(paths), Some(key))
        }
        Content::Rootfs(rootfs) => (Source::Rootfs(Arc::new(rootfs.clone())), None),
    };
    let found = key.map(|key| store.get(&key)).transpose()?.unwrap_or(Lookup::Miss);
    let (record, kept) = match found {
        Lookup::Hit(record, kept) => (record, kept),
        Lookup::Miss => make(request, &source, key, store, reporter)?,
        Lookup::Damaged(why) => {
            reporter.warn(&format!("the cached layer of {} is made again: {why}", request.name));
            make(request, &source, key, store, reporter)?
        }
    };
    let blob = match kept {
        Some(kept) => Blob::file(kept.path, record.digest, record.blob_size, kept.guard),
        None => Blob::tar(source, request.mtime, record.digest, record.blob_size),
    };
    Ok(Layer {
        name: request.name.clone(),
        digest: record.digest,
        diff_id: record.diff_id,
        blob_size: record.blob_size,
        tar_size: record.tar_size,
        compression: request.compression,
        blob,
    })
}

fn make(
    request: &Request<'_>,
    source: &Source,
    key: Option<Key>,
    store: &dyn Store,
    reporter: &dyn Reporter,
) -> Result<(Record, Option<super::Kept>), LayerError> {
    let expected = match request.content {
        Content::StorePaths(infos) => Some(infos.iter().map(|info| info.nar_size).sum()),
        Content::Rootfs(_) => None,
    };
    let task = reporter.start(&request.name, expected);
    let plain = matches!(request.compression, Compression::None {});
    let mut blob = if plain { None } else { Some(store.create()?) };
    let mut reader = source.open(request.mtime);
    let mut buf = vec![0; compress::BLOCK];
    let (mut tar, mut packed) = (Hasher::new(), Hasher::new());
    loop {
        let count = reader.fill(&mut buf)?;
        let Some(bytes) = buf.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        tar.update(bytes);
        if let Some(blob) = &mut blob {
            let bytes = compress::block(request.compression, bytes)?;
            packed.update(&bytes);
            blob.write_all(&bytes)?;
        }
        task.advance(count as u64);
    }
    let tar = tar.finish();
    let packed = if plain { tar } else { packed.finish() };
    let record = Record {
        digest: packed.digest(),
        diff_id: tar.diff_id(),
        blob_size: packed.size,
        tar_size: tar.size,
    };
    let kept = store.put(key.as_ref(), &record, blob)?;
    Ok((record, kept))
}
