//! Settings of assertions.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::document::HumanDuration;

/// How assertions for upstreams are signed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssertionOptions {
    /// Our name in them: their `iss`. The same on every replica.
    pub issuer: String,
    /// The keys that sign.
    #[serde(default)]
    pub keys: AssertionKeys,
    /// The address that publishes the public keys beside the admin listener, for upstreams to fetch.
    pub publish: Option<SocketAddr>,
}

/// The source of signing keys. EC keys on P-256 (`ES256`) and Ed25519 keys (`EdDSA`), as PEM or JWK.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AssertionKeys {
    /// Files, one key each. The first signs, all are published.
    Files(Vec<PathBuf>),
    /// Every file in a folder, such as a mounted Secret, in the order of their names. The first signs, all are published.
    Folder(PathBuf),
    /// Keys made at the start and known to this replica alone.
    Generated(GeneratedKeys),
}

/// Keys that we make ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GeneratedKeys {
    /// How long a key signs. It is published for as long before it signs, and afterwards.
    pub rotation: HumanDuration,
}

/// Shortest rotation: upstreams keep key sets for minutes.
const MIN_ROTATION: Duration = Duration::from_secs(3600);

impl AssertionOptions {
    /// Checks the settings for mistakes.
    ///
    /// # Errors
    /// The mistake, and the fix.
    pub fn check(&self) -> Result<(), String> {
        if self.issuer.is_empty() {
            return Err("`assertion.issuer` is empty: give assertions a name, such as \
                        `https://countersign.example.com`"
                .to_owned());
        }
        match &self.keys {
            AssertionKeys::Generated(GeneratedKeys { rotation })
                if rotation.get() < MIN_ROTATION =>
            {
                let least = HumanDuration::new(MIN_ROTATION);
                Err(format!(
                    "`assertion.keys.generated.rotation` is {rotation}, expected {least} or more"
                ))
            }
            AssertionKeys::Files(files) if files.is_empty() => {
                Err("`assertion.keys.files` is empty: name a private key".to_owned())
            }
            AssertionKeys::Generated(_) | AssertionKeys::Files(_) | AssertionKeys::Folder(_) => {
                Ok(())
            }
        }
    }

    /// The same with relative paths taken from `base`.
    #[must_use]
    pub fn relative_to(mut self, base: &Path) -> Self {
        match &mut self.keys {
            AssertionKeys::Files(files) => {
                for file in files {
                    *file = base.join(&*file);
                }
            }
            AssertionKeys::Folder(folder) => *folder = base.join(&*folder),
            AssertionKeys::Generated(_) => {}
        }
        self
    }
}

impl Default for AssertionKeys {
    fn default() -> Self {
        Self::Generated(GeneratedKeys::default())
    }
}

impl Default for GeneratedKeys {
    fn default() -> Self {
        Self { rotation: HumanDuration::new(Duration::from_secs(24 * 3600)) }
    }
}
