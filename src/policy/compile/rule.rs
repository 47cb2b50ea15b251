//! One rule: its parts put together, and what must be said of the whole of it.

use std::sync::Arc;

use super::compiled_rule::Rule;
use super::compiler::PolicyCompiler;
use super::request::{read_network, read_server_name};
use crate::document::policy::{Effect, Mode, RejectedSpec, RuleSpec};
use crate::document::{Code, Diagnostic, Span, Spanned, Tree};
use crate::policy::model::{
    Annotations, CustomAnswer, PathTemplate, PolicyTarget, RuleName, read_day,
};
use crate::policy::requirement::condition::When;
use crate::policy::requirement::injection::ObligationTemplate;
use crate::policy::requirement::list::{AnyRequirement, CheckStage, Requirements};
use crate::policy::requirement::network::{DestinationNetworks, SourceNetworks};
use crate::policy::requirement::peer::PeerPresent;
use crate::policy::requirement::rule_key::FittingRules;
use crate::policy::requirement::server_name::{ServerNameIsHost, ServerNames};
use crate::policy::requirement::token::TokenPresent;
use crate::request::PathLeniency;

impl<'a> PolicyCompiler<'a, '_> {
    /// Compiles the rule of `spec`. `answer` is the response of its policy to denied requests.
    pub(super) fn rule(
        &mut self,
        spec: &'a RuleSpec,
        target: &Arc<PolicyTarget>,
        answer: Option<&Arc<CustomAnswer>>,
    ) -> Rule {
        self.identity_is_asked_for(spec);
        self.since_is_about_a_shadow(spec);
        if spec.effect.value == Effect::Deny {
            self.fits_a_deny_rule(spec);
        }
        let on = spec.on.as_ref();
        // A deny rule is about a path in every way of writing it.
        let accepted = match spec.effect.value {
            Effect::Allow => target.leniency,
            Effect::Deny => PathLeniency::ALL,
        };
        let (methods, paths) = self.calls(on, accepted);
        let obligations = self.obligations(spec, &paths);
        let answer = match &spec.deny {
            Some(deny) => Some(self.denial(deny)),
            None => answer.cloned(),
        };
        let requirements = self.requirements(spec, target, &paths);
        let policy = Arc::clone(&self.policy);
        let rule = Rule {
            name: RuleName { policy, rule: spec.name.value.as_str().into() },
            annotations: Annotations::default(),
            effect: spec.effect.value,
            mode: spec.mode,
            target: Arc::clone(target),
            methods,
            paths,
            requirements,
            ignores_rejected_cookies: self.ignores_rejected_cookies(spec),
            obligations: ObligationTemplate { keep: target.keep.clone(), ..obligations },
            answer,
        };
        self.asks_for_tokens_that_count(spec, &rule, target);
        rule
    }

    /// Everything that the rule requires. A new key goes here.
    fn requirements(
        &mut self,
        spec: &'a RuleSpec,
        target: &PolicyTarget,
        paths: &[PathTemplate],
    ) -> Requirements {
        let mut all: Vec<AnyRequirement> = Vec::new();
        all.extend(self.condition(spec, paths).map(|own| When(own.into()).into()));
        all.extend(self.listed(spec.source.as_ref(), "source", read_network, SourceNetworks));
        let destination = spec.destination.as_ref();
        all.extend(self.listed(destination, "destination", read_network, DestinationNetworks));
        all.extend(self.listed(spec.sni.as_ref(), "sni", read_server_name, ServerNames));
        if target.host_is_sni && spec.effect.value == Effect::Allow {
            all.push(ServerNameIsHost.into());
        }
        all.extend(spec.during.as_ref().map(|during| self.schedule(during).into()));
        all.extend(self.context_extensions(spec.context_extensions.as_ref()));
        all.extend(self.headers(spec.headers.as_ref()));
        all.extend(self.query(spec.query.as_ref()));
        if let Some(peer) = &spec.peer {
            all.push(PeerPresent.into());
            all.extend(self.fits_the_effect(spec, &peer.value.fragment, |own| own.peer(peer)));
        }
        if let Some(token) = &spec.token {
            all.extend(self.fits_the_effect(spec, &token.value.fragment, |own| own.token(token)));
            // Without an issuer, which is an error, no token meets the rule.
            if !all.iter().any(|own| own.stage() == CheckStage::TokenPresent) {
                all.push(TokenPresent(Arc::default()).into());
            }
        }
        Requirements::new(all)
    }

    /// The requirements of the caller. Those of a fragment count as if the rule had them.
    fn fits_the_effect(
        &mut self,
        spec: &RuleSpec,
        fragment: &Option<Spanned<String>>,
        read: impl FnOnce(&mut Self) -> Vec<AnyRequirement>,
    ) -> Vec<AnyRequirement> {
        let found = read(self);
        let effect = spec.effect.value;
        let is_wrong = |own: &&AnyRequirement| match effect {
            Effect::Deny => own.rules() == FittingRules::Allow,
            Effect::Allow => own.rules() == FittingRules::Deny,
        };
        let mut wrong: Vec<_> = found.iter().filter(is_wrong).collect();
        wrong.dedup_by_key(|own| own.path());
        for own in wrong {
            let place = match fragment {
                Some(fragment) => self.origin.span(fragment),
                None => self.place_of(spec, own),
            };
            match effect {
                Effect::Deny => self.not_in_deny(place, own.key()),
                Effect::Allow => self.not_in_allow(place, own.key()),
            }
        }
        found
    }

    /// The place of a requirement of the rule; that of its name, where the document does not say it.
    fn place_of(&self, spec: &RuleSpec, own: &AnyRequirement) -> Span {
        let document = Tree::at(self.origin);
        let place = document.and_then(|document| document.rule_key(&spec.name, own.path()));
        place.unwrap_or_else(|| self.origin.span(&spec.name))
    }

    fn ignores_rejected_cookies(&mut self, spec: &RuleSpec) -> bool {
        let Some(word) = &spec.rejected_cookies else { return false };
        if spec.effect.value == Effect::Deny {
            let message =
                "`rejectedCookies` is about callers that a rule allows, and this rule denies";
            self.error_with(Code::NotInDeny, word, message, "remove it");
        }
        word.value == RejectedSpec::Ignored
    }

    /// A rule that asks for a token which is ignored at its own target would never see one.
    fn asks_for_tokens_that_count(&mut self, spec: &RuleSpec, rule: &Rule, target: &PolicyTarget) {
        let Some(counting) = &target.counting else { return };
        let mut asked = rule.requirements.issuers().iter();
        let Some(issuer) = asked.find(|asked| !counting.iter().any(|own| **own == ***asked)) else {
            return;
        };
        let message =
            format!("the rule asks for a token of `{issuer}`, and the target ignores those");
        let help = format!("add `{issuer}` to `target.tokens.issuers`");
        self.error_with(Code::IssuerDoesNotCount, &spec.name, message, help);
    }

    fn since_is_about_a_shadow(&mut self, spec: &RuleSpec) {
        let Some(since) = &spec.since else { return };
        if spec.mode != Mode::Shadow {
            let message =
                "`since` says since when a rule has been in shadow mode, and this one is not";
            let help = "remove it, or say `mode: shadow`";
            self.error_with(Code::Contradiction, since, message, help);
        }
        if read_day(&since.value).is_none() {
            let message = format!("`{}` is not a day", since.value);
            self.error_with(Code::InvalidTime, since, message, "write it as in `2026-01-31`");
        }
    }

    /// Invariant 12: an allow rule that leaves something out never allows every caller.
    fn identity_is_asked_for(&mut self, spec: &RuleSpec) {
        let needs_identity = spec.peer.is_some() || spec.token.is_some();
        let public = spec.public.as_ref().filter(|public| public.value);
        match (spec.effect.value, needs_identity, public) {
            (Effect::Allow, false, None) => {
                let message = format!("rule `{}` allows and requires no identity", spec.name.value);
                let help = "add `peer` or `token`, or say `public: true` if every caller may pass";
                self.error_with(Code::AllowWithoutIdentity, &spec.name, message, help);
            }
            (Effect::Allow, true, Some(public)) => {
                let message = "`public: true` contradicts `peer` and `token`";
                let help = "remove `public`, or what the rule asks of the caller";
                self.error_with(Code::Contradiction, public, message, help);
            }
            (Effect::Deny, _, Some(public)) => {
                let message = "`public` says nothing in a deny rule";
                self.error_with(Code::NotInDeny, public, message, "remove it");
            }
            (Effect::Allow, false, Some(_))
            | (Effect::Allow, true, None)
            | (Effect::Deny, _, None) => {}
        }
    }

    /// A deny rule denies callers who *meet* its requirements, so some requirements would deny the wrong ones.
    fn fits_a_deny_rule(&mut self, spec: &RuleSpec) {
        if let Some(inject) = &spec.inject {
            let message = "a deny rule cannot inject headers: a denied request goes nowhere";
            self.error_with(Code::NotInDeny, inject, message, "move `inject` to an allow rule");
        }
        if let Some(remove) = &spec.remove {
            let message = "a deny rule cannot remove anything: a denied request goes nowhere";
            self.error_with(Code::NotInDeny, remove, message, "move `remove` to an allow rule");
        }
    }

    fn not_in_deny(&mut self, place: Span, key: &str) {
        let message =
            format!("`{key}` in a deny rule would deny those who show more and spare the others");
        let help = format!("ask for `{key}` in the allow rules");
        self.problems.push(Diagnostic::error(Code::NotInDeny, place, message).help(help));
    }

    fn not_in_allow(&mut self, place: Span, key: &str) {
        let message =
            format!("`{key}` in an allow rule would allow only those about which something is odd");
        let help = format!("move `{key}` to a deny rule about the same requests");
        self.problems.push(Diagnostic::error(Code::NotInAllow, place, message).help(help));
    }
}
