//! What is believed no longer: entries, lists of them, and the form in which they are looked up.

mod entry;
mod key;
mod known;
mod lines;
mod list;
mod signature;
mod table;
mod view;

pub use entry::{EntryError, RevocationEntry, RevocationNote};
pub use key::{RevocationKey, RevocationKind, RevocationMark};
pub use known::KnownIssuers;
pub use lines::{FIRST_LINE, LineError, ListText};
pub(super) use list::compile;
pub use list::{
    AcceptedList, ListError, ListMark, ListPlace, ListSignature, ListSource, RevocationList,
};
pub use signature::ListSignatureError;
pub use table::{RevocationTable, Revoked};
pub use view::Revocations;

pub(super) use known::{check_known, doubts_about};

#[cfg(test)]
mod tests;
