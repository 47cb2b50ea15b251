//! Certificates of authorities: read from PEM and checked to be what they are used as.

use rustls::pki_types::pem::{self, PemObject as _, SectionKind};
use rustls::pki_types::{CertificateDer, TrustAnchor};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::clock::UnixTime;
use crate::document::{Diagnostic, Span};

/// A pinned authority: where paths may end.
#[derive(Clone, Debug)]
pub struct Authority {
    anchor: TrustAnchor<'static>,
    validity: Validity,
}

/// When a certificate is valid, both ends included (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// `notBefore`.
    pub not_before: UnixTime,
    /// `notAfter`.
    pub not_after: UnixTime,
}

/// Why a file of certificates cannot be used.
#[derive(Debug)]
pub(super) enum FileProblem {
    NotPem,
    NoCertificate,
    PrivateKey,
}

// === impl Authority ===

impl Authority {
    /// Checks that a certificate may be pinned.
    pub(super) fn read(der: &CertificateDer<'static>) -> Result<Self, String> {
        let validity = check_issuer(der)?;
        let anchor = webpki::anchor_from_trusted_cert(der)
            .map_err(|why| format!("it cannot be an authority: {why:?}"))?
            .to_owned();
        Ok(Self { anchor, validity })
    }

    /// Its name and key.
    #[must_use]
    pub const fn anchor(&self) -> &TrustAnchor<'static> {
        &self.anchor
    }

    /// When its own certificate is valid. Path building does not look at it, so `authn` does.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        self.validity
    }
}

// === impl Validity ===

impl Validity {
    /// The validity of a certificate.
    #[must_use]
    pub fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            not_before: UnixTime::from_secs(validity.not_before.timestamp()),
            not_after: UnixTime::from_secs(validity.not_after.timestamp()),
        }
    }
}

// === impl FileProblem ===

impl FileProblem {
    pub(super) fn at(&self, place: Span, file: &str) -> Diagnostic {
        let (code, message, help) = match self {
            Self::NotPem => (
                "invalid-pem",
                format!("{file} is not valid PEM"),
                "expected `-----BEGIN CERTIFICATE-----` and base64 text",
            ),
            Self::NoCertificate => (
                "no-certificate",
                format!("{file} has no certificate"),
                "expected at least one `-----BEGIN CERTIFICATE-----`",
            ),
            Self::PrivateKey => (
                "private-key",
                format!("{file} has a private key"),
                "only certificates belong here; consider the key disclosed",
            ),
        };
        Diagnostic::error(code, place, message).help(help)
    }
}

/// The certificates in a PEM file: at least one, and nothing secret beside them.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, FileProblem> {
    let mut found = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
        let (kind, der) = section.map_err(|why: pem::Error| {
            let empty = matches!(why, pem::Error::NoItemsFound);
            if empty { FileProblem::NoCertificate } else { FileProblem::NotPem }
        })?;
        let secret =
            [SectionKind::PrivateKey, SectionKind::RsaPrivateKey, SectionKind::EcPrivateKey];
        if secret.contains(&kind) {
            return Err(FileProblem::PrivateKey);
        }
        // Whatever else stands there is not trusted for anything.
        if kind == SectionKind::Certificate {
            found.push(CertificateDer::from(der));
        }
    }
    if found.is_empty() { Err(FileProblem::NoCertificate) } else { Ok(found) }
}

/// Whether a certificate may sign others (RFC 5280 sections 4.2.1.3 and 4.2.1.9), and when it is valid.
pub(super) fn check_issuer(der: &CertificateDer<'_>) -> Result<Validity, String> {
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|_| "it is not an X.509 certificate".to_owned())?;
    if !rest.is_empty() {
        return Err("it has bytes after its end".to_owned());
    }
    let subject = certificate.subject();
    if !certificate.is_ca() {
        return Err(format!("`{subject}` is not a CA certificate"));
    }
    let usage = certificate.key_usage().map_err(|_| "its key usage cannot be read".to_owned())?;
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(format!("`{subject}` may not sign certificates"));
    }
    Ok(Validity::of(&certificate))
}
