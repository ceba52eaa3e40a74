//! What the environment says, checked before anything starts.

use std::time::Duration;

use axum::http::Uri;
use demo_service::serve::DEFAULT_DRAIN;
use demo_service::{BadVariable, port};

const DEFAULT_PORT: u16 = 8080;

/// The settings, as they are meant.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where to listen; 0 lets the system choose.
    pub(crate) port: u16,
    /// How long requests may go on after the signal to stop.
    pub(crate) drain: Duration,
    /// Where spans go, as host and port, if anywhere.
    pub(crate) spans_to: Option<String>,
    /// Where profiles would go, as host and port.
    pub(crate) pyroscope: Option<String>,
}

impl Config {
    /// Reads the settings with `look_up`, which is the environment's outside of tests.
    pub(crate) fn read(look_up: impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        // Compose files pass on variables that nobody has set as empty ones.
        let set = |name| look_up(name).filter(|value| !value.trim().is_empty());
        let drain = match set("DRAIN_SECONDS") {
            None => DEFAULT_DRAIN,
            Some(value) => seconds("DRAIN_SECONDS", value)?,
        };
        let base = address("OTEL_EXPORTER_OTLP_ENDPOINT", set("OTEL_EXPORTER_OTLP_ENDPOINT"))?;
        let own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        Ok(Self {
            port: port("PORT", set("PORT"), DEFAULT_PORT)?,
            drain,
            spans_to: address(own, set(own))?.or(base),
            pyroscope: address("PYROSCOPE_SERVER_ADDRESS", set("PYROSCOPE_SERVER_ADDRESS"))?,
        })
    }
}

fn seconds(name: &'static str, value: String) -> Result<Duration, BadVariable> {
    let why = "is no number of seconds from 0 to 3600";
    match value.trim().parse() {
        Ok(seconds @ 0..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err(BadVariable { name, value, why }),
    }
}

/// Host and port of a URL; a user name or password in it is nothing to show on a page.
fn address(name: &'static str, value: Option<String>) -> Result<Option<String>, BadVariable> {
    let Some(value) = value else {
        return Ok(None);
    };
    let why = match value.trim().parse::<Uri>() {
        Ok(uri) => match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(at)) => {
                let host = at.as_str().rsplit('@').next().unwrap_or_default();
                return Ok(Some(host.to_owned()));
            }
            (Some("https"), Some(_)) => {
                "asks for TLS, which this backend does not speak; write the http:// address of a \
                 collector beside it"
            }
            _ => "is no URL; write one like http://tempo:4318",
        },
        Err(_) => "is no URL; write one like http://tempo:4318",
    };
    Err(BadVariable { name, value, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, BadVariable> {
        Config::read(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_set_gives_the_defaults_and_so_does_everything_empty() {
        let empty =
            [("PORT", ""), ("OTEL_EXPORTER_OTLP_ENDPOINT", ""), ("PYROSCOPE_SERVER_ADDRESS", " ")];
        for variables in [&[][..], &empty] {
            let config = read(variables).unwrap();
            assert_eq!(config.port, 8080);
            assert_eq!(config.drain, Duration::from_secs(8));
            assert!(config.spans_to.is_none() && config.pyroscope.is_none());
        }
    }

    #[test]
    fn passwords_in_an_endpoint_are_not_kept() {
        let config = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:pw@tempo:4318/x")]).unwrap();
        assert_eq!(config.spans_to.as_deref(), Some("tempo:4318"));
    }

    #[test]
    fn wrong_values_name_the_variable_and_what_to_write() {
        let cases = [
            ("PORT", "http", "is no port"),
            ("PORT", "70000", "is no port"),
            ("DRAIN_SECONDS", "-1", "number of seconds"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "tempo:4318", "http://tempo:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://tempo:4318", "TLS"),
            ("PYROSCOPE_SERVER_ADDRESS", "/pyroscope", "is no URL"),
        ];
        for (name, value, why) in cases {
            let message = read(&[(name, value)]).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{name}=`{value}` ")), "{message}");
            assert!(message.contains(why), "{message}");
        }
    }
}
