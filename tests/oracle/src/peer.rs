//! stub
use crate::revocation::Shown;
use crate::rules::{Facts, Match};
use crate::{Evidence, Judged, Reason, Request, World, outside};

/// 5.1 A peer that was verified.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its SPIFFE ID.
    pub spiffe: Option<String>,
    /// The documents that vouch for it, by name.
    pub domains: Vec<String>,
    /// Documents whose authorities issued its certificate and that do not vouch for it.
    pub in_doubt: Vec<String>,
    /// How much was shown.
    pub evidence: Evidence,
    /// DNS names of its certificate.
    pub dns: Vec<String>,
    /// URIs beside its SPIFFE ID.
    pub uris: Vec<String>,
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// IP addresses.
    pub ips: Vec<String>,
    /// Its subject, as RFC 4514 text.
    pub subject: Option<String>,
    /// The SHA-256 of its certificate.
    pub sha256: Option<[u8; 32]>,
    /// The certificates of the path that was found, its own first, as far as they are known.
    pub path: Vec<Shown>,
}

impl Peer {
    /// 5.2 The trust domain that conditions and templates know: the one that the rule names, else the only one there is.
    pub fn speaking_domain(&self, m: &Match<'_>, facts: &Facts<'_>) -> Option<String> {
        let wanted = m.rule.get("peer").map(|p| facts.world.documents.whole("peers", p));
        let named = wanted.as_ref().and_then(|w| w.text_of("trustDomain")).map(str::to_owned);
        named.or_else(|| if let [only] = self.domains.as_slice() { Some(only.clone()) } else { None })
    }
}

/// 5.3 Who is on the wire.
pub fn authenticate(world: &World, request: &Request) -> Judged<Option<Result<Peer, Reason>>> {
    let _ = world;
    if request.source_certificate.is_empty()
        && request.lines("x-forwarded-client-cert").is_empty()
        && request.lines("client-cert").is_empty()
        && request.source_principal.is_empty()
    {
        return Ok(None);
    }
    Err(outside("peers"))
}
