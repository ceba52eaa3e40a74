//! `healthprobe`'s command line.

use std::ffi::OsString;
use std::time::Duration;

use super::target::{self, Target};
use super::variables::{self, Missing};

/// The output of `--help`.
pub const HELP: &str = "\
Asks a service whether it is healthy, and says why.

Usage: healthprobe [--timeout SECONDS] URL

  URL                 http://HOST[:PORT][/PATH]  healthy when the answer is 2xx
                      tcp://HOST:PORT            healthy when it accepts a connection
                      $NAME, ${NAME} and ${NAME:-DEFAULT} in it are variables; one that is
                      not set or empty, without a default, is unhealthy
  --timeout SECONDS   for everything together, default 3; fractions are taken
  --help, --version

HOST is an address, [IPv6], localhost or a name in /etc/hosts. Redirects are not followed and
count as unhealthy: probe the path that answers. TLS is not spoken.

Exit code: 0 healthy, 1 unhealthy, 2 the command line is wrong.
";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);

/// The result of [`parse`].
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// Probe this target with this timeout.
    Probe(Target, Duration),
    /// The URL needs a variable that the environment lacks.
    Lacks(Missing),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// Reads the arguments that follow the program's name, and the variables in the URL by `look_up`.
///
/// # Errors
///
/// A sentence that says what is wrong with them.
pub fn parse(
    arguments: impl Iterator<Item = OsString>,
    look_up: impl Fn(&str) -> Option<String>,
) -> Result<Wish, String> {
    let mut timeout = DEFAULT_TIMEOUT;
    let mut url = None;
    let mut arguments = arguments.map(|argument| {
        argument.into_string().map_err(|raw| format!("`{}` is not UTF-8", raw.display()))
    });
    while let Some(argument) = arguments.next() {
        let argument = argument?;
        match argument.as_str() {
            "--help" | "-h" => return Ok(Wish::Help),
            "--version" | "-V" => return Ok(Wish::Version),
            "--timeout" | "-t" => {
                let value = arguments.next().ok_or("--timeout needs a number of seconds")?;
                timeout = parse_timeout(&value?)?;
            }
            other => match (other.strip_prefix("--timeout="), &url) {
                (Some(value), _) => timeout = parse_timeout(value)?,
                (None, _) if other.starts_with('-') => {
                    return Err(format!("unknown option `{other}`; see --help"));
                }
                (None, Some(_)) => {
                    return Err(format!("only one URL can be probed, and `{other}` is a second"));
                }
                (None, None) => url = Some(argument),
            },
        }
    }
    let url = url.ok_or("the URL is missing, as in: healthprobe http://127.0.0.1:8080/health")?;
    let url = match variables::fill_in(&url, look_up) {
        Ok(url) => url,
        Err(missing) => return Ok(Wish::Lacks(missing)),
    };
    let target = target::parse(&url).map_err(|bad| bad.to_string())?;
    Ok(Wish::Probe(target, timeout))
}

/// Decimals by hand: the standard library's floating point weighs as much as the rest of this.
fn parse_timeout(value: &str) -> Result<Duration, String> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let valid = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let seconds = if whole.is_empty() { Some(0) } else { whole.parse().ok() };
    let millis = format!("{:0<3}", fraction.get(..3).unwrap_or(fraction)).parse().ok();
    let parsed = seconds.zip(millis).map(|(seconds, millis)| {
        Duration::from_secs(seconds).saturating_add(Duration::from_millis(millis))
    });
    match parsed {
        Some(limit) if valid && !limit.is_zero() && limit <= LONGEST_TIMEOUT => Ok(limit),
        _ => Err(format!("--timeout `{value}` is not a number of seconds from 0.001 to 3600")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<Wish, String> {
        parse(args.iter().map(OsString::from), |_| None)
    }

    #[test]
    fn the_timeout_may_stand_before_or_after_the_url() {
        let half = Duration::from_millis(500);
        for args in
            [&["--timeout", "0.5", "tcp://127.0.0.1:1"][..], &["tcp://127.0.0.1:1", "--timeout=.5"]]
        {
            assert!(matches!(read(args), Ok(Wish::Probe(_, limit)) if limit == half), "{args:?}");
        }
        let default = read(&["tcp://127.0.0.1:1"]);
        assert!(matches!(default, Ok(Wish::Probe(_, limit)) if limit == DEFAULT_TIMEOUT));
    }

    #[test]
    fn timeouts_are_read_to_the_millisecond() {
        for (text, millis) in
            [("3", 3000), ("0.5", 500), (".25", 250), ("1.", 1000), ("2.0019", 2001)]
        {
            assert_eq!(parse_timeout(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn wrong_command_lines_say_what_is_wrong() {
        let cases: [(&[&str], &str); 11] = [
            (&[], "URL is missing"),
            (&["--timeout"], "needs a number"),
            (&["--timeout", "0", "tcp://a:1"], "from 0.001"),
            (&["--timeout", "NaN", "tcp://a:1"], "from 0.001"),
            (&["--timeout", ".", "tcp://a:1"], "from 0.001"),
            (&["--timeout", "-1", "tcp://a:1"], "from 0.001"),
            (&["--timeout", "3600.001", "tcp://a:1"], "to 3600"),
            (&["--timeout=1e300", "tcp://a:1"], "to 3600"),
            (&["tcp://a:1", "tcp://a:2"], "`tcp://a:2` is a second"),
            (&["--retries", "3"], "unknown option `--retries`"),
            (&["gopher://a"], "scheme must be"),
        ];
        for (args, why) in cases {
            let message = read(args).unwrap_err();
            assert!(message.contains(why), "{args:?}: {message}");
        }
    }
}
