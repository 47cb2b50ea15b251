//! Conditions on claims that are null.

use super::holds;
use crate::policy::Truth;

/// P208: a claim that is null is of another kind than the value it is compared with, in every way of comparing.
#[test]
fn null_is_not_unequal() {
    for text in [
        "token.claims.nothing == 3",
        "token.claims.nothing != 3",
        r#"token.claims.nothing != "gold""#,
        "token.claims.nothing == 3 ? true : false",
        "[token.claims.nothing, 1] == [3, 1]",
        "token.claims.nothing in [1, 3]",
        r#"token.claims.realm != {"name": token.claims.nothing, "roles": ["x"]}"#,
        r#"[token.claims.nothing].exists(r, r == "x")"#,
        r#"![token.claims.nothing].all(r, r != "x")"#,
    ] {
        assert_eq!(holds(text), Truth::Unknown, "{text}");
    }
    assert_eq!(holds("token.claims.nothing == null"), Truth::Holds);
}
