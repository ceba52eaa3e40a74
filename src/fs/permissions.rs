//! A check that only the user who runs cooper, or root, can change a file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// The reason why another user can change a file or the entries of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsafePermissions {
    /// The owner is another user.
    #[error("belongs to user {owner}, not to user {user} who runs cooper")]
    Foreign {
        /// The owner.
        owner: u32,
        /// The user who runs cooper.
        user: u32,
    },
    /// The group or all users can write. Users of an access control list count as the group.
    #[error("can be written by other users (mode {mode:04o}); use `chmod -R go-w`")]
    Writable {
        /// The permission bits.
        mode: u32,
    },
}

impl UnsafePermissions {
    /// Returns `None` if no other user can change the file.
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
    fn permissions_are_safe_if_only_the_user_or_root_can_write() {
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
