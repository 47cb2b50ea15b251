//! Turns at an endpoint: so many questions at a time, and so many that wait, in which sources take turns.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::limits::MAX_INTROSPECTION_QUEUE;
use crate::slots::Shares;
use crate::sync::lock;

/// The source of a question: the address of a client, or its IPv6 network.
pub(super) type ClientNetwork = Option<IpAddr>;

/// The questions of one endpoint.
#[derive(Debug)]
pub(super) struct Turns {
    most: usize,
    /// One source asks so many at a time: what it asks may take as long as an answer can.
    each: usize,
    state: Mutex<IntrospectionQueue>,
}

#[derive(Debug)]
struct IntrospectionQueue {
    asking: HashMap<ClientNetwork, usize>,
    waiting: Shares<ClientNetwork, oneshot::Sender<()>>,
}

/// One question, which waits or is asked until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    origin: ClientNetwork,
    /// Its number among those that wait.
    waiting: Option<u64>,
    granted: oneshot::Receiver<()>,
    has_turn: bool,
}

/// Why a question is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// It waited for too long.
    Late,
    /// Newer ones took its place.
    Displaced,
}

impl Turns {
    /// `most` questions at a time.
    pub(super) fn new(most: usize) -> Self {
        let waiting = Shares::new(MAX_INTROSPECTION_QUEUE, MAX_INTROSPECTION_QUEUE);
        let state = Mutex::new(IntrospectionQueue { asking: HashMap::new(), waiting });
        Self { most, each: most.saturating_sub(most / 4).max(1), state }
    }

    /// A turn for a question from `origin`, now or later.
    pub(super) fn enter(self: &Arc<Self>, origin: ClientNetwork) -> Turn {
        let (grant, granted) = oneshot::channel();
        let (id, displaced) = lock(&self.state).waiting.enter(origin, grant);
        // The one that is displaced finds out by its sender's end.
        drop(displaced);
        self.grant();
        Turn { turns: Arc::clone(self), origin, waiting: Some(id), granted, has_turn: false }
    }

    /// Lets those ask whose turn it is.
    fn grant(&self) {
        let mut state = lock(&self.state);
        let IntrospectionQueue { asking, waiting } = &mut *state;
        while asking.values().sum::<usize>() < self.most {
            let may =
                |origin: &ClientNetwork| asking.get(origin).is_none_or(|own| *own < self.each);
            let Some((origin, grant)) = waiting.next_where(may) else { return };
            if grant.send(()).is_ok() {
                let own = asking.entry(origin).or_default();
                *own = own.saturating_add(1);
            }
        }
    }
}

impl Turn {
    /// Waits until it may be asked.
    pub(super) async fn wait(&mut self, within: Duration) -> Result<(), NoTurn> {
        match timeout(within, &mut self.granted).await {
            Ok(Ok(())) => {
                self.has_turn = true;
                Ok(())
            }
            Ok(Err(_)) => Err(NoTurn::Displaced),
            Err(_) => Err(NoTurn::Late),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = lock(&self.turns.state);
        if let Some(id) = self.waiting {
            let _ = state.waiting.leave(&self.origin, id);
        }
        // It may have been granted and not noticed.
        if !self.has_turn && self.granted.try_recv().is_err() {
            return;
        }
        if let Some(own) = state.asking.get_mut(&self.origin) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                state.asking.remove(&self.origin);
            }
        }
        drop(state);
        self.turns.grant();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    fn from(last: u8) -> ClientNetwork {
        Some(Ipv4Addr::new(10, 0, 0, last).into())
    }

    /// P303: a source that asks much waits behind one that asks little, and leaves a quarter of the turns to others.
    #[tokio::test(start_paused = true)]
    async fn sources_take_turns() {
        let turns = Arc::new(Turns::new(4));
        let mut flood: Vec<_> = (0..1000).map(|_| turns.enter(from(1))).collect();
        let mut other = turns.enter(from(2));
        assert_eq!(other.wait(SOON).await, Ok(()), "a turn is left");
        let mut waiting = turns.enter(from(3));
        assert_eq!(waiting.wait(SOON).await, Err(NoTurn::Late), "all four are taken");
        let mut asking = Vec::new();
        for turn in flood.drain(..3) {
            asking.push(turn);
            assert_eq!(asking.last_mut().unwrap().wait(SOON).await, Ok(()));
        }
        let mut next = turns.enter(from(2));
        asking.pop();
        assert_eq!(flood[0].wait(SOON).await, Err(NoTurn::Displaced), "the oldest go");
        let mut last = flood.pop().unwrap();
        drop(waiting);
        drop(other);
        assert_eq!(next.wait(SOON).await, Ok(()), "before hundreds that came before it");
        drop((flood, asking));
        assert_eq!(last.wait(SOON).await, Ok(()));
        drop((last, next));
        let state = lock(&turns.state);
        assert!(state.asking.is_empty() && state.waiting.is_empty());
    }
}
