//! Audit records that commands read: the lines of logs, filters, and requests that are put to policies again.

mod again;
mod fields;
mod filters;
mod lines;
mod log_check;

pub(super) use again::{RecordedRequest, cut_field, is_path_hidden};
pub(super) use fields::unknown_field;
pub(super) use filters::{Filters, peer, rule};
pub(super) use lines::{RecordLines, open, with_older};
