//! The one place that prints.
//!
//! Values come from images, registries, daemons, file names and the environment. [`Text`] is the
//! only form of text that is printed, and everything in it is escaped: control characters and
//! characters that reorder text are shown as text, on a terminal and in a pipe alike. A value
//! cannot start a line of its own. Programs read `--json`, where the same characters are JSON's
//! escapes.

use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::failure::Failure;
use crate::cli::secrets;
use crate::fs;
use crate::fs::FdPath;
use crate::json;

/// Text for users: lines without control characters.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Text(String);

impl Text {
    /// Adds a line; a line break in it is shown as text.
    pub(in crate::cli) fn line(&mut self, line: impl Display) {
        // Writing into a String cannot fail.
        let _ = write!(Escaper(&mut self.0), "{line}");
        self.0.push('\n');
    }

    /// Adds each line of a text that cooper itself made.
    pub(in crate::cli) fn lines(&mut self, lines: &str) {
        lines.lines().for_each(|line| self.line(line));
    }

    /// Adds another text.
    pub(in crate::cli) fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// Several texts with an empty line between each two.
    pub(in crate::cli) fn joined(texts: impl IntoIterator<Item = Self>) -> Self {
        let texts: Vec<String> = texts.into_iter().map(|text| text.0).collect();
        Self(texts.join("\n"))
    }

    pub(in crate::cli) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows a value within a line.
pub(in crate::cli) fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    // Writing into a String cannot fail.
    let _ = Escaper(&mut text).write_str(value);
    text
}

/// Control characters, and those that change the order in which others are shown (Unicode's
/// bidirectional controls and its separators of lines).
pub(in crate::cli) fn is_control(c: char) -> bool {
    let reorders = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    c.is_control() || reorders
}

struct Escaper<'a>(&'a mut String);

impl fmt::Write for Escaper<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                c if !is_control(c) => self.0.push(c),
                c if c.is_ascii() => write!(self.0, "\\x{:02x}", u32::from(c))?,
                c => write!(self.0, "\\u{{{:x}}}", u32::from(c))?,
            }
        }
        Ok(())
    }
}

/// Data, to standard output. A full disk is an error, never silence; a reader that has gone has
/// read what it wanted, and what the verb finds decides how it ends.
pub(in crate::cli) fn data(text: &Text) -> Result<(), Failure> {
    raw(text.0.as_bytes())
}

/// A file for another program, to standard output, byte for byte.
pub(in crate::cli) fn raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    ignore_broken_pipe(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Whether a path stands for standard output, or is another name of it.
pub(in crate::cli) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-" || FdPath::at(path) == Some(FdPath::Stdout)
}

/// A document, to the file that was named, whole or not at all, or to standard output.
pub(in crate::cli) fn document(path: &Path, document: &[u8]) -> Result<(), Failure> {
    match is_stdout(path) {
        true => raw(document),
        false => Ok(fs::write_atomically(path, document)?),
    }
}

/// As [`data`], of what somebody else has written there.
pub(in crate::cli) fn ignore_broken_pipe(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(unwritten),
    }
}

/// Standard output took not all.
pub(in crate::cli) fn unwritten(error: io::Error) -> Failure {
    Failure::environment(error).during("failed to write to standard output".into())
}

/// Data as programs read it, in one line.
pub(in crate::cli) fn json<T: Serialize>(value: &T) -> Result<Text, Failure> {
    let bytes = json::to_bytes(value).map_err(Failure::bug)?;
    let json = String::from_utf8_lossy(&bytes);
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        match is_control(c) {
            // Outside of strings there is none of them, and none is above U+FFFF.
            true => drop(write!(text, "\\u{:04x}", u32::from(c))),
            false => text.push(c),
        }
    }
    text.push('\n');
    Ok(Text(text))
}

/// Text for users, to standard error, without passwords.
pub(in crate::cli) fn notes(text: &Text) {
    styled(&text.0);
}

/// Text of clap's with its colours, to standard error, without passwords. Its values have no
/// control characters.
pub(in crate::cli) fn styled(text: &str) {
    // Without standard error there is no other place to write to.
    let _ = io::stderr().lock().write_all(secrets::hide(text).as_bytes());
}

/// A line for users, to standard error.
pub(in crate::cli) fn note(line: impl Display) {
    let mut text = Text::default();
    text.line(line);
    notes(&text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_control_characters_are_shown_as_text() {
        for (value, shown) in [
            ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
            ("a\nb\r\tc\0\x7f", r"a\nb\r\tc\x00\x7f"),
            ("\u{9b}31m\u{85}", r"\u{9b}31m\u{85}"),
            ("\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}", r"\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}"),
            ("größe 漢字 └─ \\x1b", "größe 漢字 └─ \\x1b"),
        ] {
            assert_eq!(escaped(value), shown);
        }
    }

    proptest! {
        #[test]
        fn text_any_value_stays_in_its_line(value in ".*", other in any::<String>()) {
            let value = [value, other].concat();
            let mut text = Text::default();
            text.line(format_args!("a: {value}"));
            let line = text.as_str().strip_suffix('\n').unwrap();
            prop_assert!(!line.chars().any(is_control), "{line:?}");
        }

        #[test]
        fn json_any_value_is_escaped_and_comes_back(value in any::<String>()) {
            let value = format!("{value}\u{9b}\u{202e}\x7f\n");
            let text = json(&value).unwrap();
            let line = text.as_str().strip_suffix('\n').unwrap();
            prop_assert!(!line.chars().any(is_control), "{line:?}");
            prop_assert_eq!(serde_json::from_str::<String>(line).unwrap(), value);
        }
    }
}
