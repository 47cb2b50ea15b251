//! What policies decide, from documents to decisions.

mod addresses;
mod annotations;
mod answers;
mod decisions;
pub(super) mod fixtures;
mod generators;
mod injection;
mod kept;
mod language;
mod lints;
mod properties;
mod shadows;
mod tracing;
