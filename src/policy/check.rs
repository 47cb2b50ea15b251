//! The checks a rule is made of, as words: what each is called in a trace, and what its failure means for the caller.

use std::fmt;

use crate::document::policy::BindingSpec;
use crate::evidence_level::EvidenceLevel;
use crate::policy::duties::Injection;
use crate::policy::model::claim::ClaimMatcher;
use crate::policy::model::decision::{Needs, ProofNeed};
use crate::policy::model::header::HeaderMatcher;
use crate::policy::model::query::QueryMatcher;
use crate::policy::model::truth::Truth;
use crate::policy::requirement::missing::Datum;
use crate::policy::step_up::StepUp;
use crate::reason::{Reason, Rejection};

/// One thing that a rule asks for, in the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check<'r> {
    /// It is a time at which the rule counts.
    During,
    /// The client is in one of the networks.
    Source,
    /// The connection goes to one of the networks.
    Destination,
    /// The TLS handshake was for one of the server names.
    ServerName,
    /// The TLS handshake was for the host of the request.
    HostIsServerName,
    /// The route has this parameter with the right value.
    ContextExtension(&'r str),
    /// The values of this header are right.
    Header(&'r HeaderMatcher),
    /// The values of this query parameter are right.
    Query(&'r QueryMatcher),
    /// There is a verified peer.
    PeerPresent,
    /// The peer belongs to the trust domain of this document.
    PeerTrustDomain(&'r str),
    /// The peer's SPIFFE ID matches one of the patterns.
    PeerSpiffe,
    /// One of the peer's DNS names matches one of the patterns.
    PeerDns,
    /// One of the peer's URIs is one of those listed.
    PeerUri,
    /// One of the peer's e-mail addresses is one of those listed.
    PeerEmail,
    /// One of the peer's IP addresses is in one of the networks.
    PeerIp,
    /// The peer's subject is one of those listed.
    PeerSubject,
    /// Enough of the peer's certificate was shown.
    PeerEvidence(EvidenceLevel),
    /// There is a verified token of this issuer.
    TokenPresent(&'r str),
    /// The token is bound as the rule asks for.
    TokenBinding(BindingSpec),
    /// Enough of the peer was shown to compare it with what the token says.
    TokenPresenterKnown(EvidenceLevel),
    /// The claim at this pointer names the peer.
    TokenPresenter(&'r str),
    /// The token is meant for one of the audiences.
    TokenAudience,
    /// The token's subject is one of those listed.
    TokenSubject,
    /// The token's client is one of those listed.
    TokenClient,
    /// The claim at this pointer is right.
    TokenClaim(&'r ClaimMatcher),
    /// The token has all of these scopes.
    TokenScopes(&'r [String]),
    /// The token has one of these scopes.
    TokenAnyScope(&'r [String]),
    /// The user authenticated in one of these ways.
    TokenAcr(&'r StepUp),
    /// The user authenticated lately enough.
    TokenAge(&'r StepUp),
    /// The condition holds.
    Condition,
    /// The value to inject under this name can be sent.
    Inject(&'r Injection),
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Verdict<'r> {
    /// Everything it asks for holds.
    Satisfied,
    /// This does not hold.
    NotSatisfied(Check<'r>),
    /// This cannot be told, and nothing else settles it.
    Indeterminate(Check<'r>),
}

// === impl Check ===

impl<'r> Check<'r> {
    /// What a record must hold so that it can be told; for a condition and for what is injected, each variable says so
    /// itself.
    pub(in crate::policy) fn datum(self) -> Option<Datum> {
        match self {
            Self::ContextExtension(_) => Some(Datum::ContextExtensions),
            Self::Header(_) => Some(Datum::Headers),
            Self::Query(_) => Some(Datum::Query),
            Self::PeerDns | Self::PeerUri | Self::PeerEmail | Self::PeerIp => {
                Some(Datum::PeerNames)
            }
            Self::TokenClaim(claim) => Datum::of_claim(&claim.pointer),
            Self::TokenPresenter(pointer) => Datum::of_claim(pointer),
            Self::TokenAcr(_) | Self::TokenAge(_) => Some(Datum::TokenClaims),
            Self::During
            | Self::Source
            | Self::Destination
            | Self::ServerName
            | Self::HostIsServerName
            | Self::PeerPresent
            | Self::PeerTrustDomain(_)
            | Self::PeerSpiffe
            | Self::PeerSubject
            | Self::PeerEvidence(_)
            | Self::TokenPresent(_)
            | Self::TokenBinding(_)
            | Self::TokenPresenterKnown(_)
            | Self::TokenAudience
            | Self::TokenSubject
            | Self::TokenClient
            | Self::TokenScopes(_)
            | Self::TokenAnyScope(_)
            | Self::Condition
            | Self::Inject(_) => None,
        }
    }

    /// How far a rule got that failed here: the allow rule that got furthest came closest.
    pub(in crate::policy) const fn stage(self) -> u8 {
        match self {
            Self::During => 0,
            Self::Source => 1,
            Self::Destination => 2,
            Self::ServerName => 3,
            Self::HostIsServerName => 4,
            Self::ContextExtension(_) => 5,
            Self::Header(_) => 6,
            Self::Query(_) => 7,
            Self::PeerPresent => 8,
            Self::PeerTrustDomain(_) => 9,
            Self::PeerSpiffe => 10,
            Self::PeerDns => 11,
            Self::PeerUri => 12,
            Self::PeerEmail => 13,
            Self::PeerIp => 14,
            Self::PeerSubject => 15,
            Self::PeerEvidence(_) => 16,
            Self::TokenPresent(_) => 17,
            Self::TokenBinding(_) => 18,
            Self::TokenPresenterKnown(_) => 19,
            Self::TokenPresenter(_) => 20,
            Self::TokenAudience => 21,
            Self::TokenSubject => 22,
            Self::TokenClient => 23,
            Self::TokenClaim(_) => 24,
            Self::TokenScopes(_) => 25,
            Self::TokenAnyScope(_) => 26,
            Self::TokenAcr(_) => 27,
            Self::TokenAge(_) => 28,
            Self::Condition => 29,
            Self::Inject(_) => 30,
        }
    }

    /// What it means that the allow rule that came closest failed here.
    pub(in crate::policy) fn failed(self) -> Rejection {
        let reason = match self {
            Self::During
            | Self::Source
            | Self::Destination
            | Self::ServerName
            | Self::ContextExtension(_)
            | Self::Header(_)
            | Self::Query(_)
            | Self::Condition => Reason::NoRule,
            Self::HostIsServerName => Reason::HostInvalid,
            Self::PeerPresent => Reason::PeerMissing,
            Self::PeerTrustDomain(_)
            | Self::PeerSpiffe
            | Self::PeerDns
            | Self::PeerUri
            | Self::PeerEmail
            | Self::PeerIp
            | Self::PeerSubject => Reason::CertSan,
            Self::PeerEvidence(_) => Reason::EvidenceInsufficient,
            Self::TokenPresent(_) => Reason::TokenMissing,
            Self::TokenBinding(_) | Self::TokenPresenterKnown(_) => Reason::BindingUnavailable,
            Self::TokenPresenter(_) => Reason::IdentityTokenMismatch,
            Self::TokenAudience => Reason::Audience,
            Self::TokenSubject | Self::TokenClient | Self::TokenClaim(_) => Reason::ClaimMismatch,
            Self::TokenScopes(_) | Self::TokenAnyScope(_) => Reason::ScopeMissing,
            Self::TokenAcr(_) => Reason::AcrInsufficient,
            Self::TokenAge(_) => Reason::AuthTooOld,
            Self::Inject(_) => Reason::EvalError,
        };
        reason.because(format!("the closest rule needs {self}"))
    }

    /// What it means that this cannot be told, and where to look.
    pub(in crate::policy) fn undetermined(self) -> Rejection {
        let hint = self.unknown_because();
        Reason::EvalError.because(format!("cannot tell whether there is {self}{hint}"))
    }

    /// Why this cannot be told, where there is one cause that settings can mend.
    const fn unknown_because(self) -> &'static str {
        match self {
            Self::Source => {
                ": the client's address is not known (`listener.clientAddress`, or a check without a source)"
            }
            Self::ServerName | Self::HostIsServerName => {
                ": the proxy tells of no TLS handshake (`include_tls_session: true`)"
            }
            Self::Condition => {
                ": something that the condition reads is not there, or may be several values"
            }
            Self::During
            | Self::Destination
            | Self::ContextExtension(_)
            | Self::Header(_)
            | Self::Query(_)
            | Self::PeerPresent
            | Self::PeerTrustDomain(_)
            | Self::PeerSpiffe
            | Self::PeerDns
            | Self::PeerUri
            | Self::PeerEmail
            | Self::PeerIp
            | Self::PeerSubject
            | Self::PeerEvidence(_)
            | Self::TokenPresent(_)
            | Self::TokenBinding(_)
            | Self::TokenPresenterKnown(_)
            | Self::TokenPresenter(_)
            | Self::TokenAudience
            | Self::TokenSubject
            | Self::TokenClient
            | Self::TokenClaim(_)
            | Self::TokenScopes(_)
            | Self::TokenAnyScope(_)
            | Self::TokenAcr(_)
            | Self::TokenAge(_)
            | Self::Inject(_) => "",
        }
    }

    /// What to name in a challenge. Scopes only where all of them are needed: a challenge cannot say "one of".
    pub(in crate::policy) fn needs(self) -> Needs {
        match self {
            Self::TokenScopes(scopes) => Needs { scopes: scopes.to_vec(), ..Needs::default() },
            Self::TokenAcr(step_up) | Self::TokenAge(step_up) => step_up.needs(),
            // What the proof must be like, the issuer's document says.
            Self::TokenBinding(BindingSpec::Dpop) => {
                Needs { proof: Some(ProofNeed::default()), ..Needs::default() }
            }
            Self::During
            | Self::Source
            | Self::Destination
            | Self::ServerName
            | Self::HostIsServerName
            | Self::ContextExtension(_)
            | Self::Header(_)
            | Self::Query(_)
            | Self::PeerPresent
            | Self::PeerTrustDomain(_)
            | Self::PeerSpiffe
            | Self::PeerDns
            | Self::PeerUri
            | Self::PeerEmail
            | Self::PeerIp
            | Self::PeerSubject
            | Self::PeerEvidence(_)
            | Self::TokenPresent(_)
            | Self::TokenBinding(_)
            | Self::TokenPresenterKnown(_)
            | Self::TokenPresenter(_)
            | Self::TokenAudience
            | Self::TokenSubject
            | Self::TokenClient
            | Self::TokenClaim(_)
            | Self::TokenAnyScope(_)
            | Self::Condition
            | Self::Inject(_) => Needs::default(),
        }
    }
}

impl fmt::Display for Check<'_> {
    /// A noun that completes "the rule needs ..".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::During => f.write_str("a time at which it counts"),
            Self::Source => f.write_str("a client in one of its networks"),
            Self::Destination => f.write_str("a connection to one of its networks"),
            Self::ServerName => f.write_str("a TLS handshake for another server name"),
            Self::HostIsServerName => f.write_str("a TLS handshake for the host that is asked for"),
            Self::ContextExtension(name) => write!(f, "a fitting context extension `{name}`"),
            Self::Header(own) => write!(f, "a fitting header `{}`", own.name),
            Self::Query(own) => write!(f, "a fitting query parameter `{}`", own.name),
            Self::PeerPresent => f.write_str("a verified peer"),
            Self::PeerTrustDomain(name) => write!(f, "a peer of trust domain `{name}`"),
            Self::PeerSpiffe => f.write_str("a peer with another SPIFFE ID"),
            Self::PeerDns => f.write_str("a peer with another DNS name"),
            Self::PeerUri => f.write_str("a peer with another URI"),
            Self::PeerEmail => f.write_str("a peer with another e-mail address"),
            Self::PeerIp => f.write_str("a peer with another IP address in its certificate"),
            Self::PeerSubject => f.write_str("a peer with another subject"),
            Self::PeerEvidence(level) => write!(f, "evidence `{level}` of the peer"),
            Self::TokenPresent(issuer) => write!(f, "a token of issuer `{issuer}`"),
            Self::TokenBinding(binding) => f.write_str(match binding {
                BindingSpec::Certificate => "a token that is bound to the peer's certificate",
                BindingSpec::Dpop => "a token that is bound to a key, with a DPoP proof",
                BindingSpec::None | BindingSpec::Any => "a token that is bound to its presenter",
            }),
            Self::TokenPresenterKnown(level) => {
                write!(f, "evidence `{level}` of the peer to compare its token with")
            }
            Self::TokenPresenter(pointer) => {
                write!(f, "a token whose claim `{pointer}` names the peer")
            }
            Self::TokenAudience => f.write_str("a token for another audience"),
            Self::TokenSubject => f.write_str("a token of another subject"),
            Self::TokenClient => f.write_str("a token of another client"),
            Self::TokenClaim(own) => write!(f, "a fitting claim `{}`", own.pointer),
            Self::TokenScopes(scopes) => write!(f, "scope `{}`", scopes.join(" ")),
            Self::TokenAnyScope(scopes) => write!(f, "one of the scopes `{}`", scopes.join(" ")),
            Self::TokenAcr(step_up) => {
                write!(f, "an authentication `{}`", step_up.acr_values())
            }
            Self::TokenAge(_) => f.write_str("an authentication that is more recent"),
            Self::Condition => f.write_str("a request for which its condition holds"),
            Self::Inject(own) => write!(f, "a value for `{}` that can be sent", own.name),
        }
    }
}

// === impl Verdict ===

impl<'r> Verdict<'r> {
    /// This verdict and one more check. What is false settles the rule; the first false one is kept.
    pub(in crate::policy) fn and(self, check: Check<'r>, truth: Truth) -> Self {
        match (self, truth) {
            (Self::NotSatisfied(_), _) | (_, Truth::True) => self,
            (_, Truth::False) => Self::NotSatisfied(check),
            (Self::Indeterminate(_), Truth::Unknown) => self,
            (Self::Satisfied, Truth::Unknown) => Self::Indeterminate(check),
        }
    }

    /// How far the rule got.
    pub(in crate::policy) const fn stage(self) -> u8 {
        match self {
            Self::Satisfied => u8::MAX,
            Self::NotSatisfied(check) | Self::Indeterminate(check) => check.stage(),
        }
    }

    /// Why an allow rule with this verdict does not allow, and what would have been needed.
    pub(in crate::policy) fn explain(self) -> (Rejection, Needs) {
        match self {
            Self::Satisfied => (Reason::NoRule.because("the rule is satisfied"), Needs::default()),
            Self::NotSatisfied(check) => (check.failed(), check.needs()),
            Self::Indeterminate(check) => (check.undetermined(), Needs::default()),
        }
    }

    /// Whether no further check can change it.
    pub(in crate::policy) const fn is_settled(self) -> bool {
        matches!(self, Self::NotSatisfied(_))
    }
}

impl From<Verdict<'_>> for Truth {
    fn from(verdict: Verdict<'_>) -> Self {
        match verdict {
            Verdict::Satisfied => Self::True,
            Verdict::NotSatisfied(_) => Self::False,
            Verdict::Indeterminate(_) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P74: unknown and then false is false; unknown and then true stays unknown.
    #[test]
    fn the_first_false_check_settles_a_rule() {
        use Truth::{False, True, Unknown};
        let fold = |truths: &[(Check<'static>, Truth)]| {
            truths.iter().fold(Verdict::Satisfied, |v, (check, truth)| v.and(*check, *truth))
        };
        let (a, b) = (Check::Source, Check::PeerPresent);
        assert_eq!(fold(&[(a, True), (b, True)]), Verdict::Satisfied);
        assert_eq!(fold(&[(a, Unknown), (b, True)]), Verdict::Indeterminate(a));
        assert_eq!(fold(&[(a, Unknown), (b, Unknown)]), Verdict::Indeterminate(a));
        assert_eq!(fold(&[(a, Unknown), (b, False)]), Verdict::NotSatisfied(b));
        assert_eq!(fold(&[(a, False), (b, False)]), Verdict::NotSatisfied(a));
    }
}
