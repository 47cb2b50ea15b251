//! The certificate of a TLS client of our own listener: an Envoy that is revoked must not ask any more.
//!
//! The handshake has verified it; here it is only looked for among what is revoked. A list that is too old closes no
//! connection: requests are denied for it, one by one and with a record.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::distinguished_name;
use super::profile::serial;
use crate::authn::facts::PeerFacts;
use crate::authn::revoked;
use crate::clock::UnixTime;
use crate::reason::{Reason, Rejection};
use crate::secret::Fingerprint;
use crate::spiffe::SpiffeId;
use crate::trust::{IssuerId, RevocationView, TrustStore, Validity};

/// Refuses a client whose certificate is revoked, or one of its issuers: by an entry of a list of revocations, or by the
/// certificate revocation list that any document of `trust` has of its issuer. `presented` is its own certificate and those
/// that it sent along, `authorities` are those that it must lead to.
///
/// # Errors
/// `cert_revoked`.
pub fn check_client(
    presented: &[CertificateDer<'_>],
    authorities: &[CertificateDer<'_>],
    trust: &TrustStore,
    revocations: &RevocationView,
    now: UnixTime,
) -> Result<(), Rejection> {
    let issuers = presented.iter().skip(1).chain(authorities);
    let issuers: Vec<_> = issuers.filter_map(|der| X509Certificate::from_der(der).ok()).collect();
    for der in presented {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { continue };
        for facts in facts(der, &certificate) {
            revoked::check_known(&facts, revocations, now)?;
        }
        let own = issuers
            .iter()
            .filter(|(_, issuer)| issuer.subject().as_raw() == certificate.issuer().as_raw());
        for (_, issuer) in own {
            if trust.is_listed(&certificate, &IssuerId::of(issuer), now) {
                return Err(Reason::CertRevoked
                    .because("the certificate or one of its issuers is on a revocation list"));
            }
        }
    }
    Ok(())
}

/// Everything in a certificate that can be revoked, once for each SPIFFE ID that it has.
fn facts(der: &CertificateDer<'_>, certificate: &X509Certificate<'_>) -> Vec<PeerFacts> {
    let whole = PeerFacts {
        certificate: Some(Fingerprint::of(der)),
        spki: Some(Fingerprint::of(certificate.public_key().raw)),
        serial: Some(serial(certificate.raw_serial())),
        issuer: Some(distinguished_name::rfc4514(certificate.issuer())),
        not_before: Some(Validity::of(certificate).not_before),
        ..PeerFacts::of("")
    };
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let ids = names.filter_map(|name| {
        let GeneralName::URI(uri) = name else { return None };
        uri.parse::<SpiffeId>().ok()
    });
    let named: Vec<_> = ids.map(|id| PeerFacts { spiffe: Some(id), ..whole.clone() }).collect();
    if named.is_empty() { vec![whole] } else { named }
}
