//! The composition root: settings become a running server, and a running server ends in order.

mod audit;
mod component;
mod components;
mod core;
mod descriptors;
mod error;
mod observers;
mod signals;
mod signing;

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::admin::{self, AdminOptions, Pages, Readiness, RevocationApi};
use crate::audit::AuditTarget;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::envoy::{ListenAddress, Listener, Server, Stop, Tls};
use crate::reload::{ReloadStatus, Reloader};
use crate::telemetry::{LogLevel, Metrics};

use self::component::Component;
use self::components::{
    Audit, Components, DocumentsComponent, ListenerCertificate, ListenerPart, ProcessComponent,
    RevocationsComponent, SharedStore, StateFolderComponent, ThrottleComponent, Trust,
};
use self::core::Core;
use self::observers::Observers;

pub(crate) use self::components::{listener_certificate, trust_domain_health};
pub use self::error::StartError;
pub use self::signals::judge_signals;
pub use self::signing::judge_assertions;

/// A server that is bound and has everything that it decides by, and does not serve yet.
pub struct Bound {
    server: Server,
    reloader: Reloader,
    observers: Observers,
    components: Arc<Components>,
    admin: Option<(TcpListener, Pages)>,
    /// The signer, with the listener that publishes its keys beside the admin listener.
    signer: Option<signing::Publisher>,
}

impl Bound {
    /// Loads everything that `config` names and binds its addresses.
    ///
    /// # Errors
    /// The first thing that prevents the start; nothing is left behind.
    pub async fn build(config: &Config, log_level: LogLevel) -> Result<Self, StartError> {
        let core = Core::load(config)?;
        let tls = config.listener.tls.clone().map(Tls::load).transpose();
        let tls = tls.map_err(StartError::Settings)?.map(Arc::new);
        let address = &config.listener.address;
        let listener = Listener::bind(address, config.listener.socket).await;
        let listener = listener.map_err(StartError::listen(address.clone()))?;
        let observers = Observers::start(config)?;
        let service = observers.service(&core.pdp, config);
        let mut options = config.listener.clone();
        options.connections.max = descriptors::fit(options.connections.max, descriptors::raise())?;
        let server = Server { listener, tls, service, options };
        let readiness = Readiness::new(config.readiness);
        let parts = parts(&core, &server, &observers, log_level.clone());
        let components = Components { clock: Arc::new(SystemClock), parts, readiness };
        let components = Arc::new(components);
        components.register_metrics(&observers.metrics);
        let signer = match &core.signer {
            Some(signer) => Some(signing::publisher(config, Arc::clone(signer)).await?),
            None => None,
        };
        let admin = match &config.admin {
            Some(options) => {
                let revocations = revocation_api(&core, options)?;
                let metrics = Arc::clone(&observers.metrics);
                let pages =
                    pages(Arc::clone(&components), metrics, log_level, core.reloader.status());
                let key_set = core.signer.as_ref().map(signing::key_set_of);
                let pages = Pages { revocations, key_set, ..pages };
                let failed = StartError::listen(ListenAddress::Tcp(options.address));
                Some((TcpListener::bind(options.address).await.map_err(failed)?, pages))
            }
            None => None,
        };
        Ok(Self { server, reloader: core.reloader, observers, components, admin, signer })
    }

    /// The address that checks are answered on.
    ///
    /// # Errors
    /// The operating system's.
    pub fn address(&self) -> io::Result<ListenAddress> {
        self.server.listener.address()
    }

    /// The number of rules that ask for a peer.
    pub fn rules_with_peer(&self) -> usize {
        self.server.service.pdp().inspect(|snapshot| snapshot.policies().rules_with_peer())
    }

    /// Logs what is in force, in the one line that a person reads first.
    pub fn announce(&self, config: &Config) {
        let address = self.address().ok().map(|address| address.to_string());
        let admin = self.admin.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
        let admin = admin.map(|address| address.to_string());
        let targets = config.audit.iter().flat_map(|audit| &audit.targets);
        let audit = targets.map(AuditTarget::name).collect::<Vec<_>>().join(", ");
        let store = config.store.kind().as_str();
        self.server.service.pdp().inspect(|snapshot| {
            let trust = snapshot.trust();
            tracing::info!(
                address,
                admin,
                rules = snapshot.policies().rules().count(),
                revision = %snapshot.revision(),
                issuers = trust.issuers().iter().count(),
                trust_domains = trust.domains().iter().count(),
                audit,
                store,
                "listening"
            );
        });
    }

    /// A function to call when the audit file was moved away.
    pub fn audit_reopener(&self) -> impl Fn() + Send + 'static + use<> {
        let audit = self.observers.audit.clone();
        move || {
            if let Some(audit) = &audit {
                audit.reopen();
            }
        }
    }

    /// Serves until `stop` resolves. Then it refuses new work, finishes what is in flight and writes what was decided.
    pub async fn run(self, stop: impl Future<Output = Stop> + Send) {
        let reloading = tokio::spawn(self.reloader.run());
        let components = self.components;
        let starting = tokio::spawn(async move { components.become_ready().await });
        let admin = self.admin.map(|(listener, pages)| tokio::spawn(admin::serve(listener, pages)));
        let signing = self.signer.map(|signer| tokio::spawn(signing::keep(signer)));
        self.server.serve(stop).await;
        starting.abort();
        reloading.abort();
        if let Some(signing) = signing {
            signing.abort();
        }
        self.observers.close().await;
        // Last, so that metrics and readiness can be read during the drain.
        if let Some(admin) = admin {
            admin.abort();
        }
    }
}

/// The parts of the server, in the order in which an operator looks at them.
fn parts(
    core: &Core,
    server: &Server,
    observers: &Observers,
    log_level: LogLevel,
) -> Vec<Box<dyn Component>> {
    let (pdp, tls) = (&core.pdp, &server.tls);
    let reload = core.reloader.status();
    let (signer, exports) = (core.signer.clone(), observers.exports.clone());
    let audit = observers.audit.as_ref().map(|audit| audit.counts()).unwrap_or_default();
    let (status, address) = (server.service.status(), server.listener.address().ok());
    vec![
        Box::new(ProcessComponent { started: SystemClock.now(), log_level, exports, signer }),
        Box::new(ListenerPart { status, address, tls: tls.clone() }),
        Box::new(DocumentsComponent { pdp: Arc::clone(pdp), reload }),
        Box::new(Arc::clone(&core.keys)),
        Box::new(Arc::clone(&core.remote)),
        Box::new(Trust {
            pdp: Arc::clone(pdp),
            saved_lists: core.saved_lists.clone(),
            keys: Arc::clone(&core.keys),
        }),
        Box::new(SharedStore { store: Arc::clone(&core.store), pdp: Arc::clone(pdp) }),
        Box::new(RevocationsComponent(Arc::clone(pdp.revocations()))),
        Box::new(ThrottleComponent(Arc::clone(pdp))),
        Box::new(StateFolderComponent {
            keys: Arc::clone(&core.keys),
            remote: Arc::clone(&core.remote),
            pdp: Arc::clone(pdp),
            lists: core.saved_lists.clone(),
        }),
        Box::new(ListenerCertificate(tls.clone())),
        Box::new(Audit(audit)),
        Box::new(observers.caller_clocks()),
        Box::new(observers.anomalies()),
    ]
}

/// The pages of the admin listener.
fn pages(
    components: Arc<Components>,
    metrics: Arc<Metrics>,
    log_level: LogLevel,
    reload: Arc<ReloadStatus>,
) -> Pages {
    let (health, set_level) = (Arc::clone(&components), log_level.clone());
    Pages {
        metrics: Box::new(move || metrics.render()),
        status: Box::new(move || components.status()),
        components: Box::new(move || health.health()),
        log_level: Box::new(move || log_level.get()),
        set_log_level: Box::new(move |level| set_level.set(level)),
        confirm: Box::new(move |set| reload.confirm(set)),
        revocations: None,
        key_set: None,
    }
}

/// The revocation API, where it is configured.
fn revocation_api(
    core: &Core,
    options: &AdminOptions,
) -> Result<Option<RevocationApi>, StartError> {
    let Some(options) = options.revocations.clone() else { return Ok(None) };
    options.check().map_err(StartError::Revocations)?;
    Ok(Some(RevocationApi { pdp: Arc::clone(&core.pdp), options }))
}
