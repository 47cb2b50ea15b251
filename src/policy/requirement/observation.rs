//! What was found where a rule looks, fit to be shown: what callers put into headers, queries and claims is masked, since it
//! may be about people, or secret.

use serde_json::Value;

use crate::json::is_exact;
use crate::secret::Secret;

/// Something that a rule looks at.
#[derive(Clone, Debug)]
pub struct Fact {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub sight: Sight,
}

/// What can be seen of a value.
#[derive(Clone, Debug)]
pub enum Sight {
    /// There is none.
    Absent,
    /// The record that is explained does not hold it.
    NotRecorded,
    /// There is one, and it cannot be read.
    Unreadable,
    /// It may be shown.
    Open(String),
    /// It may be shown to whoever asks for it by name.
    Masked {
        /// What it is, in words.
        kind: &'static str,
        /// The value.
        value: Secret<String>,
    },
}

// === impl Fact ===

impl Fact {
    pub(in crate::policy) fn new(name: impl Into<String>, sight: Sight) -> Self {
        Self { name: name.into(), sight }
    }
}

// === impl Sight ===

impl Sight {
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
