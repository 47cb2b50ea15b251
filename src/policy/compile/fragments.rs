//! Fragments: what several rules ask for, compiled once and put together with what a rule says itself.

use std::sync::Arc;

use super::compiler::{IssuerNames, PolicyCompiler};
use super::fragment_store::{CONDITION, Fragments, Shelf, Use, fragments_in};
use crate::document::policy::Entries;
use crate::document::{Code, Diagnostic, Document, FragmentsSpec, Kind, Origin, Spanned, closest};
use crate::policy::requirement::condition::{Condition, ConditionScope};
use crate::policy::requirement::list::AnyRequirement;
use crate::request::SealedNames;

/// A fragment as it is written.
#[derive(Clone, Copy)]
struct FragmentEntry<'a, S> {
    origin: &'a Origin,
    name: &'a Spanned<String>,
    spec: &'a Spanned<S>,
}

/// Compiles the fragments in `documents`.
pub(super) fn compile_fragments<'a>(
    documents: &'a [Document],
    names: IssuerNames<'a>,
    sealed: &SealedNames,
    problems: &mut Vec<Diagnostic>,
) -> Fragments<'a> {
    let mut fragments = Fragments::default();
    fragments.add_peers(documents, names, sealed, problems);
    fragments.add_tokens(documents, names, sealed, problems);
    fragments.add_conditions(documents, names, sealed, problems);
    fragments
}

impl<'a> Fragments<'a> {
    fn add_peers(
        &mut self,
        documents: &'a [Document],
        names: IssuerNames<'a>,
        sealed: &SealedNames,
        problems: &mut Vec<Diagnostic>,
    ) {
        let mut waiting = entries(documents, |spec| spec.peers.as_ref(), problems);
        while let Some(entry) = next(&mut waiting, |spec| spec.fragment.as_ref()) {
            let FragmentEntry { origin, name, spec } = entry;
            let mut uses = Vec::new();
            let mut compiler = self.compiler(origin, names, sealed, &mut uses, problems);
            let compiled = compiler.peer(spec);
            self.peers.insert(&name.value, Some(compiled));
            self.uses.extend(uses);
        }
        self.peers.extend(circular(&waiting, |spec| spec.fragment.as_ref(), problems));
    }

    fn add_tokens(
        &mut self,
        documents: &'a [Document],
        names: IssuerNames<'a>,
        sealed: &SealedNames,
        problems: &mut Vec<Diagnostic>,
    ) {
        let mut waiting = entries(documents, |spec| spec.tokens.as_ref(), problems);
        while let Some(entry) = next(&mut waiting, |spec| spec.fragment.as_ref()) {
            let FragmentEntry { origin, name, spec } = entry;
            let mut uses = Vec::new();
            let mut compiler = self.compiler(origin, names, sealed, &mut uses, problems);
            let compiled = compiler.token(spec);
            self.tokens.insert(&name.value, Some(compiled));
            self.uses.extend(uses);
        }
        self.tokens.extend(circular(&waiting, |spec| spec.fragment.as_ref(), problems));
    }

    /// A condition is compiled with each rule that lists it. By itself it is checked for faults that no rule can fix.
    fn add_conditions(
        &mut self,
        documents: &'a [Document],
        names: IssuerNames<'a>,
        sealed: &SealedNames,
        problems: &mut Vec<Diagnostic>,
    ) {
        let (domains, issuers) = (names.domains, names.values_of_iss(&[]));
        let claims = names.known_claims(&[]);
        for FragmentEntry { origin, name, spec } in
            entries(documents, |spec| spec.conditions.as_ref(), problems)
        {
            let text = spec.value.as_str();
            let captures = captures_in(text);
            let of_any = ConditionScope::of_any_rule(&captures, sealed, (domains, &issuers));
            let scope = ConditionScope { claims: claims.as_ref(), ..of_any };
            let compiled = Condition::compile(text, scope).map_err(|faults| {
                let whole = origin.span(spec);
                problems.extend(faults.into_iter().map(|fault| fault.diagnostic(text, &whole)));
            });
            self.conditions.insert(&name.value, compiled.ok().map(|_| text.to_owned()));
        }
    }

    fn compiler<'p>(
        &'p self,
        origin: &'p Origin,
        names: IssuerNames<'p>,
        sealed: &'p SealedNames,
        uses: &'p mut Vec<Use>,
        problems: &'p mut Vec<Diagnostic>,
    ) -> PolicyCompiler<'p, 'p> {
        PolicyCompiler {
            origin,
            policy: Arc::from(""),
            names,
            sealed,
            cookies: &[],
            fragments: self,
            uses,
            problems,
        }
    }
}

impl PolicyCompiler<'_, '_> {
    /// The requirements of a rule, and those of the fragment that it uses. A key must not be in both.
    pub(super) fn with_fragment(
        &mut self,
        mut own: Vec<AnyRequirement>,
        shelf: &Shelf<'_, Vec<AnyRequirement>>,
        name: &Spanned<String>,
        sort: &'static str,
    ) -> Vec<AnyRequirement> {
        let fragment = self.fragment(shelf, name, sort);
        let mut keys: Vec<_> = fragment.into_iter().flatten().map(AnyRequirement::key).collect();
        keys.dedup();
        for key in keys.into_iter().filter(|key| own.iter().any(|other| other.key() == *key)) {
            let message = format!("`{key}` is given here and by fragment `{}`", name.value);
            self.error_with(Code::Contradiction, name, message, "keep one of the two");
        }
        own.extend(fragment.into_iter().flatten().cloned());
        own
    }

    /// The text of a condition that a rule lists.
    pub(super) fn named_condition(&mut self, name: &Spanned<String>) -> Option<String> {
        let fragments = self.fragments;
        self.fragment(&fragments.conditions, name, CONDITION).cloned()
    }

    fn fragment<'f, T>(
        &mut self,
        shelf: &'f Shelf<'_, T>,
        name: &Spanned<String>,
        sort: &'static str,
    ) -> Option<&'f T> {
        let text = name.value.as_str();
        self.uses.push((sort, text.into()));
        if let Some(found) = shelf.get(text) {
            return found.as_ref();
        }
        let known: Vec<&str> = shelf.keys().copied().collect();
        let help = match closest(text, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => {
                format!("there is no {sort} in any `kind: Fragments` document")
            }
            None => format!("known are: {}", known.join(", ")),
        };
        let message = format!("no {sort} fragment is called `{text}`");
        self.missing(Kind::Fragments, Code::UnknownFragment, name, (message, help, None));
        None
    }
}

/// The fragments of one sort in all documents, without those whose name is taken.
fn entries<'a, S>(
    documents: &'a [Document],
    pick: impl Fn(&'a FragmentsSpec) -> Option<&'a Entries<S>>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<FragmentEntry<'a, S>> {
    let mut found: Vec<FragmentEntry<'a, S>> = Vec::new();
    for (origin, spec) in fragments_in(documents) {
        for (name, spec) in pick(spec).into_iter().flat_map(|entries| &entries.0) {
            let first = found.iter().find(|other| other.name.value == name.value);
            if let Some(FragmentEntry { origin: there, name: first, .. }) = first {
                let message = format!(
                    "fragment `{}` is already defined at {}",
                    name.value,
                    there.span(first)
                );
                let problem =
                    Diagnostic::error(Code::DuplicateFragment, origin.span(name), message);
                problems.push(problem.help("names of fragments are shared by all documents"));
                continue;
            }
            found.push(FragmentEntry { origin, name, spec });
        }
    }
    found
}

/// Takes one that uses none of those that still wait.
fn next<'a, S>(
    waiting: &mut Vec<FragmentEntry<'a, S>>,
    uses: fn(&S) -> Option<&Spanned<String>>,
) -> Option<FragmentEntry<'a, S>> {
    let waits_for = |name: &Spanned<String>| waiting.iter().any(|e| e.name.value == name.value);
    let ready = waiting.iter().position(|entry| !uses(&entry.spec.value).is_some_and(waits_for))?;
    Some(waiting.remove(ready))
}

/// Those that are left use each other in a circle, or something in one.
fn circular<'a, S, T>(
    waiting: &[FragmentEntry<'a, S>],
    uses: fn(&S) -> Option<&Spanned<String>>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<(&'a str, Option<T>)> {
    for entry in waiting {
        let Some(used) = uses(&entry.spec.value) else { continue };
        let message =
            format!("fragment `{}` uses itself by way of `{}`", entry.name.value, used.value);
        let problem = Diagnostic::error(Code::FragmentCycle, entry.origin.span(used), message);
        problems.push(problem.help("write out in one of them what it takes from the other"));
    }
    waiting.iter().map(|entry| (entry.name.value.as_str(), None)).collect()
}

/// The names of the path segments that a condition speaks of.
fn captures_in(text: &str) -> Vec<&str> {
    let other = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    text.split("request.path.").skip(1).filter_map(|after| after.split(other).next()).collect()
}
