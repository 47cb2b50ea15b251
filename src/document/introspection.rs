//! The shape of `introspection` in a `TokenIssuer` document.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{HumanDuration, Source, Spanned, source};

/// How an issuer is asked about its opaque tokens (RFC 7662).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntrospectionSpec {
    /// The address of the introspection endpoint.
    pub url: Spanned<String>,
    /// The authorities that its server's certificate must lead to, instead of the system's.
    pub ca: Option<Source>,
    /// Whether `http://` will do.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// Who asks.
    pub client: Spanned<IntrospectionClientSpec>,
    /// Longest wait for one answer.
    #[schemars(extend("default" = "500ms"))]
    pub timeout: Option<Spanned<HumanDuration>>,
    /// Most questions at a time.
    #[schemars(extend("default" = 64))]
    pub max_concurrent: Option<Spanned<usize>>,
    /// How long an answer is used at most.
    #[schemars(extend("default" = "30s"))]
    pub cache_ttl: Option<Spanned<HumanDuration>>,
}

/// The client that asks, and exactly one way for it to prove that it is (RFC 7662 section 2.1).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntrospectionClientSpec {
    /// Its `client_id`.
    pub id: Spanned<String>,
    /// A secret in the `Authorization` header (RFC 6749 section 2.3.1).
    pub basic: Option<SecretFile>,
    /// A secret in the body (RFC 6749 section 2.3.1).
    pub post: Option<SecretFile>,
    /// A signed assertion (RFC 7523 section 2.2).
    pub private_key_jwt: Option<PrivateKeyJwtSpec>,
    /// A client certificate (RFC 8705 section 2).
    pub mutual_tls: Option<MutualTlsSpec>,
}

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

/// A client certificate and its key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MutualTlsSpec {
    /// The certificate and its intermediates, PEM.
    pub certificate: SecretFile,
    /// The private key, PEM.
    pub key: SecretFile,
}

/// Something that is read from a file and never stands in the document itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretFile {
    /// The file; a relative path is relative to the folder of the document.
    #[serde(rename = "file", deserialize_with = "source::file")]
    #[schemars(with = "String")]
    pub source: Source,
}

impl IntrospectionSpec {
    /// Every file that it names.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let client = &self.client.value;
        let key = client.private_key_jwt.as_ref().map(|jwt| &jwt.key);
        let pair = client.mutual_tls.iter().flat_map(|tls| [&tls.certificate, &tls.key]);
        let secrets = client.basic.iter().chain(&client.post).chain(key).chain(pair);
        self.ca.iter().chain(secrets.map(|file| &file.source))
    }
}
