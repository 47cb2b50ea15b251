//! Worlds: documents that use every key in combination, and suites of requests near the edges of what they say.

pub mod answers;
mod callers;
mod conditions;
pub mod identity;
pub mod policy;
pub mod requests;
mod rule;
pub mod trust;
mod values;

use serde_json::{Value, json};

use crate::random::Random;

pub use values::fragments;

/// The moments at which suites are judged: the edges of windows and of `during`, and what is beside them.
pub const MOMENTS: [&str; 9] = [
    "2026-01-01T00:00:00Z",
    "2025-12-31T23:59:59Z",
    "2026-01-01T09:59:59Z",
    "2026-01-01T10:00:00Z",
    "2026-01-01T11:00:00Z",
    "2026-01-01T12:00:00Z",
    "2026-01-01T22:00:00Z",
    "2026-01-02T01:59:59Z",
    "2026-01-02T02:00:00Z",
];

/// Documents, and suites about them. Everything is JSON, which is YAML, so that shrinking needs to know nothing of it.
#[derive(Clone, Debug)]
pub struct World {
    /// Policies and fragments.
    pub documents: Vec<Value>,
    /// Suites.
    pub suites: Vec<Value>,
}

impl World {
    /// The world of a seed, with so many cases in each of its suites.
    pub fn of(seed: u64, cases: usize) -> Self {
        let mut random = Random::of(seed);
        let mut documents = vec![values::fragments(), trust::cloud(&mut random)];
        let mut wanted = Vec::new();
        let policies = if random.percent(3) { 0 } else { random.between(1, 3) };
        for number in 0..policies {
            let policy = policy::policy(&mut random, number);
            wanted.extend(requests::templates(&policy));
            documents.push(policy);
        }
        let suites = (0..3).map(|number| {
            let now = random.pick(&MOMENTS);
            let spec = json!({
                "now": now,
                "peers": callers::peers(&mut random),
                "tokens": callers::tokens(&mut random, now),
                "cases": (0..cases).map(|case| requests::case(&mut random, case, &wanted)).collect::<Vec<_>>(),
            });
            trust::document("PolicySuite", &format!("s{number}"), spec)
        });
        Self { suites: suites.collect(), documents }
    }

    /// From one value with `documents` and `suites`.
    pub fn from_value(value: &Value) -> Option<Self> {
        let list = |name: &str| value[name].as_array().cloned();
        Some(Self { documents: list("documents")?, suites: list("suites")? })
    }

    /// All documents.
    pub fn all(&self) -> Vec<Value> {
        let all = trust::documents().into_iter();
        all.chain(self.documents.iter().cloned()).chain(self.suites.iter().cloned()).collect()
    }

    /// All documents as one text of YAML.
    pub fn text(&self) -> String {
        self.all().iter().map(|document| format!("---\n{document}\n")).collect()
    }
}

impl From<&World> for Value {
    fn from(world: &World) -> Self {
        json!({ "documents": world.documents, "suites": world.suites })
    }
}
