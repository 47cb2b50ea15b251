//! How the generated types of records are written as JSON and read again: `build.rs` names these functions.

use serde::de::{Deserialize as _, Deserializer, Error as _};
use serde_json::Value;

/// Reads a number of 64 bits, which protobuf's own JSON form has as a text.
pub(in crate::audit) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.ok_or_else(|| D::Error::custom("expected a whole number"))
}

/// True if a field is omitted from the JSON form of a record.
pub(in crate::audit) fn is_empty<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
