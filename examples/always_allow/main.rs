//! The always-allow server with the allocator that a Rust program has by default; the load harness starts it.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made must end at once")]

#[path = "../load/always_allow.rs"]
mod always_allow;

fn main() {
    let address = std::env::args().nth(1).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(always_allow::serve(address));
}
