//! Trust: the system's certificate authorities and those that the user names, nothing less.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

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
    let mut named = Vec::new();
    for path in ca_files {
        named.extend(add_file(&mut roots, path)?);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| RegistryError::Client(error);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.into()))?;
    if roots.is_empty() {
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    }
    let strict = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| failed(error.into()))?;
    let verifier = Arc::new(Verifier { strict, named });
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn add_file(
    roots: &mut RootCertStore,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, RegistryError> {
    let unusable = |why: String| RegistryError::Certificates { path: path.into(), why };
    let bytes =
        file::read(path, BUNDLE_LIMIT).map_err(|error| unusable(error.source.to_string()))?;
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate.clone()).map_err(|error| unusable(error.to_string()))?;
        found.push(certificate);
    }
    match found.is_empty() {
        true => Err(unusable("there is no PEM certificate in it".into())),
        false => Ok(found),
    }
}

/// rustls' own verification, which does not take a self-signed certificate as a server's, though
/// `openssl req -x509` makes nothing else. One that the user named, byte for byte, is as good as
/// one that an authority vouches for: its name, its dates and its signature count all the same.
#[derive(Debug)]
struct Verifier {
    strict: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let strict =
            self.strict.verify_server_cert(end_entity, intermediates, server_name, ocsp, now);
        match strict {
            Err(error) if is_self_signed(&error) && self.named.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.strict.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.strict.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}

/// Whether all that is wrong is that the certificate could sign others. webpki says so only of
/// one whose dates it has found good.
fn is_self_signed(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}
