//! Requirements on callers: peers, tokens, bindings.

use super::*;

pub(crate) const WEB: &str = "{ trustDomain: prod, spiffe: 'spiffe://prod.example/ns/web/sa/front', evidence: hash }";

/// Cases of one demand on the peer.
#[track_caller]
pub(crate) fn peers(demand: &str, rows: &[(&str, &str)]) {
    let world = policy(HOST, &[&format!("{{ name: r, effect: allow, peer: {demand} }}")]);
    for (peer, wanted) in rows {
        check(&world, "{ path: / }", peer, "", wanted);
    }
}

#[test]
fn peers_by_name() {
    peers("{ any: true }", &[(WEB, "allow r"), ("", "deny peer_missing r"), ("{ rejected: cert_expired }", "deny cert_expired -")]);
    peers(
        "{ spiffe: ['spiffe://prod.example/ns/web/sa/*'] }",
        &[(WEB, "allow r"), ("{ spiffe: 'spiffe://prod.example/ns/web/sa/a/b' }", "deny cert_san r")],
    );
    peers(
        "{ spiffe: ['spiffe://prod.example/ns/web/**'] }",
        &[(WEB, "allow r"), ("{ spiffe: 'spiffe://prod.example/ns/web' }", "deny cert_san r")],
    );
    peers(
        "{ spiffe: ['spiffe://prod.example/**'] }",
        &[(WEB, "allow r"), ("{ spiffe: 'spiffe://dev.example/ns/web' }", "deny cert_san r")],
    );
    peers(
        "{ trustDomain: prod }",
        &[(WEB, "allow r"), ("{ trustDomain: dev }", "deny cert_san r"), ("{ trustDomain: dev, otherTrustDomains: [prod] }", "allow r")],
    );
    peers(
        "{ dns: ['*.p.example'] }",
        &[
            ("{ dns: [a.p.example] }", "allow r"),
            ("{ dns: [a.b.p.example] }", "deny cert_san r"),
            ("{ dns: [a.p.example], evidence: hash }", "deny eval_error r"),
        ],
    );
    peers(
        "{ uris: ['https://p.example/w'] }",
        &[("{ uris: ['https://p.example/w'] }", "allow r"), ("{ uris: ['https://p.example/w/'] }", "deny cert_san r")],
    );
    // 5.1 The SPIFFE ID is one of the URIs.
    let own = "{ uris: ['spiffe://prod.example/ns/web/sa/front'] }";
    peers(
        own,
        &[(&WEB.replace("hash", "leaf"), "allow r"), (WEB, "deny eval_error r"), ("{ uris: ['https://p.example/w'] }", "deny cert_san r")],
    );
    peers(
        "{ emails: [a@p.example] }",
        &[("{ emails: [a@p.example] }", "allow r"), ("{ emails: [b@p.example], evidence: hash }", "deny eval_error r")],
    );
    peers("{ ips: [10.0.0.0/8] }", &[("{ ips: [10.0.0.7] }", "allow r"), ("{ ips: [11.0.0.7] }", "deny cert_san r")]);
    peers("{ subjects: ['CN=g,O=P'] }", &[("{ subject: 'CN=g,O=P' }", "allow r"), ("{ subject: 'CN=g' }", "deny cert_san r")]);
}

#[test]
fn peers_by_evidence() {
    peers(
        "{ any: true, evidence: leaf }",
        &[(WEB, "deny evidence_insufficient r"), ("{ evidence: leaf }", "allow r"), ("{ evidence: full }", "allow r")],
    );
    peers("{ any: true, evidence: asserted }", &[("{ evidence: asserted }", "allow r")]);
}

/// Cases of one demand on the token.
#[track_caller]
pub(crate) fn tokens(demand: &str, rows: &[(&str, &str)]) {
    let world = policy(HOST, &[&format!("{{ name: r, effect: allow, token: {{ issuer: corp{demand} }} }}")]);
    for (token, wanted) in rows {
        let given = if token.starts_with('{') && !token.contains("issuer") && !token.contains("rejected") && !token.contains("foreign") {
            format!("{{ issuer: corp, claims: {token} }}")
        } else {
            (*token).to_owned()
        };
        check(&world, "{ path: / }", WEB, &given, wanted);
    }
}

#[test]
fn tokens_by_issuer_and_scope() {
    tokens(
        "",
        &[
            ("{ sub: a }", "allow r"),
            ("", "deny token_missing r"),
            ("{ issuer: sessions }", "deny token_missing r"),
            ("{ foreign: true }", "deny issuer_unknown -"),
        ],
    );
    tokens(
        ", scopes: [a, b]",
        &[
            ("{ scope: 'a b c' }", "allow r"),
            ("{ scope: 'a bc' }", "deny scope_missing r"),
            ("{ scp: [a, b] }", "allow r"),
            ("{ scope: 'a', scp: [a, b] }", "deny scope_missing r"),
        ],
    );
    tokens(", anyScope: [a, b]", &[("{ scope: b }", "allow r"), ("{ scope: c }", "deny scope_missing r")]);
    tokens(", audiences: [x]", &[("{ aud: [orders, x] }", "allow r"), ("{ aud: orders }", "deny audience r")]);
    tokens(", subjects: [x]", &[("{ sub: x }", "allow r"), ("{ sub: y }", "deny claim_mismatch r"), ("{ }", "deny claim_mismatch r")]);
    tokens(", clients: [x]", &[("{ client_id: x }", "allow r"), ("{ azp: x }", "allow r"), ("{ azp: y }", "deny claim_mismatch r")]);
}

#[test]
fn claims() {
    tokens(
        ", claims: [{ pointer: /p, equals: gold }]",
        &[
            ("{ p: gold }", "allow r"),
            ("{ p: tin }", "deny claim_mismatch r"),
            ("{ p: 3 }", "deny eval_error r"),
            ("{ p: null }", "deny eval_error r"),
            ("{ p: [gold] }", "deny eval_error r"),
            ("{ }", "deny claim_mismatch r"),
        ],
    );
    tokens(
        ", claims: [{ pointer: /p, in: [1, 2] }]",
        &[("{ p: 2 }", "allow r"), ("{ p: 3 }", "deny claim_mismatch r"), ("{ p: '2' }", "deny eval_error r")],
    );
    tokens(
        ", claims: [{ pointer: /p, contains: x }]",
        &[
            ("{ p: [y, x] }", "allow r"),
            ("{ p: [y] }", "deny claim_mismatch r"),
            ("{ p: x }", "allow r"),
            ("{ p: y }", "deny claim_mismatch r"),
            ("{ p: 'x y' }", "deny eval_error r"),
        ],
    );
    tokens(", claims: [{ pointer: /p, exists: true }]", &[("{ p: x }", "allow r"), ("{ }", "deny claim_mismatch r")]);
    tokens(", claims: [{ pointer: /p, exists: false }]", &[("{ }", "allow r"), ("{ p: x }", "deny claim_mismatch r")]);
    tokens(
        ", claims: [{ pointer: '/a~1b/c', equals: true }]",
        &[("{ 'a/b': { c: true } }", "allow r"), ("{ a: { b: true } }", "deny claim_mismatch r")],
    );
}

#[test]
fn bindings() {
    let bound = |kind: &str| format!("{{ issuer: corp, claims: {{ }}, binding: {kind} }}");
    for (wanted, none, certificate, dpop) in
        [("certificate", false, true, false), ("dpop", false, false, true), ("any", false, true, true), ("none", true, true, true)]
    {
        let answer = |good: bool| if good { "allow r" } else { "deny binding_unavailable r" };
        tokens(
            &format!(", binding: {wanted}"),
            &[(&bound("none"), answer(none)), (&bound("certificate"), answer(certificate)), (&bound("dpop"), answer(dpop))],
        );
    }
}

#[test]
fn bind_names_the_peer() {
    let demand = ", bind: { claim: client_id, to: peer.spiffe, map: 'spiffe://prod.example/ns/web/sa/{client}' }";
    tokens(
        demand,
        &[
            ("{ client_id: front }", "allow r"),
            ("{ client_id: back }", "deny identity_token_mismatch r"),
            ("{ client_id: 'x/front' }", "deny identity_token_mismatch r"),
            ("{ }", "deny identity_token_mismatch r"),
        ],
    );
    tokens(&demand.replace("to:", "evidence: leaf, to:"), &[("{ client_id: front }", "deny binding_unavailable r")]);
    let form =
        ", bind: { claim: sub, form: 'system:serviceaccount:{ns}:{a}', to: peer.spiffe, map: 'spiffe://prod.example/ns/{ns}/sa/{a}' }";
    tokens(
        form,
        &[
            ("{ sub: 'system:serviceaccount:web:front' }", "allow r"),
            ("{ sub: 'system:serviceaccount:web:front:x' }", "deny identity_token_mismatch r"),
        ],
    );
}

#[test]
fn signals() {
    let rules = [
        "{ name: r, effect: allow, token: { issuer: corp } }",
        "{ name: d, effect: deny, token: { issuer: corp, signals: [token_peers, token_addresses] } }",
    ];
    let world = policy(HOST, &rules);
    for (signals, wanted) in [
        ("", "allow r"),
        (", signals: [token_addresses]", "deny rule_denied d"),
        (", unknownSignals: [token_peers]", "deny eval_error d"),
        (", signals: [token_addresses], unknownSignals: [token_peers]", "deny rule_denied d"),
    ] {
        check(&world, "{ path: / }", "", &format!("{{ issuer: corp{signals} }}"), wanted);
    }
}

#[test]
fn step_up() {
    tokens(
        ", acr: [phr]",
        &[
            ("{ acr: phr }", "allow r"),
            ("{ acr: pwd }", "deny acr_insufficient r"),
            ("{ }", "deny acr_insufficient r"),
            ("{ acr: 1 }", "deny eval_error r"),
        ],
    );
    tokens(
        ", maxAge: 5m",
        &[
            ("{ auth_time: 1767225400 }", "allow r"),
            ("{ auth_time: 1767225000 }", "deny auth_too_old r"),
            ("{ }", "deny auth_too_old r"),
            ("{ auth_time: 1767225700 }", "deny eval_error r"),
            ("{ auth_time: '1767225400' }", "deny eval_error r"),
        ],
    );
}
