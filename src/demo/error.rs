//! Why the demo could not be played: one message each, with what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why the demo stopped before the tour's end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder named by the user holds something already.
    #[error("folder `{0}` is not empty: name a new folder, or empty this one")]
    FolderNotEmpty(PathBuf),
    /// A file or folder could not be made, read or written.
    #[error("cannot {verb} `{path}`: {source}")]
    File {
        /// `create`, `read` or `write`.
        verb: &'static str,
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make the certificate `{name}`: {source}")]
    Certificate {
        /// Which.
        name: &'static str,
        /// Why.
        source: rcgen::Error,
    },
    /// A token or its key could not be made.
    #[error("cannot sign a token: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// The shipped Envoy configuration and the values for it do not fit together.
    #[error("the Envoy configuration cannot be filled in: {0}")]
    Bootstrap(String),
    /// No usable Envoy.
    #[error(transparent)]
    NoEnvoy(#[from] super::envoy::FindError),
    /// A program could not be started.
    #[error("cannot start {name} (`{program}`): {source}")]
    Start {
        /// Who it is to the reader.
        name: &'static str,
        /// The executable.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program ended before it was ready.
    #[error("{name} ended with {status} before it was ready; its log `{log}` ends with:\n{tail}")]
    Ended {
        /// Who it is to the reader.
        name: &'static str,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Its whole log.
        log: PathBuf,
        /// The end of its log.
        tail: String,
    },
    /// A program runs but does not answer.
    #[error("{name} was not ready after {after:?}; its log `{log}` ends with:\n{tail}")]
    NotReady {
        /// Who it is to the reader.
        name: &'static str,
        /// How long it was waited for.
        after: Duration,
        /// Its whole log.
        log: PathBuf,
        /// The end of its log.
        tail: String,
    },
    /// The network of this machine did not do its part.
    #[error("{what}: {source}")]
    Network {
        /// The action that failed.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The TLS client could not be set up.
    #[error("cannot set up the TLS client: {0}")]
    Tls(#[from] rustls::Error),
    /// The running executable does not know where it is.
    #[error("cannot find the executable of countersign itself: {0}")]
    Executable(io::Error),
    /// The result cannot be written.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
    /// Ctrl-C or a signal to terminate.
    #[error("interrupted")]
    Interrupted,
}

impl DemoError {
    /// For `map_err` where a file operation can fail.
    pub(super) fn file(
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
