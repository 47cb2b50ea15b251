//! The shape of `kind: TrustDomain`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HumanDuration, Source, Spanned};

/// The spec of a `TrustDomain` document.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustDomainSpec {
    /// The SPIFFE trust domain that it vouches for. A document without it vouches for certificates without a SPIFFE
    /// ID.
    pub spiffe: Option<Spanned<String>>,
    /// PEM certificates that paths must end at. Nothing else is trusted.
    #[serde(default)]
    pub authorities: Vec<Source>,
    /// A SPIFFE bundle with authorities for certificates and for tokens (JSON); needs `spiffe`.
    pub bundle: Option<Source>,
    /// PEM certificates that may help to find a path; not trusted for themselves.
    #[serde(default)]
    pub intermediates: Vec<Source>,
    /// Names of other documents that have some of the same authorities on purpose. Without it, `check` warns.
    #[serde(default)]
    pub shared_with: Vec<Spanned<String>>,
    /// Which of its workloads speak for the caller they were called by: SPIFFE patterns.
    #[serde(default)]
    pub forwarders: Vec<Spanned<String>>,
    /// How revocation is checked; not at all where it is absent.
    pub revocation: Option<Spanned<RevocationSpec>>,
    /// Requirements for a peer's certificate.
    #[serde(default)]
    pub leaf: LeafSpec,
}

/// How revocation is checked.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevocationSpec {
    /// Certificate revocation lists, PEM or DER.
    pub crls: Vec<Source>,
    /// How much of the path is checked.
    #[serde(default)]
    pub depth: RevocationDepth,
    /// The behaviour for a certificate of an issuer that has no list here.
    #[serde(default)]
    pub on_missing: OnMissing,
    /// The behaviour when a list is past its `nextUpdate`.
    #[serde(default)]
    pub on_stale: OnStale,
}

/// How much of a path is checked for revocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RevocationDepth {
    /// The peer's certificate.
    #[default]
    Leaf,
    /// Every certificate but the pinned authority.
    Chain,
}

/// The behaviour if no list covers a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnMissing {
    /// The certificate is refused.
    #[default]
    Deny,
    /// The certificate passes.
    Allow,
}

/// The behaviour when a list is past its `nextUpdate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnStale {
    /// Certificates that it covers are refused.
    #[default]
    Deny,
    /// It is used for so much longer.
    Grace(HumanDuration),
}

/// Requirements for a peer's certificate.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LeafSpec {
    /// Longest time between `notBefore` and `notAfter`.
    pub max_lifetime: Option<HumanDuration>,
    /// Least time left before `notAfter`.
    pub min_remaining: Option<HumanDuration>,
    /// Smallest RSA modulus, in bits.
    pub min_rsa_bits: Option<Spanned<usize>>,
    /// If there are any, the certificate must match one of them.
    pub pins: Vec<Pin>,
    /// Requirements for its extended key usage.
    pub extended_key_usage: ExtendedKeyUsageSpec,
}

/// A pin: SHA-256 as 64 hexadecimal digits (colons are ignored) or as base64.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Pin {
    /// Of the public key (SubjectPublicKeyInfo): survives a renewal with the same key.
    Spki(Spanned<String>),
    /// Of the whole certificate.
    Certificate(Spanned<String>),
}

/// A peer's certificate must say `clientAuth`. What else will do is asked for by name.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtendedKeyUsageSpec {
    /// A certificate without the extension passes: RFC 5280 reads that as any use.
    pub allow_absent: bool,
    /// `anyExtendedKeyUsage` passes.
    pub allow_any: bool,
}

impl TrustDomainSpec {
    /// Everything the document points to or holds inline.
    pub fn sources(&self) -> Vec<&Source> {
        let crls = self.revocation.iter().flat_map(|revocation| &revocation.value.crls);
        self.authorities.iter().chain(&self.bundle).chain(&self.intermediates).chain(crls).collect()
    }
}
