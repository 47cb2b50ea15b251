//! Section 5a: the header `x-forwarded-client-cert`, as text.

use crate::path::decode;
use crate::{Judged, Reason, outside};

/// 5.20 What one proxy says of the certificate that it saw.
#[derive(Debug, Clone, Default)]
pub struct Element {
    /// `By`: the URI names of the proxy's own certificate.
    pub by: Vec<String>,
    /// `Hash`, in lower-case hexadecimal.
    pub hash: Option<String>,
    /// `Cert`: DER.
    pub cert: Option<Vec<u8>>,
    /// `Chain`: DER, the leaf first.
    pub chain: Vec<Vec<u8>>,
    /// `Subject`, as RFC 2253 text.
    pub subject: Option<String>,
    /// `URI`.
    pub uri: Vec<String>,
    /// `DNS`.
    pub dns: Vec<String>,
    /// Whether something stands behind the `URI`.
    pub follows_uri: bool,
}

/// 5.21 Keys stand in this order, in any case; others may follow.
const ORDER: [&str; 8] = ["by", "hash", "cert", "chain", "subject", "uri", "dns", "issuer"];

/// Splits at a separator outside quotes; none where a quote stays open or stands where Envoy writes none.
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

/// 5.22 Reads the header, nearest proxy last. One thing that breaks the grammar refuses the whole of it.
pub fn read(value: &str) -> Judged<Result<Vec<Element>, Reason>> {
    if value.trim_start().starts_with(['[', '{']) {
        return Err(outside("XFCC as JSON"));
    }
    let malformed = Ok(Err("xfcc_malformed"));
    let Some(elements) = split(value, ',').filter(|e| e.len() <= 16 && value.len() <= 64 * 1024) else { return malformed };
    let mut out = Vec::new();
    for element in elements {
        // An intermediary that joins two lines writes a space behind the comma.
        match one(element.trim_start_matches(' '))? {
            Some(element) => out.push(element),
            None => return malformed,
        }
    }
    Ok(Ok(out))
}

/// DER of PEM certificates that are URL-encoded; `+` is a `+`.
pub fn certificates(encoded: &str) -> Option<Vec<Vec<u8>>> {
    use x509_cert::der::Encode;
    let pem = decode(encoded)?;
    let read = x509_cert::Certificate::load_pem_chain(pem.as_bytes()).ok()?;
    read.iter().map(|c| c.to_der().ok()).collect()
}

fn one(text: &str) -> Judged<Option<Element>> {
    let mut element = Element::default();
    let mut last = 0;
    let Some(pairs) = split(text, ';') else { return Ok(None) };
    for pair in pairs {
        let Some((key, value)) = pair.split_once('=') else { return Ok(None) };
        let key = key.to_ascii_lowercase();
        let Some(place) = ORDER.iter().position(|k| *k == key) else {
            last = ORDER.len();
            continue;
        };
        let repeats = matches!(key.as_str(), "by" | "uri" | "dns");
        let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        // 5.23 Quotes stand around `Cert`, `Chain`, `Subject` and `Issuer`, and around nothing else.
        let quoted = matches!(key.as_str(), "cert" | "chain" | "subject" | "issuer");
        if place + 1 < last || (place + 1 == last && !repeats) || quoted != inner.is_some() || (!quoted && value.contains('"')) {
            return Ok(None);
        }
        element.follows_uri |= !element.uri.is_empty() && key != "uri";
        last = place + 1;
        let value = inner.unwrap_or(value).to_owned();
        if quoted && matches!(key.as_str(), "cert" | "chain") {
            let Some(read) = certificates(&value) else { return Ok(None) };
            match (key.as_str(), read.as_slice()) {
                ("cert", [only]) => element.cert = Some(only.clone()),
                ("chain", [_, ..]) => element.chain = read,
                _ => return Ok(None),
            }
            continue;
        }
        let visible = value.bytes().all(|b| b > b' ' && b < 0x7f);
        let uri = value == "-" || (visible && value.split_once(':').is_some_and(|(scheme, _)| !scheme.is_empty()));
        let dns =
            value == "-" || value.split('.').all(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_*".contains(&b)));
        match key.as_str() {
            "by" if uri => element.by.push(value),
            "uri" if uri || value.is_empty() => element.uri.extend((!value.is_empty() && value != "-").then_some(value)),
            "dns" if dns => element.dns.push(value),
            "hash" if value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()) => element.hash = Some(value.to_lowercase()),
            "subject" => element.subject = Some(value),
            "issuer" => {}
            _ => return Ok(None),
        }
    }
    Ok(Some(element))
}
