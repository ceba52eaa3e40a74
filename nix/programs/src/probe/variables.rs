//! `$NAME`, `${NAME}` and `${NAME:-DEFAULT}` in a URL: a health check is fixed when its image is
//! built, and the port that it asks is often set when the container is started.

use std::fmt;

/// A variable that a URL needs and the environment lacks.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing {
    name: String,
    empty: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, empty } = self;
        let how = if *empty { "is empty" } else { "is not set" };
        write!(f, "the variable {name} {how}; set it, or write ${{{name}:-DEFAULT}} in the URL")
    }
}

impl std::error::Error for Missing {}

/// Fills in the variables of `text` by `look_up`. A dollar sign before anything else stays.
///
/// # Errors
///
/// When a variable is not set, or is empty, and has no default.
pub fn fill_in(text: &str, look_up: impl Fn(&str) -> Option<String>) -> Result<String, Missing> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        let Some((name, default, after)) = variable(after) else {
            filled.push('$');
            rest = after;
            continue;
        };
        let value = look_up(name);
        match (value.as_deref().map(str::trim), default) {
            (Some(value), _) if !value.is_empty() => filled.push_str(value),
            (_, Some(default)) => filled.push_str(default),
            (value, None) => {
                return Err(Missing { name: name.to_owned(), empty: value.is_some() });
            }
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The name, the default and the text after the variable that `text` begins with.
fn variable(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, default, after) = if let Some(braced) = text.strip_prefix('{') {
        let (inside, after) = braced.split_once('}')?;
        match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default), after),
            None => (inside, None, after),
        }
    } else {
        let (name, after) = text.split_at(text.find(|c| !allowed(c)).unwrap_or(text.len()));
        (name, None, after)
    };
    let valid = name.chars().all(allowed) && !name.starts_with(|c: char| c.is_ascii_digit());
    (valid && !name.is_empty()).then_some((name, default, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<String, String> {
        let look_up = |name: &str| match name {
            "PORT" => Some("9090".to_owned()),
            "EMPTY" => Some(" ".to_owned()),
            "URL_1" => Some("$PORT".to_owned()),
            _ => None,
        };
        fill_in(text, look_up).map_err(|missing| missing.to_string())
    }

    #[test]
    fn variables_of_each_form_are_filled_in() {
        for (text, expected) in [
            ("http://127.0.0.1:$PORT/health", "http://127.0.0.1:9090/health"),
            ("tcp://a:${PORT}", "tcp://a:9090"),
            ("http://a:${PORT:-8080}/", "http://a:9090/"),
            ("http://a:${EMPTY:-8080}/", "http://a:8080/"),
            ("http://a:${NONE:-}/", "http://a:/"),
            ("$PORT$PORT", "90909090"),
            // A value is not filled in again.
            ("$URL_1", "$PORT"),
        ] {
            assert_eq!(fill(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn dollar_before_anything_else_stays() {
        for text in ["/?price=$", "/?q=$-", "/$1", "/${", "/${a b}", "/${}", "/$$"] {
            assert_eq!(fill(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn missing_variable_is_named_with_what_to_do() {
        for (text, named) in [
            ("http://a:$NONE/", "NONE is not set"),
            ("http://a:${NONE}/", "write ${NONE:-DEFAULT}"),
            ("http://a:$EMPTY/", "EMPTY is empty"),
            ("http://a:$PORTS/", "PORTS is not set"),
        ] {
            let message = fill(text).unwrap_err();
            assert!(message.contains(named), "{text}: {message}");
        }
    }
}
