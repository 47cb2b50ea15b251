//! The kind of a token, by its own words: an access token is accepted, and no other kind that the same issuer signs with the
//! same keys is taken for one (RFC 8725 section 3.12, P70).
//!
//! A JWT and the answer about an opaque token are judged by the same function. A claim that a token does not have says
//! nothing.

use serde_json::{Map, Value};

use crate::document::TokenKind;
use crate::json::type_name;
use crate::reason::{Reason, Rejection};
use crate::trust::{Issuer, canonical_type};

/// The claims that name a kind: Keycloak's `typ`, Amazon Cognito's and Ory Hydra's `token_use`, and `token_type`, which is
/// RFC 7662's. A word that is not known here is another kind.
const NAMING: [&str; 3] = ["typ", "token_use", "token_type"];

/// Claims that name a kind at some issuers and in some frameworks, and something else in others: only a word for another kind
/// counts. Among them are Curity's `purpose`, ForgeRock's `tokenName` and FusionAuth's `tty`. In lower case, without what stands
/// between words.
const HINTING: [&str; 9] =
    ["typ", "type", "use", "tty", "purpose", "tokentype", "tokenuse", "tokenname", "tokenkind"];

/// Words for an access token (RFC 6749 section 7.1, RFC 8693 section 3).
const ACCESS: [&str; 7] = [
    "bearer",
    "access",
    "access_token",
    "access-token",
    "accesstoken",
    "at+jwt",
    "urn:ietf:params:oauth:token-type:access_token",
];

/// Words for an ID token.
const ID: [&str; 6] = [
    "id",
    "id_token",
    "id-token",
    "idtoken",
    "id+jwt",
    "urn:ietf:params:oauth:token-type:id_token",
];

/// Words for further kinds, as far as they are words of nothing else.
const OTHERS: [&str; 14] = [
    "refresh",
    "refresh_token",
    "refresh-token",
    "refreshtoken",
    "refresh+jwt",
    "rt+jwt",
    "offline",
    "offline_token",
    "offline-token",
    "logout",
    "logout_token",
    "logout-token",
    "logout+jwt",
    "urn:ietf:params:oauth:token-type:refresh_token",
];

/// Words that say how a token is written and not what it is for.
const NEUTRAL: [&str; 2] = ["jwt", "urn:ietf:params:oauth:token-type:jwt"];

/// Claims that only an ID token is registered to have (OpenID Connect Core sections 3.1.3.6 and 3.3.2.11, FAPI).
const HASHES: [&str; 3] = ["at_hash", "c_hash", "s_hash"];

/// Claims that say what an access token is for, and that no ID token needs. `client_id` is not among them: Zitadel writes it
/// into ID tokens.
const OF_ACCESS: [&str; 3] = ["scope", "scp", "cid"];

/// The claims that say the kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KindClaims {
    Nothing,
    Access,
    Id,
    Other(&'static str),
}

/// Checks that the claims, of a token with the header's `typ` where it has a header, are those of a kind that `issuer` is
/// accepted for.
///
/// # Errors
/// `token_type`, or `token_malformed` where a claim that names a kind is no text.
pub(super) fn check(
    claims: &Map<String, Value>,
    header_type: Option<&str>,
    issuer: &Issuer,
) -> Result<(), Rejection> {
    let header = header_type.map(canonical_type);
    let mut access = header.as_deref() == Some("at+jwt");
    let mut by: Option<&'static str> = None;
    for name in NAMING {
        match named(claims, name, issuer)? {
            KindClaims::Nothing => {}
            KindClaims::Access => access = true,
            KindClaims::Id => by = by.or(Some(name)),
            KindClaims::Other(what) => {
                return Err(refuse(format!("token is {what}, by its `{name}`")));
            }
        }
    }
    for (name, word) in hints(claims) {
        if OTHERS.contains(&word.as_str()) {
            return Err(refuse(format!("token is not an access token, by its `{name}`")));
        }
        if ID.contains(&word.as_str()) {
            by = by.or(Some(name));
        }
    }
    if let Some(what) = by_shape(claims) {
        return Err(refuse(format!("token has the claims of {what}")));
    }
    let by = by.or_else(|| HASHES.into_iter().find(|name| is_there(claims, name)));
    // Some issuers copy the nonce of a login into access tokens (Keycloak before version 25): it proves an ID token only
    // where nothing says that the token is for access.
    let for_access = access || OF_ACCESS.iter().any(|name| is_there(claims, name));
    let by = by.or_else(|| Some("nonce").filter(|name| !for_access && is_there(claims, name)));
    if let Some(name) = by.filter(|_| !issuer.makes(TokenKind::Id)) {
        let detail = format!("token is an ID token, by its `{name}`, which is not for services");
        return Err(refuse(detail));
    }
    if access && !issuer.makes(TokenKind::Access) {
        return Err(refuse(
            "token is an access token, and only ID tokens of its issuer are accepted",
        ));
    }
    Ok(())
}

/// The claims in [`HINTING`], however they are written, with the words in them. [`NAMING`] are not among them.
fn hints(claims: &Map<String, Value>) -> impl Iterator<Item = (&'static str, String)> {
    let texts = claims.iter().filter(|(key, _)| !NAMING.contains(&key.as_str()));
    texts.filter_map(|(key, value)| {
        let name = HINTING.into_iter().find(|name| is_spelled(key, name))?;
        Some((name, canonical_type(value.as_str()?)))
    })
}

/// True if `key` is `name` in some spelling: `tokenUse`, `Token-Use`, `token_use` are one.
fn is_spelled(key: &str, name: &str) -> bool {
    let letters = key.bytes().filter(|b| !matches!(b, b'-' | b'_'));
    letters.map(|b| b.to_ascii_lowercase()).eq(name.bytes())
}

/// The words in the claim `name`.
fn named(
    claims: &Map<String, Value>,
    name: &str,
    issuer: &Issuer,
) -> Result<KindClaims, Rejection> {
    let word = match claims.get(name) {
        None | Some(Value::Null) => return Ok(KindClaims::Nothing),
        Some(Value::String(word)) => word,
        Some(other) => {
            let found = type_name(other);
            let detail = format!("token has a claim `{name}` that is {found}, expected a string");
            return Err(Reason::TokenMalformed.because(detail));
        }
    };
    let lower = canonical_type(word);
    let said = match lower.as_str() {
        word if NEUTRAL.contains(&word) => KindClaims::Nothing,
        word if ACCESS.contains(&word) || issuer.marks_access_by(word) => KindClaims::Access,
        word if ID.contains(&word) => KindClaims::Id,
        "dpop" if is_bound_to_a_key(claims) => KindClaims::Access,
        // RFC 9449 section 5: a server that ignores the word makes it a bearer token.
        "dpop" => KindClaims::Other("bound to a DPoP key without naming one"),
        "refresh" | "refresh_token" => KindClaims::Other("a refresh token"),
        "offline" => KindClaims::Other("an offline token"),
        "logout" => KindClaims::Other("a logout token"),
        _ => KindClaims::Other("of another kind than an access token"),
    };
    Ok(said)
}

/// A token with claims that no access token has is none, whatever its type.
fn by_shape(claims: &Map<String, Value>) -> Option<&'static str> {
    let text = |name: &str| claims.get(name).is_some_and(Value::is_string);
    let object = |name: &str| claims.get(name).is_some_and(Value::is_object);
    let shapes = [
        // RFC 8417 section 2.2; OpenID Connect Back-Channel Logout section 2.4.
        (object("events"), "a security event or logout token"),
        // RFC 9701 section 5.
        (is_there(claims, "token_introspection"), "an answer of introspection"),
        // RFC 9449 section 4.2.
        (text("htm") && text("htu"), "a proof of possession"),
        // RFC 9101 section 4.
        (text("response_type"), "a request for authorization"),
        // JWT Secured Authorization Response Mode, section 2.1.
        (
            text("access_token") || text("id_token") || (text("code") && text("state")),
            "an answer to a request for authorization",
        ),
    ];
    shapes.into_iter().find_map(|(fits, what)| fits.then_some(what))
}

fn is_bound_to_a_key(claims: &Map<String, Value>) -> bool {
    claims.get("cnf").and_then(|cnf| cnf.get("jkt")).is_some()
}

fn is_there(claims: &Map<String, Value>, name: &str) -> bool {
    claims.get(name).is_some_and(|value| !value.is_null())
}

fn refuse(detail: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
    Reason::TokenType.because(detail)
}

#[cfg(test)]
mod tests;
