//! The command line of `cp`: the options of coreutils' cp that an init container needs.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const HELP: &str = "\
Copies files and directories.

Usage: cp [OPTION]... SOURCE DEST
       cp [OPTION]... SOURCE... DIRECTORY

  -r, -R, --recursive        copy directories with their content
  -T, --no-target-directory  DEST is the name of the copy, even if it is a directory
  -f, --force                accepted and ignored; files are always replaced
      --help

This cp is for init containers and can be repeated. Its differences from coreutils' cp:

* cp -r SRC DEST updates DEST if it is a directory with an earlier copy of SRC: every entry at the
  top of one of the two exists in the other. Use -T if DEST has a version with other files.
* Copied directories are writable. Files are replaced by a rename, also read-only ones, and a new
  directory appears when it is complete.
* -r keeps symbolic links that stay inside of SRC and copies the targets of others.

Exit code: 0 everything was copied, 1 a copy failed, 2 the command line is invalid.
";

/// The arguments of a copy.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are the arguments in `HELP`")]
pub struct Request {
    pub sources: Vec<PathBuf>,
    pub destination: PathBuf,
    pub recursive: bool,
    pub no_target_directory: bool,
}

/// Reads the arguments after the name of the program; the inner error is the help to print.
///
/// # Errors
///
/// A message for the user if the command line is invalid.
pub fn parse(
    arguments: impl Iterator<Item = OsString>,
) -> Result<Result<Request, &'static str>, String> {
    let (mut recursive, mut no_target_directory, mut only_paths) = (false, false, false);
    let mut paths = Vec::new();
    for argument in arguments {
        let bytes = argument.as_bytes();
        if only_paths || bytes == b"-" || !bytes.starts_with(b"-") {
            paths.push(PathBuf::from(argument));
            continue;
        }
        only_paths = bytes == b"--";
        let letters: &[u8] = match bytes {
            b"--" => b"",
            b"--help" => return Ok(Err(HELP)),
            b"--recursive" => b"r",
            b"--no-target-directory" => b"T",
            b"--force" => b"f",
            _ => bytes.strip_prefix(b"-").unwrap_or_default(),
        };
        for letter in letters {
            match letter {
                b'r' | b'R' => recursive = true,
                b'T' => no_target_directory = true,
                b'f' => {}
                _ => return Err(format!("unknown option `{}`; see cp --help", argument.display())),
            }
        }
    }
    let destination = paths.pop().ok_or("missing source; see cp --help")?;
    if paths.is_empty() {
        return Err(format!("missing destination after `{}`", destination.display()));
    }
    if paths.iter().chain([&destination]).any(|path| path.as_os_str().is_empty()) {
        return Err("a path is empty".to_owned());
    }
    if no_target_directory && paths.len() > 1 {
        return Err("-T takes one source and one destination".to_owned());
    }
    Ok(Ok(Request { sources: paths, destination, recursive, no_target_directory }))
}
