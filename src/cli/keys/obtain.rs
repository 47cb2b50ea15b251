//! Gets the keys of one issuer: from the documents, from where they are published, or from what a server has saved.

use std::sync::Arc;
use std::time::Duration;

use super::common::Common;
use crate::cli::documents::Progress;
use crate::clock::{Stopwatch, UnixTime};
use crate::config::standard_proxies;
use crate::pdp::{HttpsFetcher, KnownVersions, LastGood, last_good, load_keys, refresh_after};
use crate::trust::{Issuer, KeySet, KeySource, RemoteKeys};

/// Keys, with where they came from.
#[derive(Debug)]
pub(super) struct Obtained {
    /// The keys that a server would use, if any.
    pub(super) keys: Option<Arc<KeySet>>,
    pub(super) origin: KeyPlace,
    /// The last good keys that a server has saved.
    pub(super) saved: Option<LastGood>,
    /// When a server fetches them again: the server that saved them if it recorded that, else one that starts now.
    pub(super) next_fetch: Option<UnixTime>,
}

/// The place that keys came from.
#[derive(Debug)]
pub(super) enum KeyPlace {
    /// They are in the documents or beside them.
    Documents,
    /// They were fetched just now.
    Fetched { address: String, took: Duration, max_age: Option<Duration> },
    /// They could not be fetched, or `--offline` was given; saved keys are used while they are young enough.
    NotFetched { address: String, why: String },
    /// There are no keys: the issuer is asked about every token.
    Introspected { address: String },
}

/// Gets the keys of `issuer` in the way that `common` asks for.
pub(super) async fn obtain(issuer: &Issuer, common: &Common, now: UnixTime) -> Obtained {
    match &issuer.keys {
        KeySource::Local(keys) => {
            let keys = Some(Arc::clone(keys));
            Obtained { keys, origin: KeyPlace::Documents, saved: None, next_fetch: None }
        }
        KeySource::Introspected(endpoint) => {
            let origin = KeyPlace::Introspected { address: endpoint.url.to_string() };
            Obtained { keys: None, origin, saved: None, next_fetch: None }
        }
        KeySource::Remote(source) => remote(source, common, now).await,
    }
}

async fn remote(source: &RemoteKeys, common: &Common, now: UnixTime) -> Obtained {
    let address = source.url.to_string();
    let saved = common.state_folder.as_deref().and_then(|folder| last_good(folder, source));
    let planned = saved.as_ref().and_then(|saved| saved.next_fetch);
    let fetched = if common.offline {
        Err(String::from("`--offline` was given"))
    } else {
        let progress = Progress::begin(&address);
        let stopwatch = Stopwatch::start();
        let fetcher = HttpsFetcher::through(&Arc::new(standard_proxies()));
        let loaded = load_keys(source, &fetcher, &mut KnownVersions::default(), None).await;
        drop(progress);
        loaded.map(|loaded| (loaded, stopwatch.elapsed())).map_err(|error| error.to_string())
    };
    match fetched {
        Ok((loaded, took)) => {
            let max_age = loaded.max_age;
            let keys = loaded.keys.map(|(keys, _)| Arc::new(keys));
            let origin = KeyPlace::Fetched { address, took, max_age };
            let next = || now.plus(refresh_after(source.refresh, max_age));
            let next_fetch = planned.unwrap_or_else(next);
            Obtained { keys, origin, saved, next_fetch: Some(next_fetch) }
        }
        Err(why) => {
            let young = |at: UnixTime| now < at.plus(source.max_stale);
            let usable = saved.as_ref().filter(|saved| young(saved.fetched_at));
            let keys = usable.map(|saved| Arc::clone(&saved.keys));
            let origin = KeyPlace::NotFetched { address, why };
            Obtained { keys, origin, saved, next_fetch: planned }
        }
    }
}
