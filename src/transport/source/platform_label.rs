//! The names of platforms in messages, keys and locks.

use serde::Deserialize;

use crate::image::Descriptor;
use crate::spec::Platform;

/// Returns the platform of an image as containerd writes it, with the version of the operating
/// system if the index or the config states it: `windows(10.0.17763.1)/amd64`.
pub(crate) fn label(entry: &Descriptor, own: &Platform, os_version: Option<&str>) -> String {
    match entry.platform.as_ref().filter(|platform| !platform.os.is_empty()) {
        Some(_) => stated_label(entry),
        None => labelled(own, os_version, &[]),
    }
}

/// Describes what an index says of an image, if its config contradicts that.
pub(crate) fn contradiction(stated: Option<&Platform>, own: &Platform) -> Option<String> {
    let stated = stated.filter(|stated| !stated.os.is_empty() && !stated.fits(own))?;
    Some(format!("the index says {stated}, and the image's config {own}"))
}

pub(super) fn stated_label(entry: &Descriptor) -> String {
    #[derive(Default, Deserialize)]
    struct Stated {
        #[serde(default)]
        platform: Version,
    }
    #[derive(Default, Deserialize)]
    struct Version {
        #[serde(rename = "os.version")]
        version: Option<String>,
        #[serde(rename = "os.features")]
        features: Option<Vec<String>>,
    }
    let words = entry.words.as_deref().unwrap_or("{}");
    // Values of another shape say nothing that cooper could compare.
    let Version { version, features } =
        serde_json::from_str::<Stated>(words).unwrap_or_default().platform;
    let platform = entry.platform.clone().unwrap_or_default();
    labelled(&platform, version.as_deref(), &features.unwrap_or_default())
}

fn labelled(platform: &Platform, version: Option<&str>, features: &[String]) -> String {
    let parts: Vec<&str> = version
        .into_iter()
        .chain(features.iter().map(String::as_str))
        .filter(|part| !part.is_empty())
        .collect();
    let platform = platform.normalized();
    match parts.is_empty() {
        true => platform.to_string(),
        false => {
            Platform { os: format!("{}({})", platform.os, parts.join("+")), ..platform }.to_string()
        }
    }
}
