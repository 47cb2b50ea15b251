//! The settings of throttling.

use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::HumanDuration;
use crate::limits::{MAX_THROTTLE_FAILURES, MAX_THROTTLE_PERIOD};

/// The answer to failed attempts over the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ThrottleMode {
    /// They are not counted.
    Disabled,
    /// They are counted, and metrics and audit records show which would be throttled. No answer changes.
    #[default]
    Watch,
    /// They get 429 and `retry-after`.
    Enforce,
}

/// How failed attempts to authenticate are throttled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ThrottleOptions {
    /// The answer to failed attempts over the limit. Good credentials pass in every mode.
    pub mode: ThrottleMode,
    /// So many failed attempts of one source are answered as ever, at once; then one in each `per / failures`. At most 10,000.
    pub failures: NonZeroU32,
    /// The time in which a source gets all of `failures` back; at most `1h`.
    pub per: HumanDuration,
    /// The length of the IPv4 networks that are one source: 32 is a single address.
    #[schemars(range(min = 1, max = 32))]
    pub ipv4_prefix: u8,
    /// The same for IPv6: 64 is what one client usually has.
    #[schemars(range(min = 1, max = 128))]
    pub ipv6_prefix: u8,
    /// True if replicas count together, in the store that they share (`store.redis`). While it is lost each replica counts alone.
    pub shared: bool,
}

impl Default for ThrottleOptions {
    fn default() -> Self {
        Self {
            mode: ThrottleMode::default(),
            failures: NonZeroU32::MIN.saturating_add(19),
            per: HumanDuration::new(Duration::from_mins(1)),
            ipv4_prefix: 32,
            ipv6_prefix: 64,
            shared: false,
        }
    }
}

impl ThrottleOptions {
    /// True if the settings can stand together.
    ///
    /// # Errors
    /// An option that cannot be used.
    pub fn check(&self, store_is_shared: bool) -> Result<(), String> {
        let Self { failures, per, ipv4_prefix, ipv6_prefix, shared, .. } = self;
        if failures.get() > MAX_THROTTLE_FAILURES {
            return Err(format!(
                "`throttle.failures` is {failures}, expected at most {MAX_THROTTLE_FAILURES}"
            ));
        }
        if per.get().is_zero() || per.get() > MAX_THROTTLE_PERIOD {
            let most = HumanDuration::new(MAX_THROTTLE_PERIOD);
            return Err(format!(
                "`throttle.per` is {per}, expected more than 0 and at most {most}"
            ));
        }
        for (name, prefix, most) in
            [("ipv4Prefix", *ipv4_prefix, 32), ("ipv6Prefix", *ipv6_prefix, 128)]
        {
            if prefix == 0 || prefix > most {
                return Err(format!("`throttle.{name}` is {prefix}, expected 1 to {most}"));
            }
        }
        if *shared && !store_is_shared {
            return Err("`throttle.shared` needs a store that replicas share: set `store.redis`, or leave it out".into());
        }
        Ok(())
    }

    /// The time after which one more failed attempt is answered as ever.
    pub(super) fn interval(&self) -> Duration {
        self.per.get().checked_div(self.failures.get()).unwrap_or(self.per.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_meant_are_refused() {
        let check = |json: &str, is_shared| {
            serde_json::from_str::<ThrottleOptions>(json).unwrap().check(is_shared)
        };
        for (json, expected) in [
            (r#"{"failures": 10001}"#, "failures"),
            (r#"{"per": "0s"}"#, "per"),
            (r#"{"per": "61m"}"#, "at most 1h"),
            (r#"{"ipv4Prefix": 33}"#, "expected 1 to 32"),
            (r#"{"ipv6Prefix": 0}"#, "expected 1 to 128"),
            (r#"{"shared": true}"#, "`store.redis`"),
        ] {
            let problem = check(json, false).unwrap_err();
            assert!(problem.contains(expected), "{json}: {problem}");
        }
        assert_eq!(check(r#"{"failures": 10000, "per": "1h"}"#, false), Ok(()));
        assert_eq!(check("{}", false), Ok(()));
        assert_eq!(check(r#"{"mode": "enforce", "shared": true}"#, true), Ok(()));
        assert!(serde_json::from_str::<ThrottleOptions>(r#"{"failures": 0}"#).is_err());
    }
}
