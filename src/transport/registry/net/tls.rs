//! Trust: the system's certificate authorities and those that the user names, nothing less.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
};

use super::super::client::within;
use super::super::{Options, RegistryError};
use crate::error_chain;
use crate::transport::http::certificates;
use crate::transport::http::certificates::Unusable;

/// What a folder and options say about one host, by Docker's convention.
#[derive(Debug, Default)]
struct Files {
    /// Certificates of authorities: `*.crt` and those that were named.
    authorities: Vec<PathBuf>,
    /// A certificate and its key: `client.cert` and `client.key`.
    identity: Option<(PathBuf, PathBuf)>,
}

/// TLS 1.2 and newer with one host, certificates checked against it. If it asks who we are it is
/// shown the certificate that lies in its folder, if one does.
pub(in super::super) fn config(
    ca_files: &[PathBuf],
    folder: Option<&Path>,
) -> Result<ClientConfig, RegistryError> {
    let files = files(ca_files, folder)?;
    let mut roots = RootCertStore::empty();
    // A machine without any (a sandbox, an image) still has the files that were named.
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    let mut named = Vec::new();
    for path in &files.authorities {
        for certificate in certificates::read(path)? {
            let add = roots.add(certificate.clone());
            add.map_err(|error| Unusable::new(path, error))?;
            named.push(certificate);
        }
    }
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| RegistryError::Client(error);
    let builder = ClientConfig::builder_with_provider(certificates::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.into()))?;
    let builder = if roots.is_empty() {
        builder.with_root_certificates(roots)
    } else {
        let strict =
            WebPkiServerVerifier::builder_with_provider(roots.into(), certificates::provider());
        let strict = strict.build().map_err(|error| failed(error.into()))?;
        let verifier = Arc::new(Verifier { strict, named });
        builder.dangerous().with_custom_certificate_verifier(verifier)
    };
    Ok(match files.identity {
        Some((certificate, key)) => {
            builder.with_client_cert_resolver(certificates::identity(&certificate, &key)?)
        }
        None => builder.with_no_client_auth(),
    })
}

/// The first of the usual folders of a host, with its port unless that is the usual one too.
pub(in super::super) fn usual_folder(options: &Options, host: &str) -> Option<PathBuf> {
    options.certificate_dirs.iter().map(|dir| dir.join(host)).find(|dir| dir.is_dir())
}

/// Finds the files for a host: those in its folder, and the authorities that were named.
fn files(ca_files: &[PathBuf], folder: Option<&Path>) -> Result<Files, RegistryError> {
    let mut files = Files { authorities: ca_files.to_vec(), ..Files::default() };
    let Some(dir) = folder else { return Ok(files) };
    let entries = std::fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|error| Unusable::new(dir, error))?;
    let mut paths: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let pair = match extension {
            Some("crt") => {
                files.authorities.push(path);
                continue;
            }
            Some("cert") => (path.clone(), path.with_extension("key")),
            Some("key") => (path.with_extension("cert"), path.clone()),
            _ => continue,
        };
        if files.identity.as_ref().is_some_and(|known| *known != pair) {
            let why = "there are two pairs of a `.cert` and a `.key` in it; leave one";
            return Err(Unusable::new(dir, why).into());
        }
        files.identity = Some(pair);
    }
    Ok(files)
}

impl From<Unusable> for RegistryError {
    fn from(Unusable { path, why }: Unusable) -> Self {
        Self::Certificates { path, why }
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

/// What rustls says in an error or its causes.
pub(in super::super) fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    error_chain::iter(error).find_map(|error| within(error).downcast_ref())
}

/// Whether the other side broke off because of who we are, or because we did not say.
pub(in super::super) fn is_client_cert_rejected(error: &(dyn Error + 'static)) -> bool {
    use AlertDescription as Alert;
    let Some(rustls::Error::AlertReceived(alert)) = cause(error) else { return false };
    [
        Alert::AccessDenied,
        Alert::BadCertificate,
        Alert::CertificateExpired,
        Alert::CertificateRequired,
        Alert::CertificateUnknown,
        Alert::UnknownCA,
    ]
    .contains(alert)
}
