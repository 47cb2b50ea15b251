//! Settings of the store: what an operator writes under `store`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::StoreKind;
use crate::document::HumanDuration;
use crate::limits::{DEFAULT_FIRST_USES, MAX_STORE_TIMEOUT};

/// The store of the replicas' shared state.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StoreOptions {
    /// In each replica's own memory: for one replica, or where nothing is used only once.
    Memory(StoreMemoryOptions),
    /// In a Redis or Valkey that all replicas use.
    Redis(Box<RedisOptions>),
}

/// How much is kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StoreMemoryOptions {
    /// Most one-time credentials that are remembered at a time, some 100 bytes each. When all of them may still be used
    /// again, further ones are refused.
    pub first_uses: usize,
}

/// How Redis is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedisOptions {
    /// One server: `redis://host:6379/0`, or `rediss://` for TLS.
    pub url: Option<String>,
    /// Instead of `url`: some servers of a cluster.
    pub cluster: Option<Vec<String>>,
    /// Instead of `url`: the Sentinels that know the server.
    pub sentinel: Option<SentinelOptions>,
    /// The user of Redis's access control lists. `default` if unset.
    pub username: Option<String>,
    /// The password.
    pub password: Option<PasswordSource>,
    /// The authorities, in PEM, of which one must vouch for the server. The system's if unset.
    pub ca: Option<PathBuf>,
    /// The certificate, in PEM, that we show to the server.
    pub certificate: Option<PathBuf>,
    /// Its key, in PEM.
    pub key: Option<PathBuf>,
    /// Longest wait of a request for an answer.
    #[serde(default = "default_timeout")]
    pub timeout: HumanDuration,
    /// The prefix of all keys.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// The treatment of one-time credentials while the store is unavailable.
    #[serde(default)]
    pub on_loss: OnLoss,
    /// The treatment of a server that may forget what was written: one that evicts keys, or that keeps nothing on disk.
    #[serde(default)]
    pub forgetful: Forgetful,
}

/// How a server is found through Redis Sentinel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SentinelOptions {
    /// Some of the Sentinels: `redis://host:26379`, or `rediss://` where they and the server speak TLS.
    pub urls: Vec<String>,
    /// The name under which they know the server.
    pub master: String,
    /// The user at the Sentinels. `default` if unset.
    pub username: Option<String>,
    /// The password at the Sentinels; that of the server is beside it.
    pub password: Option<PasswordSource>,
}

/// The file or variable that has a password. Never the settings themselves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasswordSource {
    /// The file that holds it, and perhaps a line end. It is read again for every connection.
    pub file: PathBuf,
}

/// The treatment of one-time credentials while the store is unavailable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnLoss {
    /// They are refused.
    #[default]
    Deny,
    /// Each replica sees to it alone: a credential can be used once on each of them until it expires.
    Local,
}

/// The treatment of a server that may forget what was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Forgetful {
    /// It is used, and the log, `/readyz?verbose`, `/status` and a metric say so.
    #[default]
    Warn,
    /// It is not used, as if it were lost.
    Refuse,
    /// It is used. `/status` alone says so.
    Accept,
}

const fn default_timeout() -> HumanDuration {
    HumanDuration::new(Duration::from_millis(50))
}

fn default_prefix() -> String {
    String::from("countersign")
}

impl StoreOptions {
    /// Its kind.
    pub const fn kind(&self) -> StoreKind {
        match self {
            Self::Memory(_) => StoreKind::Memory,
            Self::Redis(_) => StoreKind::Redis,
        }
    }

    /// The same with relative paths made relative to `base`.
    #[must_use]
    pub fn relative_to(mut self, base: &Path) -> Self {
        if let Self::Redis(redis) = &mut self {
            let sentinel = redis.sentinel.as_mut().and_then(|own| own.password.as_mut());
            let passwords =
                [redis.password.as_mut(), sentinel].map(|own| own.map(|own| &mut own.file));
            let files = [redis.ca.as_mut(), redis.certificate.as_mut(), redis.key.as_mut()];
            for path in files.into_iter().chain(passwords).flatten() {
                *path = base.join(&*path);
            }
        }
        self
    }

    /// Checks that the settings can stand together.
    ///
    /// # Errors
    /// An option that cannot be used.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Memory(memory) => memory.check(),
            Self::Redis(redis) => redis.check(),
        }
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self::Memory(StoreMemoryOptions::default())
    }
}

impl StoreMemoryOptions {
    fn check(self) -> Result<(), String> {
        if self.first_uses == 0 {
            return Err(
                "`store.memory.firstUses` is 0, which would refuse every one-time credential"
                    .into(),
            );
        }
        Ok(())
    }
}

impl Default for StoreMemoryOptions {
    fn default() -> Self {
        Self { first_uses: DEFAULT_FIRST_USES }
    }
}

impl RedisOptions {
    /// The servers to begin with: one, some of a cluster, or Sentinels.
    pub(super) fn servers(&self) -> &[String] {
        match (&self.url, &self.cluster, &self.sentinel) {
            (Some(url), _, _) => std::slice::from_ref(url),
            (None, Some(urls), _) => urls,
            (None, None, Some(sentinel)) => &sentinel.urls,
            (None, None, None) => &[],
        }
    }

    fn check(&self) -> Result<(), String> {
        let ways = [self.url.is_some(), self.cluster.is_some(), self.sentinel.is_some()];
        if ways.iter().filter(|way| **way).count() != 1 || self.servers().is_empty() {
            return Err("`store.redis` needs one of `url`, `cluster` with at least one URL, and `sentinel` with at least one of `urls`".into());
        }
        self.servers().iter().try_for_each(|url| check_url(url))?;
        let tls = self.servers().iter().all(|url| url.starts_with("rediss://"));
        if let Some(sentinel) = &self.sentinel {
            sentinel.check(tls)?;
        }
        let files = self.ca.is_some() || self.certificate.is_some() || self.key.is_some();
        if files && !tls {
            return Err(
                "`store.redis` has `ca`, `certificate` or `key`, which need `rediss://` URLs"
                    .into(),
            );
        }
        if self.certificate.is_some() != self.key.is_some() {
            return Err("`store.redis` needs both `certificate` and `key`, or none".into());
        }
        if self.username.is_some() && self.password.is_none() {
            return Err("`store.redis.username` needs `password: { file: PATH }`".into());
        }
        if self.timeout.get().is_zero() || self.timeout.get() > MAX_STORE_TIMEOUT {
            return Err(format!(
                "`store.redis.timeout` is {}, expected more than 0 and at most {}: every request with a one-time credential may wait for it",
                self.timeout,
                HumanDuration::new(MAX_STORE_TIMEOUT)
            ));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        if self.prefix.is_empty() || !self.prefix.bytes().all(plain) {
            return Err("`store.redis.prefix` must be letters, digits, `-`, `_`, `.` or `:`".into());
        }
        Ok(())
    }
}

impl SentinelOptions {
    fn check(&self, tls: bool) -> Result<(), String> {
        if self.master.is_empty() {
            return Err("`store.redis.sentinel.master` is empty, expected the name that the Sentinels monitor".into());
        }
        if !tls && self.urls.iter().any(|url| !url.starts_with("redis://")) {
            return Err("`store.redis.sentinel.urls` must all be `redis://`, or all `rediss://`: the server is reached in the same way".into());
        }
        if self.username.is_some() && self.password.is_none() {
            return Err("`store.redis.sentinel.username` needs `password: { file: PATH }`".into());
        }
        Ok(())
    }
}

/// Never shown: it may contain a password.
fn check_url(url: &str) -> Result<(), String> {
    let rest =
        ["redis://", "rediss://", "unix://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let Some(rest) = rest else {
        return Err(
            "`store.redis` has a URL that does not begin with `redis://`, `rediss://` or `unix://`"
                .into(),
        );
    };
    if rest.contains('@') {
        return Err("`store.redis` has a URL with a user or a password: use `username` and `password: { file: PATH }`".into());
    }
    #[cfg(feature = "redis")]
    if redis::IntoConnectionInfo::into_connection_info(url).is_err() {
        return Err("`store.redis` has a URL that cannot be read, expected one such as `redis://redis.example.com:6379`".into());
    }
    if rest.contains(['#', '?']) {
        return Err("`store.redis` has a URL with `?` or `#`: what could be set there is set elsewhere, or not at all".into());
    }
    Ok(())
}
