//! The state folder: what a restart would lose, or has lost.

use std::sync::Arc;

use crate::admin::{ComponentHealth, HealthState};
use crate::app::component::Component;
use crate::clock::UnixTime;
use crate::pdp::{KeyCache, Pdp, RemoteFiles, SavedLists, StateFiles};
use crate::telemetry::{Measurement, instruments};

pub(in crate::app) struct StateFolderComponent {
    pub(in crate::app) keys: Arc<KeyCache>,
    pub(in crate::app) remote: Arc<RemoteFiles>,
    pub(in crate::app) pdp: Arc<Pdp>,
    pub(in crate::app) lists: Option<Arc<SavedLists>>,
}

/// A part of the folder with its problem.
type StatePart = (&'static str, Option<String>);

impl StateFolderComponent {
    fn files(&self) -> impl Iterator<Item = StatePart> {
        let parts = [
            ("keys", self.keys.state_files()),
            ("files", self.remote.state_files()),
            ("revocations", self.pdp.revocations().state_files()),
        ];
        parts.into_iter().filter_map(|(name, files)| Some((name, StateFiles::problem(files?))))
    }
}

impl Component for StateFolderComponent {
    /// The lists have a line of their own.
    fn health(&self, _now: UnixTime) -> Vec<ComponentHealth> {
        self.files().map(health).collect()
    }

    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        let lists = self.lists.iter().map(|lists| ("crls", lists.status().problem));
        let failing = self.files().chain(lists);
        let failing = failing.map(|(part, problem)| (part.to_owned(), problem.is_some()));
        vec![instruments::STATE_FAILING.shows_each(failing)]
    }
}

fn health((part, problem): StatePart) -> ComponentHealth {
    let (condition, detail) = match problem {
        None => (HealthState::Good, String::from("written to the state folder")),
        Some(problem) => (HealthState::Degraded, problem),
    };
    ComponentHealth::new(format!("saved {part}"), condition, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P252: a loss is seen by an operator.
    #[test]
    fn a_problem_of_the_state_folder_degrades() {
        let shown =
            |problem: Option<&str>| health(("keys", problem.map(str::to_owned))).to_string();
        assert_eq!(shown(None), "[+] saved keys: written to the state folder");
        assert_eq!(shown(Some("`a` is lost")), "[~] saved keys: `a` is lost");
    }
}
