//! Usual slips in the punctuation of YAML: spaces that are missing, brackets and quotes that are not closed.

/// Characters that may follow a `\` in double quotes (YAML 1.2.2 section 5.7).
const ESCAPES: &str = "0abt\tnvfre \"/\\N_LPxuU";

/// The advice for the punctuation around the byte `at` of `text`, where a parser stops in the line `line`.
pub(super) fn advice(text: &str, at: usize, line: &str) -> Option<String> {
    let found = space_behind_colon(line).or_else(|| space_behind_dash(text, at));
    let found = found.map(|(_, advice)| advice).or_else(|| equals(line)).or_else(|| escape(line));
    found.or_else(|| brackets(text, at)).or_else(|| indentation(text, at))
}

/// The byte of the tab that the line at `at` is indented with, where it is.
fn tab(text: &str, at: usize) -> Option<usize> {
    let start = line_start(text, at);
    let blank = |c: char| c.is_whitespace() || c == '-';
    let line = text.get(start..)?.lines().next()?;
    let blanks = line.get(..line.find(|c| !blank(c)).unwrap_or(line.len()))?;
    blanks.find('\t').map(|tab| start.saturating_add(tab))
}

/// The byte of the slip for which a parser stops at `at`, where it stands before that: a tab, a `:` or a `-` without its space.
pub(super) fn place(text: &str, at: usize) -> Option<usize> {
    let start = line_start(text, at);
    let line = text.get(start..)?.lines().next()?;
    let colon = space_behind_colon(line).map(|(column, _)| start.saturating_add(column));
    let colon = colon.filter(|colon| *colon <= at);
    tab(text, at).or(colon).or_else(|| space_behind_dash(text, at).map(|(dash, _)| dash))
}

/// The advice for `key:{` and `key:[`, which YAML reads as one word, with the column of the `:`.
pub(super) fn space_behind_colon(line: &str) -> Option<(usize, String)> {
    let code = line.split(" #").next().unwrap_or_default();
    let mut found = code.match_indices(':').filter_map(|(at, _)| {
        let (before, behind) = (code.get(..at)?, code.get(at.saturating_add(1)..)?);
        let open = behind.chars().next().filter(|c| matches!(c, '{' | '[' | '"' | '\''))?;
        let key = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next()?;
        let is_quoted =
            before.matches('"').count() % 2 == 1 || before.matches('\'').count() % 2 == 1;
        let advice = || format!("write a space behind the `:`, as in `{key}: {open}`");
        (!key.is_empty() && !is_quoted).then(|| (at, advice()))
    });
    found.next()
}

/// The advice for `-key: value` in the line of `at` or in one of the two above it, with the byte of the `-`.
fn space_behind_dash(text: &str, at: usize) -> Option<(usize, String)> {
    let end = text.get(at..)?.find('\n').map_or(text.len(), |end| at.saturating_add(end));
    let mut end_of_line = end;
    let mut found = None;
    for _ in 0..3 {
        let start = line_start(text, end_of_line);
        let line = text.get(start..end_of_line)?;
        let own = line.trim_start().strip_prefix('-').and_then(|rest| rest.split_once(": "));
        let is_word = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric());
        if let Some((key, _)) = own.filter(|(key, _)| is_word(key)) {
            let dash = start.saturating_add(indent(line));
            found = Some((dash, format!("write a space behind the `-`, as in `- {key}: ..`")));
        }
        let Some(before) = start.checked_sub(1) else { break };
        end_of_line = before;
    }
    found
}

/// The advice for `key = value`.
fn equals(line: &str) -> Option<String> {
    let (key, _) = line.trim_start().trim_start_matches("- ").split_once('=')?;
    let key = key.trim_end();
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric());
    is_key.then(|| format!("write `:` and a space in place of `=`: `{key}: ..`"))
}

/// The advice for a `\` in double quotes that begins no escape.
fn escape(line: &str) -> Option<String> {
    let (_, quoted) = line.split_once('"')?;
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            '\\' if !chars.next().is_some_and(|next| ESCAPES.contains(next)) => {
                return Some(String::from(
                    "in double quotes a `\\` begins an escape: put the value in single quotes, or write `\\\\`",
                ));
            }
            _ => {}
        }
    }
    None
}

/// The advice for a bracket or a quote that is not closed before `at`, or that closes nothing there.
fn brackets(text: &str, at: usize) -> Option<String> {
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut quote: Option<(char, usize)> = None;
    // The indentation of the key whose value is the lines below it, as they are.
    let mut literal: Option<usize> = None;
    let mut start = 0usize;
    for line in text.split_inclusive('\n') {
        let (from, indent) = (start, indent(line));
        start = start.saturating_add(line.len());
        let is_inside = literal.is_some_and(|own| indent > own || line.trim().is_empty());
        if from > at || is_inside {
            continue;
        }
        if line.trim_end() == "---" {
            (open, quote) = (Vec::new(), None);
        }
        let code = scan(line, (from, at), &mut open, &mut quote);
        let is_open = quote.is_some() || !open.is_empty();
        let opens = code.trim_end().trim_end_matches(['-', '+']).ends_with(['|', '>']);
        literal = (!is_open && opens).then_some(indent);
    }
    unclosed(text, at, &open, quote)
}

/// Reads a line up to the byte `at` of its text, in which it begins at `from`. Gives the part before its comment.
fn scan<'l>(
    line: &'l str,
    (from, at): (usize, usize),
    open: &mut Vec<(char, usize)>,
    quote: &mut Option<(char, usize)>,
) -> &'l str {
    let mut before = ' ';
    for (column, c) in line.char_indices() {
        let place = from.saturating_add(column);
        if place >= at {
            return line;
        }
        match (*quote, c) {
            (Some((own, _)), c) if c == own && !(own == '"' && before == '\\') => *quote = None,
            (None, '"' | '\'') if !before.is_alphanumeric() => *quote = Some((c, place)),
            (None, '#') if before.is_whitespace() => return line.get(..column).unwrap_or(line),
            (None, '{' | '[') if !open.is_empty() || !before.is_alphanumeric() => {
                open.push((c, place));
            }
            (None, '}' | ']') => drop(open.pop()),
            (_, _) => {}
        }
        before = c;
    }
    line
}

fn unclosed(
    text: &str,
    at: usize,
    open: &[(char, usize)],
    quote: Option<(char, usize)>,
) -> Option<String> {
    let line = |place: usize| {
        text.get(..place).unwrap_or_default().matches('\n').count().saturating_add(1)
    };
    // Of a bracket or a quote that is closed on its line something else is wrong.
    let is_closed = |place: usize, close: char| {
        let behind = text.get(place.saturating_add(1)..).unwrap_or_default();
        behind.lines().next().unwrap_or_default().contains(close)
    };
    let here = text.get(at..).and_then(|rest| rest.chars().next());
    let is_quote = |c: &char| matches!(c, '"' | '\'');
    if let Some((quote, place)) = quote.or_else(|| here.filter(is_quote).map(|c| (c, at))) {
        let line = line(place);
        return (!is_closed(place, quote)).then(|| format!(
            "the `{quote}` in line {line} is not closed: write another `{quote}` where the value ends"
        ));
    }
    if let Some(close @ ('}' | ']')) = here.filter(|_| open.is_empty()) {
        return Some(format!(
            "this `{close}` closes nothing: remove it, or write the bracket that it closes"
        ));
    }
    let own = here.filter(|c| matches!(c, '{' | '[')).map(|c| (c, at));
    let (bracket, place) = own.or_else(|| open.last().copied())?;
    let close = if bracket == '{' { '}' } else { ']' };
    (!is_closed(place, close)).then(|| {
        format!(
            "the `{bracket}` in line {} is not closed: write `{close}` where it ends",
            line(place)
        )
    })
}

/// The advice for a key that is indented deeper than the keys that it stands among.
fn indentation(text: &str, at: usize) -> Option<String> {
    let start = line_start(text, at);
    let line = text.get(start..)?.lines().next()?;
    let above = text.get(..start)?.lines().rev();
    let mut above = above.map(|line| line.split(" #").next().unwrap_or_default().trim_end());
    let above = above.find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let (own, theirs) = (indent(line), indent(above));
    (line.contains(':') && own > theirs && !above.ends_with([':', '|', '>'])).then(|| {
        format!("this line begins with {own} spaces and the one above it with {theirs}: keys of one mapping begin in the same column")
    })
}

fn indent(line: &str) -> usize {
    line.len().saturating_sub(line.trim_start_matches(' ').len())
}

/// The start of the line at `at`.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |end| end.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P662: a slip in the punctuation is named by what to write.
    #[test]
    fn slips_in_punctuation_are_named() {
        for (text, at, expected) in [
            ("target:{ hosts: [a] }", "}", "as in `target: {`"),
            ("target: { hosts:[a] }", ":[", "as in `hosts: [`"),
            ("rules:\n  -name: x\n   effect: allow", ": allow", "as in `- name: ..`"),
            ("target = { hosts: [a] }", "}", "`target: ..`"),
            ("hosts: [\"a\\.b\"]", "\"a", "in double quotes a `\\` begins an escape"),
            ("a: 1\nhosts: [\"a] }\nb: 1\n", "\"a", "the `\"` in line 2 is not closed"),
            ("target: { hosts: [a]\nrules: []\n", "rules", "the `{` in line 1 is not closed"),
            ("a: 1 # it's {\ntarget: [a\nrules: []\n", "rules", "the `[` in line 2 is not closed"),
            ("when: |\n  a[ \"\nhosts: [a] }\n", "}", "this `}` closes nothing"),
            ("hosts: [a }\n", "[a", "the `[` in line 1 is not closed"),
            ("  a: 1\n   b: 2\n", "b", "begins with 3 spaces and the one above it with 2"),
        ] {
            let at = text.find(at).unwrap();
            let line = text.get(line_start(text, at)..).unwrap().lines().next().unwrap();
            let found = advice(text, at, line).unwrap_or_default();
            assert!(found.contains(expected), "{text}: {found}");
        }
        assert_eq!(advice("a: [\"x\"y, {b: c} ]\n", 7, "a: [\"x\"y, {b: c} ]"), None);
        assert_eq!(advice("a: [\"x:[\", 'it''s', {b: c}]\n", 7, "a: [\"x:[\"]"), None);
        assert_eq!(place("a:\n  \tb: c", 6), Some(5));
        assert_eq!(place("a:{ b: [c] }", 11), Some(1));
        assert_eq!(place("a:\n  -b: c\n   d: e", 16), Some(5));
        assert_eq!(tab("a:\n  b: \tc", 6), None);
    }
}
