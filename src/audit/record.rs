//! An [`Outcome`] as a line of JSON: the decision record of `proto/countersign/v1/decision.proto`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::Value;

use super::json::{Json, JsonScalar};
use crate::authn::{PeerIdentity, Subject, TokenIdentity, TokenUsage};
use crate::clock::UnixTime;
use crate::document::policy::TokenSignal;
use crate::evidence::IgnoredToken;
use crate::json::is_exact;
use crate::pdp::{CacheHits, Outcome};
use crate::policy::{Decision, Denial, Effect, RuleName, ShadowOutcome, Throttling, Truth};
use crate::reason::{Reason, RefusedCredential, Rejection};
use crate::request::{Client, PROTOCOLS, RequestView, TokenPlace, TraceParent};
use crate::secret::{Fingerprint, Hex};
use crate::spiffe::SpiffeId;

mod hidden;

mod wire {
    #![expect(
        missing_docs,
        clippy::derive_partial_eq_without_eq,
        reason = "generated from the protocol, which is documented"
    )]
    include!(concat!(env!("OUT_DIR"), "/countersign.v1.rs"));
}

pub use wire::{
    DecisionRecord, Event as RecordedEvent, Peer as RecordedPeer, Token as RecordedToken,
};

impl DecisionRecord {
    /// The decision; none for a word that is neither `allow` nor `deny`.
    pub fn effect(&self) -> Option<Effect> {
        Effect::named(&self.decision)
    }
}

/// The record of one decision: a line of JSON.
#[derive(Clone, Debug)]
pub struct Record {
    line: Bytes,
    at: UnixTime,
    allows: bool,
    /// True if its caller proved anything.
    is_proven: bool,
}

/// Most records have room in this many bytes.
const USUAL_BYTES: usize = 1536;

/// The claims of tokens that may be in a record, by JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedClaims(Vec<String>);

/// Stands for the address of a client that is not known.
const UNKNOWN_CLIENT: &str = "unknown";

/// The claims with a field of their own.
const FIELDS: [&str; 4] = [SUBJECT, CLIENT, AUDIENCE, SCOPE];
const SUBJECT: &str = "/sub";
const CLIENT: &str = "/client_id";
const AUDIENCE: &str = "/aud";
const SCOPE: &str = "/scope";

/// The longest `x-request-id` that is recorded. Envoy's own are 36 characters.
const MAX_REQUEST_ID: usize = 128;

impl Record {
    /// The record of one decision. The part `rate` of such decisions is recorded.
    pub fn of(view: &RequestView, outcome: &Outcome, claims: &RecordedClaims, rate: f64) -> Self {
        let mut line =
            Json::object_of(USUAL_BYTES, |json| decision(view, outcome, claims, rate, json));
        line.push(b'\n');
        let is_proven = outcome.subject.as_ref().is_some_and(|subject| {
            subject.peer().verified().is_some() || subject.tokens().verified().is_some()
        });
        Self { line: line.into(), at: outcome.at, allows: outcome.decision.is_allow(), is_proven }
    }

    /// The record of an event, which is no decision.
    pub(super) fn of_event(line: Vec<u8>, at: UnixTime) -> Self {
        Self { line: line.into(), at, allows: false, is_proven: false }
    }

    /// True if it is of a caller who proved something and was allowed. A flood of other records must not bury it.
    pub const fn is_precious(&self) -> bool {
        self.allows && self.is_proven
    }

    /// True if it is of a request that was allowed.
    pub const fn allows(&self) -> bool {
        self.allows
    }

    /// When the decision was made.
    pub const fn at(&self) -> UnixTime {
        self.at
    }

    /// A JSON object, and the end of its line.
    pub fn line(&self) -> &[u8] {
        &self.line
    }
}

fn decision(
    view: &RequestView,
    outcome: &Outcome,
    claims: &RecordedClaims,
    rate: f64,
    record: &mut Json,
) {
    let decision = &outcome.decision;
    record.text("decision_id", outcome.id.hex().as_str());
    time("time", Some(outcome.at), record);
    record.text("decision", decision.effect().as_str());
    if let Decision::Deny(denial) = decision {
        record.text("reason", denial.rejection.reason().as_str());
        record.text("detail", denial.rejection.detail());
    }
    if let Some(rule) = decision.rule() {
        name(rule, record);
    }
    record.text("revision", outcome.revision.as_str());
    let elapsed = u64::try_from(outcome.elapsed.as_micros()).unwrap_or(u64::MAX);
    record.put("duration_us", JsonScalar::Number(elapsed));
    record.object("request", |asked| request(view, asked));
    let subject = outcome.subject.as_ref();
    if let Some(verified) = subject.and_then(|subject| subject.peer().verified()) {
        record.object("peer", |own| peer(verified, own));
    }
    let tokens = subject.and_then(|subject| subject.tokens().verified()).into_iter().flatten();
    record.list("tokens", tokens, |one, own| token(one, claims, own));
    record.list("shadows", decision.shadows(), shadow);
    if !decision.annotations().is_empty() {
        record.object("annotations", |notes| {
            decision.annotations().iter().for_each(|(name, value)| notes.entry(name, value));
        });
    }
    if let Some(parent) = TraceParent::of(&view.headers) {
        record.text("trace_id", Hex::of(&parent.trace_id).as_str());
    }
    record.text("mode", "enforce");
    record.put("sample_rate", JsonScalar::Fraction(if rate < 1.0 { rate } else { 0.0 }));
    let CacheHits { certificates, tokens } = outcome.cache_hits;
    if outcome.cache_hits != CacheHits::default() {
        record.object("cache_hits", |hits| {
            hits.put("certificates", JsonScalar::Number(certificates.into()));
            hits.put("tokens", JsonScalar::Number(tokens.into()));
        });
    }
    if let Decision::Deny(Denial { throttling: Some(own), .. }) = decision {
        record.object("throttling", |record| throttling(own, record));
    }
    let ignored = subject.map(Subject::ignored).unwrap_or_default();
    record.list("ignored_tokens", ignored, ignored_token);
    record.list("refused_credentials", subject.into_iter().flat_map(Subject::refused), refused);
    record.truncated();
}

impl RecordedClaims {
    /// Those at these JSON pointers (RFC 6901).
    pub(super) fn new(pointers: Vec<String>) -> Result<Self, String> {
        match pointers.iter().find(|pointer| !pointer.starts_with('/')) {
            None => Ok(Self(pointers)),
            Some(_) => Err("`audit.claims` are JSON pointers such as `/sub`".into()),
        }
    }

    /// True if the claim at `pointer` is recorded.
    pub fn has(&self, pointer: &str) -> bool {
        self.0.iter().any(|own| own == pointer)
    }

    /// The claims that have no field of their own.
    fn further(&self, token: &TokenIdentity) -> BTreeMap<String, String> {
        let further = self.0.iter().filter(|pointer| !FIELDS.contains(&pointer.as_str()));
        let found =
            further.filter_map(|pointer| Some((pointer.clone(), shown(token.claim(pointer)?))));
        found.collect()
    }
}

/// Text as it is and any other value as JSON.
fn shown(value: &Value) -> String {
    if !is_exact(value) {
        return String::from("(holds a number that is not known exactly)");
    }
    match value {
        Value::String(text) => text.clone(),
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_)) => other.to_string(),
    }
}

fn name(rule: &RuleName, record: &mut Json) {
    record.text("policy", &rule.policy);
    record.text("rule", &rule.rule);
}

fn request(view: &RequestView, request: &mut Json) {
    request.text("id", &view.id);
    request.text("method", &view.method);
    request.text("host", &hidden::host(&view.raw_host));
    request.text("path", &hidden::path(&view.raw_path));
    address("source", view.source.address, request);
    match view.client {
        Client::Connection => {}
        Client::At(ip) => request.text("client", &ip.to_string()),
        Client::Unknown => request.text("client", UNKNOWN_CLIENT),
    }
    request.text("sni", view.sni.name().unwrap_or_default());
    request.text("scheme", &view.scheme);
    address("destination", view.destination.address, request);
    request.text("query", &hidden::query(&view.raw_path));
    request.text("x_request_id", request_id(view).unwrap_or_default());
}

/// The `x-request-id`, which a caller may have written: one line of visible ASCII that is the same in JSON, and not long.
fn request_id(view: &RequestView) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\');
    let usable = |id: &&str| id.len() <= MAX_REQUEST_ID && id.bytes().all(plain);
    view.headers.single("x-request-id").ok().flatten().filter(usable)
}

fn peer(peer: &PeerIdentity, record: &mut Json) {
    record.text("trust_domain", &peer.trust_domain);
    // The first is the one above.
    record.texts("other_trust_domains", peer.trust_domains().skip(1));
    record.text("spiffe", peer.spiffe.as_ref().map(SpiffeId::as_str).unwrap_or_default());
    record.text("evidence", peer.level().as_str());
    record.text("subject", peer.subject.as_deref().unwrap_or_default());
    record.text("issuer", peer.issuer.as_deref().unwrap_or_default());
    record.text("serial", peer.serial.as_deref().unwrap_or_default());
    if let Some(certificate) = peer.certificate.as_ref() {
        record.text("fingerprint", certificate.hex().as_str());
    }
    time("not_after", peer.not_after, record);
}

fn token(token: &TokenIdentity, claims: &RecordedClaims, record: &mut Json) {
    record.text("issuer_name", token.issuer_name());
    record.text("issuer", token.issuer());
    if let Some(tenant) = token.tenant() {
        record.text("tenant", tenant);
    }
    if claims.has(SUBJECT) {
        record.text("subject", token.subject().unwrap_or_default());
    }
    if claims.has(CLIENT) {
        record.text("client", token.client().unwrap_or_default());
    }
    if claims.has(AUDIENCE) {
        record.texts("audiences", token.audiences().iter().map(String::as_str));
    }
    if claims.has(SCOPE) {
        record.texts("scopes", token.scopes().iter().map(String::as_str));
    }
    if let Some(id) = token.token_id() {
        record.text("token_id_hash", Fingerprint::of(id.as_bytes()).hex().as_str());
    }
    record.text("key_id", token.key_id().unwrap_or_default());
    time("expires_at", Some(token.expires_at()), record);
    record.text("binding", token.binding().as_str());
    signals(token.usage(), record);
    let further = claims.further(token);
    if !further.is_empty() {
        record.object("claims", |claims| {
            further.iter().for_each(|(pointer, value)| claims.entry(pointer, value));
        });
    }
}

/// The signals about a token, where a rule asked for them.
fn signals(usage: TokenUsage, record: &mut Json) {
    if usage == TokenUsage::default() {
        return;
    }
    record.object("signals", |signals| {
        for own in TokenSignal::ALL {
            let truth = usage.is_raised(own).map_or(Truth::Unknown, Truth::from);
            signals.entry(own.as_str(), truth.as_str());
        }
    });
}

fn ignored_token(ignored: &IgnoredToken, record: &mut Json) {
    let (place, name) = match &ignored.place {
        TokenPlace::Authorization => ("authorization", ""),
        TokenPlace::Header(name) | TokenPlace::Prefixed(name, _) => ("header", name.as_str()),
        TokenPlace::Protocol(_) => ("header", PROTOCOLS),
        TokenPlace::Cookie(name) => ("cookie", name.as_str()),
        TokenPlace::Query(name) => ("query", name.as_str()),
    };
    record.text("place", place);
    record.text("name", name);
    record.text("reason", ignored.rejection.reason().as_str());
    record.text("detail", ignored.rejection.detail());
}

fn refused((why, refused): (&Rejection, &RefusedCredential), record: &mut Json) {
    record.text("credential", refused.credential);
    record.text("reason", why.reason().as_str());
    refused.marks.iter().for_each(|(name, mark)| record.text(name, mark));
}

fn throttling(own: &Throttling, record: &mut Json) {
    record.text("source", &own.source);
    record.text("failed", own.failed.map(Reason::as_str).unwrap_or_default());
    record.put("enforced", JsonScalar::Flag(own.enforced));
    record.put("retry_after", JsonScalar::Number(own.seconds()));
}

fn shadow(shadow: &ShadowOutcome, record: &mut Json) {
    name(&shadow.rule, record);
    record.text("effect", shadow.effect.as_str());
    record.put("unknown", JsonScalar::Flag(shadow.result != Truth::Holds));
    record.put("changes", JsonScalar::Flag(shadow.changes));
}

fn address(name: &str, address: Option<SocketAddr>, record: &mut Json) {
    if let Some(address) = address {
        record.put(name, JsonScalar::Address(address));
    }
}

/// A member in RFC 3339; omitted where the year does not fit the format.
fn time(name: &str, moment: Option<UnixTime>, record: &mut Json) {
    let text = moment.and_then(rfc3339);
    // Digits and signs are text.
    record.text(name, text.as_ref().and_then(|text| str::from_utf8(text).ok()).unwrap_or_default());
}

/// RFC 3339 in UTC, always with three digits of milliseconds.
fn rfc3339(moment: UnixTime) -> Option<[u8; 24]> {
    let second = moment.in_utc()?;
    let (date, time) = (second.date(), second.time());
    let [year, millis] = [i64::from(date.year()), moment.as_millis().rem_euclid(1000)];
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let [month, day] = [u8::from(date.month()), date.day()];
    let fields: [(usize, i64); 7] = [
        (4, year),
        (7, month.into()),
        (10, day.into()),
        (13, time.hour().into()),
        (16, time.minute().into()),
        (19, time.second().into()),
        (23, millis),
    ];
    for (end, number) in fields {
        let digits = text.get_mut(..end)?.iter_mut().rev().take_while(|byte| byte.is_ascii_digit());
        let mut rest = u64::try_from(number).ok()?;
        for digit in digits {
            *digit = b'0'.saturating_add(u8::try_from(rest % 10).ok()?);
            rest /= 10;
        }
        // A year of five digits has no form.
        if rest > 0 {
            return None;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests;
