//! Hides secrets in what a diagnostic shows: a document may have one where it does not belong, and the line with the mistake is the
//! line with the secret.
//!
//! A value is shown only where its key is known to be harmless, and is not below the key of a secret. Everything else is hidden. The
//! text is not parsed as YAML, since it may not be YAML: in doubt about where a value ends, more is hidden.

use std::borrow::Cow;
use std::ops::Range;

use self::words::{
    PLAIN_BELOW, PLAIN_WORDS, SENSITIVE, is_among, is_file, is_harmless, is_known, is_prose,
    is_time, is_word,
};
use crate::json::{is_shown, visible};

pub(crate) use self::words::holds_credentials;

mod words;

/// Replaces a secret; always of the same length, so that it does not tell the length of the secret.
const HIDDEN: &str = "<hidden>";

/// Characters that structure YAML. At the ends of a hidden text they are shown.
const STRUCTURE: [char; 13] = [' ', '\t', '\r', '{', '}', '[', ']', ',', '-', '|', '>', '?', ':'];

/// The parts of a text that are not shown.
#[derive(Debug, Default)]
pub(super) struct Masks {
    /// The ranges to replace, in order.
    hidden: Vec<Range<usize>>,
    /// The values below the keys of secrets, in order: no message quotes them.
    secret: Vec<Range<usize>>,
}

/// The value of a secret's key, line by line.
struct Value {
    indent: usize,
    brackets: usize,
    quote: Option<char>,
    /// True once a text of several lines may have begun in it.
    in_text: bool,
}

/// A word before a colon.
struct MaskedKey<'a> {
    name: &'a str,
    start: usize,
    /// Behind the colon.
    end: usize,
}

/// The parts of `text` that are not shown.
pub(super) fn masks(text: &str) -> Masks {
    let (mut value, mut in_pem, mut harmless, mut start): (Option<Value>, _, _, _) =
        (None, false, false, 0_usize);
    let mut shown: Option<Value> = None;
    let mut masks = Masks::default();
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_end_matches(['\n', '\r']);
        value = value.take().filter(|value| value.continues_in(line));
        shown = shown.take().filter(|shown| shown.continues_in(line));
        harmless = harmless && shown.is_some() && !has_odd_key(line);
        let begin = line.find("-----BEGIN").filter(|_| line.contains("PRIVATE KEY"));
        let secret = match (&value, begin) {
            (Some(_), _) => Some(0),
            (None, _) if in_pem => Some(0),
            (None, Some(begin)) => Some(begin),
            (None, None) => after_secret_key(line),
        };
        in_pem = (in_pem || begin.is_some()) && !line.contains("-----END");
        let from = secret.unwrap_or(line.len());
        let mut to = line.len();
        let mut names = false;
        if secret.is_some() && begin.is_none() && !in_pem {
            let value = value.get_or_insert_with(|| Value::below(line));
            names = !value.in_text && value.quote.is_none();
            value.in_text |= line.contains(['|', '>']);
            let length = value.read(line.get(from..).unwrap_or_default());
            to = length.map_or(to, |length| from.saturating_add(length));
        }
        let part = |part: Range<usize>| line.get(part).unwrap_or_default();
        let mut own = open_part(part(0..from), &mut harmless, shown.is_none());
        let shown = shown.get_or_insert_with(|| Value::below(line));
        let ends_outside = |key: &MaskedKey<'_>| !is_quoted(part(0..key.end.saturating_sub(1)));
        if let Some(key) = keys_in_place(line).filter(ends_outside).last() {
            *shown = Value::below(line);
            shown.read(part(key.end..line.len()));
        } else {
            shown.read(line);
        }
        own.extend(secret_part(part(from..to), names).map(|own| moved(&own, from)));
        if secret.is_some() {
            harmless = false;
            masks.secret.push(moved(&(from..to), start));
            let rest = open_part(part(to..line.len()), &mut harmless, true);
            own.extend(rest.iter().map(|own| moved(own, to)));
        }
        masks.hidden.extend(own.iter().map(|part| moved(part, start)));
        start = start.saturating_add(whole.len());
    }
    masks.hidden.sort_by_key(|part| part.start);
    masks
}

/// `text` without its `hidden` parts and with escapes for what cannot be seen, and `span` in the new text.
pub(super) fn hide<'t>(
    text: &'t str,
    masks: &Masks,
    span: Range<usize>,
) -> (Cow<'t, str>, Range<usize>) {
    let unseen = text.char_indices().filter(|(_, c)| !matches!(c, '\n' | '\t') && !is_shown(*c));
    let unseen = unseen
        .map(|(at, c)| (at..at.saturating_add(c.len_utf8()), visible(c.encode_utf8(&mut [0; 4]))));
    let hidden = masks.hidden.iter().map(|part| (part.clone(), HIDDEN.to_owned()));
    let mut parts: Vec<_> = hidden.chain(unseen).collect();
    if parts.is_empty() {
        return (Cow::Borrowed(text), span);
    }
    parts.sort_by_key(|(part, _)| part.start);
    let mut masked = String::with_capacity(text.len());
    let (mut done, mut new) = (0, span.clone());
    for (part, shown) in &parts {
        // Something in a value that is hidden as a whole.
        let Some(before) = text.get(done..part.start) else { continue };
        masked.push_str(before);
        new.start = follow(span.start, new.start, (part, shown), masked.len());
        masked.push_str(shown);
        new.end = follow(span.end, new.end, (part, shown), masked.len());
        done = part.end;
    }
    masked.push_str(text.get(done..).unwrap_or_default());
    (Cow::Owned(masked), new.start..new.end.max(new.start))
}

/// `message` without the words that it quotes from below the key of a secret at `at`. The names of keys and of files are told.
pub(super) fn quiet(message: &str, text: &str, masks: &Masks, at: usize) -> String {
    let part = part_at(&masks.secret, at).and_then(|_| part_at(&masks.hidden, at));
    let Some(own) = part.and_then(|part| text.get(part.clone())) else {
        return message.to_owned();
    };
    let before = part.and_then(|part| text.get(..part.start)).unwrap_or_default();
    let is_file = before.trim_end_matches([' ', '"', '\'']).ends_with("file:");
    ['`', '"'].into_iter().fold(message.to_owned(), |message, quote| {
        let parts = message.split(quote).enumerate().map(|(at, part)| {
            let is_key = own.split_once(part).is_some_and(|(_, rest)| rest.starts_with(':'));
            let is_named = is_known(part);
            let quoted = at % 2 == 1 && part.len() > 2 && !is_named && own.contains(part);
            if quoted && !is_key && !is_file { HIDDEN } else { part }
        });
        parts.collect::<Vec<_>>().join(&quote.to_string())
    })
}

/// True if the text at `at` may be a secret.
pub(super) fn may_be_secret(masks: &Masks, at: usize) -> bool {
    part_at(&masks.secret, at).or_else(|| part_at(&masks.hidden, at)).is_some()
}

/// The part at `at`.
fn part_at(parts: &[Range<usize>], at: usize) -> Option<&Range<usize>> {
    let after = parts.partition_point(|part| part.start <= at);
    let mut before = parts.get(..after).unwrap_or_default().iter().rev().take(2);
    before.find(|part| part.contains(&at))
}

/// The new place of `from`, which earlier replacements `moved`, once `shown` stands for a part; `edge` is the edge of that.
fn follow(from: usize, moved: usize, (part, shown): (&Range<usize>, &str), edge: usize) -> usize {
    if from >= part.end {
        moved.saturating_add(shown.len()).saturating_sub(part.len())
    } else if from > part.start {
        edge
    } else {
        moved
    }
}

fn moved(part: &Range<usize>, by: usize) -> Range<usize> {
    part.start.saturating_add(by)..part.end.saturating_add(by)
}

/// The end of the first key in the line that holds credentials.
fn after_secret_key(line: &str) -> Option<usize> {
    let explicit = line.trim_start_matches([' ', '-']).strip_prefix('?').map(str::trim);
    let explicit = explicit.filter(|key| holds_credentials(key.trim_matches(['"', '\''])));
    let key = keys(line).find(|key| holds_credentials(key.name)).map(|key| key.end);
    key.or_else(|| explicit.map(|_| line.len().saturating_sub(1)))
}

/// Each word before a colon.
fn keys(text: &str) -> impl Iterator<Item = MaskedKey<'_>> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.match_indices(':').filter_map(move |(at, _)| {
        let before = text.get(..at)?.trim_end().trim_end_matches(['"', '\'']);
        let start = before.rfind(|c| !word(c)).map_or(0, |end| end.saturating_add(1));
        let name = before.get(start..)?.trim_start_matches('-');
        let start = before.len().saturating_sub(name.len());
        Some(MaskedKey { name, start, end: at.saturating_add(1) })
    })
}

/// Those of them that stand where YAML has keys: at the beginning of a line, or of an entry in brackets.
fn keys_in_place(line: &str) -> impl Iterator<Item = MaskedKey<'_>> {
    keys(line).filter(|key| {
        let before = line.get(..key.start).unwrap_or_default();
        let before = before.trim_end_matches(['"', '\'', ' ', '\t', '-', '?', '#']);
        let after = line.get(key.end..).unwrap_or_default();
        let placed = before.is_empty() || before.ends_with(['{', ',', '[']);
        let colon = line.get(..key.end).unwrap_or_default().trim_end_matches(':');
        let ended = after.is_empty()
            || after.starts_with([' ', '\t', '"', '\'', '{', '['])
            || colon.ends_with(['"', '\'']);
        placed && !key.name.is_empty() && ended
    })
}

/// True if a quote is open where `line` ends.
fn is_quoted(line: &str) -> bool {
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

/// The hidden parts of a line that is not below a secret: the values of keys that are not harmless, and the users of URLs and the
/// values of parameters that hold credentials anywhere. `is_free` is true where a comment cannot be a part of a value.
fn open_part(line: &str, harmless: &mut bool, is_free: bool) -> Vec<Range<usize>> {
    let (line, comment) = line.split_at(comment_at(line));
    let hidden = users_of_urls(line).chain(queries_of_urls(line)).chain(parameters(line));
    let mut hidden: Vec<_> = hidden.collect();
    let mut from = 0;
    for MaskedKey { name, start, end } in keys_in_place(line) {
        if !*harmless {
            hidden.extend(trimmed(line, from..start));
        }
        let value = line.get(end..).unwrap_or_default().trim_start();
        // Names alone: a pair may be a credential.
        let lists = |rest: &str| rest.is_empty() || rest.starts_with('[') && !has_pair(rest);
        let listed = name == "headers" && lists(value);
        *harmless = is_harmless(name) || name == "url" || listed;
        from = if *harmless { end } else { end_of_server(line, end) };
    }
    if !*harmless {
        hidden.extend(trimmed(line, from..line.len()));
    }
    let is_alone = is_free && line.trim_end_matches([' ', ',', '}', ']']).is_empty();
    let is_comment = *harmless || is_alone;
    if !is_comment || !is_prose(comment) {
        let text = comment.trim_start_matches([' ', '#']).len();
        let part = comment.len().saturating_sub(text)..comment.len();
        hidden.extend(trimmed(comment, part).map(|part| moved(&part, line.len())));
    }
    hidden
}

/// The beginning of a comment, or of what could be one.
fn comment_at(line: &str) -> usize {
    let whole = || line.trim_start().starts_with('#').then(|| indent(line));
    whole().or_else(|| line.find(" #")).unwrap_or(line.len())
}

/// True if an entry of the list that `rest` begins with has a colon within, as `name: value` has, and not as `:path`.
fn has_pair(rest: &str) -> bool {
    let list = rest.split(']').next().unwrap_or_default();
    let inner =
        |entry: &str| entry.trim_matches([' ', '"', '\'']).trim_start_matches(':').contains(':');
    list.split(',').any(inner)
}

/// True if the line begins with something that is a key to YAML, or was meant to be one, and is no plain word: `db.pass: x`,
/// `"pass word": x`, `pass:x`, `password=x`.
fn has_odd_key(line: &str) -> bool {
    let text = line.trim_start_matches([' ', '-', '\t']);
    if keys_in_place(line).next().is_some() || text.starts_with(['[', '{', '}', ']', '#']) {
        return false;
    }
    // An entry of a list may be a host with its port.
    let is_entry = line.trim_start().starts_with('-');
    let pair = if is_entry { text.split_once(':').map_or(text, |(name, _)| name) } else { text };
    text.contains(": ") || text.trim_end().ends_with(':') || is_pair(pair)
}

/// Of `name:value` and `name=value`.
fn is_pair(text: &str) -> bool {
    let Some(at) = text.find([':', '=']) else { return false };
    let (name, value) = (text.get(..at).unwrap_or_default(), text.get(at.saturating_add(1)..));
    let is_url = value.is_some_and(|value| value.starts_with("//"));
    !is_url
        && !name.contains(' ')
        && value.is_some_and(|value| !value.is_empty() && !value.starts_with('='))
}

/// The hidden parts of a line below a secret: everything but keys, and known ones alone unless `names` is true.
fn secret_part(line: &str, names: bool) -> impl Iterator<Item = Range<usize>> {
    let placed: Vec<_> = keys_in_place(line).map(|key| key.start).collect();
    let shown = keys(line).filter(move |key| {
        let is_quoted = is_quoted(line.get(..key.start).unwrap_or_default());
        let is_key = names && placed.contains(&key.start) && is_word(key.name) && !is_quoted;
        let is_ours = is_harmless(key.name) || SENSITIVE.contains(&key.name);
        is_key || is_ours || is_among(key.name, PLAIN_BELOW)
    });
    let shown = shown.map(|key| (key.start, plain_end(line, &key)));
    let shown = shown.chain([(line.len(), line.len())]);
    let mut from = 0;
    shown.filter_map(move |(start, end)| {
        let gap = trimmed(line, from..start);
        from = end;
        gap
    })
}

/// The end of what is shown of a key below a secret: of its value, where that is plain.
fn plain_end(line: &str, key: &MaskedKey<'_>) -> usize {
    if !is_among(key.name, PLAIN_BELOW) {
        return key.end;
    }
    let word = first_word(line, key.end);
    let text = line.get(word.clone()).unwrap_or_default();
    let is_file = matches!(key.name, "file" | "ca") && is_file(text);
    match is_file || is_time(text) || is_among(text, PLAIN_WORDS) {
        true => word.end,
        false => end_of_server(line, key.end),
    }
}

/// The first word of the value that is behind `from`.
fn first_word(line: &str, from: usize) -> Range<usize> {
    let value = line.get(from..).unwrap_or_default().trim_start_matches([' ', '[', '"', '\'']);
    let len = value.find([' ', ',', '}', ']', '"', '\'']).unwrap_or(value.len());
    let start = line.len().saturating_sub(value.len());
    start..start.saturating_add(len)
}

/// The end of the server in an address that is behind `from`, else `from`: the path may be a credential.
fn end_of_server(line: &str, from: usize) -> usize {
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

/// `part` of a line without what only structures it, if there is more.
fn trimmed(line: &str, part: Range<usize>) -> Option<Range<usize>> {
    let text = line.get(part.clone())?;
    let bare = text.trim_matches([' ', '\t', ',', '"', '\'', '}', '$']).strip_prefix('{');
    if bare.is_some_and(|name| name.contains('.') && name.bytes().all(is_of_a_variable)) {
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

/// Of `token.sub`, which stands for a value.
const fn is_of_a_variable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'_' | b'-' | b'|' | b' ')
}

/// `user:password` of each URL.
fn users_of_urls(line: &str) -> impl Iterator<Item = Range<usize>> {
    line.match_indices("://").filter_map(move |(at, mark)| {
        let start = at.saturating_add(mark.len());
        let rest = line.get(start..)?;
        // A password may have a slash that should be escaped.
        let address = rest.split(['"', '\'', ' ']).next()?;
        let user = address.rfind('@')?;
        Some(start..start.saturating_add(user))
    })
}

/// The text behind `?` or `#` in each URL.
fn queries_of_urls(line: &str) -> impl Iterator<Item = Range<usize>> {
    line.match_indices("://").filter_map(move |(at, mark)| {
        let start = at.saturating_add(mark.len());
        let url = line.get(start..)?.split(['"', '\'', ' ', ',', '}', ']']).next()?;
        let query = url.find(['?', '#'])?.saturating_add(1);
        (query < url.len()).then(|| start.saturating_add(query)..start.saturating_add(url.len()))
    })
}

/// The values of parameters in paths and queries whose names are like those of secrets: `access_token=..`, `;jsessionid=..`.
fn parameters(line: &str) -> impl Iterator<Item = Range<usize>> {
    let begins = line.match_indices(['?', '&', ';']);
    begins.filter_map(move |(at, mark)| {
        let at = at.saturating_add(mark.len());
        let (name, rest) = line.get(at..)?.split_once('=')?;
        let value = rest.split(['&', ';', '#', '"', '\'', ' ', ',']).next().unwrap_or_default();
        let lower = name.to_ascii_lowercase();
        let like = ["token", "session", "code", "assertion", "sig", "key"];
        let is_secret = holds_credentials(name) || like.iter().any(|part| lower.contains(part));
        let word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let start = at.saturating_add(name.len()).saturating_add(1);
        (word && is_secret && !value.is_empty()).then(|| start..start.saturating_add(value.len()))
    })
}

impl Value {
    /// The value of a key in this line.
    fn below(line: &str) -> Self {
        Self { indent: indent(line), brackets: 0, quote: None, in_text: false }
    }

    /// Reads a part of the value: open brackets and quotes continue it, whatever the indentation. Gives the length of a value in
    /// brackets that ends here.
    fn read(&mut self, part: &str) -> Option<usize> {
        let in_brackets = self.brackets > 0 || part.trim_start().starts_with(['{', '[']);
        let mut before = ' ';
        for (at, c) in part.char_indices() {
            match (self.quote, c) {
                (Some(quote), c) if c == quote && (quote == '\'' || before != '\\') => {
                    self.quote = None;
                }
                (Some(_), _) => {}
                (None, '{' | '[') => self.brackets = self.brackets.saturating_add(1),
                (None, '}' | ']') => {
                    self.brackets = self.brackets.saturating_sub(1);
                    if in_brackets && self.brackets == 0 {
                        return Some(at.saturating_add(1));
                    }
                }
                // Within a word it is an apostrophe.
                (None, '"' | '\'') if !before.is_alphanumeric() => self.quote = Some(c),
                (None, _) => {}
            }
            before = c;
        }
        None
    }

    fn continues_in(&self, line: &str) -> bool {
        // The value of an explicit key (`? key`) stands in a line that begins with a colon.
        let inside = line.trim().is_empty()
            || indent(line) > self.indent
            || line.trim_start().starts_with(':');
        !line.starts_with("---") && (inside || self.brackets > 0 || self.quote.is_some())
    }
}

/// A dash indents: a list may stand at the column of its key.
fn indent(line: &str) -> usize {
    line.len().saturating_sub(line.trim_start_matches([' ', '-']).len())
}

#[cfg(test)]
mod tests;
