//! An answer as plain facts, so that two of them compare name by name.

use std::collections::BTreeMap;
use std::fmt;

/// The answer of one of the two: each part under its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer(BTreeMap<String, String>);

/// A part of an answer that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The name of the part.
    pub part: String,
    /// The answer of countersign.
    pub program: String,
    /// The answer of the oracle.
    pub oracle: String,
}

impl Answer {
    /// With one part.
    pub fn of(part: &str, value: impl ToString) -> Self {
        Self(BTreeMap::from([(part.to_owned(), value.to_string())]))
    }

    /// Adds a part.
    pub fn set(&mut self, part: impl Into<String>, value: impl ToString) {
        self.0.insert(part.into(), value.to_string());
    }

    /// A part.
    pub fn get(&self, part: &str) -> Option<&str> {
        self.0.get(part).map(String::as_str)
    }

    /// Every part with its value.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(part, value)| (part.as_str(), value.as_str()))
    }

    /// The parts of this answer of countersign that the oracle answers in another way.
    pub fn differences(&self, oracle: &Self) -> Vec<Difference> {
        let mut parts: Vec<&String> = self.0.keys().chain(oracle.0.keys()).collect();
        parts.sort_unstable();
        parts.dedup();
        let said = |answer: &Self, part: &String| answer.get(part).unwrap_or("-").to_owned();
        // Other parts follow from these.
        parts.sort_by_key(|part| !matches!(part.as_str(), "decision" | "reason" | "rule"));
        let differing = parts.into_iter().filter(|part| self.0.get(*part) != oracle.0.get(*part));
        differing.map(|part| Difference { part: part.clone(), program: said(self, part), oracle: said(oracle, part) }).collect()
    }
}

impl Difference {
    /// The kind of difference: the part without the names in it, and both answers.
    pub fn signature(&self) -> String {
        let part = self.part.split(' ').next().unwrap_or_default();
        format!("{part}: countersign {}, oracle {}", self.program, self.oracle)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<28} countersign: {:<40} oracle: {}", self.part, self.program, self.oracle)
    }
}
