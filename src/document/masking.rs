//! Hides secrets in the lines that a diagnostic shows: a document may have one where it does not belong, and the line with the
//! mistake is the line with the secret.
//!
//! Nothing under a secret's key is shown but the names of known keys. The text is not parsed as YAML, since it may not be YAML.

use std::borrow::Cow;
use std::ops::Range;

/// Replaces a secret; always of the same length, so that it does not tell the length of the secret.
const HIDDEN: &str = "<hidden>";

/// Keys whose values are secrets, or lead to them.
const SECRETS: [&str; 2] = ["introspection", "keys"];

/// Parts of the names of such keys, in lower case without `-` and `_`.
const LIKE_SECRETS: [&str; 8] =
    ["apikey", "credential", "hmac", "passphrase", "password", "passwd", "privatekey", "secret"];

/// Keys below those of secrets: their names are shown, their values are not.
const KNOWN: [&str; 24] = [
    "algorithm",
    "allowPlaintext",
    "audience",
    "basic",
    "ca",
    "cacheTtl",
    "certificate",
    "client",
    "discovery",
    "file",
    "id",
    "inline",
    "issuer",
    "key",
    "keyId",
    "maxConcurrent",
    "maxStale",
    "mutualTls",
    "post",
    "privateKeyJwt",
    "refresh",
    "secrets",
    "timeout",
    "url",
];

/// Characters that structure YAML. At the ends of a hidden text they are shown.
const STRUCTURE: [char; 11] = [' ', '\t', '\r', '{', '}', '[', ']', ',', '-', '|', '>'];

/// A line, and the part of it that may be secret.
struct Line {
    whole: Range<usize>,
    secret: Range<usize>,
}

/// The value of a secret's key, line by line.
struct Value {
    indent: usize,
    brackets: usize,
    in_quotes: bool,
}

/// `text` without the secrets in the lines of `span`, and `span` in the new text.
pub(super) fn hide(text: &str, span: Range<usize>) -> (Cow<'_, str>, Range<usize>) {
    let end = span.end.max(span.start.saturating_add(1));
    let shown = lines(text)
        .into_iter()
        .filter(|line| line.whole.start < end && span.start <= line.whole.end);
    let mut secrets: Vec<_> = shown.flat_map(|line| secrets_in(text, &line)).collect();
    if secrets.is_empty() {
        return (Cow::Borrowed(text), span);
    }
    secrets.sort_by_key(|secret| secret.start);
    let mut masked = String::with_capacity(text.len());
    let (mut done, mut moved) = (0, span.clone());
    for secret in secrets {
        // The user of a URL in a value that is hidden as a whole.
        let Some(before) = text.get(done..secret.start) else { continue };
        masked.push_str(before);
        moved.start = follow(span.start, moved.start, &secret, masked.len());
        masked.push_str(HIDDEN);
        moved.end = follow(span.end, moved.end, &secret, masked.len());
        done = secret.end;
    }
    masked.push_str(text.get(done..).unwrap_or_default());
    (Cow::Owned(masked), moved.start..moved.end.max(moved.start))
}

/// Whether the text at `at` may be a secret.
pub(super) fn may_be_secret(text: &str, at: usize) -> bool {
    lines(text).iter().any(|line| line.secret.contains(&at))
}

/// Whether values of this key may be secrets, or lead to some.
pub(super) fn holds_credentials(key: &str) -> bool {
    let bare = key.to_ascii_lowercase().replace(['-', '_'], "");
    SECRETS.contains(&key) || LIKE_SECRETS.iter().any(|part| bare.contains(part))
}

/// The new place of `from`, which earlier secrets `moved`, once `secret` is hidden; `edge` is the edge of its replacement.
fn follow(from: usize, moved: usize, secret: &Range<usize>, edge: usize) -> usize {
    if from >= secret.end {
        moved.saturating_add(HIDDEN.len()).saturating_sub(secret.len())
    } else if from > secret.start {
        edge
    } else {
        moved
    }
}

fn lines(text: &str) -> Vec<Line> {
    let (mut value, mut in_key): (Option<Value>, _) = (None, false);
    let mut start = 0_usize;
    let mut line = |line: &str| {
        let own = line.trim_end_matches('\n');
        let whole = start..start.saturating_add(own.len());
        start = start.saturating_add(line.len());
        value = value.take().filter(|value| value.continues_in(own));
        let begin = own.find("-----BEGIN").filter(|_| own.contains("PRIVATE KEY"));
        let from = match (&value, begin) {
            (Some(_), _) => Some(0),
            (None, _) if in_key => Some(0),
            (None, Some(begin)) => Some(begin),
            (None, None) => after_secret_key(own),
        };
        in_key = (in_key || begin.is_some()) && !own.contains("-----END");
        let secret = from.map_or(whole.end, |from| whole.start.saturating_add(from));
        if let (Some(from), false) = (from, in_key || begin.is_some()) {
            let value = value.get_or_insert_with(|| Value::below(own));
            value.read(own.get(from..).unwrap_or_default());
        }
        Line { secret: secret..whole.end, whole }
    };
    text.split_inclusive('\n').map(&mut line).collect()
}

/// The end of the first key in the line that holds credentials.
fn after_secret_key(line: &str) -> Option<usize> {
    keys(line).find(|(_, key)| holds_credentials(key)).map(|(end, _)| end)
}

/// Each word before a colon, with the end of the colon.
fn keys(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.match_indices(':').filter_map(move |(at, _)| {
        let before = text.get(..at)?.trim_end().trim_end_matches(['"', '\'']);
        let start = before.rfind(|c| !word(c)).map_or(0, |end| end.saturating_add(1));
        Some((at.saturating_add(1), before.get(start..)?.trim_start_matches('-')))
    })
}

/// The secrets of a line: all of its secret part but the known keys, and the user of a URL anywhere.
fn secrets_in(text: &str, line: &Line) -> Vec<Range<usize>> {
    let mut secrets: Vec<_> =
        users_of_urls(text.get(line.whole.clone()).unwrap_or_default(), line.whole.start).collect();
    let part = text.get(line.secret.clone()).unwrap_or_default();
    let mut from = 0;
    let known = keys(part).filter(|(_, key)| KNOWN.contains(key)).map(|(end, key)| {
        let name = part.get(..end).and_then(|before| before.rfind(key)).unwrap_or(end);
        (name, end)
    });
    for (name, end) in known.chain([(part.len(), part.len())]) {
        let gap = part.get(from..name).unwrap_or_default();
        let front = gap.len().saturating_sub(gap.trim_start_matches(STRUCTURE).len());
        let hidden = gap.trim_matches(STRUCTURE);
        if !hidden.is_empty() {
            let start = line.secret.start.saturating_add(from).saturating_add(front);
            secrets.push(start..start.saturating_add(hidden.len()));
        }
        from = end;
    }
    secrets
}

/// `user:password` of each URL.
fn users_of_urls(line: &str, base: usize) -> impl Iterator<Item = Range<usize>> {
    line.match_indices("://").filter_map(move |(at, mark)| {
        let start = at.saturating_add(mark.len());
        let rest = line.get(start..)?;
        let authority = rest.split(['/', '?', '#', '"', '\'', ' ']).next()?;
        let user = authority.rfind('@')?;
        Some(base.saturating_add(start)..base.saturating_add(start).saturating_add(user))
    })
}

impl Value {
    /// The value of a key in this line.
    fn below(line: &str) -> Self {
        Self { indent: indent(line), brackets: 0, in_quotes: false }
    }

    /// Reads a part of the value: open brackets and quotes continue it, whatever the indentation.
    fn read(&mut self, part: &str) {
        for c in part.chars() {
            match c {
                '{' | '[' => self.brackets = self.brackets.saturating_add(1),
                '}' | ']' => self.brackets = self.brackets.saturating_sub(1),
                '"' => self.in_quotes = !self.in_quotes,
                _ => {}
            }
        }
    }

    fn continues_in(&self, line: &str) -> bool {
        let inside = line.trim().is_empty() || indent(line) > self.indent;
        !line.starts_with("---") && (inside || self.brackets > 0 || self.in_quotes)
    }
}

/// A dash indents: a list may stand at the column of its key.
fn indent(line: &str) -> usize {
    line.len().saturating_sub(line.trim_start_matches([' ', '-']).len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line with `^` as it is shown, and the text that the span points at.
    fn shown(text: &str) -> (String, String) {
        let at = text.find('^').unwrap();
        let text = text.replacen('^', "", 1);
        let rest = text.get(at..).unwrap();
        let len = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let (hidden, span) = hide(&text, at..at + len);
        let line = hidden.get(..span.start).unwrap().rfind('\n').map_or(0, |end| end + 1);
        let line = hidden.get(line..).unwrap().lines().next().unwrap();
        (line.trim().to_owned(), hidden.get(span).unwrap().to_owned())
    }

    #[test]
    fn nothing_below_a_secrets_key_is_shown_but_known_keys() {
        for (text, line, pointed) in [
            (
                "keys:\n  secrets: [{ ^inline: hunter2 }]",
                "secrets: [{ inline: <hidden> }]",
                "inline",
            ),
            (
                "keys: { hmac: ^hunter2, file: a.key }",
                "keys: { <hidden>, file: <hidden> }",
                "<hidden>",
            ),
            ("keys:\n  secrets:\n    - ^inline: |\n        hunter2", "- inline: |", "inline"),
            ("keys:\n  secrets:\n    - inline: |\n        ^hunter2", "<hidden>", "<hidden>"),
            ("keys:\n  secrets:\n  - \"^hunter2\"", "- <hidden>", "<hidden>"),
            ("keys: [\n^hunter2, a]\nb: c", "<hidden>]", "<hidden>"),
            ("password: \"hunter2\n^hunter3\"\nb: c", "<hidden>", "<hidden>"),
            (
                "introspection:\n  client: { id: orders, ^basic: hunter2 }",
                "client: { id: <hidden>, basic: <hidden> }",
                "basic",
            ),
            (
                "  client_secret: \"hunter2\", ^id: orders",
                "client_secret: <hidden>, id: <hidden>",
                "id",
            ),
            ("apiKey: hun ter2\nclaims: ^x", "claims: x", "x"),
            ("redis:\n  url: redis://u:hunter2@^host/", "url: redis://<hidden>@host/", "host"),
            ("a: |\n  -----BEGIN PRIVATE KEY-----\n  ^hunter2", "<hidden>", "<hidden>"),
            ("a: \"-----BEGIN PRIVATE KEY-----\\n^hunter2\"", "a: \"-----<hidden>", "<hidden>"),
            ("a: |\n  -----BEGIN CERTIFICATE-----\n  ^public", "public", "public"),
            ("keys: {}\n---\nrules:\n  - name: ^read", "- name: read", "read"),
            (
                "token: { issuer: corp, ^scope: [a] }",
                "token: { issuer: corp, scope: [a] }",
                "scope",
            ),
        ] {
            assert_eq!(shown(text), (line.to_owned(), pointed.to_owned()), "{text}");
        }
    }

    #[test]
    fn every_line_of_a_span_is_looked_at() {
        let text = "keys:\n  a: hunter2\n  b: hunter3\nc: d\n";
        let (hidden, span) = hide(text, 6..text.len());
        assert_eq!(hidden, "keys:\n  <hidden>\n  <hidden>\nc: d\n");
        assert_eq!(span, 6..hidden.len());
    }

    proptest::proptest! {
        /// Any text is shown without a panic, and the span stays inside.
        #[test]
        fn anything_can_be_shown(text in "[a-z:{}\\[\\] \"'#|\\n@/é-]{0,80}", from in 0usize..90, len in 0usize..40) {
            let text = format!("keys:\n {text}");
            let floor = |mut at: usize| {
                at = at.min(text.len());
                while !text.is_char_boundary(at) { at -= 1; }
                at
            };
            let span = floor(from)..floor(from + len);
            let (hidden, moved) = hide(&text, span);
            proptest::prop_assert!(hidden.get(moved).is_some());
        }

        /// No value of a secret's key is shown, however it is written.
        #[test]
        fn no_secret_is_shown(before in "[ {\\[,-]{0,4}", key in "(hmac|keys|client_secret|file: a, password)",
            middle in "[ {\\[\"'|>-]{0,5}", after in "[ }\\]\"',]{0,5}") {
            let text = format!("{before}{key}: {middle}HUNTER2{after}\nb: c\n");
            let (hidden, _) = hide(&text, 0..text.len());
            proptest::prop_assert!(!hidden.contains("HUNTER2"), "{}", hidden);
        }
    }
}
