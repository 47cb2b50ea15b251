//! The shape of the effects of a rule beside its decision: additions and removals on allow, and the response on deny.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Entries, HumanDuration, Spanned, Texts};

/// Additions on allow. Values are templates: text with variables in braces, such as `{token.sub}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InjectSpec {
    /// Request headers for the upstream: templates by name. They carry plain ASCII: encode the rest with `|percent`, `|rfc8187` or
    /// `|base64url`, and lists and objects with `|json`. Example: `headers: { x-subject: "{token.sub}" }`.
    pub headers: Option<Spanned<Entries<String>>>,
    /// Headers of the upstream's answer to the caller: templates by name. Example:
    /// `responseHeaders: { x-tenant: "{token.claims./tenant}" }`.
    pub response_headers: Option<Spanned<Entries<String>>>,
    /// Query parameters for the upstream: templates by name. Envoy sets letters, digits and `*-._` only: encode the rest with
    /// `|base64url` or `|hex`. Example:
    /// `query: { tenant: "{token.claims./tenant}" }`.
    pub query: Option<Spanned<Entries<String>>>,
    /// Dynamic metadata of Envoy, for its access log and other filters: templates by name. A value that is one variable
    /// only keeps its kind (number, list). Example: `metadata: { subject: "{token.sub}" }`.
    pub metadata: Option<Spanned<Entries<String>>>,
    /// A signed statement of who is calling, for the upstream to verify.
    pub assertion: Option<Spanned<AssertionSpec>>,
}

/// A signed statement (a JWT) of who is calling.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssertionSpec {
    /// The request header that carries it. Example: `header: x-countersign-assertion`.
    pub header: Spanned<String>,
    /// Its audience (`aud`). An upstream refuses assertions for other audiences. Example: `audience: orders`.
    pub audience: Spanned<String>,
    /// Its lifetime: at least `5s`, at most `10m`, and never longer than the token and the certificate that it is made
    /// from. Default: `60s`. Example: `lifetime: 30s`.
    pub lifetime: Option<Spanned<HumanDuration>>,
    /// Claims beside those that every assertion has: templates by name. A value that is one variable only keeps its kind
    /// (number, list, mapping). Example: `claims: { tenant: "{token.claims./tenant}" }`.
    pub claims: Option<Spanned<Entries<String>>>,
}

/// Removals from the request before it goes upstream, on allow.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveSpec {
    /// `true` removes the token that the rule asks for, wherever it was. Example: `token: true`.
    pub token: Option<Spanned<bool>>,
    /// Request headers. Example: `headers: [x-debug]`.
    pub headers: Option<Spanned<Texts>>,
    /// Query parameters. Example: `query: [debug]`.
    pub query: Option<Spanned<Texts>>,
}

/// The response to a denied caller, instead of the default. All of it is text of this document: nothing is taken from the
/// request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DenySpec {
    /// The HTTP status, from 400 to 499. Example: `status: 404`.
    pub status: Option<Spanned<u16>>,
    /// The body.
    pub body: Option<Spanned<BodySpec>>,
    /// Headers by name. Example: `headers: { x-contact: platform-team }`.
    pub headers: Option<Spanned<Entries<String>>>,
    /// The page that browsers are sent to.
    pub redirect: Option<Spanned<RedirectSpec>>,
    /// A cookie that the browser deletes if the token in it was refused. Example:
    /// `clearCookie: { name: session }`.
    pub clear_cookie: Option<Spanned<ClearCookieSpec>>,
}

/// A cookie with the attributes that it was set with: with others, browsers keep it (RFC 6265 section 5.3). It is cleared by a 401,
/// where its token is all that was refused.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClearCookieSpec {
    /// The name: that of a cookie in which a `TokenIssuer` has its tokens. Example: `name: session`.
    pub name: Spanned<String>,
    /// Its `Path`. Default: `/`. Example: `path: /app`.
    pub path: Option<Spanned<String>>,
    /// Its `Domain`. Default: none. Example: `domain: example.com`.
    pub domain: Option<Spanned<String>>,
}

/// The body of a denial. The caller's `accept` decides whether it gets text, JSON or `application/problem+json`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BodySpec {
    /// A message for people: the text itself, `message` in JSON, `detail` in problem details (RFC 9457); at most 4 KiB.
    /// Example: `text: Ask the platform team for access.`
    pub text: Option<Spanned<String>>,
    /// Members beside the decision id in JSON, and in problem details; at most 8 KiB. Example:
    /// `json: { code: ORDERS_DENIED }`.
    pub json: Option<Spanned<Map<String, Value>>>,
}

/// A redirect for browsers: callers that ask for a page (`GET` with `text/html` in `accept`), never scripts or services.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedirectSpec {
    /// An `https` URL, or a path on the same host. Example: `to: https://login.example.com/`.
    pub to: Spanned<String>,
    /// The HTTP status: 302, 303 or 307. Default: 302. Example: `status: 303`.
    pub status: Option<Spanned<u16>>,
    /// The denials that redirect. Default: `unauthenticated`. Example: `for: every`.
    #[serde(default, rename = "for")]
    pub denials: RedirectFor,
}

/// The denials that redirect a browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RedirectFor {
    /// Those that authentication can fix: no token, a token that was refused, an authentication that is too weak or too old.
    /// A user who is known but not allowed would return from a login page at once, forever.
    #[default]
    Unauthenticated,
    /// Every denial, such as one by a rule that closes a service for maintenance.
    Every,
}
