//! Why the demo could not be played: one message each, with what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use countersign::words::of_system;

/// Why the demo stopped before the tour's end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("folder `{0}` is not empty: name a new folder, or empty this one")]
    FolderNotEmpty(PathBuf),
    #[error("cannot {verb} `{path}`: {}", of_system(source))]
    File {
        /// `create`, `read` or `write`.
        verb: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot make the certificate `{name}`: {source}")]
    Certificate { name: &'static str, source: rcgen::Error },
    #[error("cannot sign a token: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    #[error("the Envoy configuration cannot be filled in: {0}")]
    Bootstrap(String),
    #[error(transparent)]
    NoEnvoy(#[from] super::envoy_binary::FindEnvoyError),
    #[error("cannot start {name} (`{program}`): {}", of_system(source))]
    Start { name: &'static str, program: PathBuf, source: io::Error },
    #[error("{name} ended with {status}; its log `{log}` ends with:\n{tail}")]
    Ended { name: &'static str, status: std::process::ExitStatus, log: PathBuf, tail: String },
    #[error("{name} was not ready after {after:?}; its log `{log}` ends with:\n{tail}")]
    NotReady { name: &'static str, after: Duration, log: PathBuf, tail: String },
    #[error("{what}: {}", of_system(source))]
    Network { what: &'static str, source: io::Error },
    #[error("cannot set up the TLS client: {0}")]
    Tls(#[from] rustls::Error),
    #[error("cannot find the executable of countersign itself: {}", of_system(.0))]
    Executable(io::Error),
    #[error("cannot write the result: {}", of_system(.0))]
    Output(#[from] io::Error),
    #[error("interrupted")]
    Interrupted,
}

impl DemoError {
    /// For `map_err` where a file operation can fail.
    pub(crate) fn file(
        verb: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { verb, path, source }
    }

    /// For `map_err` where a network operation can fail.
    pub(crate) fn network(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Network { what, source }
    }
}
