//! A JWS in compact serialization (RFC 7515 section 7.1) with a JWT claims set (RFC 7519), read and **unverified**.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::json;
use crate::limits::{MAX_JOSE_HEADER_BYTES, MAX_JSON_DEPTH, MAX_KEY_ID_BYTES, MAX_TOKEN_BYTES};
use crate::reason::{Reason, Rejection};
use crate::secret::{Fingerprint, SealedText};

/// A signed token, split and decoded.
pub struct CompactJws {
    text: SealedText,
    signing_input_len: usize,
    /// Its header.
    pub header: JoseHeader,
    /// Its claims.
    pub claims: Arc<Map<String, Value>>,
    /// The signature's bytes.
    pub signature: Vec<u8>,
}

/// The members of a JOSE header that mean something here (RFC 7515 section 4.1).
///
/// `jwk`, `jku`, `x5u` and `x5c` are not among them: no key and no address is ever taken from a token (invariant 8,
/// P49). A header with `crit` never gets this far (P50).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoseHeader {
    /// `alg`, as sent.
    pub algorithm: String,
    /// `typ`, as sent.
    pub token_type: Option<String>,
    /// `kid`, as sent; at most 256 bytes (P51).
    pub key_id: Option<String>,
}

/// Longest `alg` or `typ`: the longest registered ones have about 30 characters.
const MAX_WORD_BYTES: usize = 64;

impl CompactJws {
    /// Reads `text`.
    ///
    /// # Errors
    /// `token_malformed` with the rule that is broken; never a part of the token.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        Self::read(&SealedText::from(text))
    }

    /// Reads `sealed` where it is.
    ///
    /// # Errors
    /// As [`CompactJws::parse`].
    pub fn read(sealed: &SealedText) -> Result<Self, Rejection> {
        let text = sealed.expose();
        if text.len() > MAX_TOKEN_BYTES {
            return Err(malformed(format!("is longer than {MAX_TOKEN_BYTES} bytes")));
        }
        let [header, payload, signature] = split(text)?;
        let signing_input_len = text.len().saturating_sub(signature.len()).saturating_sub(1);
        let header = JoseHeader::parse(&decode(header, "header")?)?;
        let claims = parse_object(&decode(payload, "claims set")?, "claims set")?;
        let signature = decode(signature, "signature")?;
        if signature.is_empty() {
            return Err(malformed("has an empty signature"));
        }
        Ok(Self {
            text: sealed.clone(),
            signing_input_len,
            header,
            claims: Arc::new(claims),
            signature,
        })
    }

    /// The bytes that are signed: everything before the last `.` (RFC 7515 section 5.2).
    pub fn signing_input(&self) -> &[u8] {
        self.text.expose_bytes().get(..self.signing_input_len).unwrap_or_default()
    }

    /// The fingerprint of the whole token, signature included (P63).
    pub fn fingerprint(&self) -> Fingerprint {
        self.text.fingerprint()
    }
}

impl fmt::Debug for CompactJws {
    /// Neither the token nor any claim.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompactJws")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

/// Header, payload and signature. Four dots make a JWE (RFC 7516 section 7.1), which is never a credential here (P73).
fn split(text: &str) -> Result<[&str; 3], Rejection> {
    let mut parts = text.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None) => Ok([header, payload, signature]),
        (_, _, _, None) => Err(malformed("does not have the three parts of a compact JWS")),
        (_, _, _, Some(_)) if parts.count() == 1 => {
            Err(malformed("is encrypted, and only signed tokens are accepted"))
        }
        (_, _, _, Some(_)) => Err(malformed("has more than the three parts of a compact JWS")),
    }
}

/// Strict base64url: no padding, no other alphabet, no white space, no stray bits at the end (RFC 7515 section 2).
fn decode(part: &str, what: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| malformed(format!("has a {what} that is not unpadded base64url")))
}

fn parse_object(text: &[u8], what: &str) -> Result<Map<String, Value>, Rejection> {
    json::parse_object(text, MAX_JSON_DEPTH).map_err(|error| match error {
        Some(rule) => malformed(format!("has a {what} that {rule}")),
        None => malformed(format!("has a {what} that is not a JSON object")),
    })
}

impl JoseHeader {
    fn parse(text: &[u8]) -> Result<Self, Rejection> {
        if text.len() > MAX_JOSE_HEADER_BYTES {
            return Err(malformed(format!("has a header over {MAX_JOSE_HEADER_BYTES} bytes")));
        }
        let mut members = parse_object(text, "header")?;
        refuse_extensions(&members)?;
        let algorithm = take_word(&mut members, "alg", MAX_WORD_BYTES)?
            .ok_or_else(|| malformed("has a header without `alg`"))?;
        Ok(Self {
            algorithm,
            token_type: take_word(&mut members, "typ", MAX_WORD_BYTES)?,
            key_id: take_word(&mut members, "kid", MAX_KEY_ID_BYTES)?,
        })
    }
}

/// Refuses what would change how the token is to be read: we support no extension, so any is too many (RFC 7515
/// section 4.1.11, RFC 7797 section 6), and a token within a token is not a claims set (RFC 7519 section 5.2).
fn refuse_extensions(members: &Map<String, Value>) -> Result<(), Rejection> {
    if members.contains_key("crit") {
        return Err(malformed("has a header with `crit`, and no extension is supported"));
    }
    if members.contains_key("b64") {
        return Err(malformed("has a header with `b64`, which is not supported"));
    }
    // `null` is an absent member: serializers write it for a field that has no value.
    let has = |name: &str| members.get(name).is_some_and(|value| !value.is_null());
    if has("enc") {
        return Err(malformed("has a header of an encrypted token"));
    }
    if has("cty") {
        return Err(malformed("has a header with `cty`, and nested tokens are not supported"));
    }
    Ok(())
}

fn take_word(
    members: &mut Map<String, Value>,
    name: &str,
    max: usize,
) -> Result<Option<String>, Rejection> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= max => Ok(Some(text)),
        Some(Value::String(_)) => {
            Err(malformed(format!("has a header whose `{name}` is longer than {max} bytes")))
        }
        Some(other) => {
            let found = json::type_name(&other);
            Err(malformed(format!("has a header whose `{name}` is {found}, expected a string")))
        }
    }
}

fn malformed(rule: impl fmt::Display) -> Rejection {
    Reason::TokenMalformed.because(format!("token {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", encode(header), encode(claims), encode("signature"))
    }

    fn refusal(text: &str) -> Rejection {
        CompactJws::parse(text).expect_err(text)
    }

    #[test]
    fn the_parts_of_a_token_are_found() {
        let text = token(r#"{"alg":"ES256","typ":"at+jwt","kid":"k1"}"#, r#"{"iss":"a"}"#);
        let jws = CompactJws::parse(&text).unwrap();
        assert_eq!(jws.header.algorithm, "ES256");
        assert_eq!(jws.header.token_type.as_deref(), Some("at+jwt"));
        assert_eq!(jws.header.key_id.as_deref(), Some("k1"));
        assert_eq!(jws.claims.get("iss"), Some(&Value::from("a")));
        assert_eq!(&jws.signature, b"signature");
        let (signing_input, _) = text.rsplit_once('.').unwrap();
        assert_eq!(jws.signing_input(), signing_input.as_bytes());
    }

    /// P48 to P51: headers that are ambiguous, of the wrong type or that ask for an extension.
    #[test]
    fn a_header_that_is_not_plain_is_refused() {
        let long = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(257));
        for header in [
            r#"{}"#,
            r#"{"alg":null}"#,
            r#"{"alg":["ES256"]}"#,
            r#"{"alg":"ES256","alg":"none"}"#,
            r#"{"alg":"ES256","crit":[]}"#,
            r#"{"alg":"ES256","crit":["exp"],"exp":1}"#,
            r#"{"alg":"ES256","crit":null}"#,
            r#"{"alg":"ES256","b64":false}"#,
            r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#,
            r#"{"alg":"ES256","kid":1}"#,
            r#"{"alg":"ES256","kid":["a"]}"#,
            r#"{"alg":"ES256","kid":{"a":"b"}}"#,
            r#"{"alg":"ES256","typ":1}"#,
            r#"{"alg":"ES256","cty":"JWT"}"#,
            r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#,
            r#"["alg"]"#,
            r#""alg""#,
            "",
            &long,
        ] {
            assert_eq!(refusal(&token(header, "{}")).reason(), Reason::TokenMalformed, "{header}");
        }
        // P410: `null` is an absent member.
        let text = token(r#"{"alg":"ES256","kid":null,"typ":null,"cty":null,"enc":null}"#, "{}");
        let JoseHeader { token_type, key_id, .. } = CompactJws::parse(&text).unwrap().header;
        assert_eq!((token_type, key_id), (None, None));
    }

    /// P72, P73: other serializations, encrypted and oversized tokens.
    #[test]
    fn only_a_bounded_compact_jws_is_read() {
        let good = token(r#"{"alg":"ES256"}"#, "{}");
        let unsigned = good.rsplit_once('.').map(|(rest, _)| format!("{rest}.")).unwrap();
        let deep = token(r#"{"alg":"ES256"}"#, &format!("{}{}", r#"{"a":"#.repeat(17), "1"));
        let long = token(r#"{"alg":"ES256"}"#, &format!(r#"{{"a":"{}"}}"#, "x".repeat(13_000)));
        let header = token(&format!(r#"{{"alg":"ES256","x5c":"{}"}}"#, "x".repeat(4096)), "{}");
        for text in [
            "",
            "opaque",
            "a.b",
            "..",
            "...",
            "a.b.c.d.e",
            r#"{"payload":"","signatures":[]}"#,
            &format!("{good}="),
            &format!("{good} "),
            &format!(" {good}"),
            &format!("{good}\n"),
            &format!("{good}.x"),
            &good.replacen('.', "=.", 1),
            &unsigned,
            &deep,
            &long,
            &header,
            &token(r#"{"alg":"ES256"}"#, r#"{"iss":"a","iss":"b"}"#),
            &token(r#"{"alg":"ES256"}"#, "[]"),
            &token(r#"{"alg":"ES256"}"#, "text"),
        ] {
            assert_eq!(refusal(text).reason(), Reason::TokenMalformed, "{text}");
        }
        for (text, detail) in [
            ("a.b", "does not have the three parts"),
            ("a.b.c.d", "more than the three parts"),
            ("a.b.c.d.e", "encrypted"),
            ("a.b.c.d.e.f", "more than the three parts"),
        ] {
            assert!(refusal(text).detail().contains(detail), "{text}");
        }
        let alg = |bytes: usize| token(&format!(r#"{{"alg":"{}"}}"#, "E".repeat(bytes)), "{}");
        assert!(CompactJws::parse(&alg(MAX_WORD_BYTES)).is_ok());
        assert!(refusal(&alg(MAX_WORD_BYTES + 1)).detail().contains("longer than"));
    }

    /// P80: neither the token nor a claim is in what is printed.
    #[test]
    fn a_token_is_not_printed() {
        let text = token(r#"{"alg":"ES256"}"#, r#"{"sub":"canary"}"#);
        let printed = format!("{:?}", CompactJws::parse(&text).unwrap());
        assert!(!printed.contains("canary") && !printed.contains(&text));
    }

    /// Invariant 9: the longest header is read, and one byte more is refused.
    #[test]
    fn the_bound_of_a_header_is_exact() {
        let with = |bytes: usize| {
            let frame = r#"{"alg":"ES256","x":""}"#.len();
            token(&format!(r#"{{"alg":"ES256","x":"{}"}}"#, "a".repeat(bytes - frame)), "{}")
        };
        assert!(CompactJws::parse(&with(MAX_JOSE_HEADER_BYTES)).is_ok());
        assert!(refusal(&with(MAX_JOSE_HEADER_BYTES + 1)).detail().contains("header over"));
    }
}
