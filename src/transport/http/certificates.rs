//! Certificates and keys, as PEM files hold them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::fs;

/// Bundles of all public authorities are a quarter of a megabyte.
const LIMIT: u64 = 16 << 20;

/// A file of certificates or a key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificates in `{path}` are unusable: {why}")]
pub(in crate::transport) struct Unusable {
    pub(in crate::transport) path: PathBuf,
    pub(in crate::transport) why: String,
}

impl Unusable {
    pub(in crate::transport) fn new(path: &Path, why: impl ToString) -> Self {
        Self { path: path.into(), why: why.to_string() }
    }
}

/// A certificate with those that vouch for it, and its key, to be shown when a server asks.
pub(in crate::transport) type Identity = Arc<SingleCertAndKey>;

/// What does the cryptography.
pub(in crate::transport) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificates of a file; at least one.
pub(in crate::transport) fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let bytes = fs::read(path, LIMIT).map_err(|error| Unusable::new(path, error.source))?;
    let found = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    match found.map_err(|error| Unusable::new(path, error))? {
        found if found.is_empty() => Err(Unusable::new(path, "there is no PEM certificate in it")),
        found => Ok(found),
    }
}

/// A certificate and a key that belong together.
pub(in crate::transport) fn identity(certificate: &Path, key: &Path) -> Result<Identity, Unusable> {
    for (path, missing) in [(certificate, "certificate"), (key, "key")] {
        let other = if path == key { certificate } else { key };
        if !path.exists() {
            let why = format!("the {missing} that belongs to it should be `{}`", path.display());
            return Err(Unusable::new(other, why));
        }
    }
    let chain = read(certificate)?;
    // No word of the parser's, which has read a secret.
    let unusable = || Unusable::new(key, "there is no PEM key in it that cooper can read");
    let bytes = fs::read(key, LIMIT).map_err(|error| Unusable::new(key, error.source))?;
    let secret = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| unusable())?;
    let secret = provider().key_provider.load_private_key(secret).map_err(|_| unusable())?;
    let pair = CertifiedKey::new(chain, secret);
    // What else is wrong is the server's to say: it may know certificates that rustls does not,
    // such as those of version 1 that `openssl x509 -req` makes.
    if let Err(error @ rustls::Error::InconsistentKeys(_)) = pair.keys_match() {
        let why = format!("it does not go with `{}`: {error}", certificate.display());
        return Err(Unusable::new(key, why));
    }
    Ok(Arc::new(pair.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pair_and_a_pair_that_is_none_are_errors_that_name_the_file() {
        // fault 101
        let dir = tempfile::tempdir().unwrap();
        let script = "new='-newkey ec -nodes -pkeyopt ec_paramgen_curve:prime256v1'
            for name in a b; do
                openssl req -x509 $new -subj /CN=$name -keyout $name.key -out $name.cert
            done
            openssl req $new -subj /CN=old -keyout old.key -out old.csr
            openssl x509 -req -in old.csr -CA a.cert -CAkey a.key -out old.cert
            echo s3cret > junk.key";
        let mut shell = std::process::Command::new("sh");
        assert!(shell.args(["-c", script]).current_dir(&dir).output().unwrap().status.success());
        let at = |name: &str| dir.path().join(name);
        let pair = |certificate, key| identity(&at(certificate), &at(key));
        assert!(pair("a.cert", "a.key").is_ok() && pair("old.cert", "old.key").is_ok());
        for (certificate, key, says) in [
            ("a.cert", "b.key", "b.key` are unusable: it does not go with `"),
            ("a.cert", "junk.key", "junk.key` are unusable: there is no PEM key"),
            ("a.key", "a.key", "a.key` are unusable: there is no PEM certificate"),
            ("a.cert", "none.key", "a.cert` are unusable: the key that belongs to it should be `"),
            ("none.cert", "a.key", "a.key` are unusable: the certificate that belongs to it"),
            ("a.cert", ".", "` are unusable: "),
        ] {
            let error = pair(certificate, key).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("s3cret"), "{error}");
        }
    }
}
