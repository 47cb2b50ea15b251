//! The certificates of clients in the handshake: verified by rustls, after what no authority has signed is set aside. Before a client
//! is known, its chain costs a few signature checks and not a hundred (P240).

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use crate::authn::signed_intermediates;
use crate::trust::IssuerKeys;

#[derive(Debug)]
pub(super) struct ClientVerifier {
    inner: Arc<dyn ClientCertVerifier>,
    keys: IssuerKeys,
}

impl ClientVerifier {
    /// A verifier of clients that lead to one of `authorities`.
    ///
    /// # Errors
    /// The reason why `roots`, the same authorities, cannot be used.
    pub(super) fn new(
        roots: RootCertStore,
        authorities: &[CertificateDer<'_>],
    ) -> Result<Self, String> {
        let inner = WebPkiClientVerifier::builder(Arc::new(roots))
            .build()
            .map_err(|error| format!("`listener.tls.clientAuthorities`: {error}"))?;
        Ok(Self { inner, keys: IssuerKeys::of_authorities(authorities) })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let signed = signed_intermediates(end_entity, intermediates, &self.keys);
        self.inner.verify_client_cert(end_entity, &signed, now)
    }

    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.inner.requires_raw_public_keys()
    }
}
