//! `countersign explain`: a decision, with everything that led to it, by the code that serves.

mod ask;
mod audit;
mod change;
mod input;
mod report;
mod rules;
mod tree;
mod watch;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use self::input::Input;
use self::report::Report;
use super::style::Output;
use super::{Exit, moment, style};
use crate::clock::UnixTime;
use crate::config::{Config, Overrides};
use crate::evidence_level::EvidenceLevel;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign explain --config countersign.yaml --decision 5c3a9be1
  countersign explain --documents policies --host orders.example.com --path /v1/orders \\
      --peer-spiffe spiffe://prod.example/ns/web/sa/frontend --token token.jwt
  countersign explain --documents policies request.yaml

Exit codes: 0 allowed, 1 denied, 2 wrong arguments, 3 wrong settings, 4 documents with errors")]
pub(super) struct Args {
    /// A request in a file: as in the cases of a `PolicySuite` (YAML, JSON), or a recorded check (JSON, protobuf). With `-`,
    /// standard input.
    #[arg(value_name = "FILE", conflicts_with_all = ["host", "decision", "case"])]
    file: Option<PathBuf>,
    /// The settings of a server: its documents, its audit log, and which evidence it believes.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// A file or folder of documents; may be given more than once.
    #[arg(long, value_name = "PATH", required_unless_present = "config")]
    documents: Vec<PathBuf>,
    /// A decision in the audit log, by its id or the beginning of it, or by the `x-request-id` of its request.
    #[arg(long, value_name = "ID", conflicts_with_all = ["host", "case"])]
    decision: Option<String>,
    /// The audit log: JSON lines; `-` for standard input. Without it, that of `--config`.
    #[arg(long, value_name = "FILE", requires = "decision")]
    audit: Option<PathBuf>,
    /// A case of a suite among the documents: `NAME`, or `SUITE/NAME`.
    #[arg(long, value_name = "CASE", conflicts_with = "host")]
    case: Option<String>,
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    caller: CallerArgs,
    /// Decide at this moment instead of now: RFC 3339, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = moment::parse, allow_hyphen_values = true)]
    at: Option<UnixTime>,
    /// The folder where a server keeps the last good keys. Without it, that of `--config`.
    #[arg(long, value_name = "FOLDER")]
    kept: Option<PathBuf>,
    /// Fetch nothing; use what is in the documents and in `--kept`.
    #[arg(long)]
    offline: bool,
    /// Show what callers put into headers, queries and claims, and what is injected. It may be about people, or secret.
    #[arg(long)]
    show_values: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

/// The request, where it is given by flags.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Request")]
struct RequestArgs {
    /// The authority, such as `orders.example.com` or `orders.example.com:8443`.
    #[arg(long, value_name = "HOST", requires = "path")]
    host: Option<String>,
    /// The path with its query.
    #[arg(long, value_name = "PATH", requires = "host")]
    path: Option<String>,
    /// The method.
    #[arg(long, value_name = "METHOD", default_value = "GET", requires = "host")]
    method: String,
    /// The scheme.
    #[arg(long, value_name = "SCHEME", default_value = "https", requires = "host")]
    scheme: String,
    /// A header, as `name: value`; may be given more than once.
    #[arg(long = "header", value_name = "HEADER", requires = "host")]
    headers: Vec<String>,
    /// The address that the connection comes from.
    #[arg(long, value_name = "ADDRESS", requires = "host")]
    source: Option<IpAddr>,
    /// The address of the client, where a proxy is in front.
    #[arg(long, value_name = "ADDRESS", requires = "host")]
    client: Option<IpAddr>,
    /// The address that the connection goes to, alone or with its port.
    #[arg(long, value_name = "ADDRESS", requires = "host", value_parser = endpoint)]
    connection_to: Option<SocketAddr>,
    /// The server name (SNI) of the client's TLS handshake.
    #[arg(long, value_name = "NAME", requires = "host")]
    sni: Option<String>,
    /// A parameter that the proxy's configuration attaches to the route, as `name=value`; may be given more than once.
    #[arg(long = "context", value_name = "NAME=VALUE", requires = "host")]
    context: Vec<String>,
}

/// The caller, where it is given by flags.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Caller")]
struct CallerArgs {
    /// The peer, taken at its word: its SPIFFE ID.
    #[arg(long, value_name = "ID", requires = "host", conflicts_with_all = ["certificate", "xfcc"])]
    peer_spiffe: Option<String>,
    /// How much of that peer's certificate is shown.
    #[arg(long, value_name = "LEVEL", default_value = "full", value_parser = level, requires = "peer_spiffe")]
    evidence: EvidenceLevel,
    /// The peer's certificate or chain (PEM), which is verified.
    #[arg(long, value_name = "FILE", requires = "host")]
    certificate: Option<PathBuf>,
    /// An XFCC value, which is verified.
    #[arg(long, value_name = "VALUE", requires = "host")]
    xfcc: Option<String>,
    /// The TLS peer as the proxy names it (`source.principal`).
    #[arg(long, value_name = "NAME", requires = "host")]
    principal: Option<String>,
    /// The proxy's own identity (`destination.principal`), which XFCC `By` is compared with.
    #[arg(long, value_name = "NAME", requires = "host")]
    destination: Option<String>,
    /// A file with a token, which is verified; `-` for standard input.
    #[arg(long, value_name = "FILE", requires = "host")]
    token: Option<PathBuf>,
}

fn endpoint(text: &str) -> Result<SocketAddr, String> {
    let alone = || text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 0));
    let whole = text.parse().or_else(|_| alone());
    whole.map_err(|_| String::from("expected an IP address, alone or with a port"))
}

fn level(text: &str) -> Result<EvidenceLevel, String> {
    let known = EvidenceLevel::ALL.iter().find(|level| level.as_str() == text);
    let names = || EvidenceLevel::ALL.iter().map(|level| level.as_str()).collect::<Vec<_>>();
    known.copied().ok_or_else(|| format!("expected one of {}", names().join(", ")))
}

pub(super) fn run(args: &Args) -> Exit {
    match explain(args) {
        Ok(report) => match args.write(&report) {
            Ok(()) if report.is_allow() => Exit::Ok,
            // Denied, or the reader of the pipe is gone.
            Ok(()) | Err(_) => Exit::Failure,
        },
        Err(exit) => exit,
    }
}

fn explain(args: &Args) -> Result<Report, Exit> {
    let config = args.config.as_deref().map(|file| settings(file, args)).transpose()?;
    let documents = match &config {
        Some(config) if args.documents.is_empty() => config.documents.clone(),
        Some(_) | None => args.documents.clone(),
    };
    let (snapshot, suites) = ask::load(&documents, args.offline)?;
    let input = Input::read(args, config.as_ref(), &snapshot, &suites)?;
    let ground = ask::Ground { args, config: config.as_ref(), snapshot };
    ask::ask(ground, input)
}

fn settings(file: &std::path::Path, args: &Args) -> Result<Config, Exit> {
    let overrides = Overrides { documents: args.documents.clone(), ..Overrides::default() };
    Config::load(Some(file), &overrides).map_err(|error| {
        match error.diagnostic() {
            Some(diagnostic) => style::diagnostics(std::slice::from_ref(diagnostic)),
            None => style::error(error),
        }
        Exit::Settings
    })
}

// === impl Args ===

impl Args {
    fn write(&self, report: &Report) -> io::Result<()> {
        match self.output {
            Output::Human => tree::write(report, &mut anstream::stdout().lock()),
            Output::Json => style::json(report, &mut io::stdout().lock()),
        }
    }
}
