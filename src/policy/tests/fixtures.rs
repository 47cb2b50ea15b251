//! Policies, callers and requests for the tests of this room.

use std::num::NonZeroUsize;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::authn::{Binding, Credential, PeerFacts, PeerIdentity, Subject, TokenIdentity};
use crate::clock::UnixTime;
use crate::document::{self, Kind, SourceFile};
use crate::evidence_level::EvidenceLevel;
use crate::policy::{Decision, DecisionId, DecisionRequest, Permit, PolicySet, PolicySources};
use crate::request::{
    Client, Endpoint, HeaderValue, Headers, RequestView, ServerName, Shown, Target, Text,
};
use crate::secret::Fingerprint;

/// A policy document called `name` with `spec`, given from its first key on.
pub(in crate::policy) fn policy(name: &str, spec: &str) -> String {
    let spec = spec.trim_end().replace('\n', "\n  ");
    format!(
        "---\napiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: {name} }}\nspec:\n  {spec}\n"
    )
}

/// A policy for every path of `orders.example.com`, with `rules` given as YAML list entries.
pub(in crate::policy) fn rules(rules: &[&str]) -> PolicySet {
    let rules = rules.join("\n  - ");
    compile(&policy(
        "orders",
        &format!("target: {{ hosts: [orders.example.com] }}\nrules:\n  - {rules}"),
    ))
}

/// Compiles documents that have no error; lints are tested elsewhere.
pub(in crate::policy) fn compile(text: &str) -> PolicySet {
    let (set, problems) = try_compile(text);
    let rendered: Vec<_> = problems.iter().map(|problem| problem.render(false)).collect();
    assert!(!document::any_error(&problems), "{}", rendered.join("\n"));
    set
}

/// Compiles documents for the issuers `corp` and `partner` and the trust domains `prod` and `edge`.
pub(in crate::policy) fn try_compile(text: &str) -> (PolicySet, Vec<document::Diagnostic>) {
    let (set, problems) = compile_after(text, None);
    (Arc::into_inner(set).unwrap(), problems)
}

/// The same as a reload does it, `before` being in force.
pub(in crate::policy) fn compile_after(
    text: &str,
    before: Option<&Arc<PolicySet>>,
) -> (Arc<PolicySet>, Vec<document::Diagnostic>) {
    let mut problems = Vec::new();
    let found = document::find(&SourceFile::new("test.yaml", text), &mut problems);
    let (policies, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|document| document.kind() == Kind::Policy);
    let others: Vec<_> = others.iter().map(|document| document.read().unwrap()).collect();
    let sources = PolicySources {
        policies: &policies,
        others: &others,
        fragments: &Fingerprint::of(b""),
        issuers: &["corp", "partner"],
        domains: &["prod", "edge"],
        before,
        threads: NonZeroUsize::MIN,
        now: UnixTime::from_secs(0),
    };
    (PolicySet::compile(&sources, &mut problems), problems)
}

/// A `GET` of `path` at `orders.example.com`.
pub(in crate::policy) fn get(path: &str) -> RequestView {
    request("GET", "orders.example.com", path)
}

pub(in crate::policy) fn request(method: &str, authority: &str, path: &str) -> RequestView {
    RequestView {
        id: Text::default(),
        method: method.into(),
        scheme: "https".into(),
        raw_host: authority.into(),
        raw_path: path.into(),
        target: Target::parse(authority, path),
        headers: Headers::default(),
        source: Endpoint::default(),
        destination: Endpoint::default(),
        client: Client::Connection,
        sni: ServerName::Unknown,
        sent_at: None,
        context_extensions: std::collections::BTreeMap::new(),
    }
}

pub(in crate::policy) fn with_header(
    mut request: RequestView,
    name: &str,
    value: &[u8],
) -> RequestView {
    request.headers.push(name, HeaderValue::new(value.to_vec()));
    request
}

/// The same of a proxy that shows every header.
pub(in crate::policy) fn shown_whole(mut request: RequestView) -> RequestView {
    request.headers = request.headers.with_shown(Shown::Every);
    request
}

/// The permit for `request`, which has to be allowed.
pub(in crate::policy) fn allowed(
    set: &PolicySet,
    subject: &Subject,
    request: &RequestView,
) -> Permit {
    match decide(set, subject, request) {
        Decision::Allow(permit) => permit,
        Decision::Deny(denial) => panic!("{}", &denial.rejection),
    }
}

/// A caller without credentials.
pub(in crate::policy) fn anonymous() -> Subject {
    Subject::assertion(Credential::Absent, Credential::Absent)
}

/// A peer of `prod` with this SPIFFE ID, and a token of `corp` with these claims, where they are given.
pub(in crate::policy) fn caller(spiffe: Option<&str>, claims: Option<Value>) -> Subject {
    let peer = spiffe.map(|id| peer(id, EvidenceLevel::Full));
    let tokens = claims.map(|claims| vec![token("corp", claims, Binding::None)]);
    Subject::assertion(
        peer.map_or(Credential::Absent, Credential::Verified),
        tokens.map_or(Credential::Absent, Credential::Verified),
    )
}

/// The front end `web`, without a token.
pub(in crate::policy) fn web() -> Subject {
    caller(Some("spiffe://prod.example/ns/web/sa/front"), None)
}

/// Alice with the scope `orders:read`, over no particular connection.
pub(in crate::policy) fn alice() -> Subject {
    caller(None, Some(json!({"sub": "alice", "scope": "orders:read", "tenant": "acme"})))
}

pub(in crate::policy) fn peer(spiffe: &str, level: EvidenceLevel) -> PeerIdentity {
    let facts = PeerFacts {
        spiffe: Some(spiffe.parse().unwrap()),
        dns: vec!["front.web.svc".into()],
        ..PeerFacts::of("prod")
    };
    PeerIdentity::assertion(facts, level)
}

pub(in crate::policy) fn token(issuer: &str, claims: Value, binding: Binding) -> TokenIdentity {
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    TokenIdentity::assertion(issuer, claims, binding).unwrap()
}

pub(in crate::policy) fn decide(
    set: &PolicySet,
    subject: &Subject,
    request: &RequestView,
) -> Decision {
    let now = UnixTime::from_secs(1_800_000_000);
    set.evaluate(&DecisionRequest { subject, request, now, id: DecisionId::default() })
}

/// `allow RULE` or `deny REASON [RULE]`, short enough for tables.
pub(in crate::policy) fn outcome(
    set: &PolicySet,
    subject: &Subject,
    request: &RequestView,
) -> String {
    match decide(set, subject, request) {
        Decision::Allow(permit) => format!("allow {}", permit.rule().rule),
        Decision::Deny(denial) => {
            let rule =
                denial.rule.as_ref().map(|name| format!(" {}", name.rule)).unwrap_or_default();
            format!("deny {}{rule}", denial.rejection.reason())
        }
    }
}
