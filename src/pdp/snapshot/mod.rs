//! Everything a decision is made by, as one immutable value (invariant 6).

mod load;

pub use load::Load;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::document::{self, Attachments, Diagnostic, Document, Spec};
use crate::policy::PolicySet;
use crate::request::{SealedNames, TokenPlace};
use crate::secret::Fingerprint;
use crate::trust::TrustStore;

/// Trust and policies at one revision. Made whole or not at all.
#[derive(Debug)]
pub struct Snapshot {
    revision: Revision,
    trust: TrustStore,
    policies: PolicySet,
    places: Vec<TokenPlace>,
    sealed: SealedNames,
    /// Every file that was read, for the watcher.
    files: Vec<PathBuf>,
}

/// Names the exact bytes of every file a snapshot was made from; the same on every replica that has the same files.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Revision(Arc<str>);

// === impl Snapshot ===

impl Snapshot {
    /// Which bytes it was made from.
    #[must_use]
    pub const fn revision(&self) -> &Revision {
        &self.revision
    }

    /// What is believed.
    #[must_use]
    pub const fn trust(&self) -> &TrustStore {
        &self.trust
    }

    /// What is permitted.
    #[must_use]
    pub const fn policies(&self) -> &PolicySet {
        &self.policies
    }

    /// Where tokens may be.
    #[must_use]
    pub fn token_places(&self) -> &[TokenPlace] {
        &self.places
    }

    /// Which headers carry credentials.
    #[must_use]
    pub const fn sealed(&self) -> &SealedNames {
        &self.sealed
    }

    /// Every file that it was made from.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    /// Compiles documents into a snapshot; `None` where a problem is an error.
    fn compile(
        documents: &[Document],
        attachments: &Attachments,
        revision: Revision,
        files: Vec<PathBuf>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        check_unique(documents, problems);
        let trust = TrustStore::compile(documents, attachments, problems);
        let issuers: Vec<&str> = names(documents, |spec| matches!(spec, Spec::TokenIssuer(_)));
        let domains: Vec<&str> = names(documents, |spec| matches!(spec, Spec::TrustDomain(_)));
        let policies = PolicySet::compile(documents, &issuers, &domains, problems);
        if document::any_error(problems) {
            return None;
        }
        let places = trust.token_places();
        let sealed = SealedNames::for_places(&places);
        Some(Self { revision, trust, policies, places, sealed, files })
    }
}

fn names(documents: &[Document], kind: impl Fn(&Spec) -> bool) -> Vec<&str> {
    documents.iter().filter(|d| kind(&d.spec)).map(|d| d.metadata.name.value.as_str()).collect()
}

fn check_unique(documents: &[Document], problems: &mut Vec<Diagnostic>) {
    let mut seen = BTreeMap::new();
    for document in documents {
        let name = &document.metadata.name;
        let span = document.origin.span(name);
        if let Some(first) = seen.insert((document.spec.kind(), name.value.as_str()), span.clone())
        {
            let message =
                format!("there are two {} documents called `{}`", document.spec.kind(), name.value);
            problems.push(
                Diagnostic::error("duplicate-name", span, message)
                    .help(format!("the other one is at {first}")),
            );
        }
    }
}

// === impl Revision ===

impl Revision {
    fn of(fingerprint: &Fingerprint) -> Self {
        Self(fingerprint.to_string().into())
    }

    /// The name: 16 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
