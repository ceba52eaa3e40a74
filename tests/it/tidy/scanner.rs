//! A scanner that separates code, comments and string literals of Rust, Nix and shell files.
//!
//! It knows enough of each syntax to find the text that a reader sees; it does not parse.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Code,
    Comment,
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Rust,
    Nix,
    Shell,
    /// Every byte is text, for example Markdown.
    Plain,
}

/// Returns consecutive spans of one kind that cover the text.
pub(super) fn spans(syntax: Syntax, text: &str) -> Vec<(Kind, &str)> {
    let mut scanner = Scanner { text, at: 0, start: 0, spans: Vec::new() };
    match syntax {
        Syntax::Rust => scanner.rust(),
        Syntax::Nix => scanner.nix(),
        Syntax::Shell => scanner.shell(),
        Syntax::Plain => scanner.take(Kind::Text, text.len()),
    }
    scanner.flush(text.len());
    scanner.spans
}

/// Returns the code of a Rust file; everything else is replaced by spaces, and lines stay.
pub(super) fn rust_code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for (kind, span) in spans(Syntax::Rust, text) {
        match kind {
            Kind::Code => code.push_str(span),
            _ => code.extend(span.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' })),
        }
    }
    code
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The start of the code that is not yet in a span.
    start: usize,
    spans: Vec<(Kind, &'a str)>,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn flush(&mut self, end: usize) {
        if self.start < end {
            self.spans.push((Kind::Code, &self.text[self.start..end]));
        }
        self.start = end;
    }

    /// Adds a span of this length at the present position.
    fn take(&mut self, kind: Kind, length: usize) {
        self.flush(self.at);
        let end = (self.at + length).min(self.text.len());
        self.spans.push((kind, &self.text[self.at..end]));
        (self.at, self.start) = (end, end);
    }

    fn skip(&mut self) {
        self.at += self.rest().chars().next().map_or(1, char::len_utf8);
    }

    /// Takes everything up to the end of the line.
    fn line_comment(&mut self) {
        self.take(Kind::Comment, self.rest().find('\n').unwrap_or(self.rest().len()));
    }

    fn block_comment(&mut self) {
        self.take(Kind::Comment, self.rest().find("*/").map_or(self.rest().len(), |end| end + 2));
    }

    /// Takes a quoted text with escapes.
    fn quoted(&mut self, quote: u8, escapes: bool) {
        let bytes = self.rest().as_bytes();
        let mut end = 1;
        while end < bytes.len() && bytes[end] != quote {
            end += if escapes && bytes[end] == b'\\' { 2 } else { 1 };
        }
        self.take(Kind::Text, end + 1);
    }

    fn rust(&mut self) {
        while self.at < self.text.len() {
            let rest = self.rest();
            let word = self.at > 0 && self.text.as_bytes()[self.at - 1].is_ascii_alphanumeric();
            let raw = rest.strip_prefix('r').map(|after| after.trim_start_matches('#'));
            let hashes = raw.map_or(0, |raw| rest.len() - raw.len() - 1);
            if rest.starts_with("//") {
                self.line_comment();
            } else if rest.starts_with("/*") {
                self.block_comment();
            } else if rest.starts_with('"') {
                self.quoted(b'"', true);
            } else if let Some(raw) = raw.filter(|raw| raw.starts_with('"'))
                && (!word || self.text[..self.at].ends_with('b'))
            {
                let close = format!("\"{}", "#".repeat(hashes));
                let end = raw[1..].find(&close).map_or(raw.len(), |end| end + 1 + close.len());
                self.take(Kind::Text, 1 + hashes + end);
            } else if rest.starts_with('\'') {
                self.character_or_lifetime();
            } else {
                self.skip();
            }
        }
    }

    fn character_or_lifetime(&mut self) {
        let mut chars = self.rest()[1..].chars();
        match (chars.next(), chars.next()) {
            (Some('\\'), _) => self.quoted(b'\'', true),
            (Some(c), Some('\'')) => self.take(Kind::Text, 2 + c.len_utf8()),
            _ => self.skip(),
        }
    }

    fn nix(&mut self) {
        while self.at < self.text.len() {
            let rest = self.rest();
            if rest.starts_with('#') {
                self.line_comment();
            } else if rest.starts_with("/*") {
                self.block_comment();
            } else if rest.starts_with("''") {
                self.nix_text("''");
            } else if rest.starts_with('"') {
                self.nix_text("\"");
            } else {
                self.skip();
            }
        }
    }

    /// Takes a Nix string; interpolated expressions are code.
    fn nix_text(&mut self, quote: &str) {
        let escape = if quote == "\"" { "\\" } else { "''" };
        let mut end = quote.len();
        loop {
            let rest = &self.rest()[end..];
            if rest.is_empty() {
                return self.take(Kind::Text, end);
            }
            let escaped = rest.strip_prefix(escape).and_then(|after| after.chars().next());
            if let Some(c) = escaped.filter(|c| escape == "\\" || "'$\\".contains(*c)) {
                end += escape.len() + c.len_utf8();
            } else if rest.starts_with(quote) {
                return self.take(Kind::Text, end + quote.len());
            } else if rest.starts_with("${") {
                self.take(Kind::Text, end);
                let mut depth = 0;
                let close = self.rest().char_indices().find(|(_, c)| {
                    depth += i32::from(*c == '{') - i32::from(*c == '}');
                    *c == '}' && depth == 0
                });
                self.at += close.map_or(self.rest().len(), |(at, _)| at + 1);
                self.flush(self.at);
                end = 0;
            } else {
                end += rest.chars().next().map_or(1, char::len_utf8);
            }
        }
    }

    fn shell(&mut self) {
        let mut heredoc: Option<&str> = None;
        while self.at < self.text.len() {
            let rest = self.rest();
            let before = self.text[..self.at].chars().next_back();
            if rest.starts_with('#') && before.is_none_or(|c| c.is_whitespace() || c == ';') {
                self.line_comment();
            } else if rest.starts_with('\'') || rest.starts_with('"') {
                self.quoted(rest.as_bytes()[0], rest.starts_with('"'));
            } else if let Some(tag) = rest.strip_prefix("<<").filter(|tag| !tag.starts_with('<')) {
                let tag = tag.trim_start_matches(['-', '\'', '"', '\\']);
                let end = tag.find(|c: char| !c.is_alphanumeric() && c != '_');
                heredoc = Some(&tag[..end.unwrap_or(tag.len())]).filter(|tag| !tag.is_empty());
                self.at = self.text.len() - tag.len() + end.unwrap_or(tag.len());
                let quote = self.rest().starts_with(['\'', '"']);
                self.at += usize::from(quote);
            } else if rest.starts_with('\\') {
                self.skip();
                self.skip();
            } else if rest.starts_with('\n')
                && let Some(tag) = heredoc.take()
            {
                self.skip();
                let mut length = 0;
                for line in self.rest().split_inclusive('\n') {
                    if line.trim() == tag {
                        break;
                    }
                    length += line.len();
                }
                self.take(Kind::Text, length);
            } else {
                self.skip();
            }
        }
    }
}

#[test]
fn scanner_separates_code_comments_and_text() {
    use Kind::{Code, Comment, Text};
    let rust = "let a: &'a str = \"x\\\"\"; // b\nr#\"c\"d\"#;";
    let expected = [
        (Code, "let a: &'a str = "),
        (Text, "\"x\\\"\""),
        (Code, "; "),
        (Comment, "// b"),
        (Code, "\n"),
        (Text, "r#\"c\"d\"#"),
        (Code, ";"),
    ];
    assert_eq!(spans(Syntax::Rust, rust), expected);
    let nix = "a = ''b ${c} ''' d''; # e";
    let expected = [
        (Code, "a = "),
        (Text, "''b "),
        (Code, "${c}"),
        (Text, " ''' d''"),
        (Code, "; "),
        (Comment, "# e"),
    ];
    assert_eq!(spans(Syntax::Nix, nix), expected);
    let shell = "a 'b#' <<E # c\nit's\nE\nd$#";
    let expected = [
        (Code, "a "),
        (Text, "'b#'"),
        (Code, " <<E "),
        (Comment, "# c"),
        (Code, "\n"),
        (Text, "it's\n"),
        (Code, "E\nd$#"),
    ];
    assert_eq!(spans(Syntax::Shell, shell), expected);
}
