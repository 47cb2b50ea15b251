//! What is shown of the peer's certificate, from every source that is believed here.

use serde::Deserialize;

use crate::request::CredentialHeaders;

/// Which places of peer evidence are believed. All are off unless configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PeerSources {
    /// `source.certificate`: the leaf that Envoy itself verified. Wins over every header.
    pub source_certificate: bool,
    /// The `x-forwarded-client-cert` header.
    pub xfcc: bool,
}

/// The unverified certificate evidence of one request.
#[derive(Debug)]
pub struct PeerEvidence {}

// === impl PeerEvidence ===

impl PeerEvidence {
    /// Reads the sources that are believed.
    #[must_use]
    pub fn collect(
        _credentials: &CredentialHeaders,
        _destination_principal: Option<&str>,
        _sources: &PeerSources,
    ) -> Self {
        Self {}
    }
}
