//! Conditions: what they may say, what they mean, and what no text can make them do.

mod never;
mod null;
mod steps;

use serde_json::{Value, json};

use super::fault::Fault;
use super::*;
use crate::authn::{Binding, Credential, PeerFacts, PeerIdentity, Subject, TokenIdentity};
use crate::clock::UnixTime;
use crate::evidence_level::EvidenceLevel;
use crate::policy::model::{PathTemplate, RuleName, Truth};
use crate::policy::requirement::context::CheckContext;
use crate::request::{
    Client, Endpoint, HeaderValue, Headers, RequestView, SealedNames, ServerName, Target,
};

fn scope<'a>(
    token: bool,
    peer: bool,
    captures: &'a [&'a str],
    sealed: &'a SealedNames,
) -> ConditionScope<'a> {
    let issuers = &["https://login.example.com"];
    ConditionScope {
        token,
        peer,
        captures,
        has_paths: true,
        sealed,
        domains: &["prod"],
        issuers,
        claims: None,
    }
}

fn compile(text: &str) -> Result<Condition, Vec<Fault>> {
    Condition::compile(text, scope(true, true, &["id"], &SealedNames::with(["X-Partner-Token"])))
}

fn request() -> RequestView {
    let mut headers = Headers::default();
    for (name, value) in [
        ("x-tenant", b"acme".as_slice()),
        ("x-twice", b"a"),
        ("x-twice", b"b"),
        ("x-bytes", b"\xff"),
    ] {
        headers.push(name, HeaderValue::new(value.to_vec()));
    }
    RequestView {
        id: "".into(),
        method: "GET".into(),
        scheme: "https".into(),
        raw_host: "a.example.com:8443".into(),
        raw_path: "/v1/17".into(),
        target: Target::parse("a.example.com:8443", "/v1/17"),
        headers,
        source: Endpoint {
            address: Some("[::ffff:10.0.0.1]:4711".parse().unwrap()),
            principal: None,
        },
        destination: Endpoint { address: Some("10.0.0.7:443".parse().unwrap()), principal: None },
        client: Client::Connection,
        sni: ServerName::Unknown,
        sent_at: None,
        context_extensions: [("tier".to_owned(), "gold".to_owned())].into(),
    }
}

fn holds_with(text: &str, claims: Value) -> Truth {
    let condition = compile(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    let token = TokenIdentity::assertion("corp", claims, Binding::None).unwrap();
    let spiffe = "spiffe://prod.example/ns/web/sa/front".parse().unwrap();
    let facts = PeerFacts { spiffe: Some(spiffe), dns: vec!["a".into()], ..PeerFacts::of("prod") };
    let peer = PeerIdentity::assertion(facts, EvidenceLevel::Hash);
    let template = PathTemplate::parse("/v1/{id}").unwrap();
    let rule = RuleName { policy: "p".into(), rule: "r".into() };
    condition.holds(&CheckContext {
        subject: &Subject::assertion(Credential::Absent, Credential::Absent),
        peer: Some(&peer),
        trust_domain: None,
        issuers: &[],
        token: Some(&token),
        request: &request(),
        template: Some(&template),
        rule: &rule,
        id: crate::policy::DecisionId::default(),
        now: UnixTime::from_secs(1_000),
        missing: crate::policy::MissingData::NONE,
    })
}

fn holds(text: &str) -> Truth {
    holds_with(
        text,
        json!({
            "exp": 2000, "sub": "alice", "scope": "read write", "tenant": "acme", "level": 3, "big": u64::MAX, "ratio": 0.5,
            "roles": ["admin", "user"], "mixed": ["a", 1], "realm": {"name": "r", "roles": ["x"]}, "nothing": null, "yes": true
        }),
    )
}

fn faults(text: &str) -> Vec<Fault> {
    compile(text).err().unwrap_or_default()
}

#[test]
fn conditions_read_what_is_documented() {
    for text in [
        r#"request.path.id != "0" && token.claims.tenant == request.headers["x-tenant"]"#,
        r#"request.method == "GET" && request.scheme == "https" && request.host == "a.example.com""#,
        r#"request.authorityPort == 8443 && connection.port == 443 && connection.destination == "10.0.0.7" && request.fullPath == "/v1/17" && request.fullPath.startsWith("/v1/")"#,
        r#"connection.source == "10.0.0.1" && has(connection.source)"#,
        r#"token.sub == "alice" && "read" in token.scopes && size(token.scopes) == 2"#,
        r#"token.claims["tenant"] == "acme" && token.claims.realm.name == "r" && "x" in token.claims.realm.roles"#,
        r#"token.claims.level >= 3 && token.claims.level + 1 == 4 && token.claims.ratio < 1.0"#,
        r#"token.claims.roles.exists(r, r == "admin") && token.claims.roles.all(r, r.size() > 3)"#,
        r#"token.claims.roles[0] == "admin" && token.claims.roles.filter(r, r != "user") == ["admin"]"#,
        r#"has(token.claims.tenant) && !has(token.claims.other) && !has(token.client)"#,
        r#""tenant" in token.claims && !("other" in token.claims) && "x-twice" in request.headers"#,
        r#"peer.spiffe.endsWith("/front") && peer.trustDomain == "prod" && peer.evidence == "hash" && "a" in peer.dns"#,
        r#"context.tier == "gold" && context["tier"] in ["gold", "silver"]"#,
        r#"now == 1000 && now - 300 < token.exp"#,
        r#"token.claims.tenant.matches("^ac[a-z]+$") && !token.sub.matches("^bob$")"#,
        r#"token.claims.yes ? token.claims.yes : false"#,
        r#"token.claims.realm == {"name": "r", "roles": ["x"]}"#,
        "// a comment\n  request.method == 'GET'",
    ] {
        assert_eq!(holds(text), Truth::Holds, "{text}");
    }
}

/// P4, P7, P74, P76: what is missing, repeated, unreadable or of another kind is unknown, not false.
#[test]
fn what_cannot_be_evaluated_is_unknown() {
    for text in [
        r#"token.claims.other == "x""#,
        r#"token.claims.other != "x""#,
        r#"request.headers["x-absent"] == "a""#,
        r#"request.headers["x-twice"] == "a""#,
        r#"request.headers["x-bytes"] != "a""#,
        r#"token.claims.level == "3""#,
        r#"token.claims.level != "3""#,
        r#"token.claims.roles == "admin""#,
        r#""x" in token.claims.mixed"#,
        r#"token.claims.tenant in [1, 2]"#,
        r#"token.claims.tenant > 3"#,
        r#"token.claims.tenant + 1 == 2"#,
        r#"token.claims.big > 1"#,
        r#"token.claims.level / 0 == 1"#,
        r#"token.claims.tenant"#,
        r#"token.claims.roles[7] == "x""#,
        r#"has(token.claims.nothing)"#,
        r#"token.claims.level.startsWith("3")"#,
        r#"token.claims.level * 9223372036854775807 > 0"#,
        r#"connection.tls"#,
        r#"!connection.tls"#,
        r#"connection.sni == "a.example.com""#,
        r#"has(connection.sni)"#,
    ] {
        assert_eq!(holds(text), Truth::Unknown, "{text}");
    }
    assert_eq!(holds(r#"token.claims.other == "x" || request.method == "GET""#), Truth::Holds);
    assert_eq!(holds(r#"token.claims.other == "x" && request.method == "PUT""#), Truth::Fails);
    assert_eq!(holds(r#""a" in token.claims.mixed"#), Truth::Holds);
}

/// P507: one fault, with the operator that is meant.
#[test]
fn operators_of_other_languages_are_recognised() {
    for (text, help) in [
        ("token.sub = \"a\"", "compare with `==`"),
        ("token.sub == \"a\" and true", "write `&&` for \"and\""),
        ("true OR false", "write `||` for \"or\""),
        ("not true", "write `!` for \"not\", as in `!(a == b)`"),
        ("true & false", "write `&&` for \"and\""),
        ("token.sub <> \"a\"", "write `!=` for \"is not\""),
        ("$token.sub == \"a\"", "name a variable without `$`, as in `token.sub`"),
    ] {
        let faults = faults(text);
        assert_eq!(faults.len(), 1, "{text}: {faults:?}");
        assert_eq!(faults[0].help.as_deref(), Some(help), "{text}");
    }
}

/// P76: what is not known is an error when documents are loaded.
#[test]
fn unknown_names_kinds_and_functions_are_refused_at_their_place() {
    for (text, message, place, help) in [
        (
            "request.metod == \"GET\"",
            "unknown name `request.metod`",
            "request.metod",
            "did you mean `request.method`?",
        ),
        (
            "usr == 1",
            "unknown name `usr`",
            "usr",
            "known are: request, connection, client, token, peer, context, now",
        ),
        ("tokn.sub == \"a\"", "unknown name `tokn.sub`", "tokn.sub", "did you mean `token.sub`?"),
        (
            "request.path.ID == \"1\"",
            "not every path of the rule captures `{ID}`",
            "request.path.ID",
            "did you mean `id`?",
        ),
        (
            "token.claims == 1",
            "`token.claims` cannot be used as a whole",
            "token.claims",
            "name a field, as in `token.claims.name` or `token.claims[\"name\"]`",
        ),
        ("token.sub.name == \"a\"", "`token.sub` has no fields", "token.sub.name", ""),
        (
            "request.headers.authorization == \"a\"",
            "rules cannot read header `authorization`",
            "request.headers.authorization",
            "ask for what the token says with `token`",
        ),
        (
            "request.headers[\"x-partner-token\"] == \"\"",
            "rules cannot read header `x-partner-token`",
            "",
            "it carries credentials",
        ),
        (
            "\"cookie\" in request.headers",
            "rules cannot read header `cookie`",
            "request.headers.cookie",
            "it carries credentials",
        ),
    ] {
        let faults = faults(text);
        assert_eq!(faults.len(), 1, "{text}: {faults:?}");
        assert_eq!(faults[0].message, message, "{text}");
        assert_eq!(faults[0].help.as_deref().unwrap_or_default(), help, "{text}");
        if !place.is_empty() && text.starts_with(place) {
            assert_eq!(text.get(faults[0].at.clone()), Some(place), "{text}");
        }
    }
    for (text, message) in [
        ("request.method", "a condition is true or false, and this is text"),
        ("1 + 2", "a condition is true or false, and this is a whole number"),
        ("request.method && true", "`&&` needs true or false, and this is text"),
        ("!request.method", "`!` needs true or false, and this is text"),
        ("request.method == 1", "text is never equal to a whole number"),
        ("request.method < 1", "text and a whole number have no order"),
        ("request.method - request.host == \"a\"", "`-` does not go with text and text"),
        (
            "connection.port.startsWith(\"8\")",
            "`startsWith` needs text, and this is a whole number",
        ),
        ("request.port == 443", "`request.port` could be taken for the port of the connection"),
        ("request.method in \"GET POST\"", "`in` needs a list on its right, and this is text"),
        ("request.method.lower() == \"get\"", "unknown function `lower`"),
        ("foo(1) == 1", "unknown function `foo`"),
        ("request.method.matches(\"(\")", "not a regular expression: unclosed group"),
        ("request.method.matches(request.host)", "the pattern of `matches` must be written out"),
        ("matches(request.method, \"a\")", "`matches` is called on a text"),
        ("[1].exists(token, token == 1)", "`token` is a variable already"),
        ("request.method == \"GET\" &", ""),
        ("", "the condition is empty"),
        ("token.?sub == \"a\"", ""),
        ("Foo{a: 1} == 1", "conditions cannot make structures"),
    ] {
        let faults = faults(text);
        assert!(!faults.is_empty(), "{text}");
        assert!(faults[0].message.contains(message), "{text}: {faults:?}");
    }
}

#[test]
fn a_condition_speaks_only_of_what_its_rule_asks_for() {
    let sealed = SealedNames::default();
    let bare = scope(false, false, &[], &sealed);
    for text in [
        "token.sub == \"a\"",
        "peer.spiffe == \"a\"",
        "has(token.claims.x)",
        "request.path.id == \"1\"",
    ] {
        assert_eq!(Condition::compile(text, bare).unwrap_err().len(), 1, "{text}");
    }
    assert!(Condition::compile("now > 0 && request.method == \"GET\"", bare).is_ok());
}

/// P78: no text can exhaust the stack, the memory or the time of the process.
#[test]
fn no_text_is_too_much() {
    let deep =
        |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    for text in [
        deep("(", ")", 1000),
        deep("[", "]", 1000),
        deep("{1:", "}", 500),
        "(".repeat(2000),
        "-".repeat(2000) + "1",
        "true ? ".repeat(250) + "true" + &" : true".repeat(250).replacen(" : true", "", 0),
        "1+".repeat(1000) + "1 == 1",
        "a.".repeat(1000) + "b",
        "[1].all(a, [1].all(b, [1].all(c, true)))".to_owned(),
        format!("[{}1].all(a, true)", "1,".repeat(900)),
        "'a'.matches('(((a{100}){100}){100})')".to_owned(),
        "x".repeat(3000),
        "\u{0}\u{1}\u{2}".to_owned(),
        "\"".to_owned(),
        "é == \"é\"".to_owned(),
    ] {
        let outcome = compile(&text);
        assert!(outcome.is_err(), "{}", text.chars().take(60).collect::<String>());
    }
    // These are small once they are read: pairs of `!` and `-` cancel out, and chains of `&&` are balanced.
    for text in ["!".repeat(2000) + "true", "true && ".repeat(200) + "true"] {
        assert_eq!(holds(&text), Truth::Holds, "{}", text.chars().take(60).collect::<String>());
    }
}

/// P78: a long list from a token is not worked through.
#[test]
fn lists_of_any_length_take_bounded_work() {
    let claims = |n: usize| json!({"roles": vec!["a"; n]});
    let text = "token.claims.roles.all(x, token.claims.roles.exists(y, y == x))";
    assert_eq!(holds_with(text, claims(20)), Truth::Holds);
    assert_eq!(holds_with(text, claims(100_000)), Truth::Unknown);
    assert_eq!(holds_with("'b' in token.claims.roles", claims(100_000)), Truth::Unknown);
}

/// P150: numbers compare as the numbers that they are, whole or with a fraction, and what a float may have been rounded from
/// is compared with nothing.
#[test]
fn numbers_of_different_sorts_compare_exactly() {
    let claims = crate::json::parse(
        br#"{"half": 0.5, "one": 1.0, "hundred": 1e2, "zero": -0.0, "last": 9007199254740991.0, "shared": 9007199254740992.0,
            "beyond": 100000000000000000000, "less": -9007199254740993.0, "huge": 1e300, "ids": [1, 9007199254740993],
            "floats": [1.0, 9007199254740992.0], "map": {"n": 9007199254740992.0}, "exact": 9007199254740993,
            "max": 9223372036854775807, "unsigned": 18446744073709551615}"#,
        16,
    )
    .unwrap();
    for (text, expected) in [
        (
            "token.claims.one == 1 && 1 == token.claims.one && token.claims.one in [3, 1]",
            Truth::Holds,
        ),
        (
            "token.claims.hundred == 100 && token.claims.zero == 0 && token.claims.half < 1",
            Truth::Holds,
        ),
        ("token.claims.one == 1u && token.claims.ids[0] == 1u", Truth::Holds),
        ("token.claims.half == 0 || token.claims.half >= 1", Truth::Fails),
        ("token.claims.last == 9007199254740991", Truth::Holds),
        (
            "token.claims.last < 9007199254740992 && token.claims.last < 9223372036854775807",
            Truth::Holds,
        ),
        ("token.claims.exact == 9007199254740993", Truth::Holds),
        ("token.claims.exact == 9007199254740992", Truth::Fails),
        ("token.claims.exact > token.claims.last", Truth::Holds),
        (
            "token.claims.max > token.claims.half && token.claims.half < 9223372036854775807",
            Truth::Holds,
        ),
        ("9007199254740993 in token.claims.ids", Truth::Holds),
        ("9007199254740992 in token.claims.ids", Truth::Fails),
        ("token.claims.ids == [1, 9007199254740993]", Truth::Holds),
        ("token.claims.ids == [1, 9007199254740992]", Truth::Fails),
        ("token.claims.ids == [1.0, 2.0]", Truth::Fails),
        ("[1, 2] == [1.0, 2.0] && {'a': 1} == {'a': 1.0} && [1] != [2.5]", Truth::Holds),
        // Numbers that may have been rounded.
        ("token.claims.shared == 9007199254740993", Truth::Unknown),
        ("token.claims.shared == 9007199254740992", Truth::Unknown),
        ("token.claims.shared != 9007199254740993", Truth::Unknown),
        ("9007199254740993 == token.claims.shared", Truth::Unknown),
        ("token.claims.shared < 9007199254740993", Truth::Unknown),
        ("9007199254740993 >= token.claims.shared", Truth::Unknown),
        ("9007199254740993 in [token.claims.shared]", Truth::Unknown),
        ("token.claims.shared in [1, 2]", Truth::Unknown),
        ("9007199254740993 in token.claims.floats", Truth::Unknown),
        ("token.claims.floats == [1, 9007199254740993]", Truth::Unknown),
        ("token.claims.floats.exists(f, f == 1)", Truth::Unknown),
        ("token.claims.map == {'n': 9007199254740993}", Truth::Unknown),
        ("token.claims.map.n == 9007199254740993", Truth::Unknown),
        ("token.claims.less == -9007199254740993", Truth::Unknown),
        ("token.claims.beyond > 1", Truth::Unknown),
        ("token.claims.beyond == 100000000000000000", Truth::Unknown),
        ("token.claims.huge > 1.0", Truth::Unknown),
        ("token.claims.unsigned == 18446744073709551615u", Truth::Unknown),
        ("{'n': token.claims.shared} == {'n': 9007199254740993}", Truth::Unknown),
        ("int(token.claims.shared) == 9007199254740992", Truth::Unknown),
        ("string(token.claims.beyond) == '100000000000000000000'", Truth::Unknown),
        // Computed values.
        ("token.claims.last + 1.0 == 9007199254740992", Truth::Unknown),
        ("token.claims.last * token.claims.last > 1", Truth::Unknown),
        ("token.claims.half / 0.0 > 1", Truth::Unknown),
        ("(token.claims.half - 0.5) / 0.0 == 1", Truth::Unknown),
        ("token.claims.max + 1 > 0 || token.claims.max * 2 > 0", Truth::Unknown),
        ("-(0 - token.claims.max - 1) > 0 || (0 - token.claims.max - 1) / -1 > 0", Truth::Unknown),
        // Elements of different kinds.
        ("[1] == ['1'] || ['1'] != [1]", Truth::Unknown),
        ("[1, 'a'] == [2, 3]", Truth::Fails),
        ("{'a': [1]} != {'a': [true]}", Truth::Unknown),
    ] {
        assert_eq!(holds_with(text, claims.clone()), expected, "{text}");
    }
    for text in ["token.claims.one == 9007199254740992.0", "[1e300] == [1]", "-1e16 < 1"] {
        assert!(faults(text)[0].message.contains("2^53"), "{text}");
    }
}

/// P185: texts have the order of their characters, in which `hash` is after `full` and `9` after `10`.
#[test]
fn texts_that_stand_for_something_with_another_order_have_none() {
    for text in [
        r#"peer.evidence >= "leaf""#,
        r#""hash" < peer.evidence"#,
        r#"peer.evidence > token.claims.least"#,
        r#"client.address >= "10.0.0.1" && client.address <= "10.0.0.20""#,
        r#"connection.source < connection.destination"#,
        r#"request.headers["x-level"] >= "10""#,
        r#"token.claims.level > "9""#,
        r#"request.path.id <= "-1.5""#,
    ] {
        let faults = faults(text);
        assert!(!faults.is_empty(), "{text}");
        assert!(faults.iter().all(|own| own.message.contains("another order")), "{faults:?}");
    }
    for text in [
        r#"int(request.headers["x-level"]) >= 10 && token.claims.level > 9"#,
        r#"token.claims.since < "2026-01-01" && request.path.id > "m""#,
        r#"peer.evidence in ["leaf", "full"]"#,
    ] {
        assert_eq!(faults(text), [], "{text}");
    }
}

/// P156: a pattern is about the whole text only where each of its choices is.
#[test]
fn choices_of_a_pattern_are_anchored_each() {
    let is_open = |pattern: &str| {
        compile(&format!("token.sub.matches(r'{pattern}')")).unwrap().has_open_pattern()
    };
    for pattern in ["a", "^a", "a$", "^a|b$", "^a$|b", r"^a\$", "(?m)^a$", "^a$|^b", "^(a|b)"] {
        assert!(is_open(pattern), "{pattern}");
    }
    for pattern in
        ["^a$", "^(a|b)$", "^a$|^b$", "(?i)^a$", r"\Aa\z", r"^a\\\\$", "^[|]$", r"^a\|b$"]
    {
        assert!(!is_open(pattern), "{pattern}");
    }
}
