//! Random choices from a seed: the same seed, the same world.

use serde_json::{Map, Value, json};

/// A source of choices.
pub struct Random(fastrand::Rng);

impl Random {
    /// From a seed.
    pub fn of(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// True if something happens that happens in so many of a hundred cases.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.0.u32(..100) < percent
    }

    /// A number from one to another, both included.
    pub fn between(&mut self, from: usize, to: usize) -> usize {
        self.0.usize(from..=to)
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.0.usize(..items.len())]
    }

    /// Some of several, at least one, in their order.
    pub fn some(&mut self, items: &[&str], most: usize) -> Vec<String> {
        let wanted = self.between(1, most.min(items.len()));
        let mut chosen = self.0.choose_multiple(0..items.len(), wanted);
        chosen.sort_unstable();
        chosen.into_iter().map(|at| items[at].to_owned()).collect()
    }

    /// One of several values, each written as JSON.
    pub fn json(&mut self, items: &[&str]) -> Value {
        let text = self.pick(items);
        serde_json::from_str(text).unwrap_or_else(|_| json!(text))
    }
}

/// A mapping that is being put together.
#[derive(Default)]
pub struct Members(Map<String, Value>);

impl Members {
    /// Adds a member.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// True if nothing was added.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Members> for Value {
    fn from(members: Members) -> Self {
        Self::Object(members.0)
    }
}
