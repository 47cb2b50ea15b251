//! `countersign serve`: settings, a bound listener, and checks until a signal says stop.

use std::future::pending;
use std::io;
use std::path::PathBuf;

use futures_util::FutureExt as _;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::{Exit, style};
use crate::app::{Bound, StartError};
use crate::config::{Config, ConfigError, ListenerOverrides, LogOverrides, Overrides};
use crate::envoy::Stop;
use crate::evidence::PeerSources;
use crate::telemetry::{self, LogLevel};

/// Arguments of `serve`. Each overrides the environment, which overrides the file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The settings file.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// Where to listen: `127.0.0.1:9001` or `unix:///path`.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// A file or folder of documents; may be given more than once.
    #[arg(long, value_name = "PATH")]
    documents: Vec<PathBuf>,
    /// The least level that is logged.
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// For whom logs are written.
    #[arg(long, value_parser = ["text", "json"])]
    log_format: Option<String>,
}

/// What asks the process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

pub(super) fn run(args: &Args) -> Exit {
    let config = match Config::load(args.config.as_deref(), &args.overrides()) {
        Ok(config) => config,
        Err(error) => return refuse_settings(&error),
    };
    let log_level = match telemetry::init(&config.log) {
        Ok(log_level) => log_level,
        Err(message) => {
            style::error(format_args!("settings: `log.level`: {message}"));
            return Exit::Settings;
        }
    };
    match Runtime::new() {
        Ok(runtime) => {
            let exit = runtime.block_on(serve(&config, log_level));
            // What still blocks a thread, as a disk that stalls, must not keep the process.
            runtime.shutdown_background();
            exit
        }
        Err(error) => {
            style::error(format_args!("cannot start threads: {error}"));
            Exit::Failure
        }
    }
}

pub(super) fn refuse_settings(error: &ConfigError) -> Exit {
    match error.diagnostic() {
        Some(diagnostic) => style::diagnostics(std::slice::from_ref(diagnostic)),
        None => style::error(error),
    }
    Exit::Settings
}

async fn serve(config: &Config, log_level: LogLevel) -> Exit {
    let bound = match Bound::build(config, log_level).await {
        Ok(bound) => bound,
        Err(error) => return refuse_start(&error),
    };
    say_what_is_believed(&config.listener.peer_sources);
    if let Ok(address) = bound.address() {
        tracing::info!(%address, "ready");
    }
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return no_signals(&error),
    };
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => return no_signals(&error),
    };
    let reopen = bound.audit_reopener();
    let reopening = async {
        while hangups.recv().await.is_some() {
            tracing::info!("the audit file is opened anew");
            reopen();
        }
        pending::<()>().await;
    };
    let (told, stop) = oneshot::channel();
    let stop = stop.map(|stop| stop.unwrap_or(Stop::Prompt));
    let ending = async {
        // The other side is there for as long as this is polled.
        let _ = told.send(signals.next().await);
        signals.next().await
    };
    tokio::select! {
        () = bound.run(stop) => {
            tracing::info!("stopped");
            Exit::Ok
        }
        () = reopening => Exit::Failure,
        _ = ending => {
            tracing::warn!("stopped at once by a second signal: what was begun is cut, audit records may be lost");
            Exit::Failure
        }
    }
}

/// P94: the one statement about the proxies that nothing here can check.
fn say_what_is_believed(sources: &PeerSources) {
    let least_evidence = sources.least_evidence.as_str();
    if sources.are_off() {
        tracing::info!(
            "no certificate is looked at, since `listener.peerSources` is off: rules with `peer` allow nobody"
        );
    } else if sources.rely_on_proxies() {
        tracing::warn!(
            least_evidence,
            "peers count by the proxy's word: every proxy that asks here has to verify client certificates against exactly the pinned authorities"
        );
    } else {
        tracing::info!(least_evidence, "peers count by a certificate that is verified here");
    }
}

fn no_signals(error: &io::Error) -> Exit {
    style::error(format_args!("cannot listen for signals: {error}"));
    Exit::Failure
}

fn refuse_start(error: &StartError) -> Exit {
    match error {
        StartError::Documents(problems) => {
            style::diagnostics(problems);
            style::error("nothing is served: the documents have errors");
            Exit::Documents
        }
        StartError::Listen { .. } => {
            style::error(format_args!(
                "{error}; is another countersign running? choose another address with `--listen`"
            ));
            Exit::Listen
        }
        StartError::Audit(_)
        | StartError::Tls(_)
        | StartError::Store(_)
        | StartError::Revocations(_)
        | StartError::Assertion(_) => {
            style::error(error);
            Exit::Settings
        }
        StartError::Watch(_) | StartError::Metrics(_) => {
            style::error(error);
            Exit::Failure
        }
    }
}

// === impl Signals ===

impl Signals {
    fn listen() -> io::Result<Self> {
        let (terminate, interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt })
    }

    /// The next one: SIGTERM from whoever runs the process, SIGINT from somebody at a terminal.
    async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.terminate.recv() => Stop::Gradual,
            _ = self.interrupt.recv() => Stop::Prompt,
        }
    }
}

// === impl Args ===

impl Args {
    fn overrides(&self) -> Overrides {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let log = LogOverrides { level: self.log_level.clone(), format: self.log_format.clone() };
        Overrides {
            listener: self.listen.clone().map(|address| ListenerOverrides { address }),
            documents: self.documents.iter().map(absolute).collect(),
            log: Some(log),
        }
    }
}
