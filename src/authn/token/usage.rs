//! The signals that the use of a token raises.

use crate::document::policy::TokenSignal;

/// The signals about a token that are raised. Nothing is known where no rule asks for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    peers: Option<bool>,
    addresses: Option<bool>,
}

impl TokenUsage {
    /// A token about which no signal is raised.
    pub const UNREMARKABLE: Self = Self { peers: Some(false), addresses: Some(false) };

    /// The same, where `signal` is raised or not; nothing where that cannot be determined.
    #[must_use]
    pub const fn with(self, signal: TokenSignal, raised: Option<bool>) -> Self {
        match signal {
            TokenSignal::Peers => Self { peers: raised, ..self },
            TokenSignal::Addresses => Self { addresses: raised, ..self },
        }
    }

    /// True if `signal` is raised; nothing where that cannot be determined.
    pub const fn is_raised(self, signal: TokenSignal) -> Option<bool> {
        match signal {
            TokenSignal::Peers => self.peers,
            TokenSignal::Addresses => self.addresses,
        }
    }
}
