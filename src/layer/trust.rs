//! How bytes that were hashed before are known to be right.

use std::fmt;
use std::sync::Arc;

use super::tar::TarContent;
use crate::digest::{Digest, Hasher};
use crate::fs::FileStamp;

/// What a store keeps of the store paths that a plain tar is made of.
#[derive(Debug, Clone)]
pub struct Before {
    /// Names how they looked when they were hashed, if what looks so still is what it was.
    pub seen: Option<Digest>,
    /// Hears how they look when they had to be hashed again, and still were what they should be.
    pub renew: Arc<dyn Renew>,
}

/// Whatever remembers for later runs how store paths looked when they were hashed.
pub trait Renew: fmt::Debug + Send + Sync {
    /// What looks so has the right bytes. Failing costs the next run a hash, and nothing now.
    fn renew(&self, seen: Digest);

    /// The bytes are not what they should be: the layer is made again when it is asked for again.
    fn forget(&self);
}

/// By whom store paths were hashed, and how they looked: [`TarReader::seen`].
#[derive(Debug, Clone)]
pub(super) enum Seen {
    /// This process, just now.
    Now(Digest),
    /// Another one; they may have changed since, and the bytes be the same nevertheless.
    Before(Before),
}

impl Seen {
    /// How the bytes that will come from there can be known to be right.
    pub(super) fn check(&self, source: &TarContent, mtime: u64) -> Check {
        match self {
            Self::Now(seen) => Check::Seen(*seen),
            Self::Before(Before { seen, renew }) => match seen {
                Some(seen)
                    if source.open(mtime).stamp_without_reading().is_ok_and(|now| now == *seen) =>
                {
                    Check::Seen(*seen)
                }
                // Reading will say what is wrong, if something is.
                _ => Check::Bytes(Box::default(), Some(Arc::clone(renew))),
            },
        }
    }
}

/// How it is known that the bytes are the right ones.
pub(super) enum Check {
    /// They are hashed again, and the record of them is renewed or removed.
    Bytes(Box<Hasher>, Option<Arc<dyn Renew>>),
    /// They come from what looks as it did when it was hashed.
    Seen(Digest),
    /// They come from a file that looked so when it was written, hashed and opened.
    Written(FileStamp),
}
