//! Paths that are other names of what a process has open: `/dev/stdout`, `/dev/fd/3`.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// As many links as the kernel follows.
const LINKS: usize = 40;

/// What a process has open. Whoever opened it decides where the next byte goes, so it is written
/// to where it stands and never replaced, a regular file neither.
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
    /// What a path leads to; none where that is a file by its own name, or nothing.
    pub fn at(path: &Path) -> Option<Self> {
        let mut path = path.to_path_buf();
        for _ in 0..LINKS {
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

    /// Opens it for writing behind what is there.
    pub(super) fn open(self, path: &Path) -> io::Result<File> {
        match self {
            Self::Stdout => io::stdout().as_fd().try_clone_to_owned().map(File::from),
            Self::Stderr => io::stderr().as_fd().try_clone_to_owned().map(File::from),
            // To open a file by such a name is to begin at its start.
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
    fn standard_output_has_many_names() {
        let dir = tempfile::tempdir().unwrap();
        let (link, folder) = (dir.path().join("stdout"), dir.path().join("fd"));
        symlink("/proc/self/fd/1", &link).unwrap();
        symlink("/proc/self/fd", &folder).unwrap();
        let (file, around) = (dir.path().join("file"), dir.path().join("around"));
        write_atomically(&file, b"").unwrap();
        symlink(&around, &around).unwrap();
        for path in [&link, &folder.join("1"), Path::new("/proc/thread-self/fd/1")] {
            assert_eq!(FdPath::at(path), Some(FdPath::Stdout), "{}", path.display());
        }
        assert_eq!(FdPath::at(&folder.join("2")), Some(FdPath::Stderr));
        assert_eq!(FdPath::at(&folder.join("0")), Some(FdPath::Other));
        for path in [&file, &around, Path::new("/dev/null"), Path::new("/proc/version")] {
            assert_eq!(FdPath::at(path), None, "{}", path.display());
        }
    }

    #[test]
    fn an_open_file_is_written_to_behind_what_is_there() {
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
