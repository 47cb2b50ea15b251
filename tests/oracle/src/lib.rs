//! The oracle: `docs/semantics.md` as a program. It is written from the documents alone, shares nothing with `src/`, and prefers being
//! obvious to being fast. Read it from top to bottom; every item names its section.
//!
//! Documents are taken to be valid (`countersign check` passes). What is out of reach is an explicit [`Outside`], never a guess.

pub mod accept;
pub mod answer;
pub mod binding;
pub mod cel;
pub mod certificate;
pub mod checks;
pub mod documents;
pub mod path;
pub mod peer;
mod places;
pub mod revocation;
pub mod rules;
pub mod signature;
pub mod suite;
pub mod template;
pub mod token;
pub mod value;
pub mod walk;
pub mod xfcc;

use std::collections::BTreeMap;

use documents::Documents;
use value::Value;

/// Cases that the oracle does not decide, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside(pub String);

/// A judgement, or out of reach.
pub type Judged<T> = Result<T, Outside>;

/// Names what is out of reach.
pub fn outside(what: impl Into<String>) -> Outside {
    Outside(what.into())
}

/// A reason code of the runbook.
pub type Reason = &'static str;

/// 1.1 Everything but the request: what is known, trusted and remembered at one moment.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Seconds since 1970.
    pub now: i64,
    /// The documents in force.
    pub documents: Documents,
    /// Contents of files and servers by what a document writes (`file`, `inline` and `url` alike); the keys of `discovery: {}` are under
    /// `discovery:` and the issuer.
    pub files: BTreeMap<String, Vec<u8>>,
    /// `listener.peerSources`.
    pub sources: Sources,
    /// `listener.clientAddress`.
    pub client_address: ClientAddress,
    /// Revocations made while servers run, as entries.
    pub revoked: Vec<Value>,
    /// One-time credentials that were used before, and when each ends, in thousandths of a second.
    pub used: BTreeMap<String, i64>,
    /// True if proofs were used under documents that let them live for another time: it is not known here for how long those uses are
    /// remembered.
    pub uses_are_unsure: bool,
    /// The answers of introspection endpoints, by opaque token: none where it does not answer.
    pub introspection: BTreeMap<String, Value>,
}

/// 1.2 Which sources of peer evidence are trusted. Everything is off until it is asked for.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `sourceCertificate`.
    pub source_certificate: bool,
    /// `xfcc`.
    pub xfcc: bool,
    /// `xfccWithoutTls`.
    pub xfcc_without_tls: bool,
    /// `clientCert`.
    pub client_cert: bool,
    /// `clientCertWithoutTls`.
    pub client_cert_without_tls: bool,
    /// `principal: uriSanRequired`.
    pub principal: bool,
    /// `leastEvidence`; `leaf` where it is not said.
    pub least: Option<Evidence>,
    /// `identities`.
    pub identities: Vec<String>,
}

/// 1.3 How much of a certificate was shown, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// A name that the proxy vouches for.
    Asserted,
    /// The SHA-256 of the certificate, with the name.
    Hash,
    /// The certificate.
    Leaf,
    /// The certificate with its chain.
    Full,
}

impl Evidence {
    /// By its name in documents.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Asserted, Self::Hash, Self::Leaf, Self::Full].into_iter().find(|e| e.name() == name)
    }

    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asserted => "asserted",
            Self::Hash => "hash",
            Self::Leaf => "leaf",
            Self::Full => "full",
        }
    }
}

/// 1.4 How the client's address is found.
#[derive(Debug, Clone, Default)]
pub enum ClientAddress {
    /// The other end of the connection.
    #[default]
    Connection,
    /// Counted from the right of `x-forwarded-for`.
    ForwardedFor {
        /// `trustedHops`.
        hops: usize,
        /// `proxies`.
        proxies: Vec<String>,
        /// `appendedByEnvoy`.
        appended: bool,
    },
    /// The one address of `x-envoy-external-address`.
    External {
        /// `proxies`.
        proxies: Vec<String>,
    },
    /// A suite's own word (`request.client`).
    Said(Option<String>),
}

/// 1.5 A request as Envoy describes it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `:method`.
    pub method: String,
    /// `:authority`.
    pub host: String,
    /// `:path`, with its query.
    pub path: String,
    /// `:scheme`.
    pub scheme: String,
    /// Header lines in their order, without pseudo-headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// True if Envoy sent them as a map: repeated ones joined, bytes that are not UTF-8 replaced by `!`.
    pub map: bool,
    /// `source.address`, without its port.
    pub source: Option<String>,
    /// `destination.address`.
    pub destination: Option<(String, Option<u16>)>,
    /// `source.principal`.
    pub source_principal: String,
    /// `destination.principal`.
    pub destination_principal: String,
    /// `source.certificate`, as Envoy writes it: PEM, URL-encoded.
    pub source_certificate: String,
    /// The server name of the handshake, where Envoy tells of one; empty for a handshake without a name.
    pub sni: Option<String>,
    /// Context extensions of the route.
    pub context: BTreeMap<String, String>,
}

impl Request {
    /// The lines of a header, under exactly this name in any case.
    pub fn lines(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_slice()).collect()
    }

    /// The path without its query, and the query.
    pub fn split_path(&self) -> (&str, &str) {
        self.path.split_once('?').unwrap_or((&self.path, ""))
    }
}

/// 1.6 What a credential became: absent, rejected or verified.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// The peer: none, refused for a reason, or verified.
    pub peer: Option<Result<peer::Peer, Reason>>,
    /// Tokens that were verified.
    pub tokens: Vec<token::Token>,
    /// Tokens that were refused.
    pub refused: Vec<token::Refused>,
    /// Tokens that count as absent, by the word of a target.
    pub ignored: Vec<Reason>,
    /// How tokens that count were shown, for challenges (8.31).
    pub shown: token::Shown,
}

/// 1.7 What is decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// True if the request passes.
    pub allow: bool,
    /// The reason of a denial.
    pub reason: Option<Reason>,
    /// The policy and the rule that decided, or that came closest.
    pub rule: Option<(String, String)>,
    /// The changes that an allow makes.
    pub changes: answer::Changes,
    /// The answer to a denied caller.
    pub denial: Option<answer::Denial>,
    /// Rules in shadow mode that matched, or of which it cannot be determined.
    pub shadows: Vec<rules::Shadow>,
}

/// 1.8 The whole decision: the request at the door, then who it is, then the rules, then the answer.
pub fn decide(world: &World, request: &Request) -> Judged<Decision> {
    decide_with(world, request).map(|(decision, _)| decision)
}

impl Identity {
    /// 5.50 Puts a refusal behind those of other places that hold no one credential, and before those of tokens; of cookies at the end.
    pub(crate) fn refuse_first(&mut self, refusal: token::Refused, is_cookie: bool, unreadable: &mut usize) {
        if is_cookie {
            return self.refused.push(refusal);
        }
        self.refused.insert(*unreadable, refusal);
        *unreadable += 1;
    }
}

/// 1.12 A credential that may be used once: the `jti` of the token or the proof, with its issuer or its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The issuer, or `dpop` and the thumbprint, and the `jti`.
    pub id: String,
    /// When it ends, in thousandths of a second.
    pub ends: i64,
}

impl Once {
    fn is_proof(&self) -> bool {
        self.id.starts_with("dpop ")
    }
}

impl World {
    /// 1.12 A use is remembered until the credential that was used ends.
    pub fn was_used(&self, own: &Once) -> bool {
        self.used.get(&own.id).is_some_and(|ends| *ends > self.now * 1000)
    }

    /// 1.12 Claims a credential. Whether it was not used before.
    pub fn claim(&mut self, own: Once) -> bool {
        let is_new = !self.was_used(&own);
        if is_new {
            self.used.insert(own.id, own.ends);
        }
        is_new
    }
}

/// 1.8 The same, with the identity that was found.
pub fn decide_with(world: &World, request: &Request) -> Judged<(Decision, Identity)> {
    // 1.9 The form of the request comes before any credential; a credential that is refused before any rule.
    if let Err(reason) = rules::form(world, request)? {
        return Ok((answer::refuse(request, reason)?, Identity::default()));
    }
    let peer = walk::authenticate(world, request)?;
    let found = token::authenticate(world, request, peer.as_ref().and_then(|p| p.as_ref().ok()))?;
    let identity = Identity { peer, ..found };
    // 1.11 Nothing is known of what is revoked while a list is too old: every request with a credential is refused.
    let shown = identity.peer.is_some() || !identity.tokens.is_empty() || !identity.refused.is_empty();
    let decision = match shown && revocation::stale(world)? {
        true => answer::deny(world, request, &identity, "revocations_stale", None)?,
        false => decide_as(world, request, &identity)?,
    };
    Ok((decision, identity))
}

/// 1.10 The decision about a request of a known identity: what a suite asks.
pub fn decide_as(world: &World, request: &Request, identity: &Identity) -> Judged<Decision> {
    if let Err(reason) = rules::form(world, request)? {
        return answer::refuse(request, reason);
    }
    if let Some(Err(reason)) = identity.peer {
        return answer::deny(world, request, identity, reason, None);
    }
    if let Some(first) = identity.refused.iter().find(|r| r.cookie.is_none()) {
        return answer::deny(world, request, identity, first.reason, None);
    }
    let facts = rules::Facts::of(world, request, identity)?;
    let verdict = rules::evaluate(&facts)?;
    if let rules::Outcome::Allow = verdict.outcome {
        // 1.12 A one-time credential is claimed after everything else has allowed the request.
        let again = |t: &&token::Token| t.once.iter().any(|own| world.was_used(own));
        if let Some(token) = identity.tokens.iter().find(again) {
            if world.uses_are_unsure && token.once.iter().any(Once::is_proof) {
                return Err(outside("a proof that was used under other settings"));
            }
            let faulty = token.once.iter().any(|own| own.is_proof() && world.was_used(own));
            let cookie = std::iter::once(&token.place).chain(&token.copies).find_map(|place| match place {
                token::Place::Cookie(name) if !faulty => Some(name.clone()),
                _ => None,
            });
            let refused = token::Refused { reason: "token_replayed", cookie, issuers: Vec::new() };
            let shown = token::Shown { faulty, ..identity.shown.clone() };
            let identity = Identity { refused: vec![refused], shown, ..identity.clone() };
            let denied = answer::deny(world, request, &identity, "token_replayed", verdict.rule.clone())?;
            return Ok(Decision { shadows: verdict.shadows, ..denied });
        }
        return answer::allow(&facts, &verdict);
    }
    let rules::Outcome::Deny(reason) = verdict.outcome else { return Err(outside("no outcome")) };
    let mut decision = answer::deny(world, request, identity, reason, verdict.rule.clone())?;
    decision.shadows = verdict.shadows;
    Ok(decision)
}
