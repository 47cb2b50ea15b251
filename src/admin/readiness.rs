//! When a server that has just started is ready. From then on something that is missing makes it degraded: it is missing on
//! every replica, and to take all of them away would refuse the requests that do not need it, too.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::health::{ComponentHealth, HealthState};
use crate::document::HumanDuration;
use crate::sync::lock;

/// When a server that has just started is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReadinessOptions {
    /// The sources (key sets, remote files, revocation lists) that have to be there first.
    pub require: RequiredAtStart,
    /// How long the server waits at the start for sources that are missing, with `require: documents`.
    pub wait: HumanDuration,
}

/// The sources that have to be there before a server is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RequiredAtStart {
    /// Those without which every credential is refused. The others are waited for, for `wait` at most.
    #[default]
    Documents,
    /// All of them.
    All,
}

/// The readiness of a server, and the way there.
#[derive(Debug, Default)]
pub struct Readiness {
    options: ReadinessOptions,
    reached: AtomicBool,
    /// The parts that the start has waited for.
    waited_for: Mutex<BTreeSet<String>>,
}

/// Pause between two looks at the parts while the server starts.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Looks after which the log says again why the server is not ready: one minute.
const SAY_AGAIN: u32 = 600;

/// Most names in one line of the log.
const MAX_NAMES: usize = 10;

impl Default for ReadinessOptions {
    fn default() -> Self {
        let wait = HumanDuration::new(Duration::from_secs(10));
        Self { require: RequiredAtStart::default(), wait }
    }
}

impl Readiness {
    /// Not reached yet.
    pub fn new(options: ReadinessOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// The parts as operators see them: something is missing only until the server has been ready, and is degraded from then on.
    pub fn judge(&self, mut parts: Vec<ComponentHealth>) -> Vec<ComponentHealth> {
        let reached = self.reached.load(Ordering::Relaxed) || parts.iter().all(is_there);
        if reached {
            self.reached.store(true, Ordering::Relaxed);
        }
        for part in &mut parts {
            part.condition = match part.condition {
                HealthState::Missing | HealthState::Required if reached => HealthState::Degraded,
                HealthState::Missing | HealthState::Required => HealthState::NotReady,
                other @ (HealthState::Good | HealthState::Degraded | HealthState::NotReady) => {
                    other
                }
            };
        }
        parts
    }

    /// Waits until the server is ready, and logs what it has waited for.
    pub async fn reach(&self, parts: impl Fn() -> Vec<ComponentHealth>) {
        self.until(&parts, |part| matches!(part.condition, HealthState::Missing) || is_there(part))
            .await;
        let all = self.until(&parts, is_there);
        match self.options.require {
            RequiredAtStart::All => all.await,
            // Parts that are missing then are degraded, and in the log below.
            RequiredAtStart::Documents => drop(timeout(self.options.wait.get(), all).await),
        }
        self.reached.store(true, Ordering::Relaxed);
        self.until(&parts, |part| part.condition != HealthState::NotReady).await;
        let missing = listed(parts().iter().filter(|part| !is_there(part)).map(|part| &part.name));
        let waited_for = Some(listed(lock(&self.waited_for).iter())).filter(|all| !all.is_empty());
        if missing.is_empty() {
            tracing::info!(waited_for, "ready");
        } else {
            tracing::warn!(
                waited_for,
                missing,
                "ready: what depends on the missing parts is refused until they are there"
            );
        }
    }

    /// Waits until every part is as `wanted`.
    async fn until(
        &self,
        parts: &impl Fn() -> Vec<ComponentHealth>,
        wanted: impl Fn(&ComponentHealth) -> bool,
    ) {
        for look in 1u32.. {
            let parts = parts();
            let lacking = || parts.iter().filter(|part| !wanted(part)).map(|part| &part.name);
            if lacking().next().is_none() {
                return;
            }
            lock(&self.waited_for).extend(lacking().cloned());
            if look.is_multiple_of(SAY_AGAIN) {
                tracing::warn!(waiting_for = listed(lacking()), "not ready yet");
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

const fn is_there(part: &ComponentHealth) -> bool {
    matches!(part.condition, HealthState::Good | HealthState::Degraded)
}

/// The names in one line, of a length that a log takes.
fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    let shown = names.iter().take(MAX_NAMES).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
