//! Extended tar headers (POSIX pax, `Extended Header`).

use super::TarError;

/// What extended headers say about the entry that follows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::transport::source) struct Extended {
    is_pax: bool,
    pub(in crate::transport::source) path: Option<Vec<u8>>,
    pub(in crate::transport::source) link: Option<Vec<u8>>,
    pub(in crate::transport::source) size: Option<u64>,
    pub(in crate::transport::source) uid: Option<u64>,
    pub(in crate::transport::source) gid: Option<u64>,
    pub(in crate::transport::source) sparse: bool,
}

impl Extended {
    /// PAX records: `LENGTH KEY=VALUE\n`, the length counting itself. An empty value takes a
    /// record back.
    pub(in crate::transport::source) fn pax(
        &mut self,
        mut bytes: &[u8],
        offset: u64,
    ) -> Result<(), TarError> {
        let error = |why| TarError::Extension { offset, why };
        // The later one is added to the first, or takes its place.
        if std::mem::replace(&mut self.is_pax, true) {
            return Err(error("it is the second one of its entry"));
        }
        while !bytes.is_empty() {
            let blank = bytes.iter().take(20).position(|byte| *byte == b' ');
            let length = blank
                .and_then(|at| std::str::from_utf8(bytes.get(..at)?).ok()?.parse::<usize>().ok())
                .ok_or_else(|| error("a record has no length"))?;
            let record = blank
                .and_then(|at| bytes.get(at + 1..length))
                .and_then(|record| record.strip_suffix(b"\n"))
                .ok_or_else(|| error("a record's length is wrong"))?;
            let equals = record.iter().position(|byte| *byte == b'=');
            let (key, value) = equals
                .and_then(|at| Some((record.get(..at)?, record.get(at + 1..)?)))
                .ok_or_else(|| error("a record has no equals sign"))?;
            self.record(key, value)
                .ok_or_else(|| error("a record that should be a number is none"))?;
            bytes = bytes.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    /// A header for all entries that follow: GNU tar heeds it, and Go's reader, which Docker has,
    /// passes it over. One without anything that matters, such as Git's, is fine.
    pub(in crate::transport::source) fn for_all(bytes: &[u8], offset: u64) -> Result<(), TarError> {
        let mut global = Self::default();
        global.pax(bytes, offset)?;
        if global == (Self { is_pax: true, ..Self::default() }) {
            return Ok(());
        }
        Err(TarError::Extension { offset, why: "it gives all entries one name, size or owner" })
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let some = |value: &[u8]| Some(value.to_vec()).filter(|value| !value.is_empty());
        match key {
            b"path" => self.path = some(value),
            b"linkpath" => self.link = some(value),
            b"size" => self.size = number(value)?,
            b"uid" => self.uid = number(value)?,
            b"gid" => self.gid = number(value)?,
            key if key.starts_with(b"GNU.sparse.") => self.sparse = true,
            _ => {}
        }
        Some(())
    }
}

/// A PAX number; none if it was taken back.
#[expect(clippy::option_option, reason = "taken back is not broken")]
fn number(value: &[u8]) -> Option<Option<u64>> {
    match value.is_empty() {
        true => Some(None),
        false => std::str::from_utf8(value).ok()?.parse().ok().map(Some),
    }
}
