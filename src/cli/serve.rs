//! `countersign serve`: settings, a bound listener, and checks until a signal says stop.

use std::path::PathBuf;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, style};
use crate::app::{Bound, StartError};
use crate::config::{Config, ConfigError, ListenerOverrides, LogOverrides, Overrides};
use crate::telemetry;

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

pub(super) fn run(args: &Args) -> Exit {
    let config = match Config::load(args.config.as_deref(), &args.overrides()) {
        Ok(config) => config,
        Err(error) => return refuse_settings(&error),
    };
    if let Err(message) = telemetry::init(&config.log) {
        style::error(format_args!("settings: `log.level`: {message}"));
        return Exit::Settings;
    }
    match Runtime::new() {
        Ok(runtime) => runtime.block_on(serve(&config)),
        Err(error) => {
            style::error(format_args!("cannot start threads: {error}"));
            Exit::Failure
        }
    }
}

fn refuse_settings(error: &ConfigError) -> Exit {
    match error.diagnostic() {
        Some(diagnostic) => style::diagnostics(std::slice::from_ref(diagnostic)),
        None => style::error(error),
    }
    Exit::Settings
}

async fn serve(config: &Config) -> Exit {
    let bound = match Bound::build(config).await {
        Ok(bound) => bound,
        Err(error) => return refuse_start(&error),
    };
    if let Ok(address) = bound.address() {
        tracing::info!(%address, "ready");
    }
    match bound.run(stop_signal()).await {
        Ok(()) => {
            tracing::info!("stopped");
            Exit::Ok
        }
        Err(error) => {
            style::error(format_args!("the listener failed: {error}"));
            Exit::Failure
        }
    }
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
        StartError::Audit(_) | StartError::Tls(_) | StartError::Store(_) => {
            style::error(error);
            Exit::Settings
        }
        StartError::Watch(_) | StartError::Metrics(_) => {
            style::error(error);
            Exit::Failure
        }
    }
}

/// Resolves at the first SIGTERM or SIGINT.
async fn stop_signal() {
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => signal.recv().await,
            // A process that cannot hear the signal is ended by it.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = wait(SignalKind::terminate()) => {}
        _ = wait(SignalKind::interrupt()) => {}
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
