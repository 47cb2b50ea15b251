//! Reading a snapshot from files: all of it, with every problem, before anything is put in force.

use std::path::PathBuf;
use std::time::Duration;

use super::compiled::{MadeFrom, Snapshot};
use super::files::{
    DocumentFiles, FileSet, files_revision, find, read_attachments, read_document_file, revision,
    with_credentials,
};
use super::inventory::RefusedFiles;
use crate::document::{self, Attachments, Code, Diagnostic, RemoteContents};
use crate::policy::Suite;
use crate::trust::{KeySource, KnownLists};

/// The result of reading the documents.
#[derive(Debug)]
pub struct Load {
    /// The snapshot; `None` where one of the problems is an error.
    pub snapshot: Option<Snapshot>,
    /// Every problem, in reading order.
    pub problems: Vec<Diagnostic>,
    /// How many document files were read.
    pub files: usize,
    /// The policy suites among the documents, for `countersign test`.
    pub suites: Vec<Suite>,
    /// The exact files.
    pub set: FileSet,
    /// The files, where one of the problems is an error.
    pub refused: Option<RefusedFiles>,
}

impl Load {
    /// Reads and compiles every document in `paths`: files, or folders that are searched for `*.yaml` and `*.yml`.
    ///
    /// Does blocking I/O.
    pub fn from_paths(paths: &[PathBuf]) -> Self {
        Self::with_remote(paths, RemoteContents::new())
    }

    /// The same with `remote` for what documents need from servers.
    pub fn with_remote(paths: &[PathBuf], remote: RemoteContents) -> Self {
        Self::read(paths, remote, &KnownLists::default(), None)
    }

    /// The same after a restart, where the revocation lists in `known` were in force before: no older list takes the place of
    /// one of them.
    pub fn after_restart(paths: &[PathBuf], known: &KnownLists) -> Self {
        Self::after_restart_with(paths, RemoteContents::new(), known)
    }

    /// The same with `remote` files that were saved before the restart.
    pub fn after_restart_with(
        paths: &[PathBuf],
        remote: RemoteContents,
        known: &KnownLists,
    ) -> Self {
        Self::read(paths, remote, known, None)
    }

    /// Loads again after `before`, and takes over the policies that have not changed. The result is that of
    /// [`Self::with_remote`], but for the time it takes, and for revocation lists: none goes back in time.
    pub fn again(before: &Snapshot, paths: &[PathBuf], remote: RemoteContents) -> Self {
        Self::read(paths, remote, before.trust().known_lists(), Some(before))
    }

    /// The same for a server whose requests have this `deadline`: without warnings of introspection that it is long enough for.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        let issuers = self.snapshot.iter().flat_map(|snapshot| snapshot.trust().issuers());
        let waits = issuers.filter_map(|issuer| match &issuer.keys {
            KeySource::Introspected(source) => Some(source.access.timeout),
            KeySource::Local(_) | KeySource::Remote(_) => None,
        });
        if waits.max().is_some_and(|longest| longest <= deadline) {
            self.problems.retain(|problem| problem.code != Code::SlowIntrospection);
        }
        self
    }

    fn read(
        paths: &[PathBuf],
        remote: RemoteContents,
        known: &KnownLists,
        before: Option<&Snapshot>,
    ) -> Self {
        let mut problems = Vec::new();
        let sources: Vec<_> = find(paths, &mut problems)
            .iter()
            .filter_map(|path| {
                read_document_file(path).map_err(|problem| problems.push(problem)).ok()
            })
            .collect();
        let documents = DocumentFiles::find(&sources, &mut problems);
        let others = &documents.others;
        let (attachments, attached) = read_attachments(&Attachments::paths_in(others), remote);
        let attachments = with_credentials(attachments, &Attachments::credentials_in(others));
        let revision = revision(&sources, &attachments, &attached);
        let set = FileSet { name: files_revision(&sources, &attachments, &attached), attached };
        let made_from = MadeFrom { revision, set: &set, sources: &sources };
        let snapshot =
            Snapshot::compile(&documents, (&attachments, known), &made_from, before, &mut problems);
        let suites = Suite::compile(others, &mut problems);
        if let Some(snapshot) = &snapshot {
            suites.iter().for_each(|suite| suite.check_rules(snapshot.policies(), &mut problems));
        }
        problems.retain(|problem| !documents.unreadable.explains(problem));
        document::sort(&mut problems);
        let snapshot = snapshot.filter(|_| !document::any_error(&problems));
        let refused = snapshot.is_none().then(|| RefusedFiles::new(paths, &sources));
        Self { snapshot, problems, files: sources.len(), suites, set, refused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P457: a document that cannot be read makes no other one name an unknown document; a name that is really unknown is reported.
    #[test]
    fn what_cannot_be_read_is_not_unknown_elsewhere() {
        let head = |kind: &str, name: &str| {
            format!(
                "apiVersion: countersign.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec:\n"
            )
        };
        let policy = head("Policy", "orders")
            + "  target: { hosts: [a.example] }\n  rules:\n  - name: a\n    effect: allow\n    token: { issuer: corp }\n    peer: { trustDomain: prod, spiffe: [spiffe://prod.example/a] }\n  - name: b\n    effect: allow\n    token: { issuer: other }\n    peer: { trustDomain: else, spiffe: [spiffe://prod.example/a] }\n";
        let (issuer, domain) = (head("TokenIssuer", "corp"), head("TrustDomain", "prod"));
        let codes = |documents: &[String]| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("all.yaml"), documents.join("---\n")).unwrap();
            let load = Load::from_paths(&[folder.path().to_owned()]);
            let errors =
                load.problems.iter().filter(|own| own.severity == document::Severity::Error);
            errors.map(|own| own.code).collect::<Vec<_>>()
        };
        let (field, unknown) =
            (Code::UnknownField, [Code::UnknownIssuer, Code::UnknownTrustDomain]);
        let broken = |head: &String| format!("{head}  nonsense: 1\n");
        let found = codes(&[policy.clone(), broken(&issuer), broken(&domain)]);
        let count = |found: &[Code], code| found.iter().filter(|own| **own == code).count();
        assert_eq!(count(&found, field), 2, "{found:?}");
        assert!(
            unknown.iter().all(|code| count(&found, *code) == 1),
            "those of rule `b`: {found:?}"
        );
        // Nothing is called unknown where the name, or even the kind, cannot be read.
        let found = codes(&[
            policy.clone(),
            "apiVersion: countersign.dev/v1alpha1\nkind: TokenIsuer\n".to_owned(),
        ]);
        assert_eq!(found, [Code::UnknownKind]);
    }
}
