//! Key sets, introspection answers and revocations, gathered before a request is verified.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::introspection::IntrospectionAnswer;
use super::issuer::{Issuer, KeySource};
use super::keys::KeySet;
use super::revocation::RevocationView;
use super::store::TrustStore;
use crate::reason::Rejection;
use crate::secret::Fingerprint;

/// The key sets that were at hand for one request, by the name of the issuer document.
///
/// Gathered before anything is verified, so that verifying needs neither the network nor a clock of its own.
#[derive(Clone, Debug, Default)]
pub struct Material {
    key_sets: BTreeMap<String, Arc<KeySet>>,
    answers: BTreeMap<(String, Fingerprint), Result<Arc<IntrospectionAnswer>, Rejection>>,
    revocations: Option<Arc<RevocationView>>,
    /// Issuers that may have other keys by now.
    outdated: BTreeMap<String, Outdated>,
    /// Why the last fetch of an issuer's keys failed.
    failures: BTreeMap<String, String>,
}

/// Why an issuer may have other keys than those at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outdated {
    /// It did not answer when it was asked last.
    Failing,
    /// It was asked because of this request, and the answer has not arrived.
    Pending,
    /// Its keys were never fetched.
    Missing,
}

impl Material {
    /// Adds the key set of the issuer document called `issuer`.
    pub fn insert(&mut self, issuer: &str, keys: Arc<KeySet>) {
        self.key_sets.insert(issuer.to_owned(), keys);
    }

    /// Notes that the issuer of the document called `issuer` may have a key that is not among those at hand.
    pub fn note_outdated(&mut self, issuer: &str, why: Outdated) {
        self.outdated.insert(issuer.to_owned(), why);
    }

    /// Notes why the last fetch of the keys of the issuer document called `issuer` failed.
    pub fn note_failure(&mut self, issuer: &str, why: &str) {
        self.failures.insert(issuer.to_owned(), why.to_owned());
    }

    /// Why the last fetch of the keys of the issuer document called `issuer` failed, if they are too old or absent.
    pub fn failure(&self, issuer: &str) -> Option<&str> {
        self.failures.get(issuer).map(String::as_str)
    }

    /// The reason why the issuer of the document called `issuer` may have other keys than those at hand, if it may.
    pub fn outdated(&self, issuer: &str) -> Option<Outdated> {
        self.outdated.get(issuer).copied()
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
    pub fn revoke_by(&mut self, revocations: Arc<RevocationView>) {
        self.revocations = Some(revocations);
    }

    /// The revocations for the request: those that were gathered, otherwise those of the documents of `trust`.
    pub fn revocations<'a>(&'a self, trust: &'a TrustStore) -> &'a RevocationView {
        self.revocations.as_deref().unwrap_or_else(|| trust.revocations())
    }

    /// The issuer's answer for the token with the fingerprint `token`, if it was asked.
    pub fn answer(
        &self,
        issuer: &str,
        token: Fingerprint,
    ) -> Option<&Result<Arc<IntrospectionAnswer>, Rejection>> {
        self.answers.get(&(issuer.to_owned(), token))
    }

    /// The key sets at hand of the document that `of` is a part of, each with its part: a key may have another name in another.
    pub fn key_sets<'a>(
        &'a self,
        trust: &'a TrustStore,
        of: &'a Issuer,
    ) -> impl Iterator<Item = (&'a Issuer, &'a KeySet)> + Clone {
        let parts = trust.issuers().iter().filter(|part| part.name == of.name);
        parts.filter_map(|part| match &part.keys {
            KeySource::Local(keys) => Some((part, &**keys)),
            KeySource::Remote(_) => Some((part, &**self.keys(&part.id)?)),
            KeySource::Introspected(_) => None,
        })
    }

    /// The key set of the issuer document called `issuer`, if one was at hand.
    pub fn keys(&self, issuer: &str) -> Option<&Arc<KeySet>> {
        self.key_sets.get(issuer)
    }
}
