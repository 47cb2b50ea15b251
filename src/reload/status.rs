//! The status of reloading, and the problems that the log has.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Notify;

use crate::document::{Diagnostic, Severity};
use crate::sync::lock;

/// How reloading is going.
#[derive(Debug, Default)]
pub struct ReloadStatus {
    /// Sets of documents that were put in force, the first one not counted.
    pub applied: AtomicU64,
    /// Sets of documents that were refused.
    pub refused: AtomicU64,
    /// True if the files differ from what is in force: they have errors, lack what is in force, or do not come to rest.
    pub stale: AtomicBool,
    /// Why, one line each.
    pub errors: ArcSwap<Vec<String>>,
    /// Why there are no notifications of changed files, where there are none. They are read again and again then.
    pub unnotified: ArcSwapOption<String>,
    /// The name of the set of files that lacks what is in force, where it waits for a confirmation.
    unconfirmed: ArcSwapOption<String>,
    confirmed: ArcSwapOption<String>,
    /// The problems that the log has.
    said: Mutex<Vec<String>>,
    changed: Arc<Notify>,
}

impl ReloadStatus {
    /// One that knows that `problems` are in the log, and whose confirmations end the wait for `changed`.
    pub(super) fn new(changed: Arc<Notify>, problems: &[Diagnostic]) -> Self {
        let said = Mutex::new(problems.iter().map(gist).collect());
        Self { said, changed, ..Self::default() }
    }

    /// The name of the set of files that waits for a confirmation.
    pub fn unconfirmed(&self) -> Option<Arc<String>> {
        self.unconfirmed.load_full()
    }

    /// Puts the set of files called `set` in force although it lacks what is in force now.
    ///
    /// # Errors
    /// No such set waits.
    pub fn confirm(&self, set: &str) -> Result<(), String> {
        match self.unconfirmed() {
            // A second look for the same would only have the files rest again.
            Some(waits) if *waits == set && self.is_confirmed(set) => Ok(()),
            Some(waits) if *waits == set => {
                self.confirmed.store(Some(waits));
                self.changed.notify_one();
                Ok(())
            }
            Some(waits) => Err(format!("the set that waits for a confirmation is `{waits}`")),
            None => Err("no set of documents waits for a confirmation".into()),
        }
    }

    /// True if the set called `set` was confirmed.
    pub(super) fn is_confirmed(&self, set: &str) -> bool {
        self.confirmed.load().as_ref().is_some_and(|confirmed| **confirmed == set)
    }

    /// The files are what is in force.
    pub(super) fn current(&self, problems: &[Diagnostic]) {
        self.say(problems);
        self.errors.store(Arc::default());
        self.unconfirmed.store(None);
        self.confirmed.store(None);
        if self.stale.swap(false, Ordering::Relaxed) {
            tracing::info!("the files are what is in force, and no longer differ from it");
        }
    }

    /// The files are not what is in force, because of `problems`; whether that is news. `set` names them where a confirmation would
    /// help.
    pub(super) fn refuse(&self, problems: &[Diagnostic], set: Option<&str>) -> bool {
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
        self.errors.store(Arc::new(errors.map(ToString::to_string).collect()));
        self.unconfirmed.store(set.map(|set| Arc::new(set.to_owned())));
        let began = !self.stale.swap(true, Ordering::Relaxed);
        let news = self.say(problems) || began;
        if news {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        news
    }

    /// Writes problems to the log where they are not those that were written last; whether they are not.
    pub(super) fn say(&self, problems: &[Diagnostic]) -> bool {
        let gists: Vec<_> = problems.iter().map(gist).collect();
        let mut said = lock(&self.said);
        if *said == gists {
            return false;
        }
        if gists.is_empty() {
            tracing::info!("the documents have no problems any more");
        }
        *said = gists;
        report(problems);
        true
    }
}

/// The identity of a problem. A warning may hold an age, and its place moves with the lines above it.
fn gist(problem: &Diagnostic) -> String {
    let text = format!("{}: {problem}", problem.code);
    match problem.severity {
        Severity::Error => text,
        Severity::Warning => text.chars().filter(|c| !c.is_ascii_digit()).collect(),
    }
}

/// Writes problems to the log, one line each.
pub fn report(problems: &[Diagnostic]) {
    for problem in problems {
        match problem.severity {
            Severity::Error => tracing::error!(code = problem.code.as_str(), "{problem}"),
            Severity::Warning => tracing::warn!(code = problem.code.as_str(), "{problem}"),
        }
    }
}
