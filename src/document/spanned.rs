//! A value of a document with its place.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer};
use serde_saphyr::Location;

/// A value with its place, which [`Origin::span`](super::Origin::span) turns into a place in the file.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    pub(super) place: Location,
}

impl<T> Spanned<T> {
    /// Its place alone.
    pub const fn only_place(&self) -> Spanned<()> {
        Spanned { value: (), place: self.place }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = serde_saphyr::Spanned::deserialize(deserializer)?;
        Ok(Self { value: read.value, place: read.referenced })
    }
}

/// A place is not written: the schema is that of the value.
impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
