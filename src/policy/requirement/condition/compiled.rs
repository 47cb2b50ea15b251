//! Compiling a condition, and what can be said of it without a request.

use std::ops::Range;

use cel::ParseErrors;
use cel::common::ast::IdedExpr;

use super::fault::{ConditionScope, Fault};
use super::values::VariableSlot;
use super::{check, comments, constant, functions, operands};
use crate::limits::{CONDITION_STACK_BYTES, MAX_CONDITION_BRACKETS, MAX_CONDITION_BYTES};
use crate::policy::requirement::missing::RecordField;

/// A compiled condition.
#[derive(Clone)]
pub(in crate::policy) struct Condition {
    pub(super) text: Box<str>,
    pub(super) expression: IdedExpr,
    pub(super) slots: Box<[VariableSlot]>,
    /// The places in the text of what `&&` and `||` put together, by node.
    pub(super) operands: Box<[(u64, Range<usize>)]>,
    costly: bool,
}

impl Condition {
    /// Compiles `text`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(in crate::policy) fn compile(
        text: &str,
        scope: ConditionScope<'_>,
    ) -> Result<Self, Vec<Fault>> {
        guard(text).map_err(|fault| vec![fault])?;
        // The parser recurses deeply, and running out of stack ends the process.
        let compiled = std::thread::scope(|threads| {
            std::thread::Builder::new()
                .stack_size(CONDITION_STACK_BYTES)
                .spawn_scoped(threads, || read(text, scope))
                .map(std::thread::ScopedJoinHandle::join)
        });
        match compiled {
            Ok(Ok(compiled)) => compiled,
            Ok(Err(_)) => Err(vec![Fault::of_all(text, "the condition cannot be read")]),
            Err(_) => Err(vec![Fault::of_all(text, "no thread to read the condition on")]),
        }
    }

    /// Its text in the document.
    pub(in crate::policy) fn as_str(&self) -> &str {
        &self.text
    }

    /// The headers that it reads.
    pub(in crate::policy) fn headers(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().filter_map(|slot| slot.source()?.header())
    }

    /// The captures of paths that it reads.
    pub(in crate::policy) fn captures(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().filter_map(|slot| slot.source()?.capture())
    }

    /// The data that a record must hold so that everything that it reads can be determined.
    pub(super) fn record_fields(&self) -> impl Iterator<Item = RecordField> {
        self.slots.iter().filter_map(|slot| slot.source()?.record_field())
    }

    /// True if it, or a part of it, is the same for every request.
    pub(in crate::policy) fn is_constant(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot, VariableSlot::Pattern(_)))
            || constant::is_constant(&self.expression)
    }

    /// True if a caller with long lists makes it run out of steps.
    pub(in crate::policy) const fn is_costly(&self) -> bool {
        self.costly
    }

    /// The names of what it reads, as conditions write them.
    pub(in crate::policy) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.slots.iter().filter_map(|slot| Some(slot.source()?.name())).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// True if it has a regular expression that is not about the whole text.
    pub(in crate::policy) fn has_open_pattern(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, VariableSlot::Pattern(p) if !p.is_anchored()))
    }
}

/// Equal where they are written alike.
impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

/// Bounds what the parser gets to see.
fn guard(text: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(Fault::of_all(text, "the condition is empty"));
    }
    if text.len() > MAX_CONDITION_BYTES {
        let message = format!("the condition is longer than {MAX_CONDITION_BYTES} bytes");
        return Err(Fault::of_all(text, message));
    }
    if let Some(fault) = comments::swallowing(text) {
        return Err(fault);
    }
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            // Brackets in quoted text count, too: that is on the safe side.
            b'(' | b'[' | b'{' => depth = depth.saturating_add(1),
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_CONDITION_BRACKETS {
            let message = format!("brackets are nested more than {MAX_CONDITION_BRACKETS} deep");
            return Err(Fault { at: at..at.saturating_add(1), ..Fault::of_all(text, message) });
        }
    }
    Ok(())
}

fn read(text: &str, scope: ConditionScope<'_>) -> Result<Condition, Vec<Fault>> {
    let Some(environment) = functions::environment() else {
        return Err(vec![Fault::of_all(text, "the language of conditions cannot be set up")]);
    };
    let (mut expression, places) = environment
        .parser()
        .parse_with_source_info(text)
        .map_err(|errors| syntax_faults(text, &errors))?;
    let operands = operands::places(text, &expression, &places);
    // The kinds that issuers list for claims find slips. No token is judged by them, so nothing that is evaluated relies on them (P687).
    let listed = scope.claims.map(|_| check::check(&mut expression.clone(), scope).faults);
    if let Some(faults) = listed.filter(|faults| !faults.is_empty()) {
        return Err(faults.into_iter().map(|fault| fault.located(text, &places)).collect());
    }
    let scope = ConditionScope { claims: None, ..scope };
    let check::Checked { slots, faults, costly } = check::check(&mut expression, scope);
    if faults.is_empty() {
        let (text, slots) = (text.into(), slots.into());
        return Ok(Condition { text, expression, slots, operands, costly });
    }
    Err(faults.into_iter().map(|fault| fault.located(text, &places)).collect())
}

fn syntax_faults(text: &str, errors: &ParseErrors) -> Vec<Fault> {
    let fault = |error: &cel::ParseError| {
        let (line, column) = error.pos;
        let at = byte_at(text, line, column);
        let fault = Fault::of_all(text, plain_syntax(&error.msg));
        Fault { at: at..at.saturating_add(1), help: meant(text, at).map(Into::into), ..fault }
    };
    // Those after the first one may be its consequences.
    errors.errors.first().map(fault).into_iter().collect()
}

/// The operator of ours, where another language's is at `at` or before it (P507).
fn meant(text: &str, at: usize) -> Option<&'static str> {
    let (before, rest) = (text.get(..at)?.trim_end(), text.get(at..)?);
    let of_a_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let word_end = rest.find(|c| !of_a_word(c)).unwrap_or(rest.len());
    let last = before.rsplit(|c| !of_a_word(c)).next().unwrap_or_default();
    let word = |word: &str| match word.to_ascii_lowercase().as_str() {
        "and" => Some("write `&&` for \"and\""),
        "or" => Some("write `||` for \"or\""),
        "not" => Some("write `!` for \"not\", as in `!(a == b)`"),
        "is" | "eq" | "equals" => Some("compare with `==`"),
        "contains" | "startswith" | "endswith" | "matches" | "like" | "has" => Some(
            "it is a function, as in `token.sub.startsWith(\"a\")`; of a list `\"a\" in token.scopes`",
        ),
        "then" | "if" | "else" => Some("a choice is `condition ? a : b`"),
        _ => None,
    };
    let sign = || match rest {
        rest if rest.starts_with("=~") => Some("compare with `.matches(\"pattern\")`"),
        rest if rest.starts_with('=') => Some("compare with `==`"),
        rest if rest.starts_with("<>") || before.ends_with('<') && rest.starts_with('>') => {
            Some("write `!=` for \"is not\"")
        }
        rest if rest.starts_with('&') => Some("write `&&` for \"and\""),
        rest if rest.starts_with('|') => Some("write `||` for \"or\""),
        rest if rest.starts_with('$') => Some("name a variable without `$`, as in `token.sub`"),
        rest if rest.starts_with(['“', '”', '‘', '’']) => {
            Some("write straight quotes, `\"` or `'`")
        }
        _ => None,
    };
    word(rest.get(..word_end)?).or_else(|| word(last)).or_else(sign)
}

/// A syntax error without the grammar's inner names: what was found, and that it does not fit.
fn plain_syntax(message: &str) -> String {
    let found = message.split_once('\'').and_then(|(_, rest)| rest.split_once('\''));
    match found {
        Some(("<EOF>", _)) => String::from("the condition ends too early"),
        Some((found, _)) if !found.is_empty() => format!("`{found}` does not fit here"),
        Some(_) | None => String::from("not an expression"),
    }
}

/// The byte at a line and a column, which count from 1 and in characters.
fn byte_at(text: &str, line: isize, column: isize) -> usize {
    let before = |n: isize| usize::try_from(n.saturating_sub(1)).unwrap_or(0);
    let mut lines = text.split_inclusive('\n');
    let above: usize = lines.by_ref().take(before(line)).map(str::len).sum();
    let line = lines.next().unwrap_or_default();
    above.saturating_add(line.chars().take(before(column)).map(char::len_utf8).sum())
}
