//! Trust and policies at one revision.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::files::{DocumentFiles, FileSet};
use super::inventory::Inventory;
use super::revision::Revision;
use crate::authn::TokenScope;
use crate::clock::{Clock as _, SystemClock};
use crate::document::{self, Attachments, Diagnostic, Document, Kind, SourceFile};
use crate::policy::{PolicySet, PolicySources};
use crate::request::{SealedNames, TokenPlace};
use crate::trust::{KnownLists, TrustStore};

/// Trust and policies at one revision. Made whole or not at all.
#[derive(Debug)]
pub struct Snapshot {
    revision: Revision,
    trust: TrustStore,
    policies: Arc<PolicySet>,
    scope: Arc<TokenScope>,
    places: Vec<TokenPlace>,
    sealed: SealedNames,
    /// Every file that was read, for the watcher.
    files: Vec<PathBuf>,
    inventory: Inventory,
}

/// Which files a snapshot is made from.
pub(super) struct MadeFrom<'a> {
    pub(super) revision: Revision,
    /// The files on this machine.
    pub(super) set: &'a FileSet,
    pub(super) sources: &'a [Arc<SourceFile>],
}

impl Snapshot {
    /// Which bytes it was made from.
    pub const fn revision(&self) -> &Revision {
        &self.revision
    }

    /// Trust domains and token issuers.
    pub const fn trust(&self) -> &TrustStore {
        &self.trust
    }

    /// The policies.
    pub fn policies(&self) -> &PolicySet {
        &self.policies
    }

    /// The issuers whose tokens count, host by host.
    pub fn token_scope(&self) -> &TokenScope {
        &self.scope
    }

    /// The places of tokens.
    pub fn token_places(&self) -> &[TokenPlace] {
        &self.places
    }

    /// Which headers carry credentials.
    pub const fn sealed(&self) -> &SealedNames {
        &self.sealed
    }

    /// Every file that it was made from.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    /// The content of its files, as far as its loss has to be confirmed.
    pub const fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The same, of a snapshot that is not put in force.
    pub fn into_inventory(self) -> Inventory {
        self.inventory
    }

    /// Compiles documents into a snapshot; `None` where a problem is an error. Policies that are as they were in `before` are
    /// taken from there.
    pub(super) fn compile(
        documents: &DocumentFiles,
        (attachments, known): (&Attachments, &KnownLists),
        made_from: &MadeFrom<'_>,
        before: Option<&Self>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let others = &documents.others;
        let named = others.iter().map(|document| {
            let name = &document.metadata.name;
            (document.spec.kind(), name.value.as_str(), document.origin.span(name))
        });
        document::check_unique(named, problems);
        let now = SystemClock.now();
        let trust = TrustStore::compile_after(known, Some(now), others, attachments, problems);
        let sources = PolicySources {
            policies: &documents.policies,
            others,
            fragments: &documents.fragments,
            issuers: &names(others, Kind::TokenIssuer),
            domains: &names(others, Kind::TrustDomain),
            before: before.map(|before| &before.policies),
            threads: threads(before.is_some()),
            now,
        };
        let policies = PolicySet::compile(&sources, problems);
        if document::any_error(problems) {
            return None;
        }
        let places = trust.token_places();
        let sealed = SealedNames::for_places(&places);
        let MadeFrom { revision, set, sources } = made_from;
        let attached = set.attached();
        let inventory = Inventory::new(set.name().clone(), sources, others, &policies);
        let files = sources.iter().map(|source| source.path().to_owned());
        let files = files.chain(attached.iter().cloned()).collect();
        let (revision, scope) = (revision.clone(), Arc::clone(policies.scope()));
        Some(Self { revision, trust, policies, scope, places, sealed, files, inventory })
    }
}

/// How many threads may compile: every core before serving, and half of them while serving.
fn threads(serving: bool) -> NonZeroUsize {
    let all = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let half = NonZeroUsize::new(all.get() / 2).unwrap_or(NonZeroUsize::MIN);
    if serving { half } else { all }
}

fn names(documents: &[Document], kind: Kind) -> Vec<&str> {
    let of_kind = documents.iter().filter(|document| document.spec.kind() == kind);
    of_kind.map(|document| document.metadata.name.value.as_str()).collect()
}
