//! Mutual TLS on the listener: our certificate, whose client certificates are trusted, and which Envoys may ask.
//!
//! Every client that reaches the listener can claim to be Envoy and to have seen any certificate, so the handshake is where
//! trust in everything else begins (P18, P47).

mod clients;
mod handshake;
mod verifier;

pub use clients::AllowedClients;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use schemars::JsonSchema;
use serde::Deserialize;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use self::verifier::ClientVerifier;
use crate::secret::Fingerprint;
use crate::trust::Validity;
use crate::words::of_system;

/// Mutual TLS for the listener. Every file is PEM; all of them are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsOptions {
    /// Our certificate, followed by its intermediates.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that client certificates must lead to.
    pub client_authorities: PathBuf,
    /// Which of their certificates may ask.
    pub clients: AllowedClients,
}

/// The configuration for new connections, replaced whole when a file changes. Open connections stay open.
#[derive(Debug)]
pub struct Tls {
    options: TlsOptions,
    current: ArcSwap<CurrentCertificate>,
    problem: ArcSwapOption<String>,
}

#[derive(Debug)]
struct CurrentCertificate {
    config: Arc<ServerConfig>,
    files: Fingerprint,
    validity: Validity,
    /// The authorities that clients must lead to.
    authorities: Arc<[CertificateDer<'static>]>,
}

/// How our own certificate is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsStatus {
    /// The time in which it and its intermediates are valid.
    pub validity: Validity,
    /// Why the files as they are now cannot be used, where they cannot.
    pub problem: Option<String>,
}

impl TlsOptions {
    /// The same with relative paths taken from `base`.
    #[must_use]
    pub fn relative_to(mut self, base: &Path) -> Self {
        for path in [&mut self.certificate, &mut self.key, &mut self.client_authorities] {
            *path = base.join(&*path);
        }
        self
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// A message that names the file and says what is wrong with it.
    pub fn load(options: TlsOptions) -> Result<Self, String> {
        let current = ArcSwap::from_pointee(CurrentCertificate::read(&options)?);
        Ok(Self { options, current, problem: ArcSwapOption::empty() })
    }

    /// Reads the files again. Returns whether they had changed; where they cannot be used, what was in force stays.
    ///
    /// # Errors
    /// A message that names the file and says what is wrong with it.
    pub fn reload(&self) -> Result<bool, String> {
        let read = CurrentCertificate::read(&self.options);
        self.problem.store(read.as_ref().err().map(|problem| Arc::new(problem.clone())));
        let read = read?;
        let changed = read.files != self.current.load().files;
        if changed {
            self.current.store(Arc::new(read));
        }
        Ok(changed)
    }

    /// How it is doing.
    pub fn status(&self) -> TlsStatus {
        let problem = self.problem.load().as_deref().cloned();
        TlsStatus { validity: self.current.load().validity, problem }
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().config)
    }

    /// The authorities that clients must lead to now.
    pub(in crate::envoy) fn authorities(&self) -> Arc<[CertificateDer<'static>]> {
        Arc::clone(&self.current.load().authorities)
    }

    const fn clients(&self) -> &AllowedClients {
        &self.options.clients
    }
}

impl CurrentCertificate {
    fn read(options: &TlsOptions) -> Result<Self, String> {
        let certificate = read(&options.certificate)?;
        let key = read(&options.key)?;
        let authorities = read(&options.client_authorities)?;
        let prints =
            [&certificate, &key, &authorities].map(|file| *Fingerprint::of(file).as_bytes());
        let chain = certificates(&options.certificate, &certificate)?;
        let validity = validity(&chain).ok_or_else(|| {
            format!("`{}` holds no X.509 certificate", options.certificate.display())
        })?;
        let roots = roots(&options.client_authorities, &authorities)?;
        let authorities = certificates(&options.client_authorities, &authorities)?;
        let verifier = ClientVerifier::new(roots, &authorities)?;
        let config = server_config(chain, private_key(&options.key, &key)?, verifier)?;
        Ok(Self {
            config: Arc::new(config),
            files: Fingerprint::of(prints.as_flattened()),
            validity,
            authorities: authorities.into(),
        })
    }
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    verifier: ClientVerifier,
) -> Result<ServerConfig, String> {
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(chain, key)
        .map_err(|error| {
            format!("`listener.tls`: certificate and key cannot be used together: {error}")
        })?;
    // gRPC is HTTP/2.
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path)
        .map_err(|error| format!("cannot read `{}`: {}", path.display(), of_system(&error)))
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("`{}` is not PEM: {error}", path.display()))?;
    if certificates.is_empty() {
        return Err(format!("`{}` holds no certificate", path.display()));
    }
    Ok(certificates)
}

/// The time in which all are valid.
fn validity(chain: &[CertificateDer<'static>]) -> Option<Validity> {
    let each = chain.iter().map(|der| X509Certificate::from_der(der).ok());
    let times = each.map(|read| read.map(|(_, certificate)| Validity::of(&certificate)));
    times.collect::<Option<Vec<_>>>()?.into_iter().reduce(Validity::and)
}

fn private_key(path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    // The library's words could quote the file, so they are not shown.
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| format!("`{}` holds no private key in PEM", path.display()))
}

fn roots(path: &Path, pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, pem)? {
        roots.add(certificate).map_err(|error| {
            format!("`{}` holds a certificate that cannot be an authority: {error}", path.display())
        })?;
    }
    Ok(roots)
}

#[cfg(test)]
pub(in crate::envoy) mod tests;
