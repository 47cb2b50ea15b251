//! The decision point.

mod dial;
mod fetch;
mod keys;

pub use fetch::{FetchError, Fetched, Fetcher, HttpsFetcher};
pub use keys::{KeyCache, KeyStatus};
