//! When changed files are put in force.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::HumanDuration;

/// When changed files are put in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReloadOptions {
    /// How long files must stay as they are before a change of them counts: one that is being written looks like one that is
    /// complete. At most `1m`.
    pub settle: HumanDuration,
    /// The treatment of a change in place after which documents, or rules that deny, or the end of a file are gone.
    pub removals: Removals,
}

/// The treatment of a change in place after which something is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Removals {
    /// It counts once it is confirmed (`PUT /documents/confirmed`), or after a restart; until then the last good documents stay in
    /// force. A set of files that is swapped whole, as a mounted ConfigMap is, needs no confirmation.
    #[default]
    Confirmed,
    /// It counts. A file that was cut counts as well.
    Allowed,
}

impl Default for ReloadOptions {
    fn default() -> Self {
        Self {
            // Longer than an editor or a copy pauses within a file, and below the two seconds in which a change is in force.
            settle: HumanDuration::new(Duration::from_secs(1)),
            removals: Removals::default(),
        }
    }
}

impl ReloadOptions {
    /// Checks that changes count at some time.
    ///
    /// # Errors
    /// A message that says what is wrong and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.settle.get() > Duration::from_mins(1) {
            return Err("`reload.settle` is more than `1m`: a change would count too late".into());
        }
        Ok(())
    }
}
