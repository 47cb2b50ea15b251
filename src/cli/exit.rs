//! Exit codes.

use std::process::ExitCode;

/// How a command ended. The numbers are part of the interface: scripts depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked.
    Ok,
    /// It failed while running.
    Failure,
    /// The arguments are wrong (the code that the argument parser uses too).
    Usage,
    /// The settings cannot be used.
    Settings,
    /// The documents have errors.
    Documents,
    /// The address cannot be listened on.
    Listen,
}

impl Exit {
    /// [`Self::Ok`] or [`Self::Failure`].
    pub(super) const fn ok_if(good: bool) -> Self {
        if good { Self::Ok } else { Self::Failure }
    }

    /// The number that the process ends with.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Settings => 3,
            Self::Documents => 4,
            Self::Listen => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
