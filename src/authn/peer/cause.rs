//! Why there is no path, where the path builder says only that a signature does not verify.
//!
//! Of everything that it has tried, rustls-webpki reports the failure that it ranks highest, and it ranks a signature above
//! path lengths, names and rights. A CA that carries its own issuer's name, as in a key rollover, makes it try a key that
//! cannot fit, so that the real cause is hidden. For people only: what is found here allows nothing.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::signers::{Leaf, Role};
use super::{constraints, policies};
use crate::reason::{Reason, Rejection};
use crate::trust::{
    SignatureBudget, SignatureChecks, TrustDomain, extension_fault, issues_clients,
};

/// How many signatures are verified for one explanation, beside those that are known.
const MAX_SIGNATURES: u32 = 16;

/// The real cause, for a leaf of which the path builder says that a signature does not verify, or that no issuer is known while there are
/// issuers that have not signed.
pub(super) fn of_bad_signature(leaf: Leaf<'_>, domain: &TrustDomain) -> Rejection {
    let mut path = Vec::new();
    if let Some(authority) =
        CauseSearch::new(leaf, domain).climb(leaf.der, leaf.certificate, &mut path)
    {
        return of_signed_path(authority, &path, leaf.certificate);
    }
    if let Some(weakness) = &leaf.chain.weakness {
        return Reason::CertKey.because(format!("a presented issuer's {weakness}"));
    }
    Reason::ChainUntrusted.because(match leaf.chain.other_key {
        Some(Role::Authority) => {
            "a signature on the path does not verify: an authority of the same name has another key"
        }
        Some(Role::Intermediate) => {
            "a signature on the path does not verify: an intermediate of the issuer's name has another key"
        }
        None => "a signature on the path does not verify",
    })
}

/// The issuer at fault, for a leaf of which the path builder says that a name is not permitted, or that a critical extension is not
/// understood: it does not say whose, and says the same of constraints that it does not evaluate.
pub(super) fn of_issuer(leaf: Leaf<'_>, domain: &TrustDomain) -> Option<Rejection> {
    let mut path = Vec::new();
    let authority = CauseSearch::new(leaf, domain).climb(leaf.der, leaf.certificate, &mut path)?;
    Some(of_signed_path(authority, &path, leaf.certificate))
}

/// A certificate that may have issued others.
struct Candidate<'a> {
    der: &'a CertificateDer<'a>,
    certificate: X509Certificate<'a>,
}

struct CauseSearch<'a> {
    checks: &'a SignatureChecks,
    budget: SignatureBudget,
    authorities: Vec<Candidate<'a>>,
    intermediates: Vec<Candidate<'a>>,
}

impl<'a> Candidate<'a> {
    fn read(der: &'a CertificateDer<'a>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(Self { der, certificate })
    }
}

impl<'a> CauseSearch<'a> {
    fn new(leaf: Leaf<'a>, domain: &'a TrustDomain) -> Self {
        let intermediates = leaf.chain.intermediates.iter().chain(&domain.intermediates);
        let authorities = domain.authorities.iter().map(|authority| &authority.der);
        let read = |der: &'a CertificateDer<'static>| Candidate::read(der);
        Self {
            checks: leaf.checks,
            budget: SignatureBudget::new(MAX_SIGNATURES),
            authorities: authorities.filter_map(read).collect(),
            intermediates: intermediates.filter_map(Candidate::read).collect(),
        }
    }

    /// The authority above `head` and the intermediates to it, lowest first, where every signature verifies.
    fn climb(
        &self,
        der: &CertificateDer<'_>,
        head: &X509Certificate<'_>,
        path: &mut Vec<X509Certificate<'a>>,
    ) -> Option<X509Certificate<'a>> {
        let signed = |issuer: &&Candidate<'_>| self.has_signed(&issuer.certificate, der, head);
        if let Some(authority) = self.authorities.iter().find(signed) {
            return Some(authority.certificate.clone());
        }
        for Candidate { der: own, certificate } in self.intermediates.iter().filter(signed) {
            let is_same = |other: &X509Certificate<'_>| {
                other.subject() == certificate.subject()
                    && other.public_key().raw == certificate.public_key().raw
            };
            if path.iter().any(is_same) {
                continue;
            }
            path.push(certificate.clone());
            if let Some(authority) = self.climb(own, certificate, path) {
                return Some(authority);
            }
            path.pop();
        }
        None
    }

    fn has_signed(
        &self,
        issuer: &X509Certificate<'_>,
        der: &CertificateDer<'_>,
        head: &X509Certificate<'_>,
    ) -> bool {
        issuer.subject().as_raw() == head.issuer().as_raw()
            && self.checks.is_signed_by(der, issuer.public_key().raw, &self.budget) == Ok(true)
    }
}

/// The path from the authority down to the leaf.
fn whole<'a>(
    authority: X509Certificate<'a>,
    intermediates: &[X509Certificate<'a>],
    leaf: &X509Certificate<'a>,
) -> Vec<X509Certificate<'a>> {
    let mut path = vec![authority];
    path.extend(intermediates.iter().rev().cloned());
    path.push(leaf.clone());
    path
}

/// The other reasons why a path is refused, from the authority down.
fn of_signed_path(
    authority: X509Certificate<'_>,
    intermediates: &[X509Certificate<'_>],
    leaf: &X509Certificate<'_>,
) -> Rejection {
    let path = whole(authority, intermediates, leaf);
    for issuer in path.iter().take(path.len().saturating_sub(1)) {
        let subject = issuer.subject();
        if let Some(fault) = extension_fault(issuer) {
            return Reason::ChainUntrusted.because(format!("of the issuer `{subject}`, {fault}"));
        }
        if !issuer.is_ca() {
            return Reason::ChainUntrusted.because(format!("the issuer `{subject}` is not a CA"));
        }
        if !issues_clients(issuer) {
            let why = format!("the issuer `{subject}` is not for client authentication");
            return Reason::CertEku.because(why);
        }
    }
    if let Err(rejection) = constraints::check(&path).and_then(|()| policies::check(&path)) {
        return rejection;
    }
    if let Some(rejection) = constraints::unevaluated(&path) {
        return rejection;
    }
    let issuers = path.iter().take(path.len().saturating_sub(1));
    let constrained = issuers.filter(|issuer| !matches!(issuer.name_constraints(), Ok(None)));
    let constrained: Vec<_> = constrained.map(|issuer| format!("`{}`", issuer.subject())).collect();
    if !constrained.is_empty() {
        let issuers = constrained.join(" or ");
        let why = format!(
            "the certificate's names are not permitted by the name constraints of {issuers}"
        );
        return Reason::CertSan.because(why);
    }
    Reason::ChainUntrusted.because("no trusted path: its signatures verify, but another rule fails")
}
