//! An [`Outcome`] as the decision record of `proto/countersign/v1/decision.proto`.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::authn::{Binding, PeerIdentity, TokenIdentity};
use crate::clock::UnixTime;
use crate::pdp::{CacheHits, Outcome};
use crate::policy::{Annotations, Decision, RuleName, ShadowOutcome, Truth};
use crate::request::{Endpoint, RequestView, TraceParent};
use crate::secret::{Fingerprint, hex};

mod wire {
    #![expect(
        missing_docs,
        clippy::derive_partial_eq_without_eq,
        reason = "generated from the protocol, which is documented"
    )]
    include!(concat!(env!("OUT_DIR"), "/countersign.v1.rs"));
}

pub use wire::DecisionRecord;

/// The claims of tokens that may be in a record, by JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedClaims(Vec<String>);

/// The claims with a field of their own.
const FIELDS: [&str; 4] = [SUBJECT, CLIENT, AUDIENCE, SCOPE];
const SUBJECT: &str = "/sub";
const CLIENT: &str = "/client_id";
const AUDIENCE: &str = "/aud";
const SCOPE: &str = "/scope";

/// Longest claim in a record, in characters. One that says who or what for is shorter.
const MAX_CLAIM_CHARS: usize = 256;

/// Longest name of a query parameter that is shown. Keys and tokens are longer.
const MAX_PARAMETER_NAME: usize = 24;

/// Most query parameters that are shown.
const MAX_PARAMETERS: usize = 32;

// === impl DecisionRecord ===

impl DecisionRecord {
    /// What may be kept of one decision, of which the part `rate` is recorded.
    #[must_use]
    pub fn of(view: &RequestView, outcome: &Outcome, claims: &RecordedClaims, rate: f64) -> Self {
        let (reason, detail) = match &outcome.decision {
            Decision::Allow(_) => (String::new(), String::new()),
            Decision::Deny(denial) => {
                let rejection = denial.rejection();
                (rejection.reason().as_str().to_owned(), rejection.detail().to_owned())
            }
        };
        let (policy, rule) = outcome.decision.rule().map(names).unwrap_or_default();
        let subject = outcome.subject.as_ref();
        let tokens = subject.and_then(|s| s.tokens().verified());
        Self {
            decision_id: outcome.id.to_string(),
            time: rfc3339(outcome.at),
            decision: if outcome.decision.is_allow() { "allow" } else { "deny" }.to_owned(),
            reason,
            detail,
            policy,
            rule,
            revision: outcome.revision.to_string(),
            duration_us: u64::try_from(outcome.elapsed.as_micros()).unwrap_or(u64::MAX),
            request: Some(request(view)),
            peer: subject.and_then(|s| s.peer().verified()).map(peer),
            tokens: tokens.into_iter().flatten().map(|one| token(one, claims)).collect(),
            shadows: outcome.decision.shadows().iter().map(shadow).collect(),
            annotations: owned(outcome.decision.annotations()),
            trace_id: TraceParent::of(&view.headers)
                .map(|parent| hex(&parent.trace_id))
                .unwrap_or_default(),
            mode: "enforce".to_owned(),
            sample_rate: if rate < 1.0 { rate } else { 0.0 },
            cache_hits: Some(outcome.cache_hits)
                .filter(|hits| *hits != CacheHits::default())
                .map(|CacheHits { certificates, tokens }| wire::CacheHits { certificates, tokens }),
        }
    }
}

// === impl RecordedClaims ===

impl RecordedClaims {
    /// Those at these JSON pointers (RFC 6901).
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub(super) fn new(pointers: Vec<String>) -> Result<Self, String> {
        match pointers.iter().find(|pointer| !pointer.starts_with('/')) {
            None => Ok(Self(pointers)),
            Some(_) => Err("`audit.claims` are JSON pointers such as `/sub`".into()),
        }
    }

    fn has(&self, pointer: &str) -> bool {
        self.0.iter().any(|own| own == pointer)
    }

    /// `value`, where the claim at `pointer` may be recorded.
    fn allow<T: Default>(&self, pointer: &str, value: T) -> T {
        if self.has(pointer) { value } else { T::default() }
    }

    /// The claims that have no field of their own.
    fn further(&self, token: &TokenIdentity) -> BTreeMap<String, String> {
        let further = self.0.iter().filter(|pointer| !FIELDS.contains(&pointer.as_str()));
        let found =
            further.filter_map(|pointer| Some((pointer.clone(), shown(token.claim(pointer)?))));
        found.collect()
    }
}

/// Text as it is and everything else as JSON, neither of them for ever.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_)) => other.to_string(),
    };
    text.chars().take(MAX_CLAIM_CHARS).collect()
}

fn names(rule: &RuleName) -> (String, String) {
    (rule.policy.to_string(), rule.rule.to_string())
}

fn owned(annotations: &Annotations) -> BTreeMap<String, String> {
    annotations.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn request(view: &RequestView) -> wire::Request {
    let address = |endpoint: &Endpoint| endpoint.address.map(|address| address.to_string());
    let path = view.raw_path.split(['?', '#']).next().unwrap_or_default();
    wire::Request {
        id: view.id.to_string(),
        method: view.method.to_string(),
        host: view.raw_host.to_string(),
        path: path.to_owned(),
        source: address(&view.source).unwrap_or_default(),
        scheme: view.scheme.to_string(),
        destination: address(&view.destination).unwrap_or_default(),
        query: redacted(&view.raw_path),
    }
}

/// The query of `target` with the names of its parameters and none of their values. What is no plain name may be a value,
/// as in `?TOKEN`, and is hidden as well.
fn redacted(target: &str) -> String {
    let query = target.split('#').next().and_then(|whole| whole.split_once('?'));
    let Some((_, query)) = query.filter(|(_, query)| !query.is_empty()) else {
        return String::new();
    };
    let plain = |name: &str| {
        let usual = |b: u8| b.is_ascii_alphanumeric() || b"-_.[]".contains(&b);
        !name.is_empty() && name.len() <= MAX_PARAMETER_NAME && name.bytes().all(usual)
    };
    let parameter = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if plain(name) && !value.trim_matches('=').is_empty() => {
            format!("{name}=*")
        }
        Some(_) | None => "*".to_owned(),
    };
    let shown: Vec<_> = query.split('&').take(MAX_PARAMETERS).map(parameter).collect();
    shown.join("&")
}

fn peer(peer: &PeerIdentity) -> wire::Peer {
    wire::Peer {
        trust_domain: peer.trust_domain().to_owned(),
        spiffe: peer.spiffe().map(ToString::to_string).unwrap_or_default(),
        evidence: peer.level().as_str().to_owned(),
        subject: peer.subject().unwrap_or_default().to_owned(),
        issuer: peer.issuer().unwrap_or_default().to_owned(),
        serial: peer.serial().unwrap_or_default().to_owned(),
        fingerprint: peer.certificate().map(Fingerprint::to_hex).unwrap_or_default(),
        not_after: peer.not_after().map(rfc3339).unwrap_or_default(),
    }
}

fn token(token: &TokenIdentity, claims: &RecordedClaims) -> wire::Token {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    wire::Token {
        issuer_name: token.issuer_name().to_owned(),
        issuer: token.issuer().to_owned(),
        subject: claims.allow(SUBJECT, text(token.subject())),
        client: claims.allow(CLIENT, text(token.client())),
        audiences: claims.allow(AUDIENCE, token.audiences().to_vec()),
        scopes: claims.allow(SCOPE, token.scopes().to_vec()),
        token_id_hash: token
            .token_id()
            .map(|id| Fingerprint::of(id.as_bytes()).to_hex())
            .unwrap_or_default(),
        key_id: text(token.key_id()),
        expires_at: rfc3339(token.expires_at()),
        binding: match token.binding() {
            Binding::None => "none",
            Binding::Certificate => "certificate",
            Binding::Dpop => "dpop",
        }
        .to_owned(),
        claims: claims.further(token),
    }
}

fn shadow(shadow: &ShadowOutcome) -> wire::Shadow {
    let (policy, rule) = names(&shadow.rule);
    wire::Shadow {
        policy,
        rule,
        effect: shadow.effect.as_str().to_owned(),
        indeterminate: shadow.satisfied != Truth::True,
        changes: shadow.changes,
    }
}

/// RFC 3339 in UTC, always with three digits of milliseconds; empty for a moment outside the years that it can write.
fn rfc3339(moment: UnixTime) -> String {
    let second = OffsetDateTime::from_unix_timestamp(moment.as_secs()).ok();
    let text = second.and_then(|second| second.format(&Rfc3339).ok()).unwrap_or_default();
    let millis = moment.as_millis().rem_euclid(1000);
    text.strip_suffix('Z').map(|whole| format!("{whole}.{millis:03}Z")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
