//! Three replicas, each a process of its own, on one Redis: what works once works once on all of them, what is revoked on one
//! of them is refused by all, whatever becomes of the Redis in the meantime.
//!
//! The Redis is the `redis-server` on the PATH (Debian package `redis-server`). Where there is none the tests say so and are
//! skipped; under `CI=true` they fail.

#![cfg(feature = "redis")]

#[path = "../../in_process/caller.rs"]
mod caller;
mod harness;
mod once;
mod revocation;
mod throttle;
