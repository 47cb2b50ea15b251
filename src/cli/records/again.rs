//! A recorded request as it is put to policies again. Data that the record does not hold is unknown, and never made up.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::audit::{DecisionRecord, RecordedClaims, RecordedPeer, RecordedToken};
use crate::authn::{
    Binding, Credential, PeerFacts, PeerIdentity, Subject, TokenIdentity, TokenUsage,
};
use crate::cli::time;
use crate::clock::UnixTime;
use crate::document::policy::TokenSignal;
use crate::evidence_level::EvidenceLevel;
use crate::policy::{Effect, MissingData, RecordField, Truth};
use crate::reason::{Layer, Reason, Rejection};
use crate::request::{Client, Endpoint, Headers, RequestView, ServerName, Target};
use crate::secret::Fingerprint;

/// A recorded request.
#[derive(Debug)]
pub(in crate::cli) struct RecordedRequest {
    pub(in crate::cli) view: RequestView,
    /// The caller; why it was refused, where no caller is known.
    pub(in crate::cli) caller: Result<Subject, Rejection>,
    pub(in crate::cli) at: UnixTime,
    pub(in crate::cli) effect: Effect,
    /// The data that the record lacks.
    pub(in crate::cli) missing: MissingData,
}

impl RecordedRequest {
    /// The request of `record`. Claims that are among `recorded` are absent where the record has none; of others it says nothing.
    ///
    /// # Errors
    /// The field that cannot be understood.
    pub(in crate::cli) fn of(
        record: &DecisionRecord,
        recorded: Option<&RecordedClaims>,
    ) -> Result<Self, String> {
        let rejection = refused_before_any_rule(record);
        Ok(Self {
            effect: record.effect().ok_or_else(|| unreadable("decision"))?,
            view: view(record, rejection.as_ref()),
            caller: caller(record, rejection.as_ref())?,
            at: time::parse(&record.time)
                .map_err(|_| String::from("the record does not say when it was decided"))?,
            missing: missing(record, recorded),
        })
    }
}

/// The data that `record` lacks.
fn missing(record: &DecisionRecord, recorded: Option<&RecordedClaims>) -> MissingData {
    let sni = record.request.as_ref().map_or("", |request| &request.sni);
    let tokens = || record.tokens.iter();
    let lacks = [
        (sni.is_empty(), "", RecordField::ServerName),
        (tokens().any(|own| own.subject.is_empty()), "/sub", RecordField::TokenSubject),
        (tokens().any(|own| own.client.is_empty()), "/client_id", RecordField::TokenClient),
        (tokens().any(|own| own.audiences.is_empty()), "/aud", RecordField::TokenAudiences),
        (tokens().any(|own| own.scopes.is_empty()), "/scope", RecordField::TokenScopes),
    ];
    let is_kept = |claim: &str| recorded.is_some_and(|recorded| recorded.has(claim));
    let lacks = lacks.into_iter().filter(|(absent, claim, _)| *absent && !is_kept(claim));
    // No rule asked, so that no record has them.
    let unasked = tokens().any(|own| own.signals.is_empty()).then_some(RecordField::TokenSignals);
    let lacks = lacks.map(|(_, _, field)| field).chain(unasked);
    lacks.fold(MissingData::AUDIT_RECORD, MissingData::and)
}

/// The field of a record that is cut, so that its decision cannot be put again. Claims without a field, and the query, are unknown
/// anyway.
pub(in crate::cli) fn cut_field(record: &DecisionRecord) -> Option<&str> {
    let unknown = |name: &&String| name.starts_with('/') || *name == "query";
    record.truncated.iter().find(|name| !unknown(name)).map(String::as_str)
}

/// True if the record shows the path without the values that may be secrets.
pub(in crate::cli) fn is_path_hidden(path: &str) -> bool {
    path.contains('*') && path.contains([';', '%', '@'])
}

/// Why the request was refused, where no rule had a part in it.
fn refused_before_any_rule(record: &DecisionRecord) -> Option<Rejection> {
    let reason = Reason::named(&record.reason)?;
    record.rule.is_empty().then(|| reason.because(record.detail.clone()))
}

fn view(record: &DecisionRecord, rejection: Option<&Rejection>) -> RequestView {
    let request = record.request.clone().unwrap_or_default();
    let endpoint = |text: &str| Endpoint { address: text.parse().ok(), principal: None };
    let transport = rejection.filter(|why| is_of_transport(why, &request.host, &request.path));
    let target = || Target::parse(request.host.as_str(), request.path.as_str());
    RequestView {
        target: transport.map_or_else(target, |why| Err(why.clone())),
        id: request.id.into(),
        method: request.method.into(),
        scheme: request.scheme.into(),
        raw_host: request.host.as_str().into(),
        raw_path: request.path.as_str().into(),
        headers: Headers::default(),
        source: endpoint(&request.source),
        destination: endpoint(&request.destination),
        client: match request.client.as_str() {
            "" => Client::Connection,
            text => text.parse().map_or(Client::Unknown, Client::At),
        },
        sni: match request.sni.as_str() {
            "" => ServerName::Unknown,
            name => ServerName::Name(name.into()),
        },
        sent_at: None,
        context_extensions: BTreeMap::new(),
    }
}

/// True if no rule can accept what was refused: rules may accept an authority with a port, and a path with more than one reading.
fn is_of_transport(why: &Rejection, host: &str, path: &str) -> bool {
    let reason = why.reason();
    let by_rules = |target: Target| {
        (reason == Reason::HostInvalid && target.form.refusal().is_some())
            || (reason == Reason::PathNotCanonical && target.path.leniency().refusal().is_some())
    };
    reason.layer() == Layer::Transport && !Target::parse(host, path).is_ok_and(by_rules)
}

fn caller(
    record: &DecisionRecord,
    rejection: Option<&Rejection>,
) -> Result<Result<Subject, Rejection>, String> {
    let layer = rejection.map(|why| why.reason().layer());
    let of = |layers: &[Layer]| {
        rejection.cloned().filter(|_| layer.is_some_and(|layer| layers.contains(&layer)))
    };
    // Of our own failures, those that come before a request is looked at are about the transport.
    let is_ours =
        |why: &&Rejection| why.reason().layer() == Layer::Policy && why.reason() != Reason::NoRule;
    if let Some(why) = rejection.filter(is_ours) {
        return Ok(Err(why.clone()));
    }
    let peer = match (&record.peer, of(&[Layer::Peer])) {
        (Some(peer), _) => Credential::Verified(peer_identity(peer)?),
        (None, Some(why)) => Credential::Rejected(why),
        (None, None) => Credential::Absent,
    };
    let tokens: Result<Vec<_>, _> = record.tokens.iter().map(token_identity).collect();
    let tokens = match (tokens?, of(&[Layer::Token, Layer::Binding])) {
        (_, Some(why)) => Credential::Rejected(why),
        (tokens, None) if tokens.is_empty() => Credential::Absent,
        (tokens, None) => Credential::Verified(tokens),
    };
    Ok(Ok(Subject::assertion(peer, tokens)))
}

fn peer_identity(peer: &RecordedPeer) -> Result<PeerIdentity, String> {
    let spiffe = match peer.spiffe.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| unreadable("peer.spiffe"))?),
    };
    let level = EvidenceLevel::named(&peer.evidence);
    let facts = PeerFacts {
        other_trust_domains: peer.other_trust_domains.clone(),
        spiffe,
        subject: non_empty(&peer.subject),
        issuer: non_empty(&peer.issuer),
        serial: non_empty(&peer.serial),
        certificate: Fingerprint::from_hex(&peer.fingerprint),
        not_after: time::parse(&peer.not_after).ok(),
        ..PeerFacts::of(&peer.trust_domain)
    };
    let level = level.ok_or_else(|| unreadable("peer.evidence"))?;
    Ok(PeerIdentity::assertion(facts, level))
}

fn token_identity(token: &RecordedToken) -> Result<TokenIdentity, String> {
    let mut claims = Map::new();
    let mut claim = |name: &str, value: Option<Value>| {
        claims.extend(value.map(|value| (name.to_owned(), value)));
    };
    claim("iss", non_empty(&token.issuer).map(Value::String));
    claim("sub", non_empty(&token.subject).map(Value::String));
    claim("client_id", non_empty(&token.client).map(Value::String));
    claim("aud", (!token.audiences.is_empty()).then(|| json!(token.audiences)));
    claim("scope", (!token.scopes.is_empty()).then(|| json!(token.scopes.join(" "))));
    let expires = time::parse(&token.expires_at).ok();
    claim("exp", expires.map(|at| json!(at.as_secs())));
    let binding = Binding::named(&token.binding).ok_or_else(|| unreadable("tokens.binding"))?;
    let tenant = non_empty(&token.tenant);
    let issuer = (token.issuer_name.as_str(), tenant.as_deref(), None);
    let identity = TokenIdentity::assertion_of_tenant(issuer, claims, binding);
    Ok(identity.map_err(|_| unreadable("tokens"))?.used_as(usage(token)))
}

/// The recorded signals; one with another word, or none, is not known.
fn usage(token: &RecordedToken) -> TokenUsage {
    TokenSignal::ALL.into_iter().fold(TokenUsage::default(), |usage, signal| {
        let word = token.signals.get(signal.as_str());
        let raised = match word.and_then(|word| Truth::named(word)) {
            Some(Truth::Holds) => Some(true),
            Some(Truth::Fails) => Some(false),
            Some(Truth::Unknown) | None => None,
        };
        usage.with(signal, raised)
    })
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn unreadable(field: &str) -> String {
    format!("cannot understand `{field}` of the record")
}
