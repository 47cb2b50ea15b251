//! The shape of `during`: when a rule counts.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Spanned;

/// When a rule counts. Everything that is given must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DuringSpec {
    /// The first moment, as RFC 3339 text with its offset. Unset: it has always begun.
    pub from: Option<Spanned<String>>,
    /// The first moment after it, as RFC 3339 text with its offset. Unset: it never ends.
    pub until: Option<Spanned<String>>,
    /// Windows of every week, one of which the moment must be in.
    pub weekly: Option<Spanned<Vec<Spanned<WindowSpec>>>>,
}

/// A window of every week.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowSpec {
    /// The days on which it begins. Unset: every day.
    pub days: Option<Spanned<Vec<DaySpec>>>,
    /// The time at which it begins, such as `08:00`.
    pub from: Spanned<String>,
    /// The time at which it is over, such as `18:00` or `24:00`; of the next day if it is not after `from`.
    pub until: Spanned<String>,
    /// The time zone of its clock: a name of the IANA database such as `Europe/Berlin`, which follows daylight saving, `UTC`, or a
    /// fixed offset such as `+01:00`.
    pub zone: Spanned<String>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DaySpec {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}
