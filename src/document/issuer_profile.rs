//! The kinds of tokens, and what is always the same at one provider: defaults that a document may override (P469).

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of tokens with rules of its own, or a provider with defaults of its own. `docs/providers.md` has a recipe for each provider.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "camelCase")]
#[value(rename_all = "camelCase")]
pub enum IssuerProfile {
    /// JWT access tokens (RFC 7519, RFC 9068).
    #[default]
    Jwt,
    /// JWT-SVIDs: known by the trust domain of their `sub`, whatever their `iss` (SPIFFE JWT-SVID section 3).
    JwtSvid,
    /// Kubernetes service-account tokens: `sub` and the claim `kubernetes.io` name the same account.
    Kubernetes,
    /// Access tokens of Keycloak.
    Keycloak,
    /// Access tokens of Microsoft Entra ID, v1.0 and v2.0.
    Entra,
    /// Access tokens of a custom authorization server of Okta.
    Okta,
    /// Access tokens of Auth0.
    Auth0,
    /// Access tokens of Amazon Cognito.
    Cognito,
    /// ID tokens of Google's service accounts.
    Google,
    /// ID tokens of jobs of GitHub Actions.
    #[serde(alias = "github-actions")]
    GithubActions,
}

/// The settings of a profile, where the document has none of its own.
#[derive(Clone, Copy, Debug)]
pub struct ProfileDefaults {
    /// `algorithms`.
    pub algorithms: &'static [&'static str],
    /// `types`.
    pub types: &'static [&'static str],
    /// `requiredClaims`.
    pub required_claims: &'static [&'static str],
    /// `clientClaim`.
    pub client_claim: Option<&'static str>,
    /// `maxLifetime`.
    pub max_lifetime: Option<Duration>,
    /// True if `keys` are `{ discovery: {} }`.
    pub discovery: bool,
}

const HOUR: Duration = Duration::from_secs(60 * 60);

/// RFC 9068 asks for `at+jwt`; many issuers write `JWT` or nothing.
const JWT: ProfileDefaults = ProfileDefaults {
    algorithms: &[],
    types: &["JWT", "at+jwt"],
    required_claims: &[],
    client_claim: None,
    max_lifetime: None,
    discovery: false,
};

/// A provider that signs with RSA and publishes OpenID Connect metadata.
const PROVIDER: ProfileDefaults =
    ProfileDefaults { algorithms: &["RS256"], discovery: true, ..JWT };

impl IssuerProfile {
    /// Its settings.
    pub const fn defaults(self) -> ProfileDefaults {
        match self {
            Self::Jwt => JWT,
            // SPIFFE JWT-SVID section 2.3.
            Self::JwtSvid => ProfileDefaults { types: &["JWT", "JOSE"], ..JWT },
            Self::Kubernetes => ProfileDefaults { types: &["JWT"], ..PROVIDER },
            // Each token says its kind: `Bearer`, `ID`, `Refresh`, `Offline`, `Logout`.
            Self::Keycloak => ProfileDefaults { required_claims: &["/typ"], ..PROVIDER },
            Self::Entra => ProfileDefaults {
                types: &["JWT"],
                required_claims: &["/tid"],
                client_claim: Some("appid"),
                ..PROVIDER
            },
            // ID tokens have no `cid`.
            Self::Okta => ProfileDefaults {
                required_claims: &["/cid"],
                client_claim: Some("cid"),
                ..PROVIDER
            },
            Self::Auth0 => PROVIDER,
            Self::Cognito => ProfileDefaults {
                types: &["JWT"],
                required_claims: &["/token_use", "/client_id"],
                ..PROVIDER
            },
            Self::Google => {
                ProfileDefaults { types: &["JWT"], max_lifetime: Some(HOUR), ..PROVIDER }
            }
            Self::GithubActions => ProfileDefaults {
                types: &["JWT"],
                required_claims: &["/repository", "/job_workflow_ref"],
                max_lifetime: Some(HOUR),
                ..PROVIDER
            },
        }
    }

    /// True if its tokens are access tokens by RFC 6749, which some issuers write without an audience.
    pub const fn may_lack_audience(self) -> bool {
        !matches!(self, Self::JwtSvid | Self::Kubernetes | Self::Google | Self::GithubActions)
    }

    /// True if its issuer makes tokens of one kind alone.
    pub const fn is_one_kind(self) -> bool {
        matches!(self, Self::JwtSvid | Self::Kubernetes | Self::GithubActions)
    }
}
