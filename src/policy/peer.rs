//! What a rule asks of the peer on the wire.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::authn::PeerIdentity;
use crate::evidence_level::EvidenceLevel;
use crate::policy::check::Check;
use crate::policy::evaluate::trace::Trace;
use crate::policy::judge::Judge;
use crate::policy::model::host::HostPattern;
use crate::policy::model::truth::Truth;
use crate::spiffe::SpiffePattern;

/// What the peer must be. With nothing asked for, any verified peer will do.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct PeerRequirement {
    /// The `TrustDomain` document that must vouch for it.
    pub(in crate::policy) trust_domain: Option<Box<str>>,
    /// Patterns of which its SPIFFE ID must match one; empty for no such demand.
    pub(in crate::policy) spiffe: Box<[SpiffePattern]>,
    /// Patterns of which one of its DNS names must match one; empty for no such demand.
    pub(in crate::policy) dns: Box<[HostPattern]>,
    /// URIs of which it must have one, compared whole; empty for no such demand.
    pub(in crate::policy) uris: Box<[String]>,
    /// E-mail addresses of which it must have one, compared whole; empty for no such demand.
    pub(in crate::policy) emails: Box<[String]>,
    /// Networks of which one of its IP addresses must be in one; empty for no such demand.
    pub(in crate::policy) ips: Box<[IpNet]>,
    /// Subjects (RFC 4514) of which it must have one, compared whole; empty for no such demand.
    pub(in crate::policy) subjects: Box<[String]>,
    /// The least evidence.
    pub(in crate::policy) evidence: Option<EvidenceLevel>,
}

/// Puts together what a rule says and what a fragment says, key by key.
pub(in crate::policy) struct Both<'t> {
    /// The keys that both give.
    pub(in crate::policy) twice: &'t mut Vec<&'static str>,
}

// === impl Both ===

impl Both<'_> {
    pub(in crate::policy) fn list<T: Clone>(
        &mut self,
        key: &'static str,
        own: &mut Box<[T]>,
        other: &[T],
    ) {
        match (own.is_empty(), other.is_empty()) {
            (_, true) => {}
            (true, false) => *own = other.into(),
            (false, false) => self.twice.push(key),
        }
    }

    pub(in crate::policy) fn one<T: Clone>(
        &mut self,
        key: &'static str,
        own: &mut Option<T>,
        other: &Option<T>,
    ) {
        match (own.is_some(), other) {
            (_, None) => {}
            (false, Some(_)) => own.clone_from(other),
            (true, Some(_)) => self.twice.push(key),
        }
    }
}

// === impl PeerRequirement ===

impl PeerRequirement {
    /// This and what `other` asks for. The keys that both ask something of go to `twice`.
    pub(in crate::policy) fn and(mut self, other: &Self, twice: &mut Vec<&'static str>) -> Self {
        let mut both = Both { twice };
        both.one("trustDomain", &mut self.trust_domain, &other.trust_domain);
        both.list("spiffe", &mut self.spiffe, &other.spiffe);
        both.list("dns", &mut self.dns, &other.dns);
        both.list("uris", &mut self.uris, &other.uris);
        both.list("emails", &mut self.emails, &other.emails);
        both.list("ips", &mut self.ips, &other.ips);
        both.list("subjects", &mut self.subjects, &other.subjects);
        both.one("evidence", &mut self.evidence, &other.evidence);
        self
    }

    pub(in crate::policy) fn judge<'r, T: Trace>(
        &'r self,
        peer: Option<&PeerIdentity>,
        judge: &mut Judge<'r, '_, T>,
    ) {
        judge.check(Check::PeerPresent, || peer.is_some().into());
        let Some(peer) = peer else { return };
        if let Some(name) = &self.trust_domain {
            judge.check(Check::PeerTrustDomain(name), || {
                // One that is of the domain and breaks its rules is neither in nor out.
                peer.is_vouched_for_by(name).map_or(Truth::Unknown, Truth::from)
            });
        }
        if !self.spiffe.is_empty() {
            judge.check(Check::PeerSpiffe, || {
                peer.spiffe().is_some_and(|id| self.spiffe.iter().any(|p| p.matches(id))).into()
            });
        }
        if !self.dns.is_empty() {
            let fits = |name: &String| self.dns.iter().any(|pattern| pattern.matches(name));
            judge.check(Check::PeerDns, || known(peer, peer.dns().iter().any(fits)));
        }
        self.judge_listed(peer, judge);
        if !self.ips.is_empty() {
            let is_in = |address: IpAddr| self.ips.iter().any(|net| net.contains(&address));
            let fits = |text: &String| text.parse().is_ok_and(is_in);
            judge.check(Check::PeerIp, || known(peer, peer.ips().iter().any(fits)));
        }
        if let Some(level) = self.evidence {
            judge.check(Check::PeerEvidence(level), || (peer.level() >= level).into());
        }
    }

    fn judge_listed<'r, T: Trace>(&'r self, peer: &PeerIdentity, judge: &mut Judge<'r, '_, T>) {
        let asked = !self.subjects.is_empty();
        let subject = peer.subject().filter(|_| asked).map(str::to_owned);
        for (check, wanted, has) in [
            (Check::PeerUri, &self.uris, peer.uris()),
            (Check::PeerEmail, &self.emails, peer.emails()),
            (Check::PeerSubject, &self.subjects, subject.as_slice()),
        ] {
            if !wanted.is_empty() {
                judge.check(check, || known(peer, has.iter().any(|name| wanted.contains(name))));
            }
        }
    }
}

/// A name that is not there says nothing where the certificate was not shown: a deny rule must not be got around by
/// showing less.
fn known(peer: &PeerIdentity, found: bool) -> Truth {
    match found {
        true => Truth::True,
        false if peer.level() >= EvidenceLevel::Leaf => Truth::False,
        false => Truth::Unknown,
    }
}
