//! The work of a condition has a bound, whatever the lists and texts of a token are.

use super::*;
use crate::limits::MAX_CONDITION_ITEMS;

/// Claims with two lists of so many texts that have nothing in common, and one long text.
fn claims(elements: usize) -> Value {
    let list = |kind: &str| (0..elements).map(|n| format!("{kind}-{n}")).collect::<Vec<_>>();
    json!({ "exp": 2000, "a": list("a"), "b": list("b"), "long": "x".repeat(12 * 1024) })
}

/// P308: what takes too many steps is unknown, in a loop or a list that `map` makes, by texts that are long, that grow or that
/// are searched.
#[test]
fn a_condition_that_takes_too_many_steps_is_unknown() {
    for text in [
        "token.claims.a.exists(a, token.claims.b.exists(b, a == b))",
        "token.claims.a.all(a, token.claims.b.all(b, a != b))",
        "size(token.claims.a.filter(a, token.claims.b.exists_one(b, a == b))) == 0",
        "token.claims.a.map(a, token.claims.b.map(b, a + b)).size() > 0",
        "token.claims.a.exists(a, token.claims.long.matches('^y$'))",
        "[token.claims.long].exists(l, token.claims.a.exists(a, l.matches('^y$')))",
        "[{'l': token.claims.long}].exists(m, token.claims.a.exists(a, m.l == a))",
        "[[token.claims.long]].exists(m, token.claims.a.exists(a, m[0] == a))",
        "[token.claims.long].exists(l, token.claims.a.exists(a, l + l == a))",
    ] {
        assert_eq!(holds_with(text, claims(MAX_CONDITION_ITEMS)), Truth::Unknown, "{text}");
        assert_ne!(holds_with(text, claims(8)), Truth::Unknown, "{text}");
    }
}

/// P313: a text costs as much more as a regular expression is large, and a list that is written out is made in each turn.
#[test]
fn large_expressions_and_lists_cost_what_they_take() {
    let large = "token.claims.long.matches('^[wxyz]*x[wxyz]{400}$')";
    assert_eq!(holds_with(large, claims(1)), Truth::Unknown);
    for ordinary in [
        "token.claims.long.matches('^x+$')",
        "!token.claims.long.matches('^[a-z0-9-]+/v[0-9]+/orders$')",
        "token.claims.a.exists(a, a.matches('^\\\\w+-255$'))",
    ] {
        assert_eq!(holds_with(ordinary, claims(MAX_CONDITION_ITEMS)), Truth::Holds, "{ordinary}");
    }
    let words: Vec<_> = (0..200).map(|n| format!("'w{n}'")).collect();
    let nested =
        format!("token.claims.a.all(a, token.claims.b.all(b, !(b in [{}])))", words.join(", "));
    assert_eq!(holds_with(&nested, claims(50)), Truth::Unknown);
    let once = format!("token.claims.a.all(a, !(a in [{}]))", words.join(", "));
    assert_eq!(holds_with(&once, claims(MAX_CONDITION_ITEMS)), Truth::Holds);
}

/// Conditions that people write stay far below it.
#[test]
fn ordinary_conditions_take_few_steps() {
    for text in [
        "token.claims.a.exists(a, token.claims.b.exists(b, a == b))",
        "token.claims.a.map(a, a + '!').exists(a, a == 'a-1!')",
    ] {
        assert_ne!(holds_with(text, claims(100)), Truth::Unknown, "{text}");
    }
    let many = vec!["!('c' in token.claims.a)"; 60].join(" && ");
    assert_eq!(holds_with(&many, claims(MAX_CONDITION_ITEMS)), Truth::Holds);
    let loops = vec!["token.claims.a.exists(a, a == 'a-1')"; 20].join(" && ");
    assert_eq!(holds_with(&loops, claims(MAX_CONDITION_ITEMS)), Truth::Holds);
}

/// P308: those of one request together have a bound as well.
#[test]
fn the_conditions_of_a_request_share_their_steps() {
    let text = "!token.claims.a.exists(a, token.claims.b.exists(b, a == b))";
    begin_request();
    let results: Vec<_> = (0..10).map(|_| holds_with(text, claims(100))).collect();
    assert_eq!(results[0], Truth::Holds);
    assert_eq!(results[9], Truth::Unknown);
    begin_request();
    assert_eq!(holds_with(text, claims(100)), Truth::Holds, "of the next request");
}

/// P308: loops that may take too many are known when they are loaded.
#[test]
fn loops_that_may_take_too_many_steps_are_known() {
    for (text, is_costly) in [
        ("token.claims.a.exists(a, token.claims.b.exists(b, a == b))", true),
        ("token.claims.a.exists(a, ['x', 'y'].exists(b, a == b))", false),
        ("token.claims.a.exists(a, a == 'x') && token.claims.b.exists(b, b == 'x')", false),
        ("token.claims.a.filter(a, a in token.claims.b).exists(a, a == 'x')", false),
    ] {
        assert_eq!(compile(text).unwrap().is_costly(), is_costly, "{text}");
    }
}
