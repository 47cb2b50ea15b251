//! Why there is no path, where the path builder says only that a signature does not verify.
//!
//! Of everything that it has tried, rustls-webpki reports the failure that it ranks highest, and it ranks a signature above
//! path lengths, names and rights. A CA that carries its own issuer's name, as in a key rollover, makes it try a key that
//! cannot fit, so that the real cause is hidden. For people only: what is found here allows nothing.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::{constraints, policies};
use crate::evidence::DecodedCertificate;
use crate::limits::MIN_RSA_BITS;
use crate::reason::{Reason, Rejection};
use crate::trust::{TrustDomain, extension_fault, is_signed_by, issues_clients, key_weakness};

/// How many signatures are verified for one explanation. The path builder has had a hundred.
const MAX_SIGNATURES: usize = 16;

/// The real cause, for a leaf of which the path builder says that a signature does not verify.
pub(super) fn of_bad_signature(
    presented: &DecodedCertificate,
    leaf: &X509Certificate<'_>,
    domain: &TrustDomain,
) -> Rejection {
    let mut search = Search::new(presented, domain);
    let mut path = Vec::new();
    if let Some(authority) = search.climb(&presented.leaf, leaf, &mut path) {
        return of_signed_path(authority, &path, leaf);
    }
    if let Some(weakness) = search.weakness {
        return Reason::CertKey.because(format!("a presented issuer's {weakness}"));
    }
    Reason::ChainUntrusted.because(match search.other_key {
        Some(Role::Authority) => {
            "a signature on the path does not verify: an authority of the same name has another key"
        }
        Some(Role::Intermediate) => {
            "a signature on the path does not verify: an intermediate of the issuer's name has another key"
        }
        None => "a signature on the path does not verify",
    })
}

/// The real cause, for a leaf of which the path builder says that a name is not permitted: it says the same of constraints that it does
/// not evaluate. Nothing where it is right.
pub(super) fn of_names(
    presented: &DecodedCertificate,
    leaf: &X509Certificate<'_>,
    domain: &TrustDomain,
) -> Option<Rejection> {
    let mut intermediates = Vec::new();
    let mut search = Search::new(presented, domain);
    let authority = search.climb(&presented.leaf, leaf, &mut intermediates)?;
    constraints::unevaluated(&whole(authority, &intermediates, leaf))
}

/// A certificate that may have issued others.
struct Candidate<'a> {
    der: &'a CertificateDer<'a>,
    certificate: X509Certificate<'a>,
}

#[derive(Clone, Copy)]
enum Role {
    Authority,
    Intermediate,
}

struct Search<'a> {
    domain: &'a TrustDomain,
    issuers: Vec<Candidate<'a>>,
    signatures: usize,
    /// Who carries the name of an issuer and has not signed.
    other_key: Option<Role>,
    weakness: Option<String>,
}

impl<'a> Candidate<'a> {
    fn read(der: &'a CertificateDer<'a>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(Self { der, certificate })
    }
}

impl<'a> Search<'a> {
    fn new(presented: &'a DecodedCertificate, domain: &'a TrustDomain) -> Self {
        let issuers = presented.intermediates.iter().chain(&domain.intermediates);
        Self {
            domain,
            issuers: issuers.filter_map(Candidate::read).collect(),
            signatures: MAX_SIGNATURES,
            other_key: None,
            weakness: None,
        }
    }

    /// The authority above `head` and the intermediates to it, lowest first, where every signature verifies.
    fn climb(
        &mut self,
        der: &CertificateDer<'_>,
        head: &X509Certificate<'_>,
        path: &mut Vec<X509Certificate<'a>>,
    ) -> Option<X509Certificate<'a>> {
        for authority in &self.domain.authorities {
            let Some(authority) = Candidate::read(&authority.der) else { continue };
            if self.has_signed(&authority.certificate, der, head, Role::Authority) {
                return Some(authority.certificate);
            }
        }
        for at in 0..self.issuers.len() {
            let Some(Candidate { der: own, certificate }) = self.issuers.get(at) else { break };
            let (own, certificate) = (*own, certificate.clone());
            let repeated = path.iter().any(|other| {
                other.subject() == certificate.subject()
                    && other.public_key().raw == certificate.public_key().raw
            });
            if repeated || !self.has_signed(&certificate, der, head, Role::Intermediate) {
                continue;
            }
            path.push(certificate.clone());
            if let Some(authority) = self.climb(own, &certificate, path) {
                return Some(authority);
            }
            path.pop();
        }
        None
    }

    fn has_signed(
        &mut self,
        issuer: &X509Certificate<'_>,
        der: &CertificateDer<'_>,
        head: &X509Certificate<'_>,
        role: Role,
    ) -> bool {
        if issuer.subject().as_raw() != head.issuer().as_raw() || self.signatures == 0 {
            return false;
        }
        self.signatures = self.signatures.saturating_sub(1);
        let signed = is_signed_by(der, issuer.public_key().raw);
        if !signed {
            // An authority is more telling than an intermediate, and comes first.
            self.other_key.get_or_insert(role);
            let weakness = || key_weakness(issuer.public_key(), MIN_RSA_BITS);
            self.weakness = self.weakness.take().or_else(weakness);
        }
        signed
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
    let mut issuers = path.iter().take(path.len().saturating_sub(1));
    let constrained = issuers.any(|issuer| !matches!(issuer.name_constraints(), Ok(None)));
    if constrained {
        let why = "the certificate's names are not permitted by one of its issuers";
        return Reason::CertSan.because(why);
    }
    Reason::ChainUntrusted.because("no trusted path: its signatures verify, but another rule fails")
}
