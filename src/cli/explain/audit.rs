//! A decision in the audit log, evaluated again. Data that the record does not hold is unknown, and never made up.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::iter::once;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::question::{Caller, Input, Recorded, Told};
use crate::authn::{Binding, Credential, PeerFacts, PeerIdentity, Subject, TokenIdentity};
use crate::cli::moment;
use crate::cli::style::visible;
use crate::config::Config;
use crate::evidence_level::EvidenceLevel;
use crate::policy::MissingData;
use crate::reason::{Layer, Reason, Rejection};
use crate::request::{Body, Client, Endpoint, Headers, RequestView, ServerName, Target, Text};
use crate::secret::Fingerprint;

/// How many decisions are listed that are called the same.
const MOST_NAMESAKES: usize = 10;

/// A record, as far as a decision can be put again by it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Record {
    #[serde(flatten)]
    recorded: Recorded,
    request: RequestRecord,
    peer: Option<PeerRecord>,
    tokens: Vec<TokenRecord>,
    ignored_tokens: Vec<IgnoredRecord>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct IgnoredRecord {
    place: String,
    name: String,
    reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RequestRecord {
    id: String,
    x_request_id: String,
    method: String,
    host: String,
    path: String,
    source: String,
    client: String,
    sni: String,
    scheme: String,
    destination: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PeerRecord {
    trust_domain: String,
    other_trust_domains: Vec<String>,
    spiffe: String,
    evidence: String,
    subject: String,
    issuer: String,
    serial: String,
    fingerprint: String,
    not_after: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenRecord {
    issuer_name: String,
    issuer: String,
    subject: String,
    client: String,
    audiences: Vec<String>,
    scopes: Vec<String>,
    expires_at: String,
    binding: String,
}

/// The decision that `id` is the beginning of, or that was made for the request with this `x-request-id` or proxy's id.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn input(
    id: &str,
    log: Option<&Path>,
    config: Option<&Config>,
) -> Result<Input, String> {
    let configured = config.and_then(|config| config.audit.as_ref()?.file());
    let path = log.or(configured).ok_or_else(|| {
        String::from("which audit log? give `--audit`, or settings that write one to a file")
    })?;
    find(id, path)?.put_again()
}

/// The decision in the log at `path`, or in one that was put aside before it.
fn find(id: &str, path: &Path) -> Result<Record, String> {
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
        if found.iter().any(|record| record.recorded.decision_id == id) {
            break;
        }
    }
    only(id, found, &shown)
}

/// The one that is meant. A decision's whole id is ours, and counts before what a caller may have called a request.
fn only(id: &str, mut found: Vec<Record>, shown: &str) -> Result<Record, String> {
    if let Some(at) = found.iter().position(|record| record.recorded.decision_id == id) {
        return Ok(found.swap_remove(at));
    }
    let id = visible(id);
    match (found.pop(), found.is_empty()) {
        (Some(record), true) => Ok(record),
        (Some(last), false) => {
            found.push(last);
            let count = found.len();
            let lines: Vec<_> = found.iter().take(MOST_NAMESAKES).map(Record::line).collect();
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

/// The older files beside the log, as `audit.rotation` names them, the youngest first.
fn put_aside(path: &Path) -> impl Iterator<Item = PathBuf> {
    let aside = |turns: u16| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{turns}"));
        PathBuf::from(name)
    };
    (1..=u16::MAX).map(aside).take_while(|file| file.exists())
}

/// Every record that is called so.
fn find_in(id: &str, log: impl Read, shown: &str) -> Result<Vec<Record>, String> {
    let mut found: Vec<Record> = Vec::new();
    for line in BufReader::new(log).split(b'\n') {
        let line = line.map_err(|error| format!("cannot read `{shown}`: {error}"))?;
        // A line that a crash tore, or another program wrote, need not be text.
        let Ok(line) = String::from_utf8(line) else { continue };
        // Most lines are about other decisions, and need not be understood.
        if !line.contains(id) {
            continue;
        }
        let Ok(record) = serde_json::from_str::<Record>(&line) else { continue };
        if record.is_called(id) {
            found.push(record);
        }
    }
    Ok(found)
}

impl Record {
    fn is_called(&self, id: &str) -> bool {
        let RequestRecord { id: own, x_request_id, .. } = &self.request;
        self.recorded.decision_id.starts_with(id) || own == id || x_request_id == id
    }

    /// Tells it from others that are called the same.
    fn line(&self) -> String {
        let Recorded { decision_id, time, decision, .. } = &self.recorded;
        let RequestRecord { method, host, path, .. } = &self.request;
        visible(&format!("{decision_id}  {time}  {decision}  {method} {host} {path}"))
    }

    fn put_again(self) -> Result<Input, String> {
        let rejection = self.refused_before_any_rule();
        let view = self.view(rejection.as_ref());
        let caller = self.caller(rejection.as_ref())?;
        let at = moment::parse(&self.recorded.time)
            .map_err(|_| String::from("the record does not say when it was decided"))?;
        let ignored = self.ignored_tokens.iter().map(|IgnoredRecord { place, name, reason }| {
            let place = format!("{place} {name}");
            format!("the token in {} was ignored: {reason}", place.trim_end())
        });
        let told = Told {
            notes: ignored.collect(),
            from: "audit record",
            vouched: true,
            recorded: Some(self.recorded),
            ..Told::default()
        };
        Ok(Input { view, caller, at: Some(at), missing: MissingData::AUDIT_RECORD, told })
    }

    /// Why the request was refused, where no rule had a part in it.
    fn refused_before_any_rule(&self) -> Option<Rejection> {
        let Recorded { reason, detail, rule, .. } = &self.recorded;
        let reason = Reason::ALL.iter().find(|known| known.as_str() == reason)?;
        rule.is_empty().then(|| reason.because(detail.clone()))
    }

    fn view(&self, rejection: Option<&Rejection>) -> RequestView {
        let RequestRecord {
            id,
            method,
            host,
            path,
            source,
            client,
            sni,
            scheme,
            destination,
            x_request_id: _,
        } = &self.request;
        let endpoint = |text: &str| Endpoint { address: text.parse().ok(), principal: None };
        let transport = rejection.filter(|why| why.reason().layer() == Layer::Transport);
        RequestView {
            id: id.into(),
            method: method.into(),
            scheme: scheme.into(),
            protocol: Text::default(),
            raw_host: host.into(),
            raw_path: path.into(),
            target: transport.map_or_else(|| Target::parse(host, path), |why| Err(why.clone())),
            headers: Headers::default(),
            source: endpoint(source),
            destination: endpoint(destination),
            client: match client.as_str() {
                "" => Client::Connection,
                text => text.parse().map_or(Client::Unknown, Client::At),
            },
            sni: match sni.as_str() {
                "" => ServerName::Unknown,
                name => ServerName::Name(name.into()),
            },
            body: Body::default(),
            sent_at: None,
            context_extensions: BTreeMap::new(),
            metadata: BTreeMap::new(),
        }
    }

    fn caller(&self, rejection: Option<&Rejection>) -> Result<Caller, String> {
        let layer = rejection.map(|why| why.reason().layer());
        let of = |layers: &[Layer]| {
            rejection.cloned().filter(|_| layer.is_some_and(|layer| layers.contains(&layer)))
        };
        // Of our own failures, those that come before a request is looked at are about the transport.
        let is_ours = |why: &&Rejection| {
            why.reason().layer() == Layer::Policy && why.reason() != Reason::NoRule
        };
        if let Some(why) = rejection.filter(is_ours) {
            return Ok(Caller::Refused(why.clone()));
        }
        let peer = match (&self.peer, of(&[Layer::Peer])) {
            (Some(peer), _) => Credential::Verified(peer.identity()?),
            (None, Some(why)) => Credential::Rejected(why),
            (None, None) => Credential::Absent,
        };
        let tokens: Result<Vec<_>, _> = self.tokens.iter().map(TokenRecord::identity).collect();
        let tokens = match (tokens?, of(&[Layer::Token, Layer::Binding])) {
            (_, Some(why)) => Credential::Rejected(why),
            (tokens, None) if tokens.is_empty() => Credential::Absent,
            (tokens, None) => Credential::Verified(tokens),
        };
        Ok(Caller::Vouched(Subject::assertion(peer, tokens)))
    }
}

impl PeerRecord {
    fn identity(&self) -> Result<PeerIdentity, String> {
        let spiffe = match self.spiffe.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| unreadable("peer.spiffe"))?),
        };
        let level = EvidenceLevel::ALL.iter().find(|level| level.as_str() == self.evidence);
        let facts = PeerFacts {
            other_trust_domains: self.other_trust_domains.clone(),
            spiffe,
            subject: non_empty(&self.subject),
            issuer: non_empty(&self.issuer),
            serial: non_empty(&self.serial),
            certificate: Fingerprint::from_hex(&self.fingerprint),
            not_after: moment::parse(&self.not_after).ok(),
            ..PeerFacts::of(&self.trust_domain)
        };
        let level = level.ok_or_else(|| unreadable("peer.evidence"))?;
        Ok(PeerIdentity::assertion(facts, *level))
    }
}

impl TokenRecord {
    fn identity(&self) -> Result<TokenIdentity, String> {
        let mut claims = Map::new();
        let mut claim = |name: &str, value: Option<Value>| {
            claims.extend(value.map(|value| (name.to_owned(), value)));
        };
        claim("iss", non_empty(&self.issuer).map(Value::String));
        claim("sub", non_empty(&self.subject).map(Value::String));
        claim("client_id", non_empty(&self.client).map(Value::String));
        claim("aud", (!self.audiences.is_empty()).then(|| json!(self.audiences)));
        claim("scope", (!self.scopes.is_empty()).then(|| json!(self.scopes.join(" "))));
        let expires = moment::parse(&self.expires_at).ok();
        claim("exp", expires.map(|at| json!(at.as_secs())));
        let binding = match self.binding.as_str() {
            "none" => Binding::None,
            "certificate" => Binding::Certificate,
            "dpop" => Binding::Dpop,
            _ => return Err(unreadable("tokens.binding")),
        };
        TokenIdentity::assertion(&self.issuer_name, claims, binding)
            .map_err(|_| unreadable("tokens"))
    }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn unreadable(field: &str) -> String {
    format!("cannot understand `{field}` of the record")
}
