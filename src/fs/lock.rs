//! Locks that last as long as a file is open.
//!
//! A wait for another process is reported after two seconds, and ends with an error where a
//! timeout is set ([`set_lock_wait`]). A thread of this process is waited for in silence.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::lock_holder::Holders;
use super::{Context, FileError, FileOp};

/// A wait that takes longer is reported.
const REPORT_AFTER: Duration = Duration::from_secs(2);
/// The longest pause between two looks at a lock.
const MAX_PAUSE: Duration = Duration::from_millis(25);

/// The kind of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// With others who share it.
    Shared,
    /// Without any other holder.
    Exclusive,
}

/// The rules for waits in this process.
pub struct LockWait {
    /// The end of a wait; without one it lasts as long as the lock is held.
    pub timeout: Option<Duration>,
    /// Gets a message once for each wait that takes long.
    pub report: Box<dyn Fn(&str) + Send + Sync>,
}

impl std::fmt::Debug for LockWait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockWait").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

static WAIT: OnceLock<LockWait> = OnceLock::new();

/// Sets the rules for waits, once in a process.
pub fn set_lock_wait(wait: LockWait) {
    let _ = WAIT.set(wait);
}

/// Waits for a lock that lasts as long as the file is open. On a file system without locks it
/// returns immediately: the users of such a file system must not run two processes at a time.
pub fn lock(file: &File, path: &Path, kind: LockMode) -> Result<(), FileError> {
    wait_for(file, path, kind, WAIT.get()).context(FileOp::Lock, path)
}

fn wait_for(file: &File, path: &Path, kind: LockMode, wait: Option<&LockWait>) -> io::Result<()> {
    let since = Instant::now();
    let timeout = wait.and_then(|wait| wait.timeout);
    let mut pause = Duration::from_millis(1);
    let mut is_reported = wait.is_none();
    while try_kind(file, kind)? == TryLock::InUse {
        let waited = since.elapsed();
        let is_over = timeout.is_some_and(|timeout| waited >= timeout);
        if is_over || (waited >= REPORT_AFTER && !is_reported) {
            let holders = Holders::of(file);
            // The holders are asked for after the lock: it can be free by then.
            if try_kind(file, kind)? != TryLock::InUse {
                return Ok(());
            }
            if is_over && !holders.are_this_process() {
                let why = format!("{holders} still holds it after {} s", waited.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            if let Some(wait) = wait.filter(|_| !is_reported && !holders.are_this_process()) {
                (wait.report)(&format!(
                    "the lock `{}` is held by {holders}, which is waited for",
                    path.display()
                ));
            }
            is_reported = true;
        }
        if is_reported && timeout.is_none() {
            return block(file, kind);
        }
        sleep(pause);
        pause = (pause * 2).min(MAX_PAUSE);
    }
    Ok(())
}

/// Waits in the kernel, which hands a lock on at the moment that it is free.
fn block(file: &File, kind: LockMode) -> io::Result<()> {
    loop {
        let locked = match kind {
            LockMode::Shared => file.lock_shared(),
            LockMode::Exclusive => file.lock(),
        };
        match locked {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if knows_no_locks(&error) => return Ok(()),
            locked => return locked,
        }
    }
}

/// The result of an attempt to lock without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryLock {
    /// This process holds the lock.
    Locked,
    /// Another process, or another handle of this one, has the file locked.
    InUse,
    /// The file system has no locks; see [`lock()`].
    Unknown,
}

/// Locks a file exclusively, unless it is locked already. Does not wait.
pub fn try_lock(file: &File) -> io::Result<TryLock> {
    try_kind(file, LockMode::Exclusive)
}

fn try_kind(file: &File, kind: LockMode) -> io::Result<TryLock> {
    loop {
        let locked = match kind {
            LockMode::Shared => file.try_lock_shared(),
            LockMode::Exclusive => file.try_lock(),
        };
        return match locked {
            Ok(()) => Ok(TryLock::Locked),
            Err(TryLockError::WouldBlock) => Ok(TryLock::InUse),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {
                continue;
            }
            Err(TryLockError::Error(error)) if knows_no_locks(&error) => Ok(TryLock::Unknown),
            Err(TryLockError::Error(error)) => Err(error),
        };
    }
}

/// Returns true if the path still names the open file. Call it after locking a file that other
/// processes may remove.
pub fn has_name(file: &File, path: &Path) -> io::Result<bool> {
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        there => there?,
    };
    let meta = file.metadata()?;
    Ok((meta.dev(), meta.ino()) == (there.dev(), there.ino()))
}

fn knows_no_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let known = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| known.contains(&code))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::{Child, Command, Stdio};
    use std::sync::Mutex;

    use super::*;

    /// A process that holds a lock until its standard input ends.
    fn holder(path: &Path, kind: &str) -> Child {
        let mut command = Command::new("flock");
        command.arg(kind).arg(path).args(["sh", "-c", "echo held; read end"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
        child
    }

    #[test]
    fn lock_wait_ends_with_an_error_that_names_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        File::create(&path).unwrap();
        let file = File::open(&path).unwrap();
        let wait = |timeout| LockWait { timeout: Some(timeout), report: Box::new(|_| ()) };
        for (held, kind) in
            [("-x", LockMode::Exclusive), ("-x", LockMode::Shared), ("-s", LockMode::Exclusive)]
        {
            let mut child = holder(&path, held);
            let over = wait_for(&file, &path, kind, Some(&wait(Duration::ZERO))).unwrap_err();
            assert_eq!(over.kind(), io::ErrorKind::TimedOut);
            let says = format!("process {} (`flock`) still holds it after 0 s", child.id());
            assert_eq!(over.to_string(), says);
            drop(child.stdin.take());
            wait_for(&file, &path, kind, Some(&wait(Duration::from_secs(60)))).unwrap();
            file.unlock().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn lock_wait_is_reported_once_and_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        File::create(&path).unwrap();
        let file = File::open(&path).unwrap();
        let mut child = holder(&path, "-x");
        let stdin = Mutex::new(child.stdin.take());
        let reports: &'static Mutex<Vec<String>> = Box::leak(Box::default());
        let since = Instant::now();
        let report = move |message: &str| {
            reports.lock().unwrap().push(message.into());
            drop(stdin.lock().unwrap().take());
        };
        let wait = LockWait { timeout: None, report: Box::new(report) };
        wait_for(&file, &path, LockMode::Exclusive, Some(&wait)).unwrap();
        let shown = path.display();
        let says = format!(
            "the lock `{shown}` is held by process {} (`flock`), which is waited for",
            child.id()
        );
        assert_eq!(*reports.lock().unwrap(), [says]);
        assert!(since.elapsed() >= REPORT_AFTER);
        child.wait().unwrap();
    }

    #[test]
    fn lock_of_another_thread_has_no_timeout() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = File::create(&path).unwrap();
        held.lock().unwrap();
        let file = File::open(&path).unwrap();
        let wait = LockWait { timeout: Some(Duration::ZERO), report: Box::new(|_| ()) };
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| wait_for(&file, &path, LockMode::Exclusive, Some(&wait)));
            // Long enough for some looks; the result is the same however long it is.
            sleep(MAX_PAUSE);
            drop(held);
            waiting.join().unwrap().unwrap();
        });
    }
}
