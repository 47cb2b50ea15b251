//! Files of certificates and revocation lists: what kind of file it is, and what must not be in it.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _, SectionKind};

use crate::document::{Code, Diagnostic, Span};

/// Why a file cannot be used.
#[derive(Debug)]
pub(super) enum PemProblem {
    /// It is not PEM.
    NotPem,
    /// It has nothing of the kind that is looked for.
    Nothing(SectionKind),
    /// It has a private key.
    PrivateKey,
}

impl PemProblem {
    pub(super) fn at(&self, place: Span, file: &str) -> Diagnostic {
        let (code, message, help) = match self {
            Self::NotPem => (
                Code::InvalidPem,
                format!("{file} is not valid PEM"),
                "expected `-----BEGIN ...-----` and base64 text",
            ),
            Self::Nothing(SectionKind::Certificate) => (
                Code::NoCertificate,
                format!("{file} has no certificate"),
                "expected at least one `-----BEGIN CERTIFICATE-----`",
            ),
            Self::Nothing(_) => (
                Code::NoCrl,
                format!("{file} has no revocation list"),
                "expected DER or at least one `-----BEGIN X509 CRL-----`",
            ),
            Self::PrivateKey => (
                Code::PrivateKey,
                format!("{file} has a private key"),
                "only certificates belong here; consider the key disclosed",
            ),
        };
        Diagnostic::error(code, place, message).help(help)
    }
}

/// The certificates in a PEM file: at least one.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemProblem> {
    let found = sections(bytes, SectionKind::Certificate)?;
    Ok(found.into_iter().map(CertificateDer::from).collect())
}

/// The revocation lists in a PEM file, at least one, or the one in a DER file.
pub(super) fn revocation_lists(bytes: &[u8]) -> Result<Vec<Vec<u8>>, PemProblem> {
    // A DER list is a SEQUENCE of more than 127 bytes, so that its second byte is none of text.
    if matches!(bytes, [0x30, 0x80..=0xff, ..]) {
        return Ok(vec![bytes.to_vec()]);
    }
    sections(bytes, SectionKind::Crl)
}

/// The sections of one kind: at least one, and nothing secret beside them.
fn sections(bytes: &[u8], wanted: SectionKind) -> Result<Vec<Vec<u8>>, PemProblem> {
    let secret = [SectionKind::PrivateKey, SectionKind::RsaPrivateKey, SectionKind::EcPrivateKey];
    let mut found = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
        let (kind, der) = section.map_err(|why: pem::Error| {
            let empty = matches!(why, pem::Error::NoItemsFound);
            if empty { PemProblem::Nothing(wanted) } else { PemProblem::NotPem }
        })?;
        if secret.contains(&kind) {
            return Err(PemProblem::PrivateKey);
        }
        // Whatever else stands there is not trusted for anything.
        if kind == wanted {
            found.push(der);
        }
    }
    if found.is_empty() { Err(PemProblem::Nothing(wanted)) } else { Ok(found) }
}
