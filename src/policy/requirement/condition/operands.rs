//! The operands of a condition, each with its text and its own result: which of them decided, and by which values.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the library's syntax tree, only what puts conditions together matters here"
)]

use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr, SourceInfo, operators};

use super::fault::byte_of_char;
use super::values::VariableSlot;

/// The places in `text` of the operands in `expression`, which is as it was parsed.
pub(super) fn places(
    text: &str,
    expression: &IdedExpr,
    info: &SourceInfo,
) -> Box<[(u64, Range<usize>)]> {
    let tokens = tokens(text);
    let place = |node: &IdedExpr| {
        let mut ids = Vec::new();
        collect_ids(node, &mut ids);
        let known = ids.iter().filter_map(|id| info.offset_for(*id));
        let (start, end) = known.fold((u32::MAX, 0), |(s, e), (a, b)| (s.min(a), e.max(b)));
        let core = byte_of_char(text, start)..byte_of_char(text, end.saturating_add(1));
        (node.id, whole(text, &tokens, core))
    };
    leaves(expression).into_iter().map(place).collect()
}

/// The operands of `&&`, `||` and `?:`, from left to right.
pub(super) fn leaves(node: &IdedExpr) -> Vec<&IdedExpr> {
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
pub(super) fn slots_in(node: &IdedExpr) -> Vec<usize> {
    let mut slots: Vec<usize> = children(node).into_iter().flat_map(slots_in).collect();
    if let Expr::Ident(name) = &node.expr {
        slots.extend(VariableSlot::position(name));
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

/// The place of the operand that `core` is within. The library keeps the places of operators, and of the first bytes of calls
/// and fields, so that an operand goes on to what puts it together with the next one.
fn whole(text: &str, tokens: &[Token], core: Range<usize>) -> Range<usize> {
    let first = tokens.iter().position(|token| token.at.end > core.start).unwrap_or(tokens.len());
    let last = tokens.iter().rposition(|token| token.at.start < core.end).unwrap_or(first);
    let (before, rest) = tokens.split_at_checked(first).unwrap_or((tokens, &[]));
    let from = before.iter().rposition(Token::joins).map_or(0, |at| at.saturating_add(1));
    let inside = last.saturating_sub(first);
    let after = rest.iter().enumerate().skip(inside.saturating_add(1));
    let to = after.into_iter().find(|(_, token)| token.joins());
    let to = to.map_or(tokens.len(), |(at, _)| first.saturating_add(at));
    let mut own = without_outer_brackets(tokens.get(from..to).unwrap_or_default());
    while let Some(inner) = in_brackets(text, own) {
        own = inner;
    }
    match (own.first(), own.last()) {
        (Some(first), Some(last)) => first.at.start..last.at.end,
        _ => core,
    }
}

/// `own` without the brackets at its ends that are opened or closed outside of it.
fn without_outer_brackets(own: &[Token]) -> &[Token] {
    let (mut open, mut closed) = (0usize, 0usize);
    for token in own {
        match (token.sort, open) {
            (Sort::Open, _) => open = open.saturating_add(1),
            (Sort::Close, 0) => closed = closed.saturating_add(1),
            (Sort::Close, _) => open = open.saturating_sub(1),
            (Sort::Joint | Sort::Other, _) => {}
        }
    }
    own.get(open..own.len().saturating_sub(closed)).unwrap_or(own)
}

/// Those between two round brackets that belong together, where these are around all of `own`.
fn in_brackets<'t>(text: &str, own: &'t [Token]) -> Option<&'t [Token]> {
    let [first, inner @ .., last] = own else { return None };
    let is_round = text.get(first.at.clone()) == Some("(") && last.sort == Sort::Close;
    let is_whole = !inner.is_empty() && without_outer_brackets(inner).len() == inner.len();
    (is_round && is_whole).then_some(inner)
}

/// A part of the text of a condition.
#[derive(Clone, Debug)]
struct Token {
    at: Range<usize>,
    sort: Sort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// An operator that puts operands together.
    Joint,
    Open,
    Close,
    Other,
}

impl Token {
    fn joins(&self) -> bool {
        self.sort == Sort::Joint
    }
}

/// The tokens of a text that was parsed, without spaces and comments.
fn tokens(text: &str) -> Vec<Token> {
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (length, sort) = token(rest);
        let end = at.saturating_add(length.max(1));
        tokens.extend(sort.map(|sort| Token { at: at..end, sort }));
        at = end;
    }
    tokens
}

/// The length of the first token, and its sort; none for what is ignored.
fn token(rest: &str) -> (usize, Option<Sort>) {
    let Some(first) = rest.chars().next() else { return (0, None) };
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let prefix = rest.len().saturating_sub(rest.trim_start_matches(['r', 'R', 'b', 'B']).len());
    let quoted = rest.get(prefix..).filter(|text| prefix <= 2 && text.starts_with(['"', '\'']));
    if let Some(quoted) = quoted {
        let is_raw = rest.get(..prefix).is_some_and(|prefix| prefix.contains(['r', 'R']));
        return (prefix.saturating_add(quote_length(quoted, is_raw)), Some(Sort::Other));
    }
    match first {
        '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), None),
        '&' | '|' if rest.starts_with("&&") || rest.starts_with("||") => (2, Some(Sort::Joint)),
        '?' | ':' => (1, Some(Sort::Joint)),
        '(' | '[' | '{' => (1, Some(Sort::Open)),
        ')' | ']' | '}' => (1, Some(Sort::Close)),
        c if c.is_whitespace() => (c.len_utf8(), None),
        c if word(c) => (rest.find(|c| !word(c)).unwrap_or(rest.len()), Some(Sort::Other)),
        c => (c.len_utf8(), Some(Sort::Other)),
    }
}

/// The length of a quoted text with its quotes, three of them or one.
fn quote_length(text: &str, is_raw: bool) -> usize {
    let quote = match text {
        _ if text.starts_with("\"\"\"") => "\"\"\"",
        _ if text.starts_with("'''") => "'''",
        _ if text.starts_with('"') => "\"",
        _ => "'",
    };
    let mut at = quote.len();
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(quote) {
            return at.saturating_add(quote.len());
        }
        let escaped = usize::from(rest.starts_with('\\') && !is_raw);
        let length: usize = rest.chars().take(escaped.saturating_add(1)).map(char::len_utf8).sum();
        at = at.saturating_add(length);
    }
    text.len()
}
