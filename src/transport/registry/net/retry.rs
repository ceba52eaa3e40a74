//! The rules for another try: which answers are worth one, how long a pause is, and how slow a
//! body may be.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::super::Options;

const FIRST_PAUSE: Duration = Duration::from_millis(400);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// The least rate of a body in bytes per second, over `RATE_WINDOW`.
pub const MIN_BODY_RATE: u64 = 10_000;
/// The time over which the rate of a body counts. A shorter idle timeout takes its place.
const RATE_WINDOW: Duration = Duration::from_secs(30);

/// Returns true if a later request may get another status.
pub(in super::super) fn is_retryable(status: StatusCode) -> bool {
    match status.as_u16() {
        408 | 425 | 429 => true,
        // Not implemented, and a version of HTTP that the server does not know.
        501 | 505 => false,
        status => (500..600).contains(&status),
    }
}

/// The tries of one request, and the pauses between them.
#[derive(Debug)]
pub(in super::super) struct Tries {
    retries: u32,
    retried: u32,
    /// The rest of the time that all pauses may last in sum.
    wait: Duration,
}

impl Tries {
    pub(in super::super) fn new(options: &Options) -> Self {
        Self { retries: options.retries, retried: 0, wait: options.wait }
    }

    /// The pause before the next try; none if there is no further try. A registry that asks for
    /// more time than is left gets no further request.
    pub(in super::super) fn pause(&mut self, headers: Option<&HeaderMap>) -> Option<Duration> {
        if self.retried >= self.retries {
            return None;
        }
        let pause = headers.and_then(retry_after).unwrap_or_else(|| backoff(self.retried));
        self.wait = self.wait.checked_sub(pause)?;
        self.retried += 1;
        Some(pause)
    }

    /// The number of the next retry and of all retries, as a message shows them.
    pub(in super::super) fn shown(&self) -> String {
        format!("retry {} of {}", self.retried, self.retries)
    }
}

/// A pause that doubles with each retry.
fn backoff(retried: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(retried)).min(MAX_PAUSE);
    // Spread, so that many clients that failed together do not return together.
    doubled.mul_f64(0.75 + fastrand::f64() / 2.0)
}

/// The time that an answer asks for: seconds or an HTTP date.
pub(in super::super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    #[allow(clippy::disallowed_methods, reason = "a date in an answer means nothing without now")]
    let now = SystemTime::now();
    Some(date.duration_since(now).unwrap_or_default())
}

/// Measures the rate of a body while cooper waits for the other side.
#[derive(Debug)]
pub(in super::super) struct RateWatch {
    window: Duration,
    waited: Duration,
    bytes: u64,
}

impl RateWatch {
    pub(in super::super) fn new(idle: Duration) -> Self {
        Self { window: RATE_WINDOW.min(idle), waited: Duration::ZERO, bytes: 0 }
    }

    /// The time over which the rate counts.
    pub(in super::super) fn window(&self) -> Duration {
        self.window
    }

    /// Adds the time of a wait and the bytes that it brought. Returns true if a window is over
    /// and had fewer bytes than the least rate demands.
    pub(in super::super) fn is_too_slow(&mut self, waited: Duration, bytes: u64) -> bool {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.waited < self.window {
            return false;
        }
        let least = u128::from(MIN_BODY_RATE) * self.waited.as_millis() / 1000;
        let is_slow = u128::from(self.bytes) < least;
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        is_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn with(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())])
    }

    fn tries(retries: u32) -> Tries {
        Tries::new(&Options { retries, wait: MINUTE, ..Options::default() })
    }

    #[test]
    fn retry_after_is_obeyed_within_the_wait_limit() {
        for (value, pause) in [
            ("3", Some(3)),
            ("0", Some(0)),
            ("60", Some(60)),
            ("61", None),
            ("86400", None),
            ("99999999999999999999999", None),
            ("Fri, 31 Dec 9999 23:59:59 GMT", None),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ] {
            let found = tries(4).pause(Some(&with(value)));
            assert_eq!(found, pause.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn pauses_of_one_request_end_with_the_wait_limit() {
        let mut asked = tries(20);
        let pauses: Vec<_> = (0..20).map(|_| asked.pause(Some(&with("25")))).collect();
        assert_eq!(pauses.iter().flatten().count(), 2, "25 s and 25 s");
        let mut doubling = tries(20);
        let sum: Duration = (0..20).filter_map(|_| doubling.pause(None)).sum();
        assert!(sum <= MINUTE && sum >= Duration::from_secs(30), "{sum:?}");
        assert_eq!(tries(0).pause(None), None);
    }

    #[test]
    fn backoff_without_advice_grows_to_its_limit() {
        for headers in [None, Some(with("soon")), Some(with("-5")), Some(with("+5"))] {
            let pause = tries(1).pause(headers.as_ref()).unwrap();
            assert!(pause <= Duration::from_millis(500), "{pause:?}");
        }
        for (retried, most) in [(0, 0.5), (1, 1.0), (3, 4.0), (60, 12.5)] {
            assert!(backoff(retried).as_secs_f64() <= most, "{retried}");
        }
    }

    #[test]
    fn rate_below_the_minimum_over_the_window_is_too_slow() {
        let half = Duration::from_secs(15);
        for (bytes, is_slow) in [(149_999, true), (150_000, false), (5_000_000, false), (0, true)] {
            let mut watch = RateWatch::new(Duration::from_secs(3600));
            assert!(!watch.is_too_slow(half, bytes), "half of a window decides nothing");
            assert_eq!(watch.is_too_slow(half, bytes), is_slow, "{bytes}");
        }
        let mut watch = RateWatch::new(Duration::from_secs(2));
        assert!(watch.is_too_slow(Duration::from_secs(2), 19_999));
        assert!(!watch.is_too_slow(Duration::ZERO, 1), "a new window begins");
    }

    #[test]
    fn statuses_that_another_try_may_change_are_retryable() {
        for (status, expected) in [
            (408, true),
            (429, true),
            (500, true),
            (502, true),
            (503, true),
            (521, true),
            (501, false),
            (400, false),
            (403, false),
            (404, false),
            (200, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_retryable(status), expected, "{status}");
        }
    }
}
