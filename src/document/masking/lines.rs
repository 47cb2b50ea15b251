//! Lines of YAML as masking sees them: keys, indentation, and what only structures a line. The text may not be YAML.

use std::ops::Range;

/// Characters that structure YAML. At the ends of a hidden text they are shown.
pub(super) const STRUCTURE: [char; 13] =
    [' ', '\t', '\r', '{', '}', '[', ']', ',', '-', '|', '>', '?', ':'];

/// A word before a colon.
pub(super) struct MaskedKey<'a> {
    pub(super) name: &'a str,
    pub(super) start: usize,
    /// Behind the colon.
    pub(super) end: usize,
    /// True if the key is no plain word: the secret may stand in its place.
    pub(super) is_odd: bool,
}

pub(super) fn moved(part: &Range<usize>, by: usize) -> Range<usize> {
    part.start.saturating_add(by)..part.end.saturating_add(by)
}

/// Each word before a colon; with the spaces in it, where it is in quotes.
pub(super) fn keys(text: &str) -> impl Iterator<Item = MaskedKey<'_>> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.match_indices(':').filter_map(move |(at, _)| {
        let end = at.saturating_add(1);
        let before = text.get(..at)?.trim_end();
        let quote = before.chars().next_back().filter(|c| matches!(c, '"' | '\''));
        let before = before.trim_end_matches(['"', '\'']);
        if let Some(start) = quote.and_then(|quote| before.rfind(quote)) {
            let start = start.saturating_add(1);
            let name = before.get(start..)?;
            if name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_. ".contains(&b)) {
                return Some(MaskedKey { name, start, end, is_odd: false });
            }
        }
        let start = before.trim_end_matches(word).len();
        let name = before.get(start..)?.trim_start_matches('-');
        let name = phrase(before).unwrap_or(name);
        let start = before.len().saturating_sub(name.len());
        Some(MaskedKey { name, start, end, is_odd: false })
    })
}

/// The key that ends at the colon before `end` and is no plain word, as YAML reads it: `"a/token"`, `$pass`, `'it''s'`, `mot de passé`.
fn odd_key(line: &str, end: usize) -> Option<MaskedKey<'_>> {
    let before = line.get(..end)?.strip_suffix(':')?.trim_end();
    let from = start_of_entry(before);
    let entry = before.get(from..)?;
    let bare = entry.trim_start_matches([' ', '\t', '-', '?', '#']);
    let start = from.saturating_add(entry.len().saturating_sub(bare.len()));
    let quotes = ['"', '\''].into_iter().find(|quote| bare.starts_with(*quote));
    if let Some(quote) = quotes {
        let name = bare.strip_prefix(quote)?.strip_suffix(quote)?;
        return Some(MaskedKey { name, start, end, is_odd: true });
    }
    let after = line.get(end..).unwrap_or_default();
    let is_ended = after.is_empty() || after.starts_with([' ', '\t']);
    // A condition may have these; a key has no colon with a space.
    let is_key = !bare.is_empty() && ![": ", " ? ", "("].iter().any(|own| bare.contains(own));
    (is_ended && is_key && !is_quoted(before)).then_some(MaskedKey {
        name: bare,
        start,
        end,
        is_odd: true,
    })
}

/// The place behind the last bracket or comma that is in no quotes, where the last entry of `before` begins.
fn start_of_entry(before: &str) -> usize {
    let (mut open, mut last, mut from) = (None, ' ', 0_usize);
    for (at, c) in before.char_indices() {
        match open {
            Some(quote) if quote == c => open = None,
            None if matches!(c, '"' | '\'') && (STRUCTURE.contains(&last) || last == c) => {
                open = Some(c);
            }
            None if matches!(c, '{' | '[' | ',') => from = at.saturating_add(1),
            _ => {}
        }
        last = c;
    }
    from
}

/// The end of the first key that is written with escapes, so that it may be any: `"passwor\u0064": x`.
pub(super) fn after_escaped_key(line: &str) -> Option<usize> {
    let colons = line.match_indices(':').map(|(at, _)| at);
    let mut ends = colons.filter(|at| {
        let key = line.get(..*at).and_then(|before| before.trim_end().strip_suffix('"'));
        let key = key.map(|before| (before, before.rfind('"').unwrap_or(0)));
        key.is_some_and(|(before, start)| {
            let escaped_quote = before.get(..start).unwrap_or_default().ends_with('\\');
            escaped_quote || before.get(start..).unwrap_or_default().contains('\\')
        })
    });
    ends.next().map(|at| at.saturating_add(1))
}

/// The key of several words in an entry in brackets that `before` ends with: `{ name: a, api key`.
fn phrase(before: &str) -> Option<&str> {
    let at = before.rfind(['{', ',', '['])?;
    let text = before.get(at.saturating_add(1)..)?.trim_start();
    let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_. ".contains(&b));
    let is_phrase = is_plain && text.contains([' ', '.']) && !is_quoted(before);
    is_phrase.then_some(text)
}

/// Those of them that stand where YAML has keys: at the beginning of a line, or of an entry in brackets.
pub(super) fn keys_in_place(line: &str) -> impl Iterator<Item = MaskedKey<'_>> {
    keys(line).filter_map(|key| match is_in_place(line, &key) {
        true => Some(key),
        false => odd_key(line, key.end),
    })
}

fn is_in_place(line: &str, key: &MaskedKey<'_>) -> bool {
    let before = line.get(..key.start).unwrap_or_default();
    let before = before.trim_end_matches(['"', '\'', ' ', '\t', '-', '?', '#']);
    let after = line.get(key.end..).unwrap_or_default();
    let placed = before.is_empty() || before.ends_with(['{', ',', '[']);
    let colon = line.get(..key.end).unwrap_or_default().trim_end_matches(':');
    let ended = after.is_empty()
        || after.starts_with([' ', '\t', '"', '\'', '{', '['])
        || colon.ends_with(['"', '\'']);
    placed && !key.name.is_empty() && ended
}

/// True if a quote is open where `line` ends.
pub(super) fn is_quoted(line: &str) -> bool {
    let mut open = None;
    let mut before = ' ';
    for c in line.chars() {
        match open {
            Some(quote) if quote == c => open = None,
            None if matches!(c, '"' | '\'') && STRUCTURE.contains(&before) => open = Some(c),
            _ => {}
        }
        before = c;
    }
    open.is_some()
}

/// `part` of a line without what only structures it, if there is more.
pub(super) fn trimmed(line: &str, part: Range<usize>) -> Option<Range<usize>> {
    let text = line.get(part.clone())?;
    let bare = text.trim_matches([' ', '\t', ',', '"', '\'', '}', '$']).strip_prefix('{');
    let is_named = |name: &str| VARIABLES.iter().any(|root| name.trim_start().starts_with(root));
    if bare.is_some_and(|name| is_named(name) && name.bytes().all(is_of_a_variable)) {
        return None;
    }
    let front = text.len().saturating_sub(text.trim_start_matches(STRUCTURE).len());
    let inner = text.trim_matches(STRUCTURE);
    // The rest of an address, whose quotation began before its server.
    let is_rest = line.get(..part.start).is_some_and(|before| before.ends_with('/'));
    let inner = if is_rest { inner.trim_end_matches(['"', '\'']) } else { inner };
    let start = part.start.saturating_add(front);
    (!inner.trim_matches(['"', '\'']).is_empty()).then(|| start..start.saturating_add(inner.len()))
}

/// The beginnings of variables, which stand for values.
const VARIABLES: [&str; 4] = ["token.", "peer.", "request.", "decision."];

/// Of `token.sub`, which stands for a value.
const fn is_of_a_variable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'_' | b'-' | b'|' | b' ')
}

/// A dash indents: a list may stand at the column of its key.
pub(super) fn indent(line: &str) -> usize {
    line.len().saturating_sub(line.trim_start_matches([' ', '-']).len())
}

/// The first word of the value that is behind `from`.
pub(super) fn first_word(line: &str, from: usize) -> Range<usize> {
    let value = line.get(from..).unwrap_or_default().trim_start_matches([' ', '[', '"', '\'']);
    let len = value.find([' ', ',', '}', ']', '"', '\'']).unwrap_or(value.len());
    let start = line.len().saturating_sub(value.len());
    start..start.saturating_add(len)
}

/// The end of the server in an address that is behind `from`, else `from`: the path may be a credential.
pub(super) fn end_of_server(line: &str, from: usize) -> usize {
    let word = first_word(line, from);
    let text = line.get(word.clone()).unwrap_or_default();
    let of_a_server = |b: u8| b.is_ascii_alphanumeric() || b".-:[]*/".contains(&b);
    let server = text.split_once("://").filter(|(_, rest)| !rest.contains('@'));
    let server = server.and_then(|(scheme, rest)| {
        let server = rest.split_inclusive('/').next()?;
        let is_one = matches!(scheme, "http" | "https" | "spiffe");
        (is_one && server.bytes().all(of_a_server)).then(|| rest.len().saturating_sub(server.len()))
    });
    server.map_or(from, |rest| word.end.saturating_sub(rest))
}
