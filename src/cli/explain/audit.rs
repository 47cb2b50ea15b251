//! A decision in the audit log, evaluated again. Data that the record does not hold is unknown, and never made up.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::iter::once;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::question::{
    ExplainInput, ExplainedCaller, QuestionContext, QuestionSource, RecordedDecision,
};
use crate::audit::{DecisionRecord, RecordedPeer, RecordedToken, put_aside};
use crate::authn::{Binding, Credential, PeerFacts, PeerIdentity, Subject, TokenIdentity};
use crate::cli::style::visible;
use crate::cli::time;
use crate::config::Config;
use crate::evidence_level::EvidenceLevel;
use crate::policy::MissingData;
use crate::reason::{Layer, Reason, Rejection};
use crate::request::{Client, Endpoint, Headers, RequestView, ServerName, Target};
use crate::secret::Fingerprint;

/// How many decisions are listed that are called the same.
const MOST_NAMESAKES: usize = 10;

/// The decision that `id` is the beginning of, or that was made for the request with this `x-request-id` or proxy's id.
pub(super) fn input(
    id: &str,
    log: Option<&Path>,
    config: Option<&Config>,
) -> Result<ExplainInput, String> {
    let configured = config.and_then(|config| config.audit.as_ref()?.file());
    let path = log.or(configured).ok_or_else(|| {
        String::from("no audit log is given: pass `--audit`, or settings (`--config`) that write one to a file")
    })?;
    put_again(find(id, path)?)
}

/// The decision in the log at `path`, or in one that was put aside before it.
fn find(id: &str, path: &Path) -> Result<DecisionRecord, String> {
    let shown = visible(&path.to_string_lossy());
    if id.len() < 4 {
        return Err(String::from("give at least four characters of the decision's id"));
    }
    if path.as_os_str() == "-" {
        return only(id, find_in(id, io::stdin().lock(), &shown)?, &shown);
    }
    let mut found = Vec::new();
    for log in once(path.to_owned()).chain(put_aside(path)) {
        let shown = visible(&log.to_string_lossy());
        let log = File::open(&log).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
        found.extend(find_in(id, log, &shown)?);
        if found.iter().any(|record| record.decision_id == id) {
            break;
        }
    }
    only(id, found, &shown)
}

/// The one that is meant. A decision's whole id is ours, and counts before what a caller may have called a request.
fn only(id: &str, mut found: Vec<DecisionRecord>, shown: &str) -> Result<DecisionRecord, String> {
    if let Some(at) = found.iter().position(|record| record.decision_id == id) {
        return Ok(found.swap_remove(at));
    }
    let id = visible(id);
    match (found.pop(), found.is_empty()) {
        (Some(record), true) => Ok(record),
        (Some(last), false) => {
            found.push(last);
            let count = found.len();
            let lines: Vec<_> = found.iter().take(MOST_NAMESAKES).map(line).collect();
            let more = if count > lines.len() { "\n  ..." } else { "" };
            Err(format!(
                "{count} decisions in `{shown}` are called `{id}`: name one of them by its own id\n  {}{more}",
                lines.join("\n  ")
            ))
        }
        (None, _) => {
            Err(format!("no decision in `{shown}` is called `{id}`; is it in an older log?"))
        }
    }
}

/// Every record that is called so.
fn find_in(id: &str, log: impl Read, shown: &str) -> Result<Vec<DecisionRecord>, String> {
    let mut found: Vec<DecisionRecord> = Vec::new();
    for line in BufReader::new(log).split(b'\n') {
        let line = line.map_err(|error| format!("cannot read `{shown}`: {error}"))?;
        // A line that a crash tore, or another program wrote, need not be text.
        let Ok(line) = String::from_utf8(line) else { continue };
        // Most lines are about other decisions, and need not be understood.
        if !line.contains(id) {
            continue;
        }
        let Ok(record) = serde_json::from_str::<DecisionRecord>(&line) else { continue };
        if is_called(&record, id) {
            found.push(record);
        }
    }
    Ok(found)
}

fn is_called(record: &DecisionRecord, id: &str) -> bool {
    let of_request = record.request.iter().flat_map(|own| [&own.id, &own.x_request_id]);
    record.decision_id.starts_with(id) || of_request.into_iter().any(|own| own == id)
}

/// Tells a record from others that are called the same.
fn line(record: &DecisionRecord) -> String {
    let DecisionRecord { decision_id, time, decision, .. } = record;
    let request = record.request.clone().unwrap_or_default();
    let request = [request.method, request.host, request.path].join(" ");
    visible(&format!("{decision_id}  {time}  {decision}  {request}"))
}

/// Refuses a record that lacks the end of what rules look at. Claims without a field, and the query, are unknown anyway.
fn is_whole(record: &DecisionRecord) -> Result<(), String> {
    let unknown = |name: &&String| name.starts_with('/') || *name == "query";
    let Some(field) = record.truncated.iter().find(|name| !unknown(name)) else { return Ok(()) };
    let field = visible(field);
    Err(format!(
        "the record has only the beginning of `{field}`, which was too long for it, so that its decision cannot be evaluated again; give the request itself"
    ))
}

fn put_again(record: DecisionRecord) -> Result<ExplainInput, String> {
    is_whole(&record)?;
    let rejection = refused_before_any_rule(&record);
    let decision = record.effect().ok_or_else(|| unreadable("decision"))?;
    let view = view(&record, rejection.as_ref());
    let caller = caller(&record, rejection.as_ref())?;
    let at = time::parse(&record.time)
        .map_err(|_| String::from("the record does not say when it was decided"))?;
    let ignored = record.ignored_tokens.iter().map(|own| {
        let place = format!("{} {}", own.place, own.name);
        format!("the token in {} was ignored: {}", place.trim_end(), own.reason)
    });
    let refused = record.refused_credentials.iter().map(|own| {
        let whose = [&own.spiffe, &own.subject, &own.issuer_name, &own.fingerprint];
        let whose: Vec<_> =
            whose.iter().filter(|mark| !mark.is_empty()).map(|mark| &***mark).collect();
        format!("the {} of {} was refused: {}", own.credential, whose.join(", "), own.reason)
    });
    let throttled = record.throttling.iter().map(|own| {
        let would = if own.enforced { "is" } else { "would be" };
        let failed = if own.failed.is_empty() { "it was not verified" } else { &*own.failed };
        format!(
            "the request {would} throttled: {} has too many failed attempts; of this one: {failed}",
            own.source
        )
    });
    let context = QuestionContext {
        notes: ignored.chain(refused).chain(throttled).collect(),
        from: QuestionSource::AuditRecord,
        vouched: true,
        recorded: Some(RecordedDecision::new(record, decision)),
        ..QuestionContext::default()
    };
    Ok(ExplainInput { view, caller, at: Some(at), missing: MissingData::AUDIT_RECORD, context })
}

/// Why the request was refused, where no rule had a part in it.
fn refused_before_any_rule(record: &DecisionRecord) -> Option<Rejection> {
    let reason = Reason::named(&record.reason)?;
    record.rule.is_empty().then(|| reason.because(record.detail.clone()))
}

fn view(record: &DecisionRecord, rejection: Option<&Rejection>) -> RequestView {
    let request = record.request.clone().unwrap_or_default();
    let endpoint = |text: &str| Endpoint { address: text.parse().ok(), principal: None };
    let transport = rejection.filter(|why| why.reason().layer() == Layer::Transport);
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

fn caller(
    record: &DecisionRecord,
    rejection: Option<&Rejection>,
) -> Result<ExplainedCaller, String> {
    let layer = rejection.map(|why| why.reason().layer());
    let of = |layers: &[Layer]| {
        rejection.cloned().filter(|_| layer.is_some_and(|layer| layers.contains(&layer)))
    };
    // Of our own failures, those that come before a request is looked at are about the transport.
    let is_ours =
        |why: &&Rejection| why.reason().layer() == Layer::Policy && why.reason() != Reason::NoRule;
    if let Some(why) = rejection.filter(is_ours) {
        return Ok(ExplainedCaller::Refused(why.clone()));
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
    Ok(ExplainedCaller::Vouched(Subject::assertion(peer, tokens)))
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
    TokenIdentity::assertion_of_tenant(issuer, claims, binding).map_err(|_| unreadable("tokens"))
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn unreadable(field: &str) -> String {
    format!("cannot understand `{field}` of the record")
}
