//! The shared records in Redis: five keys in one slot, written and read by scripts, so that no reader sees them
//! half-changed.
//!
//! `order` is a sorted set of record ids by revision, `records` a hash of their contents, `expiry` a sorted set of ids by
//! the time from which they may be forgotten, `orders` a hash of their orders, `meta` holds the epoch and the last revision. A revision is the server's time
//! in milliseconds, or one more than the last one: after a failover that lost the last writes, none is given out again.

use std::time::Duration;

use redis::Cmd;

use super::super::{KeyPage, Position, StoreError, StoreKey, StoredRecord};
use crate::clock::UnixTime;
use crate::secret::hex;

/// The names of our keys.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
    meta: String,
    order: String,
    records: String,
    expiry: String,
    orders: String,
}

/// The answer of [`READ`]: epoch, last revision, ids, their revisions, their contents.
#[derive(Debug)]
pub(super) struct PageAnswer {
    epoch: u64,
    last: u64,
    ids: Vec<Vec<u8>>,
    revisions: Vec<u64>,
    values: Vec<Option<Vec<u8>>>,
}

/// Arguments: id, what it says, when it expires (nothing: never), an epoch for an empty store, its order. A server of an earlier
/// version writes no order: its record gives way.
const PUBLISH: &str = "\
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('HGET', KEYS[1], 'revision') or '0')
local order = tonumber(redis.call('HGET', KEYS[5], ARGV[1]) or '0')
if order > tonumber(ARGV[5]) then
  return {redis.call('HGET', KEYS[1], 'epoch'), string.format('%.0f', last)}
end
local revision = math.max(now, last + 1)
redis.call('HSET', KEYS[1], 'revision', string.format('%.0f', revision))
redis.call('ZADD', KEYS[2], string.format('%.0f', revision), ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[5], ARGV[1], ARGV[5])
if ARGV[3] == '' then redis.call('ZREM', KEYS[4], ARGV[1])
else redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1]) end
local old = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', string.format('%.0f', now - 600000), 'LIMIT', 0, 100)
for _, id in ipairs(old) do
  redis.call('ZREM', KEYS[2], id)
  redis.call('HDEL', KEYS[3], id)
  redis.call('HDEL', KEYS[5], id)
  redis.call('ZREM', KEYS[4], id)
end
return {redis.call('HGET', KEYS[1], 'epoch'), string.format('%.0f', revision)}";

/// Arguments: the epoch and the revision after which to read, how many.
const READ: &str = "\
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'revision')
local from = ARGV[2]
if ARGV[1] ~= meta[1] then from = '0' end
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. from, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local ids, revisions, values = {}, {}, {}
for i = 1, #found, 2 do
  ids[#ids + 1] = found[i]
  revisions[#revisions + 1] = found[i + 1]
end
if #ids > 0 then values = redis.call('HMGET', KEYS[3], unpack(ids)) end
return {meta[1] or '0', meta[2] or '0', ids, revisions, values}";

/// Counts a failed attempt that replicas count together: a key for each source has the time at which its budget is full again, and
/// that moves on by the server's clock. Arguments: microseconds for one attempt, and for all of them. Answers with the microseconds until the next one; 0 where there
/// is room. A time that is later than it can be is from before the server's clock went back.
const COUNT_ATTEMPT: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, all = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = tonumber(redis.call('GET', KEYS[1]) or '0')
full = math.min(math.max(full, now), now + all)
if full + interval - all > now then return string.format('%.0f', full + interval - all - now) end
full = full + interval
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', string.format('%.0f', math.ceil((full - now) / 1000)))
return '0'";

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        // The braces put the five into one slot of a cluster.
        let shared = |name: &str| format!("{{{prefix}}}:shared:{name}");
        Self {
            prefix: prefix.to_owned(),
            meta: shared("meta"),
            order: shared("order"),
            records: shared("records"),
            expiry: shared("expiry"),
            orders: shared("orders"),
        }
    }

    /// Keys are hashes already; their hexadecimal form spreads over a cluster.
    pub(super) fn first_use(&self, key: &StoreKey) -> String {
        format!("{}:use:{}", self.prefix, hex(key))
    }

    /// A write, so that it also finds out whether writing is permitted here.
    pub(super) fn begin_epoch(&self) -> Cmd {
        command("HSETNX", |begin| begin.arg(&self.meta).arg("epoch").arg(fresh_epoch()))
    }

    /// Answers with the epoch and the revision, each perhaps missing.
    pub(super) fn look(&self) -> Cmd {
        command("HMGET", |look| look.arg(&self.meta).arg("epoch").arg("revision"))
    }

    pub(super) fn publish(&self, record: &StoredRecord, order: u64) -> Cmd {
        let expires = record.expires.map(|at| at.as_millis().to_string()).unwrap_or_default();
        self.eval(PUBLISH, |eval| {
            eval.arg(&record.id).arg(wrap(record)).arg(expires).arg(fresh_epoch()).arg(order)
        })
    }

    pub(super) fn read(&self, after: Position, limit: usize) -> Cmd {
        self.eval(READ, |eval| eval.arg(after.epoch).arg(after.revision).arg(limit))
    }

    pub(super) fn count_attempt(&self, key: &StoreKey, interval: Duration, failures: u32) -> Cmd {
        let name = format!("{}:attempts:{}", self.prefix, hex(key));
        let interval = interval.as_micros().max(1);
        let all = interval.saturating_mul(failures.into());
        command("EVAL", |eval| {
            let eval = eval.arg(COUNT_ATTEMPT).arg(1).arg(name);
            eval.arg(interval.to_string()).arg(all.to_string())
        })
    }

    fn eval(&self, script: &str, arguments: impl FnOnce(&mut Cmd) -> &mut Cmd) -> Cmd {
        command("EVAL", |eval| {
            let keys = [&self.meta, &self.order, &self.records, &self.expiry, &self.orders];
            arguments(eval.arg(script).arg(keys.len()).arg(&keys))
        })
    }
}

fn command(name: &str, arguments: impl FnOnce(&mut Cmd) -> &mut Cmd) -> Cmd {
    let mut command = Cmd::new();
    command.arg(name);
    arguments(&mut command);
    command
}

/// Not zero, and small enough for the numbers of scripts.
fn fresh_epoch() -> u64 {
    let mut bytes = [0; 8];
    // Without random numbers the epoch would be the same after a loss: then the revision alone has to show it.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_be_bytes(bytes).wrapping_shr(16) | 1
}

impl redis::FromRedisValue for PageAnswer {
    fn from_redis_value(value: redis::Value) -> Result<Self, redis::ParsingError> {
        let (epoch, last, ids, revisions, values) = redis::FromRedisValue::from_redis_value(value)?;
        Ok(Self { epoch, last, ids, revisions, values })
    }
}

impl PageAnswer {
    /// The page, or the reason why it is none: another program may have written to the keys.
    pub(super) fn into_page(self, after: Position, limit: usize) -> Result<KeyPage, StoreError> {
        let Self { epoch, last, ids, revisions, values } = self;
        let garbage = || StoreError::Refused("shared records that we did not write".into());
        let more = ids.len() >= limit;
        let reached = revisions.last().copied().unwrap_or(last);
        let records = ids.iter().zip(values).filter_map(|(id, value)| Some((id, value?)));
        let records = records.map(|(id, value)| unwrap(id, &value)).collect::<Option<Vec<_>>>();
        Ok(KeyPage {
            records: records.ok_or_else(garbage)?,
            position: Position { epoch, revision: if more { reached } else { last } },
            more,
            restarted: after != Position::default() && after.epoch != epoch,
        })
    }
}

/// A record as a hash holds it: its expiry in eight bytes (the greatest: never), then what it says.
fn wrap(record: &StoredRecord) -> Vec<u8> {
    let expires = record.expires.map_or(i64::MAX, UnixTime::as_millis);
    [&expires.to_be_bytes()[..], &record.bytes].concat()
}

fn unwrap(id: &[u8], value: &[u8]) -> Option<StoredRecord> {
    let (expires, bytes) = value.split_first_chunk::<8>()?;
    let expires = i64::from_be_bytes(*expires);
    Some(StoredRecord {
        id: StoreKey::try_from(id).ok()?,
        bytes: bytes.to_owned(),
        expires: (expires != i64::MAX).then(|| UnixTime::from_millis(expires)),
    })
}
