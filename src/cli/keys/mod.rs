//! `countersign keys`: every issuer's keys as a server would have them, and how a token is verified.

mod command;
mod common;
mod explanation;
mod list;
mod obtain;
mod verify;

pub(super) use command::{Args, run};
pub(super) use verify::token_header;
