//! Failed attempts that replicas count together: a key for each source with the time at which its budget is full again, which a
//! script moves on by the server's clock.

use std::time::Duration;

use redis::Cmd;

use super::script::Keys;
use crate::secret::hex;
use crate::store::StoreKey;

/// Arguments: microseconds for one attempt, and for all of them. Answers with the microseconds until the next one; 0 where there
/// is room. A time that is later than it can be is from before the server's clock went back.
const COUNT: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, all = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = tonumber(redis.call('GET', KEYS[1]) or '0')
full = math.min(math.max(full, now), now + all)
if full + interval - all > now then return string.format('%.0f', full + interval - all - now) end
full = full + interval
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', string.format('%.0f', math.ceil((full - now) / 1000)))
return '0'";

/// The command that counts an attempt of `key`.
pub(super) fn count(keys: &Keys, key: &StoreKey, interval: Duration, failures: u32) -> Cmd {
    let interval = interval.as_micros().max(1);
    let mut eval = Cmd::new();
    eval.arg("EVAL").arg(COUNT).arg(1).arg(format!("{}:attempts:{}", keys.prefix(), hex(key)));
    eval.arg(interval.to_string());
    eval.arg(interval.saturating_mul(failures.into()).to_string());
    eval
}
