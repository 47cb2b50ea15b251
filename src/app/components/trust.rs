//! Trust domains with their revocation lists, and token issuers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::admin::status::{
    CrlStatus, IssuerStatus, KeySourceStatus, StatusPage, TrustDomainStatus,
};
use crate::admin::{ComponentHealth, HealthState};
use crate::app::component::{Component, ago, shown_at, until};
use crate::clock::UnixTime;
use crate::pdp::{KeyCache, KeyStatus, Pdp, SavedLists, SavedListsStatus};
use crate::telemetry::{Measurement, instruments};
use crate::trust::{Authority, Crl, Issuer, KeySource, LifePhase, TrustDomain, Validity};
use crate::words::counted;

pub(in crate::app) struct Trust {
    pub(in crate::app) pdp: Arc<Pdp>,
    /// The folder in which revocation lists survive a restart.
    pub(in crate::app) saved_lists: Option<Arc<SavedLists>>,
    pub(in crate::app) keys: Arc<KeyCache>,
}

impl Trust {
    fn domains<T>(&self, show: impl FnMut(&TrustDomain) -> Option<T>) -> Vec<T> {
        self.pdp.inspect(|snapshot| snapshot.trust().domains().iter().filter_map(show).collect())
    }

    fn moments(&self, of: fn(&TrustDomain) -> Option<UnixTime>) -> Vec<(String, i64)> {
        self.domains(|domain| Some((domain.name.to_owned(), of(domain)?.as_secs())))
    }
}

impl Component for Trust {
    fn health(&self, now: UnixTime) -> Vec<ComponentHealth> {
        let mut health = self.domains(|domain| Some(authorities(domain, now)));
        health.extend(self.domains(|domain| lists(domain, now)));
        health.extend(self.saved_lists.as_ref().and_then(|lists| saved_lists(lists.status())));
        health
    }

    fn show(&self, _now: UnixTime, page: &mut StatusPage) {
        let fetched = KeyCache::status(&self.keys).into_iter().map(|own| (own.issuer.clone(), own));
        let fetched: BTreeMap<String, KeyStatus> = fetched.collect();
        page.issuers = self.pdp.inspect(|snapshot| {
            let issuers = snapshot.trust().issuers().iter();
            issuers.map(|own| issuer(own, fetched.get(own.name.as_str()))).collect()
        });
        page.trust_domains = self.domains(|own| Some(domain(own)));
    }

    /// When they expire: alert on `time()` until then. One series for each trust domain in the documents.
    fn metrics(&self, now: UnixTime) -> Vec<Measurement> {
        let first_to_expire = |domain: &TrustDomain| {
            domain.authorities.iter().map(|authority| authority.validity.not_after).min()
        };
        let ending = self.domains(|domain| {
            let is_ending = domain.authorities.iter().any(|own| !is_well_within(own, now));
            Some((domain.name.to_owned(), i64::from(is_ending)))
        });
        let problems = self.domains(|domain| {
            domain.revocation.as_ref()?;
            Some((domain.name.to_owned(), domain.list_problems.len()))
        });
        vec![
            instruments::AUTHORITY_EXPIRY.shows_each(self.moments(first_to_expire)),
            instruments::AUTHORITY_ENDING.shows_each(ending),
            instruments::CRL_NEXT_UPDATE
                .shows_each(self.moments(|domain| domain.revocation.as_ref()?.next_update())),
            instruments::CRL_PROBLEMS.shows_each(problems),
        ]
    }
}

/// The lines of a trust domain.
pub(crate) fn trust_domain_health(domain: &TrustDomain, now: UnixTime) -> Vec<ComponentHealth> {
    [Some(authorities(domain, now)), lists(domain, now)].into_iter().flatten().collect()
}

/// When the authorities of a trust domain end: each one that has, or soon will; else the first one that will.
fn authorities(domain: &TrustDomain, now: UnixTime) -> ComponentHealth {
    let name = format!("authorities of {}", &domain.name);
    let all = &domain.authorities;
    let near: Vec<_> = all.iter().filter_map(|authority| end_of(authority, now)).collect();
    if !near.is_empty() {
        let counts = |own: &Authority| {
            matches!(own.validity.phase(now), LifePhase::Within | LifePhase::Ending)
        };
        let none = if all.iter().any(counts) { "" } else { ": no certificate is accepted" };
        let detail = format!("{}{none}", near.join("; "));
        return ComponentHealth::new(name, HealthState::Degraded, detail);
    }
    let first = all.iter().map(|authority| authority.validity.not_after).min();
    match first {
        Some(first) => ComponentHealth::new(
            name,
            HealthState::Good,
            format!("the first ends in {}", until(first, now)),
        ),
        None => {
            ComponentHealth::new(name, HealthState::Degraded, "none: no certificate is accepted")
        }
    }
}

fn end_of(authority: &Authority, now: UnixTime) -> Option<String> {
    let Validity { not_before, not_after } = authority.validity;
    let phase = match authority.validity.phase(now) {
        LifePhase::Within => return None,
        LifePhase::Early => format!("is not valid for another {}", until(not_before, now)),
        LifePhase::Ending => format!("expires in {}", until(not_after, now)),
        LifePhase::Over => format!("expired {}", ago(not_after, now)),
    };
    Some(format!("`{}` {phase}", authority.subject()))
}

fn is_well_within(authority: &Authority, now: UnixTime) -> bool {
    authority.validity.phase(now) == LifePhase::Within
}

/// The revocation lists of a trust domain that has any.
fn lists(domain: &TrustDomain, now: UnixTime) -> Option<ComponentHealth> {
    let revocation = domain.revocation.as_ref()?;
    let (condition, detail) = match revocation.next_update() {
        None => (HealthState::Degraded, "none".to_owned()),
        Some(due) if now <= due => {
            (HealthState::Good, format!("next update due in {}", until(due, now)))
        }
        Some(due) if now <= due.plus(revocation.grace) => (
            HealthState::Degraded,
            format!("past the next update, which was due {}", ago(due, now)),
        ),
        Some(due) => (
            HealthState::Degraded,
            format!("too old to be used (crl_stale), an update was due {}", ago(due, now)),
        ),
    };
    let name = format!("revocation lists of {}", &domain.name);
    let problems = &domain.list_problems;
    if problems.is_empty() {
        return Some(ComponentHealth::new(name, condition, detail));
    }
    let detail = format!("{detail}; {}", problems.join("; "));
    Some(ComponentHealth::new(name, condition.or_degraded(), detail))
}

/// The folder of lists, where it has any or has a problem.
fn saved_lists(SavedListsStatus { lists, problem }: SavedListsStatus) -> Option<ComponentHealth> {
    let name = "saved revocation lists";
    match problem {
        None if lists == 0 => None,
        None => Some(ComponentHealth::new(name, HealthState::Good, counted(lists, "list"))),
        Some(problem) => Some(ComponentHealth::new(name, HealthState::Degraded, problem)),
    }
}

fn domain(domain: &TrustDomain) -> TrustDomainStatus {
    let authorities = domain.authorities.iter().map(|authority| authority.validity.not_after);
    let lists = domain.revocation.as_ref().into_iter().flat_map(|revocation| revocation.lists());
    let list = |own: &Crl| CrlStatus {
        number: own.number(),
        this_update: own.validity.not_before.to_rfc3339(),
        next_update: own.validity.not_after.to_rfc3339(),
        revoked: own.len(),
    };
    TrustDomainStatus {
        name: domain.name.to_string(),
        spiffe: domain.spiffe.as_ref().map(ToString::to_string),
        authorities_not_after: authorities.map(UnixTime::to_rfc3339).collect(),
        revocation_lists: lists.map(list).collect(),
        revocation_list_problems: domain.list_problems.clone(),
    }
}

/// An issuer with the source of its keys. `fetched` is how those are doing that come from an address.
fn issuer(issuer: &Issuer, fetched: Option<&KeyStatus>) -> IssuerStatus {
    let (source, usable, fetched_at) = match &issuer.keys {
        KeySource::Local(_) => ("local", Some(true), None),
        KeySource::Remote(_) => {
            let usable = fetched.is_some_and(|own| own.keys.is_some());
            ("remote", Some(usable), shown_at(fetched.and_then(|own| own.fetched_at)))
        }
        KeySource::Introspected(_) => ("introspection", None, None),
    };
    IssuerStatus {
        name: issuer.id.to_string(),
        issuer: issuer.iss.as_str().to_owned(),
        audiences: issuer.audiences.to_vec(),
        keys: KeySourceStatus { source: source.to_owned(), usable, fetched_at },
    }
}
