//! A name, or a list of names where several will do.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::{Spanned, Texts};

/// One name, or several in a list.
#[derive(Clone, Debug)]
pub enum OneOrMore {
    /// `corp`
    One(String),
    /// `[corp, partner]`
    More(Texts),
}

impl Spanned<OneOrMore> {
    /// Each name with its place.
    pub fn each(&self) -> Texts {
        match &self.value {
            OneOrMore::One(name) => vec![Spanned { value: name.clone(), place: self.place }],
            OneOrMore::More(names) => names.clone(),
        }
    }

    /// Each name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (one, more) = match &self.value {
            OneOrMore::One(name) => (Some(name.as_str()), &[][..]),
            OneOrMore::More(names) => (None, names.as_slice()),
        };
        one.into_iter().chain(more.iter().map(|name| name.value.as_str()))
    }
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a list of names")
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(OneOrMore::One(name.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(name) = names.next_element()? {
                    all.push(name);
                }
                Ok(OneOrMore::More(all))
            }
        }

        deserializer.deserialize_any(NameVisitor)
    }
}

impl JsonSchema for OneOrMore {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("OneOrMore")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}
