//! The key sets of issuers that publish theirs at an address: fetched in the background, never once per request.
//!
//! One task per source fetches, so there is one flight at a time; requests only ever look, or ask the task to look again.

mod asks;
mod entry;
mod load;
mod state;

pub use entry::KeyStatus;
pub use load::{FirstSeen, KnownVersions, LastGood, LoadError, Loaded, last_good, load};

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;

use crate::authn::{SignedToken, TokenCache};
use crate::clock::{Clock, Deadline};
use crate::evidence::PresentedToken;
use crate::pdp::fetch::Fetcher;
use crate::pdp::follow::RefreshTask;
use crate::pdp::keys::entry::{FollowedKeys, Need, Shared};
use crate::pdp::keys::load::address;
use crate::pdp::state_files::StateFiles;
use crate::sync::lock;
use crate::trust::{
    Algorithm, Issuer, KeySet, KeySource, Material, Outdated, RemoteKeys, TrustStore,
};

/// Key sets by their source. Outlives the snapshots: keys stay while their address, issuer and purpose do.
pub struct KeyCache {
    clock: Arc<dyn Clock>,
    fetcher: Arc<dyn Fetcher>,
    files: Option<Arc<StateFiles>>,
    entries: Mutex<Vec<KeyCacheEntry>>,
    /// How many fetches have begun.
    fetches: Arc<AtomicU64>,
}

/// One source. Nothing follows it where only requests need it that began before.
struct KeyCacheEntry {
    shared: Arc<Shared>,
    task: Option<RefreshTask>,
}

/// The last good keys of several sources, by what they are.
struct AtHand(BTreeMap<String, Vec<(Arc<RemoteKeys>, LastGood)>>);

impl KeyCache {
    /// An empty cache. [`KeyCache::follow`] fills it.
    pub fn new(clock: Arc<dyn Clock>, fetcher: Arc<dyn Fetcher>) -> Self {
        let (files, entries, fetches) = (None, Mutex::default(), Arc::default());
        Self { clock, fetcher, files, entries, fetches }
    }

    /// This cache with a folder where the last good keys outlive a restart.
    #[must_use]
    pub fn saved_in(mut self, folder: PathBuf) -> Self {
        self.files = Some(Arc::new(StateFiles::new(folder)));
        self
    }

    /// The folder, where there is one.
    pub fn state_files(&self) -> Option<&StateFiles> {
        self.files.as_deref()
    }

    /// The fetcher, for others that ask the same hosts.
    pub const fn fetcher(&self) -> &Arc<dyn Fetcher> {
        &self.fetcher
    }

    /// Follows the sources in `trust` from now on: new ones are fetched in the background, and begin with the last good keys where
    /// only the way to fetch them is new. Of sources of the same keys, whose server is known in the same way, the one that was asked
    /// last has them: one that has others begins again (P670). Requests that still hold the `previous` snapshot are served to their
    /// end. Called within a tokio runtime, before the new snapshot is published.
    pub fn follow(&self, trust: &TrustStore, previous: Option<&TrustStore>) {
        let mut entries = lock(&self.entries);
        let at_hand = AtHand::of(&entries);
        let newest = |source: &RemoteKeys| at_hand.newest(source, |own| own.trusts_like(source));
        let stays = |entry: &KeyCacheEntry| {
            entry.task.is_some()
                && sources(trust).any(|(_, own)| entry.shared.serves(own))
                && entry.shared.catches_up(newest(&entry.shared.source))
        };
        let (stay, mut before): (Vec<_>, Vec<_>) = entries.drain(..).partition(stays);
        *entries = stay;
        let replaced = AtHand::of(&before);
        entries.iter().for_each(|entry| lock(&entry.shared.issuers).clear());
        for (issuer, source) in sources(trust) {
            if !entries.iter().any(|entry| entry.shared.serves(source)) {
                let first = newest(source).or_else(|| replaced.newest(source, |_| true));
                entries.push(self.start(source, first.cloned()));
            }
            let own = entries.iter().find(|entry| entry.shared.serves(source));
            own.into_iter().for_each(|own| lock(&own.shared.issuers).push(issuer.id.clone()));
        }
        let held = |entry: &KeyCacheEntry| {
            previous.is_some_and(|trust| sources(trust).any(|(_, own)| entry.shared.serves(own)))
        };
        before.retain(held);
        for old in before {
            lock(&old.shared.issuers).clear();
            entries.push(KeyCacheEntry { task: None, ..old });
        }
    }

    fn start(&self, source: &Arc<RemoteKeys>, newest: Option<LastGood>) -> KeyCacheEntry {
        let (files, clock) = (self.files.clone(), Arc::clone(&self.clock));
        let shared = Shared::new(source, newest, files, clock, Arc::clone(&self.fetches));
        let (shared, fetcher) = (Arc::new(shared), Arc::clone(&self.fetcher));
        let followed =
            FollowedKeys { shared: Arc::clone(&shared), fetcher, known: KnownVersions::default() };
        let task = Some(RefreshTask::start(&shared.refresh_state, followed));
        KeyCacheEntry { shared, task }
    }

    /// The key sets that `tokens` need and that are not in `trust` itself.
    ///
    /// Waits, for `patience` at most in all, only where there are no keys yet, or where a token names an unknown key and the issuer
    /// may be asked again. A token that `memory` knows is not read for it.
    pub async fn gather(
        &self,
        tokens: &[PresentedToken],
        trust: &TrustStore,
        memory: &dyn TokenCache,
        patience: Duration,
    ) -> Material {
        let mut material = Material::default();
        let mut deadline = None;
        for token in tokens {
            let known = memory.lookup(&token.fingerprint).filter(|known| known.is(token));
            if known.is_some_and(|known| self.add_remembered(&known, trust, &mut material)) {
                continue;
            }
            let key_id = token.jws().ok().and_then(|jws| jws.header.key_id.as_deref());
            let issuers = issuers_of(token, trust);
            // A key of one source is not looked for at the others of its issuer, and one that is denied at none.
            let is_settled = |issuer: &Issuer| {
                let mut parts = issuers.iter().filter(|part| part.name == issuer.name);
                key_id.is_some_and(|id| issuer.denies_key(id))
                    || parts.any(|part| self.keys_of(part).is_some_and(|keys| has(&keys, key_id)))
            };
            let asked = issuers.iter().copied().filter_map(remote);
            let asked = asked.filter_map(|(own, source)| Some((own, self.find(source)?)));
            let waits = asked.map(|(issuer, shared)| {
                let left = (!is_settled(issuer))
                    .then(|| deadline.get_or_insert_with(|| Deadline::within(patience)).left());
                async move {
                    let pending = match left {
                        Some(left) => shared.wait(Need::Key(key_id), left).await,
                        None => false,
                    };
                    (issuer, shared, pending)
                }
            });
            for (issuer, shared, pending) in join_all(waits.collect::<Vec<_>>()).await {
                take(&mut material, issuer, &shared, key_id, pending);
            }
            issuers.iter().for_each(|issuer| self.add_others(issuer, trust, &mut material));
        }
        material
    }

    /// The same for `tokens` that do not verify with the keys in `material`, where the issuer may be asked whether it has replaced
    /// one under its name: `None` where no key set is another one. Waits for `patience` at most in all.
    pub async fn gather_changed(
        &self,
        tokens: &[PresentedToken],
        trust: &TrustStore,
        material: &Material,
        patience: Duration,
    ) -> Option<Material> {
        let (mut fresh, mut changed) = (material.clone(), false);
        let deadline = Deadline::within(patience);
        for token in tokens {
            let Ok(jws) = token.jws() else { continue };
            let key_id = jws.header.key_id.as_deref();
            let algorithm = Algorithm::named(&jws.header.algorithm);
            let issuers = issuers_of(token, trust).into_iter().filter_map(remote);
            for (issuer, source) in issuers {
                if !algorithm.is_some_and(|own| issuer.allows_algorithm(own)) {
                    continue;
                }
                let keys = material.keys(&issuer.id).filter(|keys| has(keys, key_id));
                let (Some(keys), Some(shared)) = (keys, self.find(source)) else { continue };
                let pending = shared.wait(Need::Change, deadline.left()).await;
                take(&mut fresh, issuer, &shared, key_id, pending);
                let now = fresh.keys(&issuer.id).map(|keys| keys.revision());
                changed = changed || pending || now != Some(keys.revision());
            }
        }
        changed.then_some(fresh)
    }

    /// How the keys of every issuer are doing.
    pub fn status(&self) -> Vec<KeyStatus> {
        lock(&self.entries).iter().flat_map(|entry| entry.shared.status()).collect()
    }

    /// Waits until every address has been asked at least once, well or badly: what a start may want to wait for.
    pub async fn settled(&self) {
        let all: Vec<_> = {
            let entries = lock(&self.entries);
            let followed = entries.iter().filter(|entry| entry.task.is_some());
            followed.map(|entry| entry.shared.refresh_state.ended()).collect()
        };
        for mut ended in all {
            // An error means that the address is no longer followed.
            let _ = ended.wait_for(|count| *count > 0).await;
        }
    }

    /// Has every task look at the clock again.
    pub fn recheck(&self) {
        lock(&self.entries).iter().for_each(|entry| entry.shared.refresh_state.recheck());
    }

    /// Adds the keys that verified a remembered token, where they are in force: else it is read as if it were new, since its key may be
    /// at another source by now (P494).
    fn add_remembered(
        &self,
        known: &SignedToken,
        trust: &TrustStore,
        material: &mut Material,
    ) -> bool {
        let Some(issuer) = trust.issuer(known.issuer_id()) else { return false };
        let keys = self.keys_of(issuer).filter(|keys| known.is_by(keys));
        let Some(keys) = keys else { return false };
        if remote(issuer).is_some() {
            material.insert(&issuer.id, keys);
        }
        self.add_others(issuer, trust, material);
        true
    }

    /// Adds the other key sets of the document of `issuer` by whose names a key may be revoked or denied, as they are now (P493).
    fn add_others(&self, issuer: &Issuer, trust: &TrustStore, material: &mut Material) {
        let counts = |own: &&Issuer| own.iss == issuer.iss || issuer.denies_keys();
        let parts = trust.issuers().iter().filter(|own| own.name == issuer.name);
        let others = parts.filter(|own| own.id != issuer.id).filter(counts);
        for other in others.filter(|own| remote(own).is_some()) {
            if material.keys(&other.id).is_none()
                && let Some(keys) = self.keys_of(other)
            {
                material.insert(&other.id, keys);
            }
        }
    }

    /// The keys of `issuer` as they are now.
    fn keys_of(&self, issuer: &Issuer) -> Option<Arc<KeySet>> {
        match &issuer.keys {
            KeySource::Local(keys) => Some(Arc::clone(keys)),
            KeySource::Remote(source) => self.find(source)?.keys(),
            KeySource::Introspected(_) => None,
        }
    }

    fn find(&self, source: &Arc<RemoteKeys>) -> Option<Arc<Shared>> {
        let entries = lock(&self.entries);
        let entry = entries.iter().find(|entry| entry.shared.serves(source))?;
        Some(Arc::clone(&entry.shared))
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache").finish_non_exhaustive()
    }
}

impl AtHand {
    fn of(entries: &[KeyCacheEntry]) -> Self {
        let mut sets: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for shared in entries.iter().map(|entry| &entry.shared) {
            if let Some(held) = shared.held() {
                let source = Arc::clone(&shared.source);
                sets.entry(address(&source)).or_default().push((source, held));
            }
        }
        Self(sets)
    }

    /// The set of `source` that was asked for last, of those whose sources count.
    fn newest(
        &self,
        source: &RemoteKeys,
        counts: impl Fn(&RemoteKeys) -> bool,
    ) -> Option<&LastGood> {
        let sets = self.0.get(&address(source))?.iter();
        sets.filter(|(own, _)| counts(own)).map(|(_, held)| held).max_by_key(|held| held.fetch)
    }
}

/// Adds the keys of `issuer` as they are now, and notes where it may have others.
fn take(
    material: &mut Material,
    issuer: &Issuer,
    shared: &Shared,
    key_id: Option<&str>,
    pending: bool,
) {
    let Some(keys) = shared.keys() else {
        if !shared.was_fetched() {
            material.note_outdated(&issuer.id, Outdated::Missing);
        }
        if let Some(why) = shared.refresh_state.schedule().error() {
            material.note_failure(&issuer.id, why);
        }
        return;
    };
    if pending {
        material.note_outdated(&issuer.id, Outdated::Pending);
    } else if !has(&keys, key_id) && shared.is_failing() {
        material.note_outdated(&issuer.id, Outdated::Failing);
    }
    material.insert(&issuer.id, keys);
}

/// True if the set has the key that a token names; one that names none has no use for others.
fn has(keys: &KeySet, key_id: Option<&str>) -> bool {
    key_id.is_none_or(|id| keys.has(id))
}

/// Issuers in `trust` that `token` may be from.
fn issuers_of<'a>(token: &'a PresentedToken, trust: &'a TrustStore) -> Vec<&'a Issuer> {
    let named = trust.issuers_named(token.claimed_issuer(), token.claimed_subject());
    named.filter(|issuer| issuer.places.contains(&token.place)).collect()
}

/// An issuer whose keys have to be fetched, with where.
fn remote(issuer: &Issuer) -> Option<(&Issuer, &Arc<RemoteKeys>)> {
    match &issuer.keys {
        KeySource::Remote(source) => Some((issuer, source)),
        KeySource::Local(_) | KeySource::Introspected(_) => None,
    }
}

fn sources(trust: &TrustStore) -> impl Iterator<Item = (&Issuer, &Arc<RemoteKeys>)> {
    trust.issuers().iter().filter_map(remote)
}

#[cfg(test)]
mod tests;
