//! The contents of `deploy/`: the chart against Kubernetes' own schemas and against the binary that it starts, the
//! Dockerfile, alert rules and the dashboard.
//!
//! The programs that judge are found on the PATH or where `.ci/tools` puts them. Where one is missing the tests say so and
//! are skipped; under `CI=true` they fail.

#![expect(clippy::disallowed_methods, reason = "CI and the cache folder are in the environment")]

#[cfg(test)]
mod chart;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod image;
#[cfg(test)]
mod kustomize;
#[cfg(test)]
mod mesh;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod release;
#[cfg(test)]
mod site;
#[cfg(test)]
#[expect(dead_code, reason = "the demo is more than these tests use of it")]
#[path = "../../src/demo/mod.rs"]
mod testbed;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod values;
