//! The server's settings: defaults, then the file, then `COUNTERSIGN_` environment variables, then flags.
//!
//! Each room owns its options; this room only fills them in. What may change while the server runs is not here but in
//! documents.

mod error;
mod load;
pub mod schema;

pub use error::ConfigError;
pub use load::{ListenerOverrides, LogOverrides, Overrides};

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::admin::AdminOptions;
use crate::audit::{AuditOptions, AuditSettings};
use crate::document::HumanDuration;
use crate::envoy::ListenerOptions;
use crate::pdp::{BeforeFirstSync, MemoryOptions, PdpOptions, RevocationOptions};
use crate::reload::ReloadOptions;
use crate::signer::AssertionOptions;
use crate::store::StoreOptions;
use crate::telemetry::{LogOptions, OtlpOptions};

/// Every setting of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// How Envoy reaches us.
    pub listener: ListenerOptions,
    /// Files and folders of documents.
    pub documents: Vec<PathBuf>,
    /// When changed files are put in force.
    pub reload: ReloadOptions,
    /// Where decision records go; `None` keeps none.
    pub audit: Option<AuditOptions>,
    /// Where operators reach us; `None` where they do not.
    pub admin: Option<AdminOptions>,
    /// How logs are written.
    pub log: LogOptions,
    /// Where what was fetched outlives a restart; `None` where it does not.
    pub state_folder: Option<PathBuf>,
    /// Where the replicas' shared state is.
    pub store: StoreOptions,
    /// How revocation while servers run works.
    pub revocations: RevocationOptions,
    /// How assertions for upstreams are signed; `None` where no rule may ask for any.
    pub assertion: Option<AssertionOptions>,
    /// Where traces and metrics are sent; `None` where they are not.
    pub otlp: Option<OtlpOptions>,
    /// How the decision point works.
    pub pdp: PdpOptions,
}

/// What an operator writes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawConfig {
    /// How Envoy reaches us, and which of its words are believed.
    listener: ListenerOptions,
    /// Files and folders of documents: policies, trust domains, issuers. At least one.
    documents: Vec<PathBuf>,
    /// When changed files are put in force.
    reload: ReloadOptions,
    /// Where decision records go; left out, none are kept.
    audit: Option<AuditSettings>,
    /// Where operators reach us: health, metrics, status, log level, confirming removals. Left out, they do not.
    admin: Option<AdminOptions>,
    /// How logs are written.
    log: LogOptions,
    /// Where traces and metrics are sent; left out, they are not.
    otlp: Option<OtlpOptions>,
    /// Longest time to an answer; less where Envoy's own `timeout` is shorter.
    deadline: HumanDuration,
    /// Where the last good key sets, revocation lists and what was revoked are kept over a restart; left out, nowhere.
    state_folder: Option<PathBuf>,
    /// What was verified and is not verified again.
    memory: MemoryOptions,
    /// Where the replicas' shared state is; `memory` of each if left out.
    store: StoreOptions,
    /// How revocation while servers run works.
    revocations: RevocationOptions,
    /// How assertions for upstreams are signed; left out, no rule may ask for any.
    assertion: Option<AssertionOptions>,
}

/// Below Envoy's own default of 200 ms, so that our denial arrives before Envoy gives up on us (P15).
const DEFAULT_DEADLINE: HumanDuration = HumanDuration::new(std::time::Duration::from_millis(150));

// === impl RawConfig ===

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            listener: ListenerOptions::default(),
            documents: Vec::new(),
            reload: ReloadOptions::default(),
            audit: None,
            admin: None,
            log: LogOptions::default(),
            otlp: None,
            deadline: DEFAULT_DEADLINE,
            state_folder: None,
            memory: MemoryOptions::default(),
            store: StoreOptions::default(),
            revocations: RevocationOptions::default(),
            assertion: None,
        }
    }
}

// === impl Config ===

impl Config {
    /// Reads the settings in `file`, if there is one, and puts the environment and `overrides` on top.
    ///
    /// # Errors
    /// The first problem, with the place or the variable it comes from; never with a value.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let raw = load::layered(file, overrides)?;
        let base = file.and_then(Path::parent).unwrap_or(Path::new(""));
        Self::from_raw(raw, base)
    }

    /// Relative paths are relative to `base`, the folder of the settings file.
    fn from_raw(raw: RawConfig, base: &Path) -> Result<Self, ConfigError> {
        raw.listener.check().map_err(ConfigError::Contradiction)?;
        if let Some(otlp) = &raw.otlp {
            otlp.check().map_err(ConfigError::Contradiction)?;
        }
        raw.reload.check().map_err(ConfigError::Contradiction)?;
        raw.store.check().map_err(ConfigError::Contradiction)?;
        if let Some(assertion) = &raw.assertion {
            assertion.check().map_err(ConfigError::Contradiction)?;
        }
        let last_known = matches!(raw.revocations.before_first_sync, BeforeFirstSync::LastKnown(_));
        if last_known && raw.state_folder.is_none() {
            let message = "`revocations.beforeFirstSync: { lastKnown: .. }` needs `stateFolder`, where what is revoked outlives a restart";
            return Err(ConfigError::Contradiction(message.into()));
        }
        if raw.documents.is_empty() {
            let message = "no documents: set `documents` to a list of files or folders, or give `--documents PATH`";
            return Err(ConfigError::Contradiction(message.into()));
        }
        let audit = raw.audit.map(|audit| audit.options(base)).transpose();
        let audit = audit.map_err(ConfigError::Contradiction)?;
        if raw.otlp.is_none() && audit.as_ref().is_some_and(AuditOptions::to_collector) {
            let message = "`audit.otlp` sends records to `otlp.endpoint`, which is not set";
            return Err(ConfigError::Contradiction(message.into()));
        }
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
            state_folder: raw.state_folder.map(|folder| base.join(folder)),
            store: raw.store.relative_to(base),
            revocations: raw.revocations,
            assertion: raw.assertion.map(|assertion| assertion.relative_to(base)),
            log: raw.log,
            otlp: raw.otlp,
        })
    }
}

#[cfg(test)]
mod tests;
