//! Hosts, paths and methods among the arguments of commands: one check for all of them.

use crate::request::{host_slip, path_slip};

/// The authority of a request.
pub(super) fn host(text: &str) -> Result<String, String> {
    host_slip(text).map_or_else(|| Ok(text.to_owned()), Err)
}

/// The path of a request, with its query.
pub(super) fn path(text: &str) -> Result<String, String> {
    path_slip(text).map_or_else(|| Ok(text.to_owned()), Err)
}

/// The path of a request, without a query.
pub(super) fn path_alone(text: &str) -> Result<String, String> {
    match text.split_once(['?', '#']) {
        Some((path, _)) => Err(format!("write the path without a query: `{path}`")),
        None => path(text),
    }
}
