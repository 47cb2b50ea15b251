//! The headers that rules may set and remove, and names that some upstreams read as the same name.

use crate::document::Code;
use crate::limits::MAX_INJECTED_NAME_HYPHENS;
use crate::policy::model::overrides::OVERRIDE_HEADERS;
use crate::request::SealedNames;

/// Headers that steer a connection, a proxy or the routing of a request. A decision that came after the route was chosen
/// must not change what the route was chosen by (P9).
const STEERING: [&str; 22] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "grpc-timeout",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "proxy-authenticate",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-request-id",
];

/// Beginnings of names that belong to proxies.
const PROXY_PREFIXES: [&str; 3] = ["x-envoy-", "x-forwarded-", "x-istio-"];

/// Headers of an answer that say how it is carried, what it is, or what its caller may do next.
const ANSWERING: [&str; 19] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "grpc-message",
    "grpc-status",
    "grpc-status-details-bin",
    "keep-alive",
    "location",
    "proxy-authenticate",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
    "x-decision-id",
];

/// Headers that a request is not the same without.
const CARRYING: [&str; 7] =
    ["connection", "content-length", "content-type", "host", "te", "transfer-encoding", "upgrade"];

/// An error in a name, and what to do.
type NameRefusal = (String, Option<&'static str>);

/// Checks the name of a header that a rule wants to set; gives it in lower case.
fn check_name(name: &str, sealed: &SealedNames) -> Result<String, NameRefusal> {
    let lower = well_formed(name, "set")?;
    if sealed.contains(&lower) {
        let why = "it carries credentials";
        return Err((format!("header `{name}` cannot be set"), Some(why)));
    }
    let steers = STEERING.contains(&lower.as_str())
        || OVERRIDE_HEADERS.contains(&lower.as_str())
        || PROXY_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
    if steers {
        let why = "it steers the connection, a proxy or the routing; use a name of your own, such as `x-subject`";
        return Err((format!("header `{name}` cannot be set"), Some(why)));
    }
    Ok(lower)
}

/// Checks the name of a request header that a rule wants to set; gives it in lower case. Every allow removes it in all the
/// ways in which `-` and `_` can be mixed in it (P131), of which there must not be too many.
pub(in crate::policy) fn check_injected(
    name: &str,
    sealed: &SealedNames,
) -> Result<String, NameRefusal> {
    let lower = check_name(name, sealed)?;
    if has_many_spellings(&lower) {
        let why =
            "use at most 5 `-`: a caller's own copy is removed in every mixture of `-` and `_`";
        return Err((format!("header `{name}` cannot be set"), Some(why)));
    }
    Ok(lower)
}

/// True if `-` and `_` can be mixed in it in more ways than can be listed.
pub(in crate::policy) fn has_many_spellings(name: &str) -> bool {
    name.bytes().filter(|b| matches!(b, b'-' | b'_')).count() > MAX_INJECTED_NAME_HYPHENS
}

/// Checks the name of a header that a rule wants to set on an answer; gives it in lower case.
pub(in crate::policy) fn check_response_name(name: &str) -> Result<String, NameRefusal> {
    let lower = well_formed(name, "set")?;
    if ANSWERING.contains(&lower.as_str()) || lower.starts_with("x-envoy-") {
        let why = "it says how the answer is carried, what it is, or what a client does next";
        return Err((format!("header `{name}` of an answer cannot be set"), Some(why)));
    }
    Ok(lower)
}

/// Checks the name of a header that a rule wants to remove; gives it in lower case.
pub(in crate::policy) fn check_removal(name: &str) -> Result<String, NameRefusal> {
    let lower = well_formed(name, "removed")?;
    if CARRYING.contains(&lower.as_str()) || lower.starts_with("x-envoy-") {
        let why = "the request cannot be carried without it, or a proxy owns it";
        return Err((format!("header `{name}` cannot be removed"), Some(why)));
    }
    if has_many_spellings(&lower) {
        let why = "it has more than 5 `-`, and is removed in every mixture of `-` and `_`";
        return Err((format!("header `{name}` cannot be removed"), Some(why)));
    }
    Ok(lower)
}

fn well_formed(name: &str, what: &str) -> Result<String, NameRefusal> {
    let lower = name.to_ascii_lowercase();
    if lower.starts_with(':') {
        let why = "`:` headers are the request line, which was decided about";
        return Err((format!("header `{name}` cannot be {what}"), Some(why)));
    }
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if lower.is_empty() || !lower.bytes().all(allowed) {
        let why = "use letters, digits and `-`; many upstreams read `_` and `-` as the same";
        return Err((format!("`{name}` is not a name of a header that can be {what}"), Some(why)));
    }
    Ok(lower)
}

/// Headers that a policy must not look at: what carries credentials is verified and not compared, and what a caller can
/// set to pass for a proxy proves nothing (P14, P26).
pub(in crate::policy) fn check_header_name(
    name: &str,
    sealed: &SealedNames,
) -> Result<(), (Code, String, Option<String>)> {
    let lower = name.to_ascii_lowercase();
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let help = match lower.as_str() {
        "host" | ":authority" => "compare hosts with `target.hosts`",
        ":path" => "compare paths with `on.paths`",
        ":method" => "compare methods with `on.methods`",
        "authorization" => "ask for what the token says with `token`",
        "x-forwarded-client-cert" => "ask for who the peer is with `peer`",
        other if sealed.contains(other) => "it carries credentials",
        other if other.starts_with("x-envoy-") => "proxies own it, and callers can forge it",
        other if other.contains('*') => {
            let message = format!("`{name}` is not a header name: `*` stands for itself");
            let help = String::from("list each header by itself");
            return Err((Code::InvalidHeaderName, message, Some(help)));
        }
        other if !other.is_empty() && other.bytes().all(is_token) => return Ok(()),
        _ => {
            return Err((Code::InvalidHeaderName, format!("`{name}` is not a header name"), None));
        }
    };
    Err((
        Code::UnreadableHeader,
        format!("rules cannot read header `{name}`"),
        Some(help.to_owned()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P9: what steers a route or a connection, and what carries a credential, is not a policy's to set.
    #[test]
    fn headers_that_steer_or_prove_cannot_be_set() {
        let sealed = SealedNames::with(["X-Partner-Token"]);
        for name in [
            "Host",
            ":path",
            ":authority",
            "Authorization",
            "cookie",
            "content-length",
            "Transfer-Encoding",
            "te",
            "connection",
            "upgrade",
            "X-Forwarded-For",
            "x-forwarded-client-cert",
            "x-envoy-original-path",
            "x-original-url",
            "x-http-method-override",
            "dpop",
            "x-partner-token",
            "x_user",
            "x user",
            "x-user\r\nx-admin",
            "",
            "x-\u{e9}",
        ] {
            assert!(check_name(name, &sealed).is_err(), "{name:?}");
        }
        for name in ["x-user", "X-User-Id", "tenant", "x-request-owner"] {
            assert_eq!(check_name(name, &sealed).unwrap(), name.to_ascii_lowercase());
        }
    }

    /// P12: an answer is carried, typed and challenged by us and the proxy alone.
    #[test]
    fn headers_that_carry_an_answer_cannot_be_set() {
        for name in
            [":status", "Content-Length", "set-cookie", "location", "grpc-status", "x_a", "a\n"]
        {
            assert!(check_response_name(name).is_err(), "{name:?}");
        }
        assert_eq!(check_response_name("Retry-After").as_deref(), Ok("retry-after"));
    }

    #[test]
    fn what_a_request_is_carried_by_cannot_be_removed() {
        for name in ["host", ":path", "content-length", "x-envoy-original-path", ""] {
            assert!(check_removal(name).is_err(), "{name:?}");
        }
        assert_eq!(check_removal("Authorization").as_deref(), Ok("authorization"));
    }

    /// P131: a name that has too many spellings to remove them all is refused.
    #[test]
    fn a_name_has_few_spellings() {
        let sealed = SealedNames::default();
        assert!(check_injected("x-a-b-c-d-e", &sealed).is_ok());
        assert!(check_injected("x-a-b-c-d-e-f", &sealed).is_err());
        assert!(check_removal("x-a-b-c-d-e-f").is_err());
    }

    /// P14, P26: what a caller can forge to pass for a proxy, and what carries a credential, is not read by rules.
    #[test]
    fn headers_that_prove_nothing_or_too_much_cannot_be_read() {
        let sealed = SealedNames::with(["X-Partner-Token"]);
        for name in [
            "x-envoy-original-path",
            "X-Envoy-Internal",
            "Authorization",
            "cookie",
            "x-forwarded-client-cert",
            "dpop",
            "host",
            ":path",
            "X-PARTNER-TOKEN",
            "",
            "a b",
            "a\n",
        ] {
            assert!(check_header_name(name, &sealed).is_err(), "{name:?}");
        }
        assert!(check_header_name("X-Tenant", &sealed).is_ok());
    }
}
