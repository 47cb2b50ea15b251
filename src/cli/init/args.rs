//! Arguments of `init`.

use std::path::PathBuf;

use crate::cli::{CommandError, request_args};
use crate::document::IssuerProfile;

const EXAMPLES: &str = "\
Examples:
  countersign init --dev
  countersign init authz --host orders.example.com --audience orders \\
      --issuer https://login.example.com
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
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub(super) host: Option<String>,
    /// The `iss` of the tokens to trust.
    #[arg(long, value_name = "URL")]
    pub(super) issuer: Option<String>,
    /// The `aud` that means your service.
    #[arg(long, value_name = "AUDIENCE")]
    pub(super) audience: Option<String>,
    /// The SPIFFE trust domain of your workloads.
    #[arg(long, value_name = "TRUSTDOMAIN", value_parser = trust_domain)]
    pub(super) spiffe: Option<String>,
    /// A PEM file with the authorities that issue your workloads' certificates: in Istio, `root-cert.pem` of the secret `cacerts`.
    /// Not with `--dev`, which makes an authority.
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// The provider of the issuer. Default: jwt. Not with `--dev`, whose issuer is one to throw away.
    #[arg(long, value_enum, value_name = "PROFILE")]
    profile: Option<IssuerProfile>,
    /// Add a throw-away authority, certificates of a client and of Envoy, an issuer's key and two tokens, which work on this machine for
    /// 30 days. Cannot be used with `--profile` or `--ca`.
    #[arg(long)]
    pub(super) dev: bool,
}

impl Args {
    /// The provider of the issuer.
    pub(super) fn profile(&self) -> IssuerProfile {
        self.profile.unwrap_or_default()
    }

    /// The flags whose values the documents have, with those that are given.
    pub(super) fn texts(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("--issuer", self.issuer.as_deref()),
            ("--audience", self.audience.as_deref()),
            ("--host", self.host.as_deref()),
            ("--spiffe", self.spiffe.as_deref()),
        ]
    }

    /// # Errors
    /// An argument is empty, or two contradict each other.
    pub(super) fn judge(&self) -> Result<(), CommandError> {
        let of_yours = [
            ("--profile", self.profile.is_some(), "issuer to throw away, with its keys in a file"),
            ("--ca", self.ca.is_some(), "authority to throw away"),
        ];
        if let Some((flag, _)) = self.texts().into_iter().find(|(_, text)| *text == Some("")) {
            return Err(CommandError::Usage(format!(
                "`{flag}` is empty: leave it away, and a placeholder stands in its place"
            )));
        }
        match of_yours.into_iter().find(|(_, is_given, _)| self.dev && *is_given) {
            Some((name, _, own)) => Err(CommandError::Usage(format!(
                "`{name}` cannot be used with `--dev`, which makes an {own}: remove one of the two"
            ))),
            None => Ok(()),
        }
    }
}

fn host(text: &str) -> Result<String, String> {
    let text = request_args::host(text)?;
    match text.contains(':') {
        true => Err(String::from("write the host without a port")),
        false => Ok(text),
    }
}

fn trust_domain(text: &str) -> Result<String, String> {
    match text.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default()) {
        Some(name) => Err(format!("write the name of the trust domain alone: `{name}`")),
        None => Ok(text.to_owned()),
    }
}
