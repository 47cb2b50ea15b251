//! Comments of conditions: from `//` to the end of a line, which YAML may have joined with the next one.

use std::ops::Range;

use super::fault::Fault;

/// Operators, which a comment that swallows a part of a condition has and a plain note has not.
const OPERATORS: [&str; 8] = ["&&", "||", "==", "!=", "<", ">", "?", " in "];

/// Why a comment at the end of `text` is a part of the condition that does not count: in quoted and in folded text (`>`) YAML makes
/// one line of several, and the comment of the first takes in the others (P192).
pub(super) fn swallowing(text: &str) -> Option<Fault> {
    let at = last_comment(text)?;
    let comment = text.get(at.clone())?;
    OPERATORS.iter().any(|operator| comment.contains(operator)).then(|| {
        let message = "what follows `//` is a comment up to the end of its line, and does not count";
        let help = "write the condition as a block with `|`, where lines stay lines, or take the comment out";
        Fault { at, ..Fault::of_all(text, message) }.help(help)
    })
}

/// The comment that ends with the text and with no line of it.
fn last_comment(text: &str) -> Option<Range<usize>> {
    let (mut at, mut found) = (0usize, None);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = match rest {
            _ if rest.starts_with("//") => {
                let end = rest.find('\n').unwrap_or(rest.len());
                let is_last = rest.get(end..).is_none_or(|after| after.trim().is_empty());
                found = is_last.then(|| at..at.saturating_add(end));
                end
            }
            _ if rest.starts_with(['"', '\'']) => quoted(rest, is_raw(text, at)),
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        at = at.saturating_add(length.max(1));
    }
    found
}

/// True if the quote at this place opens a text without escapes.
fn is_raw(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default().trim_end_matches(['b', 'B']);
    let word = before.strip_suffix(['r', 'R']);
    word.is_some_and(|word| !word.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The length of the quoted text that `rest` begins with.
fn quoted(rest: &str, raw: bool) -> usize {
    let mark = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|mark| rest.starts_with(mark));
    let mark = mark.unwrap_or("\"");
    let mut at = mark.len();
    while let Some(inner) = rest.get(at..).filter(|inner| !inner.is_empty()) {
        if inner.starts_with(mark) {
            return at.saturating_add(mark.len());
        }
        let mut chars = inner.chars();
        let first = chars.next().map_or(1, char::len_utf8);
        let escaped = if inner.starts_with('\\') && !raw { chars.next() } else { None };
        at = at.saturating_add(first).saturating_add(escaped.map_or(0, char::len_utf8));
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P192: a comment that takes in a part of the condition is refused, and a note is none.
    #[test]
    fn a_comment_takes_in_no_part_of_a_condition() {
        for (text, swallows) in [
            ("a == 1 // first && b == 2", true),
            ("a // is it == false", true),
            ("a // note ? b : c", true),
            ("a // one of x in [1]", true),
            ("a == 1 // first\n && b == 2", false),
            ("a == 1\n// && b == 2\n", true),
            ("a == 1 // why", false),
            ("a == \"https://a.example/?x=1\"", false),
            ("a == 'https://a' && b == \"//\" || c == '''// ' == ' '''", false),
            ("a.matches(r'\\\\') // == 'x", true),
            ("a == r\"//\\\" && b == \"<\"", false),
            ("a == \"\\\"// ==\"", false),
            ("a == \"é//==\" // é", false),
            ("a == \"open // ==", false),
        ] {
            assert_eq!(swallowing(text).is_some(), swallows, "{text}");
        }
    }
}
