//! Who may change a file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Why somebody besides the user who runs cooper and root can change a file, or what is in a
/// folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsafePermissions {
    /// Its owner can.
    #[error("belongs to user {owner}, not to user {user} who runs cooper")]
    Foreign {
        /// Whose it is.
        owner: u32,
        /// Who runs this.
        user: u32,
    },
    /// Its group can, or everybody; whom an access control list names counts as the group.
    #[error("can be written by other users (mode {mode:04o}); use `chmod -R go-w`")]
    Writable {
        /// Its permission bits.
        mode: u32,
    },
}

impl UnsafePermissions {
    /// None where nobody else can.
    pub fn of(meta: &Metadata) -> Option<Self> {
        let user = rustix::process::geteuid().as_raw();
        let (owner, mode) = (meta.uid(), meta.mode() & 0o7777);
        if owner != user && owner != 0 {
            return Some(Self::Foreign { owner, user });
        }
        (mode & 0o022 != 0).then_some(Self::Writable { mode })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};
    use std::os::unix::fs::{PermissionsExt, fchown};

    use super::*;

    #[test]
    fn what_is_the_users_or_roots_and_nobody_elses_to_write_is_not_exposed() {
        let file = tempfile::tempfile().unwrap();
        let exposed = |mode| {
            file.set_permissions(Permissions::from_mode(mode)).unwrap();
            UnsafePermissions::of(&file.metadata().unwrap())
        };
        for mode in [0o644, 0o600, 0o755, 0o4755] {
            assert_eq!(exposed(mode), None, "{mode:o}");
        }
        for mode in [0o664, 0o646, 0o1777] {
            assert_eq!(exposed(mode), Some(UnsafePermissions::Writable { mode }));
        }
        assert_eq!(
            UnsafePermissions::of(&File::open("/proc/1").unwrap().metadata().unwrap()),
            None
        );
        if rustix::process::geteuid().is_root() {
            fchown(&file, Some(65534), None).unwrap();
            assert_eq!(exposed(0o644), Some(UnsafePermissions::Foreign { owner: 65534, user: 0 }));
        }
    }
}
