//! Token introspection (RFC 7662) as values: whom to ask and what was answered. `pdp` does the asking.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::document::ClientAuthentication;
use crate::json;
use crate::limits::MAX_JSON_DEPTH;
use crate::secret::Secret;
use crate::trust::KeyUrl;

/// An issuer's introspection endpoint.
#[derive(Clone, Debug)]
pub struct IntrospectionEndpoint {
    /// Its address.
    pub url: KeyUrl,
    /// Authorities (PEM) that the server's certificate must lead to; the system's where there are none.
    pub authorities: Option<Vec<u8>>,
    /// Who we are there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: Secret<String>,
    /// How we say both.
    pub client_authentication: ClientAuthentication,
    /// How long an answer counts, at most.
    pub cache: Duration,
}

/// What became of asking about one token.
#[derive(Clone)]
pub enum Introspection {
    /// The issuer says that the token is active and claims this.
    Active(Arc<Map<String, Value>>),
    /// The issuer says that it is not.
    Inactive,
    /// The issuer did not say.
    Unavailable(&'static str),
}

// === impl IntrospectionEndpoint ===

impl PartialEq for IntrospectionEndpoint {
    fn eq(&self, other: &Self) -> bool {
        let Self { url, authorities, client_id, client_secret, client_authentication, cache } =
            self;
        *url == other.url
            && *authorities == other.authorities
            && *client_id == other.client_id
            && client_secret.expose() == other.client_secret.expose()
            && *client_authentication == other.client_authentication
            && *cache == other.cache
    }
}

// === impl Introspection ===

impl Introspection {
    /// Reads an answer (section 2.2). `active` is a boolean: a text that says `true` is not (P65).
    #[must_use]
    pub fn parse(answer: &[u8]) -> Self {
        let Ok(members) = json::parse_object(answer, MAX_JSON_DEPTH) else {
            return Self::Unavailable("the answer is not a JSON object");
        };
        match members.get("active") {
            Some(Value::Bool(true)) => Self::Active(Arc::new(members)),
            Some(Value::Bool(false)) => Self::Inactive,
            Some(_) | None => Self::Unavailable("the answer has no boolean `active`"),
        }
    }
}

impl fmt::Debug for Introspection {
    /// No claim: they are about people (P80).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active(_) => "Active",
            Self::Inactive => "Inactive",
            Self::Unavailable(why) => why,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P65: only `true` is active, and what is no answer is none.
    #[test]
    fn active_is_a_boolean() {
        let word = |answer: &str| match Introspection::parse(answer.as_bytes()) {
            Introspection::Active(_) => "active",
            Introspection::Inactive => "inactive",
            Introspection::Unavailable(_) => "unavailable",
        };
        for (answer, expected) in [
            (r#"{"active":true,"sub":"a"}"#, "active"),
            (r#"{"active":false}"#, "inactive"),
            (r#"{"active":false,"sub":"admin","scope":"admin"}"#, "inactive"),
            (r#"{"active":"true"}"#, "unavailable"),
            (r#"{"active":1}"#, "unavailable"),
            (r#"{"active":null}"#, "unavailable"),
            (r#"{"active":false,"active":true}"#, "unavailable"),
            (r#"{"sub":"1234"}"#, "unavailable"),
            ("[true]", "unavailable"),
            ("active=true", "unavailable"),
            ("", "unavailable"),
        ] {
            assert_eq!(word(answer), expected, "{answer}");
        }
    }
}
