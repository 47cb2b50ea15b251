//! Single use over replicas (docs/binding.md, "Used once"): one credential, shown again and again until it has expired.
//!
//! Each claim takes effect at once, is refused, or takes effect unheard. The store can lose what it had; replicas restart; their clocks
//! differ, and the store counts by its own.

use stateright::{Model, Property};

use crate::explore::Traced;

/// The bounds of the model, and the fault in it, if any.
#[derive(Clone, Debug)]
pub struct SingleUse {
    /// By how much each replica's clock is ahead. One replica each.
    pub ahead: Vec<u8>,
    /// True if a replica goes by its own memory while the store is lost (`onLoss: local`).
    pub local: bool,
    /// Most times that the store loses what it had.
    pub losses: u8,
    /// Most restarts.
    pub restarts: u8,
    /// The rule that replicas break.
    pub fault: Option<Fault>,
}

/// Rules that can be broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A replica allows where the store does not answer.
    AllowUnanswered,
    /// A replica looks first and claims afterwards.
    LookThenClaim,
    /// With `onLoss: local` a replica does not remember its own claims.
    ForgetOwn,
    /// With `onLoss: local` a replica does not ask the store.
    AskOnlyItself,
    /// P234: the store keeps a claim until the credential expires by the clock of the replica that made it.
    KeptByOwnClock,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Replica {
    /// It remembers a claim of its own.
    own: bool,
    /// It waits for the store, which has to keep the claim for so long.
    asked: Option<u8>,
    /// It has looked, and saw this. Only of a fault.
    looked: Option<bool>,
    allowed: u8,
}

/// A state of all of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    now: u8,
    /// Until when the store keeps the claim.
    claimed: Option<u8>,
    losses: u8,
    restarts: u8,
    /// True if a call was not answered. Only the properties look at this.
    unanswered: bool,
    replicas: Vec<Replica>,
}

/// The result of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// It took effect, and the replica knows.
    Done,
    /// It had no effect.
    Refused,
    /// It took effect, and the replica does not know.
    Unheard,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A caller shows the credential to the replica, which allows it but for the claim.
    Present(usize),
    /// The claim ends.
    Answer(usize, Call),
    /// The replica restarts.
    Restart(usize),
    /// The store loses what it had.
    Lose,
    /// Time passes.
    Tick,
}

/// When the credential expires.
const LIFE: u8 = 3;

/// By how much clocks of replicas may differ.
const DIFFERENCE: u8 = 2;

/// More often than any property permits.
const MANY: u8 = 4;

impl SingleUse {
    fn breaks(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn present(&self, state: &mut State, r: usize) {
        let replica = &mut state.replicas[r];
        if self.local && replica.own {
            return;
        }
        replica.own = self.local && !self.breaks(Fault::ForgetOwn);
        if self.local && self.breaks(Fault::AskOnlyItself) {
            replica.allow();
            return;
        }
        let margin = if self.breaks(Fault::KeptByOwnClock) { 0 } else { DIFFERENCE };
        replica.asked = Some(LIFE - (state.now + self.ahead[r]) + margin);
    }

    fn answer(&self, state: &mut State, r: usize, call: Call) {
        let Some(kept) = state.replicas[r].asked else { return };
        let seen = state.claimed.is_some_and(|until| state.now < until);
        if call == Call::Done && self.breaks(Fault::LookThenClaim) && state.replicas[r].looked.is_none() {
            state.replicas[r].looked = Some(seen);
            return;
        }
        if call != Call::Refused && !seen {
            state.claimed = Some(state.now + kept);
        }
        state.unanswered |= call != Call::Done;
        let replica = &mut state.replicas[r];
        replica.asked = None;
        let seen = replica.looked.take().unwrap_or(seen);
        let allows = match call {
            Call::Done => !seen,
            Call::Refused | Call::Unheard => self.local || self.breaks(Fault::AllowUnanswered),
        };
        if allows {
            replica.allow();
        }
    }
}

impl Replica {
    /// Counted as far as it matters: a broken model would have no end.
    fn allow(&mut self) {
        self.allowed = (self.allowed + 1).min(MANY);
    }
}

impl State {
    fn allowed(&self) -> u8 {
        self.replicas.iter().map(|replica| replica.allowed).sum()
    }
}

/// While the store keeps what it has.
const ONCE: &str = "a credential is allowed once, and once more for each time that the store lost what it had";
/// `onLoss: local`, and the store answers.
const ONCE_ANSWERED: &str = "with `onLoss: local` it is allowed once while the store answers";
/// `onLoss: local`, and the store does not.
const ONCE_EACH: &str = "with `onLoss: local` a replica allows it once, until it restarts or the store loses what it had";
/// The model does something.
const ALLOWED: &str = "it is allowed";

impl Model for SingleUse {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let replicas = vec![Replica::default(); self.ahead.len()];
        vec![State { now: 0, claimed: None, losses: 0, restarts: 0, unanswered: false, replicas }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (r, replica) in state.replicas.iter().enumerate() {
            if replica.asked.is_some() {
                actions.extend([Call::Done, Call::Refused, Call::Unheard].map(|call| Action::Answer(r, call)));
            } else if state.now + self.ahead[r] < LIFE {
                actions.push(Action::Present(r));
            }
            if state.restarts < self.restarts {
                actions.push(Action::Restart(r));
            }
        }
        if state.losses < self.losses {
            actions.push(Action::Lose);
        }
        // A call ends within its timeout, which is short beside the unit of time.
        let is_quiet = state.replicas.iter().all(|replica| replica.asked.is_none());
        if is_quiet && state.now <= LIFE + DIFFERENCE {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Present(r) => self.present(&mut state, r),
            Action::Answer(r, call) => self.answer(&mut state, r, call),
            Action::Restart(r) => {
                state.restarts += 1;
                state.replicas[r] = Replica { allowed: state.replicas[r].allowed, ..Replica::default() };
            }
            Action::Lose => {
                state.losses += 1;
                state.claimed = None;
            }
            Action::Tick => state.now += 1,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |model: &Self, state: &State| model.local || state.allowed() <= 1 + state.losses),
            Property::always(ONCE_ANSWERED, |_, state: &State| state.unanswered || state.allowed() <= 1 + state.losses),
            Property::always(ONCE_EACH, |model: &Self, state: &State| {
                let lives = 1 + state.restarts + state.losses;
                !model.local || state.replicas.iter().all(|replica| replica.allowed <= lives)
            }),
            Property::sometimes(ALLOWED, |_, state: &State| state.allowed() > 0),
        ]
    }
}

impl Traced for SingleUse {
    fn scene(&self) -> String {
        let ahead: Vec<_> = self.ahead.iter().map(u8::to_string).collect();
        format!("ahead={} local={}", ahead.join(","), self.local)
    }

    fn step(action: &Action) -> String {
        match action {
            Action::Present(r) => format!("present {r}"),
            Action::Answer(r, Call::Done) => format!("answer {r} done"),
            Action::Answer(r, Call::Refused) => format!("answer {r} refused"),
            Action::Answer(r, Call::Unheard) => format!("answer {r} unheard"),
            Action::Restart(r) => format!("restart {r}"),
            Action::Lose => String::from("lose"),
            Action::Tick => String::from("tick"),
        }
    }

    /// For each replica: how often it allowed, and whether it waits for the store.
    fn sight(&self, state: &State) -> String {
        let one = |replica: &Replica| format!("{}{}", replica.allowed, if replica.asked.is_some() { "?" } else { "" });
        state.replicas.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}
