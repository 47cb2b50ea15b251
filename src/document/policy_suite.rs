//! The shape of `kind: PolicySuite`: test cases for policies, without keys and certificates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::policy::{Effect, TokenSignal};
use super::{Entries, Spanned, Texts};
use crate::evidence_level::EvidenceLevel;

/// The spec of a `PolicySuite` document.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySuiteSpec {
    /// The moment of every case, as RFC 3339 text.
    #[schemars(extend("default" = "2026-01-01T00:00:00Z"))]
    pub now: Option<Spanned<String>>,
    /// Peers, by names that cases use.
    pub peers: Option<Entries<PeerFixture>>,
    /// Tokens, by names that cases use.
    pub tokens: Option<Entries<TokenFixture>>,
    /// The cases.
    pub cases: Spanned<Vec<CaseSpec>>,
}

/// A peer as if it had been verified, or refused.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeerFixture {
    /// The name of the `TrustDomain` document that vouches for it. Always given, but for one that was refused.
    pub trust_domain: Option<Spanned<String>>,
    /// The names of others that vouch for it too. Example: `otherTrustDomains: [tenant-b]`.
    pub other_trust_domains: Option<Texts>,
    /// Instead of the rest: its certificate was refused, for this reason code.
    pub rejected: Option<Spanned<String>>,
    /// Its SPIFFE ID.
    pub spiffe: Option<Spanned<String>>,
    /// The DNS names of its certificate.
    pub dns: Option<Texts>,
    /// The URIs of its certificate, beside its SPIFFE ID. Example: `uris: ["https://partner.example/workload"]`.
    pub uris: Option<Texts>,
    /// The e-mail addresses of its certificate. Example: `emails: [platform@partner.example]`.
    pub emails: Option<Texts>,
    /// The IP addresses of its certificate. Example: `ips: [192.0.2.7, "2001:db8::7"]`.
    pub ips: Option<Texts>,
    /// The subject of its certificate, as RFC 4514 text. Example: `subject: "CN=gateway,O=Partner"`.
    pub subject: Option<String>,
    /// How much of its certificate was shown; `full` if nothing is said.
    #[schemars(extend("default" = "full"))]
    pub evidence: Option<EvidenceLevel>,
}

/// A token as if it had been verified, or refused.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenFixture {
    /// The name of the `TokenIssuer` document that vouches for it. Always given, but for one that was refused.
    pub issuer: Option<Spanned<String>>,
    /// Instead of the rest: it was refused, for this reason code.
    pub rejected: Option<Spanned<String>>,
    /// With `rejected` and `issuer`: the cookie that it was in, which a rule may ignore. Example: `cookie: session`.
    pub cookie: Option<Spanned<String>>,
    /// Instead of the rest: `true` for a token of an issuer that no document names, which is refused (`issuer_unknown`) but where
    /// the target ignores such tokens.
    pub foreign: Option<Spanned<bool>>,
    /// Its claims.
    pub claims: Option<Entries<Value>>,
    /// Its binding to the peer. Default: `none`.
    #[serde(default)]
    pub binding: BindingFixture,
    /// The signals that are raised about it; every other one is not. Example: `signals: [token_peers]`.
    pub signals: Option<Spanned<Vec<Spanned<TokenSignal>>>>,
    /// The signals that cannot be determined. Example: `unknownSignals: [token_addresses]`.
    pub unknown_signals: Option<Spanned<Vec<Spanned<TokenSignal>>>>,
}

/// The binding of a token to the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BindingFixture {
    /// Nothing.
    #[default]
    None,
    /// The peer's certificate.
    Certificate,
    /// A proof of possession.
    Dpop,
}

/// One case, or one for each combination where it lists several requests, peers or tokens.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaseSpec {
    /// The expectation, in a sentence.
    pub name: Spanned<String>,
    /// The request.
    pub request: Option<Spanned<RequestFixture>>,
    /// Instead of `request`: several.
    pub requests: Option<Spanned<Vec<Spanned<RequestFixture>>>>,
    /// The name of the peer; none if nothing is said.
    pub peer: Option<Spanned<String>>,
    /// Instead of `peer`: several; `none` for none.
    pub peers: Option<Spanned<Texts>>,
    /// The name of the token; none if nothing is said.
    pub token: Option<Spanned<String>>,
    /// Instead of `token`: several; `none` for none.
    pub tokens: Option<Spanned<Texts>>,
    /// The expected decision.
    pub expect: ExpectSpec,
}

/// A request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestFixture {
    /// The method; `GET` if nothing is said.
    #[schemars(extend("default" = "GET"))]
    pub method: Option<String>,
    /// The authority.
    pub host: Spanned<String>,
    /// The path with its query. What carries a token there is taken out, as a server does.
    pub path: Spanned<String>,
    /// The scheme; `https` if nothing is said.
    #[schemars(extend("default" = "https"))]
    pub scheme: Option<String>,
    /// Headers; values are texts. Headers that carry credentials are removed, as a server does: use `peer` and `token`.
    pub headers: Option<Entries<String>>,
    /// The address that the connection comes from, alone or with its port.
    pub source: Option<Spanned<String>>,
    /// The address of the client, if a proxy is in front of Envoy; `unknown` if it does not say. Unset:
    /// the other end of the connection.
    pub client: Option<Spanned<String>>,
    /// The address that the connection goes to, alone or with its port as in `10.0.0.7:8443`. `target.ports` are about that
    /// port.
    pub destination: Option<Spanned<String>>,
    /// The server name (SNI) of the client's TLS handshake; empty for a handshake without one. Unset: not known.
    pub sni: Option<String>,
    /// Context extensions: values that the proxy's configuration attaches to the route.
    pub context_extensions: Option<Entries<String>>,
}

/// One request with its caller, in a file of its own: for `countersign explain`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuestionSpec {
    /// The moment, as RFC 3339 text; now if nothing is said.
    pub now: Option<Spanned<String>>,
    /// The request.
    pub request: RequestFixture,
    /// The peer; none if nothing is said.
    pub peer: Option<Spanned<PeerFixture>>,
    /// The token; none if nothing is said.
    pub token: Option<Spanned<TokenFixture>>,
    /// Further tokens, of other issuers.
    #[serde(default)]
    pub tokens: Vec<Spanned<TokenFixture>>,
}

/// The expected decision. Keys that are unset are not compared.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectSpec {
    /// `allow` or `deny`.
    pub decision: Effect,
    /// The reason code of a denial.
    pub reason: Option<Spanned<String>>,
    /// The rule that decides or came closest: its name, or `policy/rule`.
    pub rule: Option<Spanned<String>>,
    /// Headers that are injected, with their values. Example: `headers: { x-subject: alice }`.
    pub headers: Option<Entries<String>>,
    /// Headers that the caller gets: those that an allow adds to the upstream's answer, or those of the denial. Example:
    /// `responseHeaders: { www-authenticate: 'Bearer realm="countersign"' }`.
    pub response_headers: Option<Entries<String>>,
    /// Query parameters that are set, with their values before they are encoded. Example: `query: { tenant: acme }`.
    pub query: Option<Entries<String>>,
    /// Members of the dynamic metadata, with their values. Example: `metadata: { level: 3 }`.
    pub metadata: Option<Spanned<Map<String, Value>>>,
    /// Claims of the assertion beside those that every assertion has, with their values. Example:
    /// `assertion: { tenant: acme }`.
    pub assertion: Option<Spanned<Map<String, Value>>>,
    /// Headers of the request that do not go upstream. Example: `removed: [authorization]`.
    pub removed: Option<Texts>,
    /// The HTTP status of a denial. Example: `status: 404`.
    pub status: Option<u16>,
    /// A part of the body of a denial: text that is in it, or members of its JSON. Example:
    /// `body: { code: ORDERS_DENIED }`.
    pub body: Option<Spanned<Value>>,
}
