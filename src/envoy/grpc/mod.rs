//! The gRPC services that tonic calls: checks and health.
//!
//! tonic serves the connections. The one message of a check is [read and written by us](super::message), because of what the
//! generated service does on its own: it answers what is too large, unreadable or late with a gRPC error, and to Envoy an error is
//! an allow where `failure_mode_allow` is set. Here each of them is a denial.

mod budget;
mod health;
mod router;

pub(super) use health::HealthProtocol;
pub(super) use router::{Router, Routes};
