//! How tokens are used, in bounded memory: for the deny rules that ask for signals about them (`token.signals`).
//!
//! A use is a request with a verified token, also one that is denied. It counts at the host of the request alone, because services pass
//! tokens on to others. What had to be forgotten within the window is unknown, never absent.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use crate::authn::{PeerIdentity, TokenIdentity, TokenUsage};
use crate::clock::UnixTime;
use crate::document::policy::TokenSignal;
use crate::limits::{MAX_CLOCK_SKEW, MAX_TOKEN_NETWORKS, MAX_USED_TOKENS};
use crate::request::{Host, RequestView};
use crate::secret::Fingerprint;
use crate::slots::network;
use crate::spiffe::SpiffeId;
use crate::sync::lock;

/// The uses of tokens.
#[derive(Debug)]
pub(super) struct TokenUses {
    window: Duration,
    /// By the subject of the token, so that all of a subject are in one.
    shards: Box<[Mutex<Shard>]>,
}

/// One use of a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenUse {
    /// The token at the host.
    pub(super) token: Fingerprint,
    /// The subject that the token is of.
    pub(super) subject: Fingerprint,
    pub(super) peer: Fingerprint,
    pub(super) network: Option<IpAddr>,
    pub(super) at: UnixTime,
    /// From when on the token is not verified any more, as far as is known.
    pub(super) ends: UnixTime,
}

#[derive(Debug)]
struct Shard {
    most: usize,
    tokens: HashMap<Fingerprint, UsedToken>,
    /// How many of them each subject has.
    subjects: HashMap<Fingerprint, usize>,
    /// Until when something that was forgotten of a subject would count.
    forgotten: HashMap<Fingerprint, UnixTime>,
    /// The same of any subject.
    any_forgotten: UnixTime,
}

#[derive(Debug)]
struct UsedToken {
    subject: Fingerprint,
    peers: Recent<Fingerprint>,
    networks: Recent<IpAddr>,
    last: UnixTime,
    ends: UnixTime,
    /// Until when uses from before it was remembered may count.
    unsure_until: UnixTime,
}

/// The values that were seen last, each once.
#[derive(Debug)]
struct Recent<K>(Vec<(K, UnixTime)>);

const SHARDS: usize = 64;

/// One peer uses a token.
const MAX_TOKEN_PEERS: usize = 1;

/// In the past of every use.
const NEVER: UnixTime = UnixTime::from_millis(i64::MIN);

/// The name of a peer, the same for each of its certificates; a caller without one has a name of its own.
fn name_of(peer: Option<&PeerIdentity>) -> Fingerprint {
    let Some(peer) = peer else { return Fingerprint::of(b"") };
    if let Some(spiffe) = &peer.spiffe {
        return Fingerprint::of(SpiffeId::as_str(spiffe).as_bytes());
    }
    let names = [&peer.dns, &peer.uris, &peer.emails, &peer.ips];
    let names = names.into_iter().flatten().map(String::as_str);
    let own = [peer.trust_domain.as_str(), peer.subject.as_deref().unwrap_or_default()];
    joined(own.into_iter().chain(names).map(str::as_bytes))
}

fn subject_of(token: &TokenIdentity) -> Fingerprint {
    let name = token.subject().or(token.client()).unwrap_or_default();
    joined([token.issuer(), name].map(str::as_bytes))
}

/// Of all parts in their order, each with its length.
fn joined<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Fingerprint {
    let mut all = Vec::new();
    for part in parts {
        all.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        all.extend(part);
    }
    Fingerprint::of(&all)
}

impl TokenUse {
    /// Of `token` by `peer` at the host of `view`.
    pub(super) fn of(
        token: &TokenIdentity,
        peer: Option<&PeerIdentity>,
        (view, host): (&RequestView, &Host),
        at: UnixTime,
    ) -> Self {
        let ends = token.expiry().map(|end| end.plus(MAX_CLOCK_SKEW));
        Self {
            token: joined([token.mark().as_bytes().as_slice(), host.as_str().as_bytes()]),
            subject: subject_of(token),
            peer: name_of(peer),
            network: view.client_ip().map(network),
            at,
            ends: ends.unwrap_or(UnixTime::from_millis(i64::MAX)),
        }
    }
}

impl TokenUses {
    /// Remembers each use for `window`.
    pub(super) fn new(window: Duration) -> Self {
        Self::with_room(window, MAX_USED_TOKENS / SHARDS)
    }

    fn with_room(window: Duration, most: usize) -> Self {
        let shards = std::iter::repeat_with(|| Mutex::new(Shard::new(most))).take(SHARDS);
        Self { window, shards: shards.collect() }
    }

    /// Adds `one`, and what is raised about its token with it.
    pub(super) fn add(&self, one: &TokenUse) -> TokenUsage {
        let first = one.subject.as_bytes().first().copied().unwrap_or_default();
        let at = usize::from(first).checked_rem(self.shards.len()).unwrap_or_default();
        let Some(shard) = self.shards.get(at) else { return TokenUsage::default() };
        lock(shard).add(one, self.window)
    }
}

impl Shard {
    fn new(most: usize) -> Self {
        Self {
            most,
            tokens: HashMap::new(),
            subjects: HashMap::new(),
            forgotten: HashMap::new(),
            any_forgotten: NEVER,
        }
    }

    fn add(&mut self, one: &TokenUse, window: Duration) -> TokenUsage {
        if !self.tokens.contains_key(&one.token) {
            self.make_room(one.at, window);
            self.remember(one);
        }
        let own = self.tokens.get_mut(&one.token);
        own.map(|own| own.add(one, window)).unwrap_or_default()
    }

    fn remember(&mut self, one: &TokenUse) {
        let forgotten = self.forgotten.get(&one.subject).copied().unwrap_or(NEVER);
        let used = UsedToken {
            subject: one.subject,
            peers: Recent(Vec::new()),
            networks: Recent(Vec::new()),
            last: one.at,
            ends: one.ends,
            unsure_until: forgotten.max(self.any_forgotten),
        };
        self.tokens.insert(one.token, used);
        let count = self.subjects.entry(one.subject).or_default();
        *count = count.saturating_add(1);
    }

    /// Forgets what counts no more; where that is not enough, a token of the subject that has the most.
    fn make_room(&mut self, at: UnixTime, window: Duration) {
        if self.tokens.len() < self.most {
            return;
        }
        let over: Vec<_> = self
            .tokens
            .iter()
            .filter(|(_, own)| own.end(window) < at)
            .map(|(token, _)| *token)
            .collect();
        over.iter().for_each(|token| drop(self.remove(token)));
        self.forgotten.retain(|_, until| *until >= at);
        while self.tokens.len() >= self.most {
            let most = self.subjects.iter().max_by_key(|(_, count)| **count);
            let Some(subject) = most.map(|(subject, _)| *subject) else { return };
            let own = self.tokens.iter().filter(|(_, own)| own.subject == subject);
            let Some(oldest) = own.min_by_key(|(_, own)| own.last).map(|(token, _)| *token) else {
                return;
            };
            if let Some(lost) = self.remove(&oldest) {
                self.forget(subject, lost.end(window));
            }
        }
    }

    fn remove(&mut self, token: &Fingerprint) -> Option<UsedToken> {
        let own = self.tokens.remove(token)?;
        if let Some(count) = self.subjects.get_mut(&own.subject) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.subjects.remove(&own.subject);
            }
        }
        Some(own)
    }

    /// Something of `subject` that would count `until` then is not remembered.
    fn forget(&mut self, subject: Fingerprint, until: UnixTime) {
        // Bounded, and in doubt of every subject.
        if self.forgotten.len() >= self.most {
            let last = self.forgotten.values().max().copied().unwrap_or(NEVER);
            self.any_forgotten = self.any_forgotten.max(last);
            self.forgotten.clear();
        }
        let own = self.forgotten.entry(subject).or_insert(until);
        *own = until.max(*own);
    }
}

impl UsedToken {
    fn add(&mut self, one: &TokenUse, window: Duration) -> TokenUsage {
        self.last = self.last.max(one.at);
        // An authorization server may extend the life of an opaque token.
        self.ends = self.ends.max(one.ends);
        // The use that is looked at counts among the others.
        self.peers.see(one.peer, one.at, MAX_TOKEN_PEERS);
        if let Some(network) = one.network {
            self.networks.see(network, one.at, MAX_TOKEN_NETWORKS);
        }
        let since = one.at.minus(window);
        let is_sure = one.at > self.unsure_until;
        let raised = |many: bool, is_sure: bool| match many {
            true => Some(true),
            false => is_sure.then_some(false),
        };
        let peers = raised(self.peers.count(since) > MAX_TOKEN_PEERS, is_sure);
        let many = self.networks.count(since) > MAX_TOKEN_NETWORKS;
        let addresses = raised(many, is_sure && one.network.is_some());
        TokenUsage::default()
            .with(TokenSignal::Peers, peers)
            .with(TokenSignal::Addresses, addresses)
    }

    /// The last moment at which a use of it may count.
    fn end(&self, window: Duration) -> UnixTime {
        self.last.plus(window).min(self.ends)
    }
}

impl<K: PartialEq> Recent<K> {
    /// Notes `value`. One more than `most` are kept, which is enough to tell that there are more.
    fn see(&mut self, value: K, at: UnixTime, most: usize) {
        if let Some((_, last)) = self.0.iter_mut().find(|(own, _)| *own == value) {
            *last = at.max(*last);
            return;
        }
        if self.0.len() > most {
            let oldest = self.0.iter().enumerate().min_by_key(|(_, (_, last))| *last);
            let oldest = oldest.map(|(at, _)| at).unwrap_or_default();
            self.0.swap_remove(oldest);
        }
        self.0.push((value, at));
    }

    /// How many of those that are kept were seen then or later.
    fn count(&self, since: UnixTime) -> usize {
        self.0.iter().filter(|(_, last)| *last >= since).count()
    }
}

#[cfg(test)]
mod tests;
