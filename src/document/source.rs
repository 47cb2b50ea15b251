//! Where the material a document needs comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::{HumanDuration, Spanned};

/// A place to read from. Exactly one of the keys is given; which one is never guessed from the text.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Source {
    /// A file; a relative path is relative to the folder of the document.
    File(Spanned<String>),
    /// The text itself.
    Inline(Spanned<String>),
    /// A file on a server, fetched in the background and refreshed.
    Remote(RemoteSource),
}

/// A file on a server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoteSource {
    /// Its address.
    pub url: Spanned<String>,
    /// A file with the authorities that the server's certificate must lead to, instead of the system's.
    pub ca: Option<Spanned<String>>,
    /// How often it is fetched. Default: every 10 minutes.
    #[schemars(extend("default" = "10m"))]
    pub refresh: Option<Spanned<HumanDuration>>,
    /// For authorities and bundles: how long one is used that could not be fetched again. Default: `24h` for a bundle; authorities
    /// are used for as long as they are valid.
    pub max_stale: Option<Spanned<HumanDuration>>,
    /// Whether `http://` will do: revocation lists are signed and often published so.
    #[serde(default)]
    pub allow_plaintext: bool,
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
