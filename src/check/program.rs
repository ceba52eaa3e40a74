//! Whether the image's programs would start: found, executable, of the platform's machine, with
//! their loaders and interpreters.

use elf::ElfStream;
use elf::abi;
use elf::endian::AnyEndian;

use super::{CheckError, Findings};
use crate::rootfs::image::{Content, Image, Resolved};
use crate::spec::Check;

/// What runc searches when the config has no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Linux follows so many interpreters of interpreters (execve(2)).
const MOST_INTERPRETERS: usize = 4;

/// A loader's name is a path (`execve(2)` refuses longer ones).
const PATH_MAX: u64 = 4096;

/// Linux reads so much of a script's first line (execve(2)).
const FIRST_LINE: u64 = 255;

/// Go's names of architectures, and the machines of their ELF programs.
const MACHINES: [(&str, u16); 12] = [
    ("386", abi::EM_386),
    ("amd64", abi::EM_X86_64),
    ("arm", abi::EM_ARM),
    ("arm64", abi::EM_AARCH64),
    ("loong64", 258),
    ("mips", abi::EM_MIPS),
    ("mips64le", abi::EM_MIPS),
    ("mipsle", abi::EM_MIPS),
    ("ppc64", abi::EM_PPC64),
    ("ppc64le", abi::EM_PPC64),
    ("riscv64", abi::EM_RISCV),
    ("s390x", abi::EM_S390),
];

/// A program as the config names it.
struct Named<'a> {
    check: Check,
    field: &'static str,
    word: &'a str,
}

/// A file that a kernel would be told to run, by the config or as the interpreter of another.
struct Program<'a> {
    image: &'a Image<'a>,
    path: &'a str,
    content: &'a Content,
    check: Check,
    /// So many others it is the interpreter of.
    depth: usize,
}

pub(super) fn check(image: &Image<'_>, findings: &mut Findings<'_>) -> Result<(), CheckError> {
    for named in programs(image) {
        find(image, &named, findings)?;
    }
    Ok(())
}

/// What a runtime would run: the first word of the entrypoint or else of the command, and the
/// health check's program. An image with neither is one that others copy from or name a
/// command for.
fn programs<'a>(image: &'a Image<'_>) -> Vec<Named<'a>> {
    let config = &image.spec.config;
    let first = |words: &'a Option<Vec<String>>| words.as_deref().and_then(|words| words.first());
    let entrypoint = first(&config.entrypoint).map(|word| ("config.Entrypoint", word));
    let started = entrypoint.or_else(|| first(&config.cmd).map(|word| ("config.Cmd", word)));
    let mut programs: Vec<Named<'a>> = started
        .map(|(field, word)| Named { check: Check::Entrypoint, field, word })
        .into_iter()
        .collect();
    let test = config.healthcheck.as_ref().map(|health| health.test.as_slice());
    let word = match test {
        Some([kind, word, ..]) if kind == "CMD" => Some(word.as_str()),
        Some([kind, ..]) if kind == "CMD-SHELL" => {
            Some(first(&config.shell).map_or("/bin/sh", String::as_str))
        }
        _ => None,
    };
    programs.extend(word.map(|word| Named {
        check: Check::Healthcheck,
        field: "config.Healthcheck.Test",
        word,
    }));
    programs
}

fn find(image: &Image<'_>, named: &Named<'_>, out: &mut Findings<'_>) -> Result<(), CheckError> {
    let Named { check, field, word } = *named;
    if word.is_empty() {
        out.problem(check, format!("{field} starts with an empty word"));
        return Ok(());
    }
    let Some(path) = locate(image, word)? else {
        if !image.has_base() {
            out.problem(
                check,
                format!(
                    "{field} starts `{word}`, which is not in any directory of PATH ({}); write its whole \
                     path or add its package to `contents`",
                    search_path(image)
                ),
            );
        }
        return Ok(());
    };
    match image.find(&path)? {
        Resolved::Missing(_) if image.has_base() => Ok(()),
        Resolved::Missing(missing) => {
            out.problem(check, format!("{field} starts `{path}`, which {}", missing.why(&path)));
            Ok(())
        }
        Resolved::Directory => {
            out.problem(check, format!("{field} starts `{path}`, which is a directory"));
            Ok(())
        }
        Resolved::File(content) if !content.executable => {
            out.problem(check, format!("{field} starts `{path}`, which is not executable"));
            Ok(())
        }
        Resolved::File(content) => {
            Program { image, path: &path, content: &content, check, depth: 0 }.check(out)
        }
    }
}

fn search_path<'a>(image: &'a Image<'_>) -> &'a str {
    let mut env = image.spec.config.env.iter();
    env.find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH)
}

/// The path that a runtime would execute for a word; `None` when PATH has no such program.
fn locate(image: &Image<'_>, word: &str) -> Result<Option<String>, CheckError> {
    if word.starts_with('/') {
        return Ok(Some(word.to_owned()));
    }
    if word.contains('/') {
        let dir = image.spec.config.working_dir.as_deref().unwrap_or_default();
        return Ok(Some(format!("{}/{word}", dir.trim_end_matches('/'))));
    }
    for dir in search_path(image).split(':').filter(|dir| dir.starts_with('/')) {
        let path = format!("{}/{word}", dir.trim_end_matches('/'));
        if matches!(image.find(&path)?, Resolved::File(content) if content.executable) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

impl Program<'_> {
    /// Whether a kernel would run it.
    fn check(&self, out: &mut Findings<'_>) -> Result<(), CheckError> {
        let Self { image, path, content, check, .. } = *self;
        let head = content.head(FIRST_LINE)?;
        if head.starts_with(&abi::ELFMAGIC) {
            return self.elf(out);
        }
        let Some(line) = head.strip_prefix(b"#!") else {
            let what = "is neither an ELF program nor a script that starts with `#!`";
            out.problem(check, format!("`{path}` {what}"));
            return Ok(());
        };
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).into_owned();
        let mut words = line.split_ascii_whitespace();
        let Some(interpreter) = words.next() else {
            out.problem(
                Check::Interpreter,
                format!("`{path}` has a first line without interpreter"),
            );
            return Ok(());
        };
        self.interpreted(interpreter, out)?;
        // `#!/usr/bin/env [-S] NAME` finds the real interpreter in PATH.
        if interpreter.ends_with("/env") {
            let name = words.find(|word| !word.starts_with('-') && !word.contains('='));
            if let Some(name) = name
                && locate(image, name)?.is_none()
                && !image.has_base()
            {
                let search = search_path(image);
                let message =
                    format!("`{path}` is run by `{name}`, which is not in PATH ({search})");
                out.problem(Check::Interpreter, message);
            }
        }
        Ok(())
    }

    /// Whether what runs it, named in it, is in the image and runs itself.
    fn interpreted(&self, interpreter: &str, out: &mut Findings<'_>) -> Result<(), CheckError> {
        let Self { image, path, depth, .. } = *self;
        let mut problem = |what: &str| {
            let message = format!("`{path}` is run by `{interpreter}`, which {what}");
            out.problem(Check::Interpreter, message);
            Ok(())
        };
        if !interpreter.starts_with('/') {
            return problem("is no absolute path");
        }
        match image.find(interpreter)? {
            Resolved::Missing(_) if image.has_base() => Ok(()),
            Resolved::Missing(missing) => problem(&missing.why(interpreter)),
            Resolved::Directory => problem("is a directory"),
            Resolved::File(content) if !content.executable => problem("is not executable"),
            Resolved::File(_) if depth >= MOST_INTERPRETERS => {
                problem("is one interpreter too many")
            }
            Resolved::File(content) => {
                let (check, depth) = (Check::Interpreter, depth + 1);
                Program { image, path: interpreter, content: &content, check, depth }.check(out)
            }
        }
    }

    fn elf(&self, out: &mut Findings<'_>) -> Result<(), CheckError> {
        let Self { image, path, content, check, .. } = *self;
        let Ok(mut elf) = ElfStream::<AnyEndian, _>::open_stream(content.open()?) else {
            out.problem(check, format!("`{path}` is a damaged ELF file"));
            return Ok(());
        };
        let platform = &image.spec.platform;
        let machine = elf.ehdr.e_machine;
        let wanted = MACHINES.iter().find(|(name, _)| *name == platform.architecture);
        if wanted.is_some_and(|(_, wanted)| *wanted != machine) {
            let names: Vec<&str> =
                MACHINES.iter().filter(|(_, m)| *m == machine).map(|(name, _)| *name).collect();
            let made_for = match names.as_slice() {
                [] => format!("ELF machine {machine}"),
                names => names.join(" or "),
            };
            let message = format!("`{path}` is made for {made_for}, and the image for {platform}");
            out.problem(Check::Architecture, message);
        }
        let interp = elf.segments().iter().find(|s| s.p_type == abi::PT_INTERP).copied();
        let Some(segment) = interp else { return Ok(()) };
        let name =
            (segment.p_filesz <= PATH_MAX).then(|| elf.segment_data(&segment).ok()).flatten();
        let Some(bytes) = name else {
            out.problem(check, format!("`{path}` is a damaged ELF file"));
            return Ok(());
        };
        let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let loader = String::from_utf8_lossy(bytes).into_owned();
        self.interpreted(&loader, out)
    }
}
