//! Decisions of policies, from documents to decisions.

mod addresses;
mod annotations;
mod answers;
mod claims;
mod decisions;
mod differences;
mod encodings;
pub(super) mod fixtures;
mod generators;
mod ignored;
mod injection;
mod issuers;
mod kept;
mod language;
mod lints;
mod possible;
mod properties;
mod reach;
mod shadows;
mod shared_authority;
mod targets;
mod tracing;
