//! The composition root: settings become a running server, and a running server ends in order.

mod bind;
mod error;
mod gauges;
mod parts;
mod records;
mod revocations;
mod signing;
mod status;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::admin::{self, Pages};
use crate::audit::AuditLog;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::envoy::{CheckService, ListenAddress, Server, Stop, Tls};
use crate::pdp::{HttpsFetcher, KeptLists, KeyCache, Load, Observer, Pdp, RemoteFiles};
use crate::reload::{self, Reloader};
use crate::signer::Signer;
use crate::store::Store;
use crate::telemetry::{Callers, ClockOffset, Exports, LogLevel, Metrics, Traces};
use crate::trust::KnownLists;

use self::bind::{bind, bind_admin};
use self::parts::Parts;

pub use self::error::StartError;

/// A server that is bound and has everything it decides by, and is not serving yet.
#[derive(Debug)]
pub struct Bound {
    server: Server,
    reloader: Reloader,
    audit: Option<Arc<AuditLog>>,
    traces: Option<Arc<Traces>>,
    metrics: Arc<Metrics>,
    admin: Option<(TcpListener, Pages)>,
    /// The signer, with where its keys are published beside the admin listener.
    signer: Option<signing::Publisher>,
}

/// Longest wait for the audit log's sink in the end. With the drain before it below the 30 s that Kubernetes gives.
const AUDIT_FLUSH: Duration = Duration::from_secs(3);

/// Longest wait for the collector after that.
const METRICS_FLUSH: Duration = Duration::from_secs(1);

/// What decides, and what keeps it fresh.
struct Core {
    pdp: Arc<Pdp>,
    keys: Arc<KeyCache>,
    remote: Arc<RemoteFiles>,
    kept: Option<Arc<KeptLists>>,
    store: Arc<Store>,
    signer: Option<Arc<Signer>>,
    reloader: Reloader,
}

// === impl Bound ===

impl Bound {
    /// Loads everything that `config` names and binds its addresses.
    ///
    /// # Errors
    /// The first thing that stands in the way; nothing is left behind.
    pub async fn build(config: &Config, log_level: LogLevel) -> Result<Self, StartError> {
        let core = Core::load(config)?;
        let tls = config.listener.tls.clone().map(Tls::load).transpose();
        let tls = tls.map_err(StartError::Tls)?.map(Arc::new);
        let listener = bind(&config.listener).await?;
        let otlp = config.otlp.as_ref();
        let exports = Exports::default();
        let audit = records::start(config, &exports)?;
        let metrics = Metrics::sent_to(otlp, &exports).map_err(StartError::Metrics)?;
        let metrics = Arc::new(metrics);
        let traces = otlp.map(|otlp| Traces::start(otlp, &exports)).transpose();
        let traces = traces.map_err(StartError::Metrics)?.map(Arc::new);
        let (callers, clock_offset) = (Arc::<Callers>::default(), Arc::<ClockOffset>::default());
        let mut observers: Vec<Arc<dyn Observer>> = vec![
            Arc::<Metrics>::clone(&metrics),
            Arc::<Callers>::clone(&callers),
            Arc::<ClockOffset>::clone(&clock_offset),
        ];
        observers.extend(
            traces.iter().map(|traces| -> Arc<dyn Observer> { Arc::<Traces>::clone(traces) }),
        );
        let service = CheckService::new(Arc::clone(&core.pdp), observers)
            .at_most(config.listener.concurrent_checks)
            .shown(config.listener.shown_headers.into())
            .finding_clients(config.listener.client_address.clone());
        let service = match &audit {
            Some(audit) => service.recorded_by(Arc::<AuditLog>::clone(audit)),
            None => service,
        };
        let parts = Arc::new(Parts {
            clock: Arc::new(SystemClock),
            started: SystemClock.now(),
            pdp: core.pdp,
            keys: core.keys,
            remote: core.remote,
            kept: core.kept,
            store: core.store,
            reload: core.reloader.status(),
            listener: service.status(),
            address: listener.address().ok(),
            tls: tls.clone(),
            audit: audit.as_ref().map(|audit| audit.counts()).unwrap_or_default(),
            callers,
            clock_offset,
            exports,
            log_level,
            signer: core.signer.clone(),
        });
        parts.watched_by(&metrics);
        let counted = Arc::clone(&metrics);
        let signer = match core.signer {
            Some(signer) => Some(signing::publisher(config, signer).await?),
            None => None,
        };
        let admin = match &config.admin {
            Some(options) => {
                let revocations = parts.revocation_api(options).map_err(StartError::Revocations)?;
                let pages = Pages { revocations, ..parts.pages(metrics) };
                Some((bind_admin(options.address).await?, pages))
            }
            None => None,
        };
        let server = Server { listener, tls, service, options: config.listener.clone() };
        let (reloader, metrics) = (core.reloader, counted);
        Ok(Self { server, reloader, audit, traces, metrics, admin, signer })
    }

    /// The address that checks are answered on.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn address(&self) -> io::Result<ListenAddress> {
        self.server.listener.address()
    }

    /// What is called when somebody has moved the audit file away.
    pub fn audit_reopener(&self) -> impl Fn() + Send + 'static + use<> {
        let audit = self.audit.clone();
        move || {
            if let Some(audit) = &audit {
                audit.reopen();
            }
        }
    }

    /// Serves until `stop` resolves; then refuses new work, finishes what is in flight and writes what was decided.
    pub async fn run(self, stop: impl Future<Output = Stop> + Send) {
        let reloading = tokio::spawn(self.reloader.run());
        let admin = self.admin.map(|(listener, pages)| tokio::spawn(admin::serve(listener, pages)));
        let signing = self.signer.map(|signer| tokio::spawn(signing::keep(signer)));
        self.server.serve(stop).await;
        reloading.abort();
        if let Some(signing) = signing {
            signing.abort();
        }
        let traces = async {
            if let Some(traces) = self.traces {
                // Waits, for a bounded time of its own.
                let _ = tokio::task::spawn_blocking(move || traces.close()).await;
            }
        };
        let audit = async {
            if let Some(audit) = self.audit {
                close(audit).await;
            }
        };
        tokio::join!(traces, audit);
        // After them, so that what they lost is counted.
        let metrics = tokio::task::spawn_blocking(move || self.metrics.close());
        if tokio::time::timeout(METRICS_FLUSH, metrics).await.is_err() {
            tracing::warn!("the collector stalls: the last metrics are lost");
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
        let kept = config.state_folder.as_ref().map(|folder| folder.join("crls"));
        let kept = kept.map(|folder| Arc::new(KeptLists::new(folder)));
        let known = kept.as_ref().map_or_else(KnownLists::default, |kept| kept.read());
        let Load { snapshot, problems, .. } = Load::after_restart(&config.documents, &known);
        let Some(snapshot) = snapshot else { return Err(StartError::Documents(problems)) };
        reload::report(&problems);
        if snapshot.policies().rules().next().is_none() {
            tracing::error!(
                "no policy is loaded: every request is denied, and `/readyz` says not ready"
            );
        }
        if let Some(kept) = &kept {
            kept.write(snapshot.trust().known_lists());
        }
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
        let store = Arc::new(store);
        let signer = signing::signer(config, &snapshot, clock.clone())?;
        let revoked = config.state_folder.as_ref().map(|folder| folder.join("revocations"));
        let options = config.pdp.clone();
        let pdp = Pdp::with_state(revoked, snapshot, Arc::clone(&keys), clock, options);
        let pdp = pdp.sharing(Arc::clone(&store));
        let pdp = Arc::new(match &signer {
            Some(signer) => pdp.asserting(Arc::clone(signer)),
            None => pdp,
        });
        pdp.revocations().share(Arc::clone(&store), config.revocations.before_first_sync);
        let (paths, followed) = (config.documents.clone(), Arc::clone(&remote));
        let reloader =
            Reloader::new(Arc::clone(&pdp), followed, paths, &files, &problems, config.reload)
                .map_err(StartError::Watch)?;
        let admin = config.admin.as_ref().map(|admin| admin.address);
        let reloader = reloader.confirmed_at(admin).keeping(kept.clone());
        Ok(Self { pdp, keys, remote, kept, store, signer, reloader })
    }
}

/// Writes what was decided, for as long as that may take: a sink that stalls must not keep the process.
async fn close(audit: Arc<AuditLog>) {
    let (log, closed) = (Arc::clone(&audit), AUDIT_FLUSH);
    // The wait is blocking; where it takes too long its thread is left behind, and ends with the process.
    let closing = tokio::task::spawn_blocking(move || log.close());
    if tokio::time::timeout(closed, closing).await.is_err() {
        tracing::warn!("the audit log's sink stalls: what waited for it is lost");
    }
    for (sink, counts) in audit.counts() {
        let dropped = counts.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(sink, dropped, "audit records were lost");
        }
    }
}
