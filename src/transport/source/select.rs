//! Which of several images is meant.

use std::collections::{BTreeMap, BTreeSet};

use super::documents::{IndexEntry, is_blob, is_index};
use super::platform_label::stated_label;
use super::{
    MANIFEST_LIMIT, Manifest, ResolvedImage, Source, SourceError, artifact, check_configs,
    check_depth, listed, names_of, read_document, read_image, read_manifest,
};
use crate::digest::Digest;
use crate::image::Descriptor;
use crate::progress::Reporter;
use crate::spec::{Platform, Rank};
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
    let Some(other) = matching.find(|other| other.digest != first.digest) else {
        return Ok(first.clone());
    };
    // A name may have an image for each of several platforms.
    let platforms = first.platform.as_ref().zip(other.platform.as_ref());
    let is_same_platform = platforms.is_none_or(|(a, b)| a.is_same(b));
    match names_of(first).first() {
        Some(name) if is_same_platform && names_of(other).contains(name) => {
            Err(SourceError::SameName {
                place,
                name: name.clone(),
                first: first.digest,
                second: other.digest,
            })
        }
        _ => Err(SourceError::Ambiguous { place, choices: choices() }),
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

/// Returns the images that a descriptor leads to: itself, or those of the index that it names. With
/// a platform, it is the one image for it.
///
/// The index decides which platform an image is for; the config does where the index does not say
/// it. Two images for one platform are an error. What is not an image is passed over.
pub fn images(
    source: &dyn Source,
    root: &Descriptor,
    platform: Option<&Platform>,
    reporter: &dyn Reporter,
) -> Result<Vec<ResolvedImage>, SourceError> {
    let mut search = Search::new(source, root, reporter)?;
    let found = match platform {
        None => search.all()?,
        Some(platform) => {
            let mut image = search.best(platform)?;
            image.names = names_of(root);
            vec![image]
        }
    };
    for image in &found {
        if let Some(message) = image.contradiction() {
            let digest = image.manifest.descriptor.digest;
            reporter.warn(&format!("image {digest}: {message}; the index decides"));
        }
    }
    Ok(found)
}

/// Returns the images of several roots. A root that is not an image is passed over where another
/// one is. An image for which `is_known` takes its names is not kept again.
pub fn all_images(
    source: &dyn Source,
    roots: &[Descriptor],
    reporter: &dyn Reporter,
    is_known: impl Fn(&mut [ResolvedImage], &ResolvedImage) -> bool,
) -> Result<Vec<ResolvedImage>, SourceError> {
    let (mut found, mut other) = (Vec::new(), None);
    for root in roots {
        match images(source, root, None, reporter) {
            Ok(images) => {
                for image in images {
                    if !is_known(&mut found, &image) {
                        check_configs(&found, &image)?;
                        found.push(image);
                    }
                }
            }
            Err(error @ (SourceError::NotAnImage { .. } | SourceError::NoImages { .. })) => {
                other.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match other {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

/// The images below a root, before any of them is read.
struct Search<'a> {
    source: &'a dyn Source,
    root: &'a Descriptor,
    reporter: &'a dyn Reporter,
    /// Indexes by digest and size, and images with their platforms: in a few kilobytes indexes can
    /// name each other billions of times.
    known: BTreeSet<(Digest, u64, String)>,
    leaves: Vec<Descriptor>,
    /// Phrases for what is not an image.
    others: Vec<String>,
}

impl<'a> Search<'a> {
    fn new(
        source: &'a dyn Source,
        root: &'a Descriptor,
        reporter: &'a dyn Reporter,
    ) -> Result<Self, SourceError> {
        let (known, leaves, others) = (BTreeSet::new(), Vec::new(), Vec::new());
        let mut search = Self { source, root, reporter, known, leaves, others };
        if is_blob(root) {
            let kind = artifact::phrase(&root.media_type);
            return Err(SourceError::NotAnImage { what: "blob", digest: root.digest, kind });
        }
        search.follow(root, 0)?;
        Ok(search)
    }

    fn follow(&mut self, entry: &Descriptor, depth: usize) -> Result<(), SourceError> {
        let platform = entry.platform.as_ref().map(|_| stated_label(entry));
        let key = format!("{} {}", entry.media_type, platform.unwrap_or_default());
        if !self.known.insert((entry.digest, entry.size, key)) {
            return Ok(());
        }
        if !is_index(&entry.media_type) {
            self.leaves.push(entry.clone());
            return Ok(());
        }
        check_depth(entry, depth)?;
        let digest = entry.digest;
        let document = read_document(self.source, entry, "index", MANIFEST_LIMIT)?;
        let Manifest::Index(entries) = read_manifest(&document)? else {
            let why = "it is an image where an index should be".into();
            return Err(SourceError::Document { what: "index", digest, why });
        };
        let place = format!("index {digest}");
        let warnings = entries.iter().filter_map(|entry| entry.warning(&place));
        warnings.for_each(|warning| self.reporter.warn(&warning));
        for entry in entries.iter().filter_map(IndexEntry::read) {
            if is_attestation(entry) {
                self.others.push("an attestation".into());
            } else if is_blob(entry) {
                self.others.push(artifact::phrase(&entry.media_type));
            } else {
                self.follow(entry, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Reads an image, or notes that something else is there.
    fn read(&mut self, leaf: &Descriptor) -> Result<Option<ResolvedImage>, SourceError> {
        match read_image(self.source, leaf) {
            Ok(image) => Ok(Some(image)),
            Err(SourceError::NotAnImage { kind, .. }) if leaf.digest != self.root.digest => {
                self.others.push(kind);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn all(&mut self) -> Result<Vec<ResolvedImage>, SourceError> {
        let mut found: Vec<ResolvedImage> = Vec::new();
        let mut keys = BTreeMap::new();
        for leaf in &std::mem::take(&mut self.leaves) {
            let Some(image) = self.read(leaf)? else { continue };
            check_configs(&found, &image)?;
            let platform = image.label();
            let second = leaf.digest;
            match keys.insert(platform.clone(), second) {
                None => found.push(image),
                // An entry with a platform and one without it can name one image.
                Some(first) if first == second => {}
                Some(first) => {
                    let digest = self.root.digest;
                    return Err(SourceError::SamePlatform { digest, platform, first, second });
                }
            }
        }
        if found.is_empty() { Err(self.nothing()) } else { Ok(found) }
    }

    /// The best image for a platform.
    fn best(&mut self, wanted: &Platform) -> Result<ResolvedImage, SourceError> {
        if !is_index(&self.root.media_type) {
            let image = read_image(self.source, self.root)?;
            if image.platform().rank_on(wanted).is_some() {
                return Ok(image);
            }
            return Err(SourceError::OtherPlatform {
                place: self.source.name(),
                digest: self.root.digest,
                own: image.platform().clone(),
                wanted: wanted.clone(),
            });
        }
        let mut choices = Vec::new();
        let mut ranked: Vec<(Rank, Choice)> = Vec::new();
        for leaf in std::mem::take(&mut self.leaves) {
            let Some(choice) = self.choice(leaf)? else { continue };
            let rank = choice.rank_on(wanted);
            choices.push(choice.label.clone());
            ranked.extend(rank.map(|rank| (rank, choice)));
        }
        let error = |found, choices| SourceError::Platform {
            digest: self.root.digest,
            found,
            wanted: wanted.clone(),
            choices,
        };
        while let Some(best) = ranked.iter().map(|(rank, _)| rank).max().cloned() {
            let (group, rest): (Vec<_>, Vec<_>) =
                ranked.into_iter().partition(|(rank, _)| *rank == best);
            ranked = rest;
            if let Some(image) = self.only(group.into_iter().map(|(_, choice)| choice), &error)? {
                return Ok(image);
            }
        }
        match choices.is_empty() {
            true => Err(self.nothing()),
            false => Err(error("no image", listed(choices))),
        }
    }

    /// Returns the image of equally good choices, of which one at most may be an image. At most
    /// two images are in memory.
    fn only(
        &self,
        choices: impl Iterator<Item = Choice>,
        error: &dyn Fn(&'static str, String) -> SourceError,
    ) -> Result<Option<ResolvedImage>, SourceError> {
        let mut first: Option<(Choice, ResolvedImage)> = None;
        let mut others = BTreeSet::new();
        for choice in choices {
            let Some((choice, image)) = choice.read(self.source)? else { continue };
            let Some((known, _)) = &first else {
                first = Some((choice, image));
                continue;
            };
            if known.leaf.digest == choice.leaf.digest {
                continue;
            }
            if known.label == choice.label {
                return Err(SourceError::SamePlatform {
                    digest: self.root.digest,
                    platform: choice.label,
                    first: known.leaf.digest,
                    second: choice.leaf.digest,
                });
            }
            others.insert(choice.label);
        }
        match first {
            Some((known, _)) if !others.is_empty() => {
                let labels = std::iter::once(known.label).chain(others);
                Err(error("several images", listed(labels)))
            }
            first => Ok(first.map(|(_, image)| image)),
        }
    }

    /// The platform of an entry; its config is read where the index does not state it.
    fn choice(&mut self, leaf: Descriptor) -> Result<Option<Choice>, SourceError> {
        if let Some(platform) = leaf.platform.clone().filter(|platform| !platform.os.is_empty()) {
            return Ok(Some(Choice { label: stated_label(&leaf), platform, leaf }));
        }
        Ok(self.read(&leaf)?.map(|image| Choice {
            label: image.label(),
            platform: image.parsed.platform,
            leaf,
        }))
    }

    fn nothing(&self) -> SourceError {
        let kinds = self.others.iter().collect::<BTreeSet<_>>();
        let kinds: Vec<&str> = kinds.into_iter().take(5).map(String::as_str).collect();
        let kinds = if kinds.is_empty() { "no entries".into() } else { kinds.join(", ") };
        SourceError::NoImages { digest: self.root.digest, kinds }
    }
}

/// An entry of an index with its platform.
struct Choice {
    leaf: Descriptor,
    platform: Platform,
    /// The platform with the version of its operating system.
    label: String,
}

impl Choice {
    /// Returns how well it runs there. A platform may be asked for with its version too.
    fn rank_on(&self, wanted: &Platform) -> Option<Rank> {
        let os = self.label.split('/').next().unwrap_or_default().to_owned();
        let versioned = Platform { os, ..self.platform.clone() };
        self.platform.rank_on(wanted).or_else(|| versioned.rank_on(wanted))
    }

    /// Reads the image; nothing if it is something else.
    fn read(self, source: &dyn Source) -> Result<Option<(Self, ResolvedImage)>, SourceError> {
        match read_image(source, &self.leaf) {
            Ok(image) => Ok(Some((self, image))),
            Err(SourceError::NotAnImage { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Docker's build tool writes what it knows about an image beside it, for no platform.
fn is_attestation(entry: &Descriptor) -> bool {
    entry.platform.as_ref().is_some_and(|p| p.os == "unknown" && p.architecture == "unknown")
        || entry.annotations.contains_key("vnd.docker.reference.type")
}
