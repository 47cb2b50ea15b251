//! Models of what countersign's replicas share, and of what survives a restart: small programs whose every state is explored, and whose
//! walks the server repeats. See docs/models.md.

pub mod documents;
pub mod explore;
pub mod key_set;
pub mod revocation;
pub mod single_use;
