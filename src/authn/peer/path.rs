//! A path from a peer's certificate to a pinned authority (RFC 5280 section 6).
//!
//! rustls-webpki builds and checks paths: signatures, names, validity, basic constraints, name constraints, critical
//! extensions. What it leaves to others is done here for every candidate path, so that a path that fails here leaves
//! the others to be tried: the validity of the authority's own certificate and the key usage of issuers.

use std::cell::RefCell;
use std::time::Duration;

use rustls::pki_types;
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter};
use webpki::{KeyUsage, RequiredEkuNotFoundContext, VerifiedPath};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::clock::UnixTime;
use crate::evidence::DecodedCertificate;
use crate::reason::{Reason, Rejection};
use crate::trust::{TrustDomain, Validity};

/// Finds a path for `presented` to an authority of `domain` that is valid at `now`, and says when all of its certificates
/// but the leaf are valid.
///
/// # Errors
/// The reason of the candidate that came closest.
pub(super) fn find(
    presented: &DecodedCertificate,
    domain: &TrustDomain,
    now: UnixTime,
) -> Result<Validity, Rejection> {
    let leaf = EndEntityCert::try_from(&presented.leaf).map_err(|why| rejection(&why))?;
    let intermediates: Vec<_> =
        presented.intermediates.iter().chain(domain.intermediates()).cloned().collect();
    let seconds = u64::try_from(now.as_secs()).unwrap_or(0);
    let refused = RefCell::new(None);
    let check = |path: &VerifiedPath<'_>| {
        check_path(path, domain, now).map(drop).map_err(|(rejection, error)| {
            refused.replace(Some(rejection));
            error
        })
    };
    let found = leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        domain.anchors(),
        &intermediates,
        pki_types::UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        ClientAuth,
        None,
        Some(&check),
    );
    match found {
        Ok(path) => check_path(&path, domain, now).map_err(|(rejection, _)| rejection),
        Err(why) => Err(refused.take().unwrap_or_else(|| rejection(&why))),
    }
}

/// Issuers need not say what their certificates are for; those that do must include client authentication. The leaf is
/// judged more strictly, by the rules of its trust domain.
struct ClientAuth;

const CLIENT_AUTH: KeyPurposeId<'static> = KeyPurposeId::new(&[43, 6, 1, 5, 5, 7, 3, 2]);
const ANY: KeyPurposeId<'static> = KeyPurposeId::new(&[85, 29, 37, 0]);

impl ExtendedKeyUsageValidator for ClientAuth {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut absent = true;
        for purpose in purposes {
            let purpose = purpose?;
            if purpose == CLIENT_AUTH || purpose == ANY {
                return Ok(());
            }
            absent = false;
        }
        if absent {
            return Ok(());
        }
        let required = KeyUsage::client_auth();
        let present = Vec::new();
        Err(Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext { required, present }))
    }
}

/// When all certificates of a candidate path but the leaf are valid; the error is told twice, once for us and once for
/// webpki, which then goes on to the next candidate.
fn check_path(
    path: &VerifiedPath<'_>,
    domain: &TrustDomain,
    now: UnixTime,
) -> Result<Validity, (Rejection, Error)> {
    let mut common = anchor_validity(path, domain)?;
    if now.as_secs() > common.not_after.as_secs() {
        let why = Reason::CertExpired.because("the pinned authority has expired");
        return Err((why, Error::CertDistrusted));
    }
    if now.as_secs() < common.not_before.as_secs() {
        let why = Reason::CertNotYetValid.because("the pinned authority is not valid yet");
        return Err((why, Error::CertDistrusted));
    }
    for issuer in path.intermediate_certificates() {
        let own = check_issuer(&issuer.der())
            .ok_or_else(|| untrusted("an issuer in the path may not sign certificates"))?;
        common.not_before = common.not_before.max(own.not_before);
        common.not_after = common.not_after.min(own.not_after);
    }
    Ok(common)
}

fn anchor_validity(
    path: &VerifiedPath<'_>,
    domain: &TrustDomain,
) -> Result<Validity, (Rejection, Error)> {
    let authority = domain
        .authorities()
        .iter()
        .find(|authority| authority.anchor() == path.anchor())
        .ok_or_else(|| untrusted("the path ends at no pinned authority"))?;
    Ok(authority.validity())
}

/// RFC 5280 section 4.2.1.3: an issuer with a key usage must have `keyCertSign`.
fn check_issuer(der: &[u8]) -> Option<Validity> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let usage = certificate.key_usage().ok()?;
    usage.is_none_or(|usage| usage.value.key_cert_sign()).then(|| Validity::of(&certificate))
}

fn untrusted(why: &'static str) -> (Rejection, Error) {
    (Reason::ChainUntrusted.because(why), Error::CertDistrusted)
}

/// The reason code for what webpki found.
fn rejection(why: &Error) -> Rejection {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's errors are open-ended; what has no code of its own means no trusted path"
    )]
    let (reason, detail) = match why {
        Error::CertExpired { .. } => {
            (Reason::CertExpired, "the certificate or one of its issuers has expired")
        }
        Error::CertNotValidYet { .. } => {
            (Reason::CertNotYetValid, "the certificate or one of its issuers is not valid yet")
        }
        Error::InvalidCertValidity => (Reason::CertLifetime, "a certificate ends before it begins"),
        Error::CaUsedAsEndEntity => (Reason::CertEku, "the certificate is a CA"),
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => (
            Reason::CertEku,
            "the certificate or one of its issuers is not for client authentication",
        ),
        Error::NameConstraintViolation
        | Error::MalformedNameConstraint
        | Error::MalformedDnsIdentifier
        | Error::InvalidNetworkMaskConstraint => {
            (Reason::CertSan, "the certificate's names are not permitted by one of its issuers")
        }
        Error::UnknownIssuer => {
            (Reason::ChainUntrusted, "no pinned authority issued the certificate or its chain")
        }
        _ => return Reason::ChainUntrusted.because(format!("no trusted path: {why:?}")),
    };
    reason.because(detail)
}
