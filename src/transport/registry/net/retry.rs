//! When a request is tried again, and how long cooper waits before.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A registry that asks for more is obeyed up to here.
const LONGEST_OBEDIENCE: Duration = Duration::from_secs(60);

/// Whether a status may pass by itself.
pub(in super::super) fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// How long to wait before try number `tried` + 1.
pub(in super::super) fn pause(tried: u32, headers: Option<&HeaderMap>) -> Duration {
    let asked = headers.and_then(|headers| headers.get(RETRY_AFTER)?.to_str().ok()).and_then(parse);
    if let Some(asked) = asked {
        return asked.min(LONGEST_OBEDIENCE);
    }
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tried)).min(LONGEST_PAUSE);
    // Spread, so that many clients that failed together do not return together.
    doubled.mul_f64(0.5 + fastrand::f64())
}

/// Seconds or an HTTP date.
fn parse(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    #[allow(clippy::disallowed_methods, reason = "a date in an answer means nothing without now")]
    let now = SystemTime::now();
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())])
    }

    #[test]
    fn a_registry_that_asks_for_time_gets_it_up_to_a_minute() {
        // fault 78
        for (value, seconds) in [
            ("3", 3),
            ("0", 0),
            ("1000000000", 60),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 60),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ] {
            assert_eq!(pause(0, Some(&with(value))), Duration::from_secs(seconds), "{value}");
        }
    }

    #[test]
    fn without_advice_pauses_grow_and_end_growing() {
        for headers in [None, Some(with("soon")), Some(with("-5"))] {
            for (tried, most) in [(0, 0.3), (1, 0.6), (3, 2.4), (60, 15.0)] {
                assert!(pause(tried, headers.as_ref()).as_secs_f64() <= most, "{tried}");
            }
        }
    }
}
