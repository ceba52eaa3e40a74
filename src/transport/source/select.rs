//! Which of several images is meant.

use std::collections::BTreeSet;

use super::documents::is_index;
use super::{
    MANIFEST_LIMIT, Manifest, Source, SourceError, StoredImage, check_configs, check_depth, listed,
    names_of, read_document, read_image, read_manifest,
};
use crate::digest::Digest;
use crate::image::Descriptor;
use crate::spec::Platform;
use crate::transport::familiar;

/// The one entry that a name means: a tag, a whole name or a digest; without a name, the only
/// one that there is.
pub fn choose(source: &dyn Source, wanted: Option<&str>) -> Result<Descriptor, SourceError> {
    let roots = source.roots()?;
    let place = source.name();
    let choices = || listed(roots.iter().flat_map(names_of));
    let mut matching = roots.iter().filter(|root| wanted.is_none_or(|name| is_called(root, name)));
    let first = match (matching.next(), wanted) {
        (Some(first), _) => first,
        (None, Some(wanted)) => {
            let wanted = wanted.to_owned();
            return Err(SourceError::NoSuchImage { place, wanted, choices: choices() });
        }
        (None, None) => {
            return Err(SourceError::NoSuchImage { place, wanted: "*".into(), choices: choices() });
        }
    };
    match matching.any(|other| other.digest != first.digest) {
        true => Err(SourceError::Ambiguous { place, choices: choices() }),
        false => Ok(first.clone()),
    }
}

/// Whether an entry has a name, or a name whose tag is that, or a digest.
fn is_called(root: &Descriptor, wanted: &str) -> bool {
    let called = |name: &String| {
        let (name, wanted) = (familiar(name), familiar(wanted));
        let tag = name.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'));
        // `latest` is what is meant by none.
        let meant = name.strip_suffix(":latest") == Some(wanted);
        name == wanted || tag == Some(wanted) || meant
    };
    let short = root.annotations.get(super::REF_NAME);
    names_of(root).iter().chain(short).any(called) || root.digest.to_string() == wanted
}

/// The images that a descriptor leads to: itself, or those of the index that it names, each
/// with its descriptor; attestations are left out. With a platform, the one image for it.
pub fn images(
    source: &dyn Source,
    root: &Descriptor,
    platform: Option<&Platform>,
) -> Result<Vec<StoredImage>, SourceError> {
    match platform {
        None => {
            let mut found = Vec::new();
            all(source, root, 0, &mut BTreeSet::new(), &mut found)?;
            Ok(found)
        }
        Some(platform) => {
            let descriptor = for_platform(source, root, platform, 0)?;
            let mut image = read_image(source, &descriptor)?;
            image.names = names_of(root);
            Ok(vec![image])
        }
    }
}

fn all(
    source: &dyn Source,
    root: &Descriptor,
    depth: usize,
    known: &mut BTreeSet<(Digest, u64, String)>,
    found: &mut Vec<StoredImage>,
) -> Result<(), SourceError> {
    // Indexes that name the same one again and again would never end, nor fit into memory.
    if !known.insert((root.digest, root.size, root.media_type.clone())) {
        return Ok(());
    }
    let Some(entries) = index_entries(source, root, depth)? else {
        let image = read_image(source, root)?;
        check_configs(found, &image)?;
        found.push(image);
        return Ok(());
    };
    for entry in entries.iter().filter(|entry| !is_attestation(entry)) {
        all(source, entry, depth + 1, known, found)?;
    }
    Ok(())
}

/// The entries of an index, or none if the descriptor names an image.
fn index_entries(
    source: &dyn Source,
    root: &Descriptor,
    depth: usize,
) -> Result<Option<Vec<Descriptor>>, SourceError> {
    if !is_index(&root.media_type) {
        return Ok(None);
    }
    let digest = root.digest;
    check_depth(root, depth)?;
    let document = read_document(source, root, "index", MANIFEST_LIMIT)?;
    if let Manifest::Index(entries) = read_manifest(&document)? {
        Ok(Some(entries))
    } else {
        let why = "it is an image where an index should be".into();
        Err(SourceError::Document { what: "index", digest, why })
    }
}

/// Docker's build tool writes what it knows about an image beside it, for no platform.
fn is_attestation(entry: &Descriptor) -> bool {
    entry.platform.as_ref().is_some_and(|p| p.os == "unknown" && p.architecture == "unknown")
        || entry.annotations.contains_key("vnd.docker.reference.type")
}

fn for_platform(
    source: &dyn Source,
    root: &Descriptor,
    wanted: &Platform,
    depth: usize,
) -> Result<Descriptor, SourceError> {
    let Some(entries) = index_entries(source, root, depth)? else { return Ok(root.clone()) };
    let entries: Vec<&Descriptor> = entries.iter().filter(|entry| !is_attestation(entry)).collect();
    let choices = || {
        listed(entries.iter().map(|entry| {
            entry.platform.as_ref().map_or_else(|| "no platform".into(), Platform::to_string)
        }))
    };
    let error = |found| SourceError::Platform {
        digest: root.digest,
        found,
        wanted: wanted.clone(),
        choices: choices(),
    };
    match fitting(&entries, wanted).as_slice() {
        [] => Err(error("no image")),
        [entry] => for_platform(source, entry, wanted, depth + 1),
        [first, rest @ ..] if rest.iter().all(|entry| entry.digest == first.digest) => {
            for_platform(source, first, wanted, depth + 1)
        }
        _ => Err(error("several images")),
    }
}

/// The entries that fit best: of the same variant; if there is none, those of which one side
/// names no variant. An entry without a platform fits when it is the only one.
fn fitting<'a>(entries: &[&'a Descriptor], wanted: &Platform) -> Vec<&'a Descriptor> {
    let same = |entry: &&&Descriptor| match &entry.platform {
        Some(platform) => platform.os == wanted.os && platform.architecture == wanted.architecture,
        None => entries.len() == 1,
    };
    let candidates: Vec<&Descriptor> = entries.iter().filter(same).copied().collect();
    let variant_of = |entry: &Descriptor| entry.platform.as_ref().and_then(variant);
    let exact: Vec<&Descriptor> =
        candidates.iter().filter(|entry| variant_of(entry) == variant(wanted)).copied().collect();
    if !exact.is_empty() {
        return exact;
    }
    let loose = |entry: &&&Descriptor| variant(wanted).is_none() || variant_of(entry).is_none();
    candidates.iter().filter(loose).copied().collect()
}

/// All 64-bit ARM is v8 unless it says otherwise.
fn variant(platform: &Platform) -> Option<String> {
    let implied = platform.architecture == "arm64" && platform.variant.as_deref() == Some("v8");
    platform.variant.clone().filter(|_| !implied)
}
