//! Grafana's home directory: the configuration's defaults, and the plugins that it comes with.
//!
//! Up to 13.1 data sources are in `public/app/plugins`, from 13.2 on in `data/plugins-bundled`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::discover;

const DEFAULTS: &str = "conf/defaults.ini";
const PLUGINS: [&str; 2] = ["public/app/plugins", "data/plugins-bundled"];

/// A home directory without the defaults, with which Grafana does not start either.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not find config defaults `{0}`; set --homepath to the directory that has `conf` and \
     `public`, or start in it"
)]
pub(crate) struct NoDefaults(PathBuf);

/// Returns the ids of the plugins that come with Grafana, and the names that they had before.
pub(crate) fn plugin_ids(homepath: &Path) -> Result<BTreeSet<String>, NoDefaults> {
    let defaults = homepath.join(DEFAULTS);
    if !defaults.is_file() {
        return Err(NoDefaults(defaults));
    }
    let mut ids = BTreeSet::new();
    for directory in PLUGINS.map(|below| homepath.join(below)) {
        if !directory.is_dir() {
            continue;
        }
        for plugin in discover::find(&directory).into_iter().flatten() {
            let json = fs::read(plugin.path.join(discover::PLUGIN_JSON));
            let json: Value =
                json.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
            let text = |value: &Value| value.as_str().map(str::to_owned);
            ids.extend(json.get("id").and_then(text));
            ids.extend(
                json.get("aliasIDs")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(text),
            );
        }
    }
    Ok(ids)
}
