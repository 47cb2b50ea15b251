//! The sources of the material that a document needs, and the credentials that a server sees for it.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::{Entries, HumanDuration, Spanned};

/// A place to read from. Exactly one of the keys is given; which one is never guessed from the text.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Source {
    /// A file; a relative path is relative to the folder of the document.
    File(Spanned<String>),
    /// The text itself.
    Inline(Spanned<String>),
    /// A file on a server, fetched in the background and refreshed.
    Remote(Box<RemoteSource>),
}

/// A file on a server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoteSource {
    /// Its address.
    pub url: Spanned<String>,
    /// A file with the authorities that the server's certificate must lead to, instead of the system's.
    pub ca: Option<Spanned<String>>,
    /// For a bundle endpoint whose certificate names a workload and no host (SPIFFE Federation section 5.2.2, `https_spiffe`): the
    /// workload. `ca` then holds the first bundle, or its authorities in PEM. Unset: the certificate names the host (`https_web`).
    #[schemars(extend("examples" = ["spiffe://partner.example/spire/server"]))]
    pub spiffe_id: Option<Spanned<String>>,
    /// How often it is fetched. Default: every 10 minutes.
    #[schemars(extend("default" = "10m"))]
    pub refresh: Option<Spanned<HumanDuration>>,
    /// For authorities and bundles: how long one is used that could not be fetched again. Default: `24h` for a bundle; authorities
    /// are used for as long as they are valid.
    pub max_stale: Option<Spanned<HumanDuration>>,
    /// Longest wait for it. Default: `30s`, and `60s` for a revocation list.
    #[schemars(extend("default" = "30s"))]
    pub timeout: Option<Spanned<HumanDuration>>,
    /// The credentials that the server is shown. Default: none.
    pub client: Option<ClientSpec>,
    /// True if `http://` will do: revocation lists are signed and often published so.
    #[serde(default)]
    pub allow_plaintext: bool,
}

/// The credentials that a server is shown. Their files are read for each request, so that other processes may replace them at any
/// time.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientSpec {
    /// A bearer token (RFC 6750 section 2.1), such as the one of a Kubernetes service account.
    pub bearer: Option<SecretFile>,
    /// Further headers, each with one line: from a `file`, or `inline` where it is no secret.
    pub headers: Option<Entries<Source>>,
    /// A client certificate.
    pub mutual_tls: Option<MutualTlsSpec>,
    /// Hosts that may see them beside that of the address, such as the one that a `jwks_uri` leads to. Default: none.
    #[serde(default)]
    pub hosts: Vec<Spanned<String>>,
}

/// A client certificate and its key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MutualTlsSpec {
    /// The certificate and its intermediates, PEM.
    pub certificate: SecretFile,
    /// The private key, PEM.
    pub key: SecretFile,
}

/// Something that is read from a file and never stands in the document itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretFile {
    /// The file; a relative path is relative to the folder of the document.
    #[serde(rename = "file", deserialize_with = "file")]
    #[schemars(with = "String")]
    pub source: Source,
}

impl Source {
    /// The value in the document that has the span.
    pub const fn place(&self) -> &Spanned<String> {
        match self {
            Self::File(text) | Self::Inline(text) => text,
            Self::Remote(remote) => &remote.url,
        }
    }

    /// How a message names it.
    pub fn name(&self) -> String {
        match self {
            Self::File(file) => format!("`{}`", file.value),
            Self::Inline(_) => String::from("the inline text"),
            Self::Remote(_) => String::from("the remote file"),
        }
    }
}

impl ClientSpec {
    /// Every file that it names.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let pair = self.mutual_tls.iter().flat_map(|tls| [&tls.certificate, &tls.key]);
        let headers = self.headers.iter().flat_map(|headers| &headers.0);
        let files = self.bearer.iter().chain(pair).map(|file| &file.source);
        files.chain(headers.map(|(_, text)| &text.value))
    }

    /// All that it says, without the places in the document.
    pub(super) fn text(&self) -> String {
        let headers = self.headers.iter().flat_map(|headers| &headers.0);
        let names: Vec<_> = headers.map(|(name, _)| &name.value).collect();
        let texts: Vec<_> = self.sources().map(|own| (own.name(), &own.place().value)).collect();
        let hosts: Vec<_> = self.hosts.iter().map(|host| &host.value).collect();
        format!("{:?}", (self.bearer.is_some(), names, texts, hosts))
    }
}

/// Reads the value of a key that names a file.
pub(super) fn file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Source, D::Error> {
    Spanned::deserialize(deserializer).map(Source::File)
}

/// Reads the value of a key that may name a file.
pub(super) fn optional_file<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Source>, D::Error> {
    Option::deserialize(from).map(|file| file.map(Source::File))
}

/// Reads the value of a key that may hold the text itself.
pub(super) fn optional_text<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Source>, D::Error> {
    Option::deserialize(from).map(|text| text.map(Source::Inline))
}
