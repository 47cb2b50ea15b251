//! Runs the command: reads the evidence, verifies it, and writes the report.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::certificate::VerificationContext;
use super::input::{InputKind, InspectInput};
use super::render;
use super::report::InspectReport;
use crate::cli::style::{self, Output};
use crate::cli::{CommandError, Exit, documents, files, time};
use crate::clock::{Clock as _, SystemClock, UnixTime};
use crate::evidence::{PeerSources, PrincipalSource};
use crate::evidence_level::EvidenceLevel;
use crate::trust::TrustStore;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign inspect client.pem
  countersign inspect client.pem --documents policies
  countersign inspect --xfcc 'Hash=..;URI=spiffe://prod.example/ns/web/sa/frontend' \\
      --documents policies

Exit codes: 0 decoded, and verified if documents are given; 1 it does not verify, or cannot be
decoded; 2 wrong arguments, or a kind that is not recognized; 3 wrong settings; 4 the
documents have errors")]
pub(in crate::cli) struct Args {
    /// A file with a certificate or chain (PEM, DER), an XFCC value, or a recorded check (JSON, protobuf). Without it, or
    /// with `-`, standard input.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// An XFCC value instead of a file.
    #[arg(long, value_name = "VALUE", conflicts_with_all = ["file", "kind"])]
    xfcc: Option<String>,
    /// The kind of the file, if it is not recognized.
    #[arg(long = "as", value_enum, value_name = "KIND")]
    kind: Option<InputKind>,
    /// Settings of a server: its documents, where none are given.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// A file or folder of documents to verify with; may be given more than once.
    #[arg(long, value_name = "PATH")]
    documents: Vec<PathBuf>,
    /// Fetch nothing: use only what is in files.
    #[arg(long)]
    offline: bool,
    /// The evidence that counts, as in `listener.peerSources`.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SOURCE",
        default_values_t = [EvidenceSource::SourceCertificate, EvidenceSource::Xfcc, EvidenceSource::ClientCert])]
    sources: Vec<EvidenceSource>,
    /// The lowest level of evidence that counts, as in `listener.peerSources.leastEvidence`.
    #[arg(long, value_enum, default_value_t = EvidenceLevel::Leaf, value_name = "LEVEL")]
    least_evidence: EvidenceLevel,
    /// The TLS peer as the proxy names it (`source.principal`).
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// The proxy's own identity (`destination.principal`), which XFCC `By` is compared with.
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// Use this time instead of now: RFC 3339, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = time::parse, allow_hyphen_values = true)]
    at: Option<UnixTime>,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum EvidenceSource {
    /// The certificate that the proxy itself verified.
    SourceCertificate,
    /// The header `x-forwarded-client-cert`.
    Xfcc,
    /// The headers `client-cert` and `client-cert-chain` (RFC 9440).
    ClientCert,
    /// The name that the proxy gives the TLS peer, if nothing else is shown (`principal: uriSanRequired`).
    Principal,
}

pub(in crate::cli) fn run(args: &Args) -> Result<Exit, CommandError> {
    let input = args.input().map_err(CommandError::Usage)?;
    let input = input.with(args.principal.as_deref(), args.destination.as_deref());
    let paths = documents::named(&args.documents, args.config.as_deref())?;
    let read = || documents::fetch(&paths, args.offline);
    let read = (!paths.is_empty()).then(read).transpose()?;
    let (snapshot, missing) = read.unzip();
    missing.iter().flatten().for_each(style::error);
    let nothing = TrustStore::default();
    let context = VerificationContext {
        trust: snapshot.as_ref().map_or(&nothing, |snapshot| snapshot.trust()),
        revision: snapshot.as_ref().map(|snapshot| snapshot.revision().as_str()),
        now: args.at.unwrap_or_else(|| SystemClock.now()),
    };
    let report = InspectReport::new(&input, &args.sources(&input), context);
    args.output.write(&report, render::write)?;
    Ok(Exit::ok_if(report.is_good()))
}

impl Args {
    fn input(&self) -> Result<InspectInput, String> {
        if let Some(value) = &self.xfcc {
            return InspectInput::parse(value.as_bytes(), Some(InputKind::Xfcc));
        }
        let file = self.file.as_deref().unwrap_or(Path::new("-"));
        let is_stdin = file == Path::new("-");
        if is_stdin && std::io::stdin().is_terminal() {
            style::hint("reading standard input: paste it and end with Ctrl-D");
        }
        let bytes = files::read(file).map_err(|error| files::unreadable(file, &error))?;
        InspectInput::parse(&bytes, self.kind).map_err(|why| {
            format!("cannot inspect `{}`: {}", files::named(file), style::visible(&why))
        })
    }

    fn sources(&self, input: &InspectInput) -> PeerSources {
        let uses = |source| self.sources.contains(&source);
        PeerSources {
            source_certificate: uses(EvidenceSource::SourceCertificate),
            xfcc: uses(EvidenceSource::Xfcc),
            xfcc_without_tls: !input.names_tls_peer,
            client_cert: uses(EvidenceSource::ClientCert),
            client_cert_without_tls: false,
            principal: match uses(EvidenceSource::Principal) {
                true => PrincipalSource::UriSanRequired,
                false => PrincipalSource::Off,
            },
            least_evidence: self.least_evidence,
            identities: Vec::new(),
        }
    }
}
