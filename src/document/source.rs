//! Where the material a document needs comes from.

use serde::Deserialize;
use serde_saphyr::Spanned;

/// A place to read from. Exactly one of the keys is given; which one is never guessed from the text.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Source {
    /// A file; a relative path is relative to the folder of the document.
    File(Spanned<String>),
    /// The text itself.
    Inline(Spanned<String>),
}

// === impl Source ===

impl Source {
    /// What the document says, for its place.
    #[must_use]
    pub const fn place(&self) -> &Spanned<String> {
        match self {
            Self::File(text) | Self::Inline(text) => text,
        }
    }

    /// How a message names it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(file) => format!("`{}`", file.value),
            Self::Inline(_) => String::from("the inline text"),
        }
    }
}
