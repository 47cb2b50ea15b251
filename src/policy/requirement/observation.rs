//! The values that requirements look at, fit to be shown. Values that callers put into headers, queries and claims are masked,
//! since they may be secret or about people.

use serde_json::Value;

use crate::json::is_exact;
use crate::policy::model::Truth;
use crate::secret::Secret;

/// Something that a rule looks at.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: ObservedValue,
}

/// A value that was found, or why there is none.
#[derive(Clone, Debug)]
pub enum ObservedValue {
    /// There is none.
    Absent,
    /// The record that is explained does not hold it.
    NotRecorded,
    /// There is one, and it cannot be read.
    Unreadable,
    /// It may be shown.
    Open(String),
    /// It may be shown to people who ask for it by name.
    Masked {
        /// Its kind, in words.
        kind: &'static str,
        /// The value.
        value: Secret<String>,
    },
}

/// A part of a condition that `&&`, `||` and `?:` put together.
#[derive(Clone, Debug)]
pub struct Operand {
    /// Its text in the document.
    pub text: String,
    /// Its result by itself.
    pub truth: Truth,
    /// The values that it reads.
    pub observed: Vec<Observation>,
}

impl Observation {
    pub(in crate::policy) fn new(name: impl Into<String>, value: ObservedValue) -> Self {
        Self { name: name.into(), value }
    }
}

impl ObservedValue {
    pub(in crate::policy) fn open(value: Option<impl Into<String>>) -> Self {
        value.map_or(Self::Absent, |value| Self::Open(value.into()))
    }

    /// Several values.
    pub(in crate::policy) fn list(values: &[String]) -> Self {
        if values.is_empty() { Self::Absent } else { Self::Open(values.join(", ")) }
    }

    pub(in crate::policy) fn text(value: &str) -> Self {
        Self::Masked { kind: "a text", value: Secret::new(value.to_owned()) }
    }

    pub(in crate::policy) fn json(value: Option<&Value>) -> Self {
        let Some(value) = value else { return Self::Absent };
        // A number that is not known exactly is compared with nothing.
        if !is_exact(value) {
            return Self::Unreadable;
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        Self::Masked { kind, value: Secret::new(value.to_string()) }
    }
}
