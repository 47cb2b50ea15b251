//! A path from a peer's certificate to a pinned authority (RFC 5280 section 6).
//!
//! rustls-webpki builds and checks paths: signatures, names, validity, basic constraints, name constraints, critical
//! extensions. The other checks are made here for every candidate path, so that another path is tried if one fails: the
//! restrictions of the authority's own certificate, its validity, policies, and the key usage of issuers.

use std::cell::RefCell;
use std::time::Duration;

use rustls::pki_types::{self, CertificateDer};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter};
use webpki::{KeyUsage, RequiredEkuNotFoundContext, VerifiedPath};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::signers::Leaf;
use super::{cause, constraints, distinguished_name, policies, profile};
use crate::authn::facts::PeerFacts;
use crate::authn::revoked::IssuerMarks;
use crate::clock::UnixTime;
use crate::reason::{Reason, Rejection};
use crate::secret::Fingerprint;
use crate::trust::{Authority, IssuerId, TrustDomain, Validity};

/// A path that was found.
#[derive(Clone)]
pub(super) struct CheckedPath {
    /// When all of its certificates but the leaf are valid, and every revocation list that was asked.
    pub(super) holds: Validity,
    /// Its CAs, the authority first.
    pub(super) issuers: Vec<IssuerMarks>,
}

/// Finds a path for `leaf` to an authority of `domain`.
///
/// # Errors
/// The reason of the candidate that came closest.
pub(super) fn find(
    leaf: Leaf<'_>,
    domain: &TrustDomain,
    now: UnixTime,
) -> Result<CheckedPath, Rejection> {
    let Leaf { der, certificate, chain, checks } = leaf;
    let end_entity = EndEntityCert::try_from(der).map_err(|why| rejection(&why))?;
    let intermediates: Vec<_> =
        chain.intermediates.iter().chain(&domain.intermediates).map(borrowed).collect();
    let seconds = u64::try_from(now.as_secs()).unwrap_or(0);
    let refused = RefCell::new(None);
    let check = |path: &VerifiedPath<'_>| {
        check_path(path, certificate, domain, now).map(drop).map_err(|rejection| {
            refused.borrow_mut().get_or_insert(rejection);
            // Any error that is not fatal makes webpki go on to the next candidate.
            Error::CertDistrusted
        })
    };
    let found = end_entity.verify_for_usage(
        &checks.algorithms(),
        &domain.anchors,
        &intermediates,
        pki_types::UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        ClientAuth,
        None,
        Some(&check),
    );
    match found {
        Ok(path) => check_path(&path, certificate, domain, now),
        Err(why) => Err(refused.take().unwrap_or_else(|| explain(&why, leaf, domain))),
    }
}

fn borrowed<'a>(der: &'a CertificateDer<'_>) -> CertificateDer<'a> {
    CertificateDer::from(der.as_ref())
}

/// The reason for an error of the path builder, which does not know of the signatures that were checked before.
fn explain(why: &Error, leaf: Leaf<'_>, domain: &TrustDomain) -> Rejection {
    let signature = matches!(
        why,
        Error::InvalidSignatureForPublicKey
            | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
    );
    let unsigned = *why == Error::UnknownIssuer && leaf.chain.other_key.is_some();
    if signature || unsigned {
        return cause::of_bad_signature(leaf, domain);
    }
    let vague = rejection(why);
    let unnamed =
        matches!(why, Error::NameConstraintViolation | Error::UnsupportedCriticalExtension);
    let named = unnamed.then(|| cause::of_issuer(leaf, domain)).flatten();
    named.filter(|named| named.reason() == vague.reason()).unwrap_or(vague)
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

/// Checks a candidate path from the authority down to the leaf.
fn check_path(
    path: &VerifiedPath<'_>,
    leaf: &X509Certificate<'_>,
    domain: &TrustDomain,
    now: UnixTime,
) -> Result<CheckedPath, Rejection> {
    let authority =
        domain.authorities.iter().find(|authority| authority.anchor == *path.anchor()).ok_or_else(
            || Reason::ChainUntrusted.because("the path ends at no pinned authority"),
        )?;
    let mut holds = authority.validity;
    check_authority(authority, now)?;
    let ders: Vec<_> = std::iter::once(authority.der.clone())
        .chain(path.intermediate_certificates().rev().map(|certificate| certificate.der()))
        .collect();
    let mut certificates =
        ders.iter().map(|der| parse_issuer(der)).collect::<Result<Vec<_>, _>>()?;
    let issuers = ders.iter().zip(&certificates).map(|(der, own)| marks(der, own)).collect();
    certificates.push(leaf.clone());
    constraints::check(&certificates)?;
    policies::check(&certificates)?;
    let mut issuer = authority.issuer.clone();
    let below = certificates.iter().skip(1);
    for certificate in below.take(certificates.len().saturating_sub(2)) {
        profile::check(certificate)?;
        holds = holds.and(Validity::of(certificate));
        let listed = domain.check_revocation(certificate, &issuer, now)?;
        holds = listed.map_or(holds, |own| holds.and(own));
        issuer = IssuerId::of(certificate);
    }
    let listed = domain.check_revocation(leaf, &issuer, now)?;
    Ok(CheckedPath { holds: listed.map_or(holds, |own| holds.and(own)), issuers })
}

/// The marks by which a CA may be revoked.
fn marks(der: &[u8], certificate: &X509Certificate<'_>) -> IssuerMarks {
    IssuerMarks::of(&PeerFacts {
        certificate: Some(Fingerprint::of(der)),
        spki: Some(Fingerprint::of(certificate.public_key().raw)),
        serial: Some(profile::serial(certificate.raw_serial())),
        issuer: Some(distinguished_name::rfc4514(certificate.issuer())),
        not_before: Some(Validity::of(certificate).not_before),
        ..PeerFacts::of("")
    })
}

fn check_authority(authority: &Authority, now: UnixTime) -> Result<(), Rejection> {
    let Validity { not_before, not_after } = authority.validity;
    let detail = |is: &str, moment: UnixTime| {
        format!("the pinned authority `{}` {is} {}", authority.subject(), moment.to_rfc3339())
    };
    if now.as_secs() > not_after.as_secs() {
        return Err(Reason::CertExpired.because(detail("expired at", not_after)));
    }
    if now.as_secs() < not_before.as_secs() {
        return Err(Reason::CertNotYetValid.because(detail("is not valid before", not_before)));
    }
    Ok(())
}

/// RFC 5280 section 4.2.1.3: an issuer with a key usage must have `keyCertSign`.
fn parse_issuer(der: &[u8]) -> Result<X509Certificate<'_>, Rejection> {
    let unreadable = || Reason::ChainUntrusted.because("an issuer on the path cannot be read");
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unreadable())?;
    let usage = certificate.key_usage().map_err(|_| unreadable())?;
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        let subject = certificate.subject();
        let why = format!("the issuer `{subject}` may not sign certificates (`keyCertSign`)");
        return Err(Reason::ChainUntrusted.because(why));
    }
    Ok(certificate)
}

/// The reason code for what webpki found.
fn rejection(why: &Error) -> Rejection {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's errors are open-ended; what has no code of its own means no trusted path"
    )]
    let (reason, detail) = match why {
        Error::CertExpired { not_after, .. } => {
            let end = moment(not_after.as_secs());
            let detail = format!("the certificate or one of its issuers expired at {end}");
            return Reason::CertExpired.because(detail);
        }
        Error::CertNotValidYet { not_before, .. } => {
            let start = moment(not_before.as_secs());
            let detail =
                format!("the certificate or one of its issuers is not valid before {start}");
            return Reason::CertNotYetValid.because(detail);
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
        Error::UnsupportedSignatureAlgorithmContext(_) => (
            Reason::CertKey,
            "a signature on the path is of an algorithm that is not accepted, such as SHA-1",
        ),
        Error::UnknownIssuer => {
            (Reason::ChainUntrusted, "no pinned authority issued the certificate or its chain")
        }
        Error::PathLenConstraintViolated => (
            Reason::ChainUntrusted,
            "the path is too long: an issuer permits fewer intermediate certificates below it",
        ),
        Error::UnsupportedCriticalExtension => (
            Reason::ChainUntrusted,
            "a certificate on the path has a critical extension that is not understood",
        ),
        Error::EndEntityUsedAsCa => (Reason::ChainUntrusted, "an issuer on the path is not a CA"),
        _ => return Reason::ChainUntrusted.because(format!("no trusted path: {}", words(why))),
    };
    reason.because(detail)
}

fn moment(secs: u64) -> String {
    UnixTime::from_secs(i64::try_from(secs).unwrap_or(i64::MAX)).to_rfc3339()
}

/// The library's name for an error as words: it has no texts of its own.
fn words(why: &Error) -> String {
    let name = format!("{why:?}");
    let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let mut words = String::with_capacity(name.len().saturating_add(8));
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}
