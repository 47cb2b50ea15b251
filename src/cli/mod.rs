//! The command line: arguments in, one command run, an exit code out.

mod admin_client;
mod check;
mod command;
mod completions;
mod decisions;
mod demo;
mod diff;
mod doctor;
mod documents;
mod error;
mod exit;
mod explain;
mod files;
mod init;
mod inspect;
mod keys;
mod lint_mesh;
mod records;
mod replay;
mod revocations;
mod revoke;
mod sarif;
mod schema;
mod serve;
mod style;
mod test;
mod time;
mod watch;
mod who_can;

pub use command::{install_crypto, run};
use error::CommandError;
pub use exit::Exit;
