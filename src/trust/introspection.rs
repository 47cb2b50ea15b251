//! Opaque tokens (RFC 7662): how an issuer is asked about them, and what its answer says. Values; `pdp` does the asking.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::UnixTime;
use crate::json::{self, JsonError};
use crate::limits::MAX_JSON_DEPTH;
use crate::secret::{Fingerprint, Secret};
use crate::trust::{Access, ClientAssertion, KeyUrl};

/// An introspection endpoint and the rules for asking it.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// The name of the issuer document.
    pub issuer: String,
    /// The address.
    pub url: KeyUrl,
    /// How its server is asked.
    pub access: Access,
    /// The `client_id` of the one who asks, where it has one.
    pub client_id: Option<String>,
    /// How it proves that it is.
    pub authentication: ClientAuthentication,
    /// Statuses that say that a token is not active.
    pub inactive_statuses: Vec<u16>,
    /// Most questions at a time.
    pub max_concurrent: usize,
    /// How long an answer is used at most.
    pub cache_ttl: Duration,
    /// Changes whenever anything above does, secrets included (P63), but for those that are read for each question. Never shown.
    pub revision: Fingerprint,
}

/// How a client proves who it is.
#[derive(Clone, Debug)]
pub enum ClientAuthentication {
    /// A secret in the `Authorization` header.
    Basic(Secret<String>),
    /// A secret in the body.
    Post(Secret<String>),
    /// A signed assertion.
    PrivateKeyJwt(ClientAssertion),
    /// The credentials that the endpoint sees beside the question, or none.
    Shown,
}

/// The answer of an introspection endpoint about one token.
#[derive(Clone)]
pub struct IntrospectionAnswer {
    /// `None` where the token is not active: nothing else that such an answer says is kept.
    claims: Option<Arc<Map<String, Value>>>,
    /// Until when it may be used.
    until: UnixTime,
}

/// Why a text is no introspection answer. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not strict JSON.
    #[error("the answer {0}")]
    Json(#[from] JsonError),
    /// JSON, and no object.
    #[error("the answer is not a JSON object")]
    NotAnObject,
    /// `active` is absent.
    #[error("the answer has no `active`")]
    NoActive,
    /// `active` is of another type than RFC 7662 section 2.2 says.
    #[error("the answer has an `active` that is {0}, expected a boolean")]
    ActiveType(&'static str),
}

impl PartialEq for Introspection {
    fn eq(&self, other: &Self) -> bool {
        self.revision == other.revision
    }
}

impl IntrospectionAnswer {
    /// Reads `text`, an answer that may be used until `until`.
    ///
    /// # Errors
    /// The rule of RFC 7662 section 2.2 that it breaks. A value that is not exactly `true` never counts as `true` (P65).
    pub fn parse(text: &[u8], until: UnixTime) -> Result<Self, AnswerError> {
        let mut members = json::parse_object(json::unmarked(text), MAX_JSON_DEPTH)
            .map_err(|error| error.map_or(AnswerError::NotAnObject, AnswerError::Json))?;
        ["exp", "nbf", "iat"].iter().for_each(|name| unquote(members.get_mut(*name)));
        match members.get("active") {
            Some(Value::Bool(true)) => Ok(Self { claims: Some(Arc::new(members)), until }),
            Some(Value::Bool(false)) => Ok(Self { claims: None, until }),
            Some(other) => Err(AnswerError::ActiveType(json::type_name(other))),
            None => Err(AnswerError::NoActive),
        }
    }

    /// The claims of a token that is active.
    pub const fn claims(&self) -> Option<&Arc<Map<String, Value>>> {
        self.claims.as_ref()
    }

    /// Until when it may be used: the end of a token that does not say when it ends itself.
    pub const fn until(&self) -> UnixTime {
        self.until
    }

    /// The end of the token as the answer says it, where that can be read. Judging it is for `authn`.
    pub fn token_end(&self) -> Option<UnixTime> {
        let seconds = self.claims.as_ref()?.get("exp")?.as_f64()?;
        let since_epoch = Duration::try_from_secs_f64(seconds).ok()?;
        Some(UnixTime::from_secs(0).plus(since_epoch))
    }
}

/// Some endpoints write a time as text. Its digits have one meaning.
fn unquote(time: Option<&mut Value>) {
    let Some(time) = time else { return };
    let digits = time.as_str().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    if let Some(seconds) = digits.and_then(|digits| digits.parse::<u64>().ok()) {
        *time = seconds.into();
    }
}

impl fmt::Debug for IntrospectionAnswer {
    /// No claim: they are about people (P80).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionAnswer")
            .field("active", &self.claims.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<IntrospectionAnswer, AnswerError> {
        IntrospectionAnswer::parse(text.as_bytes(), UnixTime::from_secs(7))
    }

    /// P65: `active` is a boolean or there is no answer.
    #[test]
    fn only_the_boolean_true_is_active() {
        let active = parse(r#"{"active":true,"sub":"canary"}"#).unwrap();
        assert_eq!(active.claims().unwrap()["sub"], "canary");
        assert!(!format!("{active:?}").contains("canary"), "P80: no claim is printed");
        let inactive = parse(r#"{"active":false,"sub":"admin","scope":"admin"}"#).unwrap();
        assert!(inactive.claims().is_none(), "nothing is kept of an inactive token");
        for (text, error) in [
            (r#"{"active":"true"}"#, AnswerError::ActiveType("a string")),
            (r#"{"active":1}"#, AnswerError::ActiveType("a number")),
            (r#"{"active":null}"#, AnswerError::ActiveType("null")),
            (r#"{"active":[true]}"#, AnswerError::ActiveType("an array")),
            (r#"{"Active":true}"#, AnswerError::NoActive),
            ("{}", AnswerError::NoActive),
            ("true", AnswerError::NotAnObject),
            (r#"[{"active":true}]"#, AnswerError::NotAnObject),
            ("active=true", AnswerError::Json(JsonError::Syntax)),
            ("", AnswerError::Json(JsonError::Syntax)),
            (r#"{"active":false,"active":true}"#, AnswerError::Json(JsonError::DuplicateMember)),
            (
                r#"{"active":true,"cnf":{"jkt":"a","jkt":"b"}}"#,
                AnswerError::Json(JsonError::DuplicateMember),
            ),
        ] {
            assert_eq!(parse(text).map(|_| ()), Err(error), "{text}");
        }
        let deep = format!(r#"{{"active":true,"a":{}1{}}}"#, "[".repeat(20), "]".repeat(20));
        assert_eq!(parse(&deep).unwrap_err(), AnswerError::Json(JsonError::TooDeep));
    }

    #[test]
    fn the_end_of_a_token_is_read_where_it_is_one() {
        let end =
            |exp: &str| parse(&format!(r#"{{"active":true,"exp":{exp}}}"#)).unwrap().token_end();
        assert_eq!(end("1419356238"), Some(UnixTime::from_secs(1_419_356_238)));
        assert_eq!(end("1.5"), Some(UnixTime::from_millis(1500)));
        assert_eq!(end("\"1\""), Some(UnixTime::from_secs(1)));
        for none in ["-1", "\"-1\"", "\"\"", "\"1.5\"", "null", "1e300"] {
            assert_eq!(end(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_answered_makes_the_reader_fail(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = IntrospectionAnswer::parse(&body, UnixTime::from_secs(0)).map(|a| a.token_end());
        }
    }
}
