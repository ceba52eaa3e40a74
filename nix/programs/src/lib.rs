//! Programs for images that hold nothing else: no shell, no C library, no coreutils.
//!
//! | module | input | output |
//! |---|---|---|
//! | [`probe`] | a URL and a deadline | whether the service behind it is healthy, and why |
//! | [`copy`] | arguments of `cp` | a copy that can be repeated |
//!
//! [`start`] is the start code of both programs. The binaries in `src/bin` read arguments, call one function here, print, and return the exit
//! code. Only they print. The standard library is the one dependency: each program is linked
//! statically, and what it weighs is carried by every image.
//!
//! Deliberately absent: TLS (a probe looks at its own container over loopback), name resolution
//! beyond `/etc/hosts` (glibc's resolver loads shared libraries, which a static program in an
//! empty image cannot), and a shell (see `README.md` for the one that images use).

pub mod copy;
pub mod probe;
pub mod start;
