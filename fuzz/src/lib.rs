//! The work of each fuzz target on its input, and inputs to begin with.
//!
//! `fuzz_targets/` hands these functions what the fuzzer makes. `tests/in_process/fuzz.rs` runs the same functions on the stable
//! compiler, over the seeds and mutations of them, so that no target is ever out of order unnoticed. Each function
//! panics where something holds that must not.

mod checks;
mod mutate;
mod peer;
mod proof;
mod revocation;
mod samples;
mod token;
mod wire;

pub use mutate::Mutations;
pub use peer::{certificate, chain, crl, xfcc};
pub use proof::dpop;
pub use revocation::revocations;
pub use token::{claims, introspection, jwks, jws};
pub use wire::check;

/// One target: its name, what it does with an input, and inputs that it accepts.
pub struct Target {
    /// As in `cargo fuzz run NAME`.
    pub name: &'static str,
    /// Panics where something holds that must not; says whether the input was accepted in the end.
    pub run: fn(&[u8]) -> bool,
    /// Inputs to begin with; the first one is accepted.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: [Target; 11] = [
    Target { name: "xfcc", run: xfcc, seeds: samples::xfcc },
    Target { name: "certificate", run: certificate, seeds: samples::certificates },
    Target { name: "chain", run: chain, seeds: samples::chains },
    Target { name: "crl", run: crl, seeds: samples::crls },
    Target { name: "jws", run: jws, seeds: samples::jws },
    Target { name: "claims", run: claims, seeds: samples::claims },
    Target { name: "jwks", run: jwks, seeds: samples::jwks },
    Target { name: "introspection", run: introspection, seeds: samples::introspection },
    Target { name: "check", run: check, seeds: checks::checks },
    Target { name: "dpop", run: dpop, seeds: samples::proofs },
    Target { name: "revocations", run: revocations, seeds: samples::revocations },
];
