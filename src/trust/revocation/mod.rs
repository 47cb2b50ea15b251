//! Revocations: entries, lists of them, and the table in which they are looked up.

mod entry;
mod error;
mod known;
mod line_ends;
mod lines;
mod list;
mod signature;
mod table;
mod target;
mod view;

pub use entry::{RevocationEntry, RevocationNote};
pub use error::EntryError;
pub use known::KnownIssuers;
pub use line_ends::LineEnds;
pub use lines::{FIRST_LINE, LineError, ListHeader, ListText};
pub(super) use list::compile;
pub use list::{
    AcceptedList, ListError, ListMark, ListPlace, ListSignature, ListSource, RevocationList,
};
pub use signature::ListSignatureError;
pub use table::{RevocationTable, Revoked};
pub use target::{RevocationKind, RevocationMark, RevocationTarget};
pub use view::{RUNNING, RevocationView};

pub(super) use known::{check_issuer_of, check_known, lints_about};

#[cfg(test)]
mod tests;
