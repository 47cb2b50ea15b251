//! From documents that were each read for themselves to trust domains that agree on which revocation lists count: lists of
//! one authority are the same in every document that trusts it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::crl::{Crl, CrlSigner, IssuerId};
use super::revocation::{Revocation, RevokedSerials};
use super::standing::{CurrentList, CurrentLists, KnownCrl, KnownLists};
use super::trust_domain::TrustDomain;
use crate::clock::UnixTime;
use crate::document::{
    Code, Diagnostic, HumanDuration, NOT_FETCHED, OnStale, RevocationSpec, Severity, Span,
};

/// A trust domain whose revocation lists are not settled yet.
#[derive(Debug)]
pub(in crate::trust) struct DomainDraft {
    pub(super) domain: TrustDomain,
    /// Nothing where the document does not look at lists.
    pub(super) lists: Option<Lists>,
}

/// The revocation lists of one document.
#[derive(Debug)]
pub(super) struct Lists {
    spec: RevocationSpec,
    /// The lists that its files and servers have now.
    pub(super) given: Vec<ReadList>,
    /// Their sources.
    pub(super) origins: BTreeSet<String>,
    /// Lists of its authorities that are known from before.
    known: Vec<KnownCrl>,
    /// The problems of the lists that do not count.
    problems: Vec<String>,
}

/// A list that was read just now.
#[derive(Debug)]
pub(super) struct ReadList {
    pub(super) origin: String,
    /// True if it was fetched: then its age is no mistake of the documents, and readiness reports it.
    pub(super) fetched: bool,
    pub(super) name: String,
    pub(super) place: Span,
    pub(super) list: Arc<Crl>,
}

impl Lists {
    pub(super) fn new(spec: &RevocationSpec, known: &KnownLists, signers: &[CrlSigner]) -> Self {
        let own = |known: &&KnownCrl| signers.iter().any(|by| by.id == known.list.issuer);
        let verified = known.verified.iter().filter(own).cloned();
        let stored = known.stored.iter().filter_map(|stored| {
            let list = Arc::new(Crl::read(&stored.der, signers).ok()?);
            Some(KnownCrl { origins: stored.origins.clone(), list, in_force: false })
        });
        let known = verified.chain(stored).collect();
        let (given, origins, problems) = (Vec::new(), BTreeSet::new(), Vec::new());
        Self { spec: spec.clone(), given, origins, known, problems }
    }

    /// Takes note of what is wrong with the lists from `origin`. Where a good list from there is known, it stays in force,
    /// and the rest of the documents need not wait for a better one.
    pub(super) fn refuse(&mut self, origin: &str, problems: &mut [Diagnostic]) {
        let stays = self.known.iter().any(|known| known.origins.contains(origin));
        for problem in problems.iter_mut().filter(|problem| problem.code != NOT_FETCHED) {
            self.problems.push(problem.message.clone());
            if stays && problem.code != Code::PrivateKey {
                problem.severity = Severity::Warning;
                let help = problem.help.take().map(|help| format!("; {help}")).unwrap_or_default();
                problem.help = Some(format!("the last good list from there stays in force{help}"));
            }
        }
    }

    /// The lists that it speaks for: one for each issuer and scope will be looked at.
    fn claimed(&self) -> impl Iterator<Item = &Arc<Crl>> {
        let ours = |known: &&KnownCrl| !known.origins.is_disjoint(&self.origins);
        let known = self.known.iter().filter(ours).map(|known| &known.list);
        self.given.iter().map(|given| &given.list).chain(known)
    }

    /// The known lists among those that it claims: those that were in force, or the others.
    fn known_of_claimed(&self, in_force: bool) -> Vec<Arc<Crl>> {
        let claimed = |known: &&KnownCrl| {
            known.in_force == in_force
                && self.claimed().any(|claimed| claimed.is_about_the_same_as(&known.list))
        };
        self.known.iter().filter(claimed).map(|known| Arc::clone(&known.list)).collect()
    }

    /// Tells of what was given and does not count as it was meant to.
    fn report(&mut self, standing: &CurrentLists, now: Option<UnixTime>) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for given in &self.given {
            let Some(own) = standing.of(&given.list) else { continue };
            if let Some(problem) = self.not_the_newest(given, own) {
                self.problems.push(problem.message.clone());
                found.push(problem);
            }
            let newest = own.newest.is(&given.list) && !given.fetched;
            found.extend(now.filter(|_| newest).and_then(|now| out_of_date(given, own, now)));
        }
        found
    }

    fn not_the_newest(&self, given: &ReadList, own: &CurrentList) -> Option<Diagnostic> {
        let ReadList { name, list, .. } = given;
        let numbers = format!("number {}, in force {}", list.number(), own.newest.number());
        if own.contradicts(list) {
            let message = format!(
                "revocation list in {name} contradicts the one in force ({numbers}): its number or its `thisUpdate` goes back, or it says something else under the same number"
            );
            return Some(Diagnostic::warning(Code::ContradictoryCrl, given.place.clone(), message)
                .help("what either of the two revokes is revoked; have the CA issue a list with a higher number"));
        }
        // Older lists beside the newest one are usual: a folder of them, one for each hour.
        let is_newest = |other: &ReadList| own.newest.is(&other.list);
        let newer =
            self.given.iter().any(|o| list.is_about_the_same_as(&o.list) && o.list.follows(list));
        if own.newest.is(list) || newer || self.given.iter().any(is_newest) {
            return None;
        }
        let message = format!(
            "revocation list in {name} is older than the one in force ({numbers}), which stays in force"
        );
        Some(Diagnostic::warning(Code::OlderCrl, given.place.clone(), message)
            .help("put the newest list there; where the CA has started its numbers again, see \"Lists over time\" in docs/peer-evidence.md"))
    }
}

/// A list that cannot be used now, and no older one can.
fn out_of_date(given: &ReadList, own: &CurrentList, now: UnixTime) -> Option<Diagnostic> {
    let (name, validity) = (&given.name, given.list.validity);
    if own.usable(now, Duration::ZERO).is_some() {
        return None;
    }
    let (code, message) = if now.as_secs() < validity.not_before.as_secs() {
        let at = validity.not_before.to_rfc3339();
        (
            Code::FutureCrl,
            format!("revocation list in {name} is dated in the future: `thisUpdate` is {at}"),
        )
    } else {
        let past = HumanDuration::new(Duration::from_secs(now.since(validity.not_after).as_secs()));
        let at = validity.not_after.to_rfc3339();
        (
            Code::StaleCrl,
            format!("revocation list in {name} is past its `nextUpdate` of {at}, {past} ago"),
        )
    };
    Some(Diagnostic::warning(code, given.place.clone(), message)
        .help("certificates that it covers are refused with `crl_stale`, after `onStale: { grace: .. }` where there is one"))
}

/// Settles which lists count, for all documents at once. Also what there is to remember.
pub(in crate::trust) fn settle(
    mut drafts: Vec<DomainDraft>,
    known: &KnownLists,
    now: Option<UnixTime>,
    problems: &mut Vec<Diagnostic>,
) -> (Vec<TrustDomain>, KnownLists, CurrentLists) {
    let mut standing = CurrentLists::default();
    // First those that were in force: nothing takes their place that does not follow them.
    let lists = || drafts.iter().filter_map(|draft| draft.lists.as_ref());
    for in_force in [true, false] {
        standing.add(lists().flat_map(|lists| lists.known_of_claimed(in_force)).collect(), now);
    }
    let given = lists().flat_map(|lists| lists.given.iter().map(|given| Arc::clone(&given.list)));
    standing.add(given.collect(), now);
    let known = remember(&standing, lists(), known);
    let revoked = Arc::new(revoked_anywhere(&standing, lists()));
    for draft in &mut drafts {
        draft.domain.revoked = Arc::clone(&revoked);
        let Some(lists) = &mut draft.lists else { continue };
        problems.extend(lists.report(&standing, now));
        draft.domain.list_problems.clone_from(&lists.problems);
        draft.domain.revocation = Some(revocation(&standing, lists));
    }
    (drafts.into_iter().map(|draft| draft.domain).collect(), known, standing)
}

fn revocation(standing: &CurrentLists, lists: &Lists) -> Revocation {
    let mut own: HashMap<IssuerId, Vec<CurrentList>> = HashMap::new();
    for list in lists.claimed().filter_map(|list| standing.of(list)) {
        let of_issuer = own.entry(list.newest.issuer.clone()).or_default();
        if !of_issuer.iter().any(|other| other.newest.is(&list.newest)) {
            of_issuer.push(list.clone());
        }
    }
    let grace = match lists.spec.on_stale {
        OnStale::Deny => Duration::ZERO,
        OnStale::Grace(grace) => grace.get(),
    };
    Revocation::new(own, lists.spec.depth, lists.spec.on_missing, grace)
}

/// The revocations of each authority, for every document that trusts it. Issuers are looked for on the lists of documents
/// that look at whole paths.
fn revoked_anywhere<'a>(
    standing: &CurrentLists,
    lists: impl Iterator<Item = &'a Lists>,
) -> RevokedSerials {
    let mut chain = Vec::new();
    let whole = lists.filter(|lists| lists.spec.depth == crate::document::RevocationDepth::Chain);
    for list in whole.flat_map(Lists::claimed) {
        chain.extend(standing.of(list).cloned());
    }
    RevokedSerials::new(standing.all().cloned(), chain)
}

/// The lists in force, and earlier lists of issuers and scopes that have none in force.
fn remember<'a>(
    standing: &CurrentLists,
    lists: impl Iterator<Item = &'a Lists>,
    before: &KnownLists,
) -> KnownLists {
    let mut known = KnownLists::default();
    let mut read_again = BTreeSet::new();
    let mut note = |origins: &BTreeSet<String>, list: &Arc<Crl>, was_in_force: bool| {
        let own = standing.of(list);
        if own.is_none_or(|own| own.has(list)) {
            known.add(origins, list, own.map_or(was_in_force, |own| own.newest.is(list)));
        }
    };
    for lists in lists {
        for KnownCrl { origins, list, in_force } in &lists.known {
            read_again.insert(*list.digest.as_bytes());
            note(origins, list, *in_force);
        }
        for given in &lists.given {
            note(&BTreeSet::from([given.origin.clone()]), &given.list, false);
        }
    }
    for KnownCrl { origins, list, in_force } in &before.verified {
        note(origins, list, *in_force);
    }
    let digest = |der: &[u8]| *crate::secret::Fingerprint::of(der).as_bytes();
    let others = before.stored.iter().filter(|stored| !read_again.contains(&digest(&stored.der)));
    known.stored = others.cloned().collect();
    known
}
