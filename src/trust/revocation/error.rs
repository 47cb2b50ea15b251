//! Why something is no entry.

use crate::limits::MAX_REVOCATION_TEXT_BYTES;

/// Why something is no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EntryError {
    /// The field that is wrong, unless the entry as a whole is.
    pub field: Option<&'static str>,
    /// The message. It never contains a value.
    pub message: String,
}

impl EntryError {
    pub(super) const fn at(field: &'static str, message: String) -> Self {
        Self { field: Some(field), message }
    }

    pub(super) fn without(field: &'static str, wanted: &str) -> Self {
        let message = format!("`{field}` is without `{wanted}`: its value belongs to one issuer");
        Self::at(field, message)
    }

    pub(super) fn check_text(field: &'static str, value: Option<&str>) -> Result<(), Self> {
        let Some(text) = value else { return Ok(()) };
        let why = if text.is_empty() {
            String::from("is empty")
        } else if text.len() > MAX_REVOCATION_TEXT_BYTES {
            format!("is longer than {MAX_REVOCATION_TEXT_BYTES} bytes")
        } else if text.chars().any(char::is_control) {
            String::from("has a control character")
        } else {
            return Ok(());
        };
        Err(Self::at(field, format!("`{field}` {why}")))
    }

    pub(super) fn forbid(field: &'static str, value: Option<&str>, why: &str) -> Result<(), Self> {
        match value {
            None => Ok(()),
            Some(_) => Err(Self::at(field, format!("`{field}` does not belong here: {why}"))),
        }
    }
}
