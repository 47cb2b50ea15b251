//! What policies decide, from documents to decisions.

mod decisions;
pub(super) mod fixtures;
mod injection;
mod lints;
mod properties;
mod shadows;
mod tracing;
