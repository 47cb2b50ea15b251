//! Things by their fingerprints, in a bounded number of bytes, with less than a hundred of its own for each of them: there may
//! be a hundred thousand.
//!
//! What was not used since a hand came by makes room first (the clock, or second-chance, algorithm); what has expired makes
//! room without being asked. The hand goes on with each thing that is kept, so nothing is ever looked for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::secret::Fingerprint;

/// How many parts there are, each with a lock of its own: more than there are cores, and so many that a part which has to
/// grow keeps nobody waiting.
const PARTS: usize = 64;

/// What an entry costs beside the thing itself.
const ENTRY_BYTES: usize = 96;

/// How many entries the hand passes for each thing that is kept.
const STEPS: usize = 2;

/// Something to keep.
pub(super) trait Keep {
    /// What it is found by.
    fn fingerprint(&self) -> &Fingerprint;

    /// About how many bytes it takes.
    fn size(&self) -> usize;
}

/// The things that are kept.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    parts: Box<[RwLock<Part<T>>]>,
    /// Most bytes of a part.
    most: usize,
    /// What ends of lifetimes count from.
    since: Stopwatch,
}

#[derive(Debug)]
struct Part<T> {
    /// Positions of entries, by the first bytes of their fingerprints. Of two that have those in common, one is kept.
    places: HashMap<u64, usize>,
    entries: Vec<Option<Entry<T>>>,
    free: Vec<usize>,
    hand: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<T> {
    thing: Arc<T>,
    /// In milliseconds.
    until: u64,
    used: AtomicBool,
}

// === impl Shelf ===

impl<T: Keep> Shelf<T> {
    /// An empty one for `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        let most = usize::try_from(bytes).unwrap_or(usize::MAX).checked_div(PARTS).unwrap_or(0);
        let parts = (0..PARTS).map(|_| RwLock::default()).collect();
        Self { parts, most, since: Stopwatch::start() }
    }

    /// The thing with this fingerprint.
    pub(super) fn find(&self, fingerprint: &Fingerprint) -> Option<Arc<T>> {
        let part = self.part(fingerprint)?.read().unwrap_or_else(PoisonError::into_inner);
        part.find(fingerprint)
    }

    /// Keeps `thing` for `lifetime` at most.
    pub(super) fn keep(&self, thing: &Arc<T>, lifetime: Duration) {
        let Some(part) = self.part(thing.fingerprint()) else { return };
        let now = self.since.elapsed();
        let mut part = part.write().unwrap_or_else(PoisonError::into_inner);
        part.keep(Arc::clone(thing), now.saturating_add(lifetime), now, self.most);
    }

    /// How many there are, and about how many bytes they take.
    pub(super) fn count(&self) -> (u64, u64) {
        let read = |part: &RwLock<Part<T>>| {
            let part = part.read().unwrap_or_else(PoisonError::into_inner);
            (part.places.len(), part.bytes)
        };
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.parts.iter().map(read).fold((0, 0), |(count, bytes), (more, taken)| {
            (count.saturating_add(number(more)), bytes.saturating_add(number(taken)))
        })
    }

    fn part(&self, fingerprint: &Fingerprint) -> Option<&RwLock<Part<T>>> {
        let [.., last] = *fingerprint.as_bytes();
        self.parts.get(usize::from(last).checked_rem(PARTS)?)
    }
}

// === impl Part ===

impl<T> Default for Part<T> {
    fn default() -> Self {
        let (places, entries, free) = (HashMap::new(), Vec::new(), Vec::new());
        Self { places, entries, free, hand: 0, bytes: 0 }
    }
}

impl<T: Keep> Part<T> {
    fn find(&self, fingerprint: &Fingerprint) -> Option<Arc<T>> {
        let at = *self.places.get(&first_bytes(fingerprint))?;
        let entry = self.entries.get(at)?.as_ref()?;
        if entry.thing.fingerprint() != fingerprint {
            return None;
        }
        // Readers that only read do not take the line of memory from each other.
        if !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        Some(Arc::clone(&entry.thing))
    }

    fn keep(&mut self, thing: Arc<T>, until: Duration, now: Duration, most: usize) {
        let (key, size) = (first_bytes(thing.fingerprint()), taken(&*thing));
        if size > most {
            return;
        }
        if let Some(at) = self.places.get(&key) {
            self.remove(*at);
        }
        for _ in 0..STEPS {
            self.step(|entry| entry.until <= millis(now));
        }
        // The first round takes from each its second chance.
        let rounds = self.entries.len().saturating_mul(2);
        for _ in 0..rounds {
            if self.bytes.saturating_add(size) <= most {
                break;
            }
            self.step(|entry| {
                entry.until <= millis(now) || !entry.used.swap(false, Ordering::Relaxed)
            });
        }
        self.bytes = self.bytes.saturating_add(size);
        let entry = Some(Entry { thing, until: millis(until), used: AtomicBool::new(false) });
        let at = self.free.pop().unwrap_or(self.entries.len());
        match self.entries.get_mut(at) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        self.places.insert(key, at);
    }

    /// Moves the hand by one, and removes what was there if it `may_go`.
    fn step(&mut self, may_go: impl Fn(&Entry<T>) -> bool) {
        let at = self.hand;
        self.hand = at.saturating_add(1).checked_rem(self.entries.len()).unwrap_or(0);
        if self.entries.get(at).and_then(Option::as_ref).is_some_and(may_go) {
            self.remove(at);
        }
    }

    fn remove(&mut self, at: usize) {
        let Some(entry) = self.entries.get_mut(at).and_then(Option::take) else { return };
        self.places.remove(&first_bytes(entry.thing.fingerprint()));
        self.free.push(at);
        self.bytes = self.bytes.saturating_sub(taken(&*entry.thing));
    }
}

fn taken(thing: &impl Keep) -> usize {
    thing.size().saturating_add(ENTRY_BYTES)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn first_bytes(fingerprint: &Fingerprint) -> u64 {
    let (first, _) = fingerprint.as_bytes().split_first_chunk().unwrap_or((&[0; 8], &[]));
    u64::from_le_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Thing(Fingerprint);

    impl Keep for Thing {
        fn fingerprint(&self) -> &Fingerprint {
            &self.0
        }

        fn size(&self) -> usize {
            1000 - ENTRY_BYTES
        }
    }

    fn thing(number: usize) -> Arc<Thing> {
        Arc::new(Thing(Fingerprint::of(&number.to_le_bytes())))
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn numbers(part: &Part<Thing>, of: std::ops::Range<usize>) -> Vec<usize> {
        of.filter(|number| part.find(&thing(*number).0).is_some()).collect()
    }

    /// P72: what is kept is bounded by bytes, whoever sends how much.
    #[test]
    fn what_is_kept_is_bounded_by_bytes() {
        let shelf = Shelf::new(64 * 10_000);
        for number in 0..10_000 {
            shelf.keep(&thing(number), HOUR);
            let (count, bytes) = shelf.count();
            assert!(bytes <= 64 * 10_000 && bytes == count * 1000);
        }
        let (count, _) = shelf.count();
        assert_eq!(count, 640, "and all of it is used");
        assert!(shelf.find(&thing(9_999).0).is_some(), "the newest is there");
    }

    #[test]
    fn nothing_is_kept_where_there_is_no_room() {
        for bytes in [0, 64 * 999] {
            let shelf = Shelf::new(bytes);
            shelf.keep(&thing(1), HOUR);
            assert_eq!((shelf.find(&thing(1).0).is_some(), shelf.count()), (false, (0, 0)));
        }
    }

    #[test]
    fn what_is_used_outlives_what_is_not() {
        let mut part = Part::default();
        for number in 0..100 {
            part.keep(thing(number), HOUR, Duration::ZERO, 10_000);
            assert!(part.find(&thing(0).0).is_some(), "{number}");
        }
        assert_eq!(part.places.len(), 10);
    }

    #[test]
    fn what_has_expired_makes_room_before_anybody_needs_it() {
        let mut part = Part::default();
        for number in 0..50 {
            part.keep(thing(number), HOUR, Duration::ZERO, 1_000_000);
            assert!(part.find(&thing(number).0).is_some());
        }
        for number in 50..100 {
            part.keep(thing(number), HOUR * 2, HOUR, 1_000_000);
        }
        assert_eq!(numbers(&part, 0..100), (50..100).collect::<Vec<_>>());
        assert_eq!(part.bytes, 50_000);
    }

    #[test]
    fn what_is_kept_again_replaces_itself() {
        let mut part = Part::default();
        for _ in 0..5 {
            part.keep(thing(1), HOUR, Duration::ZERO, 10_000);
        }
        assert_eq!((part.places.len(), part.entries.len(), part.bytes), (1, 1, 1000));
    }
}
