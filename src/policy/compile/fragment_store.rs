//! The compiled fragments, by name.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{Code, Diagnostic, Document, FragmentsSpec, Origin, Spanned, Spec};
use crate::policy::requirement::list::AnyRequirement;

/// The sorts of fragments, as messages call them.
pub(super) const PEER: &str = "peer";
pub(super) const TOKEN: &str = "token";
pub(super) const CONDITION: &str = "condition";

/// Every fragment that there is, by its name.
#[derive(Default)]
pub(in crate::policy) struct Fragments<'a> {
    pub(super) peers: Shelf<'a, Vec<AnyRequirement>>,
    pub(super) tokens: Shelf<'a, Vec<AnyRequirement>>,
    pub(super) conditions: Shelf<'a, String>,
    /// Those that other fragments use.
    pub(super) uses: Vec<Use>,
}

/// The sort and the name of a fragment that something uses.
pub(in crate::policy) type Use = (&'static str, Box<str>);

/// The fragments of one sort: nothing for one that has an error of its own.
pub(super) type Shelf<'a, T> = BTreeMap<&'a str, Option<T>>;

impl Fragments<'_> {
    /// Warns of fragments among `documents` that no other one uses, and no rule, whose uses are `used`.
    pub(in crate::policy) fn unused<'u>(
        &'u self,
        documents: &[Document],
        used: impl Iterator<Item = &'u Use>,
        problems: &mut Vec<Diagnostic>,
    ) {
        let used: BTreeSet<(&str, &str)> =
            self.uses.iter().chain(used).map(|(sort, name)| (*sort, &**name)).collect();
        let mut unused = |sort, name: &Spanned<String>, origin: &Origin| {
            if !used.contains(&(sort, name.value.as_str())) {
                let message = format!("nothing uses fragment `{}`", name.value);
                let place = origin.span(name);
                let problem = Diagnostic::warning(Code::UnusedFragment, place, message);
                problems.push(problem.help("use it, or remove it"));
            }
        };
        for (origin, spec) in fragments_in(documents) {
            for (name, _) in spec.peers.iter().flat_map(|entries| &entries.0) {
                unused(PEER, name, origin);
            }
            for (name, _) in spec.tokens.iter().flat_map(|entries| &entries.0) {
                unused(TOKEN, name, origin);
            }
            for (name, _) in spec.conditions.iter().flat_map(|entries| &entries.0) {
                unused(CONDITION, name, origin);
            }
        }
    }
}

pub(super) fn fragments_in(
    documents: &[Document],
) -> impl Iterator<Item = (&Origin, &FragmentsSpec)> {
    documents.iter().filter_map(|document| {
        let Spec::Fragments(spec) = &document.spec else { return None };
        Some((&document.origin, &**spec))
    })
}
