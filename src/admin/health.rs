//! The parts that a server is made of, and how each of them is doing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::json::visible;

/// One part, such as an issuer's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentHealth {
    /// The part's name.
    pub name: String,
    /// How it is doing.
    pub condition: HealthState,
    /// Details for an operator; nothing secret.
    pub detail: String,
}

/// How a part is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HealthState {
    /// As it should be.
    Good,
    /// It works with what it had before, and an operator should look.
    Degraded,
    /// It was never there, or is too old to be used: all that depends on it alone is refused. The start waits for it for a while.
    Missing,
    /// It was never there, and requests that do not depend on it alone are refused without it. The start waits for it.
    Required,
    /// Requests must not be sent here.
    NotReady,
}

impl HealthState {
    /// This, or degraded where it was good.
    #[must_use]
    pub const fn or_degraded(self) -> Self {
        match self {
            Self::Good | Self::Degraded => Self::Degraded,
            Self::Missing | Self::Required | Self::NotReady => self,
        }
    }
}

impl ComponentHealth {
    /// A part with how it is doing.
    pub fn new(name: impl Into<String>, condition: HealthState, detail: impl Into<String>) -> Self {
        Self { name: name.into(), condition, detail: detail.into() }
    }
}

impl fmt::Display for ComponentHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.condition {
            HealthState::Good => '+',
            HealthState::Degraded => '~',
            HealthState::Missing | HealthState::Required | HealthState::NotReady => '-',
        };
        write!(f, "[{sign}] {}: {}", visible(&self.name), visible(&self.detail))
    }
}

/// The page of `/readyz`: what stands in the way, or with `verbose` everything; and whether it is ready.
pub(super) fn readiness(components: &[ComponentHealth], verbose: bool) -> (bool, String) {
    let stands_in_the_way = |part: &&ComponentHealth| part.condition == HealthState::NotReady;
    let ready = !components.iter().any(|part| stands_in_the_way(&part));
    let shown = components.iter().filter(|part| verbose || stands_in_the_way(part));
    let mut page: String = shown.map(|part| format!("{part}\n")).collect();
    page.push_str(if ready { "ok\n" } else { "not ready\n" });
    (ready, page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_names_what_stands_in_the_way_and_verbosely_everything() {
        let good = ComponentHealth::new("policies", HealthState::Good, "2 rules");
        let stale = ComponentHealth::new("keys of corp", HealthState::Degraded, "last good");
        let missing = ComponentHealth::new("keys of b2b", HealthState::NotReady, "none yet");
        let parts = [good, stale, missing];
        assert_eq!(
            readiness(&parts, false),
            (false, "[-] keys of b2b: none yet\nnot ready\n".into())
        );
        assert_eq!(readiness(&parts[..2], false), (true, "ok\n".into()), "degraded is ready");
        let (ready, page) = readiness(&parts, true);
        assert!(!ready);
        assert_eq!(
            page,
            "[+] policies: 2 rules\n[~] keys of corp: last good\n[-] keys of b2b: none yet\nnot ready\n"
        );
    }
}
