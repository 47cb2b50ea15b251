//! The shape of a list of claims: each name with the type of its values.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::{Entries, Spanned};
use crate::words::words;

words! {
    /// A type of claims that is one word.
    pub enum ClaimWord {
        /// A text.
        String "string",
        /// A whole number.
        Integer "integer",
        /// A number, with a fraction or without.
        Number "number",
        /// `true` or `false`.
        Boolean "boolean",
        /// A list of texts.
        Strings "strings",
        /// Any value, with any members.
        Any "any",
    }
}

/// Each of the words.
const WORDS: [&str; 6] = ["string", "integer", "number", "boolean", "strings", "any"];

/// The type of a claim.
#[derive(Clone, Debug)]
pub enum ClaimTypeSpec {
    /// One that is a word.
    Word(ClaimWord),
    /// A mapping with these members.
    Members(Entries<Self>),
}

impl<'de> Deserialize<'de> for ClaimTypeSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TypeVisitor;

        impl<'de> Visitor<'de> for TypeVisitor {
            type Value = ClaimTypeSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a type, or a mapping of members")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
                let named = ClaimWord::named(word).map(ClaimTypeSpec::Word);
                named.ok_or_else(|| E::unknown_variant(word, &WORDS))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Spanned<String>, Spanned<ClaimTypeSpec>)> = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(ClaimTypeSpec::Members(Entries(members)))
            }
        }

        deserializer.deserialize_any(TypeVisitor)
    }
}

impl JsonSchema for ClaimTypeSpec {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("ClaimType")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let member = generator.subschema_for::<Self>();
        json_schema!({
            "description": "The type of a claim: `string`, `integer`, `number`, `boolean`, `strings` (a list of them), `any`, or a mapping of members.",
            "anyOf": [
                { "enum": WORDS },
                { "type": "object", "additionalProperties": member },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_enumeration() {
        assert_eq!(ClaimWord::ALL.map(ClaimWord::as_str), WORDS);
    }
}
