//! Which revocation lists count: for one issuer and one scope neither the number nor `thisUpdate` ever goes back
//! (RFC 5280 section 5.2.3), whichever document, file or server a list comes from.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use x509_parser::certificate::X509Certificate;

use super::crl::{Crl, IssuerId};
use crate::clock::UnixTime;
use crate::limits::MAX_KNOWN_LISTS;
use crate::secret::Fingerprint;

/// A list that was read before, with where it came from.
#[derive(Clone, Debug)]
pub(super) struct KnownCrl {
    pub(super) origins: BTreeSet<String>,
    pub(super) list: Arc<Crl>,
    /// True if it was the one in force of its issuer and scope. Lists that contradict each other do not show it themselves.
    pub(super) in_force: bool,
}

/// The bytes of a list that was in force before a restart: it counts once an authority of the documents has signed it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredCrl {
    /// The address that it came from.
    pub origins: BTreeSet<String>,
    /// The list, DER.
    pub der: Arc<[u8]>,
}

/// The lists that are known from before: no older list replaces one of these.
#[derive(Clone, Debug, Default)]
pub struct KnownLists {
    pub(super) verified: Vec<KnownCrl>,
    pub(super) stored: Vec<StoredCrl>,
}

/// The lists of one issuer and one scope that count.
#[derive(Clone, Debug)]
pub struct CurrentList {
    /// The list in force: nothing that is known follows it. Of lists that contradict each other the first that was in force.
    pub newest: Arc<Crl>,
    /// Lists that contradict the newest one: the same number with other contents, or a lower number with a later time. Their
    /// revocations count; they make nothing fresh.
    beside: Vec<Arc<Crl>>,
    /// An older list that can be used at times at which the newest one cannot.
    before: Option<Arc<Crl>>,
}

/// The lists that count, by their issuers.
#[derive(Debug, Default)]
pub(in crate::trust) struct CurrentLists(HashMap<IssuerId, Vec<CurrentList>>);

impl KnownLists {
    /// Lists as they were stored before a restart.
    pub const fn stored(stored: Vec<StoredCrl>) -> Self {
        Self { verified: Vec::new(), stored }
    }

    /// The same as bytes, for storing, in a fixed order.
    pub fn to_stored(&self) -> Vec<StoredCrl> {
        let verified = self.verified.iter().map(|known| StoredCrl {
            origins: known.origins.clone(),
            der: Arc::clone(&known.list.der),
        });
        let mut all: Vec<_> = verified.chain(self.stored.iter().cloned()).collect();
        all.sort();
        all
    }

    /// Adds `list`, which `origins` gave; forgets what it takes the place of, and the oldest where there are too many.
    pub(super) fn add(&mut self, origins: &BTreeSet<String>, list: &Arc<Crl>, in_force: bool) {
        if let Some(known) = self.verified.iter_mut().find(|known| known.list.is(list)) {
            known.origins.extend(origins.iter().cloned());
            return;
        }
        let (origins, list) = (origins.clone(), Arc::clone(list));
        self.verified.push(KnownCrl { origins, list, in_force });
        if self.verified.len() > MAX_KNOWN_LISTS {
            let oldest = self.verified.iter().enumerate();
            let oldest = oldest.min_by_key(|(_, known)| known.list.validity.not_before);
            if let Some((at, _)) = oldest {
                self.verified.swap_remove(at);
            }
        }
    }
}

impl CurrentList {
    const fn new(newest: Arc<Crl>) -> Self {
        Self { newest, beside: Vec::new(), before: None }
    }

    /// Every list whose revocations may count.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Crl>> {
        [&self.newest].into_iter().chain(&self.before).chain(&self.beside)
    }

    pub(super) fn has(&self, list: &Crl) -> bool {
        self.all().any(|own| own.is(list))
    }

    /// True if `list` counts although it contradicts the newest one.
    pub(super) fn contradicts(&self, list: &Crl) -> bool {
        self.beside.iter().any(|own| own.is(list))
    }

    /// The list that may be used at `now` and `grace` after its next update: the newest one, else the one before.
    pub(super) fn usable(&self, now: UnixTime, grace: Duration) -> Option<&Crl> {
        let lists = [&self.newest].into_iter().chain(&self.before);
        lists.map(|list| &**list).find(|list| list.is_usable(now, grace))
    }

    /// True if the certificate, which must be one of its issuer's, is revoked. The newest list decides for as long as it may be used. When
    /// it may not, everything counts that any list has revoked: a stale list still knows what was revoked before.
    pub(super) fn revokes(
        &self,
        certificate: &X509Certificate<'_>,
        now: UnixTime,
        grace: Duration,
    ) -> bool {
        let settled = self.newest.is_usable(now, grace);
        let before = self.before.iter().filter(|_| !settled);
        let counts = [&self.newest].into_iter().chain(&self.beside).chain(before);
        counts.into_iter().any(|list| list.revokes(certificate))
    }

    /// Takes note of another list of the same issuer and scope.
    fn add(&mut self, list: &Arc<Crl>, now: Option<UnixTime>) {
        if self.has(list) {
            return;
        }
        if list.follows(&self.newest) {
            let old = std::mem::replace(&mut self.newest, Arc::clone(list));
            let candidates = [Some(old), self.before.take()].into_iter().flatten();
            let helps = |old: &Arc<Crl>| {
                let early = now.is_some_and(|now| now < self.newest.validity.not_before);
                early || old.validity.not_after > self.newest.validity.not_after
            };
            self.before = candidates.filter(helps).max_by_key(|old| old.validity.not_after);
            self.beside.retain(|own| !self.newest.follows(own));
            return;
        }
        if self.newest.follows(list) {
            let early = now.is_some_and(|now| now < self.newest.validity.not_before);
            let later = list.validity.not_after > self.newest.validity.not_after;
            let better = |own: &Arc<Crl>| list.validity.not_after > own.validity.not_after;
            if (early || later) && self.before.as_ref().is_none_or(better) {
                self.before = Some(Arc::clone(list));
            }
            return;
        }
        if !self.beside.iter().any(|own| own.follows(list)) {
            self.beside.retain(|own| !list.follows(own));
            self.beside.push(Arc::clone(list));
        }
    }
}

impl CurrentLists {
    /// Takes note of `lists`, the highest number first, so that their order does not matter and that of lists which contradict
    /// each other this one is in force.
    pub(super) fn add(&mut self, mut lists: Vec<Arc<Crl>>, now: Option<UnixTime>) {
        lists.sort_by(|a, b| b.cmp_age(a));
        for list in lists {
            let own = self.0.entry(list.issuer.clone()).or_default();
            match own.iter_mut().find(|own| own.newest.is_about_the_same_as(&list)) {
                Some(own) => own.add(&list, now),
                None => own.push(CurrentList::new(list)),
            }
        }
    }

    /// The list that counts for the issuer and scope of `list`.
    pub(super) fn of(&self, list: &Crl) -> Option<&CurrentList> {
        let own = self.0.get(&list.issuer)?;
        own.iter().find(|own| own.newest.is_about_the_same_as(list))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &CurrentList> {
        self.0.values().flatten()
    }

    /// Changes whenever other lists count.
    pub(in crate::trust) fn revision(&self) -> Fingerprint {
        let mut digests: Vec<_> =
            self.all().flat_map(CurrentList::all).map(|list| *list.digest.as_bytes()).collect();
        digests.sort_unstable();
        Fingerprint::of(digests.as_flattened())
    }
}
