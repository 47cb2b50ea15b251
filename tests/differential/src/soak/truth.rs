//! The oracle's side of a soak: every state of the world so far, and those that may be in force.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_oracle::Request;
use serde_json::Value;

use crate::answer::Answer;
use crate::bytes::judge::{self, Judge};

/// The state in force at a time: documents, the files that they name, and settings.
#[derive(Clone)]
pub struct Epoch {
    /// Documents as YAML.
    pub documents: String,
    /// The files, by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Settings of the server.
    pub settings: Value,
}

/// The numbers of the epochs that may be in force, the first and the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The oldest.
    pub first: usize,
    /// The newest.
    pub last: usize,
    /// True if the server may be away.
    pub away: bool,
}

/// The epochs, of which one is in force, or a change is under way.
pub struct Truth(Mutex<(Vec<Arc<Epoch>>, Window)>);

impl Truth {
    /// Begins with one epoch.
    pub fn new(epoch: Epoch) -> Self {
        Self(Mutex::new((vec![Arc::new(epoch)], Window { first: 0, last: 0, away: true })))
    }

    fn state(&self) -> MutexGuard<'_, (Vec<Arc<Epoch>>, Window)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A change begins: from now on the old epoch or the new one is in force.
    pub fn begin(&self, change: impl FnOnce(&mut Epoch)) {
        let mut state = self.state();
        let Some(last) = state.0.last() else { return };
        let mut epoch = (**last).clone();
        change(&mut epoch);
        state.0.push(Arc::new(epoch));
        state.1.last += 1;
    }

    /// The change is over: the new epoch is in force.
    pub fn end(&self) {
        let mut state = self.state();
        state.1.first = state.1.last;
        state.1.away = false;
    }

    /// The server goes away, or comes back.
    pub fn away(&self, away: bool) {
        self.state().1.away = away;
    }

    /// The states that may be in force now.
    pub fn window(&self) -> Window {
        self.state().1
    }

    /// The newest epoch.
    pub fn newest(&self) -> Option<Arc<Epoch>> {
        self.state().0.last().cloned()
    }

    fn epoch(&self, number: usize) -> Option<Arc<Epoch>> {
        self.state().0.get(number).cloned()
    }
}

/// Judges of epochs, for one thread.
#[derive(Default)]
pub struct Bench(HashMap<usize, Judge>);

impl Bench {
    /// The answer to a request in an epoch at a moment, as far as the program's answer compares with it.
    ///
    /// # Errors
    /// Cases that the oracle does not decide.
    pub fn answer(&mut self, truth: &Truth, number: usize, request: &Request, now: i64) -> Result<Answer, String> {
        if !self.0.contains_key(&number) {
            let epoch = truth.epoch(number).ok_or("no such epoch")?;
            // Older ones are not asked about again.
            self.0.retain(|own, _| own + 8 > number);
            self.0.insert(number, Judge::with(&epoch.documents, &epoch.settings, epoch.files.clone())?);
        }
        let judge = self.0.get_mut(&number).ok_or("no such epoch")?;
        Ok(judge.answer(request, now)?.answer)
    }
}

/// True if the program's answer is the oracle's.
pub fn same(program: &Answer, oracle: &Answer) -> bool {
    judge::told(program.clone(), oracle).differences(oracle).is_empty()
}
