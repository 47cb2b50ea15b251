//! The verdict of each trust domain on a certificate: for `countersign inspect`, not for decisions.

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::certificate::{CertificateVerifier, Paths, check_svid};
use super::names::Names;
use super::signers::{Leaf, SignedChain};
use crate::authn::cache::NoCache;
use crate::clock::UnixTime;
use crate::evidence::PresentedCertificate;
use crate::reason::Rejection;
use crate::trust::{SignatureChecks, TrustDomain, TrustStore, Validity};

/// The verdict of one trust domain on a certificate.
#[derive(Clone, Debug)]
pub enum DomainVerdict {
    /// It vouches for it, by a path that is valid in this time.
    Vouches(Validity),
    /// It was asked and does not.
    Refuses(Rejection),
    /// It is not asked: the certificate's SPIFFE ID, or the lack of one, selects another domain.
    NotAsked,
}

/// The verdict of each trust domain on the presented certificate, in the order of their names.
///
/// # Errors
/// The reason why the certificate cannot be read. No domain is asked then.
pub fn verdicts<'a>(
    presented: &PresentedCertificate,
    trust: &'a TrustStore,
    now: UnixTime,
) -> Result<Vec<(&'a TrustDomain, DomainVerdict)>, Rejection> {
    CertificateVerifier::new(trust, trust.revocations(), &NoCache, now).verdicts(presented)
}

impl<'a> CertificateVerifier<'a> {
    /// The verdict of each trust domain on a certificate. For people, not for decisions.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    pub(super) fn verdicts(
        &self,
        presented: &PresentedCertificate,
    ) -> Result<Vec<(&'a TrustDomain, DomainVerdict)>, Rejection> {
        let decoded = presented.decode()?;
        let unreadable = || presented.unreadable("it is not an X.509 certificate");
        let (_, leaf) = X509Certificate::from_der(&decoded.leaf).map_err(|_| unreadable())?;
        let names = Names::read(&leaf)?;
        let selects = |domain: &TrustDomain| match (&names.spiffe, domain.spiffe.as_ref()) {
            (Some(id), Some(name)) => name.as_str() == id.trust_domain(),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let svid = if names.spiffe.is_some() { check_svid(&leaf) } else { Ok(()) };
        let checks = SignatureChecks::new();
        let keys = self.trust.issuer_keys(names.spiffe.as_ref());
        let chain = keys.map_or_else(
            || Ok(SignedChain::default()),
            |keys| self.signed_chain(&decoded, &leaf, keys, &checks),
        );
        let check = |domain| {
            let chain = chain.as_ref().map_err(Clone::clone)?;
            let leaf = Leaf { der: &decoded.leaf, certificate: &leaf, chain, checks: &checks };
            self.check(leaf, domain, &mut Paths::default())
        };
        let judge = |domain| match svid.clone().and_then(|()| check(domain)) {
            Ok(found) => DomainVerdict::Vouches(found.holds),
            Err(rejection) => DomainVerdict::Refuses(rejection),
        };
        let verdict =
            |domain| if selects(domain) { judge(domain) } else { DomainVerdict::NotAsked };
        Ok(self.trust.domains().iter().map(|domain| (domain, verdict(domain))).collect())
    }
}
