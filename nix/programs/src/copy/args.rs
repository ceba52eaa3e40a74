//! `cp`'s command line: coreutils' letters, as far as an init container needs them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What `--help` prints.
pub const HELP: &str = "\
Copies files and directories.

Usage: cp [OPTION]... SOURCE DEST
       cp [OPTION]... SOURCE... DIRECTORY

  -r, -R, --recursive        copy directories with all that is in them
  -a, --archive              as -r -p -P
  -p, --preserve             keep times and modes, and owners where permitted
  -P, --no-dereference       copy every link as a link
  -L, --dereference          copy what every link leads to
  -T, --no-target-directory  DEST is the copy's name, even if it is a directory
  -f, --force                accepted; files are always replaced
  -v, --verbose              name each file as it is copied
      --help, --version

This is not coreutils' cp but a small one for init containers. It may be run again and again:

* cp -r SRC DEST, run twice, does not put a second copy into DEST: when DEST is a directory that
  already holds a copy of SRC (all that one of them holds at its top is in the other as well),
  that copy is brought up to date. To any other directory SRC is added under its own name, as
  usual. Use -T when DEST may hold an older version with other files.

For sources in a Nix store, where nothing is writable and much is a link to elsewhere:

* Copied directories are writable by their owner, and files are replaced as a whole (written
  beside, then renamed), so that neither an earlier read-only copy nor a reader is in the way.
* A new directory appears under its name when it is complete.
* -r keeps a link that stays inside of SRC and copies what any other link leads to.

Exit code: 0 all was copied, 1 something was not, 2 the command line is wrong.
";

/// What becomes of symbolic links inside of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Links that stay inside of the tree are kept, others are followed.
    KeepInside,
    /// All are kept.
    Keep,
    /// All are followed.
    Follow,
}

/// How to copy.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own on the command line"
)]
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether directories are copied.
    pub recursive: bool,
    /// What becomes of links.
    pub links: Links,
    /// Whether times, modes and owners are kept.
    pub preserve: bool,
    /// Whether each copied file is named.
    pub verbose: bool,
    /// Whether the destination is never a directory to put the copy into.
    pub no_target_directory: bool,
}

/// What to copy, and where to.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// At least one path.
    pub sources: Vec<PathBuf>,
    /// The last path of the command line.
    pub destination: PathBuf,
    /// How to copy.
    pub options: Options,
}

/// What the caller wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// Copy this.
    Copy(Request),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
///
/// A sentence that says what is wrong with them.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Wish, String> {
    let mut options = Options {
        recursive: false,
        links: Links::KeepInside,
        preserve: false,
        verbose: false,
        no_target_directory: false,
    };
    let mut paths = Vec::new();
    let mut only_paths = false;
    for argument in arguments {
        let bytes = argument.as_bytes();
        if only_paths || bytes == b"-" || !bytes.starts_with(b"-") {
            paths.push(PathBuf::from(argument));
            continue;
        }
        match bytes {
            b"--" => only_paths = true,
            b"--help" => return Ok(Wish::Help),
            b"--version" => return Ok(Wish::Version),
            _ => {
                let letters = letters(&argument)?;
                for letter in letters.chars() {
                    options.set(letter)?;
                }
            }
        }
    }
    let destination = paths.pop().ok_or("the source is missing; see cp --help")?;
    if paths.is_empty() {
        let only = destination.display();
        return Err(format!("the destination after `{only}` is missing"));
    }
    if let Some(empty) = paths.iter().chain([&destination]).find(|path| path.as_os_str().is_empty())
    {
        return Err(format!("the path `{}` is empty", empty.display()));
    }
    if options.no_target_directory && paths.len() > 1 {
        return Err("-T takes one source and one destination".to_owned());
    }
    Ok(Wish::Copy(Request { sources: paths, destination, options }))
}

/// The short letters of an option word, long names being other spellings of them.
fn letters(word: &OsString) -> Result<&str, String> {
    let unknown = || format!("unknown option `{}`; see cp --help", word.display());
    let text = word.to_str().ok_or_else(unknown)?;
    match text.strip_prefix("--") {
        None => text.strip_prefix('-').ok_or_else(unknown),
        Some("recursive") => Ok("r"),
        Some("archive") => Ok("a"),
        Some("preserve" | "preserve=mode,ownership,timestamps" | "preserve=all") => Ok("p"),
        Some("no-dereference") => Ok("P"),
        Some("dereference") => Ok("L"),
        Some("no-target-directory") => Ok("T"),
        Some("force") => Ok("f"),
        Some("verbose") => Ok("v"),
        Some(_) => Err(unknown()),
    }
}

impl Options {
    fn set(&mut self, letter: char) -> Result<(), String> {
        match letter {
            'r' | 'R' => self.recursive = true,
            'a' => {
                self.recursive = true;
                self.preserve = true;
                self.links = Links::Keep;
            }
            'p' => self.preserve = true,
            'P' => self.links = Links::Keep,
            'L' => self.links = Links::Follow,
            'T' => self.no_target_directory = true,
            'f' => {}
            'v' => self.verbose = true,
            _ => return Err(format!("unknown option `-{letter}`; see cp --help")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Wish, String> {
        parse(words.iter().map(OsString::from))
    }

    #[test]
    fn letters_join_and_may_follow_the_paths() {
        let Ok(Wish::Copy(request)) = read(&["-rfv", "a", "b", "-T"]) else {
            panic!("not taken for a copy");
        };
        assert_eq!(request.sources, [PathBuf::from("a")]);
        assert_eq!(request.destination, PathBuf::from("b"));
        let options = request.options;
        assert!(options.recursive && options.verbose && options.no_target_directory);
        assert!(!options.preserve);
        assert_eq!(options.links, Links::KeepInside);
    }

    #[test]
    fn archive_keeps_links_unless_a_later_letter_says_otherwise() {
        for (words, links) in [
            (["-a", "a", "b"], Links::Keep),
            (["-aL", "a", "b"], Links::Follow),
            (["-La", "a", "b"], Links::Keep),
        ] {
            let Ok(Wish::Copy(request)) = read(&words) else {
                panic!("not taken for a copy");
            };
            assert!(request.options.recursive && request.options.preserve);
            assert_eq!(request.options.links, links, "{words:?}");
        }
    }

    #[test]
    fn after_two_dashes_everything_is_a_path() {
        let Ok(Wish::Copy(request)) = read(&["--", "-r", "-v"]) else {
            panic!("not taken for a copy");
        };
        assert_eq!(request.sources, [PathBuf::from("-r")]);
    }

    #[test]
    fn wrong_command_lines_say_what_is_wrong() {
        let cases: [(&[&str], &str); 6] = [
            (&[], "source is missing"),
            (&["-r", "/plugin"], "destination after `/plugin`"),
            (&["-rx", "a", "b"], "unknown option `-x`"),
            (&["--reflink", "a", "b"], "unknown option `--reflink`"),
            (&["-T", "a", "b", "c"], "-T takes one"),
            (&["", "b"], "is empty"),
        ];
        for (words, why) in cases {
            let message = read(words).unwrap_err();
            assert!(message.contains(why), "{words:?}: {message}");
        }
    }
}
