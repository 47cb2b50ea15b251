//! Tokens in cookies, and what goes upstream of the others.

use serde_json::json;

use super::House;

/// P333: where a rule removes every cookie, those beside the one with its token do not go upstream either.
#[tokio::test]
async fn a_rule_that_removes_every_cookie_leaves_none() {
    let spec = "  tokens: [{ cookie: session }]";
    for (headers, left) in [("", 1), (", headers: [x-debug]", 1), (", headers: [cookie]", 0)] {
        let rule = format!(" }}\n      remove: {{ token: true{headers}");
        let house = House::new(spec, &rule);
        let cookie = format!("theme=dark; session={}", house.token(&json!({ "cnf": null })));
        let (outcome, _) = house.outcome("GET", &[("cookie", &cookie)]).await;
        assert!(outcome.decision.is_allow(), "{headers}");
        assert_eq!(outcome.sealed.len(), left, "{headers}");
    }
}
