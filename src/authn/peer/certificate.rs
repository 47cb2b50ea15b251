//! A presented certificate, verified against the trust domain that its names select.

use std::sync::Arc;

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::describe::DomainVerdict;
use super::memory::{CertificateKey, CertificateMemory, VerifiedCertificate};
use super::names::Names;
use super::{PeerFacts, distinguished_name, path, profile};
use crate::authn::revoked;
use crate::clock::UnixTime;
use crate::evidence::{DecodedCertificate, PresentedCertificate};
use crate::reason::{Reason, Rejection};
use crate::secret::{Fingerprint, hex};
use crate::trust::{
    ExtendedKeyUsageRules, LeafRules, Pin, Revocations, TrustDomain, TrustStore, Validity,
    key_weakness,
};

/// What one verification is done with.
#[derive(Clone, Copy)]
pub(super) struct Verifier<'a> {
    pub(super) trust: &'a TrustStore,
    pub(super) revocations: &'a Revocations,
    pub(super) memory: &'a dyn CertificateMemory,
    pub(super) now: UnixTime,
}

// === impl Verifier ===

impl<'a> Verifier<'a> {
    /// Verifies a presented certificate, or recalls that it was. Whether it is revoked is asked every time.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(super) fn certificate(
        &self,
        presented: &PresentedCertificate,
    ) -> Result<Arc<VerifiedCertificate>, Rejection> {
        let verified = self.remembered(presented)?;
        revoked::check_peer(&verified.facts, self.revocations, self.now)?;
        Ok(verified)
    }

    fn remembered(
        &self,
        presented: &PresentedCertificate,
    ) -> Result<Arc<VerifiedCertificate>, Rejection> {
        let key = CertificateKey::new(self.trust.domains_revision(), presented);
        if let Some(verified) = self.memory.recall(&key)
            && verified.holds_at(self.now)
        {
            return Ok(verified);
        }
        let verified = Arc::new(self.verify(presented)?);
        if verified.holds_at(self.now) {
            self.memory.keep(key.detached(), &verified);
        }
        Ok(verified)
    }

    fn verify(&self, presented: &PresentedCertificate) -> Result<VerifiedCertificate, Rejection> {
        let decoded = presented.decode()?;
        let unreadable = || presented.unreadable("it is not an X.509 certificate");
        let (rest, leaf) = X509Certificate::from_der(&decoded.leaf).map_err(|_| unreadable())?;
        if !rest.is_empty() {
            return Err(presented.unreadable("there are bytes after the certificate"));
        }
        let names = Names::read(&leaf)?;
        let (domain, validity) = self.vouching_domain(&decoded, &leaf, &names)?;
        let until = validity.not_after.min(own_end(&leaf, domain.leaf()));
        Ok(VerifiedCertificate {
            facts: Arc::new(facts(domain, &decoded, &leaf, names)),
            envoy_subject: distinguished_name::as_envoy_writes_it(leaf.subject()).map(Into::into),
            from: validity.not_before.max(Validity::of(&leaf).not_before),
            until,
        })
    }

    /// The trust domain that vouches for the certificate, and when its path is valid. The SPIFFE ID selects the domain; a
    /// certificate without one is tried against the domains without `spiffe`.
    fn vouching_domain(
        &self,
        decoded: &DecodedCertificate,
        leaf: &X509Certificate<'_>,
        names: &Names,
    ) -> Result<(&TrustDomain, Validity), Rejection> {
        if let Some(id) = &names.spiffe {
            check_svid(leaf)?;
            let domain =
                self.trust.domain_of(id).ok_or_else(|| unknown_domain(id.trust_domain()))?;
            return Ok((domain, self.check(decoded, leaf, domain)?));
        }
        let mut closest: Option<Rejection> = None;
        for domain in self.trust.domains_without_spiffe() {
            match self.check(decoded, leaf, domain) {
                Ok(validity) => return Ok((domain, validity)),
                // A domain that found a path knows better what is wrong than one that did not.
                Err(rejection) => {
                    let vague = |other: &Rejection| other.reason() == Reason::ChainUntrusted;
                    if closest.as_ref().is_none_or(vague) {
                        closest = Some(rejection);
                    }
                }
            }
        }
        Err(closest.unwrap_or_else(|| {
            Reason::TrustDomainUnknown
                .because("no trust domain vouches for certificates without a SPIFFE ID")
        }))
    }

    /// What each trust domain says of a certificate. For people, not for decisions.
    ///
    /// # Errors
    /// What keeps it from being read.
    pub(super) fn verdicts(
        &self,
        presented: &PresentedCertificate,
    ) -> Result<Vec<(&'a TrustDomain, DomainVerdict)>, Rejection> {
        let decoded = presented.decode()?;
        let unreadable = || presented.unreadable("it is not an X.509 certificate");
        let (_, leaf) = X509Certificate::from_der(&decoded.leaf).map_err(|_| unreadable())?;
        let names = Names::read(&leaf)?;
        let selects = |domain: &TrustDomain| match (&names.spiffe, domain.spiffe()) {
            (Some(id), Some(name)) => name.as_str() == id.trust_domain(),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let svid = if names.spiffe.is_some() { check_svid(&leaf) } else { Ok(()) };
        let judge = |domain| match svid.clone().and_then(|()| self.check(&decoded, &leaf, domain)) {
            Ok(validity) => DomainVerdict::Vouches(validity),
            Err(rejection) => DomainVerdict::Refuses(rejection),
        };
        let verdict =
            |domain| if selects(domain) { judge(domain) } else { DomainVerdict::NotAsked };
        Ok(self.trust.domains().iter().map(|domain| (domain, verdict(domain))).collect())
    }

    /// Everything that `domain` asks of a certificate.
    fn check(
        &self,
        decoded: &DecodedCertificate,
        leaf: &X509Certificate<'_>,
        domain: &TrustDomain,
    ) -> Result<Validity, Rejection> {
        let rules = domain.leaf();
        profile::check(leaf)?;
        check_usage(leaf, rules.extended_key_usage)?;
        let validity = path::find(decoded, leaf, domain, self.now)?;
        check_key(leaf, rules.min_rsa_bits)?;
        check_lifetime(leaf, rules, self.now)?;
        check_pins(decoded, leaf, &rules.pins)?;
        Ok(validity)
    }
}

pub(super) fn unknown_domain(name: &str) -> Rejection {
    Reason::TrustDomainUnknown.because(format!("no trust domain document has `spiffe: {name}`"))
}

/// X509-SVID section 4.3: a workload's certificate signs neither certificates nor revocation lists.
fn check_svid(leaf: &X509Certificate<'_>) -> Result<(), Rejection> {
    let usage = leaf.key_usage().ok().flatten();
    if usage.is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign()) {
        return Err(Reason::SpiffeInvalid.because("the SVID of a workload may sign certificates"));
    }
    Ok(())
}

/// RFC 5280 sections 4.2.1.3, 4.2.1.9 and 4.2.1.12: an end entity that may authenticate as a TLS client (P36, P39).
fn check_usage(leaf: &X509Certificate<'_>, rules: ExtendedKeyUsageRules) -> Result<(), Rejection> {
    if leaf.is_ca() {
        return Err(Reason::CertEku.because("the certificate is a CA"));
    }
    profile::check_end_entity(leaf)?;
    let unreadable = |_| Reason::CertEku.because("the key usage cannot be read");
    let usage = leaf.key_usage().map_err(unreadable)?;
    if usage.is_some_and(|usage| !usage.value.digital_signature()) {
        // RFC 8446 section 4.4.2.3, as for a server's certificate: the key must be allowed to sign.
        return Err(Reason::CertEku.because("the key usage is without `digitalSignature`"));
    }
    match leaf.extended_key_usage().map_err(unreadable)? {
        None if rules.allow_absent => Ok(()),
        None => Err(Reason::CertEku.because("the certificate has no extended key usage")),
        Some(purposes) if purposes.value.client_auth => Ok(()),
        Some(purposes) if purposes.value.any && rules.allow_any => Ok(()),
        Some(_) => Err(Reason::CertEku.because("the extended key usage is without `clientAuth`")),
    }
}

fn check_key(leaf: &X509Certificate<'_>, min_rsa_bits: usize) -> Result<(), Rejection> {
    let weakness = key_weakness(leaf.public_key(), min_rsa_bits);
    weakness.map_or(Ok(()), |weakness| {
        Err(Reason::CertKey.because(format!("the certificate's {weakness}")))
    })
}

fn check_lifetime(
    leaf: &X509Certificate<'_>,
    rules: &LeafRules,
    now: UnixTime,
) -> Result<(), Rejection> {
    let validity = Validity::of(leaf);
    // RFC 5280 section 4.1.2.5: both ends belong to the period.
    let lifetime = validity.not_after.since(validity.not_before);
    if rules.max_lifetime.is_some_and(|most| lifetime > most) {
        return Err(Reason::CertLifetime.because("the certificate lives longer than `maxLifetime`"));
    }
    if now.as_secs() > own_end(leaf, rules).as_secs() {
        return Err(
            Reason::CertLifetime.because("the certificate has less than `minRemaining` left")
        );
    }
    Ok(())
}

/// The last moment at which the leaf itself is accepted.
fn own_end(leaf: &X509Certificate<'_>, rules: &LeafRules) -> UnixTime {
    Validity::of(leaf).not_after.minus(rules.min_remaining)
}

fn check_pins(
    decoded: &DecodedCertificate,
    leaf: &X509Certificate<'_>,
    pins: &[Pin],
) -> Result<(), Rejection> {
    if pins.is_empty() {
        return Ok(());
    }
    let spki = Pin::Spki(Fingerprint::of(leaf.public_key().raw));
    let certificate = Pin::Certificate(Fingerprint::of(&decoded.leaf));
    if pins.contains(&spki) || pins.contains(&certificate) {
        return Ok(());
    }
    Err(Reason::CertPin.because("neither the certificate nor its key is pinned"))
}

fn facts(
    domain: &TrustDomain,
    decoded: &DecodedCertificate,
    leaf: &X509Certificate<'_>,
    names: Names,
) -> PeerFacts {
    PeerFacts {
        trust_domain: domain.name().to_owned(),
        spiffe: names.spiffe,
        dns: names.dns,
        uris: names.uris,
        emails: names.emails,
        ips: names.ips.iter().map(ToString::to_string).collect(),
        subject: Some(distinguished_name::rfc4514(leaf.subject())),
        certificate: Some(Fingerprint::of(&decoded.leaf)),
        spki: Some(Fingerprint::of(leaf.public_key().raw)),
        serial: Some(serial(leaf.raw_serial())),
        issuer: Some(distinguished_name::rfc4514(leaf.issuer())),
        not_before: Some(Validity::of(leaf).not_before),
        not_after: Some(Validity::of(leaf).not_after),
    }
}

/// In lower-case hexadecimal without the sign byte, as tools print it.
pub(super) fn serial(bytes: &[u8]) -> String {
    match bytes {
        [0, rest @ ..] if !rest.is_empty() => hex(rest),
        all => hex(all),
    }
}
