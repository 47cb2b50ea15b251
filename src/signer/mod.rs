//! Our own signing keys: what upstreams verify our statements by. The first key signs, all are published, and they are
//! replaced while we run.

mod key;
mod options;
mod ring;

pub use options::{AssertionKeys, AssertionOptions, GeneratedKeys};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use self::ring::Ring;
use crate::clock::Clock;
use crate::secret::Secret;

/// Signs JWTs (RFC 7519) with a key of ours.
#[derive(Debug)]
pub struct Signer {
    issuer: String,
    keys: AssertionKeys,
    ring: ArcSwap<Ring>,
    clock: Arc<dyn Clock>,
    signed: AtomicU64,
}

/// How often files are looked at and the age of keys is checked.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

impl Signer {
    /// A signer with the keys that `options` name, or keys of its own.
    ///
    /// # Errors
    /// A file is wrong, and how.
    pub fn new(options: &AssertionOptions, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let ring = Ring::first(&options.keys, clock.now())?;
        Ok(Self {
            issuer: options.issuer.clone(),
            keys: options.keys.clone(),
            ring: ArcSwap::from_pointee(ring),
            clock,
            signed: AtomicU64::new(0),
        })
    }

    /// Our name: the `iss` of what is signed.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The id of the key that signs now.
    pub fn key_id(&self) -> String {
        self.ring.load().signing().id().to_owned()
    }

    /// The public keys as a JWK Set (RFC 7517 section 5).
    pub fn key_set(&self) -> String {
        self.ring.load().key_set().to_owned()
    }

    /// How many statements were signed.
    pub fn signed(&self) -> u64 {
        self.signed.load(Ordering::Relaxed)
    }

    /// A compact JWS over `claims`; `None` where signing fails.
    pub fn sign(&self, claims: &Map<String, Value>) -> Option<Secret<String>> {
        let token = self.ring.load().signing().sign(claims)?;
        self.signed.fetch_add(1, Ordering::Relaxed);
        Some(token)
    }

    /// Reads the files again, or retires a key of our own that is old enough. Returns whether the keys changed; where files
    /// cannot be used, the last good keys stay.
    ///
    /// # Errors
    /// A file is wrong, and how.
    pub fn refresh(&self) -> Result<bool, String> {
        let next = self.ring.load().next(&self.keys, self.clock.now())?;
        let changed = next.is_some();
        if let Some(ring) = next {
            self.ring.store(Arc::new(ring));
        }
        Ok(changed)
    }

    /// Refreshes for as long as it is polled. Reads files of a few kilobytes.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(REFRESH_INTERVAL);
        loop {
            ticks.tick().await;
            match self.refresh() {
                Ok(true) => tracing::info!(key = self.key_id(), "the assertion keys changed"),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(%error, "the assertion keys were not reloaded, the last good ones stay");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
