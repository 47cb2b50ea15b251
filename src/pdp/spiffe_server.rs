//! Servers whose certificates name a workload and no host: bundle endpoints of the profile `https_spiffe` (SPIFFE Federation section
//! 5.2.2). The certificate has to lead to the given authorities and to have exactly one URI, the SPIFFE ID (X509-SVID section 2).

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::spiffe::SpiffeId;

/// Verifies that a server is one workload.
#[derive(Debug)]
pub(super) struct WorkloadVerifier {
    pub(super) id: SpiffeId,
    pub(super) roots: RootCertStore,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for WorkloadVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let (roots, algorithms) = (&self.roots, self.algorithms.all);
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)?;
        let named = only_uri(end_entity);
        if named.as_deref() == Some(self.id.as_str()) {
            return Ok(ServerCertVerified::assertion());
        }
        let found = match &named {
            Some(uri) => format!("names `{}`", uri.escape_debug()),
            None => String::from("does not name exactly one URI"),
        };
        Err(Error::General(format!("the server's certificate {found}, expected `{}`", self.id)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The URI of a certificate that has one, up to a length that an ID can have.
fn only_uri(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let mut uris = names
        .value
        .general_names
        .iter()
        .filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
    let first = uris.next()?;
    (uris.next().is_none() && first.len() <= crate::limits::MAX_SPIFFE_ID_BYTES)
        .then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
        SanType,
    };

    use super::*;

    const ID: &str = "spiffe://partner.example/spire/server";

    struct Authority(CertificateParams, KeyPair);

    impl Authority {
        fn new() -> Self {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            Self(params, KeyPair::generate().unwrap())
        }

        fn certificate(&self) -> CertificateDer<'static> {
            self.0.self_signed(&self.1).unwrap().der().clone()
        }

        fn issue(
            &self,
            names: &[SanType],
            usage: ExtendedKeyUsagePurpose,
        ) -> CertificateDer<'static> {
            let mut params = CertificateParams::default();
            (params.subject_alt_names, params.extended_key_usages) = (names.to_vec(), vec![usage]);
            params.not_after = time::OffsetDateTime::now_utc() + time::Duration::HOUR;
            let issuer = Issuer::from_params(&self.0, &self.1);
            let key = KeyPair::generate().unwrap();
            params.signed_by(&key, &issuer).unwrap().der().clone()
        }
    }

    /// P491: the certificate names the workload and nothing else that it could be taken for, and leads to the authorities.
    #[test]
    fn a_server_is_the_one_workload() {
        let (ours, other) = (Authority::new(), Authority::new());
        let uri = |text: &str| SanType::URI(text.try_into().unwrap());
        let dns = SanType::DnsName("partner.example".try_into().unwrap());
        let mut roots = RootCertStore::empty();
        roots.add(ours.certificate()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let verifier = WorkloadVerifier { id: ID.parse().unwrap(), roots, algorithms };
        let verified = |certificate: &CertificateDer<'_>, later: u64| {
            let now = UnixTime::now().as_secs() + later;
            let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
            let host = ServerName::try_from("partner.example").unwrap();
            verifier.verify_server_cert(certificate, &[], &host, &[], now).err()
        };
        let server = ExtendedKeyUsagePurpose::ServerAuth;
        let good = ours.issue(&[uri(ID)], server.clone());
        assert_eq!(verified(&good, 0), None);
        assert_eq!(verified(&ours.issue(&[uri(ID), dns.clone()], server.clone()), 0), None);
        assert!(verified(&good, 3601).unwrap().to_string().contains("expired"));
        let client = ExtendedKeyUsagePurpose::ClientAuth;
        for (certificate, expected) in [
            (other.issue(&[uri(ID)], server.clone()), "BadSignature"),
            (ours.issue(&[uri(ID)], client), "xtended"),
            (
                ours.issue(&[dns], server.clone()),
                "does not name exactly one URI, expected `spiffe:",
            ),
            (ours.issue(&[uri(ID), uri("https://x.test")], server.clone()), "exactly one URI"),
            (
                ours.issue(&[uri("spiffe://partner.example/other")], server.clone()),
                "names `spiffe://partner.example/other`",
            ),
            (ours.issue(&[uri("SPIFFE://partner.example/spire/server")], server), "names `SPIFFE"),
        ] {
            let error = verified(&certificate, 0).map(|error| format!("{error} {error:?}"));
            assert!(error.as_ref().is_some_and(|error| error.contains(expected)), "{error:?}");
        }
    }
}
