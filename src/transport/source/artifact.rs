//! Names for what is not an image: charts, build caches, attestations, signatures.

/// Kinds by a part of their media types.
const KINDS: [(&str, &str); 16] = [
    ("vnd.cncf.helm.", "a Helm chart"),
    ("vnd.buildkit.cacheconfig.", "a BuildKit build cache"),
    ("vnd.in-toto+json", "an attestation"),
    ("vnd.docker.attestation.", "an attestation"),
    ("vnd.dev.sigstore.bundle", "a signature"),
    ("vnd.dev.cosign.", "a signature"),
    ("vnd.cncf.notary.", "a signature"),
    ("spdx", "an SBOM"),
    ("cyclonedx", "an SBOM"),
    ("sbom", "an SBOM"),
    ("vnd.docker.plugin.", "a Docker plugin"),
    ("vnd.wasm.", "a WebAssembly module"),
    ("vnd.oci.image.index.", "an index"),
    ("vnd.docker.distribution.manifest.list.", "an index"),
    ("image.layer.", "a layer"),
    ("image.rootfs.", "a layer"),
];

/// Returns a phrase for something of a media type that is not an image's.
pub(crate) fn phrase(media_type: &str) -> String {
    let lower = media_type.to_ascii_lowercase();
    let known = KINDS.iter().find(|(part, _)| lower.contains(part));
    let kind = known.map_or("an artifact", |(_, kind)| kind);
    match media_type {
        "" => kind.into(),
        _ => format!("{kind} of the type `{}`", cut(media_type)),
    }
}

/// Returns a media type as a message shows it.
pub(super) fn cut(media_type: &str) -> String {
    media_type.chars().take(100).collect()
}
