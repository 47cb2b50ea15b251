//! Peers, verified: each source, each rule, each trick.

mod authority;
mod client_revocation;
mod distribution;
mod hostile_chain;
mod laws;
mod memory;
mod pkits;
mod position;
mod revocation;
mod shared_authority;
mod spelled;
mod standing;
mod verification;
mod walk;

use super::*;
use crate::authn::{Credential, NoCache};
use crate::clock::UnixTime;
use crate::evidence::{PeerEvidence, PeerSources, PrincipalSource};
use crate::evidence_level::EvidenceLevel;
use crate::reason::{Reason, Rejection};
use crate::request::{CredentialHeaders, HeaderValue, Headers, SealedNames, Text};
use crate::trust::TrustStore;
use crate::trust::tests::pki::{Leaf, NOW};

/// The evidence of its peer in one request.
#[derive(Clone, Default)]
struct Shown {
    certificate: Option<String>,
    principal: Option<String>,
    destination: Option<String>,
    identities: Vec<String>,
    xfcc: Option<String>,
    client_cert: Option<String>,
    principal_trusted: bool,
    without_tls: bool,
    /// `asserted`, unless a test is about it.
    least: Option<EvidenceLevel>,
}

impl Shown {
    fn certificate(leaf: &Leaf) -> Self {
        Self { certificate: Some(leaf.encoded()), ..Self::default() }
    }

    fn xfcc(text: impl Into<String>, principal: &str) -> Self {
        Self { xfcc: Some(text.into()), principal: Some(principal.into()), ..Self::default() }
    }

    fn evidence(&self) -> PeerEvidence {
        let mut headers = Headers::default();
        if let Some(xfcc) = &self.xfcc {
            headers.push("x-forwarded-client-cert", HeaderValue::new(xfcc.clone().into_bytes()));
        }
        if let Some(text) = &self.client_cert {
            headers.push("client-cert", HeaderValue::new(text.clone().into_bytes()));
        }
        let sealed = SealedNames::default();
        let text = |text: &Option<String>| text.as_ref().map(Text::from);
        let (certificate, principal) = (text(&self.certificate), text(&self.principal));
        let (_, credentials) = CredentialHeaders::split(headers, &sealed, certificate, principal);
        let sources = PeerSources {
            source_certificate: true,
            xfcc: true,
            xfcc_without_tls: self.without_tls,
            client_cert: true,
            client_cert_without_tls: self.without_tls,
            principal: if self.principal_trusted {
                PrincipalSource::UriSanRequired
            } else {
                PrincipalSource::Off
            },
            least_evidence: self.least.unwrap_or(EvidenceLevel::Asserted),
            identities: self.identities.clone(),
        };
        PeerEvidence::collect(&credentials, text(&self.destination).as_ref(), &sources)
    }

    fn verify_at(&self, trust: &TrustStore, now: UnixTime) -> Credential<PeerIdentity> {
        verify(&self.evidence(), trust, &NoCache, now)
    }

    fn peer(&self, trust: &TrustStore) -> PeerIdentity {
        match self.verify_at(trust, NOW) {
            Credential::Verified(peer) => peer,
            other @ (Credential::Absent | Credential::Rejected(_)) => panic!("{other:?}"),
        }
    }

    fn rejection_at(&self, trust: &TrustStore, now: UnixTime) -> Rejection {
        match self.verify_at(trust, now) {
            Credential::Rejected(rejection) => rejection,
            other @ (Credential::Absent | Credential::Verified(_)) => panic!("{other:?}"),
        }
    }

    fn reason(&self, trust: &TrustStore) -> Reason {
        self.rejection_at(trust, NOW).reason()
    }
}
