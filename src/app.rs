//! The composition root: settings become a running server, and a running server ends in order.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::audit::AuditLog;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::document::Diagnostic;
use crate::envoy::{self, CheckService, ListenAddress, Listener};
use crate::pdp::{Load, Observer, Pdp};
use crate::reload::Reloader;

/// A server that is bound and has everything it decides by, and is not serving yet.
#[derive(Debug)]
pub struct Bound {
    listener: Listener,
    service: CheckService,
    reloader: Reloader,
    audit: Option<Arc<AuditLog>>,
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
    /// The audit log cannot be opened.
    #[error("cannot open the audit log: {0}")]
    Audit(io::Error),
    /// Files cannot be watched.
    #[error("cannot watch the documents: {0}")]
    Watch(io::Error),
}

// === impl Bound ===

impl Bound {
    /// Loads everything that `config` names and binds its address.
    ///
    /// # Errors
    /// The first thing that stands in the way; nothing is left behind.
    pub async fn build(config: &Config) -> Result<Self, StartError> {
        let load = Load::from_paths(&config.documents);
        let snapshot = load.snapshot.ok_or(StartError::Documents(load.problems))?;
        let files: Vec<PathBuf> = snapshot.files().map(Path::to_owned).collect();
        let pdp = Arc::new(Pdp::new(snapshot, Arc::new(SystemClock), config.pdp.clone()));

        let address = &config.listener.address;
        let listener = Listener::bind(address)
            .await
            .map_err(|source| StartError::Listen { address: address.clone(), source })?;
        let audit =
            config.audit.as_ref().map(AuditLog::start).transpose().map_err(StartError::Audit)?;
        let audit = audit.map(Arc::new);
        let reloader = Reloader::new(Arc::clone(&pdp), config.documents.clone(), &files)
            .map_err(StartError::Watch)?;
        let observers = audit.iter().map(observer).collect();
        let service = CheckService::new(pdp, observers);
        Ok(Self { listener, service, reloader, audit })
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn address(&self) -> io::Result<ListenAddress> {
        self.listener.address()
    }

    /// Serves until `shutdown` resolves; then refuses new work, finishes what is in flight and writes what was decided.
    ///
    /// # Errors
    /// Where the listener fails for good.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), tonic::transport::Error> {
        let reloading = tokio::spawn(self.reloader.run());
        let served = envoy::serve(self.listener, self.service, shutdown).await;
        reloading.abort();
        if let Some(audit) = self.audit {
            audit.close();
        }
        served
    }
}

fn observer(log: &Arc<AuditLog>) -> Arc<dyn Observer> {
    Arc::<AuditLog>::clone(log)
}
