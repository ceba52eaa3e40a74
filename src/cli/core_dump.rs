//! Keeps credentials out of core files.
//!
//! Arguments, the environment and files of logins hold passwords, and memory that is freed still
//! has them, so no core file is written from the start to the end.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Switches core files off for this process, and by its limit for the programs that it starts,
/// which can raise it again. The limit alone does not keep the kernel from handing the memory to a
/// crash handler, nor other processes of the user from reading it; the second call does. A process
/// reads its own entries in `/proc` all the same.
pub(super) fn forbid() {
    let maximum = getrlimit(Resource::Core).maximum;
    // A system that refuses has its own rules for core files.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
