//! The decision point of a server, with all that keeps it fresh.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StartError;
use super::{signals, signing};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::pdp::{
    Fetcher, HttpsFetcher, KeyCache, Load, PacedFetcher, Pdp, RemoteFiles, SavedLists, Snapshot,
};
use crate::reload::{self, Reloader};
use crate::signer::Signer;
use crate::store::Store;
use crate::trust::KnownLists;

pub(super) struct Core {
    pub(super) pdp: Arc<Pdp>,
    pub(super) keys: Arc<KeyCache>,
    pub(super) remote: Arc<RemoteFiles>,
    pub(super) saved_lists: Option<Arc<SavedLists>>,
    pub(super) store: Arc<Store>,
    pub(super) signer: Option<Arc<Signer>>,
    pub(super) reloader: Reloader,
}

impl Core {
    /// Loads everything that decides and starts to fetch what has to be fetched. Call it within a tokio runtime.
    pub(super) fn load(config: &Config) -> Result<Self, StartError> {
        let saved_lists = config.state_folder.as_ref().map(|folder| folder.join("crls"));
        let saved_lists = saved_lists.map(|folder| Arc::new(SavedLists::new(folder)));
        let known =
            saved_lists.as_ref().map_or_else(KnownLists::default, |saved_lists| saved_lists.read());
        let load = Load::after_restart(&config.documents, &known);
        let clock = Arc::new(SystemClock);
        let fetcher: Arc<dyn Fetcher> = Arc::new(PacedFetcher::new(
            Arc::new(HttpsFetcher::through(&config.proxies)),
            &config.fetch,
        ));
        for variable in config.proxies.ignored() {
            tracing::warn!(
                variable,
                "names no proxy that can be used, and is ignored: expected one such as `http://proxy.example.com:3128`"
            );
        }
        let remote = RemoteFiles::new(clock.clone(), fetcher.clone());
        let folder = config.state_folder.as_ref().map(|folder| folder.join("files"));
        let remote = Arc::new(remote.saved_in(folder));
        let load = with_saved_files(load, &remote, &config.documents, &known);
        let Load { snapshot, problems, .. } = load.within(config.pdp.deadline);
        let Some(snapshot) = snapshot else { return Err(StartError::Documents(problems)) };
        reload::report(&problems);
        if snapshot.policies().rules().next().is_none() {
            tracing::error!(
                "no policy is loaded: every request is denied, and `/readyz` says not ready"
            );
        }
        if let Some(saved_lists) = &saved_lists {
            saved_lists.write(snapshot.trust().known_lists());
        }
        let files: Vec<PathBuf> = snapshot.files().map(Path::to_owned).collect();
        let store = Store::start(&config.store, clock.clone()).map_err(StartError::Store)?;
        let store = Arc::new(store);
        let keys = KeyCache::new(clock.clone(), fetcher);
        let keys = Arc::new(match &config.state_folder {
            Some(folder) => keys.saved_in(folder.clone()),
            None => keys,
        });
        let signer = signing::signer(config, &snapshot, clock.clone())?;
        signals::judge_signals(config, &snapshot)?;
        let shared = (Arc::clone(&keys), Arc::clone(&remote), Arc::clone(&store));
        let pdp = pdp(config, snapshot, shared, signer.as_ref());
        let (paths, followed) = (config.documents.clone(), Arc::clone(&remote));
        let reloader =
            Reloader::new(Arc::clone(&pdp), followed, paths, files, &problems, config.reload);
        let admin = config.admin.as_ref().map(|admin| admin.address);
        let reloader = reloader.confirmed_at(admin).saving(saved_lists.clone());
        Ok(Self { pdp, keys, remote, saved_lists, store, signer, reloader })
    }
}

/// The documents with the remote files that were saved before the start, if any: their servers may be away.
fn with_saved_files(
    load: Load,
    remote: &RemoteFiles,
    documents: &[PathBuf],
    known: &KnownLists,
) -> Load {
    let Some(snapshot) = &load.snapshot else { return load };
    remote.follow(snapshot.trust());
    if remote.newest().is_empty() {
        return load;
    }
    let read = |contents| Load::after_restart_with(documents, contents, known);
    reload::load(read, remote)
}

fn pdp(
    config: &Config,
    snapshot: Snapshot,
    (keys, remote, store): (Arc<KeyCache>, Arc<RemoteFiles>, Arc<Store>),
    signer: Option<&Arc<Signer>>,
) -> Arc<Pdp> {
    let revoked = config.state_folder.as_ref().map(|folder| folder.join("revocations"));
    let (clock, options) = (Arc::new(SystemClock), config.pdp.clone());
    let pdp = Pdp::with_state(revoked, snapshot, keys, clock, options);
    let pdp = pdp.asking(remote).sharing(Arc::clone(&store)).throttling(config.throttle);
    let pdp = match signer {
        Some(signer) => pdp.asserting(Arc::clone(signer)),
        None => pdp,
    };
    let pdp = match config.anomalies {
        Some(own) => pdp.remembering_uses(own.window.get()),
        None => pdp,
    };
    pdp.revocations().share(store, config.revocations.before_first_sync);
    Arc::new(pdp)
}
