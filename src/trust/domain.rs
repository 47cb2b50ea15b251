//! A trust domain: whose certificates are believed, and under which rules.

use crate::document::{Attachments, Diagnostic, Document, TrustDomainSpec};

/// A compiled `TrustDomain` document.
#[derive(Debug)]
pub struct TrustDomain {
    name: String,
}

// === impl TrustDomain ===

impl TrustDomain {
    pub(super) fn compile(
        document: &Document,
        _spec: &TrustDomainSpec,
        _files: &Attachments,
        _problems: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        Some(Self { name: document.metadata.name.value.clone() })
    }

    /// The name of the document.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}
