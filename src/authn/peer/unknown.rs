//! Authorities that a trust domain may have by now, and that are not among those at hand.

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::names::Names;
use crate::evidence::{PeerEvidence, Presented, PresentedCertificate};
use crate::trust::{IssuerKeys, TrustStore, authority_key_id};

/// The names of the trust domains whose CAs the shown certificates call by an identifier that none of theirs has: of these, nothing
/// that was shown can lead to an authority.
pub fn with_unknown_authorities<'a>(
    evidence: &PeerEvidence,
    trust: &'a TrustStore,
) -> Vec<&'a str> {
    let last = match &evidence.xfcc {
        Presented::Present(xfcc) => xfcc.elements.last().and_then(|own| own.certificate.as_ref()),
        Presented::Absent | Presented::Malformed(_) => None,
    };
    let [source, client] = [&evidence.source_certificate, &evidence.client_cert].map(present);
    let shown = [source, client, last].into_iter().flatten();
    shown.filter_map(|presented| lacking(presented, trust)).flatten().collect()
}

const fn present(own: &Presented<PresentedCertificate>) -> Option<&PresentedCertificate> {
    match own {
        Presented::Present(presented) => Some(presented),
        Presented::Absent | Presented::Malformed(_) => None,
    }
}

fn lacking<'a>(presented: &PresentedCertificate, trust: &'a TrustStore) -> Option<Vec<&'a str>> {
    let decoded = presented.decode().ok()?;
    let (_, leaf) = X509Certificate::from_der(&decoded.leaf).ok()?;
    let keys = trust.issuer_keys(Names::read(&leaf).ok()?.spiffe.as_ref())?;
    let mut others = decoded.intermediates.iter().filter_map(|der| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(is_known(&certificate, keys))
    });
    if is_known(&leaf, keys) || others.any(|known| known) {
        return None;
    }
    let domains = keys.domains().iter().filter_map(|position| trust.domain(*position));
    Some(domains.map(|domain| domain.name.as_str()).collect())
}

/// True if a CA has the name and the key that the certificate says have issued it; one that names no key says nothing.
fn is_known(certificate: &X509Certificate<'_>, keys: &IssuerKeys) -> bool {
    let mut named = keys.named(certificate.issuer().as_raw()).iter();
    authority_key_id(certificate).is_none_or(|id| named.any(|key| key.is_called(id)))
}
