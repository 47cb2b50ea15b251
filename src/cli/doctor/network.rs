//! The servers that a server asks, and the clocks that they show.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::finding::{Matter, Report};
use crate::clock::{Clock as _, Stopwatch, SystemClock, UnixTime};
use crate::document::HumanDuration;
use crate::limits::STORE_CONNECT_TIMEOUT;
use crate::pdp::{HttpsFetcher, KnownVersions, Snapshot, load_keys};
use crate::store::{Store, StoreOptions};
use crate::trust::{Issuer, KeySource};
use crate::words::counted;

/// Beyond this a clock is wrong. Below, the answer may have been on its way.
const CLOCK_ODD: Duration = Duration::from_secs(5);

/// The default `clockSkew` of issuers: beyond it good tokens are refused.
const CLOCK_WRONG: Duration = Duration::from_secs(30);

/// Fetches the keys of every issuer once, and compares the clocks of their servers with ours.
pub(super) async fn issuers(snapshot: &Snapshot, fetcher: &HttpsFetcher, report: &mut Report) {
    let mut issuers: Vec<&Issuer> = snapshot.trust().issuers().iter().collect();
    issuers.sort_by_key(|issuer| &issuer.id);
    for (issuer, asked) in join_all(issuers.into_iter().map(|own| ask(own, fetcher))).await {
        let name = &issuer.id;
        match asked {
            Ok((detail, date)) => {
                report.good(Matter::Keys, format_args!("`{name}`: {detail}"));
                if let Some((theirs, ours)) = date {
                    clock(name, theirs, ours, report);
                }
            }
            Err(why) => report.fail(Matter::Keys, format_args!("`{name}`: {why}")),
        }
    }
}

/// The answer of an issuer, with the time of its server and ours.
type ClockAnswer = Result<(String, Option<(UnixTime, UnixTime)>), String>;

async fn ask<'a>(issuer: &'a Issuer, fetcher: &HttpsFetcher) -> (&'a Issuer, ClockAnswer) {
    let asked = match &issuer.keys {
        KeySource::Local(keys) => {
            Ok((format!("{} in the documents", counted(keys.keys().len(), "key")), None))
        }
        KeySource::Introspected(endpoint) => {
            Ok((format!("{} is asked about each token, and was not tried", endpoint.url), None))
        }
        KeySource::Remote(source) => {
            match load_keys(source, fetcher, &mut KnownVersions::default(), None).await {
                Ok(loaded) => {
                    let keys = loaded.keys.map_or(0, |(keys, _)| keys.keys().len());
                    let date = loaded.date.map(|date| (date, SystemClock.now()));
                    Ok((format!("{} from {}", counted(keys, "key"), source.url), date))
                }
                Err(error) => Err(format!("no keys from {}: {error}", source.url)),
            }
        }
    };
    (issuer, asked)
}

fn clock(name: &str, theirs: UnixTime, ours: UnixTime, report: &mut Report) {
    let (apart, how) = match ours >= theirs {
        true => (ours.since(theirs), "ahead of"),
        false => (theirs.since(ours), "behind"),
    };
    let message = format!("{} {how} the server of `{name}`", HumanDuration::new(apart).rounded());
    match apart {
        _ if apart > CLOCK_WRONG => report.fail(Matter::Clock, message),
        _ if apart > CLOCK_ODD => report.warn(Matter::Clock, message),
        _ => report.good(Matter::Clock, format_args!("as that of the server of `{name}`")),
    }
}

/// Connects to the store.
pub(super) async fn store(options: &StoreOptions, report: &mut Report) {
    if matches!(options, StoreOptions::Memory(_)) {
        return report.good(Matter::Store, "memory: for one replica");
    }
    let store = match Store::start(options, Arc::new(SystemClock)) {
        Ok(store) => store,
        Err(why) => return report.fail(Matter::Store, why),
    };
    let waited = Stopwatch::start();
    while !store.health().up && waited.elapsed() < STORE_CONNECT_TIMEOUT + Duration::from_secs(1) {
        sleep(Duration::from_millis(50)).await;
    }
    let health = store.health();
    match (health.up, health.forgetful.filter(|_| !health.accepted)) {
        (true, None) => report.good(Matter::Store, health.kind),
        (true, Some(why)) => report.warn(Matter::Store, format_args!("{}: {why}", health.kind)),
        (false, _) => {
            report.fail(
                Matter::Store,
                format_args!("{} cannot be used: {}", health.kind, health.why),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P594: a clock that is wrong by more than issuers allow is an error, in either direction.
    #[test]
    fn clocks_that_differ_are_reported() {
        let found = |theirs: i64, ours: i64| {
            let mut report = Report::default();
            clock("a", UnixTime::from_secs(theirs), UnixTime::from_secs(ours), &mut report);
            let value = serde_json::to_value(report.json()).unwrap();
            let finding = &value["findings"][0];
            format!(
                "{} {}",
                finding["severity"].as_str().unwrap(),
                finding["detail"].as_str().unwrap()
            )
        };
        assert_eq!(found(1000, 1003), "ok as that of the server of `a`");
        assert_eq!(found(1000, 1010), "warning 10s ahead of the server of `a`");
        assert_eq!(found(1100, 1000), "error 1m40s behind the server of `a`");
    }
}
