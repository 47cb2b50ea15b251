//! A token issuer: whose tokens are believed, and under which rules.

use crate::document::{Attachments, Diagnostic, Document, TokenIssuerSpec};
use crate::request::TokenPlace;

/// A compiled `TokenIssuer` document.
#[derive(Debug)]
pub struct Issuer {
    name: String,
    places: Vec<TokenPlace>,
}

// === impl Issuer ===

impl Issuer {
    pub(super) fn compile(
        document: &Document,
        _spec: &TokenIssuerSpec,
        _files: &Attachments,
        _problems: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        Some(Self {
            name: document.metadata.name.value.clone(),
            places: vec![TokenPlace::Authorization],
        })
    }

    /// The name of the document.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its tokens may be.
    #[must_use]
    pub fn places(&self) -> &[TokenPlace] {
        &self.places
    }
}
