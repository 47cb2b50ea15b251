//! Everything a decision is made by, as one immutable value (invariant 6).

mod compiled;
mod files;
mod inventory;
mod kept;
mod load;
mod revision;

pub use compiled::Snapshot;
pub use files::{FileSet, is_document};
pub use inventory::Inventory;
pub use kept::{KeptLists, KeptListsStatus};
pub use load::Load;
pub use revision::Revision;
