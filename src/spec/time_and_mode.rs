//! Times and modes: text in JSON, numbers from then on.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time in whole seconds, not before 1970; RFC 3339 as text. The default is one
/// second past the epoch, which is what Nix gives the files of its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(u64);

impl Time {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

impl Default for Time {
    fn default() -> Self {
        Self(1)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{time}")
    }
}

impl std::str::FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(60).collect();
        let time: jiff::Timestamp = text.parse().map_err(|_| {
            format!("`{shown}` is not a time; write RFC 3339, such as 1970-01-01T00:00:01Z")
        })?;
        u64::try_from(time.as_second()).map(Self).map_err(|_| format!("`{shown}` is before 1970"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

/// Permission bits with setuid, setgid and sticky; `"0644"` as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(u32);

impl Mode {
    /// The twelve lowest bits of what a file system says.
    pub fn of(bits: u32) -> Self {
        Self(bits & 0o7777)
    }

    /// The twelve bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let octal = (1..=5).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
        match u32::from_str_radix(text, 8) {
            Ok(bits) if octal && bits <= 0o7777 => Ok(Self(bits)),
            _ => {
                let shown: String = text.chars().take(20).collect();
                Err(format!("mode `{shown}` is not octal between 0000 and 7777"))
            }
        }
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{:04o}", self.0))
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}
