//! Hides secrets in what a diagnostic shows: a document may have one where it does not belong, and the line with the mistake is the
//! line with the secret.
//!
//! A value is shown only where its key is known to be harmless, and is not below the key of a secret. Everything else is hidden. The
//! text is not parsed as YAML, since it may not be YAML: in doubt about where a value ends, more is hidden.

use std::borrow::Cow;
use std::ops::Range;

use crate::json::{is_shown, visible};

/// Replaces a secret; always of the same length, so that it does not tell the length of the secret.
const HIDDEN: &str = "<hidden>";

/// Keys whose values are secrets, or lead to them: below them no value is shown.
const SECRETS: [&str; 2] = ["introspection", "keys"];

/// Parts of the names of such keys, in lower case without `-` and `_`.
const LIKE_SECRETS: [&str; 11] = [
    "apikey",
    "authorization",
    "credential",
    "hmac",
    "passphrase",
    "password",
    "passwd",
    "privatekey",
    "pwd",
    "secret",
    "signingkey",
];

/// Keys whose values are no secrets. A key that is not here may be one that no document has, such as `pass`.
const HARMLESS: &str = "accessMarks acr address admin after algorithm algorithms all allowAbsent allowAny allowPlaintext anomalies any \
    anyAuthorityPort anyHost anyScope apiVersion appendedByEnvoy assertion at audience audiences audit author authorities \
    beforeFirstSync bind binding blockFor bundle ca cacheTtl cases certificate certificateBytes certificateIssuer claim \
    clearCookie client clientAddress clientAuthorities clientClaim clientCert clientCertWithoutTls clients clockSkew cluster \
    concurrentChecks conditions connections contains crls days deadline decision delay denyKids depth destination \
    discovery dns documents domain dpop drain during effect emails emptySegments encodedSlashes encoding endpoint entries \
    equals evidence exists expect expires extendedKeyUsage failures fetch file files firstUses folder for foreign \
    forgetful form format forwarders from generated grace group grpc header host hostIsSni hosts id identities in \
    inactiveStatuses insecureAllowPlaintext intermediates interval ips ipv4Prefix ipv6Prefix issuedBefore issuer issuers \
    keep keepAlive keyId kid kind kinds lastKnown leaf leastEvidence level lifetime listener log map max maxAge \
    maxAgeGrace maxBytes maxConcurrent maxLifetime maxStale memory method methods metricsInterval minRemaining minRsaBits \
    mode moreKeys mutualTls name none now on onFull onLoss onMissing onStale origins others otherTrustDomains otlp parameters path \
    paths peer peers peerSources per pins pointer ports prefix prefixed principal privateKeyJwt profile proxies public \
    publish query queue queueBytes readiness reason redirect refresh rejected rejectedCookies reload remote removals \
    remove removed request requests requestsPerHost require requiredClaims revocation revocations rotation rule rules \
    sample sampleAllows scheme scopeForm scopes sentinel serial service serviceName settle shared sharedWith shownHeaders \
    since sni socket source sourceCertificate spec spiffe spiffeId spki stateFolder status stdout store sub subject subjects suffix \
    target tenants text throttle timeout tls to tokenBytes tokenFile trustDomain trustedHops types until uris use wait \
    webSocketProtocol weekly when withoutAudience xEnvoyExternalAddress xfcc xfccWithoutTls xForwardedFor zone";

/// Keys whose values are hidden, and whose names are shown below the keys of secrets. The harmless ones are, too.
const SENSITIVE: [&str; 9] =
    ["basic", "bearer", "headers", "inline", "key", "post", "secrets", "token", "url"];

/// Keys below those of secrets whose values are shown where they are plain: a length of time, or a word that is no secret.
const PLAIN_BELOW: [&str; 10] = [
    "allowPlaintext",
    "cacheTtl",
    "client",
    "discovery",
    "maxConcurrent",
    "maxStale",
    "metadata",
    "none",
    "refresh",
    "timeout",
];

/// Words that are no secrets.
const PLAIN_WORDS: &str =
    "false no none null oauth oauth2 off oidc on openid openid-configuration rfc8414 true yes";

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
        if secret.is_some() && begin.is_none() && !in_pem {
            let value = value.get_or_insert_with(|| Value::below(line));
            let length = value.read(line.get(from..).unwrap_or_default());
            to = length.map_or(to, |length| from.saturating_add(length));
        }
        let part = |part: Range<usize>| line.get(part).unwrap_or_default();
        let mut own = open_part(part(0..from), &mut harmless);
        let shown = shown.get_or_insert_with(|| Value::below(line));
        let ends_outside = |key: &MaskedKey<'_>| !is_quoted(part(0..key.end.saturating_sub(1)));
        if let Some(key) = keys_in_place(line).filter(ends_outside).last() {
            *shown = Value::below(line);
            shown.read(part(key.end..line.len()));
        } else {
            shown.read(line);
        }
        own.extend(secret_part(part(from..to)).map(|own| moved(&own, from)));
        if secret.is_some() {
            harmless = false;
            masks.secret.push(moved(&(from..to), start));
            own.extend(
                open_part(part(to..line.len()), &mut harmless).iter().map(|own| moved(own, to)),
            );
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

/// True if it is a name of the schema.
fn is_known(name: &str) -> bool {
    is_harmless(name) || SENSITIVE.contains(&name) || SECRETS.contains(&name)
}

fn is_harmless(key: &str) -> bool {
    HARMLESS.split(' ').any(|own| own == key)
}

/// True if values of this key may be secrets, or lead to some.
pub(crate) fn holds_credentials(key: &str) -> bool {
    let bare = key.to_ascii_lowercase().replace(['-', '_'], "");
    SECRETS.contains(&key) || LIKE_SECRETS.iter().any(|part| bare.contains(part))
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
/// values of parameters that hold credentials anywhere.
fn open_part(line: &str, harmless: &mut bool) -> Vec<Range<usize>> {
    let hidden = users_of_urls(line).chain(queries_of_urls(line)).chain(parameters(line));
    let mut hidden: Vec<_> = hidden.collect();
    let mut from = 0;
    for MaskedKey { name, start, end } in keys_in_place(line) {
        if !*harmless {
            hidden.extend(trimmed(line, from..start));
        }
        let listed = name == "headers"
            && line.get(end..).is_some_and(|rest| {
                // Names alone: a pair may be a credential.
                rest.trim_start().strip_prefix('[').is_some_and(|list| !has_pair(list))
            });
        *harmless = is_harmless(name) || name == "url" || listed;
        from = end;
    }
    if !*harmless {
        hidden.extend(trimmed(line, from..line.len()));
    } else if let Some(comment) = line.find(" #").or_else(|| line.starts_with('#').then_some(0)) {
        hidden.extend(trimmed(line, comment.saturating_add(2)..line.len()));
    }
    hidden
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
    if keys_in_place(line).next().is_some() || text.starts_with(['[', '{', '}', ']']) {
        return false;
    }
    // An entry of a list may be a host with its port.
    let is_entry = line.trim_start().starts_with('-');
    text.contains(": ") || text.trim_end().ends_with(':') || (!is_entry && is_pair(text))
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

/// The hidden parts of a line below a secret: everything but known keys.
fn secret_part(line: &str) -> impl Iterator<Item = Range<usize>> {
    let known = keys(line).filter(|key| {
        let name = key.name;
        is_harmless(name) || SENSITIVE.contains(&name) || PLAIN_BELOW.contains(&name)
    });
    let known = known.map(|key| (key.start, plain_end(line, &key)));
    let known = known.chain([(line.len(), line.len())]);
    let mut from = 0;
    known.filter_map(move |(start, end)| {
        let gap = trimmed(line, from..start);
        from = end;
        gap
    })
}

/// The end of what is shown of a key below a secret: of its value, where that is plain.
fn plain_end(line: &str, key: &MaskedKey<'_>) -> usize {
    let rest = line.get(key.end..).unwrap_or_default();
    let value = rest.trim_start();
    let word = value.split([' ', ',', '}', ']']).next().unwrap_or_default();
    let is_time = word.len() <= 8
        && word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || "mshd".contains(c));
    let is_plain = is_time || PLAIN_WORDS.split_whitespace().any(|own| own == word);
    if !is_plain || !PLAIN_BELOW.contains(&key.name) {
        return key.end;
    }
    let blank = rest.len().saturating_sub(value.len());
    key.end.saturating_add(blank).saturating_add(word.len())
}

/// `part` of a line without what only structures it, if there is more.
fn trimmed(line: &str, part: Range<usize>) -> Option<Range<usize>> {
    let text = line.get(part.clone())?;
    let bare = text.trim_matches([' ', '\t', ',', '"', '\'', '}']).strip_prefix('{');
    if bare.is_some_and(|name| name.contains('.') && name.bytes().all(is_of_a_variable)) {
        return None;
    }
    let front = text.len().saturating_sub(text.trim_start_matches(STRUCTURE).len());
    let inner = text.trim_matches(STRUCTURE);
    let start = part.start.saturating_add(front);
    (!inner.trim_matches(['"', '\'']).is_empty()).then(|| start..start.saturating_add(inner.len()))
}

/// Of `token.sub`, which stands for a value.
const fn is_of_a_variable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'_' | b'-' | b'|')
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
        Self { indent: indent(line), brackets: 0, quote: None }
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
