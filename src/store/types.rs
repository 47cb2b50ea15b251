//! The arguments and results of the store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::limits::MAX_SHARED_RECORD_BYTES;
use crate::words::words;

/// A name that does not reveal its object: a SHA-256, made by the caller.
pub type StoreKey = [u8; 32];

/// The answer to a claim: the first use, or a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstUse {
    /// It was, and no other use will be.
    First,
    /// It was used before.
    Seen,
}

/// How far the shared records have come. Read it cheaply and often; only where it changed is there something to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which life of the store this is: another one means that the store lost what it had.
    pub epoch: u64,
    /// Grows with every record that is published. Zero: none was.
    pub revision: u64,
}

/// A record that all replicas need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The id. A later record with the same id replaces it.
    pub id: StoreKey,
    /// The content, which the store does not read.
    pub bytes: Vec<u8>,
    /// From when on it may be forgotten; `None`: never.
    pub expires: Option<UnixTime>,
}

/// Some of the records, in the order in which they were published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// The records.
    pub records: Vec<StoredRecord>,
    /// The position to read on from.
    pub position: Position,
    /// True if more follow right away.
    pub more: bool,
    /// True if the store lost its records, so that this page is from its new beginning.
    pub restarted: bool,
}

words! {
    /// The kind of a store.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum StoreKind {
        /// The memory of one replica.
        Memory "memory",
        /// Redis, which replicas share.
        Redis "redis",
    }
}

/// The state of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHealth {
    /// Its kind.
    pub kind: StoreKind,
    /// True if it can be used now.
    pub up: bool,
    /// True if it could ever be used since the start.
    pub was_up: bool,
    /// Since when it is as `up` says; none where it never was otherwise.
    pub since: Option<UnixTime>,
    /// How often it was lost since the start.
    pub losses: u64,
    /// Why it cannot be used; empty where it can.
    pub why: String,
    /// Why it may forget what it was asked to store.
    pub forgetful: Option<String>,
    /// True if that is accepted.
    pub accepted: bool,
}

/// Why the store did not do an operation. Whether a credential was used before cannot be determined then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is not reachable, and was not asked.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// It did not answer in time.
    #[error("the store did not answer within its timeout")]
    Slow,
    /// It answered with an error, or with something that is no answer.
    #[error("the store answered with an error: {0}")]
    Refused(String),
    /// It has no room left, and nothing in it has expired.
    #[error("the store is full")]
    Full,
    /// The record is too large to be shared.
    #[error("record has {0} bytes, more than the {MAX_SHARED_RECORD_BYTES} that are shared")]
    TooLarge(usize),
}
