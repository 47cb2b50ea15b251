//! The shape of `introspection` in a `TokenIssuer` document.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ClientSpec, Entries, HumanDuration, MutualTlsSpec, SecretFile, Source, Spanned};

/// How an issuer is asked about its opaque tokens (RFC 7662).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntrospectionSpec {
    /// The address of the introspection endpoint.
    pub url: Spanned<String>,
    /// The authorities that its server's certificate must lead to, instead of the system's.
    pub ca: Option<Source>,
    /// True if `http://` will do.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// Who asks.
    pub client: Spanned<IntrospectionClientSpec>,
    /// Longest wait for one answer. A request waits no longer than its own `deadline`; the answer then serves the next one.
    #[schemars(extend("default" = "500ms"))]
    pub timeout: Option<Spanned<HumanDuration>>,
    /// Most questions at a time.
    #[schemars(extend("default" = 64))]
    pub max_concurrent: Option<Spanned<usize>>,
    /// How long an answer is used at most.
    #[schemars(extend("default" = "30s"))]
    pub cache_ttl: Option<Spanned<HumanDuration>>,
    /// Statuses by which the endpoint says that a token is not active, such as `[400, 404]`, beside `active: false`. Default: none;
    /// another status than 200 is then an outage.
    #[serde(default)]
    pub inactive_statuses: Vec<Spanned<u16>>,
}

/// The client that asks, and one way for it to prove that it is (RFC 7662 section 2.1). `headers` and `mutualTls` may stand beside
/// another.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntrospectionClientSpec {
    /// Its `client_id`; required but for `bearer`, `headers` and `none`.
    pub id: Option<Spanned<String>>,
    /// A secret in the `Authorization` header (RFC 6749 section 2.3.1).
    pub basic: Option<SecretFile>,
    /// A secret in the body (RFC 6749 section 2.3.1).
    pub post: Option<SecretFile>,
    /// A signed assertion (RFC 7523 section 2.2).
    pub private_key_jwt: Option<PrivateKeyJwtSpec>,
    /// A bearer token (RFC 7662 section 2.1). Its file is read for each question.
    pub bearer: Option<SecretFile>,
    /// Further headers, each with one line: from a `file`, which is read for each question, or `inline` where it is no secret.
    pub headers: Option<Entries<Source>>,
    /// A client certificate (RFC 8705 section 2). Its files are read for each question.
    pub mutual_tls: Option<MutualTlsSpec>,
    /// No proof at all, for an endpoint that only permitted callers can reach. It has no settings: its value is `{}`.
    pub none: Option<NoProofSpec>,
}

/// The client proves nothing.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoProofSpec {}

/// A key that signs assertions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrivateKeyJwtSpec {
    /// The private key, PEM.
    pub key: SecretFile,
    /// The algorithm, such as `ES256`.
    pub algorithm: Spanned<String>,
    /// The `kid` by which the issuer knows the key, where it needs one.
    pub key_id: Option<String>,
    /// The `aud` of the assertion, where the issuer wants another than the address of the endpoint.
    pub audience: Option<String>,
}

impl IntrospectionSpec {
    /// Every file that it names, but for those of [`IntrospectionClientSpec::shown`].
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let client = &self.client.value;
        let key = client.private_key_jwt.as_ref().map(|jwt| &jwt.key);
        let secrets = client.basic.iter().chain(&client.post).chain(key);
        self.ca.iter().chain(secrets.map(|file| &file.source))
    }
}

impl IntrospectionClientSpec {
    /// The credentials that the endpoint sees beside the question.
    pub fn shown(&self) -> ClientSpec {
        let Self { bearer, headers, mutual_tls, .. } = self.clone();
        ClientSpec { bearer, headers, mutual_tls, hosts: Vec::new() }
    }
}
