//! One policy: its target, and its rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compiled_policy::HostAnswer;
use super::compiled_rule::Rule;
use super::compiler::{PolicyCompiler, coded};
use super::foreign_syntax;
use crate::document::policy::{
    EmptySegmentsSpec, EncodedSlashesSpec, Entries, ParametersSpec, PathsSpec, PolicySpec,
    RejectedSpec, TargetSpec, TargetTokensSpec,
};
use crate::document::{Code, Kind, Span, Spanned, is_name};
use crate::policy::model::{AuthorityPattern, PolicyTarget};
use crate::request::PathLeniency;

impl<'a> PolicyCompiler<'a, '_> {
    pub(super) fn policy(
        &mut self,
        spec: &'a PolicySpec,
        notes: Option<&Spanned<Entries<String>>>,
    ) -> (Arc<PolicyTarget>, Vec<Rule>, Option<HostAnswer>) {
        let notes = notes.map(|notes| self.notes(notes)).unwrap_or_default();
        let target = Arc::new(self.target(&spec.target));
        if spec.rules.value.is_empty() {
            let help = "a policy without rules does nothing; remove it";
            self.error_with(Code::EmptyList, &spec.rules, "`rules` is empty", help);
        }
        let answer = spec.deny.as_ref().map(|deny| self.denial(deny));
        let (mut seen, mut rules) = (BTreeMap::new(), Vec::with_capacity(spec.rules.value.len()));
        for rule in &spec.rules.value {
            self.name(&rule.name, &mut seen);
            let annotations = self.annotations(&notes, rule.annotations.as_ref());
            let compiled = self.rule(rule, &target, answer.as_ref());
            rules.push(Rule { annotations, ..compiled });
        }
        let host_answer = answer.map(|answer| {
            let (policy, target) = (Arc::clone(&self.policy), Arc::clone(&target));
            HostAnswer { policy, target, answer }
        });
        (target, rules, host_answer)
    }

    fn target(&mut self, spec: &Spanned<TargetSpec>) -> PolicyTarget {
        let TargetSpec {
            hosts,
            any_host,
            any_authority_port,
            ports,
            host_is_sni,
            paths,
            tokens,
            keep,
        } = &spec.value;
        let any_host = any_host.as_ref().filter(|any| any.value);
        match (hosts, any_host) {
            (None, None) => {
                let help = "list `hosts`, or say `anyHost: true` if the rules are about every host";
                self.error_with(Code::MissingTarget, spec, "the target names no hosts", help);
            }
            (Some(_), Some(any)) => {
                let message = "`anyHost` and `hosts` are both given";
                self.error_with(Code::Contradiction, any, message, "keep one of the two");
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        let hosts = self.each(hosts.as_ref(), "hosts", |text: &String| {
            if let Some(problem) = foreign_syntax::foreign_host(text) {
                return Err(problem);
            }
            AuthorityPattern::parse(text).map_err(coded(Code::InvalidHost))
        });
        let ports = self.each(ports.as_ref(), "ports", |port: &u16| match *port {
            0 => Err((Code::InvalidPort, String::from("`0` is not a port"), None)),
            port => Ok(port),
        });
        let leniency = paths.map_or_else(PathLeniency::default, leniency);
        let counting = tokens.as_ref().and_then(|tokens| self.counting(tokens));
        let keep = keep.as_ref().map(|keep| Arc::new(self.keep(keep)));
        let says = |key: &Option<Spanned<bool>>| key.as_ref().is_some_and(|key| key.value);
        PolicyTarget {
            hosts: hosts.into(),
            any_authority_port: says(any_authority_port),
            ports: ports.into(),
            host_is_sni: says(host_is_sni),
            leniency,
            counting,
            keep,
        }
    }

    /// The issuers whose tokens count at the target, where those of others are ignored.
    fn counting(&mut self, spec: &Spanned<TargetTokensSpec>) -> Option<Box<[Box<str>]>> {
        let TargetTokensSpec { issuers, others } = &spec.value;
        let ignored = *others == RejectedSpec::Ignored;
        if !ignored {
            let help = "write `others: ignored` where tokens of other issuers are none here, or remove `tokens`";
            let message = "`tokens` says nothing: tokens of others are refused anyway";
            self.error_with(Code::EmptyList, spec, message, help);
        }
        for issuer in issuers.iter().flat_map(|issuers| &issuers.value) {
            self.refers(Kind::TokenIssuer, Code::UnknownIssuer, issuer, self.names.issuers);
        }
        let read = |name: &String| Ok(Box::from(name.as_str()));
        let issuers = self.each(issuers.as_ref(), "issuers", read);
        ignored.then(|| issuers.into())
    }

    /// Checks that a rule's name has the form of names and is not taken.
    fn name<'n>(&mut self, name: &'n Spanned<String>, seen: &mut BTreeMap<&'n str, Span>) {
        let text = name.value.as_str();
        if !is_name(text) {
            let message =
                format!("`{text}` is not a name: expected lower-case letters, digits, `-` and `.`");
            self.error(Code::InvalidName, name, message);
        }
        if let Some(first) = seen.get(text) {
            let message = format!("rule `{text}` is already defined at {first}");
            self.error_with(Code::DuplicateRule, name, message, "give each rule a name of its own");
        } else {
            seen.insert(text, self.origin.span(name));
        }
    }
}

fn leniency(spec: PathsSpec) -> PathLeniency {
    PathLeniency {
        encoded_slashes: spec.encoded_slashes == EncodedSlashesSpec::KeptByUpstream,
        parameters: spec.parameters == ParametersSpec::RemovedByUpstream,
        empty_segments: spec.empty_segments == EmptySegmentsSpec::MergedByUpstream,
    }
}
