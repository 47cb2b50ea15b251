//! A decision and everything that led to it, as values: what is written for people and for programs. Names and shapes are
//! described in `docs/explain.md` and are kept.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::change::{self, SuggestedChange};
use super::question::{QuestionContext, QuestionSource, RecordedDecision};
use super::rules::{NonMatchingRuleReport, PolicyReport, RulesReport};
use super::watch::ExplainWatch;
use crate::authn::{Credential, PeerIdentity, Subject, TokenCheck, TokenIdentity};
use crate::cli::inspect::{HopReport, PeerReport, RejectionReport, Verdict};
use crate::cli::keys::CheckResult;
use crate::pdp::Outcome;
use crate::policy::{
    Decision, Denial, Effect, HeaderMutation, Obligations, Permit, PolicySet, RecordField,
};
use crate::reason::Reason;
use crate::request::{Client, Endpoint, RequestView};

/// A decision and everything that led to it.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct ExplainReport {
    /// The answer; by the documents at hand, not those that were in force when a record was written.
    pub(super) answer: AnswerReport,
    /// The changes that would allow the request, one entry for each rule, nearest first; empty for an allow.
    pub(super) changes: Vec<SuggestedChange>,
    pub(super) question: QuestionReport,
    /// The recorded decision, if the question is from an audit record.
    pub(super) recorded: Option<RecordedReport>,
    pub(super) peer: PeerReport,
    /// The steps of the walk to the peer, nearest proxy first.
    pub(super) walk: Vec<HopReport>,
    pub(super) tokens: TokensReport,
    /// The policies with a rule about the request.
    pub(super) policies: Vec<PolicyReport>,
    /// Rules of the host that are about other requests.
    pub(super) non_matching_rules: Vec<NonMatchingRuleReport>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AnswerReport {
    pub(super) decision: Effect,
    pub(super) reason: Option<Reason>,
    pub(super) detail: Option<String>,
    /// `policy/rule`: which decides, or came closest.
    pub(super) rule: Option<String>,
    /// The annotations of that rule, by name.
    pub(super) annotations: BTreeMap<String, String>,
    /// The HTTP status that the caller gets; none for an allow, which the service behind the proxy answers.
    pub(super) status: Option<u16>,
    /// The headers of a denial, or those that an allow sets on the request.
    pub(super) headers: Vec<HeaderReport>,
    /// Everything else that an allow sets: parts of the query, of the answer, of the metadata, and a signed assertion.
    pub(super) also: Vec<String>,
    /// The headers that an allow removes from the request.
    pub(super) removed: Vec<String>,
    /// The rules in shadow mode that match, or that may match.
    pub(super) shadows: Vec<ShadowReport>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HeaderReport {
    pub(super) name: String,
    /// Only with `--show-values` where it may be about people.
    pub(super) value: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShadowReport {
    pub(super) rule: String,
    pub(super) effect: Effect,
    /// True if the decision would be another, did this one rule count.
    pub(super) changes: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct QuestionReport {
    pub(super) from: QuestionSource,
    pub(super) method: String,
    pub(super) host: String,
    pub(super) path: String,
    #[serde(skip_serializing_if = "ConnectionReport::is_empty")]
    pub(super) connection: ConnectionReport,
    pub(super) at: String,
    /// The documents it was judged by.
    pub(super) revision: String,
    /// The data that was not recorded of the request. Whatever depends on it cannot be determined.
    pub(super) not_recorded: Vec<&'static str>,
    pub(super) notes: Vec<String>,
}

/// How the request came, as far as that is known.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct ConnectionReport {
    /// The address of the client, which `source` of a rule is about, where it is not the other end of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<String>,
    /// The other end of the connection to the proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    /// The address that the connection went to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) destination: Option<String>,
    /// The server name of its TLS handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sni: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RecordedReport {
    #[serde(flatten)]
    pub(super) recorded: RecordedDecision,
    /// True if the documents at hand are those that were in force.
    pub(super) same_documents: bool,
    /// True if the answer by the record's facts is the one that was given.
    pub(super) same_answer: bool,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct TokensReport {
    pub(super) verdict: Verdict,
    #[serde(flatten)]
    pub(super) rejection: Option<RejectionReport>,
    pub(super) tokens: Vec<TokenReport>,
    /// The checks of each token; none for a token that is assumed.
    pub(super) checks: Vec<Vec<CheckReport>>,
    /// Tokens that were ignored, as the documents say; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ignored: Vec<IgnoredReport>,
    /// The claims of each token, verified or not: only with `--show-values`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) claims: Vec<Map<String, Value>>,
}

/// A token that was ignored.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct IgnoredReport {
    /// Such as `cookie session`.
    pub(super) place: String,
    pub(super) reason: Reason,
    pub(super) detail: String,
}

/// A verified token. The members that an audit record has too are called as there; this has no hash of a `jti` and no claims,
/// so that it is a type of its own.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TokenReport {
    pub(super) issuer: String,
    pub(super) subject: Option<String>,
    pub(super) client: Option<String>,
    pub(super) audiences: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) binding: &'static str,
    pub(super) key_id: Option<String>,
    pub(super) expires_at: Option<String>,
}

/// One check of a token.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CheckReport {
    pub(super) check: &'static str,
    pub(super) section: &'static str,
    pub(super) result: CheckResult,
}

impl ExplainReport {
    pub(super) fn new(
        view: &RequestView,
        outcome: &Outcome,
        watch: &ExplainWatch,
        policies: &PolicySet,
        context: QuestionContext,
        show_values: bool,
    ) -> Self {
        let subject = outcome.subject.as_ref();
        let rules = RulesReport::new(view, outcome, &watch.rules, policies, show_values);
        let answer = AnswerReport::new(view, outcome, show_values);
        let changes = change::all(&outcome.decision, &rules, policies, (view, &context.documents));
        let RulesReport { policies, non_matching_rules } = rules;
        let missing = crate::policy::PolicyTrace::missing(&watch.rules);
        let recorded = context.recorded.map(|recorded| RecordedReport {
            same_documents: recorded.revision == outcome.revision.as_str(),
            same_answer: recorded.decision == answer.decision
                && Reason::named(&recorded.reason) == answer.reason,
            recorded,
        });
        let tokens = subject.map(|s| TokensReport::new(s, &watch.steps.passed)).unwrap_or_default();
        Self {
            changes,
            question: QuestionReport {
                from: context.from,
                method: view.method.to_string(),
                host: host(view.raw_host.as_ref(), show_values),
                path: path(view.raw_path.as_ref(), show_values),
                connection: ConnectionReport::of(view),
                at: outcome.at.to_rfc3339(),
                revision: outcome.revision.to_string(),
                not_recorded: missing.all().map(RecordField::as_str).collect(),
                notes: context.notes,
            },
            recorded,
            peer: subject.map(|s| peer(s.peer(), context.vouched)).unwrap_or_default(),
            walk: watch.steps.walk.clone(),
            tokens: TokensReport { claims: watch.claims.clone(), ..tokens },
            policies,
            non_matching_rules,
            answer,
        }
    }

    /// True if the request may pass; by the record, where there is one.
    pub(super) fn is_allow(&self) -> bool {
        let recorded = self.recorded.as_ref().map(|recorded| recorded.recorded.decision);
        recorded.unwrap_or(self.answer.decision) == Effect::Allow
    }
}

/// The host without a user before it, whose password it may have.
fn host(text: &str, show_values: bool) -> String {
    match text.rsplit_once('@') {
        Some((_, host)) if !show_values => format!("<hidden>@{host}"),
        _ => text.to_owned(),
    }
}

/// The path without its parameters and the query, which may have sessions and tokens.
fn path(text: &str, show_values: bool) -> String {
    if show_values {
        return text.to_owned();
    }
    let (path, query) = text.split_once('?').map_or((text, ""), |(path, _)| (path, "?<hidden>"));
    let segment = |own: &str| match own.split_once(';') {
        Some((name, _)) => format!("{name};<hidden>"),
        None => own.to_owned(),
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/") + query
}

fn peer(peer: &Credential<PeerIdentity>, vouched: bool) -> PeerReport {
    let mut report = PeerReport::new(peer);
    if vouched {
        report.source = None;
    }
    report
}

impl ConnectionReport {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each part that is known, with its name.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { client, source, destination, sni } = self;
        let parts = [("client", client), ("from", source), ("to", destination), ("sni", sni)];
        parts.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    fn of(view: &RequestView) -> Self {
        let end = |end: &Endpoint| match end.port() {
            Some(_) => end.address.map(|address| address.to_string()),
            None => end.ip().map(|ip| ip.to_string()),
        };
        let client = match view.client {
            Client::Connection => None,
            Client::At(ip) => Some(ip.to_string()),
            Client::Unknown => Some(String::from("unknown")),
        };
        Self {
            client,
            source: end(&view.source),
            destination: end(&view.destination),
            sni: view.sni.name().map(str::to_owned),
        }
    }
}

impl AnswerReport {
    fn new(view: &RequestView, outcome: &Outcome, show_values: bool) -> Self {
        let shadows = outcome.decision.shadows().iter().map(|shadow| ShadowReport {
            rule: shadow.rule.to_string(),
            effect: shadow.effect,
            changes: shadow.changes,
        });
        let rule = outcome.decision.rule().map(ToString::to_string);
        let notes = outcome.decision.annotations().iter();
        let notes = notes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let answer = Self {
            decision: outcome.decision.effect(),
            reason: None,
            detail: None,
            rule,
            annotations: notes.collect(),
            status: None,
            headers: Vec::new(),
            also: Vec::new(),
            removed: Vec::new(),
            shadows: shadows.collect(),
        };
        match &outcome.decision {
            Decision::Allow(permit) => answer.allowed(permit, outcome, show_values),
            Decision::Deny(denial) => answer.denied(denial, view, outcome),
        }
    }

    fn allowed(self, permit: &Permit, outcome: &Outcome, show_values: bool) -> Self {
        let headers = permit.headers().iter().map(|header| HeaderReport {
            name: header.name.to_string(),
            value: show_values.then(|| header.value.clone()),
        });
        let set = |name: &str| permit.headers().iter().any(|header| *header.name == *name);
        Self {
            headers: headers.collect(),
            also: also(permit.obligations(), &outcome.response_headers),
            removed: permit.strip().iter().filter(|name| !set(name)).cloned().collect(),
            ..self
        }
    }

    fn denied(self, denial: &Denial, view: &RequestView, outcome: &Outcome) -> Self {
        let answer = denial.answer(view, &outcome.id.to_string());
        // The id is this explanation's own, and would be another the next time.
        let headers = answer.headers.iter().map(|(name, value)| HeaderReport {
            name: name.to_string(),
            value: Some(value.clone()).filter(|value| !value.contains(&outcome.id.to_string())),
        });
        Self {
            reason: Some(denial.rejection.reason()),
            detail: Some(denial.rejection.detail().to_owned()),
            status: Some(answer.status),
            headers: headers.collect(),
            ..self
        }
    }
}

/// By name: values may be about people.
fn also(obligations: &Obligations, more: &[HeaderMutation]) -> Vec<String> {
    let Obligations { headers: _, response_headers, query, metadata, assertion, tokens } =
        obligations;
    let response =
        response_headers.iter().chain(more).map(|own| format!("response header {}", own.name));
    let query = query.iter().map(|own| format!("query parameter {}", own.name));
    let metadata = metadata.keys().map(|name| format!("metadata {name}"));
    let assertion = assertion.iter().map(|own| format!("a signed statement in {}", own.header));
    let token = tokens.iter().take(1).map(|_| String::from("no token for the upstream"));
    response.chain(query).chain(metadata).chain(assertion).chain(token).collect()
}

impl TokensReport {
    fn new(subject: &Subject, passed: &[TokenCheck]) -> Self {
        let tokens = subject.tokens();
        let (verdict, rejection) = match tokens {
            // The check ends with a peer that is refused.
            Credential::Absent if subject.peer().rejection().is_some() => {
                (Verdict::NotReached, None)
            }
            Credential::Absent => (Verdict::Absent, None),
            Credential::Rejected(rejection) => (Verdict::Rejected, Some(rejection.into())),
            Credential::Verified(_) => (Verdict::Verified, None),
        };
        let verified = tokens.verified().into_iter().flatten();
        // The token of a cookie that is ignored was refused as well.
        let refused = tokens.rejection().is_some()
            || subject.ignored().iter().any(|own| own.place.cookie().is_some());
        let rejected = refused && !passed.is_empty();
        let ignored = subject.ignored().iter().map(|own| IgnoredReport {
            place: own.place.to_string(),
            reason: own.rejection.reason(),
            detail: own.rejection.detail().to_owned(),
        });
        Self {
            ignored: ignored.collect(),
            claims: Vec::new(),
            verdict,
            rejection,
            tokens: verified.map(TokenReport::new).collect(),
            checks: checks(passed, rejected),
        }
    }
}

/// The checks of each token. One that was rejected failed at the first check that it did not pass.
fn checks(passed: &[TokenCheck], rejected: bool) -> Vec<Vec<CheckReport>> {
    let starts = passed.iter().enumerate().filter(|(_, check)| **check == TokenCheck::Issuer);
    let starts: Vec<usize> = starts.map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([passed.len()]);
    let own = starts.iter().zip(ends).filter_map(|(start, end)| passed.get(*start..end));
    let last = starts.len();
    own.zip(1..)
        .map(|(own, number)| {
            let mut fails = rejected && number == last;
            let result = |check: &TokenCheck| match own.contains(check) {
                true => CheckResult::Passed,
                false if std::mem::take(&mut fails) => CheckResult::Failed,
                false => CheckResult::NotReached,
            };
            let results = TokenCheck::ALL.iter().map(result).collect::<Vec<_>>();
            let of = |(check, result): (&TokenCheck, _)| CheckReport {
                check: check.as_str(),
                section: check.section(),
                result,
            };
            TokenCheck::ALL.iter().zip(results).map(of).collect()
        })
        .collect()
}

impl TokenReport {
    fn new(token: &TokenIdentity) -> Self {
        let text = |text: Option<&str>| text.map(str::to_owned);
        // An assumed token need not expire.
        let expires = token.expires_at().as_secs() < i64::MAX / 2000;
        Self {
            issuer: token.issuer_name().to_owned(),
            subject: text(token.subject()),
            client: text(token.client()),
            audiences: token.audiences().to_vec(),
            scopes: token.scopes().to_vec(),
            binding: token.binding().as_str(),
            key_id: text(token.key_id()),
            expires_at: expires.then(|| token.expires_at().to_rfc3339()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P282: of the request, too, nothing is shown that may be a secret.
    #[test]
    fn users_parameters_and_queries_are_hidden() {
        assert_eq!(host("u:hunter2@a.example", false), "<hidden>@a.example");
        assert_eq!(host("a.example:80", false), "a.example:80");
        let sent = "/x;jsessionid=hunter2/y?token=hunter2";
        assert_eq!(path(sent, false), "/x;<hidden>/y?<hidden>");
        assert_eq!(path(sent, true), sent);
    }
}
