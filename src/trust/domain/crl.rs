//! One certificate revocation list (RFC 5280 section 5): read completely and its signature checked once, when it is
//! loaded, so that asking it later is one lookup.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use webpki::BorrowedCertRevocationList;
use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::oid_registry::OID_X509_EXT_ISSUER_DISTRIBUTION_POINT;
use x509_parser::time::ASN1Time;

use super::faults;
use super::scope::{CrlScope, Reasons, without_scope};
use super::signed::{Signed, taken};
use super::validity::Validity;
use crate::clock::UnixTime;
use crate::secret::{Fingerprint, hex};

/// Who issues certificates and their revocation lists: a name and a key. Two CAs of one name and different keys, as in
/// a key rollover, are two issuers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IssuerId(Fingerprint);

/// A revocation list whose signature was verified.
#[derive(Clone, Debug)]
pub struct Crl {
    /// Whose certificates it speaks of.
    pub issuer: IssuerId,
    scope: CrlScope,
    /// Big-endian without leading zeros.
    number: Vec<u8>,
    /// From `thisUpdate` to `nextUpdate`.
    pub validity: Validity,
    revoked: HashSet<Box<[u8]>>,
    /// The list as it came, DER.
    pub(super) der: Arc<[u8]>,
    pub(super) digest: Fingerprint,
}

/// A CA that may have signed a list.
#[derive(Clone, Debug)]
pub(super) struct CrlSigner {
    pub(super) id: IssuerId,
    name: Box<[u8]>,
    /// The SubjectPublicKeyInfo, DER.
    key: Box<[u8]>,
}

/// Why a list cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CrlProblem {
    /// It breaks the standard, or uses a part of it that is not supported.
    Unusable(String),
    /// None of the CAs at hand has its issuer's name, which is this.
    UnknownIssuer(String),
    /// The CAs of its issuer's name did not sign it: the keys that are expected.
    Forged(String),
}

/// The parts of a list that webpki reads but does not show.
struct CrlHeader<'a> {
    issuer: &'a [u8],
    validity: Validity,
    number: Vec<u8>,
    scope: Option<CrlScope>,
}

impl IssuerId {
    /// The identity of a CA: its subject and its key.
    pub fn of(certificate: &X509Certificate<'_>) -> Self {
        let (name, key) = (certificate.subject().as_raw(), certificate.public_key().raw);
        Self(Fingerprint::of(&[name, key].concat()))
    }
}

impl CrlSigner {
    /// A CA as a signer of lists, if its key usage permits that (RFC 5280 section 4.2.1.3).
    pub(super) fn of(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let usage = certificate.key_usage().ok()?;
        usage.is_none_or(|usage| usage.value.crl_sign()).then(|| Self {
            id: IssuerId::of(&certificate),
            name: certificate.subject().as_raw().into(),
            key: certificate.public_key().raw.into(),
        })
    }
}

/// The error of webpki about a list, in an operator's words; none where the list is broken.
fn unreadable(why: &webpki::Error) -> Option<&'static str> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's errors are open-ended; the rest is broken DER"
    )]
    Some(match why {
        webpki::Error::UnsupportedCrlVersion => "it is not of version 2",
        webpki::Error::UnsupportedDeltaCrl => "it is a delta list, and whole lists are needed",
        webpki::Error::UnsupportedIndirectCrl => {
            "it is an indirect list, and its issuer's own list is needed"
        }
        webpki::Error::UnsupportedCriticalExtension => {
            "it has a critical extension that is not understood"
        }
        webpki::Error::UnsupportedRevocationReason
        | webpki::Error::UnsupportedRevocationReasonsPartitioning => {
            "it is only about some reasons for revocation, and whole lists are needed"
        }
        _ => return None,
    })
}

impl Crl {
    /// Reads a list and finds the CA that signed it.
    pub(super) fn read(der: &[u8], signers: &[CrlSigner]) -> Result<Self, CrlProblem> {
        // webpki insists on version 2, `nextUpdate`, known critical extensions, no delta and no indirect lists.
        // It refuses issuing distribution points that are legal, so that it does not get to see any.
        let without_scope = without_scope(der).ok_or_else(|| {
            CrlProblem::Unusable(faults::found_in(der, Some("it is not a DER revocation list")))
        })?;
        let list = BorrowedCertRevocationList::from_der(&without_scope)
            .map_err(|why| CrlProblem::Unusable(faults::found_in(der, unreadable(&why))))?;
        let signed = Signed::read(der).ok_or_else(broken)?;
        let header = CrlHeader::read(signed.content)?;
        let issuer = find_signer(&signed, &header, signers)?.id.clone();
        if header.validity.not_after < header.validity.not_before {
            let why = "its `nextUpdate` is before its `thisUpdate`";
            return Err(CrlProblem::Unusable(why.to_owned()));
        }
        let mut revoked = HashSet::new();
        for entry in &list {
            let entry = entry.map_err(|why| {
                CrlProblem::Unusable(format!(
                    "of an entry, {}",
                    unreadable(&why).unwrap_or(faults::BROKEN)
                ))
            })?;
            revoked.insert(significant(entry.serial_number).into());
        }
        let CrlHeader { scope, number, validity, .. } = header;
        let (der, digest, scope) = (der.into(), Fingerprint::of(der), scope.unwrap_or_default());
        Ok(Self { issuer, scope, number, validity, revoked, der, digest })
    }

    /// How many certificates it revokes.
    pub fn len(&self) -> usize {
        self.revoked.len()
    }

    /// True if it revokes none.
    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty()
    }

    /// The reasons for which it would revoke this certificate, which must be one of its issuer's.
    pub(super) fn reasons_for(&self, certificate: &X509Certificate<'_>) -> Reasons {
        self.scope.reasons_for(certificate)
    }

    /// True if it revokes this certificate, which must be one of its issuer's.
    pub(super) fn revokes(&self, certificate: &X509Certificate<'_>) -> bool {
        self.revoked.contains(significant(certificate.raw_serial()))
            && self.scope.may_revoke(certificate)
    }

    /// True if it has the same issuer and scope as `other`, so that only one of the two is up to date.
    pub(super) fn is_about_the_same_as(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.scope == other.scope
    }

    /// True if it was issued after `other`: neither its number nor its time goes back (RFC 5280 section 5.2.3), and one of
    /// them goes on.
    pub(super) fn follows(&self, other: &Self) -> bool {
        let number = self.cmp_number(other);
        let time = self.validity.not_before.cmp(&other.validity.not_before);
        number != Ordering::Less && time != Ordering::Less && (number, time) != EQUAL
    }

    /// The older one first; an order in which no two lists are equal.
    pub(super) fn cmp_age(&self, other: &Self) -> Ordering {
        let time = self.validity.not_before.cmp(&other.validity.not_before);
        let digest = self.digest.as_bytes().cmp(other.digest.as_bytes());
        self.cmp_number(other).then(time).then(digest)
    }

    fn cmp_number(&self, other: &Self) -> Ordering {
        let length = self.number.len().cmp(&other.number.len());
        length.then_with(|| self.number.cmp(&other.number))
    }

    /// True if it may be used at `now`, and `grace` after its next update is due.
    pub(super) fn is_usable(&self, now: UnixTime, grace: Duration) -> bool {
        let Validity { not_before, not_after } = self.validity;
        not_before.as_secs() <= now.as_secs() && now.as_secs() <= not_after.plus(grace).as_secs()
    }

    /// True if it is `other`, byte by byte.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// Its CRL number in hexadecimal, as tools print it.
    pub fn number(&self) -> String {
        hex(&self.number)
    }
}

const EQUAL: (Ordering, Ordering) = (Ordering::Equal, Ordering::Equal);

fn find_signer<'s>(
    signed: &Signed<'_>,
    header: &CrlHeader<'_>,
    signers: &'s [CrlSigner],
) -> Result<&'s CrlSigner, CrlProblem> {
    let namesakes = || signers.iter().filter(|signer| *signer.name == *header.issuer);
    if let Some(signer) = namesakes().find(|signer| signed.verifies(&signer.key)) {
        return Ok(signer);
    }
    let keys: Vec<_> = namesakes().map(|signer| Fingerprint::of(&signer.key).to_hex()).collect();
    Err(match keys.is_empty() {
        true => CrlProblem::UnknownIssuer(faults::name(header.issuer)),
        false => CrlProblem::Forged(keys.join(" or ")),
    })
}

impl<'a> CrlHeader<'a> {
    fn read(content: &'a [u8]) -> Result<Self, CrlProblem> {
        let (rest, list) = Any::from_der(content).map_err(|_| broken())?;
        if !rest.is_empty() {
            return Err(broken());
        }
        let (after, _version) = Any::from_der(list.data).map_err(|_| broken())?;
        let (before_name, _algorithm) = Any::from_der(after).map_err(|_| broken())?;
        let (after, _issuer) = Any::from_der(before_name).map_err(|_| broken())?;
        let issuer = taken(before_name, after).ok_or_else(broken)?;
        let (after, this_update) = ASN1Time::from_der(after).map_err(|_| broken())?;
        let (after, next_update) = ASN1Time::from_der(after).map_err(|_| broken())?;
        let mut header = Self {
            issuer,
            validity: Validity {
                not_before: UnixTime::from_secs(this_update.timestamp()),
                not_after: UnixTime::from_secs(next_update.timestamp()),
            },
            number: Vec::new(),
            scope: None,
        };
        header.read_extensions(after)?;
        Ok(header)
    }

    /// The entries come first, if there are any; the extensions are last, in `[0]`.
    fn read_extensions(&mut self, mut rest: &[u8]) -> Result<(), CrlProblem> {
        while !rest.is_empty() {
            let (after, part) = Any::from_der(rest).map_err(|_| broken())?;
            rest = after;
            if !part.header.is_contextspecific() {
                continue;
            }
            let (_, list) = Any::from_der(part.data).map_err(|_| broken())?;
            let mut extensions = list.data;
            while !extensions.is_empty() {
                let (after, extension) =
                    X509Extension::from_der(extensions).map_err(|_| broken())?;
                extensions = after;
                self.add(&extension)?;
            }
        }
        if self.number.is_empty() {
            return Err(CrlProblem::Unusable(String::from(
                "it has no CRL number (RFC 5280 section 5.2.3)",
            )));
        }
        Ok(())
    }

    fn add(&mut self, extension: &X509Extension<'_>) -> Result<(), CrlProblem> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the library knows every extension there is; webpki has refused critical ones that matter"
        )]
        match extension.parsed_extension() {
            // RFC 5280 section 5.2.3: the extension is not critical.
            ParsedExtension::CRLNumber(_) if extension.critical => {
                Err(CrlProblem::Unusable(String::from("its CRL number is critical")))
            }
            ParsedExtension::CRLNumber(number) => {
                self.number = number.to_bytes_be();
                Ok(())
            }
            _ if extension.oid == OID_X509_EXT_ISSUER_DISTRIBUTION_POINT => {
                let scope = CrlScope::read(extension.value);
                let scope = scope.map_err(|why| CrlProblem::Unusable(why.into()))?;
                // Section 5.2: no extension is there twice.
                if self.scope.replace(scope).is_some() { Err(broken()) } else { Ok(()) }
            }
            ParsedExtension::ParseError { .. } => Err(broken()),
            _ => Ok(()),
        }
    }
}

/// An integer without the zero bytes that DER would not have. The one that keeps a number from being negative stays: 255
/// and -1 are not the same certificate.
fn significant(mut serial: &[u8]) -> &[u8] {
    while let Some((0, rest @ [0..=0x7f, ..])) = serial.split_first() {
        serial = rest;
    }
    serial
}

fn broken() -> CrlProblem {
    CrlProblem::Unusable(String::from("it is not a DER revocation list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P43: as many zeros as there are, and never the one that tells 255 from -1.
    #[test]
    fn serial_numbers_are_compared_as_numbers() {
        for (serial, expected) in [
            (&[5][..], &[5][..]),
            (&[0, 5], &[5]),
            (&[0, 0, 0xff], &[0, 0xff]),
            (&[0, 0xff], &[0, 0xff]),
            (&[0xff], &[0xff]),
            (&[0], &[0]),
            (&[], &[]),
        ] {
            assert_eq!(significant(serial), expected, "{serial:?}");
        }
    }
}
