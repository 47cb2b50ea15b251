//! The claims that issuers list, beside what policies say of them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fixtures::*;
use crate::document::{Code, Diagnostic};
use crate::policy::PolicySet;

/// The issuer `corp`, with this list.
fn corp(claims: &str) -> String {
    format!(
        "---\napiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec:\n  issuer: https://corp.example\n  \
         audiences: [a]\n  algorithms: [ES256]\n  keys: {{ discovery: {{}} }}\n  claims: {claims}\n"
    )
}

fn with_rule(rule: &str) -> String {
    policy("orders", &format!("target: {{ hosts: [orders.example.com] }}\nrules:\n  - {rule}"))
}

fn problems(text: &str) -> Vec<(Code, String)> {
    let (_, problems) = try_compile(text);
    problems.into_iter().map(|own| (own.code, own.message)).collect()
}

/// P685: each place of a rule that names a claim.
#[test]
fn a_claim_that_no_token_has_is_an_error_wherever_it_is_named() {
    let rule = "{ name: r, effect: allow, token: { issuer: corp";
    for (rest, code) in [
        (", claims: [{ pointer: /tenant, exists: true }] } }", None),
        (", claims: [{ pointer: /tenat, exists: true }] } }", Some(Code::UnknownClaim)),
        (" }, when: 'has(token.claims.tenat)' }", Some(Code::UnknownClaim)),
        (" }, when: '\"tenat\" in token.claims' }", Some(Code::UnknownClaim)),
        (
            " }, inject: { headers: { x: '{token.claims./tenat|json}' } } }",
            Some(Code::UnknownClaim),
        ),
        (" }, inject: { query: { x: '{token.claims./tenat}' } } }", Some(Code::UnknownClaim)),
        (
            " }, inject: { assertion: { header: x, audience: a, claims: { t: '{token.claims./tenat}' } } } }",
            Some(Code::UnknownClaim),
        ),
        (
            ", bind: { claim: /tenat, to: peer.spiffe } }, peer: { any: true } }",
            Some(Code::UnknownClaim),
        ),
        (", claims: [{ pointer: tenant, exists: true }] } }", Some(Code::InvalidPointer)),
    ] {
        let found = problems(&(corp("{ tenant: string }") + &with_rule(&format!("{rule}{rest}"))));
        let codes: Vec<_> = found.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, code.into_iter().collect::<Vec<_>>(), "{rest} {found:?}");
    }
}

/// P687: a list is for policies. No token is judged by it, and what is evaluated does not rely on it: a claim of another type than
/// listed is unknown, as it is where nothing is listed.
#[test]
fn a_list_changes_no_decision() {
    let rules = "target: { hosts: [orders.example.com] }\nrules:\n  \
         - { name: three, effect: deny, token: { issuer: corp }, when: token.claims.level == 3 || token.claims.level + 1 > 8 }\n  \
         - { name: vip, effect: deny, token: { issuer: corp }, when: has(token.claims.vip) && !token.claims.vip }\n  \
         - { name: open, effect: allow, token: { issuer: corp } }";
    let unlisted = compile(&policy("orders", rules));
    let listed = compile(&(corp("{ level: integer, vip: boolean }") + &policy("orders", rules)));
    let decided = |set: &PolicySet, claims: &Value| {
        outcome(set, &caller(None, Some(claims.clone())), &get("/"))
    };
    for (claims, expected) in [
        (json!({ "level": 1 }), "allow open"),
        (json!({ "level": 3 }), "deny rule_denied three"),
        (json!({ "level": "3" }), "deny eval_error three"),
        (json!({ "level": 3.0 }), "deny rule_denied three"),
        (json!({ "level": [3] }), "deny eval_error three"),
        (json!({}), "deny eval_error three"),
        (json!({ "level": 1, "vip": "no" }), "deny eval_error vip"),
        (json!({ "level": 1, "vip": false, "more": {} }), "deny rule_denied vip"),
    ] {
        assert_eq!(decided(&unlisted, &claims), expected, "{claims}");
        assert_eq!(decided(&listed, &claims), expected, "{claims}");
    }
}

fn compile_beside(
    issuer: &str,
    before: Option<&Arc<PolicySet>>,
) -> (Arc<PolicySet>, Vec<Diagnostic>) {
    let text = with_rule(
        "{ name: r, effect: allow, token: { issuer: corp }, when: 'token.claims.tenant == \"a\"' }",
    );
    compile_after(&format!("{issuer}{text}"), before)
}

/// P688: the list of an issuer changes, and the policy has the same text.
#[test]
fn a_changed_list_has_policies_compiled_again() {
    let (before, problems) = compile_beside(&corp("{ tenant: string }"), None);
    assert_eq!(problems, []);
    let (moved, _) = compile_beside(&format!("\n\n{}", corp("{ tenant: string }")), Some(&before));
    assert!(Arc::ptr_eq(&before, &moved), "nothing but places has changed");
    let (_, problems) = compile_beside(&corp("{ tenants: strings }"), Some(&before));
    let found: Vec<_> = problems.iter().map(|own| own.code).collect();
    assert_eq!(found, [Code::UnknownClaim]);
}
