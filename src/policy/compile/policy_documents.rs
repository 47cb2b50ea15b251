//! The policies of a set of documents, compiled on several threads or taken from before.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use super::compiled_policy::CompiledPolicy;
use super::env::CompileEnv;
use crate::document::{Diagnostic, Origin, RawDocument, Spec};
use crate::secret::Fingerprint;

/// A policy, and where its document is.
pub(in crate::policy) struct LocatedPolicy<'a> {
    pub(in crate::policy) key: Fingerprint,
    pub(in crate::policy) policy: Arc<CompiledPolicy>,
    pub(in crate::policy) origin: &'a Origin,
}

/// Fewest policies that are worth another thread.
const WORTH_A_THREAD: usize = 32;

/// Each policy of `documents`, in their order: the one of `before` with the same text, or compiled now. Policies that cannot be read
/// are not in it.
pub(in crate::policy) fn compile<'a>(
    documents: &'a [RawDocument],
    before: &HashMap<&Fingerprint, &Arc<CompiledPolicy>>,
    env: &CompileEnv<'_>,
    threads: NonZeroUsize,
    problems: &mut Vec<Diagnostic>,
) -> Vec<LocatedPolicy<'a>> {
    let known = |raw: &'a RawDocument| {
        let key = raw.fingerprint();
        let policy = before.get(&key).map(|policy| Arc::clone(policy));
        (raw, key, policy)
    };
    let known: Vec<_> = documents.iter().map(known).collect();
    let missing = known.iter().filter(|(_, _, policy)| policy.is_none());
    let missing: Vec<&RawDocument> = missing.map(|(raw, ..)| *raw).collect();
    let mut made = each(&missing, threads, |raw| make(raw, env)).into_iter();
    let locate =
        |(raw, key, policy): (&'a RawDocument, Fingerprint, Option<Arc<CompiledPolicy>>)| {
            let policy = policy.or_else(|| {
                let (policy, found) = made.next()?;
                problems.extend(found);
                policy.map(Arc::new)
            })?;
            Some(LocatedPolicy { key, policy, origin: raw.origin() })
        };
    known.into_iter().filter_map(locate).collect()
}

/// Reads and compiles one policy. Its document is dropped before the next one is read: it takes many times the memory of the
/// compiled policy.
fn make(raw: &RawDocument, env: &CompileEnv<'_>) -> (Option<CompiledPolicy>, Vec<Diagnostic>) {
    // Checks that wait for this core go first.
    thread::yield_now();
    let mut problems = Vec::new();
    let document = raw.read().map_err(|problem| problems.push(problem)).ok();
    let policy = document.and_then(|document| {
        let Spec::Policy(spec) = &document.spec else { return None };
        Some(env.compile(&document, spec, &mut problems))
    });
    (policy, problems)
}

/// The results of `make` for each of `items`, in their order.
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
        // If the system has no thread to give, the work is done here.
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
