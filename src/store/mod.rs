//! What replicas share: which one-time credentials were used, and small records that all of them must know of.
//!
//! One interface, two places to keep it: the process's own memory, or a Redis (or Valkey) that several replicas use. Whatever
//! goes wrong is a [`StoreError`]; what it means for a request is the caller's decision, and never an allow by accident.

mod backend;
mod memory;
mod options;
#[cfg(feature = "redis")]
mod redis;
mod types;

pub use backend::Store;
pub use options::{OnLoss, PasswordSource, RedisOptions, StoreMemoryOptions, StoreOptions};
pub use types::{FirstUse, Key, Page, Position, Record, StoreError, StoreHealth};

#[cfg(test)]
mod tests;
