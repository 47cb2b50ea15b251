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
use crate::policy::model::truth::Truth;
use crate::policy::requirement::observation::{Fact, Sight};

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

// === impl Token ===

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

/// The length of the first token, and its sort; none for what is passed over.
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

#[cfg(test)]
mod tests {
    use super::super::Scope;
    use super::*;
    use crate::request::SealedNames;

    fn parts(text: &str) -> Vec<String> {
        let sealed = SealedNames::default();
        let scope =
            Scope { token: true, peer: true, captures: &["id"], sealed: &sealed, domains: &[] };
        Condition::compile(text, scope)
            .unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
            .parts()
    }

    /// P152: an operand is shown as it stands in the document, from its first byte to its last.
    #[test]
    fn operands_are_shown_whole() {
        for operands in [
            vec!["token.sub == request.path.id"],
            vec!["token.sub == request.path.id", "request.path.id != token.client"],
            vec!["has(token.claims.a.b)", "!has(token.claims.c)"],
            vec!["\"a\" in token.claims", "token.claims.yes"],
            vec!["(token.sub) == (request.path.id)", "(token.sub) == ((request.path.id))"],
            vec!["!(token.claims.a && token.claims.b)", "-token.claims.n < 1"],
            vec!["token.claims.roles.exists(r, r == 'a' && r != \"b\")", "token.sub.size() > 1"],
            vec![
                "token.claims.list[0].name == token.claims.m[\"a\"].b",
                "token.claims.x.size() == 1",
            ],
            vec![
                "{'a': 1, 'b': token.claims.n} == token.claims.m",
                "token.claims.m == {'c': token.claims.n}",
            ],
            vec!["'&&' == request.path.id", "\"a || \\\"b\" != token.sub", "r'\\' == token.sub"],
            vec!["request.method\n  == request . path\n . id"],
            vec!["[token.sub] == [request.path.id]", "size(token.scopes) == 1"],
        ] {
            let joined = operands.join(" && ");
            assert_eq!(parts(&joined), operands, "{joined}");
            assert_eq!(parts(&format!("({joined} // b && c\n)")), operands, "({joined})");
            let each: Vec<_> = operands.iter().map(|operand| format!("({operand}\n)")).collect();
            let nested = format!("(({}) || now > token.exp)", each.join("&&"));
            let found = parts(&nested);
            let (last, own) = found.split_last().unwrap();
            assert_eq!(last, "now > token.exp", "{nested}");
            let bare = |text: &String| text.trim_matches(['(', ')', '\n', ' ']).to_owned();
            let wanted: Vec<_> = operands.iter().map(|text| bare(&(*text).to_owned())).collect();
            assert_eq!(own.iter().map(bare).collect::<Vec<_>>(), wanted, "{nested}");
        }
        let choice = "token.claims.a ? token.sub == request.path.id : token.claims.b";
        assert_eq!(
            parts(choice),
            ["token.claims.a", "token.sub == request.path.id", "token.claims.b"]
        );
    }
}
