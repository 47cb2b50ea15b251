//! The obligations of an allow: headers, query parameters and metadata to set, and an assertion to sign.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::request::TokenPlace;

/// The obligations of the proxy and the decision point because a rule allows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Obligations {
    /// Headers to set on the request.
    pub headers: Vec<HeaderMutation>,
    /// Headers to set on the upstream's answer.
    pub response_headers: Vec<HeaderMutation>,
    /// Query parameters to set, with values that are percent-encoded.
    pub query: Vec<QueryMutation>,
    /// Dynamic metadata for the proxy.
    pub metadata: Map<String, Value>,
    /// A statement to sign and to send upstream.
    pub assertion: Option<AssertionRequest>,
    /// The places of the token that must not go upstream.
    pub tokens: Vec<TokenPlace>,
}

/// A header to set, replacing any that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMutation {
    /// The name, in lower case.
    pub name: Arc<str>,
    /// The value: visible ASCII and spaces, bounded (P12).
    pub value: String,
}

/// A query parameter to set, replacing any that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryMutation {
    /// The name: nothing that needs encoding.
    pub name: Arc<str>,
    /// The value, percent-encoded.
    pub value: String,
}

/// A statement about the caller that the decision point signs.
#[derive(Clone, Debug, PartialEq)]
pub struct AssertionRequest {
    /// The request header that carries it.
    pub header: Arc<str>,
    /// The service that it is for.
    pub audience: Arc<str>,
    /// The name of the `TokenIssuer` document of the rule's token, where it asks for one.
    pub issuer: Option<Box<str>>,
    /// How long it is good for.
    pub lifetime: Duration,
    /// Claims beside the usual ones.
    pub claims: Map<String, Value>,
}

/// Overrides that go upstream although they can name another method, path, host, scheme or port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::policy) struct Keep {
    pub(in crate::policy) headers: Box<[String]>,
    pub(in crate::policy) query: Box<[String]>,
}
