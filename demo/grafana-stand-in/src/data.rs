//! The data directory. Like Grafana, the stand-in does not start if it cannot write to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

const FILE: &str = "grafana-stand-in.json";

/// Errors of the data directory.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} `{path}`; GF_PATHS_DATA must name a directory that this user can write to")]
pub(crate) struct DataError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The state that is kept over a restart.
#[derive(Debug, Default, Deserialize, Serialize)]
struct SavedState {
    starts: u64,
}

/// The open data directory.
#[derive(Debug)]
pub(crate) struct State {
    file: PathBuf,
    /// Number of starts with this directory, including this one.
    pub(crate) starts: u64,
}

impl State {
    /// Returns true if the state that was written can be read back.
    pub(crate) fn is_ok(&self) -> bool {
        read(&self.file).is_ok_and(|kept| kept.starts == self.starts)
    }
}

/// Creates `directory` if it is missing, and counts this start in it.
pub(crate) fn open(directory: &Path) -> Result<State, DataError> {
    let file = directory.join(FILE);
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| DataError { doing, path, source }
    };
    fs::create_dir_all(directory).map_err(failed("create", directory))?;
    let before = match read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => SavedState::default(),
        other => other.map_err(failed("read", &file))?,
    };
    let kept = SavedState { starts: before.starts.saturating_add(1) };
    let new = file.with_extension("new");
    serde_json::to_vec(&kept)
        .map_err(io::Error::from)
        .and_then(|bytes| fs::write(&new, bytes))
        .and_then(|()| fs::rename(&new, &file))
        .map_err(failed("write", &file))?;
    Ok(State { file, starts: kept.starts })
}

fn read(file: &Path) -> io::Result<SavedState> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}
