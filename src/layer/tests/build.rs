//! Several layers at a time. What one layer is has tests of its own.
#![expect(clippy::disallowed_methods, reason = "a test stops at the first error anyway")]

use std::fs;
use std::sync::Mutex;

use crate::layer::build::build_with;
use crate::layer::*;
use crate::progress::NullReporter;

/// Store paths with a file each, of all sizes from nothing to more than a block of gzip's.
struct Fake {
    _dir: tempfile::TempDir,
    infos: Vec<PathInfo>,
}

impl Fake {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let infos = (0..20_usize).map(|number| {
            let path = dir.path().join(format!("ppalkb4fq3rl0qvhbbhvzwmh2yk9i1l1-{number}"));
            let size = if number == 11 { 1_200_000 } else { number.pow(4) * 17 % 70_000 };
            let bytes: Vec<u8> = (0..size).map(|n| (n * n / 7 + number).to_le_bytes()[0]).collect();
            fs::write(&path, bytes).unwrap();
            PathInfo {
                path: path.to_str().unwrap().parse().unwrap(),
                nar_hash: "sha256:test".into(),
                nar_size: size as u64,
                references: Vec::new(),
            }
        });
        Self { infos: infos.collect(), _dir: dir }
    }

    fn requests(&self, compression: Compression) -> Vec<Request<'_>> {
        let request = |info| Request {
            name: "test".into(),
            content: Content::StorePaths(std::slice::from_ref(info)),
            compression,
            mtime: 1,
        };
        self.infos.iter().map(request).collect()
    }
}

fn build_all(
    requests: &[Request<'_>],
    jobs: usize,
    at_once: usize,
) -> Result<(Vec<Layer>, Vec<u64>), LayerError> {
    let told = Mutex::new(Vec::new());
    let tell = |layer: &Layer| {
        told.lock().unwrap().push(layer.tar_size);
        Ok(())
    };
    let store = EphemeralCache::new().unwrap();
    let layers = build_with(requests, &store, jobs, &NullReporter, &tell, at_once)?;
    Ok((layers, told.into_inner().unwrap()))
}

#[test]
fn layers_hashed_together_are_those_hashed_one_by_one() {
    let fake = Fake::new();
    for compression in
        [Compression::None {}, Compression::Gzip { level: 1 }, Compression::Zstd { level: 1 }]
    {
        let requests = fake.requests(compression);
        let names = |(layers, _): (Vec<Layer>, _)| {
            layers.iter().map(|layer| (layer.digest, layer.diff_id)).collect::<Vec<_>>()
        };
        let alone = names(build_all(&requests, 1, 1).unwrap());
        for (jobs, at_once) in [(1, 8), (3, 8), (3, 2), (3, 1)] {
            let together = names(build_all(&requests, jobs, at_once).unwrap());
            assert_eq!(together, alone, "{compression:?}, {jobs} jobs, {at_once} at once");
        }
    }
}

#[test]
fn layers_are_told_of_from_the_smallest_to_the_largest_whatever_the_threads() {
    let fake = Fake::new();
    for (jobs, at_once) in [(1, 1), (4, 1), (4, 8)] {
        let (_, told) = build_all(&fake.requests(Compression::None {}), jobs, at_once).unwrap();
        assert_eq!(told.len(), fake.infos.len());
        assert!(told.is_sorted(), "{jobs} jobs, {at_once} at once: {told:?}");
    }
}

#[test]
fn a_layer_that_fails_among_others_under_way_is_the_error() {
    let fake = Fake::new();
    let path = fake.infos[7].path.as_str();
    fs::remove_file(path).unwrap();
    for (jobs, at_once) in [(1, 1), (2, 8)] {
        let error = build_all(&fake.requests(Compression::None {}), jobs, at_once).unwrap_err();
        let LayerError::Write { number: 8, of: 20, source, .. } = error else { panic!("{error}") };
        assert_eq!(source.to_string(), format!("failed to read `{path}`"));
    }
}
