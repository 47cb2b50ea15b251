//! A check that is on its way to its answer.

use super::status::LevelGuard;
use crate::clock::Deadline;

/// A check that is on its way to its answer.
#[derive(Debug)]
pub(super) struct Arrival {
    /// When the answer has to be there.
    pub(super) deadline: Deadline,
    /// `None` where there is too much to do already.
    pub(super) admitted: Option<LevelGuard>,
}

impl Arrival {
    pub(super) const fn is_admitted(&self) -> bool {
        self.admitted.is_some()
    }
}
