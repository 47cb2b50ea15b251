//! What we believe, as plain values: pinned authorities, issuers, keys. No I/O, no clock, no requests.

mod algorithm;
mod assertion;
mod domain;
mod dpop;
mod introspection;
mod issuer;
mod jwk;
mod keys;
mod name;
#[cfg(test)]
pub(crate) mod pki;
mod remote;
mod revocation;

pub use algorithm::Algorithm;
pub use assertion::ClientAssertion;
pub use domain::{
    Authority, Crl, ExtendedKeyUsageRules, IssuerId, KnownLists, LeafRules, Pin, Revocation,
    SpiffeBundle, StandingList, StoredList, TrustDomain, Validity, extension_fault, is_signed_by,
    issues_clients, key_weakness,
};
pub use dpop::{DpopRules, NonceRules};
pub use introspection::{AnswerError, ClientAuthentication, Introspection, IntrospectionAnswer};
pub(crate) use issuer::canonical_type;
pub use issuer::{Bind, Issuer, KeySource};
pub use jwk::{KeyFault, KeyPurpose, VerificationKey};
pub use keys::{KeyMiss, KeySet, KeySetError, SkippedKey};
pub use name::{CanonicalName, NameError};
pub use remote::{KeyUrl, KeyUrlError, RemoteFile, RemoteKeys};
pub use revocation::{
    AcceptedList, EntryError, FIRST_LINE, KnownIssuers, LineError, ListError, ListMark, ListPlace,
    ListSignature, ListSignatureError, ListSource, ListText, RevocationEntry, RevocationKey,
    RevocationKind, RevocationList, RevocationMark, RevocationNote, RevocationTable, Revocations,
    Revoked,
};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use x509_parser::certificate::X509Certificate;

use crate::clock::UnixTime;
use crate::document::{Attachments, Diagnostic, Document, Spec};
use crate::reason::Rejection;
use crate::request::TokenPlace;
use crate::secret::Fingerprint;
use crate::spiffe::SpiffeId;

/// Everything that is believed at one revision.
#[derive(Debug, Default)]
pub struct TrustStore {
    domains: Vec<TrustDomain>,
    domains_revision: Option<Fingerprint>,
    known_lists: KnownLists,
    issuers: Vec<Issuer>,
    revocation_lists: Vec<RevocationList>,
    revocations: Arc<Revocations>,
}

/// The key sets that were at hand for one request, by the name of the issuer document.
///
/// Gathered before anything is verified, so that verifying needs neither the network nor a clock of its own.
#[derive(Clone, Debug, Default)]
pub struct Material {
    key_sets: BTreeMap<String, Arc<KeySet>>,
    answers: BTreeMap<(String, Fingerprint), Result<Arc<IntrospectionAnswer>, Rejection>>,
    revocations: Option<Arc<Revocations>>,
    /// Issuers that could not be asked for keys of which they may have more by now.
    behind: BTreeSet<String>,
}

// === impl TrustStore ===

impl TrustStore {
    /// Compiles the `TrustDomain`, `TokenIssuer` and `RevocationList` documents among `documents`. Every problem goes to `problems`; where one
    /// of them is an error the result must not be used.
    #[must_use]
    pub fn compile(
        documents: &[Document],
        files: &Attachments,
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        Self::compile_after(&KnownLists::default(), None, documents, files, problems)
    }

    /// The same where `known` was in force before, which no older revocation list takes the place of. With a time, `now`,
    /// problems tell of lists that are out of date.
    #[must_use]
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
                    drafts.extend(domain::compile(document, spec, files, known, problems));
                }
                Spec::TokenIssuer(spec) => {
                    store.issuers.extend(Issuer::compile(document, spec, files, problems))
                }
                Spec::RevocationList(spec) => store
                    .revocation_lists
                    .push(revocation::compile(document, spec, files, problems)),
                Spec::Policy(_) | Spec::Fragments(_) | Spec::PolicySuite(_) => {}
            }
        }
        domain::check_overlaps(documents, &drafts, problems);
        let (domains, known_lists, standing) = domain::settle(drafts, known, now, problems);
        (store.domains, store.known_lists) = (domains, known_lists);
        issuer::refuse_ambiguous(documents, problems);
        revocation::check_known(documents, &store.domains, &store.issuers, problems);
        store.revocation_lists.sort_by(|a, b| a.name().cmp(b.name()));
        let tables = store.revocation_lists.iter().map(|list| Arc::clone(list.table()));
        store.revocations = Arc::new(Revocations::new(tables.collect()));
        // The order of files never matters.
        store.domains.sort_by(|a, b| a.name().cmp(b.name()));
        let revisions = store.domains.iter().flat_map(|domain| *domain.revision().as_bytes());
        let revisions = revisions.chain(*standing.revision().as_bytes());
        store.domains_revision = Some(Fingerprint::of(&revisions.collect::<Vec<_>>()));
        store
    }

    /// The trust domains, in the order of their names.
    #[must_use]
    pub fn domains(&self) -> &[TrustDomain] {
        &self.domains
    }

    /// Whether an authority or an intermediate of the documents has this name. True where there is none at all.
    #[must_use]
    pub fn knows_certificate_issuer(&self, name: &str) -> bool {
        let name = CanonicalName::of_certificate(name);
        self.domains.is_empty()
            || self.domains.iter().any(|domain| domain.issuer_names().contains(&name))
    }

    /// The trust domain that vouches for `id`, and no other does (P45).
    #[must_use]
    pub fn domain_of(&self, id: &SpiffeId) -> Option<&TrustDomain> {
        let own = |domain: &&TrustDomain| {
            domain.spiffe().is_some_and(|name| name.as_str() == id.trust_domain())
        };
        self.domains.iter().find(own)
    }

    /// The trust domains that vouch for certificates without a SPIFFE ID, in the order of their names.
    pub fn domains_without_spiffe(&self) -> impl Iterator<Item = &TrustDomain> {
        self.domains.iter().filter(|domain| domain.spiffe().is_none())
    }

    /// Whether a revocation list of `issuer`, of any document, revokes the certificate.
    #[must_use]
    pub fn is_listed(
        &self,
        certificate: &X509Certificate<'_>,
        issuer: &IssuerId,
        now: UnixTime,
    ) -> bool {
        self.domains.iter().any(|domain| domain.is_listed(certificate, issuer, now))
    }

    /// Changes whenever anything that a certificate is verified against does (P40).
    #[must_use]
    pub const fn domains_revision(&self) -> Option<&Fingerprint> {
        self.domains_revision.as_ref()
    }

    /// What there is to remember of revocation lists, so that none goes back in time.
    #[must_use]
    pub const fn known_lists(&self) -> &KnownLists {
        &self.known_lists
    }

    /// The token issuers, in no particular order.
    #[must_use]
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// The revocation lists, in the order of their names.
    #[must_use]
    pub fn revocation_lists(&self) -> &[RevocationList] {
        &self.revocation_lists
    }

    /// What the documents themselves revoke.
    #[must_use]
    pub const fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// The issuer of the document called `name`.
    #[must_use]
    pub fn issuer(&self, name: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| issuer.name() == name)
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
    #[must_use]
    pub fn introspecting_at(&self, place: &TokenPlace) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| {
            matches!(issuer.keys(), KeySource::Introspected(_)) && issuer.places().contains(place)
        })
    }

    /// Every place where any issuer's tokens may be, each once.
    #[must_use]
    pub fn token_places(&self) -> Vec<TokenPlace> {
        let mut places: Vec<_> =
            self.issuers.iter().flat_map(|issuer| issuer.places().iter().cloned()).collect();
        places.sort();
        places.dedup();
        places
    }
}

// === impl Material ===

impl Material {
    /// Adds the key set of the issuer document called `issuer`.
    pub fn insert(&mut self, issuer: &str, keys: Arc<KeySet>) {
        self.key_sets.insert(issuer.to_owned(), keys);
    }

    /// Notes that the issuer of the document called `issuer` could not be asked for a key that is not among those at hand.
    pub fn note_behind(&mut self, issuer: &str) {
        self.behind.insert(issuer.to_owned());
    }

    /// Whether the issuer of the document called `issuer` may have keys that are not at hand, and could not be asked.
    #[must_use]
    pub fn is_behind(&self, issuer: &str) -> bool {
        self.behind.contains(issuer)
    }

    /// Adds what the issuer of the document called `issuer` gave for the token with the fingerprint `token`: an answer, or why
    /// there is none.
    pub fn insert_answer(
        &mut self,
        issuer: &str,
        token: Fingerprint,
        answer: Result<Arc<IntrospectionAnswer>, Rejection>,
    ) {
        self.answers.insert((issuer.to_owned(), token), answer);
    }

    /// Has the request judged by `revocations`, which hold what the documents revoke and what is known beside them.
    pub fn revoke_by(&mut self, revocations: Arc<Revocations>) {
        self.revocations = Some(revocations);
    }

    /// What the request is judged by: what was gathered, else what the documents of `trust` revoke.
    #[must_use]
    pub fn revocations<'a>(&'a self, trust: &'a TrustStore) -> &'a Revocations {
        self.revocations.as_ref().unwrap_or(&trust.revocations)
    }

    /// What it gave for the token with the fingerprint `token`, if it was asked.
    #[must_use]
    pub fn answer(
        &self,
        issuer: &str,
        token: Fingerprint,
    ) -> Option<&Result<Arc<IntrospectionAnswer>, Rejection>> {
        self.answers.get(&(issuer.to_owned(), token))
    }

    /// The key set of the issuer document called `issuer`, if one was at hand.
    #[must_use]
    pub fn keys(&self, issuer: &str) -> Option<&Arc<KeySet>> {
        self.key_sets.get(issuer)
    }
}
