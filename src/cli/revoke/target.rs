//! The options that name the target of a revocation.

use std::path::{Path, PathBuf};

use crate::cli::files;
use crate::document::RevocationEntrySpec;
use crate::secret::Fingerprint;
use crate::words::of_system;

/// Options that name exactly one target.
#[derive(Debug, clap::Args)]
pub(super) struct TargetArgs {
    /// One token, by its `jti`; needs `--issuer`.
    #[arg(long, value_name = "ID", help_heading = "Target", requires = "issuer")]
    jti: Option<String>,
    /// The tokens of a subject, by their `sub`; needs `--issuer`.
    #[arg(long, value_name = "SUB", help_heading = "Target", requires = "issuer")]
    subject: Option<String>,
    /// The tokens of a session, by their `sid`; needs `--issuer`.
    #[arg(long, value_name = "SID", help_heading = "Target", requires = "issuer")]
    session: Option<String>,
    /// The tokens of a client, by their `client_id` or `azp`; needs `--issuer`.
    #[arg(long, value_name = "ID", help_heading = "Target", requires = "issuer")]
    client: Option<String>,
    /// The tokens that a key signed, by its `kid`; needs `--issuer`.
    #[arg(long, value_name = "KID", help_heading = "Target", requires = "issuer")]
    kid: Option<String>,
    /// The issuer of the tokens: their `iss`, such as `https://login.example.com`, and not the name of its TokenIssuer document. Alone: all of its tokens.
    #[arg(long, value_name = "ISSUER", help_heading = "Target")]
    issuer: Option<String>,
    /// The certificate in this file (PEM), by its SHA-256. It is found even if a request shows only its hash in XFCC.
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    certificate: Option<PathBuf>,
    /// A certificate, by its SHA-256.
    #[arg(long, value_name = "SHA256", help_heading = "Target", conflicts_with = "certificate")]
    certificate_sha256: Option<String>,
    /// Certificates with a public key, by the SHA-256 of its SubjectPublicKeyInfo, as `inspect` prints it.
    #[arg(long, value_name = "SHA256", help_heading = "Target")]
    spki: Option<String>,
    /// A certificate, by its serial number; needs `--certificate-issuer`.
    #[arg(long, value_name = "HEX", help_heading = "Target", requires = "certificate_issuer")]
    serial: Option<String>,
    /// The issuer of that certificate, such as `CN=prod CA,O=Example`.
    #[arg(long, value_name = "NAME", help_heading = "Target")]
    certificate_issuer: Option<String>,
    /// A workload, by its SPIFFE ID: its certificates and its JWT-SVIDs.
    #[arg(long, value_name = "ID", help_heading = "Target")]
    spiffe: Option<String>,
}

impl TargetArgs {
    /// An entry for the target, without limits. Reading the entry checks that there is exactly one target.
    pub(super) fn entry(&self) -> Result<RevocationEntrySpec<String>, String> {
        let certificate = self.certificate.as_deref().map(fingerprint).transpose()?;
        Ok(RevocationEntrySpec {
            jti: self.jti.clone(),
            sub: self.subject.clone(),
            sid: self.session.clone(),
            client: self.client.clone(),
            kid: self.kid.clone(),
            issuer: self.issuer.clone(),
            certificate: certificate.or_else(|| self.certificate_sha256.clone()),
            spki: self.spki.clone(),
            serial: self.serial.clone(),
            certificate_issuer: self.certificate_issuer.clone(),
            spiffe: self.spiffe.clone(),
            ..RevocationEntrySpec::default()
        })
    }
}

/// The SHA-256 of the first certificate in the file, which is the leaf in a chain.
fn fingerprint(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let pem = std::fs::read(path)
        .map_err(|error| format!("cannot read `{shown}`: {}", of_system(&error)))?;
    let leaf = files::leaf(&pem);
    let (certificate, _) = leaf.ok_or_else(|| format!("`{shown}` has no certificate in PEM"))?;
    Ok(Fingerprint::of(&certificate).to_hex())
}
