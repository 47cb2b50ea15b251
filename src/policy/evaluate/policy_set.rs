//! Policies to a set: those that a set before has already are taken from there, the others are read and compiled one by one.
//!
//! A set is what compiling all of it anew would give, and so are its problems. A policy is kept only where its own text and
//! everything that its meaning depends on are the same, byte for byte; where it stands in its file is no part of it.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use crate::clock::UnixTime;
use crate::document::{self, Diagnostic, Document, Kind, Origin, Spec, Unread};
use crate::policy::PolicySet;
use crate::policy::compile::compiled_policy::Unit;
use crate::policy::compile::lint;
use crate::policy::compile::{Around, Names};
use crate::policy::evaluate::index::Index;
use crate::policy::evaluate::strip::Strip;
use crate::secret::Fingerprint;

/// What a set of policies is made from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The policies.
    pub policies: &'a [Unread],
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

/// A policy of the set, and where its document is.
struct Placed<'a> {
    key: Fingerprint,
    unit: Arc<Unit>,
    origin: &'a Origin,
}

/// Fewest policies that are worth another thread.
const WORTH_A_THREAD: usize = 32;

// === impl PolicySet ===

impl PolicySet {
    /// Compiles policies. Every problem goes to `problems`; where one of them is an error the result must not be used.
    #[must_use]
    pub fn compile(sources: &Sources<'_>, problems: &mut Vec<Diagnostic>) -> Arc<Self> {
        let none = problems.len();
        let names = Names { issuers: sources.issuers, domains: sources.domains };
        let around = Around::of(sources.others, names, problems);
        let key = around.fingerprint(sources.fragments);
        let placed = place(sources, (&around, &key), problems);
        let sound = problems.len() == none;
        let named = placed.iter().map(|Placed { unit, origin, .. }| {
            (Kind::Policy, &*unit.name, origin.at(unit.name_at))
        });
        document::check_unique(named, problems);
        for Placed { unit, origin, .. } in &placed {
            let due = unit.outdated.iter().filter(|(due, _)| due.is_at(sources.now));
            problems.extend(due.map(|(_, doubt)| doubt.at(origin)));
        }
        let before = sources.before.filter(|before| before.is_made_of(&key, &placed));
        let set = match before {
            Some(before) => Arc::clone(before),
            None => Arc::new(Self::assemble(key, &placed, around.has_cookies())),
        };
        // Doubts about rules that are wrong anyway are noise.
        if sound {
            let used = placed.iter().flat_map(|placed| &placed.unit.uses);
            around.fragments.unused(sources.others, used, problems);
            problems.extend(set.doubts(&placed));
        }
        set
    }

    fn assemble(around: Fingerprint, placed: &[Placed<'_>], cookies: bool) -> Self {
        let units: Box<[_]> = placed.iter().map(|placed| Arc::clone(&placed.unit)).collect();
        let mut doubts = lint::across(&units);
        doubts.extend(lint::circles(&units, cookies));
        doubts.extend(lint::words_in_vain(&units));
        let strip = Strip::of(units.iter().flat_map(|unit| &unit.rules));
        Self {
            keys: placed.iter().map(|placed| placed.key).collect(),
            around: Some(around),
            doubts: doubts.into(),
            index: Index::of(units),
            strip,
        }
    }

    fn is_made_of(&self, around: &Fingerprint, placed: &[Placed<'_>]) -> bool {
        self.around.as_ref() == Some(around)
            && self.keys.iter().eq(placed.iter().map(|placed| &placed.key))
    }

    /// What is odd about its policies, which stand where they are `placed`: by themselves, and beside each other.
    fn doubts<'a>(&'a self, placed: &'a [Placed<'_>]) -> impl Iterator<Item = Diagnostic> + 'a {
        let alone = placed.iter().flat_map(|Placed { unit, origin, .. }| {
            unit.doubts.iter().map(|doubt| doubt.at(origin))
        });
        let across = self.doubts.iter().filter_map(|(at, doubt)| {
            placed.get(*at).map(|Placed { origin, .. }| doubt.at(origin))
        });
        alone.chain(across)
    }

    /// Its policies by the fingerprints of their texts, where everything `around` them is the same.
    fn by_key(&self, around: &Fingerprint) -> HashMap<&Fingerprint, &Arc<Unit>> {
        match self.around.as_ref() == Some(around) {
            true => self.keys.iter().zip(self.index.units()).collect(),
            false => HashMap::new(),
        }
    }
}

/// Each policy of `sources`, in their order, compiled now or before. What could not be read is left out.
fn place<'a>(
    sources: &Sources<'a>,
    (around, key): (&Around<'_>, &Fingerprint),
    problems: &mut Vec<Diagnostic>,
) -> Vec<Placed<'a>> {
    let before = sources.before.map(|set| set.by_key(key)).unwrap_or_default();
    let known = |unread: &'a Unread| {
        let key = unread.fingerprint();
        let unit = before.get(&key).map(|unit| Arc::clone(unit));
        (unread, key, unit)
    };
    let known: Vec<_> = sources.policies.iter().map(known).collect();
    let missing = known.iter().filter(|(_, _, unit)| unit.is_none());
    let missing: Vec<&Unread> = missing.map(|(unread, ..)| *unread).collect();
    let mut made = each(&missing, sources.threads, |unread| make(unread, around)).into_iter();
    let place = |(unread, key, unit): (&'a Unread, Fingerprint, Option<Arc<Unit>>)| {
        let unit = unit.or_else(|| {
            let (unit, found) = made.next()?;
            problems.extend(found);
            unit.map(Arc::new)
        })?;
        Some(Placed { key, unit, origin: unread.origin() })
    };
    known.into_iter().filter_map(place).collect()
}

/// Reads and compiles one policy. What was read is dropped before the next one is: it takes many times the memory of what is
/// kept.
fn make(unread: &Unread, around: &Around<'_>) -> (Option<Unit>, Vec<Diagnostic>) {
    // Checks that wait for this core go first.
    thread::yield_now();
    let mut problems = Vec::new();
    let document = unread.read().map_err(|problem| problems.push(problem)).ok();
    let unit = document.and_then(|document| match &document.spec {
        Spec::Policy(spec) => Some(around.compile(&document, spec, &mut problems)),
        Spec::TrustDomain(_)
        | Spec::TokenIssuer(_)
        | Spec::Fragments(_)
        | Spec::PolicySuite(_)
        | Spec::RevocationList(_) => None,
    });
    (unit, problems)
}

/// What `make` makes of each of `items`, in their order.
fn each<T: Sync, R: Send>(
    items: &[T],
    threads: NonZeroUsize,
    make: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let threads = threads.get().min(items.len().div_ceil(WORTH_A_THREAD)).max(1);
    let all = |items: &[T]| items.iter().map(&make).collect::<Vec<R>>();
    let mut parts = items.chunks(items.len().div_ceil(threads).max(1));
    let Some(own) = parts.next() else { return Vec::new() };
    thread::scope(|scope| {
        let all = &all;
        // Where the system has no thread to give, the work is done here.
        let started: Vec<_> = parts
            .map(|part| (part, thread::Builder::new().spawn_scoped(scope, move || all(part)).ok()))
            .collect();
        let mut made = all(own);
        for (part, thread) in started {
            let part = thread.map_or_else(|| Ok(all(part)), |thread| thread.join());
            made.extend(part.unwrap_or_else(|panic| resume_unwind(panic)));
        }
        made
    })
}
