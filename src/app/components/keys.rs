//! The key sets of issuers that publish theirs.

use crate::admin::status::{KeyPageStatus, KeySetStatus, StatusPage};
use crate::admin::{ComponentHealth, HealthState};
use crate::app::component::{Component, ago, shown_at};
use crate::clock::UnixTime;
use crate::pdp::{KeyCache, KeyStatus};
use crate::telemetry::{Measurement, instruments};

impl Component for std::sync::Arc<KeyCache> {
    fn health(&self, now: UnixTime) -> Vec<ComponentHealth> {
        KeyCache::status(self).iter().map(|status| keys(status, now)).collect()
    }

    fn show(&self, _now: UnixTime, page: &mut StatusPage) {
        page.keys = KeyCache::status(self).iter().map(shown).collect();
    }

    /// When they were fetched: alert on `time()` minus that. One series for each issuer.
    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        let all = KeyCache::status(self);
        let fetched = |own: &KeyStatus| Some((own.issuer.clone(), own.fetched_at?.as_secs()));
        let usable = |own: &KeyStatus| (own.issuer.clone(), own.keys.is_some());
        vec![
            instruments::KEYS_FETCHED.shows_each(all.iter().filter_map(fetched)),
            instruments::KEYS_USABLE.shows_each(all.iter().map(usable)),
        ]
    }
}

fn keys(status: &KeyStatus, now: UnixTime) -> ComponentHealth {
    let failures = match status.failures {
        0 => String::new(),
        failures => format!("; {failures} fetches have failed since"),
    };
    let error = status.error.as_ref().filter(|_| status.failures > 0);
    let failures =
        failures + &error.map(|why| format!(", the last one: {why}")).unwrap_or_default();
    let (condition, detail) = match (&status.keys, status.fetched_at) {
        (Some(_), Some(at)) if status.failures == 0 => {
            (HealthState::Good, format!("fresh, fetched {}", ago(at, now)))
        }
        (Some(_), Some(at)) => {
            (HealthState::Degraded, format!("last good, fetched {}{failures}", ago(at, now)))
        }
        (Some(_), None) => {
            (HealthState::Degraded, format!("last good, kept from before{failures}"))
        }
        (None, Some(at)) => (
            HealthState::Missing,
            format!("too old to be used, fetched {}{failures}", ago(at, now)),
        ),
        (None, None) => (HealthState::Missing, format!("never fetched{failures}")),
    };
    let name = format!("keys of `{}` from {}", status.issuer, status.origin);
    ComponentHealth::new(name, condition, detail)
}

fn shown(status: &KeyStatus) -> KeySetStatus {
    let keys = status.keys.iter().flat_map(|set| set.keys()).map(|key| KeyPageStatus {
        kid: key.id().map(str::to_owned),
        thumbprint: key.thumbprint().to_owned(),
        first_seen: shown_at(status.first_seen.get(key.thumbprint()).copied()),
    });
    KeySetStatus {
        issuer: status.issuer.clone(),
        keys: keys.collect(),
        origin: status.origin.clone(),
        usable: status.keys.is_some(),
        fetched_at: shown_at(status.fetched_at),
        next_fetch: status.next_fetch.to_rfc3339(),
        failures: status.failures,
        error: status.error.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::trust::{KeyPurpose, KeySet};

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    /// P509: and why the last fetch failed.
    #[test]
    fn keys_are_fresh_last_good_or_missing() {
        let before = |secs| Some(NOW.minus(Duration::from_secs(secs)));
        for (usable, fetched_at, failures, expected) in [
            (
                true,
                before(90),
                0,
                "[+] keys of `corp` from https://a.test: fresh, fetched 1m30s ago",
            ),
            (
                true,
                before(7200),
                3,
                "[~] keys of `corp` from https://a.test: last good, fetched 2h ago; 3 fetches have failed since, the last one: took too long",
            ),
            (true, None, 0, "[~] keys of `corp` from https://a.test: last good, kept from before"),
            (
                false,
                before(86_400),
                9,
                "[-] keys of `corp` from https://a.test: too old to be used, fetched 1d ago; 9 fetches have failed since, the last one: took too long",
            ),
            (false, None, 0, "[-] keys of `corp` from https://a.test: never fetched"),
        ] {
            let set =
                usable.then(|| Arc::new(KeySet::parse(b"{\"keys\":[]}", KeyPurpose::Jwt).unwrap()));
            let status = KeyStatus {
                first_seen: crate::pdp::FirstSeen::new(),
                origin: "https://a.test".into(),
                keys: set,
                fetched_at,
                next_fetch: NOW,
                failures,
                issuer: "corp".into(),
                error: (failures > 0).then(|| "took too long".into()),
            };
            assert_eq!(keys(&status, NOW).to_string(), expected);
        }
    }
}
