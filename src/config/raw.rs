//! The settings as an operator writes them, and the defaults.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::admin::{AdminOptions, ReadinessOptions};
use crate::audit::AuditSettings;
use crate::document::HumanDuration;
use crate::envoy::{ListenAddress, ListenerOptions};
use crate::limits::DEFAULT_DEADLINE;
use crate::pdp::{
    BeforeFirstSync, FetchOptions, RevocationOptions, ThrottleOptions, VerificationCacheOptions,
};
use crate::reload::ReloadOptions;
use crate::signer::AssertionOptions;
use crate::store::StoreOptions;
use crate::telemetry::{AnomalyOptions, LogOptions, OtlpOptions};

/// The settings as an operator writes them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawConfig {
    /// The address that Envoy calls, and the evidence that is accepted from it.
    pub(super) listener: ListenerOptions,
    /// Files and folders of documents: policies, trust domains, issuers. At least one.
    pub(super) documents: Vec<PathBuf>,
    /// When changed files are put in force.
    pub(super) reload: ReloadOptions,
    /// The destination of decision records. Unset: none are written.
    pub(super) audit: Option<AuditSettings>,
    /// The admin listener: health, metrics, status, log level, confirming removals. Unset: there is none.
    pub(super) admin: Option<AdminOptions>,
    /// When a server that has just started is ready. Later on it stays ready with parts that are missing.
    pub(super) readiness: ReadinessOptions,
    /// How logs are written.
    pub(super) log: LogOptions,
    /// The destination of traces and metrics. Unset: they are not sent.
    pub(super) otlp: Option<OtlpOptions>,
    /// Longest time to an answer; less where Envoy's own `timeout` is shorter.
    pub(super) deadline: HumanDuration,
    /// The folder that keeps the last good key sets, bundles, revocation lists and revocations over a restart. Unset: none.
    pub(super) state_folder: Option<PathBuf>,
    /// How servers are asked for keys, lists and files.
    pub(super) fetch: FetchOptions,
    /// The cache of verified certificates and tokens.
    pub(super) memory: VerificationCacheOptions,
    /// The store that replicas share. Default: the `memory` of each.
    pub(super) store: StoreOptions,
    /// How revocation while servers run works.
    pub(super) revocations: RevocationOptions,
    /// How failed attempts to authenticate are throttled.
    pub(super) throttle: ThrottleOptions,
    /// Signals that something is odd. Unset: none are looked for.
    pub(super) anomalies: Option<AnomalyOptions>,
    /// How assertions for upstreams are signed. Unset: no rule may require one.
    pub(super) assertion: Option<AssertionOptions>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            listener: ListenerOptions::default(),
            documents: Vec::new(),
            reload: ReloadOptions::default(),
            audit: None,
            admin: None,
            readiness: ReadinessOptions::default(),
            log: LogOptions::default(),
            otlp: None,
            deadline: HumanDuration::new(DEFAULT_DEADLINE),
            state_folder: None,
            fetch: FetchOptions::default(),
            memory: VerificationCacheOptions::default(),
            store: StoreOptions::default(),
            revocations: RevocationOptions::default(),
            throttle: ThrottleOptions::default(),
            anomalies: None,
            assertion: None,
        }
    }
}

impl RawConfig {
    /// Checks what the types leave open.
    pub(super) fn check(&self) -> Result<(), String> {
        self.listener.check()?;
        self.log.check()?;
        self.otlp.iter().try_for_each(OtlpOptions::check)?;
        self.reload.check()?;
        self.store.check()?;
        self.throttle.check(matches!(self.store, StoreOptions::Redis(_)))?;
        self.anomalies.as_ref().map_or(Ok(()), AnomalyOptions::check)?;
        self.assertion.iter().try_for_each(AssertionOptions::check)?;
        let last_known =
            matches!(self.revocations.before_first_sync, BeforeFirstSync::LastKnown(_));
        if last_known && self.state_folder.is_none() {
            return Err("`revocations.beforeFirstSync: { lastKnown: .. }` needs `stateFolder`, where what is revoked outlives a restart".into());
        }
        if self.deadline.get().is_zero() {
            return Err("`deadline` is 0, which would refuse every request".into());
        }
        let admin = self.admin.as_ref().map(|own| own.address).filter(|own| own.port() != 0);
        if let (ListenAddress::Tcp(listener), Some(admin)) = (&self.listener.address, admin)
            && *listener == admin
        {
            return Err(format!(
                "`listener.address` and `admin.address` are both {admin}: give each a port of its own"
            ));
        }
        if self.documents.is_empty() {
            return Err("no documents: set `documents` to a list of files or folders, or give `--documents PATH`".into());
        }
        Ok(())
    }
}
