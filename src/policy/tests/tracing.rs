//! A watched evaluation shows every check with the values that it wants and that are there, and nothing that was not recorded.

use super::fixtures::*;
use crate::clock::UnixTime;
use crate::policy::{
    CheckTrace, DecisionId, DecisionRequest, Mismatch, MissingData, ObservedValue, PolicySet,
    RecordField, RuleOutcome, TraceRecorder, Truth,
};

fn watch(set: &PolicySet, path: &str, missing: MissingData) -> Vec<CheckTrace> {
    let (subject, now) = (alice(), UnixTime::from_secs(1_800_000_000));
    let request = with_header(get(path), "x-h", b"secret");
    let mut recorder = TraceRecorder::with_missing(missing);
    let question =
        DecisionRequest { subject: &subject, request: &request, now, id: DecisionId::default() };
    let _ = set.evaluate_traced(&question, &mut recorder);
    let outcome = recorder.rules.first().map(|rule| rule.outcome.clone());
    match outcome {
        Some(RuleOutcome::Judged { checks, .. }) => checks,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_operand_of_a_condition_has_its_text_its_result_and_its_values() {
    let set = rules(&[
        "{ name: r, effect: allow, token: { issuer: corp }, when: '(request.method == \"GET\" || token.claims.tenant == \"a\") && !(token.claims.tenant.startsWith(\"x\")) && token.claims.level > 3 && [\"a)\", \"b\"].exists(x, x == token.sub)' }",
    ]);
    let checks = watch(&set, "/", MissingData::NONE);
    let condition = checks.last().unwrap();
    let operands: Vec<_> =
        condition.operands.iter().map(|own| (own.text.as_str(), own.truth)).collect();
    assert_eq!(
        operands,
        [
            ("request.method == \"GET\"", Truth::Holds),
            ("token.claims.tenant == \"a\"", Truth::Fails),
            ("!(token.claims.tenant.startsWith(\"x\"))", Truth::Holds),
            ("token.claims.level > 3", Truth::Unknown),
            ("[\"a)\", \"b\"].exists(x, x == token.sub)", Truth::Fails),
        ]
    );
    let observed: Vec<_> = condition.operands.iter().flat_map(|own| &own.observed).collect();
    let names: Vec<_> = observed.iter().map(|own| own.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "request.method",
            "token.claims.tenant",
            "token.claims.tenant",
            "token.claims.level",
            "token.sub"
        ]
    );
    assert!(matches!(&observed[1].value, ObservedValue::Masked { kind: "a text", .. }));
    assert!(matches!(&observed[3].value, ObservedValue::Absent));
}

/// P80: what a caller put into a header or a claim is in no formatter's output.
#[test]
fn values_of_callers_are_masked() {
    let set = rules(&[
        "{ name: r, effect: allow, token: { issuer: corp, claims: [{ pointer: /tenant, equals: globex }] }, headers: [{ name: x-h, any: { equals: x } }] }",
    ]);
    let checks = watch(&set, "/?q=hidden", MissingData::NONE);
    let printed = format!("{checks:?}");
    assert!(
        !printed.contains("secret") && !printed.contains("acme") && !printed.contains("hidden")
    );
    let suggestions: Vec<_> =
        checks.iter().filter_map(|check| check.suggestion.as_deref()).collect();
    assert_eq!(
        suggestions,
        [
            "the header `x-h` must be in one of its values `x`",
            "the claim `/tenant` must be `globex`"
        ]
    );
}

/// P74: what was not recorded is unknown wherever a rule asks for it, and a record never allows more than the request did.
#[test]
fn what_was_not_recorded_is_unknown() {
    let all = "headers: [{ name: x-h, exists: true }], query: [{ name: q, exists: false }], token: { issuer: corp, scopes: [orders:read], claims: [{ pointer: /tenant, equals: acme }, { pointer: /sub, equals: alice }] }";
    let set = rules(&[&format!(
        "{{ name: r, effect: allow, {all}, when: 'request.headers[\"x-h\"] == \"secret\" && token.sub == \"alice\"', inject: {{ headers: {{ x-t: '{{token.claims./tenant}}' }} }} }}"
    )]);
    assert!(watch(&set, "/", MissingData::NONE).iter().all(|check| check.truth == Truth::Holds));
    let checks = watch(&set, "/", MissingData::AUDIT_RECORD);
    let truths: Vec<_> = checks.iter().map(|check| check.truth).collect();
    let (yes, unknown) = (Truth::Holds, Truth::Unknown);
    assert_eq!(truths, [unknown, unknown, yes, unknown, yes, yes, unknown]);
    let suggestion = checks[0].suggestion.as_deref().unwrap();
    assert_eq!(suggestion, "the record does not say whether header `x-h` matches");
    assert!(MissingData::AUDIT_RECORD.covers(RecordField::Headers));
}

/// P74: each requirement is unknown where a record lacks what it looks at, and only there.
#[test]
fn each_requirement_knows_what_a_record_must_have() {
    use RecordField::*;
    for (requirement, fields) in [
        ("headers: [{ name: x-h, exists: true }]", &[Headers][..]),
        ("query: [{ name: q, exists: false }]", &[Query]),
        ("contextExtensions: { tier: gold }", &[ContextExtensions]),
        ("sni: [orders.example.com]", &[ServerName]),
        ("source: [10.0.0.0/8]", &[Addresses]),
        ("destination: [10.0.0.0/8]", &[Addresses]),
        ("during: { from: 2020-01-01T00:00:00Z }", &[Time]),
        ("token: { issuer: corp, subjects: [alice] }", &[TokenSubject]),
        ("token: { issuer: corp, clients: [web] }", &[TokenClient]),
        ("token: { issuer: corp, audiences: [orders] }", &[TokenAudiences]),
        ("token: { issuer: corp, scopes: [orders:read] }", &[TokenScopes]),
        ("token: { issuer: corp, anyScope: [orders:read] }", &[TokenScopes]),
        ("token: { issuer: corp, claims: [{ pointer: /tenant, exists: true }] }", &[TokenClaims]),
        ("token: { issuer: corp, claims: [{ pointer: /jti, exists: true }] }", &[TokenId]),
        ("token: { issuer: corp, signals: [token_peers] }", &[TokenSignals]),
    ] {
        let set = rules(&[&format!("{{ name: r, effect: deny, {requirement} }}")]);
        let without = watch(&set, "/", MissingData::NONE);
        let lacking = RecordField::ALL.iter().filter(|field| {
            let checks = watch(&set, "/", MissingData::NONE.and(**field));
            let lacks = |check: &CheckTrace| {
                let text = format!("{:?}", check.suggestion);
                text.contains("the record does not say")
            };
            assert_eq!(checks.len(), without.len(), "{requirement}, {field:?}");
            checks.iter().any(lacks)
        });
        assert_eq!(lacking.copied().collect::<Vec<_>>(), fields, "{requirement}");
    }
}

#[test]
fn rules_that_are_about_something_else_say_what() {
    let set = rules(&[
        "{ name: post, effect: allow, public: true, on: { methods: [POST], paths: [/d] } }",
        "{ name: other, effect: allow, public: true, on: { methods: [GET], paths: [/b/c] } }",
        "{ name: this, effect: allow, public: true, on: { methods: [GET], paths: [/a] } }",
    ]);
    let non_matching_rules: Vec<_> = set
        .non_matching_rules(&get("/a"))
        .into_iter()
        .map(|own| (own.rule.rule.to_string(), own.differs))
        .collect();
    assert_eq!(
        non_matching_rules,
        [
            (String::from("other"), vec![(Mismatch::Path, vec![String::from("/b/c")])]),
            (
                String::from("post"),
                vec![
                    (Mismatch::Method, vec![String::from("POST")]),
                    (Mismatch::Path, vec![String::from("/d")])
                ]
            )
        ]
    );
    assert_eq!(set.hosts(), ["orders.example.com"]);
}
