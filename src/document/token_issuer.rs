//! The shape of `kind: TokenIssuer`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::issuer_profile::IssuerProfile;
use super::{
    BindSpec, ClaimTypeSpec, ClientSpec, Entries, HumanDuration, IntrospectionSpec, SecretFile,
    Source, Spanned, source,
};

/// The spec of a `TokenIssuer` document.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenIssuerSpec {
    /// The kind of tokens that it issues, or its provider, whose defaults hold where this document says nothing.
    #[serde(default)]
    pub profile: IssuerProfile,
    /// The `iss` claim of its tokens, compared exactly (RFC 7519 section 4.1.1); for JWT-SVIDs the trust domain, as a SPIFFE ID. With
    /// `tenants`, `{tenant}` stands for one of these as a whole segment of the path.
    pub issuer: Spanned<String>,
    /// The tenants of an issuer with `{tenant}` in its `issuer`: names, or patterns of names with one `*`, such as `eu-*`.
    pub tenants: Option<Spanned<Vec<Spanned<String>>>>,
    /// The audiences that we answer to: a token names at least one of them (RFC 7519 section 4.1.3).
    #[serde(default)]
    pub audiences: Vec<Spanned<String>>,
    /// For tokens without an audience: the clients from which they are accepted all the same. `check` warns of it.
    pub without_audience: Option<Spanned<WithoutAudienceSpec>>,
    /// The claim that names the client of a token with neither `client_id` nor `azp`. Default: `cid` with `profile: okta`, `appid` with
    /// `profile: entra`, none with others.
    pub client_claim: Option<Spanned<String>>,
    /// The source of its public keys.
    pub keys: Option<Spanned<KeysSpec>>,
    /// Further sources of keys, of an `iss` that several systems share, such as two clusters: a token counts with a key of any of them.
    #[serde(default)]
    pub more_keys: Vec<Spanned<KeysSpec>>,
    /// The endpoint to ask about tokens that only the issuer understands (RFC 7662): instead of keys, or beside them for tokens that are no
    /// JWTs.
    pub introspection: Option<Spanned<IntrospectionSpec>>,
    /// The signature algorithms it uses, such as `RS256`. Profiles of providers have a default.
    #[serde(default)]
    pub algorithms: Vec<Spanned<String>>,
    /// The `typ` values of its tokens; a token without `typ` counts as `JWT` (RFC 8725 section 3.11). Unset: what the profile
    /// uses, `[JWT, at+jwt]` for `jwt`.
    pub types: Option<Vec<Spanned<String>>>,
    /// The kinds of its tokens that are accepted, going by what their claims say: `access`, and `id` where services take ID
    /// tokens on purpose. Default: `[access]`. Tokens that say that they are of any other kind are always refused.
    pub kinds: Option<Spanned<Vec<TokenKind>>>,
    /// Further values of the claims `typ`, `token_use` and `token_type` by which the issuer marks its access tokens.
    #[serde(default)]
    pub access_marks: Vec<Spanned<String>>,
    /// How far its clock may be off; at most 60 s.
    #[schemars(extend("default" = "30s"))]
    pub clock_skew: Option<Spanned<HumanDuration>>,
    /// How long a token may live, from when it was issued to when it expires.
    #[schemars(extend("default" = "24h"))]
    pub max_lifetime: Option<Spanned<HumanDuration>>,
    /// How long ago a token may have been issued.
    pub max_age: Option<Spanned<HumanDuration>>,
    /// The places of its tokens. Default: the `Authorization` header.
    pub tokens: Option<Spanned<Vec<TokenPlaceSpec>>>,
    /// The weakest binding that its tokens may have.
    #[serde(default)]
    pub binding: BindingFloor,
    /// Which claim of its tokens names their presenter.
    pub bind: Option<Spanned<BindSpec>>,
    /// The use of its tokens: once, or again and again.
    #[serde(default, rename = "use")]
    pub token_use: TokenUse,
    /// Requirements for proofs of possession (RFC 9449).
    pub dpop: Option<Spanned<DpopSpec>>,
    /// Claims that every token has, by JSON pointer (RFC 6901), beside those of the profile.
    pub required_claims: Option<Vec<Spanned<String>>>,
    /// The claims that its tokens have, by name, beside those of standards and of the profile: `string`, `integer`, `number`, `boolean`,
    /// `strings` (a list of them), `any`, or a mapping of members. Policies that name others are errors. No token is judged by it.
    /// Unset: policies may name any claim.
    pub claims: Option<Spanned<Entries<ClaimTypeSpec>>>,
    /// Key ids that are never used, whatever the issuer publishes: for emergencies.
    #[serde(default)]
    pub deny_kids: Vec<Spanned<String>>,
}

/// Tokens without an audience, tied to their clients instead.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WithoutAudienceSpec {
    /// The clients (`client_id`, else `azp`, else `clientClaim`) whose tokens count without an `aud`.
    pub clients: Spanned<Vec<Spanned<String>>>,
}

/// The purpose of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TokenKind {
    /// It lets its bearer use a service (RFC 6749 section 1.4).
    Access,
    /// It tells a client who has logged in (OpenID Connect Core section 2).
    Id,
}

/// The source of keys: exactly one of `file`, `inline`, `url`, `discovery` and `secrets`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeysSpec {
    /// A file that holds a JWK Set.
    #[serde(default, deserialize_with = "source::optional_file")]
    #[schemars(with = "Option<String>")]
    pub file: Option<Source>,
    /// A JWK Set itself.
    #[serde(default, deserialize_with = "source::optional_text")]
    #[schemars(with = "Option<String>")]
    pub inline: Option<Source>,
    /// The address of a JWK Set. With `{tenant}` each of the `tenants`, which are named then, has a set of its own.
    pub url: Option<Spanned<String>>,
    /// The issuer's own metadata, which names the address (OpenID Connect Discovery 1.0).
    pub discovery: Option<Spanned<DiscoverySpec>>,
    /// Instead of public keys: secrets that the issuer shares with us, for `HS256`, `HS384` and `HS512`.
    pub secrets: Option<Spanned<Vec<SharedSecretSpec>>>,
    /// For an address: the authorities that its server's certificate must lead to, instead of the system's.
    pub ca: Option<Source>,
    /// For an address: how often the keys are fetched.
    #[schemars(extend("default" = "5m"))]
    pub refresh: Option<Spanned<HumanDuration>>,
    /// For an address: how long keys are used that could not be fetched again.
    #[schemars(extend("default" = "24h"))]
    pub max_stale: Option<Spanned<HumanDuration>>,
    /// For an address: longest wait for an answer. Requests wait no longer than their `deadline`.
    #[schemars(extend("default" = "10s"))]
    pub timeout: Option<Spanned<HumanDuration>>,
    /// For an address: the credentials that its server is shown.
    pub client: Option<ClientSpec>,
    /// For an address: whether `http://` will do.
    #[serde(default)]
    pub allow_plaintext: bool,
}

/// A secret that an issuer shares with us. It is read from a file and never stands in the document.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SharedSecretSpec {
    /// The file.
    #[serde(rename = "file", deserialize_with = "source::file")]
    #[schemars(with = "String")]
    pub source: Source,
    /// The `kid` by which tokens name it; without one it is for tokens that name none.
    pub key_id: Option<Spanned<String>>,
}

/// The issuer's own metadata, at the address that its specification says.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiscoverySpec {
    /// Which metadata. Default: `openid`.
    #[serde(default)]
    pub metadata: MetadataKind,
}

/// A kind of metadata of an issuer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MetadataKind {
    /// At `ISSUER/.well-known/openid-configuration` (OpenID Connect Discovery 1.0 section 4).
    #[default]
    Openid,
    /// At `https://HOST/.well-known/oauth-authorization-server/PATH` (RFC 8414 section 3).
    Oauth,
}

impl MetadataKind {
    /// The address of the metadata of `issuer`.
    pub fn address(self, issuer: &str) -> String {
        let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
        let host = issuer.find("://").map_or(0, |at| at.saturating_add(3));
        let path =
            issuer.get(host..).and_then(|rest| rest.find('/')).map(|at| at.saturating_add(host));
        let (origin, path) = issuer.split_at(path.unwrap_or(issuer.len()));
        match self {
            Self::Openid => format!("{issuer}/.well-known/openid-configuration"),
            Self::Oauth => format!("{origin}/.well-known/oauth-authorization-server{path}"),
        }
    }
}

/// A place where tokens are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum TokenPlaceSpec {
    /// The `Authorization` header. It has no settings: its value is `{}`.
    Authorization {},
    /// The header of this name, whose whole value is the token.
    Header(Spanned<String>),
    /// A header with a word before the token, such as `Authorization: JWT ..` or `X-Serverless-Authorization: Bearer ..`.
    Prefixed(PrefixedPlaceSpec),
    /// The header `Sec-WebSocket-Protocol`, where a browser has to put the token of a WebSocket (RFC 6455).
    WebSocketProtocol(ProtocolPlaceSpec),
    /// The cookie of this name.
    Cookie(Spanned<String>),
    /// The query parameter of this name (RFC 6750 section 2.3): advised against, and off unless it is named.
    Query(Spanned<String>),
}

/// A header with a word before the token.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrefixedPlaceSpec {
    /// The header's name.
    pub header: Spanned<String>,
    /// The word, without regard to case; a space stands behind it. With `DPoP` the token comes with a proof. Empty: a token without a
    /// word, in a header where other credentials have one.
    pub prefix: Spanned<String>,
}

/// An element of `Sec-WebSocket-Protocol`: exactly one of `prefix` and `after`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProtocolPlaceSpec {
    /// The beginning of the element that holds the token, such as `base64url.bearer.authorization.k8s.io.`.
    pub prefix: Option<Spanned<String>>,
    /// The element before the one that is the token, such as `access_token`.
    pub after: Option<Spanned<String>>,
    /// How the token is written there.
    #[serde(default)]
    pub encoding: ProtocolEncoding,
}

/// How a token is written among protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProtocolEncoding {
    /// As it is.
    #[default]
    None,
    /// In base64url (RFC 4648 section 5).
    Base64url,
}

/// The weakest binding that is accepted from an issuer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BindingFloor {
    /// Any holder of a token may use it, unless the token is bound.
    #[default]
    None,
    /// Tokens are bound to the certificate of the peer that presents them (RFC 8705 section 3).
    Certificate,
    /// Tokens are bound to a key, and come with a proof that their sender holds it (RFC 9449).
    Dpop,
    /// Tokens are bound in one of these ways.
    Any,
}

/// How often a token may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TokenUse {
    /// Until it expires, as access tokens are.
    #[default]
    Many,
    /// Once: its `jti` is remembered until it expires.
    Once,
}

/// Requirements for proofs of possession.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DpopSpec {
    /// The algorithms that they may be signed with. Unset: all that are supported.
    pub algorithms: Option<Spanned<Vec<Spanned<String>>>>,
    /// How long ago they may have been made.
    pub max_age: Option<Spanned<HumanDuration>>,
    /// The origins in the URLs that callers use, such as `https://api.example.com`. Unset: the origin that the proxy reports.
    pub origins: Option<Spanned<Vec<Spanned<String>>>>,
    /// The nonce of ours that they must hold.
    pub nonce: Option<Spanned<DpopNonceSpec>>,
}

/// Nonces that no replica has to remember.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DpopNonceSpec {
    /// Files with the secrets that they are sealed with, the same on every replica. The first one makes them, all of them are
    /// accepted.
    pub secrets: Spanned<Vec<SecretFile>>,
    /// For how long a nonce is good.
    pub lifetime: Option<Spanned<HumanDuration>>,
}

/// Advice for an audience that is also the id of a client.
pub const TELL_KINDS_APART: &str = "have the issuer name an audience for this service alone; or write `types: [at+jwt]` or `requiredClaims: [/scope]` \
     where its access tokens have these, or `kinds: [access, id]` where ID tokens are meant, too";

/// Claims that access tokens have and ID tokens have not, by pointer.
const OF_ACCESS: [&str; 6] = ["/scope", "/scp", "/client_id", "/cid", "/token_use", "/typ"];

impl TokenIssuerSpec {
    /// The spec with what its profile sets, where it says nothing itself.
    pub(super) fn with_profile(mut self) -> Self {
        let defaults = self.profile.defaults();
        let place = self.issuer.only_place();
        let spanned = |text: &&str| Spanned { value: (*text).to_owned(), place: place.place };
        let is_opaque = self.keys.is_none() && self.introspection.is_some();
        if is_opaque {
            return self;
        }
        if self.keys.is_none() && defaults.discovery {
            let discovery = Some(Spanned { value: DiscoverySpec::default(), place: place.place });
            let value = KeysSpec { discovery, ..KeysSpec::default() };
            self.keys = Some(Spanned { value, place: place.place });
        }
        if self.algorithms.is_empty() {
            self.algorithms = defaults.algorithms.iter().map(spanned).collect();
        }
        let own = self.required_claims.get_or_insert_default();
        let missing = |claim: &&&str| own.iter().all(|given| given.value != **claim);
        let missing: Vec<_> =
            defaults.required_claims.iter().filter(missing).map(spanned).collect();
        own.extend(missing);
        if let (None, Some(most)) = (&self.max_lifetime, defaults.max_lifetime) {
            let value = HumanDuration::new(most);
            self.max_lifetime = Some(Spanned { value, place: place.place });
        }
        self
    }

    /// The claim that names the client of a token with neither `client_id` nor `azp`.
    pub fn client_claim(&self) -> Option<&str> {
        let given = self.client_claim.as_ref().map(|own| own.value.as_str());
        given.or(self.profile.defaults().client_claim)
    }

    /// True if something in the document tells access tokens from ID tokens, or says that both are meant.
    pub fn tells_kinds_apart(&self) -> bool {
        let typed = self.types.as_ref().is_some_and(|types| {
            let is_access = |word: &str| {
                word.eq_ignore_ascii_case("at+jwt")
                    || word.eq_ignore_ascii_case("application/at+jwt")
            };
            types.iter().all(|named| is_access(&named.value))
        });
        let mut claims = self.required_claims.iter().flatten();
        let claimed = claims.any(|own| OF_ACCESS.contains(&own.value.as_str()));
        let meant = self.kinds.as_ref().is_some_and(|kinds| kinds.value.contains(&TokenKind::Id));
        typed || claimed || meant || self.profile.is_one_kind()
    }

    /// Everything the document points to or holds inline.
    pub fn sources(&self) -> Vec<&Source> {
        let keys = self.keys.iter().chain(&self.more_keys).flat_map(|keys| {
            let secrets = keys.value.secrets.iter().flat_map(|secrets| &secrets.value);
            let secrets = secrets.map(|secret| &secret.source);
            keys.value.sources().into_iter().chain(&keys.value.ca).chain(secrets)
        });
        let introspection = self.introspection.iter().flat_map(|spec| spec.value.sources());
        let nonce = self.dpop.iter().filter_map(|dpop| dpop.value.nonce.as_ref());
        let secrets = nonce.flat_map(|nonce| &nonce.value.secrets.value).map(|file| &file.source);
        keys.chain(introspection).chain(secrets).collect()
    }
}

impl KeysSpec {
    /// `file` and `inline`, as far as they are given.
    pub fn sources(&self) -> Vec<&Source> {
        self.file.iter().chain(&self.inline).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8414 section 3.1: the well-known part stands before the path of the issuer; OpenID Connect puts it behind.
    #[test]
    fn metadata_is_where_its_specification_says() {
        for (issuer, openid, oauth) in [
            (
                "https://a.example",
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example:8443/",
                "https://a.example:8443/.well-known/openid-configuration",
                "https://a.example:8443/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example/realms/corp/",
                "https://a.example/realms/corp/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server/realms/corp",
            ),
        ] {
            assert_eq!(MetadataKind::Openid.address(issuer), openid);
            assert_eq!(MetadataKind::Oauth.address(issuer), oauth);
        }
    }
}
