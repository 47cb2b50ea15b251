//! What a shown line must not show: somebody may have written a secret into a document, where it does not belong, and the
//! line with the mistake is the line with the secret.

use std::borrow::Cow;
use std::ops::Range;

/// What stands for it: of one length, which would tell something otherwise.
const HIDDEN: &str = "<hidden>";

/// Keys whose values hold credentials, or lead to them.
const CREDENTIALS: [&str; 2] = ["introspection", "keys"];

/// Parts of the names of such keys, wherever and however somebody writes them.
const LIKE_CREDENTIALS: [&str; 8] =
    ["apikey", "credential", "hmac", "passphrase", "password", "passwd", "privatekey", "secret"];

/// Keys below these whose values are no secrets, and without which nobody sees what is wrong.
const PLAIN: [&str; 9] =
    ["algorithm", "audience", "endpoint", "file", "id", "issuer", "keyId", "name", "url"];

/// A piece of a line of YAML.
struct Token<'t> {
    text: &'t str,
    place: Range<usize>,
    is_key: bool,
}

/// `text` without the secrets in the lines of `span`, and where `span` is then.
pub(super) fn hide(text: &str, span: Range<usize>) -> (Cow<'_, str>, Range<usize>) {
    let mut secrets: Vec<_> = lines(text, &span).flat_map(|line| secrets_in(text, line)).collect();
    if secrets.is_empty() {
        return (Cow::Borrowed(text), span);
    }
    secrets.sort_by_key(|secret| secret.start);
    let mut shown = String::with_capacity(text.len());
    let (mut done, mut moved) = (0, span.clone());
    for secret in secrets {
        // A URL in a value that is hidden as a whole.
        let Some(before) = text.get(done..secret.start) else { continue };
        shown.push_str(before);
        moved.start = follow(span.start, moved.start, &secret, shown.len());
        shown.push_str(HIDDEN);
        moved.end = follow(span.end, moved.end, &secret, shown.len());
        done = secret.end;
    }
    shown.push_str(text.get(done..).unwrap_or_default());
    (Cow::Owned(shown), moved.start..moved.end.max(moved.start))
}

/// Whether what stands at `at` may be a secret.
pub(super) fn may_be_secret(text: &str, at: usize) -> bool {
    let line = line_at(text, at);
    let before = text.get(line.start..at).unwrap_or_default();
    is_below_credentials(text, line.start)
        || tokens(before, line.start)
            .iter()
            .any(|token| token.is_key && holds_credentials(token.text))
}

/// Where `from`, which is `moved` by what was hidden before, is once `secret` is hidden; `edge` is the edge of what stands
/// for it.
fn follow(from: usize, moved: usize, secret: &Range<usize>, edge: usize) -> usize {
    if from >= secret.end {
        let (shorter, longer) = (secret.len(), HIDDEN.len());
        moved.saturating_add(longer).saturating_sub(shorter)
    } else if from > secret.start {
        edge
    } else {
        moved
    }
}

/// The lines that `span` touches.
fn lines<'t>(text: &'t str, span: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<'t> {
    let end = span.end.max(span.start.saturating_add(1));
    let mut next = Some(line_at(text, span.start));
    std::iter::from_fn(move || {
        let line = next.take()?;
        let after = line.end.saturating_add(1);
        next = (after < end && after < text.len()).then(|| line_at(text, after));
        Some(line)
    })
}

fn line_at(text: &str, at: usize) -> Range<usize> {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
    let rest = text.get(start..).unwrap_or_default();
    start..rest.find('\n').map_or(text.len(), |len| start.saturating_add(len))
}

fn secrets_in(text: &str, line: Range<usize>) -> Vec<Range<usize>> {
    let own = text.get(line.clone()).unwrap_or_default();
    let mut secret = is_below_credentials(text, line.start) || is_in_private_key(text, line.start);
    let mut key = "";
    let mut found: Vec<_> = user_of_url(own, line.start).collect();
    for token in tokens(own, line.start) {
        if token.is_key {
            key = token.text;
            secret = secret || holds_credentials(key);
        } else {
            let plain = PLAIN.contains(&std::mem::take(&mut key));
            let is_block = token.text.starts_with(['|', '>']) && token.text.len() < 4;
            found.extend(Some(token.place).filter(|_| secret && !plain && !is_block));
        }
    }
    found
}

/// Whether values of this key may be secrets, or lead to some.
pub(super) fn holds_credentials(key: &str) -> bool {
    let bare = key.to_ascii_lowercase().replace(['-', '_'], "");
    CREDENTIALS.contains(&key) || LIKE_CREDENTIALS.iter().any(|part| bare.contains(part))
}

/// Whether a line above, which this one is indented below, has a key that holds credentials.
fn is_below_credentials(text: &str, start: usize) -> bool {
    let indent = |line: &str| line.len().saturating_sub(line.trim_start_matches([' ', '-']).len());
    let rest = text.get(start..).unwrap_or_default();
    let mut depth = indent(rest.lines().next().unwrap_or_default());
    let above = text.get(..start).unwrap_or_default();
    for line in above.lines().rev().filter(|line| !line.trim().is_empty()) {
        if line.starts_with("---") {
            return false;
        }
        if indent(line) < depth {
            depth = indent(line);
            if tokens(line, 0).iter().any(|token| token.is_key && holds_credentials(token.text)) {
                return true;
            }
        }
    }
    false
}

fn is_in_private_key(text: &str, start: usize) -> bool {
    let above = text.get(..start).unwrap_or_default().lines().rev();
    let mark = above.map(str::trim).find(|line| line.starts_with("-----"));
    mark.is_some_and(|mark| mark.starts_with("-----BEGIN") && mark.contains("PRIVATE KEY"))
}

/// `user:password` of a URL.
fn user_of_url(line: &str, base: usize) -> impl Iterator<Item = Range<usize>> {
    line.match_indices("://").filter_map(move |(at, mark)| {
        let start = at.saturating_add(mark.len());
        let rest = line.get(start..)?;
        let authority = rest.split(['/', '?', '#', '"', '\'', ' ']).next()?;
        let user = authority.rfind('@')?;
        Some(base.saturating_add(start)..base.saturating_add(start).saturating_add(user))
    })
}

/// The keys and values of a line; a comment is a value, too.
fn tokens(line: &str, base: usize) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
        let skipped = rest.len().saturating_sub(
            rest.trim_start_matches([' ', '\t', '\r', ',', '{', '}', '[', ']']).len(),
        );
        let skipped = if skipped == 0 && rest.starts_with("- ") { 2 } else { skipped };
        if skipped > 0 {
            at = at.saturating_add(skipped);
            continue;
        }
        let len = length(rest);
        let (text, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
        let is_key = after.trim_start().strip_prefix(':').is_some_and(|value| {
            value.is_empty()
                || value.starts_with([' ', '\t', '\r'])
                || text.starts_with(['"', '\''])
        });
        let start = base.saturating_add(at);
        let place = start..start.saturating_add(text.trim_end().len());
        tokens.push(Token { text: text.trim().trim_matches(['"', '\'']), place, is_key });
        let colon =
            if is_key { after.find(':').map_or(0, |colon| colon.saturating_add(1)) } else { 0 };
        at = at.saturating_add(len.max(1)).saturating_add(colon);
    }
    tokens
}

/// The length of the scalar or comment at the start of `rest`.
fn length(rest: &str) -> usize {
    if let Some(quote) = rest.chars().next().filter(|quote| ['"', '\''].contains(quote)) {
        let inner = rest.get(1..).unwrap_or_default();
        return inner.find(quote).map_or(rest.len(), |end| end.saturating_add(2));
    }
    if rest.starts_with('#') {
        return rest.len();
    }
    let ends = [
        rest.find([',', '}', ']']),
        rest.find(": "),
        rest.find(" #"),
        rest.strip_suffix(':').map(str::len),
    ];
    ends.into_iter().flatten().min().unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of the line with `^`, and what the span points at then.
    fn shown(text: &str) -> (String, String) {
        let at = text.find('^').unwrap();
        let text = text.replacen('^', "", 1);
        let rest = text.get(at..).unwrap();
        let len = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let (hidden, span) = hide(&text, at..at + len);
        let line = line_at(&hidden, span.start);
        (hidden.get(line).unwrap().trim().to_owned(), hidden.get(span).unwrap().to_owned())
    }

    #[test]
    fn values_of_credentials_are_hidden_and_the_rest_is_shown() {
        for (text, line, pointed) in [
            (
                "keys:\n  secrets: [{ ^inline: hunter2 }]",
                "secrets: [{ inline: <hidden> }]",
                "inline",
            ),
            (
                "keys: { hmac: ^hunter2, file: a.key }",
                "keys: { hmac: <hidden>, file: a.key }",
                "<hidden>",
            ),
            ("keys:\n  secrets:\n    - ^inline: |\n        hunter2", "- inline: |", "inline"),
            ("keys:\n  secrets:\n    - inline: |\n        ^hunter2", "<hidden>", "<hidden>"),
            ("keys:\n  secrets:\n  - \"^hunter2\"", "- <hidden>", "<hidden>"),
            (
                "keys:\n  secrets:\n  - hunter2 is: ^mine # or hunter3",
                "- hunter2 is: <hidden> <hidden>",
                "<hidden>",
            ),
            (
                "introspection:\n  client: { id: orders, ^basic: hunter2 }",
                "client: { id: orders, basic: <hidden> }",
                "basic",
            ),
            (
                "  client_secret: \"hunter2\", ^id: orders",
                "client_secret: <hidden>, id: orders",
                "id",
            ),
            ("apiKey: hun ter2\nclaims: ^x", "claims: x", "x"),
            ("redis:\n  url: redis://u:hunter2@^host/", "url: redis://<hidden>@host/", "host"),
            ("a: |\n  -----BEGIN PRIVATE KEY-----\n  ^hunter2", "<hidden>", "<hidden>"),
            ("a: |\n  -----BEGIN CERTIFICATE-----\n  ^public", "public", "public"),
            ("keys: {}\n---\nrules:\n  - name: ^read", "- name: read", "read"),
            (
                "keys: { url: https://login.example.com/keys, ^refsh: 5m }",
                "keys: { url: https://login.example.com/keys, refsh: <hidden> }",
                "refsh",
            ),
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
        assert_eq!(hidden, "keys:\n  a: <hidden>\n  b: <hidden>\nc: d\n");
        assert_eq!(span, 6..hidden.len());
    }

    proptest::proptest! {
        /// Whatever a document looks like, it is shown without a panic, and the place stays inside.
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
    }
}
