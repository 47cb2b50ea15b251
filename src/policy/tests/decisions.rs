//! Default deny, deny overrides, three values, and the most specific cause.

use serde_json::json;

use super::fixtures::*;
use crate::authn::{Binding, Credential, PeerFacts, PeerIdentity, Subject};
use crate::evidence_level::EvidenceLevel;
use crate::policy::{Decision, DecisionId, PolicySet};
use crate::reason::{ClientAnswer, Reason};

const WEB: &str =
    "{ name: web, effect: allow, peer: { spiffe: ['spiffe://prod.example/ns/web/sa/*'] } }";

/// Invariant 2: nothing is allowed by having nothing to say.
#[test]
fn no_policy_denies_everything() {
    assert_eq!(outcome(&PolicySet::default(), &web(), &get("/")), "deny policy_unavailable");
}

/// P75: an unknown host, path or method is answered like any other request that no rule covers.
#[test]
fn what_no_rule_covers_is_denied_alike() {
    let set = rules(&[
        "{ name: r, effect: allow, on: { methods: [GET], paths: [/a] }, peer: { any: true } }",
    ]);
    for request in [
        request("GET", "other.example.com", "/a"),
        request("GET", "orders.example.com", "/b"),
        request("POST", "orders.example.com", "/a"),
        request("GET", "x.orders.example.com", "/a"),
    ] {
        let decision = decide(&set, &web(), &request);
        let Decision::Deny(denial) = decision else { panic!("{request:?}") };
        assert_eq!(denial.rejection.reason(), Reason::NoRule);
        assert_eq!(denial.rejection.reason().client_answer(), ClientAnswer::Forbidden);
        assert_eq!(denial.rule.as_ref(), None);
    }
}

#[test]
fn deny_overrides_allow_whatever_the_order() {
    let deny = "{ name: freeze, effect: deny, on: { paths: ['/v1/**'] } }";
    for set in [rules(&[WEB, deny]), rules(&[deny, WEB])] {
        assert_eq!(outcome(&set, &web(), &get("/v1/a")), "deny rule_denied freeze");
        assert_eq!(outcome(&set, &web(), &get("/v2")), "allow web");
    }
}

/// P29: methods are compared as sent, and headers that pretend to be methods are not looked at.
#[test]
fn methods_are_case_sensitive_and_cannot_be_overridden() {
    let set = rules(&["{ name: r, effect: allow, on: { methods: [POST] }, peer: { any: true } }"]);
    assert_eq!(outcome(&set, &web(), &request("POST", "orders.example.com", "/")), "allow r");
    assert_eq!(outcome(&set, &web(), &request("post", "orders.example.com", "/")), "deny no_rule");
    let overridden = with_header(get("/"), "x-http-method-override", b"POST");
    assert_eq!(outcome(&set, &web(), &overridden), "deny no_rule");
}

/// P8, P19: what has no canonical form is denied with that reason, whatever the rules say.
#[test]
fn a_request_without_a_canonical_target_is_denied() {
    let set = rules(&["{ name: r, effect: allow, public: true }"]);
    assert_eq!(outcome(&set, &anonymous(), &get("/a/../b")), "deny path_not_canonical");
    assert_eq!(outcome(&set, &anonymous(), &request("GET", "a@b", "/")), "deny host_invalid");
    assert_eq!(
        outcome(&set, &anonymous(), &request("CONNECT", "orders.example.com", "")),
        "deny path_not_canonical"
    );
}

/// P69: a refused credential denies even where the rule asks for none.
#[test]
fn a_rejected_credential_denies_even_on_a_public_route() {
    let set = rules(&["{ name: r, effect: allow, public: true }"]);
    let expired = || Credential::Rejected(Reason::TokenExpired.because("expired"));
    let revoked = || Credential::Rejected(Reason::CertRevoked.because("revoked"));
    let with = |peer, tokens| outcome(&set, &Subject::assertion(peer, tokens), &get("/"));
    assert_eq!(with(Credential::Absent, Credential::Absent), "allow r");
    assert_eq!(with(Credential::Absent, expired()), "deny token_expired");
    let absent = Credential::Absent;
    assert_eq!(
        outcome(&set, &Subject::assertion(revoked(), absent), &get("/")),
        "deny cert_revoked"
    );
}

#[test]
fn the_peer_is_compared_whole() {
    let set = rules(&[
        "{ name: sa, effect: allow, on: { paths: [/sa] }, peer: { spiffe: ['spiffe://prod.example/ns/web/sa/*'] } }",
        "{ name: dns, effect: allow, on: { paths: [/dns] }, peer: { dns: ['*.web.svc'] } }",
        "{ name: domain, effect: allow, on: { paths: [/domain] }, peer: { trustDomain: edge } }",
        "{ name: leaf, effect: allow, on: { paths: [/leaf] }, peer: { any: true, evidence: leaf } }",
    ]);
    let web = web();
    let deep = caller(Some("spiffe://prod.example/ns/web/sa/front/x"), None);
    let hash = peer("spiffe://prod.example/ns/web/sa/front", EvidenceLevel::Hash);
    let hash = Subject::assertion(Credential::Verified(hash), Credential::Absent);
    for (subject, path, expected) in [
        (&web, "/sa", "allow sa"),
        (&deep, "/sa", "deny cert_san sa"),
        (&anonymous(), "/sa", "deny peer_missing sa"),
        (&web, "/dns", "allow dns"),
        (&web, "/domain", "deny cert_san domain"),
        (&web, "/leaf", "allow leaf"),
        (&hash, "/leaf", "deny evidence_insufficient leaf"),
        (&hash, "/sa", "allow sa"),
    ] {
        assert_eq!(outcome(&set, subject, &get(path)), expected, "{path}");
    }
}

/// P42, P46, P74: names are compared whole, and one that was not shown is unknown: a deny rule is not got around by showing
/// less.
#[test]
fn names_of_the_certificate_are_compared_whole_and_unknown_where_it_was_not_shown() {
    let set = rules(&[
        "{ name: mail, effect: allow, on: { paths: [/mail] }, peer: { emails: [ops@prod.example] } }",
        "{ name: subject, effect: allow, on: { paths: [/subject] }, peer: { subjects: ['CN=ops,O=prod'] } }",
        "{ name: uri, effect: allow, on: { paths: [/uri] }, peer: { uris: ['https://prod.example/ops'] } }",
        "{ name: open, effect: allow, public: true, on: { paths: [/denied] } }",
        "{ name: banned, effect: deny, on: { paths: [/denied] }, peer: { subjects: ['CN=banned'] } }",
    ]);
    let certificate = |email: &str, subject: &str, level| {
        let facts = PeerFacts {
            emails: vec![email.into()],
            subject: Some(subject.into()),
            uris: vec!["https://prod.example/ops".into()],
            ..PeerFacts::of("prod")
        };
        let peer = PeerIdentity::assertion(facts, level);
        Subject::assertion(Credential::Verified(peer), Credential::Absent)
    };
    let ops = certificate("ops@prod.example", "CN=ops,O=prod", EvidenceLevel::Leaf);
    let near = certificate("x-ops@prod.example", "CN=ops,O=prod,C=XX", EvidenceLevel::Leaf);
    let banned = certificate("a@b", "CN=banned", EvidenceLevel::Leaf);
    let hash = PeerIdentity::assertion(PeerFacts::of("prod"), EvidenceLevel::Hash);
    let hash = Subject::assertion(Credential::Verified(hash), Credential::Absent);
    for (subject, path, expected) in [
        (&ops, "/mail", "allow mail"),
        (&near, "/mail", "deny cert_san mail"),
        (&hash, "/mail", "deny eval_error mail"),
        (&ops, "/subject", "allow subject"),
        (&near, "/subject", "deny cert_san subject"),
        (&ops, "/uri", "allow uri"),
        (&ops, "/denied", "allow open"),
        (&banned, "/denied", "deny rule_denied banned"),
        (&hash, "/denied", "deny eval_error banned"),
    ] {
        assert_eq!(outcome(&set, subject, &get(path)), expected, "{path}");
    }
}

#[test]
fn the_token_must_be_what_the_rule_asks_for() {
    let set = rules(&[
        "{ name: r, effect: allow, token: { issuer: corp, audiences: [orders], subjects: [alice], clients: [cli], \
         claims: [{ pointer: /realm/roles, contains: admin }], anyScope: [a, b], scopes: [c] } }",
    ]);
    let good = json!({"aud": ["other", "orders"], "sub": "alice", "client_id": "cli", "realm": {"roles": ["admin"]}, "scope": "b c"});
    for (change, expected) in [
        (json!({}), "allow r"),
        (json!({"aud": "other"}), "deny audience r"),
        (json!({"sub": "Alice"}), "deny claim_mismatch r"),
        (json!({"client_id": "cli2"}), "deny claim_mismatch r"),
        (json!({"realm": {"roles": ["user"]}}), "deny claim_mismatch r"),
        (json!({"realm": {}}), "deny claim_mismatch r"),
        (json!({"realm": {"roles": "admin"}}), "allow r"),
        (json!({"realm": {"roles": "user"}}), "deny claim_mismatch r"),
        (json!({"realm": {"roles": "user,admin"}}), "deny eval_error r"),
        (json!({"scope": "c"}), "deny scope_missing r"),
        (json!({"scope": "a b"}), "deny scope_missing r"),
    ] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(outcome(&set, &caller(None, Some(claims)), &get("/")), expected, "{change}");
    }
    assert_eq!(outcome(&set, &anonymous(), &get("/")), "deny token_missing r");
}

/// P57: a scope is a whole word.
#[test]
fn scopes_are_never_matched_in_part() {
    let set = rules(&["{ name: r, effect: allow, token: { issuer: corp, scopes: [admin] } }"]);
    for (scope, expected) in [
        ("admin", "allow r"),
        ("x admin y", "allow r"),
        ("administrator", "deny scope_missing r"),
        ("admin:read", "deny scope_missing r"),
        ("Admin", "deny scope_missing r"),
        ("admin\t", "deny scope_missing r"),
        ("", "deny scope_missing r"),
    ] {
        let subject = caller(None, Some(json!({ "scope": scope })));
        assert_eq!(outcome(&set, &subject, &get("/")), expected, "{scope:?}");
    }
}

/// RFC 6750 section 3: the challenge names the scopes that are needed.
#[test]
fn a_missing_scope_is_named_in_the_denial() {
    let set = rules(&["{ name: r, effect: allow, token: { issuer: corp, scopes: [a, b] } }"]);
    let Decision::Deny(denial) = decide(&set, &alice(), &get("/")) else { panic!() };
    assert_eq!(denial.needs.scopes, ["a", "b"]);
}

/// P53: a token of one issuer does not meet a rule that names another.
#[test]
fn a_token_of_another_issuer_does_not_count() {
    let set = rules(&["{ name: r, effect: allow, token: { issuer: partner, subjects: [alice] } }"]);
    assert_eq!(outcome(&set, &alice(), &get("/")), "deny token_missing r");
}

/// P69: a rule that asks for a bound token is not met by any other.
#[test]
fn a_certificate_bound_token_is_bound_by_a_certificate() {
    let set = rules(&["{ name: r, effect: allow, token: { issuer: corp, binding: certificate } }"]);
    for (binding, expected) in [
        (Binding::Certificate, "allow r"),
        (Binding::None, "deny binding_unavailable r"),
        (Binding::Dpop, "deny binding_unavailable r"),
    ] {
        let tokens = Credential::Verified(vec![token("corp", json!({}), binding)]);
        let subject = Subject::assertion(Credential::Absent, tokens);
        assert_eq!(outcome(&set, &subject, &get("/")), expected);
    }
}

/// P4, P5, P7: a deny rule sees every value, and one that it cannot read denies.
#[test]
fn a_header_rule_sees_every_value() {
    let set = rules(&[
        WEB,
        "{ name: no-admin, effect: deny, headers: [{ name: X-Role, any: { in: [admin, root] } }] }",
    ]);
    for (lines, expected) in [
        (&[b"user".as_slice()][..], "allow web"),
        (&[b"user", b"admin"], "deny rule_denied no-admin"),
        (&[b"admin", b"user"], "deny rule_denied no-admin"),
        (&[b"user, root"], "deny rule_denied no-admin"),
        (&[b"user", b"ad\xffmin"], "deny eval_error no-admin"),
    ] {
        let request = lines.iter().fold(get("/"), |r, line| with_header(r, "x-role", line));
        assert_eq!(outcome(&set, &web(), &request), expected, "{lines:?}");
    }
}

/// P74: an unknown result denies in a deny rule, and never allows in an allow rule.
#[test]
fn indeterminate_never_allows() {
    let deny = rules(&[WEB, "{ name: net, effect: deny, source: [192.0.2.0/24] }"]);
    assert_eq!(outcome(&deny, &web(), &get("/")), "deny eval_error net");
    let allow =
        rules(&["{ name: net, effect: allow, source: [192.0.2.0/24], peer: { any: true } }"]);
    assert_eq!(outcome(&allow, &web(), &get("/")), "deny eval_error net");
    let other =
        rules(&[WEB, "{ name: net, effect: allow, source: [192.0.2.0/24], peer: { any: true } }"]);
    assert_eq!(outcome(&other, &web(), &get("/")), "allow web");
    let claim = rules(&[
        "{ name: any, effect: allow, token: { issuer: corp } }",
        "{ name: guests, effect: deny, token: { issuer: corp, claims: [{ pointer: /kind, equals: guest }] } }",
    ]);
    for (kind, expected) in [
        (json!("staff"), "allow any"),
        (json!("guest"), "deny rule_denied guests"),
        (json!(["guest"]), "deny eval_error guests"),
        (json!(null), "deny eval_error guests"),
    ] {
        let subject = caller(None, Some(json!({ "kind": kind })));
        assert_eq!(outcome(&claim, &subject, &get("/")), expected, "{kind}");
    }
}

/// P23: a gRPC call is matched exactly, case included.
#[test]
fn grpc_calls_are_matched_by_service_and_method() {
    let set = rules(&[
        "{ name: get, effect: allow, on: { grpc: [{ service: orders.v1.Orders, methods: [Get, List] }] }, peer: { any: true } }",
        "{ name: stock, effect: allow, on: { grpc: [{ service: stock.v1.Stock }] }, peer: { any: true } }",
    ]);
    for (method, path, expected) in [
        ("POST", "/orders.v1.Orders/Get", "allow get"),
        ("POST", "/orders.v1.Orders/List", "allow get"),
        ("POST", "/orders.v1.Orders/Delete", "deny no_rule"),
        ("POST", "/orders.v1.Orders/get", "deny no_rule"),
        ("POST", "/orders.v1.Orders/Get/", "deny no_rule"),
        ("POST", "/orders.v1.Orders//Get", "deny path_not_canonical"),
        ("POST", "orders.v1.Orders/Get", "deny path_not_canonical"),
        ("GET", "/orders.v1.Orders/Get", "deny no_rule"),
        ("POST", "/stock.v1.Stock/Anything", "allow stock"),
        ("POST", "/stock.v1.Stock/", "deny no_rule"),
    ] {
        let request = request(method, "orders.example.com", path);
        assert_eq!(outcome(&set, &web(), &request), expected, "{method} {path}");
    }
}

/// P28: a query rule sees every value, and an unknown result denies.
#[test]
fn a_query_rule_sees_every_value() {
    let set = rules(&[
        WEB,
        "{ name: no-debug, effect: deny, query: [{ name: debug, any: { in: ['1', 'true'] } }] }",
    ]);
    for (path, expected) in [
        ("/a", "allow web"),
        ("/a?debug=0", "allow web"),
        ("/a?debug=0&debug=1", "deny rule_denied no-debug"),
        ("/a?%64ebug=true", "deny rule_denied no-debug"),
        ("/a?x=1;debug=1", "deny eval_error no-debug"),
    ] {
        assert_eq!(outcome(&set, &web(), &get(path)), expected, "{path}");
    }
}

/// P74: a condition is one more thing that a rule asks for, in three values.
#[test]
fn a_condition_is_evaluated_in_three_values() {
    let set = rules(&[
        "{ name: own, effect: allow, on: { paths: ['/users/{id}'] }, token: { issuer: corp }, when: 'token.sub == request.path.id' }",
        "{ name: guests, effect: deny, token: { issuer: corp }, when: 'token.claims.kind == \"guest\"' }",
    ]);
    for (path, claims, expected) in [
        ("/users/alice", json!({"sub": "alice", "kind": "staff"}), "allow own"),
        ("/users/bob", json!({"sub": "alice", "kind": "staff"}), "deny no_rule own"),
        ("/users/alice", json!({"sub": "alice", "kind": "guest"}), "deny rule_denied guests"),
        ("/users/alice", json!({"sub": "alice"}), "deny eval_error guests"),
        ("/users/alice", json!({"kind": "staff"}), "deny eval_error own"),
    ] {
        assert_eq!(
            outcome(&set, &caller(None, Some(claims.clone())), &get(path)),
            expected,
            "{claims}"
        );
    }
}

#[test]
fn networks_and_route_parameters_are_compared() {
    let set = rules(&[
        "{ name: net, effect: allow, on: { paths: [/net] }, source: [10.0.0.0/8, '2001:db8::/32'], peer: { any: true } }",
        "{ name: gold, effect: allow, on: { paths: [/gold] }, contextExtensions: { tier: gold }, peer: { any: true } }",
    ]);
    for (address, expected) in [
        ("10.1.2.3:1", "allow net"),
        ("[::ffff:10.1.2.3]:1", "allow net"),
        ("[2001:db8::1]:1", "allow net"),
        ("11.1.2.3:1", "deny no_rule net"),
    ] {
        let mut request = get("/net");
        request.source.address = Some(address.parse().unwrap());
        assert_eq!(outcome(&set, &web(), &request), expected, "{address}");
    }
    let mut request = get("/gold");
    assert_eq!(outcome(&set, &web(), &request), "deny no_rule gold");
    request.context_extensions.insert("tier".into(), "gold".into());
    assert_eq!(outcome(&set, &web(), &request), "allow gold");
}

#[test]
fn the_closest_rule_names_the_cause() {
    let set = rules(&[
        "{ name: robots, effect: allow, peer: { spiffe: ['spiffe://prod.example/robots/*'] } }",
        "{ name: people, effect: allow, token: { issuer: corp, scopes: [orders:write] } }",
        "{ name: elsewhere, effect: allow, on: { paths: [/x] }, token: { issuer: corp, scopes: [y], subjects: [alice] } }",
    ]);
    assert_eq!(outcome(&set, &anonymous(), &get("/")), "deny token_missing people");
    assert_eq!(outcome(&set, &web(), &get("/")), "deny token_missing people");
    assert_eq!(outcome(&set, &alice(), &get("/")), "deny scope_missing people");
}

#[test]
fn the_narrowest_rule_speaks() {
    let set = compile(&[
        policy("wide", "target: { anyHost: true }\nrules: [{ name: all, effect: allow, peer: { any: true } }]"),
        policy("label", "target: { hosts: ['*.example.com'] }\nrules: [{ name: label, effect: allow, on: { paths: ['/a/**'] }, peer: { any: true } }]"),
        policy("exact", "target: { hosts: [orders.example.com] }\nrules:\n  - { name: tree, effect: allow, on: { paths: ['/a/b/**'] }, peer: { any: true } }\n  - { name: leaf, effect: allow, on: { paths: ['/a/b/{c}'] }, peer: { any: true } }"),
    ].concat());
    for (path, expected) in [
        ("/", "allow all"),
        ("/a/x", "allow label"),
        ("/a/b/c/d", "allow tree"),
        ("/a/b/c", "allow leaf"),
    ] {
        assert_eq!(outcome(&set, &web(), &get(path)), expected, "{path}");
    }
}

/// P77: one wrong document keeps the whole set from being used, and all that is wrong is said.
#[test]
fn compiling_reports_every_problem_of_every_document() {
    let text = [
        policy(
            "a",
            "target: { hosts: ['*'] }\nrules: [{ name: r, effect: deny, on: { methods: [get] } }]",
        ),
        policy(
            "b",
            "target: { anyHost: true }\nrules: [{ name: r, effect: allow, token: { issuer: crop } }]",
        ),
    ];
    let (_, problems) = try_compile(&text.concat());
    let codes: Vec<_> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["invalid-host", "invalid-method", "unknown-issuer"]);
    assert!(crate::document::any_error(&problems));
}

/// The rules of other hosts and other paths are not visited, however many there are.
#[test]
fn only_the_rules_of_the_host_and_the_first_segment_are_visited() {
    let document = |host: usize| {
        let rule = |at: usize| {
            format!(
                "\n  - {{ name: r{at}, effect: allow, on: {{ paths: ['/p{at}/{{id}}'] }}, peer: {{ any: true }} }}"
            )
        };
        let rules: String = (0..10).map(rule).collect();
        policy(
            &format!("p{host}"),
            &format!("target: {{ hosts: [h{host}.example.com] }}\nrules:{rules}"),
        )
    };
    let set = compile(&(0..100).map(document).collect::<String>());
    assert_eq!(set.rules().count(), 1000);
    let mut recorder = crate::policy::TraceRecorder::default();
    let (subject, request) = (web(), request("GET", "h42.example.com", "/p7/x"));
    let now = crate::clock::UnixTime::from_secs(0);
    let question = crate::policy::DecisionRequest {
        subject: &subject,
        request: &request,
        now,
        id: DecisionId::default(),
    };
    assert!(set.evaluate_traced(&question, &mut recorder).is_allow());
    assert_eq!(recorder.rules.len(), 1);
}

/// RFC 9470: a good token whose user has to authenticate again is challenged for all that the rule asks for.
#[test]
fn a_rule_can_ask_for_a_recent_or_a_stronger_authentication() {
    let set = rules(&[
        "{ name: admins, effect: allow, token: { issuer: corp, scopes: [a], acr: [phr, phrh], maxAge: 5m } }",
    ]);
    let now = 1_800_000_000;
    for (acr, auth_time, expected) in [
        (json!("phr"), json!(now - 10), "allow admins"),
        (json!("phrh"), json!(now - 300), "allow admins"),
        (json!("pwd"), json!(now - 10), "deny acr_insufficient admins"),
        (json!("pwd"), json!(now - 999), "deny acr_insufficient admins"),
        (json!("phr"), json!(now - 301), "deny auth_too_old admins"),
        (json!(["phr"]), json!(now - 10), "deny eval_error admins"),
        (json!("phr"), json!("today"), "deny eval_error admins"),
        (json!(["phr"]), json!(now - 301), "deny auth_too_old admins"),
    ] {
        let claims = json!({"scope": "a", "acr": acr, "auth_time": auth_time});
        let subject = caller(None, Some(claims.clone()));
        assert_eq!(outcome(&set, &subject, &get("/")), expected, "{claims}");
    }
    let plain = caller(None, Some(json!({"scope": "a"})));
    assert_eq!(outcome(&set, &plain, &get("/")), "deny acr_insufficient admins");
    let Decision::Deny(denial) = decide(&set, &plain, &get("/")) else { panic!() };
    let needs = &denial.needs;
    assert_eq!((needs.acr.len(), needs.max_age.map(|age| age.as_secs())), (2, Some(300)));
    let lacking = caller(None, Some(json!({"acr": "pwd"})));
    assert_eq!(outcome(&set, &lacking, &get("/")), "deny scope_missing admins");
}
