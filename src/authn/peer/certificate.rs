//! A presented certificate, verified against the trust domain that its names select.

use std::sync::Arc;

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::names::Names;
use super::path::CheckedPath;
use super::signers::{Leaf, SignedChain};
use super::{distinguished_name, path, profile, signers};
use crate::authn::cache::CertificateCache;
use crate::authn::facts::PeerFacts;
use crate::authn::revoked::{self, IssuerMarks};
use crate::authn::verified::{CertificateKey, VerifiedCertificate};
use crate::clock::UnixTime;
use crate::document::ExtendedKeyUsageSpec;
use crate::evidence::{DecodedCertificate, PresentedCertificate};
use crate::limits::MAX_FAILED_SIGNATURES;
use crate::reason::{Reason, Rejection};
use crate::secret::Fingerprint;
use crate::spiffe::SpiffeId;
use crate::trust::{
    IssuerKeys, LeafPin, LeafRules, RevocationView, SignatureBudget, SignatureChecks, TrustDomain,
    TrustStore, Validity, key_weakness,
};

/// Everything that one verification uses.
pub(super) struct CertificateVerifier<'a> {
    pub(super) trust: &'a TrustStore,
    pub(super) revocations: &'a RevocationView,
    pub(super) memory: &'a dyn CertificateCache,
    pub(super) now: UnixTime,
    /// For all certificates of the request together.
    budget: SignatureBudget,
}

impl<'a> CertificateVerifier<'a> {
    /// A verifier for the certificates of one request.
    pub(super) const fn new(
        trust: &'a TrustStore,
        revocations: &'a RevocationView,
        memory: &'a dyn CertificateCache,
        now: UnixTime,
    ) -> Self {
        let budget = SignatureBudget::new(MAX_FAILED_SIGNATURES);
        Self { trust, revocations, memory, now, budget }
    }

    /// Verifies a presented certificate, or finds it in the cache. Revocation is checked every time.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(super) fn certificate(
        &self,
        presented: &PresentedCertificate,
    ) -> Result<Arc<VerifiedCertificate>, Rejection> {
        let verified = self.remembered(presented)?;
        revoked::check_peer(&verified.facts, self.revocations, self.now)?;
        let path = (&*verified.facts, &*verified.issuers);
        revoked::check_issuers(path, self.revocations, self.now)?;
        Ok(verified)
    }

    fn remembered(
        &self,
        presented: &PresentedCertificate,
    ) -> Result<Arc<VerifiedCertificate>, Rejection> {
        let key = CertificateKey::new(self.trust.domains_revision(), presented);
        if let Some(verified) = self.memory.lookup(&key)
            && verified.holds_at(self.now)
        {
            return Ok(verified);
        }
        if !self.memory.lets_verify() {
            return Err(Reason::Throttled.because("the certificate was not verified before"));
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
        let keys = self.issuer_keys(names.spiffe.as_ref())?;
        let checks = SignatureChecks::new();
        let chain = self.signed_chain(&decoded, &leaf, keys, &checks)?;
        let shown = Leaf { der: &decoded.leaf, certificate: &leaf, chain: &chain, checks: &checks };
        let vouchers = self.vouchers(shown, keys, &names);
        let facts = facts(&decoded, &leaf, names);
        let vouchers = vouchers.map_err(|why| revoked::named(why, &facts))?;
        let holds = vouchers.holds.and(Validity::of(&leaf));
        Ok(VerifiedCertificate {
            facts: Arc::new(PeerFacts {
                trust_domain: vouchers.domain.name.to_owned(),
                other_trust_domains: vouchers.also,
                unsure_trust_domains: vouchers.unsure,
                ..facts
            }),
            issuers: vouchers.issuers.into(),
            envoy_subject: distinguished_name::as_envoy_writes_it(leaf.subject()).map(Into::into),
            from: holds.not_before,
            until: holds.not_after,
        })
    }

    /// The part of what is shown that CAs of `keys` have signed, at the cost of the request's budget.
    pub(super) fn signed_chain<'c>(
        &'c self,
        decoded: &'c DecodedCertificate,
        leaf: &X509Certificate<'_>,
        keys: &'c IssuerKeys,
        checks: &'c SignatureChecks,
    ) -> Result<SignedChain<'c>, Rejection> {
        let DecodedCertificate { leaf: der, intermediates } = decoded;
        signers::find(der, leaf, intermediates, keys, checks, &self.budget)
    }

    /// The trust domains that vouch for the certificate, and when they do. The SPIFFE ID selects the domain. A certificate
    /// without one is checked against every domain without `spiffe`, since a rule may name any of them.
    fn vouchers(
        &self,
        leaf: Leaf<'_>,
        keys: &IssuerKeys,
        names: &Names,
    ) -> Result<Vouchers<'a>, Rejection> {
        if names.spiffe.is_some() {
            check_svid(leaf.certificate)?;
        }
        let mut paths = Paths::default();
        let mut vouchers: Option<Vouchers<'a>> = None;
        let mut refusals = Vec::new();
        for domain in self.asked(leaf.chain, keys) {
            match self.check(leaf, domain, &mut paths) {
                Ok(CheckedPath { holds, issuers }) => {
                    let end = own_end(leaf.certificate, &domain.leaf);
                    let holds = Validity { not_after: holds.not_after.min(end), ..holds };
                    match &mut vouchers {
                        None => vouchers = Some(Vouchers::first(domain, holds, issuers)),
                        Some(vouchers) => vouchers.add(domain, holds, issuers),
                    }
                }
                Err(rejection) => refusals.push((domain, rejection)),
            }
        }
        let Some(mut vouchers) = vouchers else { return Err(closest(refusals)) };
        for (domain, rejection) in refusals {
            if self.may_be_of(domain, &rejection, leaf, &mut paths) {
                vouchers.unsure.push(domain.name.to_owned());
                if ENDS_WITH_TIME.contains(&rejection.reason()) {
                    vouchers.holds = Validity { not_before: self.now, not_after: self.now };
                }
            }
        }
        Ok(vouchers)
    }

    fn issuer_keys(&self, id: Option<&SpiffeId>) -> Result<&'a IssuerKeys, Rejection> {
        let unknown = || unknown_domain(id.map(SpiffeId::trust_domain).unwrap_or_default());
        self.trust.issuer_keys(id).ok_or_else(unknown)
    }

    /// The trust domains that can vouch for a certificate: those whose CA has signed it. Where there is none, the first one says
    /// what is wrong.
    fn asked(
        &self,
        chain: &SignedChain<'_>,
        keys: &IssuerKeys,
    ) -> impl Iterator<Item = &'a TrustDomain> {
        let first = chain.domains.is_empty().then(|| keys.domains().first()).flatten();
        let asked: Vec<_> = chain.domains.iter().chain(first).copied().collect();
        let trust = self.trust;
        asked.into_iter().filter_map(|position| trust.domain(position))
    }

    /// True if a certificate that `domain` does not vouch for, for the reason of `rejection`, may be one of its own all the
    /// same: its authorities issued it and its pins do not exclude it. A rule that denies what is of this domain must not be
    /// got around by a certificate that breaks its rules.
    fn may_be_of(
        &self,
        domain: &'a TrustDomain,
        rejection: &Rejection,
        leaf: Leaf<'_>,
        paths: &mut Paths<'a>,
    ) -> bool {
        let strange = |rejection: &Rejection| rejection.reason() == Reason::ChainUntrusted;
        !strange(rejection)
            && check_pins(leaf, &domain.leaf.pins).is_ok()
            && !paths.find(leaf, domain, self.now).is_err_and(|found| strange(&found))
    }

    /// Everything that `domain` asks of a certificate.
    pub(super) fn check(
        &self,
        leaf: Leaf<'_>,
        domain: &'a TrustDomain,
        paths: &mut Paths<'a>,
    ) -> Result<CheckedPath, Rejection> {
        let (certificate, rules) = (leaf.certificate, &domain.leaf);
        profile::check(certificate)?;
        check_usage(certificate, rules.extended_key_usage)?;
        let found = paths.find(leaf, domain, self.now)?;
        check_key(certificate, rules.min_rsa_bits)?;
        check_lifetime(certificate, rules, self.now)?;
        check_pins(leaf, &rules.pins)?;
        Ok(found)
    }
}

/// Why a domain may not vouch at one moment and vouch at another, so that its doubt is remembered for this moment alone (P713).
const ENDS_WITH_TIME: [Reason; 4] =
    [Reason::CrlStale, Reason::CertNotYetValid, Reason::CertExpired, Reason::CertLifetime];

/// The trust domains that vouch for one certificate.
struct Vouchers<'a> {
    /// The first by name.
    domain: &'a TrustDomain,
    also: Vec<String>,
    /// Domains that do not vouch for it, and of which it may be all the same.
    unsure: Vec<String>,
    /// When all of them vouch.
    holds: Validity,
    /// The CAs on their paths.
    issuers: Vec<IssuerMarks>,
}

/// The sets of authorities to which a certificate has no path. Several documents may have the same authorities, and a
/// missing path is searched once.
#[derive(Default)]
pub(super) struct Paths<'a>(Vec<(&'a Fingerprint, Rejection)>);

impl<'a> Vouchers<'a> {
    const fn first(domain: &'a TrustDomain, holds: Validity, issuers: Vec<IssuerMarks>) -> Self {
        Self { domain, also: Vec::new(), unsure: Vec::new(), holds, issuers }
    }

    fn add(&mut self, domain: &TrustDomain, holds: Validity, issuers: Vec<IssuerMarks>) {
        self.also.push(domain.name.to_owned());
        self.issuers.extend(issuers);
        self.holds = self.holds.and(holds);
    }
}

impl<'a> Paths<'a> {
    fn find(
        &mut self,
        leaf: Leaf<'_>,
        domain: &'a TrustDomain,
        now: UnixTime,
    ) -> Result<CheckedPath, Rejection> {
        if let Some((_, known)) = self.0.iter().find(|(paths, _)| *paths == &domain.paths) {
            return Err(known.clone());
        }
        let found = path::find(leaf, domain, now);
        if let Err(rejection) = &found {
            let of_lists = [Reason::CertRevoked, Reason::CrlMissing, Reason::CrlStale];
            // Lists are those of one document; everything else is the same for all with these authorities.
            if !of_lists.contains(&rejection.reason()) {
                self.0.push((&domain.paths, rejection.clone()));
            }
        }
        found
    }
}

/// The most telling of refusals: a domain that found a path knows better what is wrong than one that did not.
fn closest(refusals: Vec<(&TrustDomain, Rejection)>) -> Rejection {
    let mut closest: Option<Rejection> = None;
    for (_, rejection) in refusals {
        let vague = |other: &Rejection| other.reason() == Reason::ChainUntrusted;
        if closest.as_ref().is_none_or(vague) {
            closest = Some(rejection);
        }
    }
    closest.unwrap_or_else(|| {
        Reason::TrustDomainUnknown
            .because("no trust domain vouches for certificates without a SPIFFE ID")
    })
}

pub(super) fn unknown_domain(name: &str) -> Rejection {
    Reason::TrustDomainUnknown.because(format!("no trust domain document has `spiffe: {name}`"))
}

/// X509-SVID section 4.3: a workload's certificate signs neither certificates nor revocation lists.
pub(super) fn check_svid(leaf: &X509Certificate<'_>) -> Result<(), Rejection> {
    let usage = leaf.key_usage().ok().flatten();
    if usage.is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign()) {
        return Err(Reason::SpiffeInvalid.because("the SVID of a workload may sign certificates"));
    }
    Ok(())
}

/// RFC 5280 sections 4.2.1.3, 4.2.1.9 and 4.2.1.12: an end entity that may authenticate as a TLS client (P36, P39).
fn check_usage(leaf: &X509Certificate<'_>, rules: ExtendedKeyUsageSpec) -> Result<(), Rejection> {
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

fn check_pins(leaf: Leaf<'_>, pins: &[LeafPin]) -> Result<(), Rejection> {
    if pins.is_empty() {
        return Ok(());
    }
    let spki = LeafPin::Spki(Fingerprint::of(leaf.certificate.public_key().raw));
    let certificate = LeafPin::Certificate(Fingerprint::of(leaf.der));
    if pins.contains(&spki) || pins.contains(&certificate) {
        return Ok(());
    }
    Err(Reason::CertPin.because("neither the certificate nor its key is pinned"))
}

/// The facts that the certificate itself states.
fn facts(decoded: &DecodedCertificate, leaf: &X509Certificate<'_>, names: Names) -> PeerFacts {
    PeerFacts {
        spiffe: names.spiffe,
        dns: names.dns,
        uris: names.uris,
        emails: names.emails,
        ips: names.ips.iter().map(ToString::to_string).collect(),
        subject: Some(distinguished_name::rfc4514(leaf.subject())),
        certificate: Some(Fingerprint::of(&decoded.leaf)),
        spki: Some(Fingerprint::of(leaf.public_key().raw)),
        serial: Some(profile::serial(leaf.raw_serial())),
        issuer: Some(distinguished_name::rfc4514(leaf.issuer())),
        not_before: Some(Validity::of(leaf).not_before),
        not_after: Some(Validity::of(leaf).not_after),
        ..PeerFacts::default()
    }
}
