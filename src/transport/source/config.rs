//! Image configurations that another tool wrote.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::SourceError;
use super::documents::{List, list};
use crate::digest::DiffId;
use crate::image::Document;
use crate::spec::Platform;

/// An image configuration, with all its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What the image runs on.
    pub platform: Platform,
    /// The version of the operating system, which images for Windows state.
    pub os_version: Option<String>,
    /// The object `config`, as it stands.
    pub config: Map<String, Value>,
    /// The layers by diff id, bottom first.
    pub diff_ids: Vec<DiffId>,
    /// The entries of `history`, as they stand; none if it is missing.
    pub history: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
struct ForeignConfig {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
    #[serde(rename = "os.version")]
    os_version: Option<String>,
    config: Option<Map<String, Value>>,
    rootfs: Option<ForeignRootfs>,
    history: Option<Vec<Map<String, Value>>>,
}

#[derive(Deserialize)]
struct ForeignRootfs {
    #[serde(default, deserialize_with = "list")]
    diff_ids: List<DiffId>,
}

impl Config {
    /// Understands a config whose image has that many layers.
    pub fn parse(document: &Document, layers: usize) -> Result<Self, SourceError> {
        let digest = document.descriptor.digest;
        Self::parse_bytes(&document.bytes, layers).map_err(|why| SourceError::Document {
            what: "config",
            digest,
            why,
        })
    }

    fn parse_bytes(bytes: &[u8], layers: usize) -> Result<Self, String> {
        let foreign: ForeignConfig = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let diff_ids = foreign
            .rootfs
            .and_then(|rootfs| rootfs.diff_ids)
            .ok_or("it has no `rootfs.diff_ids`")?
            .unwrap_or_default();
        if diff_ids.len() != layers {
            return Err(format!(
                "it has {} diff ids for the {layers} layers of the manifest",
                diff_ids.len()
            ));
        }
        for (field, value) in [("os", &foreign.os), ("architecture", &foreign.architecture)] {
            if value.is_empty() {
                return Err(format!("it has no `{field}`"));
            }
        }
        Ok(Self {
            platform: Platform {
                os: foreign.os,
                architecture: foreign.architecture,
                variant: foreign.variant.filter(|variant| !variant.is_empty()),
            },
            os_version: foreign.os_version.filter(|version| !version.is_empty()),
            config: foreign.config.unwrap_or_default(),
            diff_ids,
            history: foreign.history.unwrap_or_default(),
        })
    }
}
