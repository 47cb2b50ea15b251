//! Revocation over replicas (docs/revocation.md, "Revoking while servers run"): replicas that share one entry through a store.
//!
//! Each call of the store takes effect at once, is refused, or takes effect unheard. The store can lose what it had, an instant after
//! another; a client can hang up; replicas restart, with a state folder or without; their clocks differ.

use stateright::{Model, Property};

use crate::explore::Traced;

/// The bounds of the model, and the fault in it, if any.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// By how much each replica's clock is behind. One replica each.
    pub behind: Vec<u8>,
    /// Most requests to the API: to revoke, or to take back.
    pub changes: u8,
    /// Most times that the store loses what it had.
    pub losses: u8,
    /// Most restarts.
    pub restarts: u8,
    /// True if replicas have a state folder.
    pub kept: bool,
    /// The rule that replicas break.
    pub fault: Option<Fault>,
}

/// Rules that can be broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A replica answers before the entry is in force on it.
    AnswerBeforeForce,
    /// A replica takes whatever it reads last, not the later change.
    LastReadWins,
    /// A replica does not try again to share what the store did not take.
    ForgetUnshared,
    /// A replica writes nothing into a store that lost what it had.
    SilentAfterLoss,
    /// A replica allows before it has read the store.
    AllowBeforeRead,
    /// A restart begins with nothing, although there is a state folder.
    EmptyFolder,
    /// P230: a change whose client hangs up is shared with no other replica.
    HangUpForgets,
    /// P231: the store took an earlier change to the entry, and the later one counts as shared.
    SharedByName,
    /// P232: an earlier change that arrives late replaces a later one in the store.
    LastWriteStays,
    /// P233: what a replica wrote before it read this life of the store is not missed when the store loses it.
    SecondLossUnseen,
}

/// A change to the entry. The later one counts; of two at one time, the one that revokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Change {
    at: u8,
    revokes: bool,
}

/// Which life of the store, and how far it came. Zero: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Position {
    epoch: u8,
    revision: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Store {
    at: Position,
    record: Option<(u8, Change)>,
    /// How many lives it had.
    lives: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Replica {
    known: Option<Change>,
    /// True if the others may not have `known`.
    unshared: bool,
    position: Position,
    /// True if it has read the store since it started.
    synced: bool,
    /// The change that its task is about to write into the store.
    writing: Option<Change>,
    /// The change that a client waits for.
    asked: Option<Change>,
    /// The latest change that it answered for. Only the properties look at this.
    promised: Option<Change>,
    /// The record of the store when it started. Only the properties look at this.
    floor: Option<Change>,
}

/// A state of all of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    now: u8,
    losses: u8,
    restarts: u8,
    store: Store,
    replicas: Vec<Replica>,
}

/// The result of a call of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// It took effect, and the replica knows.
    Done,
    /// It had no effect, and the replica knows that it may have had none.
    Refused,
    /// It took effect, and the replica does not know.
    Unheard,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A client asks the replica to revoke.
    Revoke(usize),
    /// A client asks the replica to take it back.
    Withdraw(usize),
    /// The call for the client ends, and the client has its answer.
    Answer(usize, Call),
    /// The client hangs up before the call has had an effect.
    HangUp(usize),
    /// The replica's task reads the store.
    Read(usize, Call),
    /// The replica's task writes what the others may not have.
    Write(usize, Call),
    /// The replica restarts.
    Restart(usize),
    /// The store loses what it had.
    Lose,
    /// A replica that finds the store empty begins its next life.
    Begin,
}

/// How often each replica has to ask a store that is reachable until all agree.
const ROUNDS: usize = 2;

impl Revocation {
    fn breaks(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// The store takes `change` in place of an earlier record, as `PUBLISH` does.
    fn publish(&self, state: &mut State, change: Change) -> u8 {
        begin(&mut state.store);
        let store = &mut state.store;
        let is_later = store.record.is_none_or(|(_, known)| known <= change);
        if is_later || self.breaks(Fault::LastWriteStays) {
            store.at.revision += 1;
            store.record = Some((store.at.revision, change));
        }
        store.at.epoch
    }

    fn request(&self, state: &mut State, r: usize, revokes: bool) {
        state.now += 1;
        let own = state.now.saturating_sub(self.behind[r]);
        let replica = &mut state.replicas[r];
        let at = replica.known.map_or(own, |known| own.max(known.at + 1));
        let change = Change { at, revokes };
        replica.asked = Some(change);
        if !self.breaks(Fault::AnswerBeforeForce) {
            replica.known = Some(change);
        }
        if !self.breaks(Fault::HangUpForgets) && !self.breaks(Fault::ForgetUnshared) {
            replica.unshared = true;
        }
    }

    fn answer(&self, state: &mut State, r: usize, call: Call) {
        let Some(change) = state.replicas[r].asked.take() else { return };
        self.call(state, r, change, call);
        let replica = &mut state.replicas[r];
        if call != Call::Done && self.breaks(Fault::HangUpForgets) {
            replica.unshared = true;
        }
        replica.promised = replica.promised.max(Some(change));
    }

    /// The replica has the store take `change`.
    fn call(&self, state: &mut State, r: usize, change: Change, call: Call) {
        if call == Call::Refused {
            return;
        }
        let epoch = self.publish(state, change);
        let replica = &mut state.replicas[r];
        if call == Call::Unheard {
            return;
        }
        if replica.known == Some(change) || self.breaks(Fault::SharedByName) {
            replica.unshared = false;
        }
        if replica.position.epoch == 0 && !self.breaks(Fault::SecondLossUnseen) {
            replica.position = Position { epoch, revision: 0 };
        }
    }

    /// The page that the store gives, applied.
    fn read(&self, state: &mut State, r: usize) {
        let store = state.store;
        let replica = &mut state.replicas[r];
        let after = replica.position;
        let lost = after != Position::default() && after.epoch != store.at.epoch;
        let from = if after.epoch == store.at.epoch { after.revision } else { 0 };
        if lost && !self.breaks(Fault::SilentAfterLoss) {
            replica.unshared = replica.known.is_some();
        }
        if let Some((_, change)) = store.record.filter(|(revision, _)| *revision > from) {
            if self.breaks(Fault::LastReadWins) || replica.known < Some(change) {
                replica.known = Some(change);
                replica.unshared = false;
            } else if replica.known == Some(change) {
                replica.unshared = false;
            }
        }
        replica.position = store.at;
        replica.synced = true;
        replica.writing = replica.known.filter(|_| replica.unshared);
    }

    fn write(&self, state: &mut State, r: usize, call: Call) {
        if let Some(change) = state.replicas[r].writing.take() {
            self.call(state, r, change, call);
        }
    }

    fn restart(&self, state: &mut State, r: usize) {
        state.restarts += 1;
        let kept = self.kept && !self.breaks(Fault::EmptyFolder);
        let replica = &mut state.replicas[r];
        let known = replica.known.filter(|_| kept);
        *replica = Replica {
            known,
            unshared: known.is_some(),
            synced: self.breaks(Fault::AllowBeforeRead),
            promised: replica.promised.filter(|_| self.kept),
            floor: state.store.record.map(|(_, change)| change),
            ..Replica::default()
        };
    }

    /// The state after each replica has asked the store, which is reachable, a few times; clients have hung up.
    fn later(&self, state: &State) -> State {
        let mut state = state.clone();
        for replica in &mut state.replicas {
            replica.asked = None;
        }
        for r in (0..state.replicas.len()).cycle().take(ROUNDS * state.replicas.len()) {
            self.write(&mut state, r, Call::Done);
            self.read(&mut state, r);
            self.write(&mut state, r, Call::Done);
        }
        state
    }
}

fn begin(store: &mut Store) {
    if store.at.epoch == 0 {
        store.lives += 1;
        store.at = Position { epoch: store.lives, revision: 0 };
    }
}

impl Replica {
    fn revokes(&self) -> bool {
        self.known.is_some_and(|known| known.revokes)
    }

    fn allows(&self) -> bool {
        self.synced && !self.revokes()
    }
}

impl State {
    /// The latest change that a replica or the store has.
    fn latest(&self) -> Option<Change> {
        let known = self.replicas.iter().map(|replica| replica.known);
        known.chain([self.store.record.map(|(_, change)| change)]).max().flatten()
    }
}

/// A replica that answered for a revocation never says less, until a later change takes it back.
const HERE: &str = "what a replica has answered for counts on it";
/// Two rounds with a store that is reachable, and all have the latest change.
const OTHERS: &str = "the others have it when they have asked a reachable store";
/// The first thing that a replica decides by is at least what the store had.
const FIRST: &str = "a replica that starts allows nothing before it has read the store";
/// The model does something.
const REVOKED: &str = "all replicas refuse";
const TAKEN_BACK: &str = "all replicas allow again after an undo";

impl Model for Revocation {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut store = Store::default();
        begin(&mut store);
        let replica = Replica { synced: self.breaks(Fault::AllowBeforeRead), ..Replica::default() };
        let replicas = vec![replica; self.behind.len()];
        vec![State { now: 0, losses: 0, restarts: 0, store, replicas }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (r, replica) in state.replicas.iter().enumerate() {
            if replica.asked.is_some() {
                actions.extend([Call::Done, Call::Refused, Call::Unheard].map(|call| Action::Answer(r, call)));
                actions.push(Action::HangUp(r));
            } else if state.now < self.changes {
                actions.push(if replica.revokes() { Action::Withdraw(r) } else { Action::Revoke(r) });
            }
            if replica.writing.is_some() {
                actions.extend([Call::Done, Call::Refused, Call::Unheard].map(|call| Action::Write(r, call)));
            } else {
                actions.extend([Call::Done, Call::Refused].map(|call| Action::Read(r, call)));
            }
            if state.restarts < self.restarts {
                actions.push(Action::Restart(r));
            }
        }
        if state.losses < self.losses {
            actions.push(Action::Lose);
        }
        if state.store.at.epoch == 0 {
            actions.push(Action::Begin);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Revoke(r) => self.request(&mut state, r, true),
            Action::Withdraw(r) => self.request(&mut state, r, false),
            Action::Answer(r, call) => self.answer(&mut state, r, call),
            Action::HangUp(r) => state.replicas[r].asked = None,
            Action::Read(r, Call::Done) => self.read(&mut state, r),
            Action::Read(_, Call::Refused | Call::Unheard) => {}
            Action::Write(r, call) => self.write(&mut state, r, call),
            Action::Restart(r) => self.restart(&mut state, r),
            Action::Lose => {
                state.losses += 1;
                state.store = Store { lives: state.store.lives, ..Store::default() };
                state.replicas.iter_mut().for_each(|replica| replica.floor = None);
            }
            Action::Begin => begin(&mut state.store),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(HERE, |_, state: &State| state.replicas.iter().all(|replica| replica.promised <= replica.known)),
            Property::always(OTHERS, |model: &Self, state: &State| {
                let later = model.later(state);
                let latest = state.latest();
                later.latest() == latest && later.replicas.iter().all(|replica| replica.known == latest)
            }),
            Property::always(FIRST, |_, state: &State| {
                state.replicas.iter().all(|replica| !replica.allows() || replica.known >= replica.floor)
                    && state.replicas.iter().all(|replica| replica.synced || !replica.allows())
            }),
            Property::sometimes(REVOKED, |_, state: &State| state.replicas.iter().all(Replica::revokes)),
            Property::sometimes(TAKEN_BACK, |_, state: &State| {
                state.replicas.iter().all(|replica| replica.allows() && replica.known.is_some())
            }),
        ]
    }
}

impl Traced for Revocation {
    fn scene(&self) -> String {
        let behind: Vec<_> = self.behind.iter().map(u8::to_string).collect();
        format!("behind={} kept={}", behind.join(","), self.kept)
    }

    fn step(action: &Action) -> String {
        let call = |call: &Call| match call {
            Call::Done => "done",
            Call::Refused => "refused",
            Call::Unheard => "unheard",
        };
        match action {
            Action::Revoke(r) => format!("revoke {r}"),
            Action::Withdraw(r) => format!("withdraw {r}"),
            Action::Answer(r, c) => format!("answer {r} {}", call(c)),
            Action::HangUp(r) => format!("hang-up {r}"),
            Action::Read(r, c) => format!("read {r} {}", call(c)),
            Action::Write(r, c) => format!("write {r} {}", call(c)),
            Action::Restart(r) => format!("restart {r}"),
            Action::Lose => String::from("lose"),
            Action::Begin => String::from("begin"),
        }
    }

    /// For each replica: whether it refuses the entry, refuses everything, has something that it has to share.
    fn sight(&self, state: &State) -> String {
        let one = |replica: &Replica| {
            let decides = match (replica.revokes(), replica.synced) {
                (true, _) => "refuses",
                (false, false) => "waits",
                (false, true) => "allows",
            };
            format!("{decides}{}", if replica.unshared { "+" } else { "" })
        };
        state.replicas.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}
