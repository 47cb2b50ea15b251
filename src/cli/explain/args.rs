//! Arguments of `explain`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::cli::style::Output;
use crate::cli::{files, request_args, time};
use crate::clock::UnixTime;
use crate::evidence_level::EvidenceLevel;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign explain --config countersign.yaml --decision 5c3a9be1
  countersign explain --documents policies --host orders.example.com --path /v1/orders \\
      --peer-spiffe spiffe://prod.example/ns/web/sa/frontend --token token.jwt
  countersign explain --documents policies request.yaml

Exit codes: 0 allowed; 1 denied; 2 wrong arguments or an unreadable log; 3 wrong settings; 4 the
documents have errors")]
pub(in crate::cli) struct Args {
    /// A request in a file: as in the cases of a `PolicySuite` (YAML, JSON), or a recorded check (JSON, protobuf). With `-`,
    /// standard input.
    #[arg(value_name = "FILE", conflicts_with_all = ["host", "decision", "case"])]
    pub(super) file: Option<PathBuf>,
    /// The settings of a server, for its documents, its audit log and its sources of evidence.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// A file or folder of documents; may be given more than once.
    #[arg(long, value_name = "PATH", required_unless_present = "config")]
    pub(super) documents: Vec<PathBuf>,
    /// A decision in the audit log, by its id or the beginning of it, or by the `x-request-id` of its request.
    #[arg(long, value_name = "ID", conflicts_with_all = ["host", "case"])]
    pub(super) decision: Option<String>,
    /// The audit log: JSON lines; `-` for standard input. Without it, that of `--config`.
    #[arg(long, value_name = "FILE", requires = "decision")]
    pub(super) audit: Option<PathBuf>,
    /// A case of a suite among the documents: `NAME`, or `SUITE/NAME`.
    #[arg(long, value_name = "CASE", conflicts_with = "host")]
    pub(super) case: Option<String>,
    /// Use this time instead of now: RFC 3339, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = time::parse, allow_hyphen_values = true)]
    pub(super) at: Option<UnixTime>,
    /// The folder where a server keeps the last good keys. Without it, that of `--config`.
    #[arg(long, value_name = "FOLDER")]
    pub(super) state_folder: Option<PathBuf>,
    /// Fetch nothing: use only what is in files.
    #[arg(long)]
    pub(super) offline: bool,
    /// Show the values of headers, queries and claims, and those that a rule injects. They may be personal or secret.
    #[arg(long)]
    pub(super) show_values: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) request: RequestArgs,
    #[command(flatten)]
    pub(super) caller: CallerArgs,
}

impl Args {
    /// The arguments for another command about the same documents. The settings say which server that is, too.
    pub(super) fn documents_arguments(&self) -> String {
        let named = |flag: &str, path: &PathBuf| format!("{flag} {}", files::shown(path));
        let config = self.config.as_ref().map(|path| vec![named("--config", path)]);
        let documents = || self.documents.iter().map(|path| named("--documents", path)).collect();
        config.unwrap_or_else(documents).join(" ")
    }
}

/// The request, where it is given by flags.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Request")]
pub(super) struct RequestArgs {
    /// The authority, such as `orders.example.com` or `orders.example.com:8443`.
    #[arg(long, value_name = "HOST", requires = "path", value_parser = request_args::host)]
    pub(super) host: Option<String>,
    /// The path with its query.
    #[arg(long, value_name = "PATH", requires = "host", value_parser = request_args::path)]
    pub(super) path: Option<String>,
    /// The method.
    #[arg(long, value_name = "METHOD", default_value = "GET", requires = "host")]
    pub(super) method: String,
    /// The scheme.
    #[arg(long, value_name = "SCHEME", default_value = "https", requires = "host")]
    pub(super) scheme: String,
    /// A header, as `name: value`; may be given more than once.
    #[arg(long = "header", value_name = "HEADER", requires = "host")]
    pub(super) headers: Vec<String>,
    /// The address that the connection comes from.
    #[arg(long, value_name = "ADDRESS", requires = "host")]
    pub(super) source: Option<IpAddr>,
    /// The address of the client, where a proxy is in front.
    #[arg(long, value_name = "ADDRESS", requires = "host")]
    pub(super) client: Option<IpAddr>,
    /// The address that the connection goes to, alone or with its port.
    #[arg(long, value_name = "ADDRESS", requires = "host", value_parser = endpoint)]
    pub(super) connection_to: Option<SocketAddr>,
    /// The server name (SNI) of the client's TLS handshake.
    #[arg(long, value_name = "NAME", requires = "host")]
    pub(super) sni: Option<String>,
    /// A context extension that the proxy's configuration attaches to the route, as `name=value`; may be given more than once.
    #[arg(long = "context", value_name = "NAME=VALUE", requires = "host")]
    pub(super) context: Vec<String>,
}

/// The caller, where it is given by flags.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Caller")]
pub(super) struct CallerArgs {
    /// The SPIFFE ID of the peer, assumed without a certificate.
    #[arg(long, value_name = "ID", requires = "host", conflicts_with_all = ["certificate", "xfcc"])]
    pub(super) peer_spiffe: Option<String>,
    /// The evidence level of that peer.
    #[arg(long, value_name = "LEVEL", default_value = "full", value_parser = level, requires = "peer_spiffe")]
    pub(super) evidence: EvidenceLevel,
    /// The peer's certificate or chain (PEM). It is verified.
    #[arg(long, value_name = "FILE", requires = "host")]
    pub(super) certificate: Option<PathBuf>,
    /// An XFCC value. It is verified.
    #[arg(long, value_name = "VALUE", requires = "host")]
    pub(super) xfcc: Option<String>,
    /// The TLS peer as the proxy names it (`source.principal`).
    #[arg(long, value_name = "NAME", requires = "host")]
    pub(super) principal: Option<String>,
    /// The proxy's own identity (`destination.principal`), which XFCC `By` is compared with.
    #[arg(long, value_name = "NAME", requires = "host")]
    pub(super) destination: Option<String>,
    /// A file with a token; `-` for standard input. It is verified.
    #[arg(long, value_name = "FILE", requires = "host")]
    pub(super) token: Option<PathBuf>,
}

fn endpoint(text: &str) -> Result<SocketAddr, String> {
    let alone = || text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 0));
    let whole = text.parse().or_else(|_| alone());
    whole.map_err(|_| String::from("expected an IP address, alone or with a port"))
}

fn level(text: &str) -> Result<EvidenceLevel, String> {
    let names = || EvidenceLevel::ALL.map(EvidenceLevel::as_str).join(", ");
    EvidenceLevel::named(text).ok_or_else(|| format!("expected one of {}", names()))
}
