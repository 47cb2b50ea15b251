//! Hides secrets in what a diagnostic shows: a document may have one where it does not belong, and the line with the mistake is the
//! line with the secret.
//!
//! A value is shown only where its key is known to be harmless, and is not below the key of a secret. Everything else is hidden. Lines
//! are read one by one, since the text may not be YAML: in doubt about where a value ends, more is hidden. Where it is YAML, its parser
//! says which key a value is of (`parsed`), and both must agree to show it.

use std::borrow::Cow;
use std::ops::Range;

use self::lines::{
    MaskedKey, after_escaped_key, end_of_server, first_word, indent, is_quoted, keys,
    keys_in_place, moved, trimmed,
};
use self::urls::credentials_in;
use self::words::{
    PLAIN_BELOW, SENSITIVE, is_among, is_file, is_harmless, is_known, is_plain, is_prose, is_word,
};
use crate::json::{is_shown, visible};
use crate::limits::MAX_SHOWN_LINE_BYTES;
use crate::secret::{HIDDEN, tokens_in, without_tokens};

pub(crate) use self::words::holds_credentials;

mod comparisons;
mod lines;
mod parsed;
mod urls;
mod words;

/// The parts of a text that are not shown.
#[derive(Debug, Default)]
pub(super) struct Masks {
    /// The ranges to replace, in order.
    hidden: Vec<Range<usize>>,
    /// The values below the keys of secrets, in order: no message quotes them.
    secret: Vec<Range<usize>>,
    /// The values that are compared with credentials, in order: no message about another place quotes them either.
    compared: Vec<Range<usize>>,
}

/// The value of a secret's key, line by line.
struct Value {
    indent: usize,
    brackets: usize,
    quote: Option<char>,
    /// True once a text of several lines may have begun in it.
    in_text: bool,
}

/// The parts of `text` that are not shown.
pub(super) fn masks(text: &str) -> Masks {
    let (mut value, mut in_pem, mut harmless, mut start): (Option<Value>, _, _, _) =
        (None, false, false, 0_usize);
    let mut shown: Option<Value> = None;
    let mut masks = Masks::default();
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_end_matches(['\n', '\r']);
        if line.len() > MAX_SHOWN_LINE_BYTES {
            masks.hide_whole(moved(&(0..line.len()), start));
            (harmless, value, shown) = (false, Some(Value::below(line)), None);
            start = start.saturating_add(whole.len());
            continue;
        }
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
    masks.compared = comparisons::compared_values(text);
    masks.hidden.extend(parsed::values(text));
    masks.hidden.extend(masks.compared.iter().cloned().chain(tokens_in(text)));
    masks.hidden = joined(masks.hidden);
    masks
}

impl Masks {
    fn hide_whole(&mut self, line: Range<usize>) {
        self.hidden.push(line.clone());
        self.secret.push(line);
    }
}

/// The parts in order, each one once.
fn joined(mut parts: Vec<Range<usize>>) -> Vec<Range<usize>> {
    parts.sort_by_key(|part| part.start);
    parts.into_iter().fold(Vec::new(), |mut all: Vec<Range<usize>>, part| {
        match all.last_mut().filter(|last| part.start < last.end) {
            Some(last) => last.end = last.end.max(part.end),
            None => all.push(part),
        }
        all
    })
}

/// The masks of a text that its reader has just written: tokens alone are hidden.
pub(super) fn masks_of_argument(text: &str) -> Masks {
    Masks { hidden: tokens_in(text).collect(), ..Masks::default() }
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

/// `message` without the words that it quotes from below the key of a secret at `at`, and without those that are compared with
/// credentials. The names of keys and of files stay.
pub(super) fn quiet(message: &str, text: &str, masks: &Masks, at: usize) -> String {
    let message = without_tokens(message);
    let compared = masks.compared.iter().filter_map(|part| text.get(part.clone()));
    let message = compared.filter(|own| own.len() > 3).fold(message, |message, own| {
        if message.contains(own) { message.replace(own, HIDDEN) } else { message }
    });
    let message = with_hidden_addresses(&message, text, masks, at);
    let part = part_at(&masks.secret, at).and_then(|_| part_at(&masks.hidden, at));
    let Some(own) = part.and_then(|part| text.get(part.clone())) else { return message };
    let own = own.trim_matches([' ', '"', '\'']);
    ['`', '"'].into_iter().fold(message, |message, quote| {
        let parts = message.split(quote).enumerate().map(|(at, part)| {
            let is_key = is_word(part)
                && own.split_once(part).is_some_and(|(_, rest)| rest.starts_with(':'));
            // The path of a file is longer than its name in the document.
            let repeats = own.contains(part) || (own.len() > 2 && part.ends_with(own));
            let quoted = at % 2 == 1 && part.len() > 2 && !is_known(part) && repeats;
            if quoted && !is_key && !is_file(own) { HIDDEN } else { part }
        });
        parts.collect::<Vec<_>>().join(&quote.to_string())
    })
}

/// `message` with the addresses that it quotes as the line at `at` shows them: without passwords and queries. What stands below the
/// key of a secret is another matter: messages name keys and files there.
fn with_hidden_addresses(message: &str, text: &str, masks: &Masks, at: usize) -> String {
    let before = text.get(..at).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |end| end.saturating_add(1));
    let length = text.get(start..).map_or(0, |rest| rest.find('\n').unwrap_or(rest.len()));
    let line = start..start.saturating_add(length);
    let parts = masks.hidden.iter().filter(|part| line.contains(&part.start));
    let parts = parts.filter(|part| part_at(&masks.secret, part.start).is_none());
    let hidden: Vec<_> = parts.filter_map(|part| text.get(part.clone())).collect();
    let shown = |(at, part): (usize, &str)| match at % 2 == 1 && part.contains("://") {
        true => hidden.iter().fold(part.to_owned(), |part, own| part.replace(own, HIDDEN)),
        false => part.to_owned(),
    };
    message.split('`').enumerate().map(shown).collect::<Vec<_>>().join("`")
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

/// The end of the first key in the line that holds credentials.
fn after_secret_key(line: &str) -> Option<usize> {
    let explicit = line.trim_start_matches([' ', '-']).strip_prefix('?').map(str::trim);
    let explicit = explicit.filter(|key| holds_credentials(key.trim_matches(['"', '\''])));
    let named = keys(line).chain(keys_in_place(line));
    let key = named.filter(|key| holds_credentials(key.name)).map(|key| key.end).min();
    let key = key.into_iter().chain(after_escaped_key(line)).min();
    key.or_else(|| explicit.map(|_| line.len().saturating_sub(1)))
}

/// The hidden parts of a line that is not below a secret: the values of keys that are not harmless, and the users of URLs and the
/// values of parameters that hold credentials anywhere. `is_free` is true where a comment cannot be a part of a value.
fn open_part(line: &str, harmless: &mut bool, is_free: bool) -> Vec<Range<usize>> {
    let (line, comment) = line.split_at(comment_at(line));
    let mut hidden: Vec<_> = credentials_in(line).collect();
    let mut from = 0;
    for MaskedKey { name, start, end, is_odd } in keys_in_place(line) {
        if !*harmless {
            hidden.extend(trimmed(line, from..start));
        }
        hidden.extend(trimmed(line, start..end).filter(|_| is_odd));
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
    match is_plain(key.name, text) {
        true => word.end,
        false => end_of_server(line, key.end),
    }
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

#[cfg(test)]
mod tests;
