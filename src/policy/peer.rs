//! What a rule asks of the peer on the wire.

use super::check::Check;
use super::host::HostPattern;
use super::judge::Judge;
use super::trace::Trace;
use super::truth::Truth;
use crate::authn::PeerIdentity;
use crate::evidence_level::EvidenceLevel;
use crate::spiffe::SpiffePattern;

/// What the peer must be. With nothing asked for, any verified peer will do.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerRequirement {
    /// The `TrustDomain` document that must vouch for it.
    pub(super) trust_domain: Option<Box<str>>,
    /// Patterns of which its SPIFFE ID must match one; empty for no such demand.
    pub(super) spiffe: Box<[SpiffePattern]>,
    /// Patterns of which one of its DNS names must match one; empty for no such demand.
    pub(super) dns: Box<[HostPattern]>,
    /// URIs of which it must have one, compared whole; empty for no such demand.
    pub(super) uris: Box<[String]>,
    /// E-mail addresses of which it must have one, compared whole; empty for no such demand.
    pub(super) emails: Box<[String]>,
    /// Subjects (RFC 4514) of which it must have one, compared whole; empty for no such demand.
    pub(super) subjects: Box<[String]>,
    /// The least evidence.
    pub(super) evidence: Option<EvidenceLevel>,
}

// === impl PeerRequirement ===

impl PeerRequirement {
    pub(super) fn judge<'r, T: Trace>(
        &'r self,
        peer: Option<&PeerIdentity>,
        judge: &mut Judge<'r, '_, T>,
    ) {
        judge.check(Check::PeerPresent, || peer.is_some().into());
        let Some(peer) = peer else { return };
        if let Some(name) = &self.trust_domain {
            judge.check(Check::PeerTrustDomain(name), || (**name == *peer.trust_domain()).into());
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
        if let Some(level) = self.evidence {
            judge.check(Check::PeerEvidence(level), || (peer.level() >= level).into());
        }
    }

    fn judge_listed<'r, T: Trace>(&'r self, peer: &PeerIdentity, judge: &mut Judge<'r, '_, T>) {
        let subject = peer.subject().map(str::to_owned);
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
