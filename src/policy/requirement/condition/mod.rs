//! Conditions: `when` expressions in CEL, the Common Expression Language.
//!
//! Only this folder knows the expression library, and it bounds what a document can make the library do: an expression is read
//! on a stack of its own (the parser recurses), checked in full when it is loaded, and evaluated over values that are made when
//! they are read. If an expression cannot be evaluated, it is unknown, and never allows.

mod check;
mod comments;
mod compare;
mod compiled;
mod constant;
mod fault;
mod foreign_names;
mod functions;
mod kind;
mod names;
mod operands;
mod parts;
mod reach;
mod source;
mod steps;
mod typing;
mod values;
mod when;

#[cfg(test)]
mod tests;

pub(in crate::policy) use compiled::Condition;
pub(in crate::policy) use fault::ConditionScope;
pub(in crate::policy) use steps::begin_request;
pub(in crate::policy) use when::When;
