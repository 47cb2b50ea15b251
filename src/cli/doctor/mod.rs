//! `countersign doctor`: everything that a server needs, looked at from the machine that it runs on.

mod finding;
mod local;
mod network;
mod server;

use std::path::PathBuf;

pub(super) use self::finding::DoctorReport;
use self::finding::{Matter, Outcome, Report};
use super::files::shown;
use super::style::{self, Output};
use super::{CommandError, Exit, documents};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Overrides};
use crate::pdp::HttpsFetcher;

const EXAMPLES: &str = "\
Examples:
  countersign doctor --config countersign.yaml
  countersign doctor --config countersign.yaml --envoy envoy.yaml
  countersign doctor --config countersign.yaml --offline --output json

Exit codes: 0 no errors; 1 an error, or the report cannot be written; 2 wrong arguments; 3 wrong
settings";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The settings of the server.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// A file or folder of documents instead of those of the settings; may be given more than once.
    #[arg(long, value_name = "PATH")]
    documents: Vec<PathBuf>,
    /// A configuration of Envoy, Istio or a gateway, which `lint-mesh` reads too; may be given more than once.
    #[arg(long, value_name = "FILE")]
    envoy: Vec<PathBuf>,
    /// Ask no issuer, no store and no other server.
    #[arg(long)]
    offline: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let overrides = Overrides { documents: args.documents.clone(), ..Overrides::default() };
    let config = match Config::load(args.config.as_deref(), &overrides) {
        Ok(config) => config,
        Err(error) => return unusable(args, error.into()),
    };
    let runtime = documents::runtime()?;
    let report = runtime.block_on(examine(args, &config));
    // The store's connection has no end of its own.
    runtime.shutdown_background();
    let report = report?;
    match args.output {
        Output::Human => report.write(&mut style::out())?,
        Output::Json => style::json(&report.json(), &mut std::io::stdout())?,
    }
    Ok(Exit::ok_if(report.count(Outcome::Error) == 0))
}

/// Settings with an error. A program gets the same object as about everything else.
fn unusable(args: &Args, error: CommandError) -> Result<Exit, CommandError> {
    if args.output == Output::Human {
        return Err(error);
    }
    let mut report = Report::about(None);
    if let CommandError::SettingsFile(problem) = &error {
        report.fail(Matter::Settings, problem);
    } else if let CommandError::Settings(message) = &error {
        report.fail(Matter::Settings, message);
    }
    style::json(&report.json(), &mut std::io::stdout())?;
    Ok(error.print())
}

async fn examine(args: &Args, config: &Config) -> Result<Report, CommandError> {
    let now = SystemClock.now();
    let mut report = Report::about(args.config.as_deref().map(shown));
    let fetcher = (!args.offline).then(|| HttpsFetcher::through(&config.proxies));
    let snapshot = local::documents(config, fetcher.as_ref(), &mut report).await;
    if let Some(snapshot) = &snapshot {
        local::trust((config, args.offline), snapshot, now, &mut report);
    }
    local::files(config, now, &mut report);
    if let Some(fetcher) = &fetcher {
        if let Some(snapshot) = &snapshot {
            network::issuers(snapshot, fetcher, &mut report).await;
        }
        network::store(&config.store, &mut report).await;
    } else {
        report.skip(Matter::Keys);
        report.skip(Matter::Store);
    }
    server::addresses(config, snapshot.as_ref(), &mut report).await;
    local::proxies(&args.envoy, snapshot.as_ref(), &mut report)?;
    Ok(report)
}
