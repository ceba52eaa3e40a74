//! Decides whether bytes that were hashed before must be hashed again.

use std::fmt;
use std::sync::Arc;

use super::tar::TarContent;
use crate::digest::{Digest, Hasher};
use crate::fs::FileStamp;

/// The tree stamp that a cache recorded for the store paths of a plain layer.
#[derive(Debug, Clone)]
pub struct Before {
    /// The tree stamp at the time of hashing; `None` if it is from an earlier boot.
    pub seen: Option<Digest>,
    /// Gets the new tree stamp after the bytes were hashed again and were correct.
    pub renew: Arc<dyn Renew>,
}

/// The cache record of a layer, as readers of the layer see it.
pub trait Renew: fmt::Debug + Send + Sync {
    /// Records the tree stamp of correct bytes. A failure only costs the next run a hash.
    fn renew(&self, seen: Digest);

    /// Removes the record, because the bytes are wrong. The next lookup of the layer misses.
    fn forget(&self);
}

/// The process that hashed the store paths, and their tree stamp
/// ([`TarReader::seen`](super::tar::TarReader::seen)).
#[derive(Debug, Clone)]
pub(super) enum Seen {
    /// This process.
    Now(Digest),
    /// An earlier process. A different stamp does not imply different bytes.
    Before(Before),
}

impl Seen {
    /// Chooses how to verify the bytes that `source` will give.
    pub(super) fn check(&self, source: &TarContent, mtime: u64) -> Check {
        match self {
            Self::Now(seen) => Check::Seen(*seen),
            Self::Before(Before { seen, renew }) => match seen {
                Some(seen)
                    if source.open(mtime).stamp_without_reading().is_ok_and(|now| now == *seen) =>
                {
                    Check::Seen(*seen)
                }
                // An error here appears again when the content is read.
                _ => Check::Bytes(Box::default(), Some(Arc::clone(renew))),
            },
        }
    }
}

/// The way in which a reader verifies its bytes.
pub(super) enum Check {
    /// The bytes are hashed; their record is renewed or removed afterwards.
    Bytes(Box<Hasher>, Option<Arc<dyn Renew>>),
    /// The tree stamp at the end must be this one.
    Seen(Digest),
    /// The stamp of the file at the end must be this one, from when it was written and hashed.
    Written(FileStamp),
}
