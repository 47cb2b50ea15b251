//! The steps that conditions take, and may take: callers choose how long the lists of their tokens are.
//!
//! They are counted on the thread that evaluates, since the expression library calls functions without a context.

use std::cell::Cell;

use cel::ExecutionError;

use crate::limits::{MAX_CONDITION_STEPS, MAX_REQUEST_STEPS};

/// The steps of one turn of a loop, which costs as much as so many values.
pub(super) const TURN: usize = 16;

/// Bytes of text that count as one step.
const BYTES: usize = 16;

thread_local! {
    /// Left for the condition that is being evaluated.
    static CONDITION: Cell<usize> = const { Cell::new(0) };
    /// Left for all conditions of the request.
    static REQUEST: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Begins a request: its conditions together get so many steps.
pub(in crate::policy) fn begin_request() {
    REQUEST.set(MAX_REQUEST_STEPS);
}

/// The result of `evaluate`, where it does not run out of steps.
pub(super) fn within<T>(evaluate: impl FnOnce() -> T) -> Option<T> {
    let most = MAX_CONDITION_STEPS.min(REQUEST.get());
    if most == 0 {
        return None;
    }
    CONDITION.set(most);
    let result = evaluate();
    let left = CONDITION.get();
    REQUEST.set(REQUEST.get().saturating_sub(most.saturating_sub(left)));
    (left > 0).then_some(result)
}

/// Takes `steps`.
///
/// # Errors
/// They run out.
pub(super) fn take(steps: usize) -> Result<(), ExecutionError> {
    let left = CONDITION.get().saturating_sub(steps);
    CONDITION.set(left);
    if left == 0 {
        return Err(ExecutionError::function_error("steps", "the condition takes too many steps"));
    }
    Ok(())
}

/// The steps of a text.
pub(super) const fn of_text(text: &str) -> usize {
    (text.len() / BYTES).saturating_add(1)
}
