//! Faults that the comparison with `tests/oracle` found.

use serde_json::json;

use super::fixtures::*;
use crate::authn::{Binding, Credential, PeerFacts, PeerIdentity, RejectedCookie, Subject};
use crate::document::{self, SourceFile};
use crate::evidence_level::EvidenceLevel;
use crate::policy::{Decision, Suite, Truth};
use crate::reason::Reason;
use crate::request::{RequestView, ServerName};

const ID: &str = "00000000000000000000000000000000";

/// A peer of `prod` with this level and these URIs, and a token of `corp` whose `uri` is the first of them.
fn with_uri(level: EvidenceLevel, uris: &[&str]) -> Subject {
    let facts = PeerFacts {
        spiffe: Some("spiffe://prod.example/web".parse().unwrap()),
        uris: uris.iter().map(ToString::to_string).collect(),
        ..PeerFacts::of("prod")
    };
    let peer = Credential::Verified(PeerIdentity::assertion(facts, level));
    let token = token("corp", json!({ "uri": "https://p.example/w" }), Binding::None);
    Subject::assertion(peer, Credential::Verified(vec![token]))
}

/// P210: an unreported handshake is one for no name, whatever other checks would say.
#[test]
fn without_a_handshake_the_host_is_not_its_name() {
    let target = "target: { hosts: [orders.example.com], hostIsSni: true }\nrules:\n";
    let rule = "  - { name: r, effect: allow, token: { issuer: corp } }";
    let set = compile(&policy("orders", &format!("{target}{rule}")));
    let named = |sni| RequestView { sni, ..get("/") };
    for (sni, expected) in [
        (ServerName::Unknown, "deny host_invalid r"),
        (ServerName::Absent, "deny host_invalid r"),
        (ServerName::Name("other.example.com".into()), "deny host_invalid r"),
        (ServerName::Name("orders.example.com".into()), "deny token_missing r"),
    ] {
        assert_eq!(outcome(&set, &anonymous(), &named(sni)), expected);
    }
}

/// P211: what is kept is kept as it is spelled, and where a proxy sees it.
#[test]
fn a_kept_parameter_is_kept_in_its_spelling_alone() {
    let target = "target: { hosts: [orders.example.com], keep: { query: [_method] } }\nrules:\n";
    let rule = "  - { name: r, effect: allow, public: true }";
    let set = compile(&policy("orders", &format!("{target}{rule}")));
    for (path, removed) in [
        ("/?_method=PUT", &[][..]),
        ("/?_method=PUT&_Method=PUT&%5Fmethod=PUT", &["_Method", "%5Fmethod"]),
        ("/?_method;x=PUT", &["_method;x"]),
    ] {
        assert_eq!(allowed(&set, &anonymous(), &get(path)).strip_query(), removed, "{path}");
    }
    let hidden = outcome(&set, &anonymous(), &get("/?x=1;_method=PUT"));
    assert_eq!(hidden, "deny eval_error r");
}

/// P212: too little is known below `leaf`; with enough, a peer without such a name has another one.
#[test]
fn a_name_that_the_peer_lacks_is_another_name() {
    let set = rules(&[
        "{ name: r, effect: allow, peer: { any: true }, token: { issuer: corp, bind: { claim: uri, to: peer.uri } } }",
    ]);
    for (level, uris, expected) in [
        (EvidenceLevel::Hash, &["https://p.example/w"][..], "deny binding_unavailable r"),
        (EvidenceLevel::Leaf, &["https://p.example/w"], "allow r"),
        (EvidenceLevel::Full, &[], "deny identity_token_mismatch r"),
    ] {
        assert_eq!(outcome(&set, &with_uri(level, uris), &get("/")), expected, "{level}");
    }
    let Decision::Deny(denial) = decide(&set, &with_uri(EvidenceLevel::Hash, &[]), &get("/"))
    else {
        panic!("no URI is known");
    };
    assert!(denial.rejection.detail().contains("`leaf`"), "{}", denial.rejection);
}

/// P213: a challenge names algorithms, or does not speak of them.
#[test]
fn a_challenge_never_names_no_algorithms() {
    let set = rules(&["{ name: r, effect: allow, token: { issuer: corp, binding: dpop } }"]);
    let Decision::Deny(denial) = decide(&set, &alice(), &get("/")) else {
        panic!("the token is not bound");
    };
    let answer = denial.answer(&get("/"), ID);
    let challenge = answer.header("www-authenticate");
    assert_eq!(challenge, Some(r#"DPoP realm="countersign", error="invalid_token""#));
}

/// P214: a token of a suite has the issuer that verifying it would have found, and no time that its claims lack.
#[test]
fn tokens_of_suites_have_an_issuer_and_no_made_up_end() {
    let suite = "---\napiVersion: countersign.dev/v1alpha1\nkind: PolicySuite\nmetadata: { name: s }\nspec:\n  tokens:\n    plain: { issuer: corp, claims: { sub: bob } }\n    ends: { issuer: corp, claims: { sub: bob, exp: 1767225601 } }\n  cases:\n    - { name: issuer, request: { host: orders.example.com, path: /iss }, token: plain, expect: { decision: allow, headers: { x-iss: 'https://login.example.com' } } }\n    - { name: no end, request: { host: orders.example.com, path: /exp }, token: plain, expect: { decision: deny, reason: eval_error } }\n    - { name: end, request: { host: orders.example.com, path: /exp }, token: ends, expect: { decision: allow } }\n";
    let issuer = "---\napiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: { name: corp }\nspec: { issuer: 'https://login.example.com', audiences: [a], keys: { discovery: {} }, algorithms: [RS256] }\n";
    let orders = policy(
        "orders",
        "target: { hosts: [orders.example.com] }\nrules:\n  - { name: iss, effect: allow, token: { issuer: corp }, on: { paths: [/iss] }, when: 'token.iss == \"https://login.example.com\"', inject: { headers: { x-iss: '{token.iss}' } } }\n  - { name: exp, effect: allow, token: { issuer: corp }, on: { paths: [/exp] }, when: token.exp > now }",
    );
    let text = format!("{orders}{issuer}{suite}");
    let set = compile(&text);
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("test.yaml", text), &mut problems);
    let suites = Suite::compile(&documents, &mut problems);
    assert_eq!(problems, []);
    for case in suites[0].run(&set).cases {
        assert_eq!(case.differences, [], "{}", case.name);
    }
}

/// P215: neither the reason nor the answer depends on where the rules of other paths are.
#[test]
fn a_refused_path_is_refused_in_the_same_way_at_every_path() {
    let target = "target: { hosts: [orders.example.com], paths: { emptySegments: mergedByUpstream } }\ndeny: { status: 404 }\nrules:\n";
    let rule = "  - { name: r, effect: allow, public: true, on: { paths: [/a/b] } }";
    let set = compile(&policy("orders", &format!("{target}{rule}")));
    assert_eq!(outcome(&set, &anonymous(), &get("//a/b")), "allow r");
    assert_eq!(outcome(&set, &anonymous(), &get("//x")), "deny no_rule");
    for (host, path) in [("orders.example.com", "/a;v=1"), ("orders.example.com:8443", "/a/b")] {
        let request = request("GET", host, path);
        let Decision::Deny(denial) = decide(&set, &anonymous(), &request) else {
            panic!("{host}{path} is allowed");
        };
        assert_eq!(denial.answer(&request, ID).status, 403, "{host}{path}");
    }
}

/// P216: what an upstream would decode was not said by the token.
#[test]
fn an_escape_in_a_claim_is_not_sent_beside_one_of_ours() {
    let set = rules(&[
        "{ name: r, effect: allow, token: { issuer: corp }, inject: { query: { tenant: '{token.claims./realm|percent}.{token.sub}' } } }",
    ]);
    for (sub, expected) in
        [("a", "allow r"), ("%41", "deny eval_error r"), ("~", "deny eval_error r")]
    {
        let subject = caller(None, Some(json!({ "sub": sub, "realm": "a b" })));
        assert_eq!(outcome(&set, &subject, &get("/")), expected, "{sub}");
    }
}

/// P217: which of several trust domains vouches is not left away where it may not be made up.
#[test]
fn one_of_several_domains_is_sent_nowhere() {
    let facts = PeerFacts { other_trust_domains: vec!["edge".into()], ..PeerFacts::of("prod") };
    let peer = PeerIdentity::assertion(facts, EvidenceLevel::Full);
    let subject = Subject::assertion(Credential::Verified(peer), Credential::Absent);
    for place in ["headers", "metadata"] {
        let rule = format!(
            "{{ name: r, effect: allow, peer: {{ any: true }}, inject: {{ {place}: {{ x-domain: '{{peer.trustDomain}}' }} }} }}"
        );
        let expected = "deny eval_error r";
        assert_eq!(outcome(&rules(&[&rule]), &subject, &get("/")), expected, "{place}");
    }
}

/// P218: a suite cannot state what a server would not know.
#[test]
fn names_below_leaf_are_unknown_although_they_are_stated() {
    let set = rules(&["{ name: r, effect: allow, peer: { dns: ['*.web.svc'] } }"]);
    for (level, expected) in
        [(EvidenceLevel::Hash, "deny eval_error r"), (EvidenceLevel::Leaf, "allow r")]
    {
        let peer = Credential::Verified(peer("spiffe://prod.example/web", level));
        let subject = Subject::assertion(peer, Credential::Absent);
        assert_eq!(outcome(&set, &subject, &get("/")), expected, "{level}");
    }
}

/// P219: a rule on trial is judged with what it sends.
#[test]
fn a_shadow_rule_that_could_not_send_would_not_allow() {
    let set = rules(&[
        "{ name: r, effect: allow, mode: shadow, token: { issuer: corp }, inject: { headers: { x-sub: '{token.sub}' } } }",
    ]);
    for (sub, expected) in [("a", Truth::Holds), ("\u{e9}", Truth::Unknown)] {
        let subject = caller(None, Some(json!({ "sub": sub })));
        let decision = decide(&set, &subject, &get("/"));
        let [shadow] = decision.shadows() else { panic!("one rule is on trial") };
        assert_eq!((shadow.result, shadow.changes), (expected, expected == Truth::Holds));
    }
}

/// P221: a rule on trial changes nothing where what hides in the query denies all the same.
#[test]
fn a_shadow_rule_does_not_allow_what_cannot_be_removed() {
    for shadow in [
        "{ name: z, effect: allow, mode: shadow, public: true }",
        "{ name: a, effect: allow, mode: shadow, public: true }",
    ] {
        let set = rules(&["{ name: r, effect: allow, public: true }", shadow]);
        for (path, allowed) in [("/", true), ("/?x=1;_method=PUT", false)] {
            let decision = decide(&set, &caller(None, None), &get(path));
            assert_eq!(matches!(decision, Decision::Allow(_)), allowed, "{path}");
            let [shadow] = decision.shadows() else { panic!("one rule is on trial") };
            assert_eq!((shadow.result, shadow.changes), (Truth::Holds, false), "{path}");
        }
    }
}

/// P220: a status that hides what was at fault does not clear the cookie that was.
#[test]
fn a_hidden_denial_clears_no_cookie() {
    let issuer = "---\napiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: { name: corp }\nspec: { issuer: 'https://a.test', audiences: [a], keys: { discovery: {} }, algorithms: [RS256], tokens: [{ cookie: session }] }\n";
    for (deny, cleared) in [("", true), ("status: 404, ", false)] {
        let target = format!(
            "target: {{ hosts: [orders.example.com] }}\ndeny: {{ {deny}clearCookie: {{ name: session }} }}\nrules:\n"
        );
        let rule = "  - { name: r, effect: allow, token: { issuer: corp } }";
        let set = compile(&format!("{}{issuer}", policy("orders", &format!("{target}{rule}"))));
        let cookie = RejectedCookie {
            name: "session".into(),
            issuers: vec!["corp".into()],
            rejection: Reason::TokenExpired.because("a test says so"),
        };
        let subject = Subject::assertion_beside(Credential::Absent, Vec::new(), vec![cookie], None);
        let Decision::Deny(denial) = decide(&set, &subject, &get("/")) else { panic!("{deny}") };
        let answer = denial.answer(&get("/"), ID);
        assert_eq!(answer.header("set-cookie").is_some(), cleared, "{deny}");
    }
}

/// P710: a deny rule is about every form of the host that an allow rule of its target may be about, and about those that other
/// targets ask for.
#[test]
fn a_deny_rule_is_about_every_form_that_an_allow_rule_beside_it_is_about() {
    let rules = "rules:\n  - { name: r, effect: allow, public: true }\n  - { name: d, effect: deny, on: { paths: [/x] } }";
    for (target, host, allowed) in [
        ("hosts: [a.test.], anyAuthorityPort: true", "a.test.:8443", true),
        ("hosts: [a.test.], anyAuthorityPort: true", "a.test.", true),
        ("hosts: ['*.test.'], anyAuthorityPort: true", "a.test.:8443", true),
        ("hosts: ['a.test:8443'], anyAuthorityPort: true", "a.test:8443", true),
        ("hosts: ['a.test:8443'], anyAuthorityPort: true", "a.test:9", false),
        ("anyHost: true, anyAuthorityPort: true", "a.test:9", true),
    ] {
        let set = compile(&policy("orders", &format!("target: {{ {target} }}\n{rules}")));
        let decided = |path| outcome(&set, &anonymous(), &request("GET", host, path));
        assert_eq!(decided("/") == "allow r", allowed, "{target} {host}");
        assert_eq!(decided("/x") == "deny rule_denied d", allowed, "{target} {host}");
    }
    let denied = |own: &str, asked: &str| {
        let open = format!(
            "target: {{ hosts: ['{asked}'] }}\nrules:\n  - {{ name: r, effect: allow, public: true }}"
        );
        let closed =
            format!("target: {{ hosts: ['{own}'] }}\nrules:\n  - {{ name: d, effect: deny }}");
        let set = compile(&format!("{}{}", policy("open", &open), policy("closed", &closed)));
        outcome(&set, &anonymous(), &request("GET", asked, "/")) == "deny rule_denied d"
    };
    for (own, asked, expected) in [
        ("a.test", "a.test.:8443", true),
        ("a.test:8443", "a.test.:8443", true),
        ("a.test.", "a.test.:8443", true),
        ("a.test.:8443", "a.test.:8443", true),
        ("a.test:9", "a.test:8443", false),
        ("a.test.", "a.test:8443", false),
    ] {
        assert_eq!(denied(own, asked), expected, "{own} {asked}");
    }
}

/// P711: a claim that is null is neither there nor missing, by whatever spelling a condition asks.
#[test]
fn a_claim_that_is_null_is_neither_in_the_claims_nor_not() {
    let subject = caller(None, Some(json!({ "x": null, "y": 1, "o": { "p": null } })));
    for (condition, expected) in [
        ("'y' in token.claims", "allow r"),
        ("'z' in token.claims", "deny no_rule r"),
        ("'x' in token.claims", "deny eval_error r"),
        ("!('x' in token.claims)", "deny eval_error r"),
        ("has(token.claims.x)", "deny eval_error r"),
        ("'p' in token.claims.o", "allow r"),
    ] {
        let rule = format!(
            "{{ name: r, effect: allow, token: {{ issuer: corp }}, when: \"{condition}\" }}"
        );
        assert_eq!(outcome(&rules(&[&rule]), &subject, &get("/")), expected, "{condition}");
    }
}
