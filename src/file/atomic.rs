//! Writes that leave a whole file or none.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Context, FileError, Unfinished, open, sync_dir};

/// How the names of temporary files start.
pub const TEMP_PREFIX: &str = ".cooper-";

/// A new file beside its final path. It becomes visible only by [`AtomicFile::commit`]; dropped
/// before, nothing is left. What takes bytes as they come, such as `/dev/null`, a terminal or a
/// named pipe, is never replaced: the bytes go straight into it. A disk is refused.
#[derive(Debug)]
pub struct AtomicFile {
    bytes: Bytes,
    path: PathBuf,
}

#[derive(Debug)]
enum Bytes {
    // Dropped in this order: once the temporary file is renamed or gone, its name means nothing.
    Beside { temp: NamedTempFile, _unfinished: Unfinished },
    Through(File),
}

impl AtomicFile {
    /// Creates the temporary file in the directory of `path`, so that the rename stays on one
    /// file system.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        // Links are followed: `/dev/stdout` is one, and a pipe or a terminal loses nothing.
        let kind = fs::metadata(path).map(|meta| meta.file_type());
        if kind.as_ref().is_ok_and(FileTypeExt::is_block_device) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it is a disk");
            return Err(error).context("write to", path);
        }
        let through = kind.is_ok_and(|kind| !kind.is_file() && !kind.is_dir());
        let bytes = if through {
            Bytes::Through(File::options().write(true).open(path).context("open", path)?)
        } else {
            let made = Unfinished::make(|| temp_in(parent(path)), |temp| temp.path().into());
            let (temp, unfinished) = made.context("create a file beside", path)?;
            Bytes::Beside { temp, _unfinished: unfinished }
        };
        Ok(Self { bytes, path: path.into() })
    }

    /// As [`create`](AtomicFile::create), but another name of a regular file that is there already,
    /// on the same file system. It is not to be written to.
    pub fn link(from: &Path, path: &Path) -> Result<Self, FileError> {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix(TEMP_PREFIX);
        let linked = || builder.make_in(parent(path), |to| fs::hard_link(from, to));
        let linked = Unfinished::make(linked, |temp| temp.path().into());
        let (linked, unfinished) = linked.context("link a file to", path)?;
        let ((), name) = linked.into_parts();
        // A symbolic link gets another name as it is.
        if fs::symlink_metadata(&name).context("read", &name)?.is_symlink() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput)).context("link", from);
        }
        let temp = NamedTempFile::from_parts(open(&name)?, name);
        Ok(Self { bytes: Bytes::Beside { temp, _unfinished: unfinished }, path: path.into() })
    }

    /// The file to write to.
    pub fn file(&mut self) -> &mut File {
        match &mut self.bytes {
            Bytes::Beside { temp, .. } => temp.as_file_mut(),
            Bytes::Through(file) => file,
        }
    }

    /// Makes the bytes durable, then gives them their name, replacing what had it.
    pub fn commit(self) -> Result<(), FileError> {
        let named =
            matches!(self.bytes, Bytes::Beside { .. }).then(|| parent(&self.path).to_path_buf());
        self.commit_without_name()?;
        named.map_or(Ok(()), |dir| sync_dir(&dir))
    }

    /// As [`commit`](AtomicFile::commit), but the name is durable only after [`sync_dir`]: one
    /// call for many files.
    pub fn commit_without_name(self) -> Result<(), FileError> {
        let Bytes::Beside { temp, .. } = &self.bytes else { return Ok(()) };
        temp.as_file().sync_all().context("sync", &self.path)?;
        // Where the path is a name of the same file already, this does nothing and leaves both
        // names; the temporary one goes when it is dropped.
        fs::rename(temp.path(), &self.path).context("rename a file to", &self.path)
    }
}

/// The mode of what is written, whatever the umask: another user may have to load the image.
pub const MODE: u32 = 0o644;

fn temp_in(dir: &Path) -> io::Result<NamedTempFile> {
    let mode = fs::Permissions::from_mode(MODE);
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(TEMP_PREFIX).permissions(mode.clone());
    let temp = builder.tempfile_in(dir)?;
    temp.as_file().set_permissions(mode)?;
    Ok(temp)
}

/// Writes a whole file or none.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = AtomicFile::create(path)?;
    file.file().write_all(bytes).context("write", path)?;
    file.commit()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn an_uncommitted_file_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("half");
        let mut file = AtomicFile::create(&path).unwrap();
        file.file().write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn another_name_replaces_what_had_it_even_where_that_is_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::File::create(&from).unwrap().write_all(b"bytes").unwrap();
        fs::File::create(&to).unwrap().write_all(b"other").unwrap();
        for _ in 0..2 {
            AtomicFile::link(&from, &to).unwrap().commit().unwrap();
            assert_eq!(fs::metadata(&from).unwrap().ino(), fs::metadata(&to).unwrap().ino());
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn a_symbolic_link_gets_no_other_name() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::os::unix::fs::symlink("/etc/hostname", &from).unwrap();
        assert!(AtomicFile::link(&from, &to).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_pipe_or_a_device_is_written_to_and_never_replaced() {
        use std::io::Read;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let mut reader = File::options().read(true).write(true).open(&path).unwrap();
        write_atomically(&path, b"bytes").unwrap();
        let mut read = [0; 5];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"bytes");
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_disk_is_refused_through_a_link_too() {
        let disk = fs::read_dir("/dev").unwrap().map(|entry| entry.unwrap().path());
        let is_disk = |path: &PathBuf| {
            fs::metadata(path).is_ok_and(|meta| meta.file_type().is_block_device())
        };
        // A container may have none.
        let Some(disk) = disk.into_iter().find(is_disk) else { return };
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&disk, &link).unwrap();
        for path in [&disk, &link] {
            let error = AtomicFile::create(path).unwrap_err();
            assert!(error.to_string().starts_with("failed to write to"), "{error}");
        }
    }
}
