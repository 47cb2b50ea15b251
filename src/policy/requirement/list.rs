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
use super::rule_key::{FittingRules, NamedCallers, Reordered, RuleKey};
use super::server_name::{ServerNameIsHost, ServerNames};
use super::signals::TokenSignals;
use super::step_up::{TokenAcr, TokenMaxAge};
use super::token::{
    PresenterKnown, PresenterNamed, TokenAnyScope, TokenAudiences, TokenBinding, TokenClients,
    TokenPresent, TokenScopes, TokenSubjects,
};
use super::values::ContextExtension;
use crate::policy::model::{ClaimMatcher, HeaderMatcher, Needs, QueryMatcher, Schedule, Truth};

/// Makes [`AnyRequirement`] and [`CheckStage`] of one line for each requirement: its type.
macro_rules! requirements {
    ($($name:ident,)+) => {
        /// One requirement of a rule.
        #[derive(Clone, PartialEq)]
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

            /// The path of its key in the document of a rule.
            pub(in crate::policy) const fn path(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $name::PATH,)+
                }
            }

            /// The rules that may have it.
            pub(in crate::policy) const fn rules(&self) -> FittingRules {
                match self {
                    $(Self::$name(_) => $name::RULES,)+
                }
            }

            /// True if it tells callers apart.
            pub(in crate::policy) const fn is_about_callers(&self) -> bool {
                match self {
                    $(Self::$name(_) => $name::IS_ABOUT_CALLERS,)+
                }
            }

            /// The callers that its values name.
            pub(in crate::policy) const fn names(&self) -> Option<NamedCallers> {
                match self {
                    $(Self::$name(_) => $name::NAMES,)+
                }
            }

            /// True if it holds for all that a witness stands for where it holds for the witness.
            pub(in crate::policy) const fn is_of_class(&self) -> bool {
                match self {
                    $(Self::$name(_) => $name::IS_OF_CLASS,)+
                }
            }

            /// The change that callers see where its values stand in another order.
            pub(in crate::policy) const fn reordered(&self) -> Reordered {
                match self {
                    $(Self::$name(_) => $name::REORDERED,)+
                }
            }

            /// True if it holds wherever `other` does; none where their values do not tell.
            pub(in crate::policy) fn covers(&self, other: &Self) -> Option<bool> {
                match (self, other) {
                    $((Self::$name(own), Self::$name(other)) => {
                        own.covers(other).or_else(|| (own == other).then_some(true))
                    })+
                    (Self::TokenAnyScope(own), Self::TokenScopes(other)) => Some(own.is_met_by(other)),
                    _ => Some(false),
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
    Schedule,
    SourceNetworks,
    DestinationNetworks,
    ServerNames,
    ServerNameIsHost,
    ContextExtension,
    HeaderMatcher,
    QueryMatcher,
    PeerPresent,
    PeerTrustDomain,
    PeerSpiffe,
    PeerDns,
    PeerUris,
    PeerEmails,
    PeerIps,
    PeerSubjects,
    PeerEvidenceLevel,
    TokenPresent,
    TokenBinding,
    PresenterKnown,
    PresenterNamed,
    TokenAudiences,
    TokenSubjects,
    TokenClients,
    ClaimMatcher,
    TokenScopes,
    TokenAnyScope,
    TokenAcr,
    TokenMaxAge,
    TokenSignals,
    When,
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
    /// The last word of its path.
    pub(in crate::policy) fn key(&self) -> &'static str {
        self.path().rsplit('.').next().unwrap_or_default()
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
