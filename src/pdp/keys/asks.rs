//! The budgets for fetches that tokens cause: apart from each other and from those by the clock, so that none uses up another's.

use std::collections::{BTreeMap, VecDeque};

use crate::clock::UnixTime;
use crate::limits::{
    ABSENT_KEY_LIFETIME, ABSENT_KEY_REPEATS, CHANGED_KEY_FETCHES, MAX_ABSENT_KEYS,
    REPEATED_KEY_FETCHES, SECOND_TOKEN_WAIT, UNKNOWN_KEY_FETCHES,
};
use crate::pdp::follow::TokenBucket;
use crate::secret::Fingerprint;

/// The budgets of one key set.
#[derive(Debug)]
pub(super) struct Asks {
    unknown: TokenBucket,
    repeated: TokenBucket,
    changed: TokenBucket,
    /// Key ids that are not in the set.
    absent: BTreeMap<Fingerprint, Absent>,
    /// Those, the first to be named at the front: it makes room for another.
    order: VecDeque<(UnixTime, Fingerprint)>,
    single_waits: u32,
    /// How often each key id was named since the last fetch.
    named: BTreeMap<Fingerprint, u32>,
}

/// A key id that a token names and that is not in the set.
#[derive(Debug)]
struct Absent {
    since: UnixTime,
    /// When the last fetch was made for it, and how many were.
    asked: Option<UnixTime>,
    times: u32,
}

/// The permission of a token that needs other keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// Have the keys fetched.
    Fetch,
    /// Wait a moment for a second token that needs the same.
    SecondToken,
    /// Go on with what is there: the issuer was asked.
    None,
    /// Go on with what is there, although the issuer was not asked: others have used the budget up.
    Unasked,
}

impl Asks {
    pub(super) const fn new() -> Self {
        let [unknown, repeated, changed] =
            [UNKNOWN_KEY_FETCHES, REPEATED_KEY_FETCHES, CHANGED_KEY_FETCHES];
        Self {
            unknown: TokenBucket::full(unknown.0, unknown.1, unknown.2),
            repeated: TokenBucket::full(repeated.0, repeated.1, repeated.2),
            changed: TokenBucket::full(changed.0, changed.1, changed.2),
            absent: BTreeMap::new(),
            order: VecDeque::new(),
            single_waits: 0,
            named: BTreeMap::new(),
        }
    }

    /// How often tokens have named the key `id` since the last fetch: those of an issuer name its new key again and again, and made-up
    /// ones seldom (P496).
    pub(super) fn name(&mut self, id: &str) -> u32 {
        if self.named.len() >= MAX_ABSENT_KEYS {
            self.named.clear();
        }
        let times = self.named.entry(Fingerprint::of(id.as_bytes())).or_default();
        *times = times.saturating_add(1);
        *times
    }

    /// A token names the key `id`, which is not in the set. A flood of made-up key ids uses up its own budget alone (P61): each is
    /// named once, and a new key by one request after the other.
    pub(super) fn unknown_key(&mut self, id: &str, now: UnixTime) -> Permission {
        let id = Fingerprint::of(id.as_bytes());
        if let Some(absent) = self.absent.get_mut(&id).filter(|absent| absent.counts(now)) {
            // An empty budget means that another token had the keys fetched a moment ago.
            if !absent.is_due(now) || !self.repeated.take(now) {
                return if absent.times > 0 { Permission::None } else { Permission::Unasked };
            }
            (absent.asked, absent.times) = (Some(now), absent.times.saturating_add(1));
            return Permission::Fetch;
        }
        let fetched = self.unknown.take(now);
        let asked = fetched.then_some(now);
        self.remember(id, Absent { since: now, asked, times: fetched.into() }, now);
        match fetched {
            true => Permission::Fetch,
            false if self.single_waits < SECOND_TOKEN_WAIT.1 => {
                self.single_waits = self.single_waits.saturating_add(1);
                Permission::SecondToken
            }
            false => Permission::Unasked,
        }
    }

    /// True if the issuer was not asked for the key `id`, as far as is known.
    pub(super) fn is_unasked(&self, id: &str) -> bool {
        let absent = self.absent.get(&Fingerprint::of(id.as_bytes()));
        absent.is_none_or(|absent| absent.times == 0)
    }

    /// A token does not verify with the key of the set that it names, or with the only one.
    pub(super) fn changed_key(&mut self, now: UnixTime) -> Permission {
        if self.changed.take(now) { Permission::Fetch } else { Permission::None }
    }

    /// A fetch has ended. Where it says nothing about the key ids that are absent, or brought another set, they may be asked for
    /// again.
    pub(super) fn end(&mut self, forget: bool) {
        self.single_waits = 0;
        self.named.clear();
        if forget {
            self.absent.clear();
            self.order.clear();
        }
    }

    fn remember(&mut self, id: Fingerprint, absent: Absent, now: UnixTime) {
        if self.order.len() >= MAX_ABSENT_KEYS
            && let Some((since, first)) = self.order.pop_front()
            // It may have been named again after it was forgotten.
            && self.absent.get(&first).is_some_and(|absent| absent.since == since)
        {
            self.absent.remove(&first);
        }
        self.order.push_back((now, id));
        self.absent.insert(id, absent);
    }
}

impl Absent {
    /// True if it is remembered. A clock that goes back makes it forgotten (P82).
    fn counts(&self, now: UnixTime) -> bool {
        let last = self.asked.unwrap_or(self.since);
        last <= now && now.since(last) < ABSENT_KEY_LIFETIME.saturating_mul(2)
    }

    /// True if a fetch may be made for it: its key may have been published since the last one.
    fn is_due(&self, now: UnixTime) -> bool {
        let (soon, times) = ABSENT_KEY_REPEATS;
        let gap = if self.times <= times { soon } else { ABSENT_KEY_LIFETIME };
        self.asked.is_none_or(|asked| now.since(asked) >= gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> UnixTime {
        UnixTime::from_millis(1_000_000_000 + millis)
    }

    /// P61: key ids that are each named once cause a fetch every 5 seconds, and no request waits in vain for long.
    #[test]
    fn made_up_key_ids_use_up_their_own_budget() {
        let mut asks = Asks::new();
        let (mut fetches, mut waits) = (0, 0);
        for millis in (0..60_000).step_by(10) {
            match asks.unknown_key(&format!("made-up-{millis}"), at(millis)) {
                Permission::Fetch => {
                    fetches += 1;
                    asks.end(false);
                }
                Permission::SecondToken => waits += 1,
                Permission::None | Permission::Unasked => {}
            }
        }
        assert_eq!((fetches, waits), (14, 16 * 14));
        assert!(asks.absent.len() <= MAX_ABSENT_KEYS);
        // P260: a new key is named by a second request, and a token whose key was replaced has a budget of its own.
        assert_eq!(asks.unknown_key("new", at(60_000)), Permission::Fetch);
        asks.end(false);
        assert_eq!(asks.unknown_key("newer", at(60_010)), Permission::SecondToken);
        assert_eq!(asks.unknown_key("newer", at(60_020)), Permission::Fetch);
        assert_eq!(asks.changed_key(at(60_030)), Permission::Fetch);
    }

    /// P260: more made-up key ids than are remembered do not push a new one out before a second request names it, and a token whose key
    /// was not asked for is not called invalid.
    #[test]
    fn a_flood_of_key_ids_hides_no_new_one() {
        let mut asks = Asks::new();
        let mut fetched = 0;
        for millis in 0..4000 {
            if asks.unknown_key(&format!("made-up-{millis}"), at(millis)) == Permission::Fetch {
                asks.end(false);
            }
            if millis >= 3000 && millis % 100 == 0 {
                let asked = asks.unknown_key("new", at(millis));
                fetched += i32::from(asked == Permission::Fetch);
                assert_eq!(asks.is_unasked("new"), asked != Permission::Fetch && fetched == 0);
            }
        }
        assert_eq!(fetched, 1);
        assert!(asks.absent.len() <= MAX_ABSENT_KEYS && asks.order.len() <= MAX_ABSENT_KEYS);
    }

    /// P261: a key id that no fetch brought is asked for again soon (P445), then after a while, and at once when the set changes.
    #[test]
    fn an_absent_key_is_asked_for_again() {
        let mut asks = Asks::new();
        let asked: Vec<_> = (0..120)
            .filter(|half| asks.unknown_key("gone", at(half * 500)) == Permission::Fetch)
            .map(|half| half * 500)
            .collect();
        assert_eq!(
            asked,
            [0, 1500, 3000, 4500, 6000, 7500, 17_500, 27_500, 37_500, 47_500, 57_500]
        );
        assert_eq!(asks.unknown_key("gone", at(59_500)), Permission::None);
        asks.end(true);
        assert_eq!(asks.unknown_key("gone", at(59_600)), Permission::Fetch);
        // P82: the clock goes back.
        assert_eq!(asks.unknown_key("gone", at(-90_000_000)), Permission::Fetch);
    }
}
