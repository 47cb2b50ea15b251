//! Conditions on claims. Values are compared with values of the same kind only: `"1"` is not `1`, and a claim of
//! another kind than the rule compares is *unknown*, not unequal, so that a deny rule cannot be got around by it.

use std::fmt;

use serde_json::Value;

use crate::policy::model::truth::Truth;

/// A test of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct ClaimMatcher {
    /// Its place (RFC 6901).
    pub(in crate::policy) pointer: Box<str>,
    /// The test of its value.
    pub(in crate::policy) test: ClaimTest,
}

/// The test of the value of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum ClaimTest {
    /// One of these.
    OneOf(Box<[Scalar]>),
    /// A list that has this, or this alone.
    Contains(Scalar),
    /// True if it is there.
    Exists(bool),
}

/// A value that claims are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Scalar {
    /// A text.
    Text(Box<str>),
    /// A whole number.
    Int(i128),
    /// A truth value.
    Bool(bool),
}

impl ClaimMatcher {
    /// The result for the claim found at the pointer.
    pub(in crate::policy) fn matches(&self, claim: Option<&Value>) -> Truth {
        match (&self.test, claim) {
            (_, Some(Value::Null)) => Truth::Unknown,
            (ClaimTest::Exists(expected), found) => found.is_some().eq(expected).into(),
            (_, None) => Truth::Fails,
            (ClaimTest::OneOf(scalars), Some(claim)) => {
                Truth::any(scalars.iter().map(|scalar| scalar.equals(claim)))
            }
            (ClaimTest::Contains(scalar), Some(Value::Array(elements))) => {
                Truth::any(elements.iter().map(|element| scalar.equals(element)))
            }
            // Some issuers write a single value without a list around it; a text may be a list in other words.
            (ClaimTest::Contains(scalar), Some(single)) => match scalar.equals(single) {
                Truth::Fails if single.as_str().is_some_and(|text| !is_one_word(text)) => {
                    Truth::Unknown
                }
                truth @ (Truth::Holds | Truth::Fails | Truth::Unknown) => truth,
            },
        }
    }
}

/// True if a text is one value for every reader, and not several that are written together.
fn is_one_word(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

impl fmt::Display for ClaimTest {
    /// Completes "the claim has to be ..".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(scalars) => {
                let quoted: Vec<_> = scalars.iter().map(|own| format!("`{own}`")).collect();
                f.write_str(&quoted.join(" or "))
            }
            Self::Contains(scalar) => write!(f, "a list that has `{scalar}`"),
            Self::Exists(true) => f.write_str("there"),
            Self::Exists(false) => f.write_str("absent"),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Int(int) => write!(f, "{int}"),
            Self::Bool(bool) => write!(f, "{bool}"),
        }
    }
}

impl Scalar {
    /// Reads a value of a document; `None` for what claims are not compared with.
    pub(in crate::policy) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text.as_str().into())),
            Value::Number(number) => number.as_i128().map(Self::Int),
            Value::Bool(bool) => Some(Self::Bool(*bool)),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The kind of value, in words.
    pub(in crate::policy) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Int(_) => "a whole number",
            Self::Bool(_) => "true or false",
        }
    }

    fn equals(&self, claim: &Value) -> Truth {
        match (self, Self::read(claim)) {
            (Self::Text(own), Some(Self::Text(other))) => (*own == other).into(),
            (Self::Int(own), Some(Self::Int(other))) => (*own == other).into(),
            (Self::Bool(own), Some(Self::Bool(other))) => (*own == other).into(),
            (_, Some(_) | None) => Truth::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Truth::{Fails, Holds, Unknown};
    use serde_json::json;

    fn holds(test: ClaimTest, claim: &Value) -> Truth {
        ClaimMatcher { pointer: "/x".into(), test }.matches(Some(claim))
    }

    /// P74: a claim of another kind is unknown, in both directions.
    #[test]
    fn values_of_different_kinds_cannot_be_compared() {
        let acme = || ClaimTest::OneOf([Scalar::Text("acme".into())].into());
        for (claim, expected) in [
            (json!("acme"), Holds),
            (json!("acme2"), Fails),
            (json!("Acme"), Fails),
            (json!(1), Unknown),
            (json!(null), Unknown),
            (json!(["acme"]), Unknown),
            (json!({"acme": true}), Unknown),
        ] {
            assert_eq!(holds(acme(), &claim), expected, "{claim}");
        }
        let one = || ClaimTest::OneOf([Scalar::Int(1)].into());
        assert_eq!(holds(one(), &json!(1)), Holds);
        assert_eq!(holds(one(), &json!("1")), Unknown);
        assert_eq!(holds(one(), &json!(1.5)), Unknown);
        assert_eq!(holds(one(), &json!(true)), Unknown);
    }

    #[test]
    fn a_list_contains_whole_elements() {
        let admin = || ClaimTest::Contains(Scalar::Text("admin".into()));
        assert_eq!(holds(admin(), &json!(["user", "admin"])), Holds);
        assert_eq!(holds(admin(), &json!(["administrator"])), Fails);
        assert_eq!(holds(admin(), &json!([])), Fails);
        assert_eq!(holds(admin(), &json!({ "admin": true })), Unknown);
        assert_eq!(holds(admin(), &json!([7])), Unknown);
    }

    /// P414: a single value without a list is a list of one; a text that may be several values is never taken for one without it.
    #[test]
    fn a_single_value_is_a_list_of_one() {
        let admin = || ClaimTest::Contains(Scalar::Text("admin".into()));
        for (claim, expected) in [
            (json!("admin"), Holds),
            (json!("staff"), Fails),
            (json!("eu-west_1.staff"), Fails),
            (json!("admin,staff"), Unknown),
            (json!("staff admin"), Unknown),
            (json!("staff|admin"), Unknown),
            (json!("/admin"), Unknown),
            (json!(""), Fails),
            (json!(7), Unknown),
        ] {
            assert_eq!(holds(admin(), &claim), expected, "{claim}");
        }
        assert_eq!(holds(ClaimTest::Contains(Scalar::Int(7)), &json!(7)), Holds);
        assert_eq!(holds(ClaimTest::Contains(Scalar::Int(7)), &json!(8)), Fails);
    }

    #[test]
    fn an_absent_claim_is_no_value() {
        let absent = |test| ClaimMatcher { pointer: "/x".into(), test }.matches(None);
        assert_eq!(absent(ClaimTest::OneOf([Scalar::Bool(true)].into())), Fails);
        assert_eq!(absent(ClaimTest::Contains(Scalar::Bool(true))), Fails);
        assert_eq!(absent(ClaimTest::Exists(true)), Fails);
        assert_eq!(absent(ClaimTest::Exists(false)), Holds);
    }
}
