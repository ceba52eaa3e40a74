//! Per-layer build locks: one process builds a layer, the others wait.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;

use crate::fs;
use crate::fs::{FileError, FileOp, LockMode, TempPath, TryLock, has_name};

/// The result of an attempt to take a build lock.
#[derive(Debug)]
pub(super) enum LockAttempt {
    /// This process holds the lock.
    Granted(HeldBuildLock),
    /// There is no lock to hold; another process may build the same layer, which is only slower.
    Unclaimed,
    /// Another process or thread holds the lock.
    InUse,
    /// The wait for another process timed out.
    Late(FileError),
}

impl LockAttempt {
    /// Calls [`HeldBuildLock::get`]. If the lock file cannot be created, there is no lock.
    pub(super) fn of(path: PathBuf, may_wait: bool) -> Self {
        match HeldBuildLock::get(path.clone(), may_wait) {
            Ok(Some(claimed)) => Self::Granted(claimed),
            Ok(None) => Self::InUse,
            Err(source) if source.kind() == io::ErrorKind::TimedOut => {
                Self::Late(FileError { op: FileOp::Lock, path, source })
            }
            Err(_) => Self::Unclaimed,
        }
    }
}

/// The lock of a layer that this process builds, on a file with the name of the layer's key.
#[derive(Debug)]
pub(super) struct HeldBuildLock {
    path: PathBuf,
    _temp_path: TempPath,
    file: File,
}

impl HeldBuildLock {
    /// Takes the lock. Returns `None` if another process holds it and `may_wait` is false.
    pub(super) fn get(path: PathBuf, may_wait: bool) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.read(true).append(true);
        loop {
            let locked = || {
                let file = options.clone().create(true).open(&path)?;
                // On a file system without locks two processes may build one layer.
                if fs::try_lock(&file)? == TryLock::InUse {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                // The last holder removed the file, and another process may have created a new one.
                if has_name(&file, &path)? { Ok(file) } else { Err(again()) }
            };
            match TempPath::make(locked, |_| path.clone()) {
                Ok((file, unfinished)) => {
                    return Ok(Some(Self { path, file, _temp_path: unfinished }));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) if !may_wait => return Ok(None),
                Err(_) => match options.open(&path) {
                    // The holder has released the lock.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    file => fs::lock(&file?, &path, LockMode::Exclusive).map_err(|e| e.source)?,
                },
            }
        }
    }
}

impl Drop for HeldBuildLock {
    fn drop(&mut self) {
        // If the cache was emptied by hand, the file may be the lock of another process.
        if has_name(&self.file, &self.path).unwrap_or(false) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn again() -> io::Error {
    io::ErrorKind::Interrupted.into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    /// Takes the lock repeatedly; panics if another process holds it at the same time.
    fn contend(dir: &Path) {
        let inside = dir.join("inside");
        for number in 0..2000 {
            let claimed = HeldBuildLock::get(dir.join("key.lock"), number % 4 != 0).unwrap();
            if claimed.is_some() {
                File::create_new(&inside).unwrap();
                std::fs::remove_file(&inside).unwrap();
            }
        }
    }

    #[test]
    fn one_process_holds_a_build_lock_at_a_time() {
        if let Some(dir) = std::env::var_os("COOPER_TEST_CLAIM") {
            return contend(Path::new(&dir));
        }
        let dir = tempfile::tempdir().unwrap();
        let name = concat!(module_path!(), "::one_process");
        let name = name.split_once("::").unwrap().1;
        let children = [(); 4].map(|()| {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child
                .arg(name)
                .env("COOPER_TEST_CLAIM", dir.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        });
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn build_lock_is_granted_in_use_or_unavailable() {
        let dir = tempfile::tempdir().unwrap();
        let asked = |path: &str| LockAttempt::of(dir.path().join(path), false);
        let claimed = asked("key.lock");
        assert!(matches!(claimed, LockAttempt::Granted(_)));
        assert!(matches!(asked("key.lock"), LockAttempt::InUse));
        drop(claimed);
        assert!(matches!(asked("key.lock"), LockAttempt::Granted(_)));
        assert!(matches!(asked("nowhere/key.lock"), LockAttempt::Unclaimed));
    }

    #[test]
    fn build_lock_drop_does_not_remove_another_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.lock");
        let first = HeldBuildLock::get(path.clone(), false).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = HeldBuildLock::get(path.clone(), false).unwrap();
        assert!(second.is_some());
        drop(first);
        assert!(
            HeldBuildLock::get(path.clone(), false).unwrap().is_none(),
            "the second has it still"
        );
        drop(second);
        assert!(!path.exists());
    }
}
