//! `token`: the verified token of one issuer.

use std::sync::Arc;

use super::context::CheckContext;
use super::missing::{MissingData, RecordField};
use super::observation::ObservedValue;
use super::peer::best_name;
use super::requirement::{Explanation, Requirement, RequirementFailure, one_of, texts};
use super::rule_key::{FittingRules, NamedCallers, Reordered, RuleKey, is_part};
use crate::authn::{Binding, NameFit, TokenIdentity, evidence_for_names, fit_names};
use crate::document::policy::{BindingSpec, ScopeForm};
use crate::evidence_level::EvidenceLevel;
use crate::identity_map::{IdentityMap, PeerName};
use crate::policy::model::{ClaimMatcher, Needs, ProofNeed, Truth};
use crate::reason::Reason;

/// There is a token that the `TokenIssuer` document of this name vouches for, or of one of these names. A rule names it always: a
/// token of one issuer never meets a rule that was written for another (P53).
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct TokenPresent(pub(in crate::policy) Arc<[Arc<str>]>);

/// The token is bound in this way.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct TokenBinding(pub(in crate::policy) BindingSpec);

/// The claim that names the peer, and how much must be shown of that.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct RequiredBinding {
    pub(in crate::policy) map: IdentityMap,
    pub(in crate::policy) evidence: EvidenceLevel,
}

/// Enough of the peer is shown to compare it with the token.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct PresenterKnown(pub(in crate::policy) Arc<RequiredBinding>);

/// The claim names the peer.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct PresenterNamed(pub(in crate::policy) Arc<RequiredBinding>);

/// The token is for one of these audiences.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct TokenAudiences(pub(in crate::policy) Box<[String]>);

/// The token's subject is one of these.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct TokenSubjects(pub(in crate::policy) Box<[String]>);

/// The token's client is one of these.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct TokenClients(pub(in crate::policy) Box<[String]>);

/// The token has all of these scopes. Scopes are whole words: `admin` is not `administrator` (P57).
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct TokenScopes(
    pub(in crate::policy) Box<[String]>,
    pub(in crate::policy) ScopeForm,
);

/// The token has one of these scopes.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct TokenAnyScope(
    pub(in crate::policy) Box<[String]>,
    pub(in crate::policy) ScopeForm,
);

fn one_is(listed: &[String], found: Option<&str>) -> Option<Truth> {
    Some(found.is_some_and(|found| listed.iter().any(|own| own == found)).into())
}

fn scopes(cx: &CheckContext<'_>) -> ObservedValue {
    ObservedValue::list(cx.token.map(TokenIdentity::scopes).unwrap_or_default())
}

fn has_scope(token: &TokenIdentity, scope: &str, form: ScopeForm) -> bool {
    token.scopes().iter().any(|held| form.covers(held, scope))
}

pub(super) fn claim(cx: &CheckContext<'_>, pointer: &str) -> ObservedValue {
    ObservedValue::json(cx.token.and_then(|token| token.claim(pointer)))
}

impl Requirement for TokenPresent {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some(cx.token.is_some().into())
    }

    fn failure(&self) -> RequirementFailure {
        let issuers = one_of(&self.0);
        let holds = format!("there is a token of issuer {issuers}");
        let fails = format!("there is no token of issuer {issuers}");
        RequirementFailure::new(Reason::TokenMissing, holds, fails)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let tokens = cx.subject.tokens().verified().into_iter().flatten();
        let names: Vec<_> = tokens.map(|token| token.issuer_name().to_owned()).collect();
        let suggestion =
            format!("the request must carry a token of the issuer {}", one_of(&self.0));
        let found = ObservedValue::list(&names);
        Explanation::new(Self::PATH, texts(&self.0), found, suggestion)
    }
}

impl RuleKey for TokenPresent {
    const PATH: &'static str = "token.issuer";
    const RULES: FittingRules = FittingRules::Any;
    const NAMES: Option<NamedCallers> = Some(NamedCallers::Issuers);
    const IS_OF_CLASS: bool = true;
    const REORDERED: Reordered = Reordered::Identity;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(is_part(&other.0, &self.0))
    }
}

impl Requirement for TokenBinding {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let binding = cx.token?.binding();
        let holds = match self.0 {
            BindingSpec::None => true,
            BindingSpec::Certificate => binding == Binding::Certificate,
            BindingSpec::Dpop => binding == Binding::Dpop,
            BindingSpec::Any => binding != Binding::None,
        };
        Some(holds.into())
    }

    fn failure(&self) -> RequirementFailure {
        let to = match self.0 {
            BindingSpec::Certificate => "the peer's certificate",
            BindingSpec::Dpop => "a key that a DPoP proof shows",
            BindingSpec::None | BindingSpec::Any => "its presenter",
        };
        let (holds, fails) =
            (format!("the token is bound to {to}"), format!("the token is not bound to {to}"));
        // The issuer's document says how the proof must be signed.
        let proof = (self.0 == BindingSpec::Dpop).then(ProofNeed::default);
        RequirementFailure::new(Reason::BindingUnavailable, holds, fails)
            .needing(Needs { proof, ..Needs::default() })
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let (wanted, suggestion) = match self.0 {
            BindingSpec::None => ("none", "the token need not be bound"),
            BindingSpec::Certificate => (
                "certificate",
                "the token must be bound to the peer's certificate (`cnf.x5t#S256`)",
            ),
            BindingSpec::Dpop => (
                "dpop",
                "the token must be bound to a key (`cnf.jkt`) that the caller proves to hold (DPoP)",
            ),
            BindingSpec::Any => (
                "certificate or dpop",
                "the token must be bound to the peer's certificate (`cnf.x5t#S256`) or to a key (`cnf.jkt`, DPoP)",
            ),
        };
        let found = cx.token.map(|token| token.binding().as_str());
        let wanted = vec![wanted.to_owned()];
        Explanation::new(Self::PATH, wanted, ObservedValue::open(found), suggestion.to_owned())
    }
}

impl RuleKey for TokenBinding {
    const PATH: &'static str = "token.binding";
    const RULES: FittingRules = FittingRules::Allow;
}

impl RequiredBinding {
    /// True if a record that lacks `missing` holds the names of the peer that it compares.
    fn has_recorded_name(&self, missing: MissingData) -> bool {
        self.map.to() == PeerName::Spiffe || !missing.covers(RecordField::PeerNames)
    }

    fn pointer(&self) -> &str {
        self.map.pointer()
    }

    fn needed(&self) -> EvidenceLevel {
        evidence_for_names(&self.map, self.evidence)
    }
}

impl Requirement for PresenterKnown {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        cx.token?;
        // Which name the claim says does not matter here.
        let fit = fit_names(&self.0.map, self.0.evidence, None, cx.peer);
        Some((fit != NameFit::Unknown).into())
    }

    fn failure(&self) -> RequirementFailure {
        let level = self.0.needed();
        let holds = format!("the evidence of the peer is `{level}`, to compare it with its token");
        let fails =
            format!("the evidence of the peer is not `{level}`, to compare it with its token");
        RequirementFailure::new(Reason::BindingUnavailable, holds, fails)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let level = self.0.needed();
        let suggestion =
            format!("the proxy must pass on more of the peer's certificate: `{level}`");
        let found = ObservedValue::open(cx.peer.map(|peer| peer.level().as_str()));
        Explanation::new(Self::PATH, vec![level.to_string()], found, suggestion).but_is()
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        self.0.has_recorded_name(missing)
    }
}

impl RuleKey for PresenterKnown {
    const PATH: &'static str = "token.bind";
    const RULES: FittingRules = FittingRules::Allow;
}

impl Requirement for PresenterNamed {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let RequiredBinding { map, evidence } = &*self.0;
        match fit_names(map, *evidence, cx.token?.claim(map.pointer()), cx.peer) {
            NameFit::Same => Some(Truth::Holds),
            NameFit::Other => Some(Truth::Fails),
            NameFit::Unknown => None,
        }
    }

    fn failure(&self) -> RequirementFailure {
        let pointer = self.0.pointer();
        let (holds, fails) = (
            format!("claim `{pointer}` names the peer"),
            format!("claim `{pointer}` does not name the peer"),
        );
        RequirementFailure::new(Reason::IdentityTokenMismatch, holds, fails)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let pointer = self.0.pointer();
        let suggestion =
            format!("the claim `{pointer}` must name the peer that presents the token");
        let wanted = vec![format!("the peer, named by `{pointer}`")];
        Explanation::new(format!("claim {pointer}"), wanted, claim(cx, pointer), suggestion)
            .and("peer", ObservedValue::open(cx.peer.map(best_name)))
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        self.0.has_recorded_name(missing) && !missing.covers_claim(self.0.pointer())
    }
}

impl RuleKey for PresenterNamed {
    const PATH: &'static str = "token.bind";
    const RULES: FittingRules = FittingRules::Allow;
}

impl Requirement for TokenAudiences {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some(cx.token?.audiences().iter().any(|found| self.0.contains(found)).into())
    }

    fn failure(&self) -> RequirementFailure {
        RequirementFailure::to_match(Reason::Audience, "the token's audience")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("the token must be for the audience {}", one_of(&self.0));
        let found = cx.token.map(TokenIdentity::audiences).unwrap_or_default();
        let found = ObservedValue::list(found);
        Explanation::new(Self::PATH, self.0.to_vec(), found, suggestion).but_is()
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::TokenAudiences)
    }
}

impl RuleKey for TokenAudiences {
    const PATH: &'static str = "token.audiences";
    const RULES: FittingRules = FittingRules::Any;
    const IS_OF_CLASS: bool = true;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(is_part(&other.0, &self.0))
    }
}

impl Requirement for TokenSubjects {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        one_is(&self.0, cx.token?.subject())
    }

    fn failure(&self) -> RequirementFailure {
        RequirementFailure::to_match(Reason::ClaimMismatch, "the token's subject")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("the token's subject must be {}", one_of(&self.0));
        let found = ObservedValue::open(cx.token.and_then(TokenIdentity::subject));
        Explanation::new(Self::PATH, self.0.to_vec(), found, suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::TokenSubject)
    }
}

impl RuleKey for TokenSubjects {
    const PATH: &'static str = "token.subjects";
    const RULES: FittingRules = FittingRules::Any;
    const NAMES: Option<NamedCallers> = Some(NamedCallers::Subjects);
    const IS_OF_CLASS: bool = true;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(is_part(&other.0, &self.0))
    }
}

impl Requirement for TokenClients {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        one_is(&self.0, cx.token?.client())
    }

    fn failure(&self) -> RequirementFailure {
        RequirementFailure::to_match(Reason::ClaimMismatch, "the token's client")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("the token's client must be {}", one_of(&self.0));
        let found = ObservedValue::open(cx.token.and_then(TokenIdentity::client));
        Explanation::new(Self::PATH, self.0.to_vec(), found, suggestion).but_is()
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::TokenClient)
    }
}

impl RuleKey for TokenClients {
    const PATH: &'static str = "token.clients";
    const RULES: FittingRules = FittingRules::Any;
    const NAMES: Option<NamedCallers> = Some(NamedCallers::Clients);
    const IS_OF_CLASS: bool = true;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(is_part(&other.0, &self.0))
    }
}

impl Requirement for ClaimMatcher {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some(self.matches(cx.token?.claim(&self.pointer)))
    }

    fn failure(&self) -> RequirementFailure {
        RequirementFailure::to_match(Reason::ClaimMismatch, &format!("claim `{}`", self.pointer))
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let Self { pointer, test } = self;
        let suggestion = format!("the claim `{pointer}` must be {test}");
        let wanted = vec![test.to_string()];
        Explanation::new(format!("claim {pointer}"), wanted, claim(cx, pointer), suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers_claim(&self.pointer)
    }
}

impl RuleKey for ClaimMatcher {
    const PATH: &'static str = "token.claims";
    const RULES: FittingRules = FittingRules::Any;
}

impl Requirement for TokenScopes {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let token = cx.token?;
        Some(self.0.iter().all(|scope| has_scope(token, scope, self.1)).into())
    }

    /// A challenge names scopes only if all of them are needed: it cannot say "one of".
    fn failure(&self) -> RequirementFailure {
        let scopes = self.0.join(" ");
        let (holds, fails) = (
            format!("the token has scope `{scopes}`"),
            format!("the token does not have scope `{scopes}`"),
        );
        let needs = Needs { scopes: self.0.to_vec(), ..Needs::default() };
        RequirementFailure::new(Reason::ScopeMissing, holds, fails).needing(needs)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let has = |scope: &&String| cx.token.is_some_and(|own| has_scope(own, scope, self.1));
        let missing: Vec<_> = self.0.iter().filter(|scope| !has(scope)).collect();
        let noun = if missing.len() == 1 { "scope" } else { "scopes" };
        let missing: Vec<_> = missing.iter().map(|scope| format!("`{scope}`")).collect();
        let suggestion = format!("the token lacks the {noun} {}", missing.join(", "));
        Explanation::new(Self::PATH, self.0.to_vec(), scopes(cx), suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::TokenScopes)
    }
}

impl RuleKey for TokenScopes {
    const PATH: &'static str = "token.scopes";
    const RULES: FittingRules = FittingRules::Any;
    const NAMES: Option<NamedCallers> = Some(NamedCallers::Scopes);
    const IS_OF_CLASS: bool = true;
    const REORDERED: Reordered = Reordered::Challenge;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(self.0.iter().all(|asked| {
            let asked = (std::slice::from_ref(asked), self.1);
            other.0.iter().any(|own| is_scope_within((own, other.1), asked))
        }))
    }
}

impl Requirement for TokenAnyScope {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let token = cx.token?;
        Some(self.0.iter().any(|scope| has_scope(token, scope, self.1)).into())
    }

    fn failure(&self) -> RequirementFailure {
        let scopes = self.0.join(" ");
        let holds = format!("the token has one of the scopes `{scopes}`");
        let fails = format!("the token has none of the scopes `{scopes}`");
        RequirementFailure::new(Reason::ScopeMissing, holds, fails)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("the token must have the scope {}", one_of(&self.0));
        Explanation::new(Self::PATH, self.0.to_vec(), scopes(cx), suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::TokenScopes)
    }
}

impl RuleKey for TokenAnyScope {
    const PATH: &'static str = "token.anyScope";
    const RULES: FittingRules = FittingRules::Any;
    const NAMES: Option<NamedCallers> = Some(NamedCallers::Scopes);
    const IS_OF_CLASS: bool = true;
    const REORDERED: Reordered = Reordered::Challenge;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(other.0.iter().all(|own| is_scope_within((own, other.1), (&self.0, self.1))))
    }
}

impl TokenAnyScope {
    /// True if every token with all scopes of `other` has one of these.
    pub(super) fn is_met_by(&self, other: &TokenScopes) -> bool {
        other.0.iter().any(|own| is_scope_within((own, other.1), (&self.0, self.1)))
    }
}

/// True if every token that has `scope` in its form has one of `asked` in theirs.
fn is_scope_within(
    (scope, form): (&str, ScopeForm),
    (asked, others): (&[String], ScopeForm),
) -> bool {
    let mut held = form.all_for(scope).into_iter();
    held.all(|held| asked.iter().any(|asked| others.covers(&held, asked)))
}
