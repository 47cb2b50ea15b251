//! A set of policies: compiled from documents, or taken from the set before it where nothing has changed, and evaluated.
//!
//! A set equals the one that compiling everything again would give, and so do its problems. A policy is kept only if its own text
//! and everything that its meaning depends on are the same, byte for byte; its place in its file does not matter.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::decide;
use super::index::Index;
use super::strip::Strip;
use super::trace::{NoPolicyTrace, PolicyTrace};
use crate::authn::{ScopedHosts, TokenScope};
use crate::clock::UnixTime;
use crate::document::policy::{Effect, Mode};
use crate::document::{
    self, ClaimTypes, Diagnostic, Document, Kind, RawDocument, RelativeDiagnostic, Spec,
};
use crate::policy::compile::IssuerNames;
use crate::policy::compile::compiled_policy::CompiledPolicy;
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::compile::env::CompileEnv;
use crate::policy::compile::lint;
use crate::policy::compile::policy_documents::{self, LocatedPolicy};
use crate::policy::model::{Decision, DecisionRequest, PolicyTarget, RuleName};
use crate::policy::requirement::condition::Condition;
use crate::policy::requirement::peer::PeerPresent;
use crate::policy::requirement::signals::TokenSignals;
use crate::secret::Fingerprint;

/// Every policy at one revision, compiled.
#[derive(Debug, Default)]
pub struct PolicySet {
    pub(in crate::policy) index: Index,
    pub(in crate::policy) strip: Strip,
    scope: Arc<TokenScope>,
    asks_for_signals: bool,
    /// The fingerprints of the policies' texts, in the order of the index.
    pub(in crate::policy) keys: Box<[Fingerprint]>,
    /// The fingerprint of everything else that their meaning depends on; none if there is nothing to keep.
    env: Option<Fingerprint>,
    /// Lints about policies beside each other, with the positions of the policies.
    pub(in crate::policy) lints: Box<[(usize, RelativeDiagnostic)]>,
}

/// The sources of a set of policies.
#[derive(Clone, Copy, Debug)]
pub struct PolicySources<'a> {
    /// The policies.
    pub policies: &'a [RawDocument],
    /// Every other document.
    pub others: &'a [Document],
    /// The fingerprint of the `Fragments` documents among them.
    pub fragments: &'a Fingerprint,
    /// The names of the `TokenIssuer` documents that a rule may refer to.
    pub issuers: &'a [&'a str],
    /// The names of the `TrustDomain` documents that a rule may refer to.
    pub domains: &'a [&'a str],
    /// The set to take from.
    pub before: Option<&'a Arc<PolicySet>>,
    /// How many threads may compile.
    pub threads: NonZeroUsize,
    /// When: rules that time has passed by are warned of.
    pub now: UnixTime,
}

/// The name of a `TokenIssuer` document, and the `iss` of its tokens.
fn iss_of(document: &Document) -> Option<(&str, &str)> {
    let Spec::TokenIssuer(spec) = &document.spec else { return None };
    Some((&document.metadata.name.value, &spec.issuer.value))
}

/// The name of a `TokenIssuer` document, and the claims that it lists.
fn claims_of(document: &Document) -> Option<(&str, Option<ClaimTypes>)> {
    let Spec::TokenIssuer(spec) = &document.spec else { return None };
    Some((&document.metadata.name.value, ClaimTypes::of(spec)))
}

fn scope_of(policies: &[Arc<CompiledPolicy>]) -> TokenScope {
    let mut scope = TokenScope::default();
    for policy in policies {
        let asks = |rule: &Rule| rule.requirements.has::<TokenSignals>();
        if policy.rules.iter().any(asks) {
            each_host(&policy.target, |hosts| scope.add_signals(hosts));
        }
    }
    let targets = || policies.iter().map(|policy| &policy.target);
    if targets().all(|target| target.counting.is_none()) {
        return scope;
    }
    for target in targets() {
        let counting = target.counting.as_deref();
        each_host(target, |hosts| scope.add(hosts, counting));
    }
    scope
}

fn each_host(target: &PolicyTarget, mut add: impl FnMut(ScopedHosts<'_>)) {
    target.hosts.iter().for_each(|own| add(own.host.scoped()));
    if target.hosts.is_empty() {
        add(ScopedHosts::Any);
    }
}

impl PolicySet {
    /// True if a rule asks for a signed assertion.
    pub fn asserts(&self) -> bool {
        self.index.rules().any(|rule| rule.obligations.assertion.is_some())
    }

    /// True if a rule asks for signals about tokens.
    pub const fn asks_for_signals(&self) -> bool {
        self.asks_for_signals
    }

    /// The number of rules that ask for a peer.
    pub fn rules_with_peer(&self) -> usize {
        self.index.rules().filter(|rule| rule.requirements.has::<PeerPresent>()).count()
    }

    /// The names of the headers that any rule sets on requests.
    pub fn injected_headers(&self) -> impl Iterator<Item = &str> {
        self.index.rules().flat_map(|rule| rule.obligations.request_headers())
    }

    /// The issuers whose tokens count, where the documents say that others are ignored.
    pub const fn scope(&self) -> &Arc<TokenScope> {
        &self.scope
    }

    /// Decides. Default deny, deny overrides, order never matters.
    pub fn evaluate(&self, question: &DecisionRequest<'_>) -> Decision {
        self.evaluate_traced(question, &mut NoPolicyTrace)
    }

    /// Decides like [`PolicySet::evaluate`], and shows `trace` every step.
    pub fn evaluate_traced<T: PolicyTrace>(
        &self,
        question: &DecisionRequest<'_>,
        trace: &mut T,
    ) -> Decision {
        decide::evaluate(&self.index, &self.strip, question, trace)
    }

    /// The parts of every rule's condition that `&&`, `||` and `?:` put together, as its document has them.
    pub fn condition_parts(&self) -> impl Iterator<Item = (&RuleName, Vec<String>)> {
        let parts = |rule: &'_ Rule| rule.condition().map(Condition::parts);
        self.index.rules().filter_map(move |rule| Some((&rule.name, parts(rule)?)))
    }

    /// Every rule's name, effect and mode, in no particular order.
    pub fn rules(&self) -> impl Iterator<Item = (&RuleName, Effect, Mode)> {
        self.index.rules().map(|rule| (&rule.name, rule.effect, rule.mode))
    }

    /// Compiles policies. Every problem goes to `problems`; where one of them is an error the result must not be used.
    pub fn compile(sources: &PolicySources<'_>, problems: &mut Vec<Diagnostic>) -> Arc<Self> {
        let none = problems.len();
        let iss: Vec<_> = sources.others.iter().filter_map(iss_of).collect();
        let claims: Vec<_> = sources.others.iter().filter_map(claims_of).collect();
        let (issuers, domains) = (sources.issuers, sources.domains);
        let names = IssuerNames { issuers, domains, iss: &iss, claims: &claims };
        let env = CompileEnv::of(sources.others, names, problems);
        let key = env.fingerprint(sources.fragments);
        let before = sources.before.map(|set| set.by_key(&key)).unwrap_or_default();
        let located =
            policy_documents::compile(sources.policies, &before, &env, sources.threads, problems);
        let sound = problems.len() == none;
        let named = located.iter().map(|LocatedPolicy { policy, origin, .. }| {
            (Kind::Policy, &*policy.name, origin.at(policy.name_at))
        });
        document::check_unique(named, problems);
        for LocatedPolicy { policy, origin, .. } in &located {
            let due = policy.outdated.iter().filter(|(due, _)| due.is_at(sources.now));
            problems.extend(due.map(|(_, lint)| lint.at(origin)));
        }
        let before = sources.before.filter(|before| before.is_made_of(&key, &located));
        let set = match before {
            Some(before) => Arc::clone(before),
            None => Arc::new(Self::of_policies(key, &located, env.has_cookies())),
        };
        // Lints about rules that are wrong anyway are noise.
        if sound {
            let used = located.iter().flat_map(|located| &located.policy.uses);
            env.fragments.unused(sources.others, used, problems);
            problems.extend(set.lints(&located));
        }
        set
    }

    fn of_policies(env: Fingerprint, located: &[LocatedPolicy<'_>], cookies: bool) -> Self {
        let policies: Box<[_]> =
            located.iter().map(|located| Arc::clone(&located.policy)).collect();
        let mut lints = lint::unreachable(&policies);
        lints.extend(lint::redirect_circles(&policies, cookies));
        lints.extend(lint::tokens_not_ignored(&policies));
        let rules = || policies.iter().flat_map(|policy| &policy.rules);
        let strip = Strip::of(rules());
        let asks_for_signals = rules().any(|rule| rule.requirements.has::<TokenSignals>());
        Self {
            asks_for_signals,
            keys: located.iter().map(|located| located.key).collect(),
            env: Some(env),
            lints: lints.into(),
            scope: Arc::new(scope_of(&policies)),
            index: Index::of(policies),
            strip,
        }
    }

    fn is_made_of(&self, env: &Fingerprint, located: &[LocatedPolicy<'_>]) -> bool {
        self.env.as_ref() == Some(env)
            && self.keys.iter().eq(located.iter().map(|located| &located.key))
    }

    /// The lints about its policies, at the places where they are `located`: each by itself, and beside each other.
    fn lints<'a>(
        &'a self,
        located: &'a [LocatedPolicy<'_>],
    ) -> impl Iterator<Item = Diagnostic> + 'a {
        let alone = located.iter().flat_map(|LocatedPolicy { policy, origin, .. }| {
            policy.lints.iter().map(|lint| lint.at(origin))
        });
        let together = self.lints.iter().filter_map(|(at, lint)| {
            located.get(*at).map(|LocatedPolicy { origin, .. }| lint.at(origin))
        });
        alone.chain(together)
    }

    /// Its policies by the fingerprints of their texts, where everything `env` them is the same.
    fn by_key(&self, env: &Fingerprint) -> HashMap<&Fingerprint, &Arc<CompiledPolicy>> {
        match self.env.as_ref() == Some(env) {
            true => self.keys.iter().zip(self.index.policies()).collect(),
            false => HashMap::new(),
        }
    }
}
