//! `countersign serve`: settings, a bound listener, and checks until a signal.

use std::future::pending;
use std::io;
use std::path::PathBuf;

use futures_util::FutureExt as _;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::documents::{PEER_SOURCES_REMEDY, peers_are_off};
use super::placeholders::Placeholders;
use super::style::Output;
use super::{CommandError, Exit, documents, style};
use crate::app::{Bound, StartError, judge_assertions, judge_signals};
use crate::config::{Config, ListenerOverrides, LogOverrides, Overrides, service_links};
use crate::envoy::{Stop, Tls};
use crate::evidence::PeerSources;
use crate::telemetry::{self, LogLevel};
use crate::words::{counted, of_system};

const EXAMPLES: &str = "\
Examples:
  countersign serve --config countersign.yaml
  countersign serve --config countersign.yaml --check
  countersign serve --documents policies --listen 127.0.0.1:9001

Exit codes: 0 stopped, or checked; 1 failed, or stopped by a second signal; 2 wrong arguments; 3
wrong settings; 4 the documents have errors; 5 cannot listen on the address";

/// Arguments of `serve`. Each overrides the environment, which overrides the file.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The settings file.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// Address to listen on: `127.0.0.1:9001` or `unix:///path`.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// A file or folder of documents; may be given more than once.
    #[arg(long, value_name = "PATH")]
    documents: Vec<PathBuf>,
    /// Lowest level that is logged: `error`, `warn`, `info`, `debug` or `trace`. Without it, that of the settings, else `info`.
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Log format. Without it, that of the settings, else `text`.
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"])]
    log_format: Option<String>,
    /// Check the settings, the documents and the certificates of the listener, and serve nothing. The store, the admin token, the keys
    /// of assertions and the folders that are written to are not looked at.
    #[arg(long)]
    check: bool,
    /// Output format of `--check`.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", requires = "check")]
    output: Output,
}

/// The result of `--check`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ConfigurationReport {
    rules: usize,
    revision: String,
    /// Warnings about the documents, and reasons why rules can never allow a request.
    warnings: Vec<String>,
}

/// The signals that ask the process to end.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let config = Config::load(args.config.as_deref(), &args.overrides())?;
    if args.check {
        return check(&config, args.output);
    }
    let log_level = telemetry::init(&config.log).map_err(|message| {
        CommandError::settings(format_args!("settings: `log.level`: {message}"))
    })?;
    let ignored = service_links();
    if !ignored.is_empty() {
        tracing::warn!(
            ?ignored,
            "Kubernetes sets these variables for its services, they are no settings: `enableServiceLinks: false` in the pod keeps them away"
        );
    }
    let runtime = documents::runtime()?;
    let exit = runtime.block_on(serve(&config, log_level));
    // A thread that still blocks, such as on a stalled disk, must not keep the process.
    runtime.shutdown_background();
    exit
}

/// Reads the documents and the certificates that the settings name, as a start does, and listens nowhere.
fn check(config: &Config, output: Output) -> Result<Exit, CommandError> {
    let (snapshot, problems) = documents::read_with_warnings(&config.documents)?;
    style::diagnostics(&problems);
    if let Some(tls) = &config.listener.tls {
        Tls::load(tls.clone()).map_err(StartError::Settings)?;
    }
    judge_assertions(config, &snapshot)?;
    judge_signals(config, &snapshot)?;
    let rules = snapshot.policies().rules().count();
    let wanting = snapshot.policies().rules_with_peer();
    let warning = peers_are_off(&config.listener.peer_sources, wanting)
        .map(|warning| format!("{warning}: {PEER_SOURCES_REMEDY}"));
    if let Some(warning) = &warning {
        style::hint(format_args!("warning: {warning}"));
    }
    let left = Placeholders::left_in(&snapshot);
    left.iter().for_each(Placeholders::hint);
    let warnings = problems.iter().map(ToString::to_string);
    let warnings = warnings.chain(warning).chain(left.map(|own| own.to_string())).collect();
    let report = ConfigurationReport { rules, revision: snapshot.revision().to_string(), warnings };
    output.write(&report, |ConfigurationReport { rules, revision, .. }, out| {
        let rules = counted(*rules, "rule");
        writeln!(out, "the settings and the documents can be used: {rules}, revision {revision}")
    })?;
    Ok(Exit::Ok)
}

async fn serve(config: &Config, log_level: LogLevel) -> Result<Exit, CommandError> {
    let bound = Bound::build(config, log_level).await?;
    log_peer_sources(&config.listener.peer_sources, bound.rules_with_peer());
    bound.announce(config);
    let no_signals = |error: io::Error| {
        CommandError::failure(format_args!("cannot listen for signals: {}", of_system(&error)))
    };
    let mut signals = StopSignals::listen().map_err(no_signals)?;
    let mut hangups = signal(SignalKind::hangup()).map_err(no_signals)?;
    let reopen = bound.audit_reopener();
    let reopening = async {
        while hangups.recv().await.is_some() {
            tracing::info!("the audit file is opened again");
            reopen();
        }
        pending::<()>().await;
    };
    let (send, stop) = oneshot::channel();
    let stop = stop.map(|stop| stop.unwrap_or(Stop::Prompt));
    let ending = async {
        // The receiver lives as long as this future is polled.
        let _ = send.send(signals.next().await);
        signals.next().await
    };
    Ok(tokio::select! {
        () = bound.run(stop) => {
            tracing::info!("stopped");
            Exit::Ok
        }
        () = reopening => Exit::Failure,
        _ = ending => {
            tracing::warn!("stopped at once by a second signal: what was begun is cut, audit records may be lost");
            Exit::Failure
        }
    })
}

/// P94: the settings assume one thing about the proxies that nothing here can check.
fn log_peer_sources(sources: &PeerSources, wanting: usize) {
    let least_evidence = sources.least_evidence.as_str();
    if let Some(warning) = peers_are_off(sources, wanting) {
        tracing::warn!("{warning}: {PEER_SOURCES_REMEDY}");
    } else if sources.are_off() {
        tracing::info!("certificates are ignored, since `listener.peerSources` is off");
    } else if sources.rely_on_proxies() {
        tracing::warn!(
            least_evidence,
            "peers are taken from the proxy without verification here: every proxy that asks must verify client certificates against exactly the pinned authorities"
        );
    } else {
        tracing::info!(least_evidence, "peers are verified here by their certificates");
    }
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Documents(problems) => Self::Documents(problems, "nothing is served"),
            StartError::Listen { .. } => Self::Listen(format!(
                "{error}; is another countersign running? choose another address with `--listen`"
            )),
            StartError::Audit(_)
            | StartError::Settings(_)
            | StartError::Store(_)
            | StartError::Revocations(_) => Self::settings(error),
            StartError::Metrics(_) => Self::failure(error),
        }
    }
}

impl StopSignals {
    fn listen() -> io::Result<Self> {
        let (terminate, interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt })
    }

    /// The next one: SIGTERM from a supervisor, SIGINT from a terminal.
    async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.terminate.recv() => Stop::Gradual,
            _ = self.interrupt.recv() => Stop::Prompt,
        }
    }
}

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
