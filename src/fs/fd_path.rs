//! Paths that name open files of a process: `/dev/stdout`, `/dev/fd/3`.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// The number of links that the kernel follows in one path.
const MAX_LINKS: usize = 40;

/// An open file of a process. The process that opened it decides the position of the next byte,
/// so cooper appends to it and never replaces it, even if it is a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FdPath {
    /// This process's standard output.
    Stdout,
    /// Its standard error.
    Stderr,
    /// Another file of this or of another process.
    Other,
}

impl FdPath {
    /// Resolves a path. Returns `None` if it does not lead to an open file of a process.
    pub fn at(path: &Path) -> Option<Self> {
        let mut path = path.to_path_buf();
        for _ in 0..MAX_LINKS {
            let name = path.file_name()?;
            let dir = fs::canonicalize(super::parent(&path)).ok()?;
            if dir == Path::new("/dev/fd") || dir.starts_with("/proc") && dir.ends_with("fd") {
                let is_ours = fs::canonicalize("/proc/self").map_or(true, |us| dir.starts_with(us));
                return Some(match name.to_str() {
                    Some("1") if is_ours => Self::Stdout,
                    Some("2") if is_ours => Self::Stderr,
                    _ => Self::Other,
                });
            }
            path = dir.join(fs::read_link(dir.join(name)).ok()?);
        }
        None
    }

    /// Opens it for appending.
    pub(super) fn open(self, path: &Path) -> io::Result<File> {
        match self {
            Self::Stdout => io::stdout().as_fd().try_clone_to_owned().map(File::from),
            Self::Stderr => io::stderr().as_fd().try_clone_to_owned().map(File::from),
            // Opening such a path gives a new offset, which starts at 0.
            Self::Other => File::options().append(true).open(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;

    use super::super::{read, write_atomically};
    use super::*;

    #[test]
    fn fd_path_recognizes_every_name_of_standard_output() {
        let dir = tempfile::tempdir().unwrap();
        let (link, fd_dir) = (dir.path().join("stdout"), dir.path().join("fd"));
        symlink("/proc/self/fd/1", &link).unwrap();
        symlink("/proc/self/fd", &fd_dir).unwrap();
        let (file, around) = (dir.path().join("file"), dir.path().join("around"));
        write_atomically(&file, b"").unwrap();
        symlink(&around, &around).unwrap();
        for path in [&link, &fd_dir.join("1"), Path::new("/proc/thread-self/fd/1")] {
            assert_eq!(FdPath::at(path), Some(FdPath::Stdout), "{}", path.display());
        }
        assert_eq!(FdPath::at(&fd_dir.join("2")), Some(FdPath::Stderr));
        assert_eq!(FdPath::at(&fd_dir.join("0")), Some(FdPath::Other));
        for path in [&file, &around, Path::new("/dev/null"), Path::new("/proc/version")] {
            assert_eq!(FdPath::at(path), None, "{}", path.display());
        }
    }

    #[test]
    fn open_file_is_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"before ").unwrap();
        let link = dir.path().join("link");
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        symlink(&name, &link).unwrap();
        write_atomically(Path::new(&name), b"and ").unwrap();
        write_atomically(&link, b"behind").unwrap();
        assert_eq!(read(&path, 100).unwrap(), b"before and behind");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
