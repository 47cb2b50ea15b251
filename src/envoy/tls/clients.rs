//! Which verified client certificates may ask.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::spiffe::{SpiffeId, SpiffePattern};

/// Names; a client's certificate must have one of them. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedClients {
    spiffe: Vec<SpiffePattern>,
    dns: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
struct RawClients {
    /// SPIFFE IDs; `*` is one whole segment, a final `**` one or more.
    spiffe: Vec<String>,
    /// DNS names, exactly.
    dns: Vec<String>,
}

impl AllowedClients {
    /// The name by which the certificate `der` may ask, if it may.
    pub fn admit(&self, der: &[u8]) -> Option<String> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok()??;
        let names = &names.value.general_names;
        self.by_spiffe(names).or_else(|| self.by_dns(names))
    }

    /// By its SPIFFE ID; there must be one only (X509-SVID section 2).
    fn by_spiffe(&self, names: &[GeneralName<'_>]) -> Option<String> {
        let mut uris = names.iter().filter_map(|name| {
            let GeneralName::URI(uri) = name else { return None };
            Some(*uri)
        });
        let id: SpiffeId = uris.next()?.parse().ok()?;
        let only = uris.next().is_none();
        (only && self.spiffe.iter().any(|pattern| pattern.matches(&id))).then(|| id.to_string())
    }

    fn by_dns(&self, names: &[GeneralName<'_>]) -> Option<String> {
        names.iter().find_map(|name| {
            let GeneralName::DNSName(name) = name else { return None };
            self.dns.iter().find(|allowed| allowed.eq_ignore_ascii_case(name)).cloned()
        })
    }
}

impl JsonSchema for AllowedClients {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("AllowedClients")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        RawClients::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for AllowedClients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let RawClients { spiffe, dns } = RawClients::deserialize(deserializer)?;
        if spiffe.is_empty() && dns.is_empty() {
            return Err(D::Error::custom(
                "`clients` is empty: list Envoy's identities under `spiffe` or `dns`",
            ));
        }
        let pattern = |text: &String| {
            text.parse().map_err(|error| {
                D::Error::custom(format!("`{text}` is not a SPIFFE pattern: {error}"))
            })
        };
        Ok(Self { spiffe: spiffe.iter().map(pattern).collect::<Result<_, _>>()?, dns })
    }
}
