//! Phrases that `docs/style.md` bans, and the number of times that they still occur.
//!
//! The check reads comments and string literals of Rust, Nix and shell files, and all of the
//! other texts. A count above its limit in [`LIMITS`] is a failure; a commit only lowers limits.

use std::path::{Path, PathBuf};

use regex::{Regex, RegexBuilder};

use super::scanner::{Kind, Syntax, spans};

/// A banned pattern, and what to write instead.
struct Ban {
    pattern: &'static str,
    instead: &'static str,
}

const fn ban(pattern: &'static str, instead: &'static str) -> Ban {
    Ban { pattern, instead }
}

/// The patterns; a number elsewhere is the position here, from 1. They ignore case except 4 and 9.
const BANS: &[Ban] = &[
    ban(r"\b(is|are|was|were|be|been) no [a-z]", "is not a"),
    ban(r"\bso (many|often|long|much|few)\b", "at most N; timeout; retries"),
    ban(r"\b(whoever|nobody|somebody|anybody|everybody)\b", "the process, user, registry"),
    ban(r"(^|[.;:,(] )[Ww]ho\b", "name the subject"),
    ban(r"\bshall\b", "must, will"),
    ban(r"\b(rooms?|houses?|floors?)\b", "module, minimum, space"),
    ban(r"\b(told|hears?|heard)\b|\btells? of\b", "reports, is notified"),
    ban(r"\bbesides?\b", "next to, in addition to"),
    ban(
        r"^\s*//[/!] ?(What|Whether|Who|Whoever|Whatever|Where|So|As)\b",
        "begin with a noun or a verb",
    ),
    ban(r"\bmay be given again\b", "(repeatable)"),
    ban(r"\bwords?\b", "text, argument, message, raw JSON"),
    ban(r"\b(lies|laid|lain)\b", "is at, is stored in"),
    ban(r"\b(under way|meanwhile|anew|afresh)\b", "in progress, while, again, from scratch"),
    ban(r"\bnothing for\b", "refuse to, not valid for"),
    ban(r"\b(meant|mistakes?)\b", "intended, selected; error, bug"),
    ban(r"\bverbs?\b", "command"),
    ban(r"\bfolders?\b", "directory"),
    ban(r"\b(take|takes|took|taken)( \w+)? away\b|\b(give|gives|gave) up\b", "remove; abort"),
    ban(r"\bat once\b", "at the same time; immediately"),
    ban(r"\b(borne|pours?|marry|tolls?|twins?|witness(es)?|doors?)\b", "the field term"),
    ban(r"\b(elsewhere|nowhere)\b", "name the place"),
    ban(
        r"\bmakes? way\b|\bin the mind\b|\bof two minds\b|\bone after the other\b",
        "the plain verb; in sequence",
    ),
    ban(r"\b(is|was|are|were) said\b|\bsays so\b", "is reported, states"),
    ban(r"\bbelieve[ds]?\b|\bvouch(es)?\b", "trust, verify"),
    ban(r"\b(dear|dearer|dearest)\b", "expensive"),
    ban(r"\bfaults? [0-9]", "nothing; docs/faults.md names the tests"),
    ban(r"\bpeople\b", "users"),
    ban(r"\b(all|any|each) that (is|are|was|it|there)\b", "everything, every X"),
    ban(r"\b(is|are|was) (not )?there[.,;:)]|\b(is|are|was) gone\b", "exists; was removed"),
];

/// The pattern that is searched in lines of source text, because it needs the comment marker.
const START_OF_COMMENT: usize = 9;

/// Files that may use a pattern, and why.
const EXCEPTIONS: &[(&str, usize, &str)] = &[
    ("src/plan/bit_set.rs", 11, "machine words"),
    ("src/digest/lanes.rs", 11, "machine words"),
    ("tests/docker-tools", 3, "the Unix user"),
];

/// Files that are not read.
const SKIPPED: &[&str] = &["docs/style.md", "docs/faults.md", "tests/it/tidy/language.rs"];

/// The parts of the tree that have their own counts; a path that starts with none of the others
/// is in the last one.
const AREAS: &[&str] =
    &["src/", "tests/", "benches/", "fuzz/", "nix/", "demo/", "compose/", "docs/", "examples/", ""];

/// For each pattern the highest allowed count in each of [`AREAS`].
const LIMITS: &[[usize; AREAS.len()]; BANS.len()] = &[
    [50, 8, 0, 0, 0, 0, 0, 0, 0, 0],  // 1
    [28, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 2
    [61, 2, 0, 0, 8, 0, 0, 0, 0, 0],  // 3
    [20, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 4
    [6, 0, 0, 0, 0, 0, 0, 0, 0, 0],   // 5
    [18, 5, 0, 0, 0, 0, 0, 0, 0, 0],  // 6
    [17, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 7
    [7, 0, 0, 0, 0, 0, 0, 0, 0, 0],   // 8
    [369, 0, 0, 0, 0, 0, 0, 0, 0, 0], // 9
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],   // 10
    [51, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 11
    [19, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 12
    [5, 0, 0, 0, 0, 0, 0, 0, 0, 0],   // 13
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],   // 14
    [19, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 15
    [15, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 16
    [78, 12, 0, 0, 0, 0, 0, 0, 0, 0], // 17
    [10, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 18
    [15, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 19
    [10, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 20
    [20, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 21
    [3, 0, 0, 0, 0, 0, 0, 0, 0, 0],   // 22
    [15, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 23
    [2, 0, 0, 0, 0, 0, 0, 0, 0, 0],   // 24
    [4, 0, 0, 0, 0, 0, 0, 0, 0, 0],   // 25
    [50, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 26
    [21, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 27
    [12, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 28
    [18, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // 29
];

/// The text that readers see, without code.
///
/// Consecutive comments and lines of one paragraph are joined, so that a phrase may go over
/// lines; a line break separates texts.
struct Prose {
    text: String,
    /// Positions in the text, with the lines of the file that begin there.
    lines: Vec<(usize, usize)>,
}

impl Prose {
    fn new(syntax: Syntax, text: &str) -> Self {
        let mut prose = Self { text: String::new(), lines: Vec::new() };
        let (mut line, mut joins) = (1, false);
        for (kind, span) in spans(syntax, text) {
            match kind {
                Kind::Code => {
                    joins &= span.trim().is_empty() && span.matches('\n').count() == 1;
                }
                Kind::Comment => {
                    if !joins {
                        prose.text.push('\n');
                    }
                    prose.push_lines(line, span, |line| {
                        line.trim_matches(['/', '!', '#', '*', ' '])
                    });
                    joins = true;
                }
                Kind::Text => {
                    prose.text.push('\n');
                    match syntax {
                        Syntax::Rust => {
                            let literal = without_braces(span);
                            prose.push_lines(line, &literal, |line| line.trim_matches(['\\', ' ']));
                        }
                        _ => prose.push_lines(line, span, str::trim),
                    }
                    joins = false;
                }
            }
            line += span.matches('\n').count();
        }
        prose
    }

    fn push_lines(&mut self, first: usize, span: &str, clean: impl Fn(&str) -> &str) {
        for (number, line) in span.lines().enumerate() {
            let line = clean(line);
            self.lines.push((self.text.len(), first + number));
            self.text.push_str(line);
            self.text.push(if line.is_empty() { '\n' } else { ' ' });
        }
    }

    fn line(&self, at: usize) -> usize {
        let next = self.lines.partition_point(|(start, _)| *start <= at);
        next.checked_sub(1).map_or(1, |index| self.lines[index].1)
    }
}

/// Removes everything in braces; line breaks stay.
fn without_braces(literal: &str) -> String {
    let mut depth = 0_usize;
    let mut kept = String::with_capacity(literal.len());
    for c in literal.chars() {
        depth += usize::from(c == '{');
        if depth == 0 || c == '\n' {
            kept.push(c);
        }
        depth = depth.saturating_sub(usize::from(c == '}'));
    }
    kept
}

/// Returns how a file is read, if it is.
fn syntax(path: &Path, text: &str) -> Option<Syntax> {
    let shown = path.to_str()?;
    let name = path.file_name()?.to_str()?;
    let is_plain_area = shown.starts_with("compose/") || shown.starts_with("demo/");
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("rs") => Some(Syntax::Rust),
        Some("nix") => Some(Syntax::Nix),
        Some("sh") => Some(Syntax::Shell),
        Some("md") => Some(Syntax::Plain),
        Some("lock" | "snap" | "svg") => None,
        _ if name == "Makefile" => Some(Syntax::Plain),
        _ if text
            .lines()
            .next()
            .is_some_and(|line| line.starts_with("#!") && line.ends_with("sh")) =>
        {
            Some(Syntax::Shell)
        }
        _ if is_plain_area => Some(Syntax::Plain),
        _ => None,
    }
}

/// Returns the files of the tree with the syntax by which they are read.
fn files() -> Vec<(String, Syntax, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let (mut files, mut open) = (Vec::new(), vec![root.clone()]);
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let below = path.strip_prefix(&root).unwrap();
            let name = entry.file_name();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                let built = ["target", ".git", "corpus", "artifacts", "node_modules"];
                let is_output =
                    below == Path::new("images") || name.to_str().unwrap().starts_with("result");
                if !is_output && !built.contains(&name.to_str().unwrap()) {
                    open.push(path);
                }
            } else if kind.is_file()
                && let Ok(text) = std::fs::read_to_string(&path)
                && let Some(syntax) = syntax(below, &text)
            {
                files.push((below.to_str().unwrap().to_owned(), syntax, text));
            }
        }
    }
    assert!(files.len() > 100, "the test reads the real tree");
    files.retain(|(path, ..)| !SKIPPED.contains(&path.as_str()));
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// Returns false for the uses of a banned phrase that are good English.
fn is_banned(number: usize, text: &str, start: usize, end: usize) -> bool {
    let (before, matched, after) = (&text[..start], &text[start..end], &text[end..]);
    match number {
        1 => {
            let no_longer = ["longer", "more", "less"].iter().any(|word| {
                let rest = [&matched[matched.len() - 1..], after].concat();
                rest.to_ascii_lowercase().starts_with(word)
            });
            !no_longer && !before.trim_end().to_ascii_lowercase().ends_with("there")
        }
        // The Unix user: as code, or in a line of passwd(5).
        3 if matched == "nobody" => {
            let is_quoted = before.ends_with(['`', '"', '/']) && after.starts_with(['`', '"']);
            let is_user = after.starts_with(':') || before.ends_with("user ");
            !is_quoted && !is_user
        }
        _ => true,
    }
}

/// Returns the name of an area for a message.
fn area_name(area: usize) -> &'static str {
    Some(AREAS[area]).filter(|name| !name.is_empty()).unwrap_or("the root directory")
}

fn patterns() -> Vec<Regex> {
    let compile = |(index, ban): (usize, &Ban)| {
        let keeps_case = [4, START_OF_COMMENT].contains(&(index + 1));
        let mut builder = RegexBuilder::new(ban.pattern);
        builder.unicode(false).multi_line(true).case_insensitive(!keeps_case);
        builder.build().unwrap()
    };
    BANS.iter().enumerate().map(compile).collect()
}

/// Returns the lines of a file that have a pattern.
fn hits(number: usize, pattern: &Regex, prose: &Prose, source: &str, syntax: Syntax) -> Vec<usize> {
    if number == START_OF_COMMENT {
        if syntax != Syntax::Rust {
            return Vec::new();
        }
        let lines = source.lines().enumerate().filter(|(_, line)| pattern.is_match(line));
        return lines.map(|(index, _)| index + 1).collect();
    }
    let found = pattern.find_iter(&prose.text);
    let banned = found.filter(|found| is_banned(number, &prose.text, found.start(), found.end()));
    banned.map(|found| prose.line(found.end() - 1)).collect()
}

#[test]
fn banned_phrases_are_within_limits() {
    let patterns = patterns();
    let mut found = vec![vec![Vec::new(); AREAS.len()]; BANS.len()];
    for (path, syntax, source) in files() {
        let prose = Prose::new(syntax, &source);
        let area = AREAS.iter().position(|area| path.starts_with(area)).unwrap();
        for (index, pattern) in patterns.iter().enumerate() {
            let is_exception =
                |(file, number, _): &(&str, usize, &str)| *file == path && *number == index + 1;
            if !EXCEPTIONS.iter().any(is_exception) {
                let lines = hits(index + 1, pattern, &prose, &source, syntax);
                found[index][area].extend(lines.into_iter().map(|line| format!("{path}:{line}")));
            }
        }
    }
    let mut problems = Vec::new();
    for (index, ban) in BANS.iter().enumerate() {
        for (area, places) in found[index].iter().enumerate() {
            let (limit, count) = (LIMITS[index][area], places.len());
            if count > limit {
                let number = index + 1;
                problems.push(format!(
                    "pattern {number} `{}` occurs {count} times in {}, at most {limit}; write: {}\n  {}",
                    ban.pattern, area_name(area), ban.instead, places.join("\n  ")
                ));
            }
        }
    }
    let counts = |index: usize| -> Vec<usize> { found[index].iter().map(Vec::len).collect() };
    if (0..BANS.len()).any(|index| counts(index) != LIMITS[index]) {
        println!("The limits can be these, with the counts of now:");
        (0..BANS.len()).for_each(|index| println!("    {:?},", counts(index)));
    }
    super::assert_no_problems(&problems);
}

#[test]
fn prose_is_joined_over_lines_and_keeps_line_numbers() {
    let source = "/// It is\n/// no file.\nfn a() {\n    b(\"{whoever} at\\\n        once\");\n}\n";
    let prose = Prose::new(Syntax::Rust, source);
    assert_eq!(prose.text, "\nIt is no file. \n\" at once\" ");
    let patterns = patterns();
    let lines = |number: usize| hits(number, &patterns[number - 1], &prose, source, Syntax::Rust);
    assert_eq!((lines(1), lines(3), lines(19)), (vec![2], vec![], vec![5]));
}

#[test]
fn good_uses_of_banned_phrases_pass() {
    let patterns = patterns();
    let lines = |number: usize, source: &str| {
        let prose = Prose::new(Syntax::Plain, source);
        hits(number, &patterns[number - 1], &prose, source, Syntax::Plain).len()
    };
    assert_eq!(lines(1, "There is no file. It is no longer here. It is no file."), 1);
    assert_eq!(lines(3, "The user `nobody`, and nobody else; `nobody:x:1:`"), 1);
    assert_eq!(lines(4, "The user who asks. (Who asks? For him, who asks."), 1);
}
