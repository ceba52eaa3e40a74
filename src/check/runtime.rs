//! Paths that runtimes open or mount over themselves, before the container starts.
//!
//! runc refuses to mount `/proc` and `/sys` where they are not directories. Docker removes a link at
//! `/etc`, `/dev`, `/proc` or `/sys`, with what is behind it. A runtime binds a file over
//! `/etc/hosts`, and reads `/etc/passwd`.

use super::Findings;
use crate::rootfs::{Kind, Rootfs};
use crate::spec::Check;

const DIRECTORIES: [&str; 4] = ["etc", "dev", "proc", "sys"];
const FILES: [&str; 5] =
    ["etc/passwd", "etc/group", "etc/resolv.conf", "etc/hosts", "etc/hostname"];

pub(super) fn check(rootfs: &Rootfs, out: &mut Findings<'_>) {
    let kind = |path: &str| rootfs.entries.get(path.as_bytes()).map(|node| &node.kind);
    for path in DIRECTORIES {
        let what = match kind(path) {
            None | Some(Kind::Directory) => continue,
            Some(Kind::Symlink(_)) => "a symbolic link, and Docker removes it",
            Some(Kind::Bytes(_) | Kind::Copy(_)) => "a file, and no container starts",
        };
        let message = format!(
            "`/{path}` is {what}; make it a directory, and name in `files` or `symlinks` what it has"
        );
        out.problem(Check::RuntimePaths, message);
    }
    for path in FILES.into_iter().filter(|path| kind(path) == Some(&Kind::Directory)) {
        let message = format!(
            "`/{path}` is a directory, and runtimes need a file there; remove it from `directories`, \
             `files` or `contents`"
        );
        out.problem(Check::RuntimePaths, message);
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{CheckError, check};
    use crate::rootfs::Rootfs;

    fn problems(fields: &str) -> Vec<String> {
        let json = format!(r#"{{"version":1,"name":"a",{fields}}}"#);
        let spec = crate::spec::parse(json.as_bytes()).unwrap();
        match check(&spec, &Rootfs::new(&spec).unwrap()) {
            Err(CheckError::Problems(problems)) => {
                problems.iter().map(|p| format!("{}: {}", p.check, p.message)).collect()
            }
            checked => checked.map(|_| Vec::new()).unwrap(),
        }
    }

    #[test]
    fn path_that_a_runtime_cannot_use_is_a_problem() {
        for (fields, start) in [
            (r#""symlinks":{"/etc":"/srv"}"#, "runtimePaths: `/etc` is a symbolic link"),
            (r#""symlinks":{"/proc":"x"}"#, "runtimePaths: `/proc` is a symbolic link"),
            (r#""files":{"/dev":{"text":""}}"#, "runtimePaths: `/dev` is a file"),
            (r#""directories":{"/etc/hosts":{}}"#, "runtimePaths: `/etc/hosts` is a directory"),
            (
                r#""files":{"/etc/group/a":{"text":""}}"#,
                "runtimePaths: `/etc/group` is a directory",
            ),
        ] {
            let problems = problems(fields);
            assert_eq!(problems.len(), 1, "{fields}: {problems:?}");
            assert!(problems[0].starts_with(start), "{fields}: {problems:?}");
            let skipped = format!(r#"{fields},"checks":{{"skip":["runtimePaths"]}}"#);
            assert_eq!(super::tests::problems(&skipped), Vec::<String>::new());
        }
    }

    #[test]
    fn paths_that_runtimes_use_are_no_problem() {
        let fields = r#""directories":{"/etc":{},"/proc":{}},
            "symlinks":{"/etc/hosts":"/x","/etc/mtab":"/proc/mounts","/etc/passwd":"/x"}"#;
        assert_eq!(problems(fields), Vec::<String>::new());
    }
}
