//! The JSON Schema of documents, made from the types that read them: editors complete with it, and the reference in
//! `docs/` is made of it.
//!
//! Its texts are the doc comments of the types. Its examples are taken from `docs/examples`, whole documents that a test
//! compiles.

mod examples;
mod generate;
mod parts;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use generate::tidied;
pub use generate::{schema, schema_of};
pub(crate) use parts::{
    default_of, is_required, meaning, properties, resolve, text_of, type_of, words,
};
pub use reference::reference;
