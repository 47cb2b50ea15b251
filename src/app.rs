//! The composition root: settings become a running server, and a running server ends in order.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;

use crate::admin::{self, Pages};
use crate::audit::AuditLog;
use crate::clock::{SystemClock, UnixTime};
use crate::config::Config;
use crate::document::Diagnostic;
use crate::envoy::{
    CheckService, ListenAddress, Listener, ListenerOptions, ListenerStatus, Server, Stop, Tls,
};
use crate::pdp::{
    HttpsFetcher, KeyCache, KeyStatus, Load, Observer, Pdp, RemoteFiles, RemoteStatus,
};
use crate::reload::{self, ReloadStatus, Reloader};
use crate::store::{Store, StoreHealth};
use crate::telemetry::Metrics;

/// A server that is bound and has everything it decides by, and is not serving yet.
#[derive(Debug)]
pub struct Bound {
    server: Server,
    reloader: Reloader,
    audit: Option<Arc<AuditLog>>,
    admin: Option<(TcpListener, Pages)>,
}

/// Longest wait for the audit log's sink in the end. With the drain before it below the 30 s that Kubernetes gives.
const AUDIT_FLUSH: Duration = Duration::from_secs(3);

/// What decides, and what keeps it fresh.
struct Core {
    pdp: Arc<Pdp>,
    keys: Arc<KeyCache>,
    remote: Arc<RemoteFiles>,
    store: Arc<Store>,
    reloader: Reloader,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The documents have errors; nothing is served by half of them.
    #[error("the documents have errors")]
    Documents(Vec<Diagnostic>),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: ListenAddress,
        /// What the operating system says.
        source: io::Error,
    },
    /// The listener's certificates cannot be used.
    #[error("{0}")]
    Tls(String),
    /// The shared store cannot be used as it is set up.
    #[error("cannot set up the store: {0}")]
    Store(String),
    /// The audit log cannot be opened.
    #[error("cannot open the audit log: {0}")]
    Audit(io::Error),
    /// Files cannot be watched.
    #[error("cannot watch the documents: {0}")]
    Watch(io::Error),
    /// The instruments cannot be set up.
    #[error("cannot set up metrics: {0}")]
    Metrics(String),
}

// === impl Bound ===

impl Bound {
    /// Loads everything that `config` names and binds its addresses.
    ///
    /// # Errors
    /// The first thing that stands in the way; nothing is left behind.
    pub async fn build(config: &Config) -> Result<Self, StartError> {
        let core = Core::load(config)?;
        let tls = config.listener.tls.clone().map(Tls::load).transpose();
        let tls = tls.map_err(StartError::Tls)?.map(Arc::new);
        let listener = bind(&config.listener).await?;
        let audit =
            config.audit.as_ref().map(AuditLog::start).transpose().map_err(StartError::Audit)?;
        let audit = audit.map(Arc::new);
        let metrics = metrics(audit.as_ref(), &core.reloader.status())?;
        watch_store(&metrics, &core.store);
        let pdp = Arc::clone(&core.pdp);
        let help = "XFCC keys passed over because they are not known here";
        metrics
            .watch_counter("countersign.xfcc.unknown.keys", help, move || pdp.unknown_xfcc_keys());
        let admin = match config.admin {
            Some(options) => Some((bind_admin(options.address).await?, core.pages(&metrics))),
            None => None,
        };
        let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::<Metrics>::clone(&metrics)];
        observers.extend(audit.iter().map(observer));
        let service =
            CheckService::new(core.pdp, observers).at_most(config.listener.concurrent_checks);
        watch_listener(&metrics, &service.status());
        let server = Server { listener, tls, service, options: config.listener.clone() };
        Ok(Self { server, reloader: core.reloader, audit, admin })
    }

    /// The address that checks are answered on.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn address(&self) -> io::Result<ListenAddress> {
        self.server.listener.address()
    }

    /// Serves until `stop` resolves; then refuses new work, finishes what is in flight and writes what was decided.
    pub async fn run(self, stop: impl Future<Output = Stop> + Send) {
        let reloading = tokio::spawn(self.reloader.run());
        let admin = self.admin.map(|(listener, pages)| tokio::spawn(admin::serve(listener, pages)));
        self.server.serve(stop).await;
        reloading.abort();
        if let Some(audit) = self.audit {
            close(audit).await;
        }
        // Last, so that metrics and readiness can be read while the drain goes on.
        if let Some(admin) = admin {
            admin.abort();
        }
    }
}

// === impl Core ===

impl Core {
    /// Everything that decides, within a tokio runtime: what has to be fetched is begun to be.
    fn load(config: &Config) -> Result<Self, StartError> {
        let Load { snapshot, problems, .. } = Load::from_paths(&config.documents);
        let Some(snapshot) = snapshot else { return Err(StartError::Documents(problems)) };
        reload::report(&problems);
        let files: Vec<PathBuf> = snapshot.files().map(Path::to_owned).collect();
        let (clock, fetcher) = (Arc::new(SystemClock), Arc::new(HttpsFetcher));
        let store = Store::start(&config.store, clock.clone()).map_err(StartError::Store)?;
        let remote = Arc::new(RemoteFiles::new(clock.clone(), fetcher.clone()));
        remote.follow(snapshot.trust());
        let keys = KeyCache::new(clock.clone(), fetcher);
        let keys = Arc::new(match &config.state_folder {
            Some(folder) => keys.kept_in(folder.clone()),
            None => keys,
        });
        let pdp = Arc::new(Pdp::new(snapshot, Arc::clone(&keys), clock, config.pdp.clone()));
        let (paths, followed) = (config.documents.clone(), Arc::clone(&remote));
        let reloader =
            Reloader::new(Arc::clone(&pdp), followed, paths, &files).map_err(StartError::Watch)?;
        Ok(Self { pdp, keys, remote, store: Arc::new(store), reloader })
    }

    fn pages(&self, metrics: &Arc<Metrics>) -> Pages {
        let metrics = Arc::clone(metrics);
        let (pdp, reload) = (Arc::clone(&self.pdp), self.reloader.status());
        let (keys, remote) = (Arc::clone(&self.keys), Arc::clone(&self.remote));
        let (needed_keys, needed_files) = (Arc::clone(&keys), Arc::clone(&remote));
        let (store, needed_store) = (Arc::clone(&self.store), Arc::clone(&self.store));
        Pages {
            metrics: Box::new(move || metrics.render()),
            status: Box::new(move || {
                json!({
                    "version": env!("CARGO_PKG_VERSION"),
                    "revision": pdp.revision().as_str(),
                    "documents_stale": reload.stale.load(Ordering::Relaxed),
                    "keys": keys.status().iter().map(key_status).collect::<Vec<_>>(),
                    "store": store_status(&store.health()),
                    "remote_files": remote.status().iter().map(file_status).collect::<Vec<_>>(),
                })
            }),
            unready: Box::new(move || {
                let mut unready = unready(&needed_keys, &needed_files);
                unready.extend(unready_store(&needed_store.health()));
                unready
            }),
        }
    }
}

async fn bind(options: &ListenerOptions) -> Result<Listener, StartError> {
    let address = &options.address;
    Listener::bind(address, options.socket)
        .await
        .map_err(|source| StartError::Listen { address: address.clone(), source })
}

/// Writes what was decided, for as long as that may take: a sink that stalls must not keep the process.
async fn close(audit: Arc<AuditLog>) {
    let (log, closed) = (Arc::clone(&audit), AUDIT_FLUSH);
    // The wait is blocking; where it takes too long its thread is left behind, and ends with the process.
    let closing = tokio::task::spawn_blocking(move || log.close());
    if tokio::time::timeout(closed, closing).await.is_err() {
        tracing::warn!("the audit log's sink stalls: what waited for it is lost");
    }
    match audit.dropped() {
        0 => {}
        dropped => tracing::warn!(dropped, "audit records were dropped"),
    }
}

async fn bind_admin(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address: ListenAddress::Tcp(address), source })
}

fn observer(log: &Arc<AuditLog>) -> Arc<dyn Observer> {
    Arc::<AuditLog>::clone(log)
}

fn metrics(
    audit: Option<&Arc<AuditLog>>,
    reload: &Arc<ReloadStatus>,
) -> Result<Arc<Metrics>, StartError> {
    let metrics = Metrics::new().map_err(StartError::Metrics)?;
    if let Some(audit) = audit.map(Arc::clone) {
        let help = "Decision records that were dropped because the sink was too slow";
        metrics.watch_counter("countersign.audit.records.dropped", help, move || audit.dropped());
    }
    let status = Arc::clone(reload);
    let help = "Sets of documents put in force since the start";
    metrics.watch_counter("countersign.reloads.applied", help, move || {
        status.applied.load(Ordering::Relaxed)
    });
    let status = Arc::clone(reload);
    let help = "Sets of documents refused since the start";
    metrics.watch_counter("countersign.reloads.refused", help, move || {
        status.refused.load(Ordering::Relaxed)
    });
    let status = Arc::clone(reload);
    let help = "1 while the files have errors and the last good documents stay in force";
    metrics.watch_gauge("countersign.documents.stale", help, move || {
        u64::from(status.stale.load(Ordering::Relaxed))
    });
    Ok(Arc::new(metrics))
}

fn watch_store(metrics: &Metrics, store: &Arc<Store>) {
    let watched = Arc::clone(store);
    let help = "1 while the shared store answers";
    metrics.watch_gauge("countersign.store.up", help, move || u64::from(watched.health().up));
    let watched = Arc::clone(store);
    let help = "How often the shared store was lost since the start";
    metrics.watch_counter("countersign.store.losses", help, move || watched.health().losses);
}

fn watch_listener(metrics: &Metrics, status: &Arc<ListenerStatus>) {
    type Read = fn(&ListenerStatus) -> &AtomicU64;
    let gauges: [(_, _, Read); 2] = [
        ("countersign.connections", "Connections that are open", |status| &status.connections),
        ("countersign.checks.in_flight", "Checks that are being decided", |status| &status.checks),
    ];
    let counters: [(_, _, Read); 3] = [
        ("countersign.connections.accepted", "Connections taken", |status| &status.accepted),
        (
            "countersign.connections.refused",
            "Connections turned away: too many, no admitted certificate, or no handshake in time",
            |status| &status.refused,
        ),
        (
            "countersign.connections.aged",
            "Connections asked to end because of their age",
            |status| &status.aged,
        ),
    ];
    for (name, help, read) in gauges {
        let status = Arc::clone(status);
        metrics.watch_gauge(name, help, move || read(&status).load(Ordering::Relaxed));
    }
    for (name, help, read) in counters {
        let status = Arc::clone(status);
        metrics.watch_counter(name, help, move || read(&status).load(Ordering::Relaxed));
    }
}

fn key_status(status: &KeyStatus) -> serde_json::Value {
    json!({
        "origin": status.origin,
        "usable": status.keys.is_some(),
        "fetched_at": status.fetched_at.map(UnixTime::as_secs),
        "next_fetch": status.next_fetch.as_secs(),
        "failures": status.failures,
    })
}

fn file_status(status: &RemoteStatus) -> serde_json::Value {
    json!({
        "origin": status.origin,
        "fetched_at": status.fetched_at.map(UnixTime::as_secs),
        "failures": status.failures,
    })
}

fn store_status(health: &StoreHealth) -> serde_json::Value {
    json!({
        "kind": health.kind,
        "up": health.up,
        "since": health.since.as_secs(),
        "losses": health.losses,
        "why": health.why,
    })
}

/// A store that was lost does not make a replica unready: all replicas would be so at once, and most requests do not need it.
fn unready_store(health: &StoreHealth) -> Option<String> {
    (!health.was_up).then(|| format!("no connection to the shared store yet: {}", health.why))
}

/// Every issuer's keys and every remote file have to be there once before requests are sent here.
fn unready(keys: &KeyCache, files: &RemoteFiles) -> Vec<String> {
    let keys = keys.status().into_iter().filter(|status| status.keys.is_none());
    let keys = keys.map(|status| format!("no usable keys from {}", status.origin));
    let files = files.status().into_iter().filter(|status| status.fetched_at.is_none());
    keys.chain(files.map(|status| format!("no remote file from {}", status.origin))).collect()
}
