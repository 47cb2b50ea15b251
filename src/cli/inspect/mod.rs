//! `countersign inspect`: what a certificate, an XFCC value or a recorded check shows of the caller, and who is believed.

mod certificate;
mod input;
mod render;
mod report;

pub(in crate::cli) use self::input::to_pem;
pub(in crate::cli) use self::render::write_hop;
pub(in crate::cli) use self::report::{HopReport, PeerReport, RejectionReport};

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use self::input::{Input, Kind};
use self::report::{Judges, Report};
use super::style::Output;
use super::{Exit, documents, moment, style};
use crate::clock::{Clock as _, SystemClock, UnixTime};
use crate::evidence::{PeerSources, PrincipalSource};
use crate::evidence_level::EvidenceLevel;
use crate::trust::TrustStore;

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A file with a certificate or chain (PEM, DER), an XFCC value, or a recorded check (JSON, protobuf). Without it, or
    /// with `-`, standard input.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// An XFCC value instead of a file.
    #[arg(long, value_name = "VALUE", conflicts_with_all = ["file", "kind"])]
    xfcc: Option<String>,
    /// What the file is, where its looks deceive.
    #[arg(long = "as", value_enum, value_name = "KIND")]
    kind: Option<Kind>,
    /// A file or folder of documents to judge by; may be given more than once.
    #[arg(long, value_name = "PATH")]
    documents: Vec<PathBuf>,
    /// Fetch nothing: what documents need from servers is missing.
    #[arg(long)]
    offline: bool,
    /// The evidence that is believed, as in `listener.peerSources`.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SOURCE",
        default_values_t = [Believed::SourceCertificate, Believed::Xfcc, Believed::ClientCert])]
    sources: Vec<Believed>,
    /// The least evidence that counts, as in `listener.peerSources.leastEvidence`.
    #[arg(long, value_enum, default_value_t = Least::Leaf, value_name = "LEVEL")]
    least_evidence: Least,
    /// The TLS peer as the proxy names it (`source.principal`).
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// The proxy's own identity (`destination.principal`), which XFCC `By` is compared with.
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// Judge at this moment instead of now: RFC 3339, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = moment::parse, allow_hyphen_values = true)]
    at: Option<UnixTime>,
    /// For whom the result is written.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

/// A place of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Believed {
    /// The certificate that the proxy itself verified.
    SourceCertificate,
    /// The header `x-forwarded-client-cert`.
    Xfcc,
    /// The headers `client-cert` and `client-cert-chain` (RFC 9440).
    ClientCert,
    /// The name that the proxy gives the TLS peer, where nothing else is shown (`principal: uriSanRequired`).
    Principal,
}

/// A level of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Least {
    /// A name.
    Asserted,
    /// The SHA-256 of the certificate.
    Hash,
    /// The certificate.
    Leaf,
    /// The certificate with its chain.
    Full,
}

pub(super) fn run(args: &Args) -> Exit {
    let input = match args.input() {
        Ok(input) => input.with(args.principal.as_deref(), args.destination.as_deref()),
        Err(message) => {
            style::error(message);
            return Exit::Usage;
        }
    };
    let read = if args.offline { documents::read } else { documents::fetch };
    let snapshot = (!args.documents.is_empty()).then(|| read(&args.documents)).transpose();
    let snapshot = match &snapshot {
        Ok(snapshot) => snapshot.as_ref(),
        Err(exit) => return *exit,
    };
    let nothing = TrustStore::default();
    let judges = Judges {
        trust: snapshot.map_or(&nothing, |snapshot| snapshot.trust()),
        revision: snapshot.map(|snapshot| snapshot.revision().as_str()),
        now: args.at.unwrap_or_else(|| SystemClock.now()),
    };
    let report = Report::new(&input, &args.sources(&input), judges);
    match args.write(&report) {
        Ok(()) if report.is_good() => Exit::Ok,
        // Somebody who is not believed, or a pipe that nobody reads.
        Ok(()) | Err(_) => Exit::Failure,
    }
}

// === impl Args ===

impl Args {
    fn input(&self) -> Result<Input, String> {
        if let Some(value) = &self.xfcc {
            return Input::parse(value.as_bytes(), Some(Kind::Xfcc));
        }
        let file = self.file.as_deref().filter(|file| *file != std::path::Path::new("-"));
        if file.is_none() && io::stdin().is_terminal() {
            style::hint("reading standard input: paste it and end with Ctrl-D");
        }
        let name = || {
            let name = file.map_or_else(|| "standard input".into(), |file| file.to_string_lossy());
            style::visible(&name)
        };
        let bytes =
            input::read(file).map_err(|error| format!("cannot read `{}`: {error}", name()))?;
        Input::parse(&bytes, self.kind)
            .map_err(|why| format!("cannot inspect `{}`: {}", name(), style::visible(&why)))
    }

    fn sources(&self, input: &Input) -> PeerSources {
        let believes = |source| self.sources.contains(&source);
        PeerSources {
            source_certificate: believes(Believed::SourceCertificate),
            xfcc: believes(Believed::Xfcc),
            xfcc_without_tls: !input.names_tls_peer,
            client_cert: believes(Believed::ClientCert),
            client_cert_without_tls: false,
            principal: if believes(Believed::Principal) {
                PrincipalSource::UriSanRequired
            } else {
                PrincipalSource::Off
            },
            least_evidence: self.least_evidence.into(),
            identities: Vec::new(),
        }
    }

    fn write(&self, report: &Report) -> io::Result<()> {
        match self.output {
            Output::Human => render::write(report, &mut anstream::stdout().lock()),
            Output::Json => style::json(report, &mut io::stdout().lock()),
        }
    }
}

// === impl Least ===

impl From<Least> for EvidenceLevel {
    fn from(least: Least) -> Self {
        match least {
            Least::Asserted => Self::Asserted,
            Least::Hash => Self::Hash,
            Least::Leaf => Self::Leaf,
            Least::Full => Self::Full,
        }
    }
}

#[cfg(test)]
mod tests;
