//! Compiles all trust documents together, and finds what of them a credential is verified against.

use std::collections::HashMap;
use std::sync::Arc;

use x509_parser::certificate::X509Certificate;

use super::access;
use super::domain::{self, IssuerId, IssuerKeys, KnownLists, TrustDomain};
use super::issuer::{self, Issuer, KeySource};
use super::revocation::{self, KnownIssuers, RevocationEntry, RevocationList, RevocationView};
use crate::clock::UnixTime;
use crate::document::{Attachments, Diagnostic, Document, Spec};
use crate::request::TokenPlace;
use crate::secret::Fingerprint;
use crate::spiffe::SpiffeId;

/// All trust documents of one revision, compiled.
#[derive(Debug, Default)]
pub struct TrustStore {
    domains: Vec<TrustDomain>,
    /// The CAs of the trust domains without `spiffe`, and of those with.
    keys_without_spiffe: IssuerKeys,
    keys_by_spiffe: HashMap<String, IssuerKeys>,
    domains_revision: Option<Fingerprint>,
    known_lists: KnownLists,
    pub(super) issuers: Vec<Issuer>,
    revocation_lists: Vec<RevocationList>,
    revocations: Arc<RevocationView>,
}

impl TrustStore {
    /// Compiles the `TrustDomain`, `TokenIssuer` and `RevocationList` documents among `documents`. Every problem goes to `problems`; where one
    /// of them is an error the result must not be used.
    pub fn compile(
        documents: &[Document],
        files: &Attachments,
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        Self::compile_after(&KnownLists::default(), None, documents, files, problems)
    }

    /// The same where `known` was in force before, which no older revocation list takes the place of. With a time, `now`,
    /// lists and authorities that are out of date are reported.
    pub fn compile_after(
        known: &KnownLists,
        now: Option<UnixTime>,
        documents: &[Document],
        files: &Attachments,
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut store = Self::default();
        let mut drafts = Vec::new();
        domain::check_distinct(documents, problems);
        for document in documents {
            match &document.spec {
                Spec::TrustDomain(spec) => {
                    drafts.extend(domain::compile(document, spec, files, known, now, problems));
                }
                Spec::TokenIssuer(spec) => {
                    store.issuers.extend(Issuer::compile(document, spec, files, problems));
                }
                Spec::RevocationList(spec) => store
                    .revocation_lists
                    .push(revocation::compile(document, spec, files, problems)),
                Spec::Policy(_) | Spec::Fragments(_) | Spec::PolicySuite(_) => {}
            }
        }
        access::judge_files(documents, files, problems);
        domain::check_overlaps(documents, &drafts, problems);
        let (domains, known_lists, standing) = domain::settle(drafts, known, now, problems);
        (store.domains, store.known_lists) = (domains, known_lists);
        issuer::refuse_ambiguous(documents, problems);
        revocation::check_known(documents, &store.domains, &store.issuers, problems);
        store.revocation_lists.sort_by(|a, b| a.name.cmp(&b.name));
        let tables = store.revocation_lists.iter().map(|list| Arc::clone(&list.table));
        store.revocations = Arc::new(RevocationView::new(tables.collect()));
        // The order of files never matters.
        store.domains.sort_by(|a, b| a.name.cmp(&b.name));
        store.index_issuers();
        let revisions = store.domains.iter().flat_map(|domain| *domain.revision.as_bytes());
        let revisions = revisions.chain(*standing.revision().as_bytes());
        store.domains_revision = Some(Fingerprint::of(&revisions.collect::<Vec<_>>()));
        store
    }

    fn index_issuers(&mut self) {
        for (position, domain) in self.domains.iter().enumerate() {
            let keys = match &domain.spiffe {
                Some(name) => self.keys_by_spiffe.entry(name.as_str().to_owned()).or_default(),
                None => &mut self.keys_without_spiffe,
            };
            keys.add(domain, position);
        }
    }

    /// The trust domains, in the order of their names.
    pub fn domains(&self) -> &[TrustDomain] {
        &self.domains
    }

    /// The trust domain that vouches for `id`, and no other does (P45).
    pub fn domain_of(&self, id: &SpiffeId) -> Option<&TrustDomain> {
        self.domain(*self.issuer_keys(Some(id))?.domains().first()?)
    }

    /// The CAs of the trust domains that may vouch for a certificate with this SPIFFE ID, or for one without. Nothing where no trust
    /// domain vouches for this ID.
    pub fn issuer_keys(&self, id: Option<&SpiffeId>) -> Option<&IssuerKeys> {
        match id {
            Some(id) => self.keys_by_spiffe.get(id.trust_domain()),
            None => Some(&self.keys_without_spiffe),
        }
    }

    /// The trust domain at `position`.
    pub fn domain(&self, position: usize) -> Option<&TrustDomain> {
        self.domains.get(position)
    }

    /// True if a revocation list of `issuer`, of any document, revokes the certificate.
    pub fn is_listed(
        &self,
        certificate: &X509Certificate<'_>,
        issuer: &IssuerId,
        now: UnixTime,
    ) -> bool {
        self.domains.iter().any(|domain| domain.is_listed(certificate, issuer, now))
    }

    /// Changes whenever anything that a certificate is verified against does (P40).
    pub const fn domains_revision(&self) -> Option<&Fingerprint> {
        self.domains_revision.as_ref()
    }

    /// The revocation lists to remember, so that none is replaced by an older one.
    pub const fn known_lists(&self) -> &KnownLists {
        &self.known_lists
    }

    /// The token issuers, in no particular order.
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// The revocation lists, in the order of their names.
    pub fn revocation_lists(&self) -> &[RevocationList] {
        &self.revocation_lists
    }

    /// The revocations of the documents themselves.
    pub const fn revocations(&self) -> &Arc<RevocationView> {
        &self.revocations
    }

    /// The issuer with this id: the name of a document, or of a part of one.
    pub fn issuer(&self, id: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| issuer.id == id)
    }

    /// The issuers that a token may be from, going by its **unverified** `iss` and `sub`: those that are called so, then, for
    /// JWT-SVIDs, those of the trust domain of its subject.
    pub fn issuers_named<'a>(
        &'a self,
        iss: Option<&'a str>,
        sub: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Issuer> {
        let called = self.issuers.iter().filter(move |issuer| issuer.is_called(iss));
        let of_domain = self.issuers.iter().filter(move |issuer| issuer.is_domain_of(sub));
        called.chain(of_domain)
    }

    /// The issuer that can be asked about opaque tokens in `place`: there is at most one.
    pub fn introspecting_at(&self, place: &TokenPlace) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| {
            matches!(&issuer.keys, KeySource::Introspected(_)) && issuer.places.contains(place)
        })
    }

    /// Every place where any issuer's tokens may be, each once.
    pub fn token_places(&self) -> Vec<TokenPlace> {
        let mut places: Vec<_> =
            self.issuers.iter().flat_map(|issuer| issuer.places.iter().cloned()).collect();
        places.sort();
        places.dedup();
        places
    }

    /// Why an entry that is made while servers run may revoke less than it seems, beside an issuer that no document has: no
    /// document has its key or its workload, or a value begins or ends with white space.
    pub fn lints_about(&self, entry: &RevocationEntry) -> Vec<String> {
        revocation::lints_about(entry, &self.domains, &self.issuers)
    }

    /// Checks that the issuer that `entry` names is not the name of a document, which no token has as its `iss`.
    ///
    /// # Errors
    /// The name, and the issuers of that document.
    pub fn check_issuer_of(&self, entry: &RevocationEntry) -> Result<(), String> {
        revocation::check_issuer_of(entry, &self.issuers)
    }

    /// The issuers and authorities of the documents, for lists that are read beside them.
    pub fn known_issuers(&self) -> KnownIssuers {
        KnownIssuers::of(&self.domains, &self.issuers)
    }
}
