//! Two sets, compared in what is no single rule's: the headers and parameters that are removed from every request, the issuers whose
//! tokens count at a host, and the response where no rule is about a request.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::{AccessChange, RuleChangeKind};
use crate::policy::compile::compiled_policy::CompiledPolicy;
use crate::policy::evaluate::policy_set::PolicySet;
use crate::policy::model::answer::CustomAnswer;
use crate::policy::model::{HostPattern, PolicyTarget};
use crate::words::words;

words! {
    /// A part of a set that is no single rule's.
    pub enum SetPart {
        /// A header that some rule sets, on trial or not: the caller's own copies are removed from every request.
        StrippedHeader "stripped header",
        /// The same of a query parameter.
        StrippedParameter "stripped parameter",
        /// The issuers whose tokens count at a host, where those of others are ignored.
        Tokens "tokens",
        /// The response of a policy where no rule of its hosts is about a request.
        Policy "policy",
    }
}

/// The change of a part of a set.
#[derive(Debug)]
pub struct SetChange {
    /// The part.
    pub part: SetPart,
    /// The name of the header, the parameter or the policy; the host for `Tokens`.
    pub name: String,
    /// True of both sets, or of one.
    pub kind: RuleChangeKind,
    /// The change.
    pub access: AccessChange,
}

impl PolicySet {
    /// The changes from this set to `after` of what is no single rule's.
    pub fn set_changes_to(&self, after: &Self) -> Vec<SetChange> {
        let headers = |set: &Self| -> BTreeSet<String> {
            let rules = set.index.rules().flat_map(|rule| rule.obligations.request_headers());
            rules.map(str::to_owned).collect()
        };
        let parameters = |set: &Self| -> BTreeSet<String> {
            let rules = set.index.rules().flat_map(|rule| &rule.obligations.query);
            rules.map(|set| set.name.to_string()).collect()
        };
        let mut all = stripped(SetPart::StrippedHeader, &headers(self), &headers(after));
        all.extend(stripped(SetPart::StrippedParameter, &parameters(self), &parameters(after)));
        all.extend(tokens(self, after));
        all.extend(answers(self, after));
        all
    }
}

fn stripped(part: SetPart, old: &BTreeSet<String>, new: &BTreeSet<String>) -> Vec<SetChange> {
    let change = |kind| {
        move |name: &String| SetChange {
            part,
            name: name.clone(),
            kind,
            access: AccessChange::OtherHeaders,
        }
    };
    let added = new.difference(old).map(change(RuleChangeKind::Added));
    added.chain(old.difference(new).map(change(RuleChangeKind::Removed))).collect()
}

/// The issuers whose tokens count at hosts like `host` (every other one where there is none), as `TokenScope` has it; no set of them
/// where no token is ignored, and nothing at all where no policy is about these hosts.
fn counting<'a>(
    set: &'a PolicySet,
    host: Option<&HostPattern>,
) -> Option<Option<BTreeSet<&'a str>>> {
    let is_about = |own: &&PolicyTarget| {
        let mut hosts = own.hosts.iter();
        own.hosts.is_empty() || host.is_some_and(|host| hosts.any(|own| own.host.covers(host)))
    };
    let targets = set.index.policies().iter().map(|own| &*own.target);
    let about: Vec<_> = targets.filter(is_about).collect();
    let issuers = |own: &&'a PolicyTarget| {
        own.counting.as_deref().map(|all| all.iter().map(|own| &**own).collect::<BTreeSet<_>>())
    };
    let all: Option<Vec<_>> = about.iter().map(issuers).collect();
    (!about.is_empty()).then(|| all.map(|all| all.into_iter().flatten().collect()))
}

/// The hosts at which the tokens of other issuers count.
fn tokens(before: &PolicySet, after: &PolicySet) -> Vec<SetChange> {
    let policies = [before, after].into_iter().flat_map(|set| set.index.policies().iter());
    let hosts = policies.flat_map(|own| own.target.hosts.iter().map(|own| Some(&own.host)));
    let hosts: BTreeSet<_> = hosts.chain([None]).collect();
    let change = |host: Option<&HostPattern>| {
        let (old, new) = (counting(before, host)?, counting(after, host)?);
        let access = match (&old, &new) {
            _ if old == new => return None,
            // A token of others was refused, and so was the request with it.
            (None, Some(_)) => AccessChange::Widened,
            (Some(_), None) => AccessChange::Narrowed,
            _ => AccessChange::CannotTell,
        };
        let name = host.map_or_else(|| String::from("every other host"), ToString::to_string);
        Some(SetChange { part: SetPart::Tokens, name, kind: RuleChangeKind::Changed, access })
    };
    hosts.into_iter().filter_map(change).collect()
}

/// The policies that another request gets the response of, or whose response is another one. Without a rule the policy with the
/// narrowest host answers, whether it has a response of its own or not.
fn answers(before: &PolicySet, after: &PolicySet) -> Vec<SetChange> {
    let (old, new) = (answers_by_name(before), answers_by_name(after));
    let have_one = |set: &PolicySet| set.index.policies().iter().any(|own| own.answer.is_some());
    if !have_one(before) && !have_one(after) {
        return Vec::new();
    }
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let change = |name: &&str| {
        let kind = match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) if old == new => return None,
            (Some(_), Some(_)) => RuleChangeKind::Changed,
            (None, _) => RuleChangeKind::Added,
            (_, None) => RuleChangeKind::Removed,
        };
        let (part, name) = (SetPart::Policy, (*name).to_owned());
        Some(SetChange { part, name, kind, access: AccessChange::OtherAnswer })
    };
    names.into_iter().filter_map(change).collect()
}

/// The response of a policy and the requests that it is for.
#[derive(PartialEq)]
struct PolicyAnswer<'a> {
    answer: Option<&'a CustomAnswer>,
    hosts: BTreeSet<String>,
    ports: BTreeSet<u16>,
    any_port: bool,
}

impl<'a> PolicyAnswer<'a> {
    fn of(own: &'a CompiledPolicy) -> Self {
        Self {
            answer: own.answer.as_ref().map(|own| &*own.answer),
            hosts: own.target.hosts.iter().map(ToString::to_string).collect(),
            ports: own.target.ports.iter().copied().collect(),
            any_port: own.target.any_authority_port,
        }
    }
}

fn answers_by_name(set: &PolicySet) -> BTreeMap<&str, PolicyAnswer<'_>> {
    set.index.policies().iter().map(|own| (&*own.name, PolicyAnswer::of(own))).collect()
}
