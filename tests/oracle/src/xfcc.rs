//! Section 5a: the header `x-forwarded-client-cert`, as text.

use crate::path::decode;
use crate::value::Value;

/// 5.20 What one proxy says of the certificate that it saw.
#[derive(Debug, Clone, Default)]
pub struct Element {
    /// `By`: the URI names of the proxy's own certificate.
    pub by: Vec<String>,
    /// `Hash`, in lower-case hexadecimal.
    pub hash: Option<String>,
    /// `Cert`: PEM.
    pub cert: Option<String>,
    /// `Chain`: PEM, the leaf first.
    pub chain: Option<String>,
    /// `Subject`, as RFC 2253 text.
    pub subject: Option<String>,
    /// `URI`.
    pub uri: Vec<String>,
    /// True if it says that there is no URI (`URI=`).
    pub no_uri: bool,
    /// `DNS`.
    pub dns: Vec<String>,
    /// True if something stands behind the `URI`.
    pub follows_uri: bool,
}

/// The header: its elements, the nearest proxy last, and whether it is JSON.
pub type Header = (Vec<Element>, bool);

/// 5.21 Keys stand in this order, in any case; others may follow.
const ORDER: [&str; 8] = ["by", "hash", "cert", "chain", "subject", "uri", "dns", "issuer"];

/// Splits at a separator outside quotes; none where a quote stays open.
fn split(text: &str, separator: char) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut()?.push(c);
    }
    (!quoted && !escaped).then_some(parts)
}

/// 5.22 Reads the header. One thing that breaks the grammar refuses the whole of it: none.
pub fn read(value: &str) -> Option<Header> {
    if value.len() > 64 * 1024 || value.contains(char::is_control) {
        return None;
    }
    let bare = value.trim_start_matches(' ');
    let elements: Vec<Element> = match bare.chars().next() {
        None => Vec::new(),
        // 5.24 What begins with `[` is JSON.
        Some('[') => Value::json(value.as_bytes(), 3)?.list()?.iter().map(object).collect::<Option<_>>()?,
        // An intermediary that joins two lines writes a space behind the comma.
        Some(_) => split(value, ',')?.iter().map(|e| one(e.trim_start_matches(' '))).collect::<Option<_>>()?,
    };
    (elements.len() <= 16).then_some((elements, bare.starts_with('[')))
}

/// 5.10 DER of PEM certificates, before which nothing stands.
pub fn certificates(pem: &str) -> Option<Vec<Vec<u8>>> {
    use x509_cert::der::Encode;
    let _ = pem.trim_ascii_start().strip_prefix("-----BEGIN CERTIFICATE-----")?;
    let read = x509_cert::Certificate::load_pem_chain(pem.as_bytes()).ok()?;
    read.iter().map(|c| c.to_der().ok()).collect()
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// 5.25 What a name can be: of a URI, and of a DNS name.
pub(crate) fn is_name(kind: &str, name: &str) -> bool {
    let of_uri = |b: u8| b > b' ' && b < 0x7f && b != b',' && b != b';';
    let of_dns = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    match kind {
        "dns" => name.strip_prefix("*.").unwrap_or(name).split('.').all(|l| !l.is_empty() && l.bytes().all(of_dns)),
        _ => name.bytes().all(of_uri) && name.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)),
    }
}

/// 5.26 Whether Envoy can have written a distinguished name so (RFC 2253): marks that end something stand behind a backslash, and a backslash
/// stands before one of them or two hexadecimal digits.
fn is_distinguished(text: &str) -> bool {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let plain = match rest.strip_prefix('\\') {
            None => (!"\";<>".contains(c)).then_some(c.len_utf8()),
            Some(behind) if behind.starts_with(|c| ",+\"\\<>;#= ".contains(c)) => Some(2),
            Some(behind) => behind.bytes().take(2).filter(u8::is_ascii_hexdigit).count().eq(&2).then_some(3),
        };
        rest = match plain.and_then(|length| rest.get(length..)) {
            Some(rest) => rest,
            None => return false,
        };
    }
    true
}

fn hash(text: &str) -> Option<Option<String>> {
    (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| Some(text.to_lowercase()))
}

/// 5.24 An element of JSON: the members that Envoy writes, each of its type.
fn object(value: &Value) -> Option<Element> {
    let Value::Map(members) = value else { return None };
    let mut element = Element::default();
    let names = |kind: &str, value: &Value| -> Option<Vec<String>> {
        let list = value.list().filter(|l| !l.is_empty())?;
        list.iter().map(|v| v.text().filter(|t| is_name(kind, t)).map(str::to_owned)).collect()
    };
    let pem = |value: &Value| value.text().filter(|t| certificates(t).is_some() && t.starts_with('-')).map(str::to_owned);
    for (key, value) in members {
        match key.as_str() {
            "by" => element.by = names("uri", value)?,
            "uri" => element.uri = names("uri", value)?,
            "dns" => element.dns = names("dns", value)?,
            "hash" => element.hash = hash(value.text()?)?,
            "cert" => element.cert = Some(pem(value)?),
            "chain" => element.chain = Some(value.list()?.iter().map(pem).collect::<Option<String>>().filter(|c| !c.is_empty())?),
            "subject" | "issuer" => {
                let name = value.text().filter(|t| is_distinguished(t))?.to_owned();
                element.subject = if key == "subject" { Some(name) } else { element.subject };
            }
            _ => return None,
        }
    }
    Some(element)
}

/// 5.21 An element of text.
fn one(text: &str) -> Option<Element> {
    let mut element = Element::default();
    let mut last = 0;
    let mut nothing = Vec::new();
    for pair in split(text, ';')? {
        let (key, value) = pair.split_once('=')?;
        let key = key.to_ascii_lowercase();
        let place = ORDER.iter().position(|k| *k == key);
        let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        // 5.23 Quotes stand around `Cert`, `Chain`, `Subject` and `Issuer`, around another key's value or not, and around nothing else.
        let quoted = matches!(key.as_str(), "cert" | "chain" | "subject" | "issuer");
        let repeats = matches!(key.as_str(), "by" | "uri" | "dns");
        let Some(place) = place.map(|p| p + 1) else {
            last = ORDER.len() + 1;
            inner.map_or(!value.contains('"'), is_distinguished).then_some(())?;
            continue;
        };
        if place < last || (place == last && !repeats) || quoted != inner.is_some() || (!quoted && value.contains('"')) {
            return None;
        }
        element.follows_uri |= !element.uri.is_empty() && key != "uri";
        last = place;
        let value = inner.unwrap_or(value);
        match key.as_str() {
            "cert" => element.cert = Some(decode(value).filter(|v| !v.is_empty())?),
            "chain" => element.chain = Some(decode(value).filter(|v| !v.is_empty())?),
            "subject" => element.subject = Some(is_distinguished(value).then(|| value.to_owned())?),
            "issuer" => is_distinguished(value).then_some(())?,
            "hash" => element.hash = hash(value)?,
            // 5.25 `-` is nothing, and it stands alone, as `URI=` does.
            "by" | "uri" if value == "-" || nothing.contains(&key) => {
                let names = if key == "by" { &element.by } else { &element.uri };
                let alone = names.is_empty() && !nothing.contains(&key) && !(key == "uri" && element.no_uri);
                alone.then(|| nothing.push(key.clone()))?;
            }
            "uri" if value.is_empty() && element.uri.is_empty() && !element.no_uri => element.no_uri = true,
            _ if !is_name(&key, value) || (key == "uri" && element.no_uri) => return None,
            "by" => element.by.push(value.to_owned()),
            "uri" => element.uri.push(value.to_owned()),
            _ => element.dns.push(value.to_owned()),
        }
    }
    Some(element)
}
