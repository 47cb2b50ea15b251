//! The operands of a condition, each with its text and its own result: which of them decided, and by which values.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the library's syntax tree, only what puts conditions together matters here"
)]

use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr, SourceInfo, operators};
use cel::{Context, Value};

use super::functions;
use super::source::Found;
use super::values::{Slot, Values};
use super::{Condition, Facts, byte_of_char};
use crate::policy::fact::{Fact, Sight};
use crate::policy::truth::Truth;

/// A part of a condition that `&&`, `||` and `?:` put together.
#[derive(Clone, Debug)]
pub struct Operand {
    /// Its text in the document.
    pub text: String,
    /// Whether it holds by itself.
    pub truth: Truth,
    /// What it reads.
    pub facts: Vec<Fact>,
}

/// The places in `text` of the operands in `expression`, which is as it was parsed.
pub(super) fn places(
    text: &str,
    expression: &IdedExpr,
    info: &SourceInfo,
) -> Box<[(u64, Range<usize>)]> {
    let place = |node: &IdedExpr| {
        let mut ids = Vec::new();
        collect_ids(node, &mut ids);
        let tokens = ids.iter().filter_map(|id| info.offset_for(*id));
        let (start, end) = tokens.fold((u32::MAX, 0), |(s, e), (a, b)| (s.min(a), e.max(b)));
        let whole = byte_of_char(text, start)..byte_of_char(text, end.saturating_add(1));
        // What is asked of is a token, and that it is asked for is none.
        let before = text.get(..whole.start).unwrap_or_default();
        let start = before.strip_suffix("has").map_or(whole.start, str::len);
        (node.id, balanced(text, start..whole.end))
    };
    leaves(expression).into_iter().map(place).collect()
}

// === impl Condition ===

impl Condition {
    /// The text of each operand, from left to right.
    pub(in crate::policy) fn parts(&self) -> Vec<String> {
        leaves(&self.expression).into_iter().map(|node| self.text_of(node).to_owned()).collect()
    }

    fn text_of(&self, node: &IdedExpr) -> &str {
        let place = self.operands.iter().find(|(id, _)| *id == node.id);
        place.and_then(|(_, at)| self.text.get(at.clone())).unwrap_or(&self.text).trim()
    }

    /// Each operand by itself. One that stands behind another which settles the matter is evaluated all the same.
    pub(in crate::policy) fn operands(&self, facts: &Facts<'_>) -> Vec<Operand> {
        let Some(environment) = functions::environment() else { return Vec::new() };
        let values = Values { slots: &self.slots, facts: *facts };
        let mut context = Context::with_env(std::sync::Arc::clone(environment));
        context.set_variable_resolver(&values);
        let operand = |node: &IdedExpr| {
            let text = self.text_of(node);
            let truth = match Value::resolve(node, &context) {
                Ok(Value::Bool(holds)) => holds.into(),
                Ok(_) | Err(_) => Truth::Unknown,
            };
            let sources = slots_in(node).into_iter().filter_map(|at| self.slots.get(at)?.source());
            let facts = sources.map(|source| values.show(source)).collect();
            Operand { text: text.to_owned(), truth, facts }
        };
        leaves(&self.expression).into_iter().map(operand).collect()
    }
}

// === impl Values ===

impl Values<'_> {
    fn show(&self, source: &super::source::Source) -> Fact {
        let name = source.name();
        if source.datum().is_some_and(|datum| self.facts.gaps.cover(datum)) {
            return Fact::new(name, Sight::NotRecorded);
        }
        let sight = match source.find(&self.facts) {
            None if source.is_there(&self.facts) == Some(true) => Sight::Unreadable,
            None => Sight::Absent,
            Some(Found::Json(value)) => Sight::json(Some(value)),
            Some(Found::Text(text)) if !source.is_open() => Sight::text(text),
            Some(Found::Text(text)) => Sight::Open(text.to_owned()),
            Some(Found::Address(ip)) => Sight::Open(ip.to_string()),
            Some(Found::Bool(bool)) => Sight::Open(bool.to_string()),
            Some(Found::Int(int)) => Sight::Open(int.to_string()),
            Some(Found::Texts(texts)) => Sight::list(texts),
        };
        Fact::new(name, sight)
    }
}

/// What `&&`, `||` and `?:` put together, from left to right.
fn leaves(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Expr::Call(call)
            if [operators::LOGICAL_AND, operators::LOGICAL_OR, operators::CONDITIONAL]
                .contains(&call.func_name.as_str()) =>
        {
            call.args.iter().flat_map(leaves).collect()
        }
        _ => vec![node],
    }
}

fn collect_ids(node: &IdedExpr, ids: &mut Vec<u64>) {
    ids.push(node.id);
    for child in children(node) {
        collect_ids(child, ids);
    }
}

/// The slots that a node reads, each once.
fn slots_in(node: &IdedExpr) -> Vec<usize> {
    let mut slots: Vec<usize> = children(node).into_iter().flat_map(slots_in).collect();
    if let Expr::Ident(name) = &node.expr {
        slots.extend(Slot::position(name));
    }
    slots.sort_unstable();
    slots.dedup();
    slots
}

fn children(node: &IdedExpr) -> Vec<&IdedExpr> {
    use cel::common::ast::EntryExpr;
    match &node.expr {
        Expr::Call(call) => call.target.iter().map(|t| &**t).chain(&call.args).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Comprehension(c) => {
            vec![&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result]
        }
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
                EntryExpr::StructField(field) => vec![&field.value],
            })
            .collect(),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => Vec::new(),
    }
}

/// `at` with the brackets closed that are opened in it. Tokens are what the library keeps the places of, and the last bracket
/// of a call belongs to none.
fn balanced(text: &str, at: Range<usize>) -> Range<usize> {
    let mut open = 0usize;
    let mut quote = None;
    let mut end = at.end;
    for (index, byte) in text.bytes().enumerate().skip(at.start) {
        if index >= at.end && open == 0 {
            break;
        }
        match (quote, byte) {
            (Some(q), b) if b == q => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'(' | b'[' | b'{') => open = open.saturating_add(1),
            (None, b')' | b']' | b'}') => open = open.saturating_sub(1),
            (None, _) => {}
        }
        end = end.max(index.saturating_add(1));
    }
    at.start..end.min(text.len())
}
