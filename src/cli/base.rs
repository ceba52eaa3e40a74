//! From a spec's `base` to the image that it means.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ui::failure::Failure;
use crate::base::{Base, BaseError, Lock, LockError, LockedImage};
use crate::digest::Digest;
use crate::spec::{self, Spec};
use crate::transport::source::{Source, open_path};

/// The base of a spec, found and not yet read; none if it has none.
pub(super) fn find(spec: &Spec) -> Result<Option<Base>, Failure> {
    let Some(base) = &spec.base else { return Ok(None) };
    let found = match (&base.path, &base.lock) {
        (Some(path), _) => {
            let source: Arc<dyn Source> =
                Arc::from(open_path(Path::new(path)).map_err(BaseError::from)?);
            Base::find(source, base.reference.as_deref(), None, &spec.platform)
        }
        (None, Some(lock)) => {
            let (source, name) = locked(base, Path::new(lock), spec)?;
            Base::find(source, None, Some(name), &spec.platform)
        }
        // `spec` has refused a base without either.
        (None, None) => return Ok(None),
    };
    Ok(Some(found?))
}

fn locked(
    base: &spec::Base,
    path: &Path,
    spec: &Spec,
) -> Result<(Arc<dyn Source>, String), Failure> {
    let lock = Lock::read(path).map_err(BaseError::from)?;
    let image = lock.image(&spec.platform, path).map_err(BaseError::from)?;
    let mut blobs = BTreeMap::new();
    for (digest, file) in &base.blobs {
        let parsed: Digest = digest.parse().map_err(|e| {
            Failure::input(e).during("failed to read base.blobs of the spec".into())
        })?;
        blobs.insert(parsed, PathBuf::from(file));
    }
    let complete = image.blobs().keys().all(|digest| blobs.contains_key(digest));
    let name = lock.reference.clone();
    match complete {
        true => Ok((Arc::new(image.source(&name, blobs)), name)),
        false => Ok((fetched(&lock, path, &image)?, name)),
    }
}

fn fetched(lock: &Lock, path: &Path, image: &LockedImage) -> Result<Arc<dyn Source>, Failure> {
    use std::sync::LazyLock;

    use super::args::registry::RegistryArgs;
    use crate::transport::registry::Remote;
    // Bases of several images share their connections.
    static ARGS: LazyLock<RegistryArgs> = LazyLock::new(RegistryArgs::default);
    let reference = lock.reference(path).map_err(BaseError::from)?;
    let registry = crate::cli::args::registry::connect(&reference.registry, &ARGS)?;
    Ok(Arc::new(Remote::pinned(&registry, &reference, image.manifest.clone())))
}

impl From<BaseError> for Failure {
    fn from(error: BaseError) -> Self {
        match error {
            BaseError::Source(error) => {
                Self::from(error).during("failed to read the base image".into())
            }
            BaseError::Lock(LockError::File(error)) => {
                Self::from(error).during("failed to read the base image's lock".into())
            }
            error @ BaseError::Unread { .. } => Self::environment(error),
            BaseError::Lock(LockError::Json { .. } | LockError::Field { .. }) => {
                Self::input(error).hint("write the lock again with `cooper lock`")
            }
            error => Self::input(error),
        }
    }
}
