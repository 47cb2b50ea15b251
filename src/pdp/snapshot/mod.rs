//! Everything a decision is made by, as one immutable value (invariant 6).

mod compiled;
mod files;
mod inventory;
mod load;
mod revision;
mod saved_lists;

pub use compiled::Snapshot;
pub use files::{FileSet, is_document};
pub use inventory::{Inventory, RefusedFiles};
pub use load::Load;
pub use revision::Revision;
pub use saved_lists::{SavedLists, SavedListsStatus};
