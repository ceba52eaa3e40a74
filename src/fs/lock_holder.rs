//! The processes that hold a lock, as far as the kernel tells.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The processes that have a file locked; none where the kernel does not tell, as of a process in
/// another container.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Holders(Vec<Holder>);

#[derive(Debug, PartialEq, Eq)]
struct Holder {
    id: u32,
    /// The program, and cooper's command.
    name: String,
}

impl Holders {
    /// Looks them up in `/proc/locks`.
    pub(super) fn of(file: &File) -> Self {
        let locks = super::read(Path::new("/proc/locks"), 16 << 20).unwrap_or_default();
        let ids = file.metadata().map(|meta| {
            let device = (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
            ids(&String::from_utf8_lossy(&locks), device, meta.ino())
        });
        let holder = |id| Holder { id, name: name(id) };
        Self(ids.unwrap_or_default().into_iter().map(holder).collect())
    }

    /// Returns true if only other threads of this process hold it.
    pub(super) fn are_this_process(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|holder| holder.id == std::process::id())
    }
}

impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Holder { id, name }) = self.0.first() else {
            return f.write_str("another process");
        };
        write!(f, "process {id}")?;
        if !name.is_empty() {
            write!(f, " (`{name}`)")?;
        }
        match self.0.len() {
            1 => Ok(()),
            2 => f.write_str(" with another one"),
            count => write!(f, " with {} others", count - 1),
        }
    }
}

/// The processes that have a whole file locked. Some file systems have another device in
/// `/proc/locks` than in a file's status; then the number of the file decides.
fn ids(locks: &str, device: (u32, u32), inode: u64) -> Vec<u32> {
    let mut exact = Vec::new();
    let mut by_inode = Vec::new();
    for line in locks.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // A line with an arrow is of a process that waits.
        let [_, "FLOCK", _, _, id, place, ..] = *fields else { continue };
        let place: Vec<&str> = place.split(':').collect();
        let [major, minor, number] = *place else { continue };
        let Ok(id) = id.parse::<u32>() else { continue };
        if id == 0 || number.parse() != Ok(inode) {
            continue;
        }
        by_inode.push(id);
        let hex = |text| u32::from_str_radix(text, 16);
        if (hex(major), hex(minor)) == (Ok(device.0), Ok(device.1)) {
            exact.push(id);
        }
    }
    if exact.is_empty() { by_inode } else { exact }
}

/// The name of a process, and which of cooper's commands it runs. No other argument is shown: it
/// can hold a password.
fn name(id: u32) -> String {
    let read = |file: &str| {
        let bytes = super::read(Path::new(&format!("/proc/{id}/{file}")), 1 << 20);
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    };
    let mut name = read("comm").trim_end().to_owned();
    name.retain(|c| c.is_ascii_graphic());
    if name == "cooper" {
        let arguments = read("cmdline");
        let is_command =
            |text: &&str| text.len() <= 12 && text.bytes().all(|b| b.is_ascii_lowercase());
        if let Some(command) = arguments.split('\0').nth(1).filter(is_command) {
            name = format!("{name} {command}");
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_holders_are_those_of_the_file() {
        let locks = "1: FLOCK  ADVISORY  WRITE 100 08:1f:77 0 EOF\n\
                     1: -> FLOCK  ADVISORY  WRITE 101 08:1f:77 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 102 08:1f:77 0 EOF\n\
                     3: FLOCK  ADVISORY  READ  103 08:1f:78 0 EOF\n\
                     4: FLOCK  ADVISORY  READ  104 08:1f:78 0 EOF\n\
                     5: FLOCK  ADVISORY  READ  0 08:1f:78 0 EOF\n\
                     6: FLOCK  ADVISORY  READ  105 00:2a:79 0 EOF\nrubbish";
        assert_eq!(ids(locks, (8, 31), 77), [100]);
        assert_eq!(ids(locks, (8, 31), 78), [103, 104]);
        assert_eq!(ids(locks, (8, 31), 79), [105], "the device is another one");
        assert_eq!(ids(locks, (8, 31), 80), [0; 0]);
    }

    #[test]
    fn lock_holders_are_shown_with_their_names() {
        let holder = |id, name: &str| Holder { id, name: name.into() };
        for (holders, shown) in [
            (vec![], "another process"),
            (vec![holder(7, "")], "process 7"),
            (
                vec![holder(7, "cooper build"), holder(8, "")],
                "process 7 (`cooper build`) with another one",
            ),
            (vec![holder(7, "a"), holder(8, ""), holder(9, "")], "process 7 (`a`) with 2 others"),
        ] {
            assert_eq!(Holders(holders).to_string(), shown);
        }
    }
}
