//! The time in which a certificate or a list is valid.

use std::time::Duration;

use x509_parser::certificate::X509Certificate;

use crate::clock::UnixTime;

/// When a certificate is valid, both ends included (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// `notBefore`.
    pub not_before: UnixTime,
    /// `notAfter`.
    pub not_after: UnixTime,
}

/// The phase of a lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifePhase {
    /// Before it.
    Early,
    /// In it.
    Within,
    /// In its last tenth, or its last 30 days where that is less: what is renewed in time has been renewed by now.
    Ending,
    /// After it.
    Over,
}

/// The last part of a long lifetime in which its end is near.
const LONGEST_ENDING: Duration = Duration::from_hours(30 * 24);

impl Validity {
    /// The phase of this lifetime at `now`.
    pub fn phase(&self, now: UnixTime) -> LifePhase {
        let life = self.not_after.since(self.not_before);
        let ending = (life / 10).min(LONGEST_ENDING);
        if now < self.not_before {
            LifePhase::Early
        } else if now > self.not_after {
            LifePhase::Over
        } else if now.plus(ending) > self.not_after {
            LifePhase::Ending
        } else {
            LifePhase::Within
        }
    }

    /// The validity of a certificate.
    pub fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            not_before: UnixTime::from_secs(validity.not_before.timestamp()),
            not_after: UnixTime::from_secs(validity.not_after.timestamp()),
        }
    }

    /// The time in which both are valid.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            not_after: self.not_after.min(other.not_after),
        }
    }
}
