//! Names and marks of a peer, verified or not.

use crate::clock::UnixTime;
use crate::secret::Fingerprint;
use crate::spiffe::SpiffeId;

/// Everything that is known about a peer. This is not an identity: only a `PeerIdentity` says that it was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerFacts {
    /// The name of the `TrustDomain` document that vouches for it; of several, the first.
    pub trust_domain: String,
    /// The names of the others that vouch for it.
    pub other_trust_domains: Vec<String>,
    /// The names of those whose authorities issued its certificate, and that do not vouch for it.
    pub unsure_trust_domains: Vec<String>,
    /// Its SPIFFE ID.
    pub spiffe: Option<SpiffeId>,
    /// The DNS names of its certificate, in lower case.
    pub dns: Vec<String>,
    /// The URIs of its certificate, the SPIFFE ID included.
    pub uris: Vec<String>,
    /// The e-mail addresses of its certificate.
    pub emails: Vec<String>,
    /// The IP addresses of its certificate as text (RFC 5952 for IPv6): known from level `leaf` up.
    pub ips: Vec<String>,
    /// The subject of its certificate as RFC 4514 text: known from level `leaf` up.
    pub subject: Option<String>,
    /// SHA-256 of its certificate's DER: known from level `hash` up.
    pub certificate: Option<Fingerprint>,
    /// SHA-256 of its SubjectPublicKeyInfo: known from level `leaf` up.
    pub spki: Option<Fingerprint>,
    /// The serial number of its certificate in lower-case hexadecimal: known from level `leaf` up.
    pub serial: Option<String>,
    /// The issuer of its certificate as RFC 4514 text: known from level `leaf` up.
    pub issuer: Option<String>,
    /// When its certificate was issued: known from level `leaf` up.
    pub not_before: Option<UnixTime>,
    /// When its certificate expires: known from level `leaf` up.
    pub not_after: Option<UnixTime>,
}

impl PeerFacts {
    /// Facts of a peer of the trust domain document called `trust_domain`, with nothing else known.
    pub fn of(trust_domain: &str) -> Self {
        Self { trust_domain: trust_domain.to_owned(), ..Self::default() }
    }
}
