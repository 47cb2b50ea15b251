//! Every setting of a server, from what the layers say together.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ConfigError;
use super::load::{Overrides, layered, read, standard_proxies};
use super::raw::RawConfig;
use crate::admin::{AdminOptions, ReadinessOptions};
use crate::audit::AuditOptions;
use crate::envoy::ListenerOptions;
use crate::pdp::{FetchOptions, PdpOptions, Proxies, RevocationOptions, ThrottleOptions};
use crate::reload::ReloadOptions;
use crate::signer::AssertionOptions;
use crate::store::StoreOptions;
use crate::telemetry::{AnomalyOptions, LogOptions, OtlpOptions};

/// Every setting of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// How Envoy reaches us.
    pub listener: ListenerOptions,
    /// Files and folders of documents.
    pub documents: Vec<PathBuf>,
    /// When changed files are put in force.
    pub reload: ReloadOptions,
    /// The targets of decision records; `None` keeps none.
    pub audit: Option<AuditOptions>,
    /// The addresses at which operators reach us; `None` where they do not.
    pub admin: Option<AdminOptions>,
    /// When a server that has just started is ready.
    pub readiness: ReadinessOptions,
    /// How logs are written.
    pub log: LogOptions,
    /// The folder in which fetched files outlive a restart; `None` where they do not.
    pub state_folder: Option<PathBuf>,
    /// How servers are asked for keys, lists and files.
    pub fetch: FetchOptions,
    /// The proxies that they are asked through.
    pub proxies: Arc<Proxies>,
    /// The store of the replicas' shared state.
    pub store: StoreOptions,
    /// How revocation while servers run works.
    pub revocations: RevocationOptions,
    /// How failed attempts to authenticate are throttled.
    pub throttle: ThrottleOptions,
    /// Signals that something is odd; `None` where none are looked for.
    pub anomalies: Option<AnomalyOptions>,
    /// How assertions for upstreams are signed; `None` where no rule may ask for any.
    pub assertion: Option<AssertionOptions>,
    /// The collector of traces and metrics; `None` where there is none.
    pub otlp: Option<OtlpOptions>,
    /// How the decision point works.
    pub pdp: PdpOptions,
}

impl Config {
    /// Reads the settings in `file`, if there is one, and puts the environment and `overrides` on top.
    ///
    /// # Errors
    /// The first problem, with the place or the variable it comes from; never with a value.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let base = file.and_then(Path::parent).unwrap_or(Path::new(""));
        read(&layered(file, overrides)?, file, |raw| Self::from_raw(raw, base))
    }

    /// Relative paths are relative to `base`, the folder of the settings file.
    fn from_raw(raw: RawConfig, base: &Path) -> Result<Self, ConfigError> {
        raw.check().map_err(ConfigError::Contradiction)?;
        let audit = raw.audit.map(|audit| audit.options(base)).transpose();
        let audit = audit.map_err(ConfigError::Contradiction)?;
        if raw.otlp.is_none() && audit.as_ref().is_some_and(AuditOptions::to_collector) {
            let message = "`audit.otlp` sends records to `otlp.endpoint`, which is not set";
            return Err(ConfigError::Contradiction(message.into()));
        }
        let proxies = raw.fetch.proxies(standard_proxies);
        Ok(Self {
            pdp: PdpOptions {
                peer_sources: raw.listener.peer_sources.clone(),
                deadline: raw.deadline.get(),
                memory: raw.memory,
            },
            listener: ListenerOptions {
                tls: raw.listener.tls.map(|tls| tls.relative_to(base)),
                ..raw.listener
            },
            reload: raw.reload,
            documents: raw.documents.iter().map(|path| base.join(path)).collect(),
            audit,
            admin: raw.admin.map(|admin| admin.relative_to(base)),
            readiness: raw.readiness,
            state_folder: raw.state_folder.map(|folder| base.join(folder)),
            proxies: Arc::new(proxies.map_err(ConfigError::Contradiction)?),
            fetch: raw.fetch,
            store: raw.store.relative_to(base),
            revocations: raw.revocations,
            throttle: raw.throttle,
            anomalies: raw.anomalies,
            assertion: raw.assertion.map(|assertion| assertion.relative_to(base)),
            log: raw.log,
            otlp: raw.otlp,
        })
    }
}
