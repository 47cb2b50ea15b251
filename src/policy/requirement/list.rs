//! The requirements of a rule, in the order in which they are checked.

use std::fmt;
use std::sync::Arc;

use super::condition::When;
use super::context::CheckContext;
use super::network::{DestinationNetworks, SourceNetworks};
use super::peer::{
    PeerDns, PeerEmails, PeerEvidenceLevel, PeerIps, PeerPresent, PeerSpiffe, PeerSubjects,
    PeerTrustDomain, PeerUris,
};
use super::requirement::{Requirement, RequirementFailure};
use super::server_name::{ServerNameIsHost, ServerNames};
use super::signals::TokenSignals;
use super::step_up::{TokenAcr, TokenMaxAge};
use super::token::{
    PresenterKnown, PresenterNamed, TokenAnyScope, TokenAudiences, TokenBinding, TokenClients,
    TokenPresent, TokenScopes, TokenSubjects,
};
use super::values::ContextExtension;
use crate::policy::model::{ClaimMatcher, HeaderMatcher, Needs, QueryMatcher, Schedule, Truth};

/// Makes [`AnyRequirement`] and [`CheckStage`] of one line for each requirement: its type, and its key in a document.
macro_rules! requirements {
    ($($name:ident $key:literal,)+) => {
        /// One requirement of a rule.
        #[derive(Clone)]
        pub(in crate::policy) enum AnyRequirement {
            $($name($name),)+
        }

        /// The place of a requirement in the order of checks. Of two allow rules that fail, the one that gets further is closer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(in crate::policy) enum CheckStage {
            $($name,)+
            /// Rendering the values to inject, after all requirements hold.
            Injection,
        }

        impl AnyRequirement {
            pub(in crate::policy) const fn stage(&self) -> CheckStage {
                match self {
                    $(Self::$name(_) => CheckStage::$name,)+
                }
            }

            /// Its key in a document.
            pub(in crate::policy) const fn key(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $key,)+
                }
            }

            pub(in crate::policy) fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
                match self {
                    $(Self::$name(own) => own.holds(cx),)+
                }
            }

            /// For everything but the check itself.
            pub(in crate::policy) const fn as_requirement(&self) -> &dyn Requirement {
                match self {
                    $(Self::$name(own) => own,)+
                }
            }
        }

        $(
            impl From<$name> for AnyRequirement {
                fn from(own: $name) -> Self {
                    Self::$name(own)
                }
            }

            impl Member for $name {
                fn of(any: &AnyRequirement) -> Option<&Self> {
                    if let AnyRequirement::$name(own) = any { Some(own) } else { None }
                }
            }
        )+
    };
}

/// A type of requirement that a list may have.
pub(in crate::policy) trait Member: Sized {
    fn of(any: &AnyRequirement) -> Option<&Self>;
}

requirements! {
    Schedule "during",
    SourceNetworks "source",
    DestinationNetworks "destination",
    ServerNames "sni",
    ServerNameIsHost "hostIsSni",
    ContextExtension "contextExtensions",
    HeaderMatcher "headers",
    QueryMatcher "query",
    PeerPresent "peer",
    PeerTrustDomain "trustDomain",
    PeerSpiffe "spiffe",
    PeerDns "dns",
    PeerUris "uris",
    PeerEmails "emails",
    PeerIps "ips",
    PeerSubjects "subjects",
    PeerEvidenceLevel "evidence",
    TokenPresent "issuer",
    TokenBinding "binding",
    PresenterKnown "bind",
    PresenterNamed "bind",
    TokenAudiences "audiences",
    TokenSubjects "subjects",
    TokenClients "clients",
    ClaimMatcher "claims",
    TokenScopes "scopes",
    TokenAnyScope "anyScope",
    TokenAcr "acr",
    TokenMaxAge "maxAge",
    TokenSignals "signals",
    When "when",
}

/// Everything that a rule requires.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct Requirements {
    list: Box<[AnyRequirement]>,
    /// The issuers of the token that it asks for.
    issuers: Arc<[Arc<str>]>,
    /// The trust domain of the peer, if it names one.
    trust_domain: Option<Arc<str>>,
}

impl AnyRequirement {
    /// True if a caller who shows more meets it: a deny rule denies callers who *meet* its requirements, so that one with this would
    /// deny the wrong ones.
    pub(in crate::policy) const fn is_met_by_more(&self) -> bool {
        matches!(
            self.stage(),
            CheckStage::PeerEvidenceLevel
                | CheckStage::TokenBinding
                | CheckStage::PresenterKnown
                | CheckStage::PresenterNamed
                | CheckStage::TokenAcr
                | CheckStage::TokenMaxAge
        )
    }

    /// True if callers meet it about which something is odd, so that an allow rule with it would allow the wrong ones.
    pub(in crate::policy) const fn is_met_by_the_suspect(&self) -> bool {
        matches!(self.stage(), CheckStage::TokenSignals)
    }

    /// True if it tells callers apart: when a rule holds, and where a connection goes, says nothing about them.
    pub(in crate::policy) const fn is_about_callers(&self) -> bool {
        !matches!(
            self.stage(),
            CheckStage::Schedule | CheckStage::DestinationNetworks | CheckStage::ServerNameIsHost
        )
    }
}

impl fmt::Debug for AnyRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_requirement().fmt(f)
    }
}

impl Requirements {
    pub(in crate::policy) fn new(mut list: Vec<AnyRequirement>) -> Self {
        list.sort_by_key(AnyRequirement::stage);
        let mut all = Self { list: list.into(), issuers: Arc::default(), trust_domain: None };
        all.issuers = all.first::<TokenPresent>().map(|own| Arc::clone(&own.0)).unwrap_or_default();
        all.trust_domain = all.first::<PeerTrustDomain>().map(|own| Arc::clone(&own.0));
        all
    }

    pub(in crate::policy) fn iter(&self) -> impl Iterator<Item = &AnyRequirement> {
        self.list.iter()
    }

    /// Those of one type.
    pub(in crate::policy) fn each<T: Member + 'static>(&self) -> impl Iterator<Item = &T> {
        self.list.iter().filter_map(T::of)
    }

    pub(in crate::policy) fn first<T: Member + 'static>(&self) -> Option<&T> {
        self.each().next()
    }

    pub(in crate::policy) fn has<T: Member + 'static>(&self) -> bool {
        self.first::<T>().is_some()
    }

    /// True if anything is required of the caller.
    pub(in crate::policy) fn ask_for_identity(&self) -> bool {
        self.has::<PeerPresent>() || self.has::<TokenPresent>()
    }

    pub(in crate::policy) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The issuers of which a token counts; none where the rule asks for no token.
    pub(in crate::policy) fn issuers(&self) -> &[Arc<str>] {
        &self.issuers
    }

    pub(in crate::policy) fn trust_domain(&self) -> Option<&str> {
        self.trust_domain.as_deref()
    }

    /// The credentials that a challenge names if a requirement fails. Of the user's authentication it names everything that the
    /// rule requires, so that authenticating once is enough (RFC 9470 section 3).
    pub(in crate::policy) fn needs(&self, failed: &RequirementFailure) -> Needs {
        let own = &failed.needs;
        if own.acr.is_empty() && own.max_age.is_none() {
            return own.clone();
        }
        let acr = self.first::<TokenAcr>().map(|acr| acr.0.to_vec()).unwrap_or_default();
        let max_age = self.first::<TokenMaxAge>().map(|age| age.0);
        Needs { acr, max_age, ..Needs::default() }
    }
}
