//! One side of a comparison: the compiled documents, their suites, and the places of rules and keys.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::{CommandError, documents};
use crate::document::{self, Document, SourceFile, Span, Spanned, Spec, Tree};
use crate::pdp::{Load, Snapshot};
use crate::policy::{RuleName, Suite};
use crate::secret::Fingerprint;

/// One side of a comparison.
pub(super) struct Places {
    pub(super) snapshot: Snapshot,
    pub(super) suites: Vec<Suite>,
    documents: Vec<(Document, Fingerprint)>,
    /// The documents of policies by name, as they are written.
    trees: BTreeMap<String, Tree>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        let (line, column) = span.line_column();
        Self { file: span.file().shown_path(), line, column }
    }
}

impl Places {
    pub(super) fn load(paths: &[PathBuf]) -> Result<Self, CommandError> {
        let snapshot = documents::read(paths)?;
        let suites = Load::from_paths(paths).suites;
        let mut files: Vec<PathBuf> = snapshot.files().map(Path::to_owned).collect();
        files.sort();
        files.dedup();
        let documents: Vec<_> = files.iter().flat_map(|file| read(file)).collect();
        let trees = documents.iter().filter_map(|(own, _)| {
            let tree = Tree::at(&own.origin).filter(|_| matches!(own.spec, Spec::Policy(_)))?;
            Some((own.metadata.name.value.clone(), tree))
        });
        let trees = trees.collect();
        Ok(Self { snapshot, suites, documents, trees })
    }

    /// The place of `key` of a rule; of the rule, where the key has none of its own or there is none.
    pub(super) fn of(&self, rule: &RuleName, key: &str) -> Option<Place> {
        self.documents.iter().find_map(|(document, _)| {
            let Spec::Policy(policy) = &document.spec else { return None };
            if document.metadata.name.value != *rule.policy {
                return None;
            }
            let own = policy.rules.value.iter().find(|own| own.name.value == *rule.rule)?;
            let tree = self.trees.get(&document.metadata.name.value);
            let place = tree.and_then(|tree| tree.rule_key(&own.name, key));
            Some(place.unwrap_or_else(|| document.origin.span(&own.name)).into())
        })
    }

    /// The place of the `deny` of a policy, or of its name.
    pub(super) fn of_answer(&self, policy: &str) -> Option<Place> {
        self.documents.iter().find_map(|(document, _)| {
            let Spec::Policy(spec) = &document.spec else { return None };
            let name = &document.metadata.name;
            let deny = spec.deny.as_ref().map(Spanned::only_place);
            let place = deny.unwrap_or_else(|| name.only_place());
            (name.value == policy).then(|| document.origin.span(&place).into())
        })
    }

    /// The documents of trust with the fingerprints of their texts, by kind and name.
    pub(super) fn trust(&self) -> BTreeMap<(&'static str, &str), &(Document, Fingerprint)> {
        let named = self.documents.iter().filter_map(|own| {
            let document = &own.0;
            let kind = match &document.spec {
                Spec::TrustDomain(_) => "TrustDomain",
                Spec::TokenIssuer(_) => "TokenIssuer",
                Spec::RevocationList(_) => "RevocationList",
                Spec::Policy(_) | Spec::Fragments(_) | Spec::PolicySuite(_) => return None,
            };
            Some(((kind, document.metadata.name.value.as_str()), own))
        });
        named.collect()
    }
}

/// The documents in `file`, which were read without an error before. A file without any is attached to one.
fn read(file: &Path) -> Vec<(Document, Fingerprint)> {
    let Ok(text) = fs::read_to_string(file) else { return Vec::new() };
    let found = document::find(&SourceFile::new(file, text), &mut Vec::new());
    found.iter().filter_map(|own| Some((own.read().ok()?, own.fingerprint()))).collect()
}
