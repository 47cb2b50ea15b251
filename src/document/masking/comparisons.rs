//! Shared secrets in policies: the values that a rule compares with a header or a parameter which carries credentials.
//!
//! A test of such a header says its name in one place and the secret in another, in any order and on other lines, so that the
//! whole entry, or the whole condition, is looked at.

use std::ops::Range;

use super::lines::{MaskedKey, indent, keys_in_place, moved, trimmed};
use super::words::names_credentials;
use crate::limits::MAX_SHOWN_LINE_BYTES;

/// Keys whose values are compared.
const TESTS: [&str; 7] = ["all", "any", "contains", "equals", "in", "prefix", "suffix"];

/// A line of the text, and the place where it begins.
type Line<'t> = (usize, &'t str);

/// The places of the values in `text` that are compared with credentials.
pub(super) fn compared_values(text: &str) -> Vec<Range<usize>> {
    let mut start = 0_usize;
    let lines: Vec<Line<'_>> = text
        .split_inclusive('\n')
        .map(|line| {
            // A long one is hidden whole.
            let shown = Some(line.trim_end_matches(['\n', '\r']));
            let shown = shown.filter(|line| line.len() <= MAX_SHOWN_LINE_BYTES);
            let own = (start, shown.unwrap_or_default());
            start = start.saturating_add(line.len());
            own
        })
        .collect();
    let mut found = Vec::new();
    for (at, (_, line)) in lines.iter().enumerate() {
        if names_a_test(line) {
            found.extend(tested(entry(&lines, at)));
        }
        if reads_credentials(line) {
            found.extend(literals_in(block(&lines, at)));
        }
    }
    found.sort_by_key(|part| part.start);
    found.dedup();
    found
}

/// True if the line has the `name` of a header or a parameter that carries credentials.
fn names_a_test(line: &str) -> bool {
    keys_in_place(line).any(|key| key.name == "name" && names_credentials(word(line, key.end)))
}

/// True if a condition reads a header that carries credentials: `request.headers["x-api-key"]`.
fn reads_credentials(line: &str) -> bool {
    line.match_indices("headers").any(|(at, part)| {
        let rest = line.get(at.saturating_add(part.len())..).unwrap_or_default();
        let rest = rest.trim_start_matches([' ', '[', '.', '\\', '"', '\'']);
        names_credentials(rest.split([']', '"', '\'', '\\', ' ', '.']).next().unwrap_or_default())
    })
}

/// The value behind `from`, without its quotes.
fn word(line: &str, from: usize) -> &str {
    let value = line.get(from..).unwrap_or_default().trim_start_matches([' ', '"', '\'']);
    value.split([' ', ',', '}', ']', '"', '\'']).next().unwrap_or_default()
}

/// The lines of the entry of a list that the line at `at` is in.
fn entry<'l, 't>(lines: &'l [Line<'t>], at: usize) -> &'l [Line<'t>] {
    let of = |line: &str| indent(line);
    let own = lines.get(at).map_or(0, |(_, line)| of(line));
    let begins = |line: &str| line.trim_start().starts_with('-') && of(line) <= own;
    let inside = |line: &str| line.trim().is_empty() || of(line) >= own;
    let (before, after) = lines.split_at_checked(at).unwrap_or((lines, &[]));
    let is_first = after.first().is_some_and(|(_, line)| begins(line));
    let above = if is_first {
        0
    } else {
        let mut above = before.iter().rev().take_while(|(_, line)| inside(line));
        above.position(|(_, line)| begins(line)).map_or(0, |more| more.saturating_add(1))
    };
    let below = after.iter().skip(1).take_while(|(_, line)| inside(line) && !begins(line)).count();
    let (first, last) = (at.saturating_sub(above), at.saturating_add(below));
    lines.get(first..=last).unwrap_or_default()
}

/// The lines of the value that the line at `at` is in, from the line of its key on.
fn block<'l, 't>(lines: &'l [Line<'t>], at: usize) -> &'l [Line<'t>] {
    let has_key = |line: &str| keys_in_place(line).next().is_some();
    let above = lines.get(..=at).unwrap_or_default().iter().rev();
    let above = above.take_while(|(_, line)| !has_key(line)).count();
    let first = at.saturating_sub(above);
    let own = lines.get(first).map_or(0, |(_, line)| indent(line));
    let below = lines.iter().skip(first.saturating_add(1));
    let below = below.take_while(|(_, line)| line.trim().is_empty() || indent(line) > own).count();
    lines.get(first..=first.saturating_add(below)).unwrap_or_default()
}

/// The values of tests in the lines of an entry.
fn tested(lines: &[Line<'_>]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // The indentation of a test whose values stand on the lines below.
    let mut open: Option<usize> = None;
    for (start, line) in lines {
        if open.is_some_and(|own| !line.trim().is_empty() && indent(line) <= own) {
            open = None;
        }
        let mut parts = Vec::new();
        if open.is_some() && keys_in_place(line).next().is_none() {
            parts.extend(values(line, 0..line.len()));
        }
        for key in keys_in_place(line).filter(|key| TESTS.contains(&key.name)) {
            let end = value_end(line, &key);
            parts.extend(values(line, key.end..end));
            open = open.or_else(|| Some(indent(line)));
        }
        found.extend(parts.into_iter().map(|part| moved(&part, *start)));
    }
    found
}

/// The values in `part` of a line, each without its quotes: a message quotes them so.
fn values(line: &str, part: Range<usize>) -> Vec<Range<usize>> {
    let text = line.get(part.clone()).unwrap_or_default();
    let mut start = part.start;
    // Within quotes a comma is a part of the value.
    let is_one = text.trim_start().starts_with(['"', '\'']);
    let pieces: Vec<_> = if is_one { vec![text] } else { text.split_inclusive(',').collect() };
    let each = pieces.into_iter().filter_map(|own| {
        let end = start.saturating_add(own.len());
        let found = trimmed(line, start..end);
        start = end;
        let found = found?;
        let inner = line.get(found.clone())?;
        let bare = inner.trim_start_matches(['"', '\'']);
        let from = found.start.saturating_add(inner.len().saturating_sub(bare.len()));
        let bare = bare.trim_end_matches(['"', '\'']);
        Some(from..from.saturating_add(bare.len()))
    });
    each.filter(|own| !own.is_empty()).collect()
}

/// The end of the value of `key` in its line; the end of the key where the value is a mapping.
fn value_end(line: &str, key: &MaskedKey<'_>) -> usize {
    let value = line.get(key.end..).unwrap_or_default();
    let text = value.trim_start();
    let front = value.len().saturating_sub(text.len());
    let inner = text.get(1..).unwrap_or_default();
    let len = match text.chars().next() {
        Some('{') => return key.end,
        Some('[') => end_of_list(inner).map_or(text.len(), |at| at.saturating_add(1)),
        Some(quote @ ('"' | '\'')) => {
            closing(inner, quote).map_or(text.len(), |at| at.saturating_add(2))
        }
        Some(_) | None => text.find([',', '}']).unwrap_or(text.len()),
    };
    key.end.saturating_add(front).saturating_add(len)
}

/// The place of the bracket that ends a list.
fn end_of_list(text: &str) -> Option<usize> {
    let mut open = None;
    let end = text.char_indices().find(|(_, c)| {
        match (open, c) {
            (Some(quote), c) if quote == *c => open = None,
            (None, '"' | '\'') => open = Some(*c),
            (None, ']') => return true,
            _ => {}
        }
        false
    });
    end.map(|(at, _)| at)
}

/// The place of the quote that ends `text`, whose first quote is before it. `''` and `\\"` are characters of the text.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let is_double = quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == quote);
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if quote == '"' => is_escaped = true,
            c if c == quote && is_double => is_escaped = true,
            c if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// The texts in quotes of a condition that are no names of headers.
fn literals_in(lines: &[Line<'_>]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, (start, line)) in lines.iter().enumerate() {
        let key = keys_in_place(line).last().filter(|_| at == 0);
        let value = line.get(key.map_or(0, |key| key.end)..).unwrap_or_default();
        let from = line.len().saturating_sub(value.len());
        let front = value.len().saturating_sub(value.trim_start().len());
        // The quotes of YAML around the whole condition.
        let outer = value.trim_start().chars().next().filter(|c| matches!(c, '"' | '\''));
        let outer = outer.filter(|_| at == 0);
        let from = from.saturating_add(front).saturating_add(usize::from(outer.is_some()));
        let end = outer.and_then(|quote| line.rfind(quote)).filter(|end| *end >= from);
        let text = line.get(..end.unwrap_or(line.len())).unwrap_or_default();
        found.extend(literals(text, from).map(|part| moved(&part, *start)));
    }
    found
}

/// The texts in quotes behind `from`. One that does not end in the line goes on to its end.
fn literals(line: &str, from: usize) -> impl Iterator<Item = Range<usize>> {
    let mut parts = Vec::new();
    let mut open: Option<(char, usize)> = None;
    let mut before = ' ';
    for (at, c) in line.char_indices().skip_while(|(at, _)| *at < from) {
        let next = at.saturating_add(c.len_utf8());
        match (open, c) {
            // `''` of YAML is one quote, and `\"` another.
            (Some((quote, begin)), c) if c == quote && begin == at => {
                open = Some((quote, next));
            }
            (Some((quote, begin)), c) if c == quote => {
                let end = if before == '\\' { at.saturating_sub(1) } else { at };
                parts.push(begin..end);
                open = None;
            }
            (None, '"' | '\'') if before != c => open = Some((c, next)),
            _ => {}
        }
        before = c;
    }
    parts.extend(open.map(|(_, begin)| begin..line.len()));
    let is_value = |part: &Range<usize>| {
        let text = line.get(part.clone()).unwrap_or_default();
        let marks = ['\'', '"', '\\'];
        let before = line.get(..part.start).unwrap_or_default().trim_end_matches(marks);
        let after = line.get(part.end..).unwrap_or_default().trim_start_matches(marks);
        let is_name = before.ends_with("headers[") || after.trim_start().starts_with("in request.");
        !text.trim_matches(['\'', '"', '\\', ' ']).is_empty() && !is_name
    };
    parts.into_iter().filter(move |part| is_value(part)).collect::<Vec<_>>().into_iter()
}
