//! `countersign inspect`: what a certificate, an XFCC value or a recorded check shows of the caller, and whether it is verified.

mod certificate;
mod command;
mod input;
mod peer;
mod render;
mod report;
#[cfg(test)]
mod tests;

pub(super) use command::{Args, run};
pub(super) use input::to_pem;
pub(super) use peer::{HopReport, PeerReport, RejectionReport, Verdict};
pub(super) use render::write_hop;
pub(super) use report::InspectReport;
