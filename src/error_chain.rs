//! An error together with its causes.
//!
//! [`iter()`] walks the chain of [`Error::source`], [`find`] looks for an error of one type in it,
//! [`root`] returns its last error, and [`with_root`] and [`one_line`] print it as one message. How a
//! message is shown to a user is left to `cli`.

use std::error::Error;
use std::iter;

/// Yields `error`, then each cause, outermost first.
pub fn iter<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// Returns the outermost error of type `E` in the chain of `error`, including `error` itself.
///
/// A transparent error (`#[error(transparent)]`) hides the error that it wraps: only the causes of
/// the wrapped error are in the chain.
pub fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    iter(error).find_map(|error| error.downcast_ref())
}

/// Returns the last error of the chain: `error` itself if it has no cause.
pub fn root<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    iter(error).last().unwrap_or(error)
}

/// Returns the message of `error`, and after `: ` that of its last cause, if it has causes.
pub fn with_root(error: &(dyn Error + 'static)) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", root(cause)),
        None => error.to_string(),
    }
}

/// Joins the messages of the chain with `: `, outermost first.
///
/// A message that the one before it already ends with is left out, because some errors repeat
/// their cause.
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    for message in iter(error).map(ToString::to_string) {
        if line.is_empty() {
            line = message;
        } else if !line.ends_with(&message) {
            line.push_str(": ");
            line.push_str(&message);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to push")]
    struct Push(#[source] Repeating);

    #[derive(Debug)]
    struct Repeating(fmt::Error);

    impl fmt::Display for Repeating {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "no answer: {}", self.0)
        }
    }

    impl Error for Repeating {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn error_chain_iter_starts_with_the_error_itself() {
        let error = Push(Repeating(fmt::Error));
        assert_eq!(iter(&error).count(), 3);
        assert!(iter(&error).next().unwrap().is::<Push>());
    }

    #[test]
    fn error_chain_find_returns_an_error_by_its_type() {
        let error = Push(Repeating(fmt::Error));
        assert!(find::<Push>(&error).is_some() && find::<fmt::Error>(&error).is_some());
        assert!(find::<std::io::Error>(&error).is_none());
    }

    #[test]
    fn error_chain_root_is_the_last_cause() {
        assert!(root(&Push(Repeating(fmt::Error))).is::<fmt::Error>());
        assert!(root(&fmt::Error).is::<fmt::Error>());
    }

    #[test]
    fn error_chain_with_root_omits_the_causes_between() {
        let cause = fmt::Error.to_string();
        assert_eq!(with_root(&Push(Repeating(fmt::Error))), format!("failed to push: {cause}"));
        assert_eq!(with_root(&fmt::Error), cause);
    }

    #[test]
    fn error_chain_one_line_omits_a_repeated_cause() {
        let cause = fmt::Error.to_string();
        let line = one_line(&Push(Repeating(fmt::Error)));
        assert_eq!(line, format!("failed to push: no answer: {cause}"));
    }
}
