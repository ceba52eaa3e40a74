//! The error of a failed file system call: the operation, the path and the cause.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A failed file system call.
#[derive(Debug, thiserror::Error)]
#[error("failed to {op} `{path}`")]
pub struct FileError {
    /// The operation.
    pub op: FileOp,
    /// The path that the message names. For a temporary file it is its directory or the final
    /// path, because users do not know the temporary name.
    pub path: PathBuf,
    /// The error of the operating system, or of a decoder.
    pub source: io::Error,
}

/// An operation on a file or a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileOp {
    /// Opens a file.
    Open,
    /// Reads a file or its metadata.
    Read,
    /// Reads the entries of a directory.
    List,
    /// Reads the target of a symbolic link.
    ReadLink,
    /// Creates a directory.
    CreateDir,
    /// Creates a temporary directory; the path is its parent.
    CreateTempDir,
    /// Creates a temporary file; the path is its directory.
    CreateTemp,
    /// Creates a temporary file that will replace the path.
    CreateTempNextTo,
    /// Writes a file.
    Write,
    /// Writes a temporary file; the path is its directory.
    WriteTemp,
    /// Makes written bytes durable.
    Sync,
    /// Renames a temporary file to the path.
    Rename,
    /// Creates a hard link at the path.
    HardLink,
    /// Removes a file or a directory.
    Remove,
    /// Locks a file.
    Lock,
    /// Binds a Unix socket to the path.
    Bind,
    /// Decompresses a file.
    Decompress,
}

impl fmt::Display for FileOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::List => "list",
            Self::ReadLink => "read the link",
            Self::CreateDir => "create",
            Self::CreateTempDir => "create a folder in",
            Self::CreateTemp => "create a temporary file in",
            Self::CreateTempNextTo => "create a temporary file next to",
            Self::Write => "write",
            Self::WriteTemp => "write a file in",
            Self::Sync => "sync",
            Self::Rename => "rename a file to",
            Self::HardLink => "link a file to",
            Self::Remove => "remove",
            Self::Lock => "lock",
            Self::Bind => "listen on",
            Self::Decompress => "decompress",
        })
    }
}

/// Adds the operation and the path to an I/O error.
pub trait Context<T> {
    /// Turns the I/O error into a [`FileError`].
    fn context(self, op: FileOp, path: impl AsRef<Path>) -> Result<T, FileError>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, op: FileOp, path: impl AsRef<Path>) -> Result<T, FileError> {
        self.map_err(|source| FileError { op, path: path.as_ref().into(), source })
    }
}
