//! The places of peer evidence, and the settings that say which of them count.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::evidence_level::EvidenceLevel;
use crate::words::words;

/// The places of peer evidence that count. All are off unless configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PeerSources {
    /// `source.certificate`: the leaf that Envoy itself saw in the handshake. Wins over every header, and what the nearest
    /// XFCC element says must agree with it.
    pub source_certificate: bool,
    /// The `x-forwarded-client-cert` header, whose last element the proxy itself writes (`SANITIZE_SET` or
    /// `APPEND_FORWARD`). Under `FORWARD_ONLY` and `ALWAYS_FORWARD_ONLY` the caller writes all of it: leave it off there.
    pub xfcc: bool,
    /// True if XFCC counts where the proxy names no TLS peer (`source.principal` is empty), as behind an Istio ambient
    /// waypoint. Any caller that reaches such a proxy can then write the header, unless the proxy removes it.
    pub xfcc_without_tls: bool,
    /// The `client-cert` and `client-cert-chain` headers (RFC 9440), where `source.certificate` or XFCC proves that a trusted
    /// forwarder has sent them.
    pub client_cert: bool,
    /// True if they count where the proxy names no TLS peer, as behind a load balancer on a trusted network.
    pub client_cert_without_tls: bool,
    /// The use of `source.principal` as an identity where nothing else is shown. Envoy fills it with the first URI, else with a
    /// DNS name or the subject, and does not say which.
    pub principal: PrincipalSource,
    /// The least evidence that counts, of the caller and of every forwarder on the way; less is `evidence_insufficient` for
    /// every rule. Below `leaf` a peer is worth what the proxy verified: `hash` and `asserted` state that every proxy that
    /// asks here, and every forwarder, verifies client certificates against exactly the authorities pinned in the trust
    /// domains (`VERIFY_TRUST_CHAIN`, never `ACCEPT_UNTRUSTED`).
    pub least_evidence: EvidenceLevel,
    /// Names of the proxies that send checks, if a check does not name them (`destination.principal`), or beside the one
    /// that it names: the nearest XFCC element must be written by one of them.
    pub identities: Vec<String>,
}

/// The use of `source.principal` as an identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PrincipalSource {
    /// It is not: a DNS name can spell a SPIFFE ID.
    #[default]
    Off,
    /// It is, where it is a SPIFFE ID. This states that the proxy accepts only certificates with a URI name
    /// (`match_typed_subject_alt_names` with `san_type: URI`), so that the principal is always one.
    UriSanRequired,
}

words! {
    /// A place of peer evidence.
    pub enum PeerSource {
        /// `source.certificate` of the check request.
        SourceCertificate "source_certificate",
        /// The `x-forwarded-client-cert` header.
        Xfcc "xfcc",
        /// The `client-cert` header.
        ClientCert "client_cert",
        /// `source.principal` of the check request.
        Principal "principal",
    }
}

impl PeerSources {
    /// True if peers count whose certificate is never seen here: the proxies' verification is all there is then.
    pub fn rely_on_proxies(&self) -> bool {
        self.least_evidence < EvidenceLevel::Leaf
    }

    /// True if every source is off, as without settings: there is never a peer then.
    pub fn are_off(&self) -> bool {
        let headers = self.xfcc || self.xfcc_without_tls;
        let client_cert = self.client_cert || self.client_cert_without_tls;
        !self.source_certificate
            && !headers
            && !client_cert
            && self.principal == PrincipalSource::Off
    }
}

impl<'de> Deserialize<'de> for PrincipalSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PrincipalWord)
    }
}

/// Reads the word, and the `false` of earlier settings.
struct PrincipalWord;

impl Visitor<'_> for PrincipalWord {
    type Value = PrincipalSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`off` or `uriSanRequired`")
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<PrincipalSource, E> {
        if on {
            return Err(E::custom(
                "`principal: true` does not say of which kind the name is, and a DNS name can spell a SPIFFE ID: where the proxy accepts only certificates with a URI name (`match_typed_subject_alt_names` with `san_type: URI`), write `principal: uriSanRequired`",
            ));
        }
        Ok(PrincipalSource::Off)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<PrincipalSource, E> {
        match word {
            "off" => Ok(PrincipalSource::Off),
            "uriSanRequired" => Ok(PrincipalSource::UriSanRequired),
            _ => Err(E::custom("expected `off` or `uriSanRequired`")),
        }
    }
}
