//! Who makes a layer that several need at once.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;

use crate::fs;
use crate::fs::{FileError, FileOp, LockMode, TempPath, TryLock, has_name};

/// What comes of asking to make a layer.
#[derive(Debug)]
pub(super) enum LockAttempt {
    /// Nobody else makes it meanwhile.
    Granted(HeldBuildLock),
    /// Whoever else makes it does so too, which is only slower: there is nothing to hold.
    Unclaimed,
    /// Somebody else is making it, and was not waited for.
    InUse,
    /// Another process was waited for as long as it may be.
    Late(FileError),
}

impl LockAttempt {
    /// As in [`HeldBuildLock::get`]; without a file to lock, others cannot be kept from it.
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

/// A layer that this process is making: it holds the lock of the file that has the layer's name.
#[derive(Debug)]
pub(super) struct HeldBuildLock {
    path: PathBuf,
    _temp_path: TempPath,
    file: File,
}

impl HeldBuildLock {
    /// None while somebody else has it, unless it may wait.
    pub(super) fn get(path: PathBuf, may_wait: bool) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.read(true).append(true);
        loop {
            let locked = || {
                let file = options.clone().create(true).open(&path)?;
                // Without locks two processes may make one layer, which is only slower.
                if fs::try_lock(&file)? == TryLock::InUse {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                // Who had the lock has removed the file, and another may have made a new one.
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
                    // Its maker is done, or has gone.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    file => fs::lock(&file?, &path, LockMode::Exclusive).map_err(|e| e.source)?,
                },
            }
        }
    }
}

impl Drop for HeldBuildLock {
    fn drop(&mut self) {
        // Who emptied the cache by hand may have let another begin.
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

    /// Claims again and again; fails if another process has the claim at the same time.
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
    fn one_process_at_a_time_has_a_claim_however_many_wait_for_it() {
        // fault 110
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
    fn whoever_asks_for_a_claim_gets_it_or_hears_who_has_it_or_that_there_are_none() {
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
    fn a_claim_takes_no_other_one_with_it() {
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
