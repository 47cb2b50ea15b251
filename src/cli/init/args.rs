//! Arguments of `init`.

use std::path::PathBuf;

use crate::document::IssuerProfile;

const EXAMPLES: &str = "\
Examples:
  countersign init --dev
  countersign init authz --host orders.example.com --audience orders --issuer https://login.example.com
  countersign init authz --spiffe prod.example --ca root-cert.pem --profile keycloak

Exit codes: 0 written; 1 a file is in the way, or cannot be written; 2 wrong arguments";

/// Arguments of `init`. All that is not given is a placeholder, marked by `REPLACE` in the files.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    /// The folder to write into.
    #[arg(default_value = ".", value_name = "FOLDER")]
    pub(super) folder: PathBuf,
    /// The host that clients ask for, or a pattern of hosts such as `*.example.com`.
    #[arg(long, value_name = "HOST")]
    pub(super) host: Option<String>,
    /// The `iss` of the tokens to believe.
    #[arg(long, value_name = "URL")]
    pub(super) issuer: Option<String>,
    /// The `aud` that means your service.
    #[arg(long, value_name = "AUDIENCE")]
    pub(super) audience: Option<String>,
    /// The SPIFFE trust domain of your workloads.
    #[arg(long, value_name = "TRUSTDOMAIN")]
    pub(super) spiffe: Option<String>,
    /// The certificates of the authorities that issue your workloads', PEM: in Istio, `root-cert.pem` of the secret `cacerts`.
    #[arg(long, value_name = "FILE", conflicts_with = "dev")]
    pub(super) ca: Option<PathBuf>,
    /// The provider of the issuer.
    #[arg(long, value_enum, default_value_t, value_name = "PROFILE", conflicts_with = "dev")]
    pub(super) profile: IssuerProfile,
    /// Add an authority, certificates of a client and of Envoy, an issuer's key and two tokens, to throw away: everything then runs on
    /// this machine for 30 days.
    #[arg(long)]
    pub(super) dev: bool,
}
