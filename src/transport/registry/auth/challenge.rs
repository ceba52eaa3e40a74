//! What a registry asks for when it answers 401 (RFC 9110, section 11).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// How to prove who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transport::registry) enum Challenge {
    /// A user and a password with every request.
    Basic,
    /// A token, to be had at the realm.
    Bearer {
        /// Where tokens are made.
        realm: String,
        /// For which registry.
        service: Option<String>,
    },
}

/// The strongest of the challenges in an answer: several may stand in one header or in several.
pub(in crate::transport::registry) fn read(headers: &HeaderMap) -> Result<Challenge, String> {
    let values: Vec<&str> =
        headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() {
        return Err("it asks for credentials and does not say for which".into());
    }
    let mut basic = false;
    for value in &values {
        let challenges = http_auth::parse_challenges(value)
            .map_err(|_| format!("its challenge `{value}` cannot be read"))?;
        for challenge in challenges {
            let param = |name: &str| {
                let same =
                    |(key, _): &&(&str, http_auth::ParamValue<'_>)| key.eq_ignore_ascii_case(name);
                challenge.params.iter().find(same).map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer")
                && let Some(realm) = param("realm")
            {
                return Ok(Challenge::Bearer { realm, service: param("service") });
            }
            basic |= challenge.scheme.eq_ignore_ascii_case("basic");
        }
    }
    match basic {
        true => Ok(Challenge::Basic),
        false => {
            Err(format!("it asks for `{}`, and cooper knows Basic and Bearer", values.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_bearer_challenge_is_found_among_others_and_with_commas_in_quotes() {
        // fault 76
        let bearer =
            r#"Bearer realm="https://a.example/t",service="s",scope="repository:a:pull,push""#;
        let expected =
            Challenge::Bearer { realm: "https://a.example/t".into(), service: Some("s".into()) };
        for values in [
            vec![bearer.to_owned()],
            vec![r#"Basic realm="x""#.into(), bearer.into()],
            vec![format!(r#"Basic realm="x, y", {bearer}"#)],
            vec![format!("{bearer}, Basic realm=x")],
        ] {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            assert_eq!(read(&headers(&values)).unwrap(), expected, "{values:?}");
        }
    }

    #[test]
    fn what_asks_for_nothing_known_is_an_error() {
        // fault 76
        assert_eq!(read(&headers(&[r#"basic realm="x""#])).unwrap(), Challenge::Basic);
        for values in [&[][..], &["Negotiate"], &["Bearer"], &[r#"Basic realm="cut"#]] {
            assert!(read(&headers(values)).is_err(), "{values:?}");
        }
    }
}
