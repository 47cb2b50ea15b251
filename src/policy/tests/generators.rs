//! Random policies, callers and requests that reach every key of a rule.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::fixtures::*;
use crate::authn::{Binding, Credential, PeerFacts, PeerIdentity, Subject};
use crate::evidence_level::EvidenceLevel;
use crate::policy::PolicySet;
use crate::reason::Reason;
use crate::request::{RequestView, ServerName};

/// How many rules there are.
pub(super) const RULES: std::ops::Range<usize> = 3..9;

/// The targets of policies.
pub(super) const TARGETS: [&str; 11] = [
    "hosts: ['a.example.com']",
    "hosts: ['a.example.com']",
    "hosts: ['a.example.com', '*.example.com']",
    "hosts: ['b.example.com']",
    "hosts: ['*.example.com']",
    "hosts: ['a.example.com'], ports: [8443]",
    "hosts: ['a.example.com:8443', '*.example.com']",
    "hosts: ['a.example.com.']",
    "anyHost: true, anyAuthorityPort: true",
    "anyHost: true",
    "anyHost: true",
];

const PATHS: [&str; 10] =
    ["/", "/a", "/a/", "/a/{x}", "/a/*/c", "/a/**", "/{x}/b", "/**", "/b/{x}/**", "/**/c"];

/// Conditions that speak of the request only, of the token, and of the peer.
const OF_REQUEST: [&str; 5] = [
    r#"request.method == "GET""#,
    r#"request.headers["x-h"] == "x""#,
    r#"!("x-h" in request.headers)"#,
    r#"request.headers["x-h"] == "x" || request.scheme == "https""#,
    r#"context.tier == "gold" && now > 0"#,
];
const OF_TOKEN: [&str; 6] = [
    r#"token.claims.tenant == "acme""#,
    r#"token.claims.tenant in ["acme", "globex"] && token.sub != "bob""#,
    r#"token.claims.level > 3 || "write" in token.scopes"#,
    r#"has(token.claims.tenant) ? token.claims.tenant != "acme" : true"#,
    r#"!token.scopes.exists(s, s.startsWith("w"))"#,
    r#"token.exp > now"#,
];
const OF_PEER: [&str; 3] = [
    r#"peer.spiffe.startsWith("spiffe://prod.example/ns/web/")"#,
    r#"peer.evidence == "full" || peer.trustDomain == "edge""#,
    r#"peer.dns.exists(d, d == "front.web.svc")"#,
];

const PEER_KEYS: [&str; 12] = [
    "use: front",
    "spiffe: ['spiffe://prod.example/ns/web/sa/*']",
    "spiffe: ['spiffe://prod.example/ns/ops/**', 'spiffe://prod.example/ns/web/sa/front']",
    "trustDomain: prod",
    "trustDomain: edge",
    "dns: ['front.web.svc', '*.ops.svc']",
    "uris: ['https://front.example']",
    "emails: ['ops@example.com']",
    "ips: [192.0.2.0/24]",
    "subjects: ['CN=front']",
    "evidence: hash",
    "evidence: full",
];

const TOKEN_KEYS: [&str; 26] = [
    "use: reader",
    "binding: dpop",
    "binding: any",
    "bind: { claim: client_id, to: peer.spiffe, map: 'spiffe://prod.example/ns/{client}/sa/front' }",
    // Again: few callers have both.
    "bind: { claim: client_id, to: peer.spiffe, map: 'spiffe://prod.example/ns/{client}/sa/front' }",
    "bind: { claim: /tenant, to: peer.dns, evidence: leaf }",
    "scopes: [read]",
    "scopes: [read, write]",
    "anyScope: [write, admin]",
    "scopes: ['orders:read'], scopeForm: whole",
    "scopes: ['orders:read'], scopeForm: hierarchy",
    "scopes: ['orders:read', write], scopeForm: wildcard",
    "anyScope: ['orders:read', admin], scopeForm: hierarchy",
    "anyScope: ['orders:read', orders], scopeForm: wildcard",
    "audiences: [orders, other]",
    "subjects: [alice]",
    "clients: [web]",
    "binding: certificate",
    "acr: [gold]",
    "maxAge: 5m",
    "claims: [{ pointer: /tenant, equals: acme }]",
    "claims: [{ pointer: /tenant, in: [acme, globex] }, { pointer: /level, equals: 4 }]",
    "claims: [{ pointer: /groups, contains: admin }]",
    "claims: [{ pointer: /tenant, exists: false }]",
    "claims: [{ pointer: /deep/er, equals: true }]",
    "",
];

const HEADER_TESTS: [&str; 6] = [
    "any: { equals: x }",
    "any: { in: [x, y] }",
    "all: { prefix: x }",
    "all: { suffix: x }",
    "exists: true",
    "exists: false",
];

/// Keys that a deny rule must not have: it would spare those who show less.
const NOT_FOR_DENY: [&str; 5] = ["bind", "acr", "maxAge", "evidence", "use: reader"];

/// Fragments that rules of several policies use.
const FRAGMENTS: &str = "---
apiVersion: countersign.dev/v1alpha1
kind: Fragments
metadata: { name: shared }
spec:
  peers: { front: { spiffe: ['spiffe://prod.example/ns/*/sa/front'], dns: [front.web.svc] } }
  tokens: { reader: { issuer: corp, scopes: [read], binding: any, acr: [gold] } }
  conditions: { reads: 'request.method == \"GET\" || request.fullPath != \"/a\"' }
";

/// When a rule counts: at the moment that is asked about, and at others.
const TIMES: [&str; 5] = [
    "during: { from: 2027-01-01T00:00:00Z }",
    "during: { until: 2027-01-01T00:00:00Z }",
    "during: { weekly: [{ days: [fri], from: '07:00', until: '09:00', zone: UTC }] }",
    "during: { weekly: [{ from: '22:00', until: '02:00', zone: '+01:00' }] }",
    "during: { from: 2027-01-15T08:00:00Z, until: 2027-01-15T08:00:01Z }",
];

/// Obligations of rules that require a token.
const DUTIES: [&str; 5] = [
    "inject: { headers: { x-tenant: '{token.claims./tenant}', x-note: '{token.claims./note}' } }",
    "inject: { headers: { x-decision: '{decision.id}' }, responseHeaders: { x-note: '{token.claims./note}' } }",
    "inject: { query: { tenant: 't.{token.claims./tenant|hex}' }, metadata: { note: '{token.claims./note}', groups: '{token.claims./groups}' } }",
    "inject: { assertion: { header: x-caller, audience: orders, claims: { note: '{token.claims./note}' } } }",
    "remove: { token: true, headers: [x-h], query: [q] }",
];

/// Responses to denied callers.
const DENIALS: [&str; 3] = [
    "deny: { status: 404 }",
    "deny: { body: { text: 'Ask for {decision.id}.', json: { code: 7, why: '{decision.word}' } }, headers: { x-team: orders } }",
    "deny: { redirect: { to: '/login?ref={decision.id}', for: every } }",
];

/// One rule as the text of its conditions, without name and effect; and what its policy is about.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    pub(super) target: &'static str,
    pub(super) effect: &'static str,
    pub(super) mode: &'static str,
    on: Option<String>,
    parts: Vec<String>,
    peer: Option<Vec<&'static str>>,
    token: Option<Vec<&'static str>>,
    when: Option<&'static str>,
    obligations: Option<&'static str>,
    answer: Option<&'static str>,
}

impl Sketch {
    /// The same as a deny rule that counts.
    pub(super) fn denying(self) -> Self {
        Self { effect: "deny", mode: "enforce", ..self }
    }

    /// The rule as an entry of a list.
    fn text(&self, name: usize) -> String {
        let mut lines = vec![
            format!("name: r{name:02}"),
            format!("effect: {}", self.effect),
            format!("mode: {}", self.mode),
        ];
        lines.extend(self.on.clone());
        lines.extend(self.parts.clone());
        let denies = self.effect == "deny";
        let kept = |keys: &[&'static str]| -> Vec<&str> {
            let refused =
                |key: &&str| denies && NOT_FOR_DENY.iter().any(|own| key.starts_with(own));
            distinct(keys).into_iter().filter(|key| !refused(key)).collect()
        };
        lines.extend(self.peer.as_ref().map(|keys| match kept(keys).as_slice() {
            keys if keys.contains(&"use: front") => String::from("peer: { use: front }"),
            [] => String::from("peer: { any: true }"),
            [one] if one.starts_with("evidence") => format!("peer: {{ any: true, {one} }}"),
            keys => format!("peer: {{ {} }}", keys.join(", ")),
        }));
        lines.extend(self.token.as_ref().map(|keys| {
            if kept(keys).contains(&"use: reader") {
                return String::from("token: { use: reader }");
            }
            let keys: Vec<_> = std::iter::once("issuer: corp").chain(kept(keys)).collect();
            format!("token: {{ {} }}", keys.join(", "))
        }));
        lines.extend(
            self.when.filter(|when| self.can_say(when)).map(|when| format!("when: '{when}'")),
        );
        if !denies && self.peer.is_none() && self.token.is_none() {
            lines.push(String::from("public: true"));
        }
        let obligations = self.obligations.filter(|_| !denies && self.token.is_some());
        lines.extend([obligations, self.answer].into_iter().flatten().map(str::to_owned));
        lines.join("\n      ")
    }

    fn can_say(&self, when: &str) -> bool {
        (self.token.is_some() || !when.contains("token."))
            && (self.peer.is_some() || !when.contains("peer."))
    }
}

/// Of keys with one name, the first; `scopeForm` is said of both kinds of scopes.
fn distinct<'a>(keys: &[&'a str]) -> Vec<&'a str> {
    let name = |key: &&str| key.split(':').next().unwrap_or_default().to_owned();
    let mut seen = Vec::new();
    let fresh = |key: &&str| {
        let form = key.contains("scopeForm").then(|| String::from("scopeForm"));
        let names: Vec<_> = form.into_iter().chain([name(key)]).collect();
        let is_fresh = names.iter().all(|name| !name.is_empty() && !seen.contains(name));
        seen.extend(names);
        is_fresh
    };
    keys.iter().copied().filter(fresh).collect()
}

pub(super) fn sketch() -> impl Strategy<Value = Sketch> {
    let effect_and_mode = prop_oneof![
        6 => Just(("allow", "enforce")),
        4 => Just(("deny", "enforce")),
        1 => Just(("allow", "shadow")),
        1 => Just(("deny", "shadow")),
    ];
    let on = (subsequence(vec!["GET", "POST", "PUT"], 1..=2), subsequence(PATHS.to_vec(), 1..=3))
        .prop_map(|(methods, paths)| format!("on: {{ methods: {methods:?}, paths: {paths:?} }}"));
    let headers = select(HEADER_TESTS.to_vec())
        .prop_map(|test| format!("headers: [{{ name: x-h, {test} }}]"));
    let query =
        select(HEADER_TESTS.to_vec()).prop_map(|test| format!("query: [{{ name: q, {test} }}]"));
    let parts = (
        weighted(0.1, Just(String::from("source: [10.0.0.0/8]"))),
        weighted(0.1, Just(String::from("destination: [10.1.0.0/16]"))),
        weighted(0.1, Just(String::from("sni: ['*.example.com']"))),
        weighted(0.1, Just(String::from("contextExtensions: { tier: gold }"))),
        weighted(0.1, Just(String::from("conditions: [reads]"))),
        weighted(0.15, select(TIMES.to_vec()).prop_map(str::to_owned)),
        weighted(0.2, headers),
        weighted(0.15, query),
    )
        .prop_map(|(a, b, s, c, d, e, f, g)| {
            [a, b, s, c, d, e, f, g].into_iter().flatten().collect()
        });
    let when: Vec<_> = [OF_REQUEST.as_slice(), &OF_TOKEN, &OF_PEER].concat();
    (
        (select(TARGETS.to_vec()), effect_and_mode, weighted(0.5, on), parts),
        weighted(0.35, vec(select(PEER_KEYS.to_vec()), 0..3)),
        weighted(0.5, vec(select(TOKEN_KEYS.to_vec()), 0..3)),
        weighted(0.3, select(when)),
        (weighted(0.6, select(DUTIES.to_vec())), weighted(0.2, select(DENIALS.to_vec()))),
    )
        .prop_map(|((target, (effect, mode), on, parts), peer, token, when, answers)| Sketch {
            target,
            effect,
            mode,
            on,
            parts,
            peer,
            token,
            when,
            obligations: answers.0,
            answer: answers.1,
        })
}

fn known_peer() -> impl Strategy<Value = PeerIdentity> {
    let id = select(vec![
        Some("spiffe://prod.example/ns/web/sa/front"),
        Some("spiffe://prod.example/ns/ops/sa/x/y"),
        None,
    ]);
    let names = any::<bool>();
    let domain = select(vec!["prod", "prod", "edge"]);
    (id, select(EvidenceLevel::ALL.to_vec()), names, domain).prop_map(
        |(id, level, names, domain)| {
            let list = |name: &str| if names { vec![name.to_owned()] } else { Vec::new() };
            let facts = PeerFacts {
                spiffe: id.map(|id| id.parse().unwrap()),
                dns: list("front.web.svc"),
                uris: list("https://front.example"),
                emails: list("ops@example.com"),
                ips: list("192.0.2.7"),
                subject: names.then(|| String::from("CN=front")),
                ..PeerFacts::of(domain)
            };
            PeerIdentity::assertion(facts, level)
        },
    )
}

/// The claims of a token: right, absent, and of a wrong kind.
fn claims() -> impl Strategy<Value = Value> {
    let tenant = select(vec![
        json!("acme"),
        json!("acme"),
        json!("globex"),
        json!(7),
        json!(null),
        json!(["acme"]),
    ]);
    let scope = select(vec![
        "read",
        "write",
        "read write",
        "read write admin",
        "",
        "orders",
        "orders:* write",
        "orders:read write",
    ]);
    let note = select(vec![json!("plain"), json!("plain"), json!(null), json!("a\nb"), json!({})]);
    let level = select(vec![json!(4), json!(2), json!("4"), json!(4.5)]);
    let groups = select(vec![json!(["admin"]), json!(["user", 7]), json!("admin")]);
    let registered = select(vec![
        json!({"sub": "alice", "aud": "orders", "client_id": "web", "acr": "gold", "auth_time": 1_800_000_000}),
        json!({"sub": "bob", "aud": ["other"], "azp": "app", "acr": 3, "auth_time": 1}),
        json!({"exp": 1_800_000_100}),
    ]);
    (tenant, scope, note, level, groups, registered).prop_map(
        |(tenant, scope, note, level, groups, mut claims)| {
            let more = json!({"tenant": tenant, "scope": scope, "note": note, "level": level, "groups": groups, "deep": {"er": true}});
            let own = claims.as_object_mut().unwrap();
            own.extend(more.as_object().unwrap().clone());
            if scope.is_empty() {
                own.retain(|name, _| name != "tenant" && name != "groups");
            }
            claims
        },
    )
}

pub(super) fn subject() -> impl Strategy<Value = Subject> {
    let peer = prop_oneof![
        4 => Just(None),
        15 => known_peer().prop_map(|peer| Some(Credential::Verified(peer))),
        1 => Just(Some(Credential::Rejected(Reason::CertExpired.because("expired")))),
    ];
    let binding = select(vec![Binding::None, Binding::Certificate, Binding::Dpop]);
    let tokens = prop_oneof![
        4 => Just(None),
        15 => (claims(), binding, select(vec!["corp", "corp", "corp", "partner"])).prop_map(|(claims, binding, issuer)| {
            Some(Credential::Verified(vec![token(issuer, claims, binding)]))
        }),
        1 => Just(Some(Credential::Rejected(Reason::TokenExpired.because("expired")))),
    ];
    (peer, tokens).prop_map(|(peer, tokens)| {
        Subject::assertion(peer.unwrap_or(Credential::Absent), tokens.unwrap_or(Credential::Absent))
    })
}

pub(super) fn question() -> impl Strategy<Value = RequestView> {
    let host = select(vec![
        "a.example.com",
        "a.example.com",
        "a.example.com:8443",
        "b.example.com",
        "c.d.example.com",
        "[::1]",
        "A.example.com.",
    ]);
    let method = select(vec!["GET", "GET", "POST", "get"]);
    let path = select(vec![
        "/",
        "/a",
        "/a/",
        "/a/b",
        "/a/b/c",
        "/b",
        "/b/b",
        "/b/c/d",
        "/a?q=x",
        "/a?q=x;q=y",
        "/b?q=y&q=x",
        "/c/b",
        "/a//b",
    ]);
    let values = vec(select(vec![b"x".as_slice(), b"x,y", b"y", b"\xff", b""]), 0..3);
    let address = || select(vec![None, Some("10.0.0.1:1"), Some("10.1.2.3:8443"), Some("[::1]:1")]);
    let address = (address(), address());
    let sni = select(vec![
        ServerName::Unknown,
        ServerName::Absent,
        ServerName::Name("a.example.com".into()),
        ServerName::Name("b.example.org".into()),
    ]);
    let rest =
        (select(vec![None, Some("gold"), Some("tin")]), select(vec!["https", "http", ""]), sni);
    (host, method, path, values, address, rest).prop_map(
        |(host, method, path, values, address, (tier, scheme, sni))| {
            let plain = request(method, host, path);
            let mut view =
                values.into_iter().fold(plain, |view, value| with_header(view, "x-h", value));
            let (source, destination) = address;
            view.source.address = source.map(|text| text.parse().unwrap());
            view.destination.address = destination.map(|text| text.parse().unwrap());
            view.context_extensions.extend(tier.map(|tier| ("tier".into(), tier.into())));
            view.scheme = scheme.into();
            view.sni = sni;
            view
        },
    )
}

/// A policy for each target with its rules in the given order, and the policies in the order in which their targets come. The
/// name of a rule is its position.
pub(super) fn documents(sketches: &[(usize, &Sketch)]) -> String {
    let mut targets: Vec<&str> = sketches.iter().map(|(_, sketch)| sketch.target).collect();
    let mut seen = Vec::new();
    targets.retain(|target| {
        !seen.contains(target) && {
            seen.push(target);
            true
        }
    });
    let document = |target: &str| {
        let own = sketches.iter().filter(|(_, sketch)| sketch.target == target);
        let rules: Vec<_> =
            own.map(|(at, sketch)| format!("    - {}\n", sketch.text(*at))).collect();
        let name = TARGETS.iter().position(|own| *own == target).unwrap();
        format!(
            "---\napiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: p{name:02} }}\nspec:\n  target: {{ {target} }}\n  rules:\n{}",
            rules.concat()
        )
    };
    targets.into_iter().map(document).chain([FRAGMENTS.to_owned()]).collect()
}

pub(super) fn numbered(sketches: &[Sketch]) -> Vec<(usize, &Sketch)> {
    sketches.iter().enumerate().collect()
}

pub(super) fn set(sketches: &[(usize, &Sketch)]) -> PolicySet {
    compile(&documents(sketches))
}
