//! The always-allow server with the allocator that a Rust program has by default; the load harness starts it.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made must end at once")]

#[path = "../load/always_allow.rs"]
mod always_allow;

use std::path::PathBuf;

fn main() {
    let mut given = std::env::args().skip(1);
    let address = given.next().unwrap().parse().unwrap();
    let answer = given.next().map(PathBuf::from);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(always_allow::serve(address, answer.as_deref()));
}
