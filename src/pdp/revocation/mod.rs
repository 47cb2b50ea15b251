//! What is revoked, from wherever it is known: the documents, the lists that they name, and what is revoked while servers
//! run. Beside the snapshot, so that a revocation needs no reload, survives every one of them, and is not kept waiting by a
//! mistake in some policy.

mod follow;
mod kept;
mod list;
mod options;
mod reader;
mod register;
mod running;
mod share;
mod state;

pub use list::ListStatus;
pub use options::{BeforeFirstSync, RevocationOptions};
pub use register::{KnownRevocation, RevocationRegister, SharingStatus};
pub use running::RUNNING;
pub use share::{Published, UnknownRevocation};

#[cfg(test)]
mod tests;
