//! Keeps passwords out of messages.
//!
//! A message repeats arguments, variables and fields of files. Two rules apply to each: what stands
//! before the `@` of a URL is hidden, and a password that an argument or a variable holds is hidden
//! wherever it is repeated.

use std::borrow::Cow;
use std::sync::OnceLock;

/// The text that stands for a password.
const HIDDEN: &str = "***";
/// Ends of the names of options whose values are secrets, also of options that cooper lacks.
const SECRET_OPTIONS: [&str; 10] = [
    "auth",
    "bearer",
    "creds",
    "credentials",
    "pass",
    "passwd",
    "password",
    "secret",
    "token",
    "key",
];

/// The passwords of this process's arguments and environment, each with the text after it.
static OWN: OnceLock<Vec<String>> = OnceLock::new();

/// A message without passwords.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    let own = OWN.get_or_init(|| {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        let arguments: Vec<String> = std::env::args_os().skip(1).map(text).collect();
        let variables: Vec<String> = std::env::vars_os().map(|(_, value)| text(value)).collect();
        own(&arguments, &variables)
    });
    hide_all(text, own)
}

fn hide_all<'a>(text: &'a str, own: &[String]) -> Cow<'a, str> {
    let mut shown = Cow::Borrowed(text);
    for secret in own.iter().filter(|secret| text.contains(secret.as_str())) {
        let with = if secret.ends_with('@') { "***@" } else { HIDDEN };
        shown = shown.replace(secret, with).into();
    }
    match in_urls(&shown) {
        Some(hidden) => hidden.into(),
        None => shown,
    }
}

/// A text without what stands before the `@` of its URLs; none if there is nothing to hide.
fn in_urls(text: &str) -> Option<String> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let is_end = |c: char| c.is_whitespace() || c.is_control() || "`\"'<>".contains(c);
        let url = after.split(is_end).next().unwrap_or_default();
        let is_ssh = before.trim_end_matches("://").ends_with("ssh");
        if let Some(user) = user_info(url, is_ssh) {
            shown.push_str(HIDDEN);
            rest = after.get(user.len()..).unwrap_or_default();
        } else {
            rest = after;
        }
    }
    shown.push_str(rest);
    (shown != text).then_some(shown)
}

/// The user and password of a URL without its scheme. The `@` before a digest is not theirs, nor
/// is one in a path; a user alone is shown with ssh, and can be a token with others.
fn user_info(url: &str, shows_user: bool) -> Option<&str> {
    let (user, host) = before_digest(url).rsplit_once('@')?;
    if user == HIDDEN || host.is_empty() {
        return None;
    }
    let (_, password) = user.split_once(':').unwrap_or((user, ""));
    let port = password.split('/').next().unwrap_or_default();
    let is_path = match (user.split_once(':'), user.split_once('/')) {
        (None, has_path) => has_path.is_some(),
        // A port and a path with an `@` in it.
        (Some(_), Some(_)) => !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()),
        (Some(_), None) => false,
    };
    let is_user_alone = shows_user && password.is_empty();
    (!is_path && !is_user_alone).then_some(user)
}

/// A reference without its digest.
fn before_digest(text: &str) -> &str {
    match text.rsplit_once('@') {
        Some((before, digest)) if ["sha256:", "sha512:"].iter().any(|a| digest.starts_with(a)) => {
            before
        }
        _ => text,
    }
}

/// The passwords of arguments and of values of variables, the longest first.
fn own(arguments: &[String], variables: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_value = false;
    for argument in arguments {
        let option = argument.strip_prefix("--");
        let (name, value) = match option.and_then(|option| option.split_once('=')) {
            Some((name, value)) => (Some(name), Some(value)),
            None => (option, None),
        };
        let is_secret = name.is_some_and(|name| {
            let last = name.trim_end_matches("-stdin").rsplit('-').next().unwrap_or_default();
            SECRET_OPTIONS.contains(&last.to_ascii_lowercase().as_str())
        });
        found.extend(value.filter(|_| is_secret).map(str::to_owned));
        found.extend((is_value && option.is_none()).then(|| argument.clone()));
        is_value = is_secret && value.is_none() && !argument.ends_with("-stdin");
        found.extend(with_host(value.unwrap_or(argument)));
    }
    found.extend(variables.iter().flat_map(|value| with_host(value)));
    found.retain(|secret| !secret.is_empty());
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found
}

/// The user and password in `scheme://user:password@host`, or in the same without a scheme, with
/// the `@`, so that no other text is taken for them; and the parts of them that may stand alone.
fn with_host(value: &str) -> Vec<String> {
    let (scheme, url) = value.split_once("://").unwrap_or(("", value));
    let Some(user) = user_info(url, scheme == "ssh") else { return Vec::new() };
    if scheme.is_empty() && !user.contains(':') {
        return Vec::new();
    }
    let parts = user.match_indices([':', '@']).filter_map(|(at, _)| user.get(at + 1..));
    let parts = parts.filter(|part| !part.is_empty());
    std::iter::once(user).chain(parts).map(|part| format!("{part}@")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str, arguments: &[&str]) -> String {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        hide_all(text, &own(&arguments, &[])).into_owned()
    }

    #[test]
    fn secrets_in_urls_are_hidden_and_references_stay() {
        let digest = "sha256:".to_owned() + &"0".repeat(64);
        for (text, shown) in [
            ("at `https://me:s3cret@host/x`", "at `https://***@host/x`"),
            ("docker://me:s3@cret@host", "docker://***@host"),
            ("docker://me:s3/cret@host/app", "docker://***@host/app"),
            ("https://ghp_token@host and http://a:b@c d", "https://***@host and http://***@c d"),
            ("tcp://:s3cret@host:1", "tcp://***@host:1"),
            ("{\"a\":\"http://u:p@h\",\"b\":\"x@y\"}", "{\"a\":\"http://***@h\",\"b\":\"x@y\"}"),
            (&format!("docker://me:p@host/a@{digest}"), &format!("docker://***@host/a@{digest}")),
        ] {
            assert_eq!(hidden(text, &[]), shown);
        }
        for text in [
            "ssh://user@host",
            "docker://localhost:5000/app@v1",
            "https://host/path@v1",
            &format!("docker://r.io/app:v1@{digest}"),
            "unix:///run/docker.sock",
            "a://",
            "user:name@host",
        ] {
            assert_eq!(hidden(text, &[]), text);
        }
    }

    #[test]
    fn secrets_of_arguments_are_hidden_where_they_are_repeated() {
        for (arguments, text, shown) in [
            (&["--registry-token-stdin=s3cret"][..], "value 's3cret' for", "value '***' for"),
            (&["--password", "s3cret"], "argument 's3cret'", "argument '***'"),
            (&["--to", "me:s3 `cret@host/x"], "write `me:s3 `cret@host/x`", "write `***@host/x`"),
            (&["--to=https://me:s3cret@h"], "write `me:s3cret@h`", "write `***@h`"),
            (&["docker-daemon:me:s3cret@h"], "`me:s3cret@h` and s3cret@h", "`***@h` and ***@h"),
            (&["docker://u:p@s3cret@h/x"], "digest `s3cret@h/x`", "digest `***@h/x`"),
            (&["--token-host", "h"], "the host", "the host"),
            (&["--registry-token-stdin", "spec.json"], "spec.json", "spec.json"),
        ] {
            assert_eq!(hidden(text, arguments), shown);
        }
    }
}
