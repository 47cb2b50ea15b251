//! Distinguished names as text: RFC 4514 for people and policies, and the RFC 2253 form in which Envoy writes them.

use std::fmt::Write as _;

use x509_parser::asn1_rs::ToDer as _;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::secret::hex;

/// Attribute types with a short name, and whether Envoy's TLS library calls them the same.
const SHORT_NAMES: [(&str, &str, bool); 13] = [
    ("2.5.4.3", "CN", true),
    ("2.5.4.5", "serialNumber", true),
    ("2.5.4.6", "C", true),
    ("2.5.4.7", "L", true),
    ("2.5.4.8", "ST", true),
    ("2.5.4.9", "STREET", false),
    ("2.5.4.10", "O", true),
    ("2.5.4.11", "OU", true),
    ("2.5.4.12", "title", false),
    ("2.5.4.17", "postalCode", false),
    ("0.9.2342.19200300.100.1.1", "UID", true),
    ("0.9.2342.19200300.100.1.25", "DC", true),
    ("1.2.840.113549.1.9.1", "emailAddress", true),
];

/// The name as RFC 4514 text: the last RDN first.
pub(super) fn rfc4514(name: &X509Name<'_>) -> String {
    write_name(name, |_, text| String::from(text))
}

/// The name as Envoy writes it in XFCC `Subject`, where every attribute is of a kind whose form is certain.
pub(super) fn as_envoy_writes_it(name: &X509Name<'_>) -> Option<String> {
    let certain = name.iter_attributes().all(|attribute| {
        let id = attribute.attr_type().to_id_string();
        SHORT_NAMES.iter().any(|(oid, _, same)| *same && *oid == id) && attribute.as_str().is_ok()
    });
    certain.then(|| {
        write_name(name, |c, text| {
            if c.is_ascii_graphic() || c == ' ' { text.to_owned() } else { escaped_bytes(c) }
        })
    })
}

fn write_name(name: &X509Name<'_>, write: impl Fn(char, &str) -> String) -> String {
    let mut rdns: Vec<String> = name
        .iter()
        .map(|rdn| {
            let attributes = rdn.iter().map(|attribute| write_attribute(attribute, &write));
            let mut attributes: Vec<String> = attributes.collect();
            attributes.reverse();
            attributes.join("+")
        })
        .collect();
    rdns.reverse();
    rdns.join(",")
}

fn write_attribute(
    attribute: &AttributeTypeAndValue<'_>,
    write: &impl Fn(char, &str) -> String,
) -> String {
    let id = attribute.attr_type().to_id_string();
    let short = SHORT_NAMES.iter().find(|(oid, ..)| *oid == id).map(|(_, name, _)| *name);
    match (short, attribute.as_str()) {
        (Some(name), Ok(text)) => format!("{name}={}", escaped(text, write)),
        // RFC 4514 section 2.4: what has no string form is `#` and its encoding.
        (name, _) => {
            let der = attribute.attr_value().to_der_vec().unwrap_or_default();
            format!("{}=#{}", name.unwrap_or(&id), hex(&der))
        }
    }
}

/// RFC 4514 section 2.4. Control characters are escaped too: the text ends up in logs.
fn escaped(text: &str, write: &impl Fn(char, &str) -> String) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        let at_an_end = (c == ' ' && (at == 0 || at == last)) || (c == '#' && at == 0);
        if at_an_end || matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\') {
            out.push('\\');
            out.push(c);
        } else if c.is_control() {
            out.push_str(&escaped_bytes(c));
        } else {
            out.push_str(&write(c, c.encode_utf8(&mut [0; 4])));
        }
    }
    out
}

fn escaped_bytes(c: char) -> String {
    c.encode_utf8(&mut [0; 4]).bytes().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "\\{byte:02X}");
        out
    })
}
