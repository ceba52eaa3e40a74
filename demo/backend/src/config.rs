//! Settings from environment variables, checked before the backend starts.

use std::time::Duration;

use axum::http::Uri;
use demo_service::serve::DEFAULT_DRAIN;
use demo_service::{BadVariable, port};

const DEFAULT_PORT: u16 = 8080;

/// The settings, parsed.
#[derive(Debug)]
pub(crate) struct Config {
    /// The port to listen on; 0 lets the system choose.
    pub(crate) port: u16,
    /// The time that open requests get after the signal to stop.
    pub(crate) drain: Duration,
    /// Host and port of the collector for spans.
    pub(crate) spans_to: Option<String>,
    /// Host and port of the server for profiles.
    pub(crate) pyroscope: Option<String>,
}

impl Config {
    /// Reads the settings through `look_up`.
    pub(crate) fn read(look_up: impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        // Compose files pass unset variables on as empty ones.
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
    let why = "is not a number of seconds from 0 to 3600";
    match value.trim().parse() {
        Ok(seconds @ 0..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err(BadVariable { name, value, why }),
    }
}

/// Returns host and port of a URL, without the credentials: `/v1/health` shows them.
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
                "has the scheme https, and this backend does not support TLS; write the http:// address \
                 of a collector in the same network"
            }
            _ => "is not a URL; write one like http://tempo:4318",
        },
        Err(_) => "is not a URL; write one like http://tempo:4318",
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
    fn unset_and_empty_variables_give_defaults() {
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
    fn endpoint_with_password_keeps_host_and_port() {
        let config = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:pw@tempo:4318/x")]).unwrap();
        assert_eq!(config.spans_to.as_deref(), Some("tempo:4318"));
    }

    #[test]
    fn invalid_value_names_variable_and_fix() {
        let cases = [
            ("PORT", "http", "is not a port"),
            ("PORT", "70000", "is not a port"),
            ("DRAIN_SECONDS", "-1", "number of seconds"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "tempo:4318", "http://tempo:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://tempo:4318", "TLS"),
            ("PYROSCOPE_SERVER_ADDRESS", "/pyroscope", "is not a URL"),
        ];
        for (name, value, why) in cases {
            let message = read(&[(name, value)]).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{name}=`{value}` ")), "{message}");
            assert!(message.contains(why), "{message}");
        }
    }
}
