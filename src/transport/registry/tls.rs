//! Trust: the system's certificate authorities and those that the user names, nothing less.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::RegistryError;
use crate::file;

/// Bundles of all public authorities are a quarter of a megabyte.
const BUNDLE_LIMIT: u64 = 16 << 20;

/// TLS 1.2 and newer, certificates checked against their host.
pub(super) fn config(ca_files: &[PathBuf]) -> Result<ClientConfig, RegistryError> {
    let mut roots = RootCertStore::empty();
    // A machine without any (a sandbox, an image) still has the files that were named.
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    for path in ca_files {
        add_file(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| RegistryError::Client(error.into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), RegistryError> {
    let unusable = |why: String| RegistryError::Certificates { path: path.into(), why };
    let bytes =
        file::read(path, BUNDLE_LIMIT).map_err(|error| unusable(error.source.to_string()))?;
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        found = true;
    }
    match found {
        true => Ok(()),
        false => Err(unusable("there is no PEM certificate in it".into())),
    }
}
