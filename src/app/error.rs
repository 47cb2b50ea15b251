//! Why a server does not start.

use std::io;

use crate::document::Diagnostic;
use crate::envoy::ListenAddress;
use crate::words::of_system;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The documents have errors; nothing is served by half of them.
    #[error("the documents have errors")]
    Documents(Vec<Diagnostic>),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {}", of_system(source))]
    Listen {
        /// The address.
        address: ListenAddress,
        /// The operating system's error.
        source: io::Error,
    },
    /// The settings cannot be used as they are: the listener's certificates, assertions that rules ask for, file descriptors.
    #[error("{0}")]
    Settings(String),
    /// The shared store cannot be used as it is set up.
    #[error("cannot set up the store: {0}")]
    Store(String),
    /// The revocation API cannot be opened.
    #[error("`admin.revocations`: {0}")]
    Revocations(String),
    /// The audit log cannot be opened.
    #[error("cannot open the audit log: {}", of_system(.0))]
    Audit(io::Error),
    /// The instruments cannot be set up.
    #[error("cannot set up metrics and traces: {0}")]
    Metrics(String),
}

impl StartError {
    /// For `map_err` where `address` is bound.
    pub(super) fn listen(address: ListenAddress) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Listen { address, source }
    }
}
