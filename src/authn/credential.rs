//! A credential before and after verification.

use crate::reason::Rejection;

/// A credential is one of three things, and the middle one is never the first (P69): a rejected credential denies even
/// where none was needed.
#[derive(Clone, Debug)]
pub enum Credential<T> {
    /// None was presented.
    Absent,
    /// One was presented and refused.
    Rejected(Rejection),
    /// One was presented and verified.
    Verified(T),
}

impl<T> Credential<T> {
    /// The verified value, if there is one.
    pub const fn verified(&self) -> Option<&T> {
        match self {
            Self::Verified(value) => Some(value),
            Self::Absent | Self::Rejected(_) => None,
        }
    }

    /// Why it was refused, if it was.
    pub const fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Absent | Self::Verified(_) => None,
        }
    }
}
