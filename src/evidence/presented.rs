//! One thing that a caller may send, before anything is verified.

use crate::reason::Rejection;

/// Something a caller may show: absent, unreadable, or readable and still unverified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented<T> {
    /// It was not sent.
    Absent,
    /// It was sent and cannot be read.
    Malformed(Rejection),
    /// It was sent and could be read.
    Present(T),
}
