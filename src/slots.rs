//! Slots that many sources share: the newest comes in, and where there are too many the oldest of the source that has the most
//! goes. Whatever one source does, the others keep their share, and what ends within moments is done before it is displaced.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::sync::lock;

/// The values that sources keep in their slots.
#[derive(Debug)]
pub struct Shares<K, T> {
    most: usize,
    each: usize,
    taken: usize,
    next: u64,
    sources: HashMap<K, BTreeMap<u64, T>>,
    /// Each source that has something, in the order in which they are served.
    turns: VecDeque<K>,
}

/// Slots, each of which is free when it is dropped.
#[derive(Clone, Debug)]
pub struct Slots<K>(Arc<Mutex<Shares<K, oneshot::Sender<()>>>>);

/// One slot.
#[derive(Debug)]
pub struct Slot<K: Eq + Hash + Clone> {
    slots: Slots<K>,
    source: K,
    id: u64,
    displaced: oneshot::Receiver<()>,
}

/// The source of a connection: its address, or the network of one IPv6 client, which has 2^64 addresses.
pub const fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(own) => IpAddr::V6(Ipv6Addr::from_bits(own.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl<K: Eq + Hash + Clone, T> Shares<K, T> {
    /// `most` slots, of which each source gets `each` at most.
    pub fn new(most: usize, each: usize) -> Self {
        let (sources, turns) = (HashMap::new(), VecDeque::new());
        Self { most, each, taken: 0, next: 0, sources, turns }
    }

    /// Slots that are taken.
    pub const fn len(&self) -> usize {
        self.taken
    }

    /// True if no slot is taken.
    pub const fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// True if `source` gets a slot without displacing anything.
    pub fn has_room(&self, source: &K) -> bool {
        self.taken < self.most && self.of(source) < self.each
    }

    /// Gives `value` of `source` a slot. Returns its number, and what had to go for it.
    pub fn enter(&mut self, source: K, value: T) -> (u64, Option<T>) {
        let displaced = if self.of(&source) >= self.each {
            self.oldest(&source)
        } else if self.taken >= self.most {
            // The oldest one of those that have the most.
            let old =
                |held: &BTreeMap<u64, T>| held.keys().next().map(|id| u64::MAX.saturating_sub(*id));
            let busiest = self.sources.iter().max_by_key(|(_, held)| (held.len(), old(held)));
            busiest.map(|(source, _)| source.clone()).and_then(|source| self.oldest(&source))
        } else {
            None
        };
        let id = self.next;
        self.next = self.next.saturating_add(1);
        if !self.sources.contains_key(&source) {
            self.turns.push_back(source.clone());
        }
        self.sources.entry(source).or_default().insert(id, value);
        self.taken = self.taken.saturating_add(1);
        (id, displaced)
    }

    /// Frees a slot, if it is taken still.
    pub fn leave(&mut self, source: &K, id: u64) -> Option<T> {
        let held = self.sources.get_mut(source)?;
        let value = held.remove(&id)?;
        self.taken = self.taken.saturating_sub(1);
        if held.is_empty() {
            self.sources.remove(source);
            self.turns.retain(|turn| turn != source);
        }
        Some(value)
    }

    /// Takes the oldest of the source whose turn it is among those that `may` have one.
    pub fn next_where(&mut self, may: impl Fn(&K) -> bool) -> Option<(K, T)> {
        let at = self.turns.iter().position(may)?;
        let source = self.turns.remove(at)?;
        self.turns.push_back(source.clone());
        let value = self.oldest(&source)?;
        Some((source, value))
    }

    fn of(&self, source: &K) -> usize {
        self.sources.get(source).map_or(0, BTreeMap::len)
    }

    fn oldest(&mut self, source: &K) -> Option<T> {
        let id = *self.sources.get(source)?.keys().next()?;
        self.leave(source, id)
    }
}

impl<K: Eq + Hash + Clone> Slots<K> {
    /// `most` slots, of which each source gets `each` at most.
    pub fn new(most: usize, each: usize) -> Self {
        Self(Arc::new(Mutex::new(Shares::new(most, each))))
    }

    /// A slot for `source`, by displacing another where there is none.
    pub fn enter(&self, source: K) -> Slot<K> {
        let (sender, displaced) = oneshot::channel();
        // Its sender dropped, the other one is displaced.
        let (id, _) = lock(&self.0).enter(source.clone(), sender);
        Slot { slots: self.clone(), source, id, displaced }
    }

    /// A slot for `source`, if there is one.
    pub fn try_enter(&self, source: K) -> Option<Slot<K>> {
        let (sender, displaced) = oneshot::channel();
        let mut shares = lock(&self.0);
        if !shares.has_room(&source) {
            return None;
        }
        let (id, _) = shares.enter(source.clone(), sender);
        drop(shares);
        Some(Slot { slots: self.clone(), source, id, displaced })
    }

    /// Slots that are taken.
    pub fn taken(&self) -> usize {
        lock(&self.0).len()
    }
}

impl<K: Eq + Hash + Clone> Slot<K> {
    /// Resolves once another one has the slot.
    pub async fn displaced(&mut self) {
        let _ = (&mut self.displaced).await;
    }
}

impl<K: Eq + Hash + Clone> Drop for Slot<K> {
    fn drop(&mut self) {
        let _ = lock(&self.slots.0).leave(&self.source, self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_the_source_with_the_most_goes() {
        let mut shares = Shares::new(5, 3);
        assert!((0..3).all(|n| shares.enter("a", n).1.is_none()));
        assert_eq!(shares.enter("a", 3).1, Some(0), "its own share is full");
        assert!((10..12).all(|n| shares.enter("b", n).1.is_none()));
        assert!(!shares.has_room(&"b") && shares.len() == 5);
        assert_eq!(shares.enter("b", 12).1, Some(1), "all are full, and `a` has the most");
        assert_eq!(shares.enter("c", 20).1, Some(10), "`b` has three now");
        for n in 21..1000 {
            assert!(shares.enter("c", n).1.is_some());
        }
        assert_eq!(shares.len(), 5);
        let left: Vec<_> = std::iter::from_fn(|| shares.next_where(|_| true)).collect();
        let left: Vec<_> = left.into_iter().map(|(_, value)| value).collect();
        assert!(left.contains(&3) && left.contains(&12), "the others keep some: {left:?}");
        assert!(shares.is_empty() && shares.turns.is_empty() && shares.sources.is_empty());
    }

    #[test]
    fn sources_take_turns() {
        let mut shares = Shares::new(10, 10);
        for (source, value) in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)] {
            let _ = shares.enter(source, value);
        }
        assert_eq!(shares.next_where(|source| *source == "b"), Some(("b", 4)));
        let order: Vec<_> = std::iter::from_fn(|| shares.next_where(|_| true)).collect();
        assert_eq!(order, [("a", 1), ("c", 5), ("b", 6), ("a", 2), ("a", 3)]);
    }

    #[tokio::test]
    async fn a_slot_is_free_when_it_is_dropped() {
        let slots = Slots::new(2, 2);
        let mut first = slots.enter("a");
        let second = slots.try_enter("b");
        assert!(second.is_some() && slots.try_enter("b").is_none());
        let third = slots.enter("b");
        first.displaced().await;
        assert_eq!(slots.taken(), 2);
        drop(first);
        assert_eq!(slots.taken(), 2, "the one that was displaced has none to free");
        drop((second, third));
        assert_eq!(slots.taken(), 0);
    }

    #[test]
    fn the_addresses_of_one_client_are_one_source() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::2"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.2"), of("10.0.0.1"));
    }
}
