//! The state that replicas share: which one-time credentials were used, and small records that all of them need.
//!
//! One interface, two places to keep it: the process's own memory, or a Redis (or Valkey) that several replicas use. Every
//! failure is a [`StoreError`]. The caller decides what it means for a request, and never allows by accident.

mod backend;
#[cfg(any(feature = "redis", test))]
mod claim;
mod memory;
mod options;
#[cfg(feature = "redis")]
mod redis;
mod types;

pub use backend::Store;
pub use options::{
    Forgetful, OnLoss, PasswordSource, RedisOptions, SentinelOptions, StoreMemoryOptions,
    StoreOptions,
};
pub use types::{FirstUse, KeyPage, Position, StoreError, StoreHealth, StoreKey, StoredRecord};

#[cfg(test)]
pub(crate) mod tests;
