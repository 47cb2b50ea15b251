//! `countersign replay` as an operator meets it: logs that a server wrote, put to its own documents and to others.

use std::sync::Arc;
use std::time::Duration;

use countersign::audit::{AuditSettings, Record};
use countersign::authn::{Binding, Credential, PeerFacts, PeerIdentity, Subject, TokenIdentity};
use countersign::clock::{FixedClock, UnixTime};
use countersign::evidence::PeerSources;
use countersign::evidence_level::EvidenceLevel;
use countersign::pdp::{
    HttpsFetcher, KeyCache, Load, NoRequestTrace, Pdp, PdpOptions, VerificationCacheOptions,
};
use countersign::reason::Reason;
use countersign::request::{RequestView, Target};
use serde_json::{Map, Value, json};

use crate::program::{NOW, Props, Run};

/// The trust domain `prod` and the issuer `corp`.
const TRUST: &str = include_str!("../explain/documents.yaml");

const HEAD: &str = "---
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: orders }
spec:
  target: { hosts: [orders.example.com] }
  rules:
";

fn props() -> Props {
    let props = Props::new();
    let issuer = crate::testbed::mint::Issuer::new(UnixTime::from_secs(NOW)).unwrap();
    props.write("keys/corp.jwks.json", issuer.key_set().unwrap());
    props.write("c.yaml", "documents: [old]\naudit: { file: audit.jsonl }\n");
    props
}

fn trust() -> &'static str {
    TRUST.split_once("---\napiVersion: countersign.dev/v1alpha1\nkind: Policy\n").unwrap().0
}

/// A rule of a language that a few lines evaluate.
#[derive(Clone, Debug, PartialEq)]
struct SimpleRule {
    allows: bool,
    methods: Vec<&'static str>,
    /// Each is a path, or with `*` at its end a beginning.
    path: &'static str,
    peers: Vec<&'static str>,
    /// The scopes that its token needs; none where it asks for no token.
    scopes: Option<Vec<&'static str>>,
    /// Needs the header `x-h`, which no record has.
    header: bool,
}

/// A request, with its caller.
#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    path: &'static str,
    peer: Option<&'static str>,
    scopes: Option<&'static str>,
    header: bool,
}

const METHODS: [&str; 2] = ["GET", "POST"];
const PATHS: [&str; 4] = ["/a", "/a/*", "/b", "/*"];
const TRIED: [&str; 4] = ["/a", "/a/1", "/b", "/c"];
const PEERS: [&str; 3] = ["front", "batch", "ops"];

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn some<T: Copy>(&mut self, of: &[T]) -> Vec<T> {
        let found: Vec<T> = of.iter().filter(|_| self.roll(2) == 0).copied().collect();
        if found.is_empty() { vec![of[0]] } else { found }
    }

    fn rule(&mut self) -> SimpleRule {
        SimpleRule {
            allows: self.roll(3) > 0,
            methods: self.some(&METHODS),
            path: PATHS[self.roll(4)],
            peers: if self.roll(3) == 0 { Vec::new() } else { self.some(&PEERS) },
            scopes: [None, None, Some(vec!["read"]), Some(vec!["read", "write"])][self.roll(4)]
                .clone(),
            header: self.roll(6) == 0,
        }
    }

    fn asked(&mut self) -> Asked {
        Asked {
            method: METHODS[self.roll(2)],
            path: TRIED[self.roll(4)],
            peer: [None, Some("front"), Some("batch"), Some("ops")][self.roll(4)],
            scopes: [None, Some(""), Some("read"), Some("read write")][self.roll(4)],
            header: self.roll(2) == 0,
        }
    }

    /// A rule that differs from `rule` in one thing.
    fn mutated(&mut self, rule: &SimpleRule) -> SimpleRule {
        let other = self.rule();
        let mut own = rule.clone();
        match self.roll(6) {
            0 => own.allows = !own.allows,
            1 => own.methods = other.methods,
            2 => own.path = other.path,
            3 => own.peers = other.peers,
            4 => own.scopes = other.scopes,
            _ => own.header = !own.header,
        }
        own
    }
}

impl SimpleRule {
    fn text(&self, at: usize) -> String {
        let Self { allows, methods, path, peers, scopes, header } = self;
        let path = path.replace('*', "**");
        let mut parts = vec![
            format!("name: r{at}, effect: {}", if *allows { "allow" } else { "deny" }),
            format!("on: {{ methods: {methods:?}, paths: [{path:?}] }}"),
        ];
        let ids = peers.iter().map(|own| format!("\"spiffe://prod.example/ns/web/sa/{own}\""));
        if !peers.is_empty() {
            parts.push(format!("peer: {{ spiffe: [{}] }}", ids.collect::<Vec<_>>().join(", ")));
        }
        parts
            .extend(scopes.iter().map(|own| format!("token: {{ issuer: corp, scopes: {own:?} }}")));
        if *header {
            parts.push("headers: [{ name: x-h, exists: true }]".into());
        }
        if *allows && peers.is_empty() && scopes.is_none() {
            parts.push("public: true".into());
        }
        format!("    - {{ {} }}\n", parts.join(", "))
    }

    fn holds(&self, asked: &Asked, header: bool) -> bool {
        let path = match self.path.strip_suffix('*') {
            Some(begin) => asked.path.starts_with(begin),
            None => asked.path == self.path,
        };
        let has = |scope: &&str| asked.scopes.unwrap().split(' ').any(|own| own == *scope);
        self.methods.contains(&asked.method)
            && path
            && (self.peers.is_empty() || asked.peer.is_some_and(|own| self.peers.contains(&own)))
            && self.scopes.as_ref().is_none_or(|own| asked.scopes.is_some() && own.iter().all(has))
            && (!self.header || header)
    }
}

/// Every request that the rules can tell apart.
fn everything() -> Vec<Asked> {
    let mut all = Vec::new();
    for (method, path) in METHODS.iter().flat_map(|method| TRIED.map(|path| (*method, path))) {
        for peer in [None, Some("front"), Some("batch"), Some("ops"), Some("other")] {
            for scopes in [None, Some(""), Some("read"), Some("read write")] {
                for header in [false, true] {
                    all.push(Asked { method, path, peer, scopes, header });
                }
            }
        }
    }
    all
}

/// Default deny, deny overrides.
fn allows(rules: &[SimpleRule], asked: &Asked, header: bool) -> bool {
    let holds =
        |allows: bool| rules.iter().any(|own| own.allows == allows && own.holds(asked, header));
    holds(true) && !holds(false)
}

fn documents(rules: &[SimpleRule]) -> String {
    let rules = rules.iter().enumerate().map(|(at, rule)| rule.text(at));
    format!("{}{HEAD}{}", trust(), rules.collect::<String>())
}

fn pdp(props: &Props, folder: &str) -> Pdp {
    let load = Load::from_paths(&[props.folder.join(folder)]);
    let problems: Vec<_> = load.problems.iter().map(|own| own.render(false)).collect();
    let snapshot = load.snapshot.unwrap_or_else(|| panic!("{}", problems.join("\n")));
    let clock = Arc::new(FixedClock::at(UnixTime::from_secs(NOW)));
    let keys = Arc::new(KeyCache::new(clock.clone(), Arc::new(HttpsFetcher::default())));
    let options = PdpOptions {
        peer_sources: PeerSources::default(),
        deadline: Duration::from_secs(1),
        memory: VerificationCacheOptions::default(),
    };
    Pdp::new(snapshot, keys, clock, options)
}

impl Asked {
    fn view(&self) -> RequestView {
        let nothing = RequestView::unreadable(Reason::HostInvalid.because("nothing is known"));
        let mut view = RequestView {
            method: self.method.into(),
            scheme: "https".into(),
            raw_host: "orders.example.com".into(),
            raw_path: self.path.into(),
            target: Target::parse("orders.example.com", self.path),
            ..nothing
        };
        if self.header {
            view.headers.push("x-h", countersign::request::HeaderValue::new("1"));
        }
        view
    }

    fn caller(&self) -> Subject {
        let peer = self.peer.map(|name| {
            let id = format!("spiffe://prod.example/ns/web/sa/{name}");
            let facts = PeerFacts { spiffe: Some(id.parse().unwrap()), ..PeerFacts::of("prod") };
            PeerIdentity::assertion(facts, EvidenceLevel::Full)
        });
        let token = self.scopes.map(|scopes| {
            let claims: Map<String, Value> = json!({
                "iss": "https://login.example.com", "sub": "alice", "aud": "orders", "scope": scopes, "exp": NOW + 60,
            }).as_object().unwrap().clone();
            TokenIdentity::assertion("corp", claims, Binding::None).unwrap()
        });
        Subject::assertion(
            peer.map_or(Credential::Absent, Credential::Verified),
            token.map_or(Credential::Absent, |own| Credential::Verified(vec![own])),
        )
    }
}

/// The lines that a server with the documents in `folder` writes.
fn audited(props: &Props, folder: &str, asked: &[Asked]) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let pdp = pdp(props, folder);
    let settings: AuditSettings = serde_json::from_value(json!({ "stdout": {} })).unwrap();
    let claims = settings.options(props.folder.path()).unwrap().claims;
    runtime.block_on(async {
        let mut lines = String::new();
        for own in asked {
            let view = own.view();
            let mut trace = NoRequestTrace::default();
            let outcome = pdp.pin().decide_for(&view, own.caller(), &mut trace).await;
            let record = Record::of(&view, &outcome, &claims, 1.0);
            lines.push_str(str::from_utf8(record.line()).unwrap());
        }
        lines
    })
}

fn records(run: &Run, name: &str) -> u64 {
    run.json()["changed"][name]["records"].as_u64().unwrap_or_default()
}

fn lacking(run: &Run) -> u64 {
    let json = run.json();
    let groups = json["cannot_tell"].as_array().unwrap();
    groups.iter().map(|own| own["records"].as_u64().unwrap()).sum()
}

/// P562: what a server wrote gives no difference under its own documents, and under documents with one other rule exactly the
/// differences that a naive evaluator finds.
#[test]
fn a_run_is_replayed_against_its_own_documents_and_against_others() {
    let props = props();
    let (mut changes, mut open) = (0, 0);
    for seed in 0..24 {
        let mut dice = Dice(seed);
        let old: Vec<_> = (0..4).map(|_| dice.rule()).collect();
        let mut new = old.clone();
        let at = dice.roll(4);
        new[at] = dice.mutated(&old[at]);
        let asked: Vec<_> = (0..120).map(|_| dice.asked()).collect();
        props.write("old/all.yaml", documents(&old));
        // The same rules, and another revision.
        props.write("same/all.yaml", documents(&old) + "# the same\n");
        // A rule may have changed into itself: the same contents would be the same revision.
        props.write("new/all.yaml", documents(&new) + "# another\n");
        props.write("audit.jsonl", audited(&props, "old", &asked));
        let base = "replay --config c.yaml --audit audit.jsonl --output json --documents";
        let own = props.run(&format!("{base} old"), "");
        assert_eq!((own.code, lacking(&own)), (0, 0), "{}{}", own.stdout, own.stderr);
        assert_eq!(own.json()["unchanged"]["records"], 120);
        let same = props.run(&format!("{base} same"), "");
        assert_eq!(same.code, 0, "{}", same.stdout);
        let same = props.run(&format!("{base} same --baseline old"), "");
        assert_eq!((same.code, lacking(&same)), (0, 0), "{}", same.stdout);

        let other = props.run(&format!("{base} new"), "");
        let (mut allowed, mut denied, mut unknown) = (0, 0, 0);
        for own in &asked {
            let before = allows(&old, own, own.header);
            let [without, with] = [false, true].map(|header| allows(&new, own, header));
            match (before, without, with) {
                (_, one, other) if one != other => unknown += 1,
                (false, true, _) => allowed += 1,
                (true, false, _) => denied += 1,
                (_, _, _) => {}
            }
        }
        let found =
            (records(&other, "newly_allowed"), records(&other, "newly_denied"), lacking(&other));
        assert_eq!(found, (allowed, denied, unknown), "{seed}: {old:?} {new:?}\n{}", other.stdout);
        // With the baseline at hand, only decisions by rules that differ are open.
        let both = props.run(&format!("{base} new --baseline old"), "");
        let certain = |name| records(&both, name) >= records(&other, name);
        assert!(certain("newly_allowed") && certain("newly_denied"), "{}", both.stdout);
        assert!(lacking(&both) <= unknown, "{}", both.stdout);
        // The comparison of the texts says nothing that trying every request refutes.
        let diff = props.run("diff old new --output json", "");
        let access = diff.json()["entries"][0]["access"].as_str().unwrap_or("same").to_owned();
        let (more, fewer) = everything().iter().fold((false, false), |(more, fewer), own| {
            let [before, after] = [&old, &new].map(|rules| allows(rules, own, own.header));
            (more || (after && !before), fewer || (before && !after))
        });
        let is_refuted = match access.as_str() {
            "same" => more || fewer,
            "widened" => fewer,
            "narrowed" => more,
            _ => false,
        };
        assert!(!is_refuted, "{access}: {old:?} {new:?}");
        assert_eq!(diff.code == 0, access == "same");
        changes += allowed + denied;
        open += unknown;
    }
    assert!(changes > 100 && open > 50, "{changes} {open}");
}

/// A record of another revision with these members in place of its own.
fn record(id: u32, path: &str, more: &Value) -> Value {
    let mut record = json!({
        "decision_id": format!("{id:032x}"), "time": "2027-01-15T08:00:00.000Z", "decision": "deny",
        "revision": "0000000000000000", "mode": "enforce",
        "request": { "method": "GET", "host": "orders.example.com", "path": path, "scheme": "https" },
    });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

/// P560: each kind of change, and each datum that a record does not hold, by itself.
#[test]
fn changes_and_gaps_are_told_apart() {
    let props = props();
    let set = |team: &str, more: &str| {
        let rule = format!(
            "    - {{ name: a, effect: allow, public: true, on: {{ paths: [/a] }}, inject: {{ headers: {{ x-team: {team} }} }} }}\n"
        );
        format!("{}{HEAD}{rule}{more}", trust())
    };
    let more = "    - { name: b, effect: deny, on: { paths: [/b] } }\n    - { name: c, effect: allow, public: true, on: { paths: [/c, '/d/*'] } }\n";
    props.write("old/all.yaml", set("one", ""));
    props.write("new/all.yaml", set("two", more));
    let allow = json!({ "decision": "allow", "policy": "orders", "rule": "a" });
    let no_rule = json!({ "reason": "no_rule" });
    let with = |base: &Value, name: &str, value: Value| {
        let mut base = base.clone();
        base[name] = value;
        base
    };
    let query =
        json!({ "method": "GET", "host": "orders.example.com", "path": "/c", "query": "q=*" });
    let ignored =
        json!([{ "place": "cookie", "name": "session", "reason": "token_expired", "detail": "x" }]);
    let gone = json!({ "trust_domain": "gone", "evidence": "full" });
    let token = json!([{ "issuer_name": "corp", "issuer": "https://other.example", "binding": "none", "expires_at": "2027-01-15T09:00:00.000Z" }]);
    let records = [
        record(1, "/a", &allow),
        record(2, "/b", &no_rule),
        record(3, "/c", &no_rule),
        record(4, "/c", &with(&no_rule, "request", query)),
        record(5, "/d/x;v=*", &no_rule),
        record(6, "/c", &with(&no_rule, "ignored_tokens", ignored)),
        record(7, "/c", &with(&no_rule, "peer", gone)),
        record(8, "/c", &with(&no_rule, "tokens", token)),
        record(9, "/c", &json!({ "reason": "token_expired" })),
        record(10, "/c", &json!({ "reason": "throttled" })),
        record(11, "/c", &json!({ "reason": "header_duplicate" })),
        record(12, "/c//d", &json!({ "reason": "path_not_canonical" })),
    ];
    props.write("audit.jsonl", records.map(|own| format!("{own}\n")).concat());
    let base = "replay --audit audit.jsonl --documents new --output json";
    let json = props.run(&format!("{base} --baseline old"), "").json();
    let one = json!({ "records": 1, "requests": 1 });
    assert_eq!(
        json["changed"],
        json!({ "newly_allowed": one, "other_headers": one, "other_reason": one }),
        "{json}"
    );
    let missing = json["cannot_tell"].as_array().unwrap().iter();
    let mut missing: Vec<_> = missing.map(|own| own["missing"].as_str().unwrap()).collect();
    missing.sort_unstable();
    assert_eq!(
        missing,
        [
            "query",
            "the certificate: no `TrustDomain` document has the recorded name",
            "the credentials that were ignored",
            "the path's parameters",
            "the token: no `TokenIssuer` document has the recorded name and `iss`",
        ]
    );
    assert_eq!(json["outside"], json!({ "header_duplicate": one, "throttled": one }), "{json}");
    assert_eq!(json["unchanged"]["records"], 2);
    let recorded = props.run(base, "").json();
    assert_eq!(recorded["changed"], json!({ "newly_allowed": one, "other_reason": one }));
    let markdown = props.run("replay --audit audit.jsonl --documents new --output markdown", "");
    markdown.shows(
        1,
        &[
            "### Decisions change",
            "#### newly allowed",
            "| 1 | `GET orders.example.com/c` | - | `allowed by orders/c` | `denied: no_rule` | `00000000000000000000000000000003` |",
        ],
    );
}

/// P772: a replay that compares nothing does not end as one that finds no change.
#[test]
fn a_log_that_determines_nothing_is_no_success() {
    let props = props();
    let rule = "    - { name: a, effect: allow, public: true, headers: [{ name: x-h, exists: true }], on: { paths: [/a] } }\n";
    props.write("old/all.yaml", format!("{}{HEAD}{rule}", trust()));
    let allow = json!({ "decision": "allow", "policy": "orders", "rule": "a" });
    props.write("audit.jsonl", format!("{}\n", record(1, "/a", &allow)));
    let run = props.run("replay --config c.yaml", "");
    assert_eq!(run.code, 1, "{} {}", run.stdout, run.stderr);
    assert!(run.stderr.contains("no decision can be determined"), "{}", run.stderr);
    let outside = json!({ "reason": "cert_expired" });
    props.write("audit.jsonl", format!("{}\n", record(2, "/a", &outside)));
    let run = props.run("replay --config c.yaml", "");
    assert_eq!(run.code, 0, "{} {}", run.stdout, run.stderr);
}
