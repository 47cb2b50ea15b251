//! Headers that an allow adds to the request: which may be set, and the names that are the same name to somebody.

use std::sync::Arc;

use super::decision::HeaderMutation;
use super::template::{Template, Unsafe};
use super::variable::{Facts, Variable};
use crate::request::SealedNames;

/// A header to set.
#[derive(Clone, Debug)]
pub(super) struct Injection {
    /// The name, in lower case.
    pub(super) name: Arc<str>,
    /// The value.
    pub(super) template: Template,
}

/// Headers that steer a connection, a proxy or the routing of a request. A decision that came after the route was chosen
/// must not change what the route was chosen by (P9).
const STEERING: [&str; 28] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "forwarded",
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
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-request-id",
    "x-rewrite-url",
];

/// Beginnings of names that belong to proxies.
const PROXY_PREFIXES: [&str; 3] = ["x-envoy-", "x-forwarded-", "x-istio-"];

// === impl Injection ===

impl Injection {
    /// What its value is made of.
    pub(super) fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.template.variables()
    }

    /// The header for `facts`; none where its value is not known.
    ///
    /// # Errors
    /// [`Unsafe`] where the value must not be sent.
    pub(super) fn render(&self, facts: &Facts<'_>) -> Result<Option<HeaderMutation>, Unsafe> {
        let value = self.template.render(facts)?;
        Ok(value.map(|value| HeaderMutation { name: Arc::clone(&self.name), value }))
    }
}

/// Checks the name of a header that a rule wants to set; gives it in lower case.
pub(super) fn check_name(
    name: &str,
    sealed: &SealedNames,
) -> Result<String, (String, Option<&'static str>)> {
    let lower = name.to_ascii_lowercase();
    if lower.starts_with(':') {
        let why = "`:` headers are the request line, which was decided about";
        return Err((format!("header `{name}` cannot be set"), Some(why)));
    }
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if lower.is_empty() || !lower.bytes().all(allowed) {
        let why = "use letters, digits and `-`; many upstreams read `_` and `-` as the same";
        return Err((format!("`{name}` is not a name for a header to set"), Some(why)));
    }
    if sealed.contains(&lower) {
        let why = "it carries credentials";
        return Err((format!("header `{name}` cannot be set"), Some(why)));
    }
    let steers = STEERING.contains(&lower.as_str())
        || PROXY_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
    if steers {
        let why = "it steers the connection, a proxy or the routing; use a name of your own, such as `x-subject`";
        return Err((format!("header `{name}` cannot be set"), Some(why)));
    }
    Ok(lower)
}

/// Whether a header that was sent is, to some reader, one that rules set: CGI and its heirs read `_` and `-` as the same
/// (P13). Both names are in lower case; those that rules set have no `_`.
pub(super) fn is_spelling_of(sent: &str, injected: &str) -> bool {
    let same = |(s, i): (u8, u8)| s == i || (s == b'_' && i == b'-');
    sent.len() == injected.len() && sent.bytes().zip(injected.bytes()).all(same)
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

    /// P13: spellings that some upstream reads as the same name.
    #[test]
    fn underscores_are_other_spellings_of_hyphens() {
        for (sent, same) in [
            ("x-user-id", true),
            ("x_user_id", true),
            ("x-user_id", true),
            ("x-user-idx", false),
            ("x.user.id", false),
            ("xuserid", false),
        ] {
            assert_eq!(is_spelling_of(sent, "x-user-id"), same, "{sent}");
        }
    }
}
