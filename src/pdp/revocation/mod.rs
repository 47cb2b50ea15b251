//! All revocations: those of the documents, of the lists that they name, and those that are made while servers run. They are
//! kept beside the snapshot, so that a revocation needs no reload, survives every reload, and does not wait for a mistake in
//! a policy to be fixed.

mod list;
mod live;
mod options;
mod reader;
mod register;
mod share;
mod state;
mod state_folder;
mod track;

pub use list::ListStatus;
pub use options::{BeforeFirstSync, RevocationOptions};
pub use register::{KnownRevocation, RevocationRegister, SharingStatus};
pub use share::{Published, UnknownRevocation};

#[cfg(test)]
mod tests;
