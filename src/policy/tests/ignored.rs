//! Credentials that are ignored: cookies that were refused, and tokens of issuers that do not count.

use serde_json::json;

use super::fixtures::*;
use crate::authn::{Binding, Credential, RejectedCookie, Subject};
use crate::document::{self, SourceFile};
use crate::evidence_level::EvidenceLevel;
use crate::policy::{Decision, PolicySet, Suite};
use crate::reason::Reason;

const POLICY: &str = "target: { hosts: [orders.example.com] }
deny: { redirect: { to: /login, status: 303 }, clearCookie: { name: session } }
rules:
  - { name: login, effect: allow, public: true, on: { paths: [/login] }, rejectedCookies: ignored }
  - { name: mixed, effect: allow, public: true, on: { paths: [/watched] }, rejectedCookies: ignored }
  - { name: peers, effect: allow, peer: { any: true }, on: { paths: [/peers] }, rejectedCookies: ignored }
  - { name: own, effect: allow, token: { issuer: corp }, on: { paths: [/own] }, rejectedCookies: ignored }
  - { name: partner, effect: allow, token: { issuer: partner }, on: { paths: [/partner] }, rejectedCookies: ignored, inject: { headers: { x-subject: '{token.sub}' } } }
  - { name: strict, effect: allow, public: true, on: { paths: [/strict] } }
  - { name: mallory, effect: deny, token: { issuer: corp, subjects: [mallory] }, on: { paths: [/watched] } }
  - { name: closed, effect: deny, on: { methods: [POST], paths: [/login] } }
  - { name: banned, effect: deny, peer: { spiffe: ['spiffe://prod.example/ns/banned'] }, on: { paths: [/peers] } }
  - { name: careful, effect: allow, public: true, on: { paths: [/both] } }
  - { name: careless, effect: allow, peer: { any: true }, on: { paths: [/both] }, rejectedCookies: ignored }";

const ISSUERS: &str = "---\napiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: { name: corp }\nspec: { issuer: 'https://a.example', tokens: [{ cookie: session }] }\n";

fn set() -> PolicySet {
    compile(&format!("{}{ISSUERS}", policy("orders", POLICY)))
}

/// A caller whose cookie was refused, with a token and a peer beside it where wanted.
fn with_cookie(partner: bool, peer: bool, reason: Reason) -> Subject {
    let cookie = RejectedCookie {
        name: "session".into(),
        issuers: vec!["corp".into()],
        rejection: reason.because("the test says so"),
    };
    let peer =
        peer.then(|| super::fixtures::peer("spiffe://prod.example/ns/web", EvidenceLevel::Full));
    let peer = peer.map_or(Credential::Absent, Credential::Verified);
    let tokens = partner.then(|| token("partner", json!({ "sub": "bob" }), Binding::None));
    Subject::assertion_beside(peer, tokens.into_iter().collect(), vec![cookie], None)
}

/// P141: only a rule that says so, and that does without the issuer's token, takes a caller whose cookie was refused.
#[test]
fn a_refused_cookie_is_ignored_by_an_explicit_word_alone() {
    let set = set();
    for (path, partner, peer, expected) in [
        ("/login", false, false, "allow login"),
        ("/strict", false, false, "deny token_expired"),
        ("/nowhere", false, false, "deny token_expired"),
        ("/own", false, false, "deny token_expired"),
        ("/own", true, true, "deny token_expired"),
        // A rule that looks at the token is unknown, and stays as strict as before.
        ("/watched", false, false, "deny token_expired"),
        ("/peers", false, true, "allow peers"),
        ("/peers", false, false, "deny token_expired"),
        // An allow rule without the word counts for no such caller.
        ("/both", false, false, "deny token_expired"),
        ("/both", false, true, "allow careless"),
        ("/partner", true, false, "allow partner"),
        ("/partner", false, true, "deny token_expired"),
    ] {
        let caller = with_cookie(partner, peer, Reason::TokenExpired);
        assert_eq!(outcome(&set, &caller, &get(path)), expected, "{path} {partner} {peer}");
    }
    let caller = with_cookie(false, false, Reason::TokenExpired);
    let post = request("POST", "orders.example.com", "/login");
    assert_eq!(outcome(&set, &caller, &post), "deny token_expired", "a deny rule stays one");
    let trouble = with_cookie(false, false, Reason::KeysStale);
    assert_eq!(outcome(&set, &trouble, &get("/login")), "allow login");
    assert_eq!(outcome(&set, &trouble, &get("/strict")), "deny keys_stale");
}

/// P141: a token that was refused anywhere else denies there, too; and so does a certificate.
#[test]
fn nothing_but_a_cookie_is_ignored() {
    let set = set();
    let refused = || Reason::TokenExpired.because("the test says so");
    let header = Subject::assertion(Credential::Absent, Credential::Rejected(refused()));
    assert_eq!(outcome(&set, &header, &get("/login")), "deny token_expired");
    let cookie = with_cookie(false, false, Reason::TokenExpired).rejected_cookies().to_vec();
    let peer = Credential::Rejected(Reason::CertExpired.because("the test says so"));
    let bad_peer = Subject::assertion_beside(peer, Vec::new(), cookie.clone(), None);
    assert_eq!(outcome(&set, &bad_peer, &get("/login")), "deny cert_expired");
    let foreign = Some(Reason::IssuerUnknown.because("the test says so"));
    let both = Subject::assertion_beside(Credential::Absent, Vec::new(), cookie, foreign);
    assert_eq!(outcome(&set, &both, &get("/login")), "deny issuer_unknown");
    assert!(both.rejected_cookies().is_empty());
}

/// P141: the rest of the caller decides, and tells which cookie was ignored.
#[test]
fn the_caller_is_one_without_the_cookie() {
    let caller = with_cookie(true, false, Reason::TokenExpired);
    let Decision::Allow(permit) = decide(&set(), &caller, &get("/partner")) else { panic!() };
    assert!(permit.ignores_rejected_cookies());
    assert_eq!(permit.headers()[0].value, "bob");
    let seen = caller.without_rejected_cookies().unwrap();
    assert!(seen.token("corp").is_none() && seen.token("partner").is_some());
    assert_eq!(seen.ignored()[0].rejection.reason(), Reason::TokenExpired);
}

/// P145: a browser is sent to log in, its cookie is taken away, and it is never sent to where it is.
#[test]
fn a_redirect_ends() {
    let page = |path: &str| with_header(get(path), "accept", b"text/html");
    let answer_to = |caller: &Subject, path: &str| {
        let Decision::Deny(denial) = decide(&set(), caller, &page(path)) else { panic!("{path}") };
        denial.answer(&page(path), "id")
    };
    let expired = with_cookie(false, false, Reason::TokenExpired);
    let answer = answer_to(&expired, "/own");
    assert_eq!((answer.status, answer.header("location")), (303, Some("/login")));
    assert_eq!(
        answer.header("set-cookie"),
        Some("session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax")
    );
    let denied = answer_to(&anonymous(), "/own");
    assert_eq!((denied.status, denied.header("set-cookie")), (303, None));
    let trouble = answer_to(&with_cookie(false, false, Reason::KeysStale), "/own");
    assert_eq!((trouble.status, trouble.header("set-cookie")), (503, None));
    // Without the word, the page to log in is refused, and no browser is sent to it from itself.
    let strict = POLICY.replace(", rejectedCookies: ignored", "");
    let strict = compile(&format!("{}{ISSUERS}", policy("orders", &strict)));
    let Decision::Deny(denial) = decide(&strict, &expired, &page("/login")) else { panic!() };
    assert_eq!(denial.answer(&page("/login"), "id").status, 401);
}

/// P145, P191: the page that a browser is on is the same page under another port of the host, or with a dot behind it.
#[test]
fn a_redirect_ends_however_its_host_is_written() {
    let page = |path: &str| with_header(get(path), "accept", b"text/html");
    let expired = with_cookie(false, false, Reason::TokenExpired);
    let strict = POLICY.replace(", rejectedCookies: ignored", "");
    for host in [
        "",
        "https://orders.example.com",
        "https://Orders.example.com:8443",
        "https://orders.example.com.:443",
    ] {
        let text = strict.replace("to: /login", &format!("to: '{host}/login'"));
        assert!(host.is_empty() || text.contains(host), "{text}");
        let set = compile(&format!("{}{ISSUERS}", policy("orders", &text)));
        for (path, status) in [("/own", 303), ("/login", 401)] {
            let Decision::Deny(denial) = decide(&set, &expired, &page(path)) else { panic!() };
            assert_eq!(denial.answer(&page(path), "id").status, status, "{host} {path}");
        }
    }
}

fn counted(set: &PolicySet, subject: &Subject, host: &str) -> String {
    let request = request("GET", host, "/");
    let subject = subject.copy_of_assertion();
    let seen = match set.scope().of(&request) {
        Some(counting) => subject.where_count(|issuer| counting.has(issuer)),
        None => subject,
    };
    outcome(set, &seen, &request)
}

/// P142: where a target says whose tokens count, a token of another issuer does not; of several policies over a host the strictest wins.
#[test]
fn tokens_of_issuers_that_do_not_count_are_ignored_where_a_target_says_so() {
    let rules = "rules: [{ name: r, effect: allow, public: true, on: { paths: [/] } }]";
    let one = |name: &str, target: &str| policy(name, &format!("target: {target}\n{rules}"));
    let set = compile(
        &[
            one("none", "{ hosts: [none.example.com], tokens: { others: ignored } }"),
            one(
                "corp",
                "{ hosts: [corp.example.com], tokens: { issuers: [corp], others: ignored } }",
            ),
            one("silent", "{ hosts: [silent.example.com] }"),
            one("half", "{ hosts: [half.example.com], tokens: { others: ignored } }"),
            one("other-half", "{ hosts: [half.example.com], ports: [8443] }"),
            one(
                "two-a",
                "{ hosts: [two.example.com], tokens: { issuers: [corp], others: ignored } }",
            ),
            one(
                "two-b",
                "{ hosts: ['two.example.com'], tokens: { issuers: [partner], others: ignored } }",
            ),
        ]
        .concat(),
    );
    let foreign = Some(Reason::IssuerUnknown.because("the test says so"));
    let stranger = Subject::assertion_beside(Credential::Absent, Vec::new(), Vec::new(), foreign);
    let refused = Credential::Rejected(Reason::TokenExpired.because("the test says so"));
    let expired = Subject::assertion(Credential::Absent, refused);
    for (host, expected) in [
        ("none.example.com", "allow r"),
        ("corp.example.com", "allow r"),
        ("silent.example.com", "deny issuer_unknown"),
        ("half.example.com", "deny issuer_unknown"),
        ("two.example.com", "allow r"),
        ("nowhere.example.com", "deny issuer_unknown"),
    ] {
        assert_eq!(counted(&set, &stranger, host), expected, "{host}");
        assert_eq!(counted(&set, &expired, host), "deny token_expired", "{host}");
    }
    let seen = |host: &str| {
        set.scope()
            .of(&request("GET", host, "/"))
            .map(|own| ["corp", "partner"].map(|issuer| own.has(issuer)))
    };
    assert_eq!(seen("two.example.com"), Some([true, true]));
    assert_eq!(seen("corp.example.com"), Some([true, false]));
    assert_eq!(seen("none.example.com"), Some([false, false]));
    assert_eq!((seen("half.example.com"), seen("silent.example.com")), (None, None));
}

/// P142: a rule that looks at tokens names an issuer that counts at its target, so that none is ignored that it would see.
#[test]
fn a_rule_asks_for_tokens_that_count() {
    let codes = |target: &str, rule: &str| {
        let text = policy("p", &format!("target: {target}\nrules:\n  - {rule}"));
        try_compile(&text).1.iter().map(|problem| problem.code).collect::<Vec<_>>()
    };
    let corp = "{ hosts: [a.example.com], tokens: { issuers: [corp], others: ignored } }";
    let deny = "{ name: r, effect: deny, token: { issuer: partner, subjects: [x] } }";
    assert_eq!(codes(corp, deny), ["issuer-does-not-count"]);
    assert_eq!(codes(corp, "{ name: r, effect: deny, token: { issuer: corp } }"), [""; 0]);
    for slip in [
        "{ hosts: [a.example.com], tokens: { issuers: [corp] } }",
        "{ hosts: [a.example.com], tokens: { issuers: [crop], others: ignored } }",
        "{ hosts: [a.example.com], tokens: { issuers: [], others: ignored } }",
    ] {
        assert!(
            !codes(slip, "{ name: r, effect: allow, peer: { any: true } }").is_empty(),
            "{slip}"
        );
    }
    let in_deny = "{ name: r, effect: deny, rejectedCookies: ignored }";
    assert_eq!(codes("{ hosts: [a.example.com] }", in_deny), ["not-in-deny"]);
}

/// P145: `check` finds where browsers go round in redirect_circles.
#[test]
fn circles_are_found_when_documents_are_checked() {
    let codes = |login: &str, to: &str, more: &str| {
        let text = format!(
            "target: {{ hosts: [orders.example.com] }}\ndeny: {{ redirect: {{ to: '{to}' }} }}\nrules:\n  - {{ name: own, effect: allow, token: {{ issuer: corp }} }}\n{login}"
        );
        let problems = try_compile(&format!("{}{more}", policy("orders", &text))).1;
        problems.iter().map(|problem| problem.code).collect::<Vec<_>>()
    };
    let public = "  - { name: login, effect: allow, public: true, on: { paths: [/login] } }\n";
    let word = "  - { name: login, effect: allow, public: true, on: { paths: [/login] }, rejectedCookies: ignored }\n";
    let circle = vec!["redirect-circle"];
    assert_eq!(codes("", "/login", ""), circle);
    assert_eq!(codes("", "https://orders.example.com/login?a=b", ""), circle);
    assert_eq!(codes("", "https://login.example.com/login", ""), [""; 0]);
    assert_eq!(codes(public, "/login", ""), [""; 0], "no token is in a cookie");
    assert_eq!(codes(public, "/login", ISSUERS), circle);
    assert_eq!(codes(word, "/login", ISSUERS), [""; 0]);
    assert_eq!(codes(word, "/sign-in", ISSUERS), circle);
}

/// P141, P142: suites can say both, and what is expected.
#[test]
fn suites_know_what_is_ignored() {
    let suite = "---\napiVersion: countersign.dev/v1alpha1\nkind: PolicySuite\nmetadata: { name: s }\nspec:\n  tokens:\n    expired: { rejected: token_expired, cookie: session, issuer: corp }\n    stranger: { foreign: true }\n    bob: { issuer: partner, claims: { sub: bob } }\n  cases:\n    - { name: logs in, request: { host: orders.example.com, path: /login }, token: expired, expect: { decision: allow, rule: login } }\n    - { name: no further, request: { host: orders.example.com, path: /own, headers: { accept: text/html } }, token: expired, expect: { decision: deny, reason: token_expired, status: 303, responseHeaders: { set-cookie: 'session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax' } } }\n    - { name: strict, request: { host: orders.example.com, path: /login }, token: stranger, expect: { decision: deny, reason: issuer_unknown } }\n    - { name: ignored, request: { host: open.example.com, path: / }, tokens: [stranger, bob, none], expect: { decision: allow, rule: r } }\n";
    let open = policy(
        "open",
        "target: { hosts: [open.example.com], tokens: { issuers: [corp], others: ignored } }\nrules: [{ name: r, effect: allow, public: true, on: { paths: [/] } }]",
    );
    let partner = ISSUERS.replace("corp", "partner").replace("session", "other");
    let text = format!("{}{open}{ISSUERS}{partner}{suite}", policy("orders", POLICY));
    let set = compile(&text);
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("test.yaml", text), &mut problems);
    let suites = Suite::compile(&documents, &mut problems);
    assert_eq!(problems, []);
    let report = suites[0].run(&set);
    assert_eq!(report.cases.len(), 6);
    for case in report.cases {
        assert_eq!(case.differences, [], "{} {}", case.name, case.variant);
    }
}
