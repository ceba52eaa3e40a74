//! Writes that leave a whole file or none.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::OFlags;

use super::{
    Context, FdPath, FileError, FileOp, LockMode, TempFile, TryLock, WritebackWriter, open, parent,
    sync, sync_dir,
};

/// How the names of temporary files start.
const TEMP_PREFIX: &str = ".cooper-";
/// And how they end: whatever else starts so may be somebody's own.
const TEMP_SUFFIX: &str = ".tmp";
const TEMP_NAMES: (&str, &str) = (TEMP_PREFIX, TEMP_SUFFIX);

/// A new file beside its final path. It becomes visible only by [`AtomicFile::commit`]; dropped
/// before, nothing is left. What takes bytes as they come, such as `/dev/null`, a terminal or a
/// named pipe, is never replaced: the bytes go straight into it. So do they into what a process has
/// open ([`FdPath`]). A disk is refused.
#[derive(Debug)]
pub struct AtomicFile {
    bytes: Bytes,
    path: PathBuf,
}

#[derive(Debug)]
enum Bytes {
    Beside(TempFile),
    Through(File),
}

impl AtomicFile {
    /// Creates the temporary file in the directory of `path`, so that the rename stays on one
    /// file system.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        // Links are followed: a pipe or a terminal loses nothing.
        let kind = fs::metadata(path).map(|meta| meta.file_type());
        if kind.as_ref().is_ok_and(FileTypeExt::is_block_device) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it is a disk");
            return Err(error).context(FileOp::Write, path);
        }
        let through = kind.is_ok_and(|kind| !kind.is_file() && !kind.is_dir());
        let bytes = if let Some(opened) = FdPath::at(path) {
            Bytes::Through(opened.open(path).context(FileOp::Open, path)?)
        } else if through {
            Bytes::Through(File::options().write(true).open(path).context(FileOp::Open, path)?)
        } else {
            let made = temp_in_same_dir(path, |dir| TempFile::create(dir, TEMP_NAMES));
            Bytes::Beside(made.context(FileOp::CreateTempNextTo, path)?)
        };
        Ok(Self { bytes, path: path.into() })
    }

    /// As [`create`](AtomicFile::create), but another name of a regular file that is there already,
    /// on the same file system. It is not to be written to.
    pub fn link(from: &Path, path: &Path) -> Result<Self, FileError> {
        let made =
            temp_in_same_dir(path, |dir| TempFile::make(dir, TEMP_NAMES, |to| hard_link(from, to)));
        Ok(Self { bytes: Bytes::Beside(made.context(FileOp::HardLink, path)?), path: path.into() })
    }

    /// The file to write to.
    pub fn file(&mut self) -> &mut File {
        match &mut self.bytes {
            Bytes::Beside(temp) => temp.file_mut(),
            Bytes::Through(file) => file,
        }
    }

    /// Writes to the file from its start; for what is large.
    pub fn writer(&mut self) -> WritebackWriter<'_> {
        WritebackWriter::new(self.file())
    }

    /// Makes the bytes durable, then gives them their name, replacing what had it.
    pub fn commit(self) -> Result<(), FileError> {
        let named =
            matches!(self.bytes, Bytes::Beside(_)).then(|| parent(&self.path).to_path_buf());
        self.commit_without_dir_sync()?;
        named.map_or(Ok(()), |dir| sync_dir(&dir))
    }

    /// As [`commit`](AtomicFile::commit), but the name is durable only after [`sync_dir`]: one
    /// call for many files.
    pub fn commit_without_dir_sync(self) -> Result<(), FileError> {
        let Bytes::Beside(temp) = &self.bytes else { return Ok(()) };
        sync(temp.file()).context(FileOp::Sync, &self.path)?;
        // Where the path is a name of the same file already, this does nothing and leaves both
        // names; the temporary one goes when it is dropped.
        fs::rename(temp.path(), &self.path).context(FileOp::Rename, &self.path)
    }
}

/// A temporary file in the folder of a path, where those that killed processes left go.
fn temp_in_same_dir(
    path: &Path,
    make: impl Fn(&Path) -> io::Result<TempFile>,
) -> io::Result<TempFile> {
    let dir = parent(path);
    sweep_once(dir);
    loop {
        let temp = make(dir)?;
        if is_held(&temp)? {
            return Ok(temp);
        }
    }
}

/// Another name of a file, opened for reading. A symbolic link would get one as it is.
fn hard_link(from: &Path, to: &Path) -> io::Result<File> {
    fs::hard_link(from, to)?;
    let opened = match fs::symlink_metadata(to).map(|meta| meta.is_file()) {
        Ok(true) => open(to).map_err(|error| error.source),
        Ok(false) => Err(io::ErrorKind::InvalidInput.into()),
        Err(error) => Err(error),
    };
    opened.inspect_err(|_| {
        let _ = fs::remove_file(to);
    })
}

/// Locks a file that is to be written, which says that its process lives; false if another process
/// removed it before. Shared, as a link is the same file as other links.
fn is_held(temp: &TempFile) -> io::Result<bool> {
    super::lock(temp.file(), temp.path(), LockMode::Shared).map_err(|error| error.source)?;
    super::has_name(temp.file(), temp.path())
}

/// As [`remove_stale_temps`], and reads the folder once.
fn sweep_once(dir: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if SWEPT.lock().is_ok_and(|mut swept| swept.insert(dir.into())) {
        remove_stale_temps(dir);
    }
}

/// Whether a file is called as those are that are being written.
pub fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(TEMP_PREFIX.as_bytes()) && name.ends_with(TEMP_SUFFIX.as_bytes())
}

/// Removes what killed processes of this user left in a folder.
pub fn remove_stale_temps(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if is_temporary(&entry.file_name()) {
            // What stays is in nobody's way.
            let _ = remove_if_left(&entry.path());
        }
    }
}

/// Removes a temporary file that no process holds.
fn remove_if_left(path: &Path) -> io::Result<()> {
    let user = rustix::process::geteuid().as_raw();
    let is_ours = |meta: fs::Metadata| meta.is_file() && meta.uid() == user;
    if !is_ours(fs::symlink_metadata(path)?) {
        return Ok(());
    }
    // Whatever has taken its place since is neither followed nor waited for.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).write(true).custom_flags(flags).open(path)?;
    let is_left = is_ours(file.metadata()?) && super::try_lock(&file)? == TryLock::Locked;
    if is_left && super::has_name(&file, path)? {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Writes a whole file or none.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = AtomicFile::create(path)?;
    file.file().write_all(bytes).context(FileOp::Write, path)?;
    file.commit()
}

#[cfg(test)]
mod tests {
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

    /// As a process that was killed leaves a file.
    fn left(dir: &Path, name: &str) -> PathBuf {
        let path = dir.join(name);
        File::create(&path).unwrap().write_all(b"half").unwrap();
        path
    }

    #[test]
    fn what_a_killed_process_left_goes_when_the_next_file_is_made_there() {
        // fault 105
        let dir = tempfile::tempdir().unwrap();
        for link in [false, true] {
            let dir = dir.path().join(format!("{link}"));
            fs::create_dir(&dir).unwrap();
            let (half, from) = (left(&dir, ".cooper-a1B2c3.tmp"), left(&dir, "from"));
            let path = dir.join("to");
            let made =
                if link { AtomicFile::link(&from, &path) } else { AtomicFile::create(&path) };
            made.unwrap().commit().unwrap();
            assert!(!half.exists());
        }
    }

    #[test]
    fn what_lives_and_what_is_none_of_ours_is_not_swept_away() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let from = left(dir, "from");
        let living = [
            AtomicFile::create(&dir.join("living")).unwrap(),
            AtomicFile::link(&from, &dir.join("linked")).unwrap(),
        ];
        left(dir, ".cooper-notes");
        left(dir, "cooper.tmp");
        std::os::unix::fs::symlink(&from, dir.join(".cooper-link.tmp")).unwrap();
        fs::create_dir(dir.join(".cooper-folder.tmp")).unwrap();
        if rustix::process::geteuid().is_root() {
            let foreign = left(dir, ".cooper-foreign.tmp");
            std::os::unix::fs::chown(foreign, Some(65534), None).unwrap();
        }
        let before = fs::read_dir(dir).unwrap().count();
        remove_stale_temps(dir);
        assert_eq!(fs::read_dir(dir).unwrap().count(), before);
        living.into_iter().try_for_each(AtomicFile::commit).unwrap();
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
            assert!(error.to_string().starts_with("failed to write"), "{error}");
        }
    }
}
