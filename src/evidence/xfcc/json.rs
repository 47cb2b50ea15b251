//! The JSON form (Envoy 1.40, `format: JSON`): an array with an object for each element. Names are escaped, PEM is not
//! URL-encoded, and members that a certificate does not have are absent.
//!
//! Only the members that Envoy writes are read, and no others are ignored: a text that Envoy appended to the beginning
//! of a JSON string of the caller's would be one of their values otherwise. None of the values here can hold such a text.

use serde_json::{Map, Value};

use super::element::{Xfcc, XfccElement, add_name, is_distinguished_name, malformed, parse_hash};
use crate::evidence::certificate::PresentedCertificate;
use crate::evidence::sources::PeerSource;
use crate::json::{parse, type_name};
use crate::limits::{MAX_CHAIN_CERTIFICATES, MAX_XFCC_ELEMENTS};
use crate::reason::Rejection;
use crate::request::Text;

/// An array, objects in it, arrays in these.
const LEVELS: usize = 3;

/// Reads a header in the JSON form.
pub(super) fn read(text: &str) -> Result<Xfcc, Rejection> {
    let value = parse(text.as_bytes(), LEVELS).map_err(|why| malformed(why.to_string()))?;
    let Value::Array(objects) = value else {
        return Err(malformed(format!("is {}, expected an array", type_name(&value))));
    };
    if objects.len() > MAX_XFCC_ELEMENTS {
        return Err(malformed(format!("more than {MAX_XFCC_ELEMENTS} elements")));
    }
    let mut xfcc = Xfcc { is_json: true, ..Xfcc::default() };
    for object in &objects {
        let Value::Object(members) = object else {
            let found = type_name(object);
            return Err(malformed(format!("has {found} in its array, expected an object")));
        };
        xfcc.push(element(members)?)?;
    }
    Ok(xfcc)
}

fn element(members: &Map<String, Value>) -> Result<XfccElement, Rejection> {
    let mut element = XfccElement::default();
    let (mut leaf, mut chain) = (None, None);
    for (key, value) in members {
        match key.as_str() {
            "by" => names(&mut element.by, "By", key, value)?,
            "hash" => element.hash = Some(parse_hash(string(key, value)?)?),
            "cert" => leaf = Some(pem(key, value)?),
            "chain" => chain = Some(certificates(key, value)?),
            "subject" => element.subject = Some(distinguished_name(key, value)?.to_owned()),
            "uri" => names(&mut element.uris, "URI", key, value)?,
            "dns" => names(&mut element.dns, "DNS", key, value)?,
            "issuer" => {
                distinguished_name(key, value)?;
            }
            _ => return Err(malformed("has a member that Envoy does not write")),
        }
    }
    let chain: Option<Text> = chain.map(|chain: String| chain.as_str().into());
    element.certificate =
        PresentedCertificate::url_encoded(PeerSource::Xfcc, leaf.map(Text::from), chain);
    Ok(element)
}

fn string<'a>(key: &str, value: &'a Value) -> Result<&'a str, Rejection> {
    value.as_str().ok_or_else(|| {
        malformed(format!("has `{key}` that is {}, expected a string", type_name(value)))
    })
}

/// Envoy does not write empty members.
fn list<'a>(key: &str, value: &'a Value) -> Result<&'a [Value], Rejection> {
    match value {
        Value::Array(values) if !values.is_empty() => Ok(values),
        Value::Array(_) => Err(malformed(format!("has `{key}` that is empty"))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            let found = type_name(value);
            Err(malformed(format!("has `{key}` that is {found}, expected an array")))
        }
    }
}

fn names(into: &mut Vec<String>, kind: &str, key: &str, value: &Value) -> Result<(), Rejection> {
    list(key, value)?.iter().try_for_each(|name| add_name(into, kind, string(key, name)?))
}

fn distinguished_name<'a>(key: &str, value: &'a Value) -> Result<&'a str, Rejection> {
    let text = string(key, value)?;
    if is_distinguished_name(text) {
        return Ok(text);
    }
    Err(malformed(format!("has `{key}` that is not a name as RFC 2253 writes it")))
}

/// PEM as it is, with nothing else in the text.
fn pem<'a>(key: &str, value: &'a Value) -> Result<&'a str, Rejection> {
    let text = string(key, value)?;
    let is_pem = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b' ');
    let whole = text.starts_with("-----BEGIN CERTIFICATE-----")
        && text.trim_end_matches('\n').ends_with("-----END CERTIFICATE-----")
        && text.bytes().all(|b| is_pem(b) || b == b'\n');
    if whole { Ok(text) } else { Err(malformed(format!("has `{key}` that is not PEM"))) }
}

fn certificates(key: &str, value: &Value) -> Result<String, Rejection> {
    let list = list(key, value)?;
    if list.len() > MAX_CHAIN_CERTIFICATES {
        return Err(malformed(format!("has more than {MAX_CHAIN_CERTIFICATES} in `{key}`")));
    }
    list.iter().map(|certificate| pem(key, certificate)).collect()
}
