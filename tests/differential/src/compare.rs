//! The results of the cases of a world.

use crate::answer::{Answer, Difference};
use crate::coverage::Coverage;

/// A case that the two answer differently.
pub struct Found {
    /// The place of the case.
    pub group: String,
    /// The case.
    pub case: String,
    /// The differences.
    pub differences: Vec<Difference>,
}

/// The results of the cases of a world.
#[derive(Default)]
pub struct Compared {
    /// How many were compared.
    pub cases: u64,
    /// Cases that the oracle does not decide, by name.
    pub outside: Vec<String>,
    /// Those that differ.
    pub found: Vec<Found>,
    /// The coverage.
    pub coverage: Coverage,
}

impl Compared {
    /// Adds a case that both answer.
    pub fn add(&mut self, group: &str, case: &str, program: &Answer, oracle: &Answer) {
        self.cases += 1;
        let differences = program.differences(oracle);
        if !differences.is_empty() {
            self.found.push(Found { group: group.to_owned(), case: case.to_owned(), differences });
        }
    }
}
