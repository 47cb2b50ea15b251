//! The steps and the properties of a key set's life, and how it looks from outside.

use stateright::{Model, Property};

use super::rules::entry_of;
use super::{Action, Held, Key, KeySets, Outcome, Source, State};
use crate::explore::Traced;

/// Keys in force are those of the address that the document names, and a fetch brought them within `maxStale`.
const SOURCE: &str = "no key counts that was not fetched from the present source within maxStale";
/// A key that a newer set in force lacks does not come back.
const WITHDRAWN: &str = "what a newer set in force lacks verifies nothing";
/// An outage denies nothing for `maxStale`.
const OUTAGE: &str = "keys stay for maxStale while the provider is down";
/// A new key works.
const FOUND: &str = "a published key is found by two fetches of a provider that answers";
/// A key that was published is not called unknown, but where the provider has just answered that it is.
const CERTAIN: &str = "no published key is called unknown for certain, unless it was named within the 10 s before";
/// Tokens cause few fetches.
const BOUNDED: &str = "tokens cause three fetches at once at most";
/// The model does something.
const ROTATED: &str = "a token is allowed by a second key";
const TOO_OLD: &str = "keys become too old";

impl Model for KeySets {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.published[0].0 < self.publishes {
            actions.push(Action::Publish);
        }
        if state.request.is_some() {
            actions.push(Action::HangUp);
        } else if state.asks < self.asks && state.slow < 3 {
            for issuer in 0..state.documents.len() {
                actions.extend(self.named(state, issuer).into_iter().map(|key| Action::Ask(issuer, key)));
            }
        }
        for (e, entry) in state.entries.iter().enumerate().filter(|(_, entry)| entry.flight.is_some()) {
            actions.push(Action::End(e, entry.source, true));
            if state.failed < self.failures && state.slow < 3 {
                actions.push(Action::End(e, entry.source, false));
            }
        }
        if state.changes < self.changes {
            for issuer in 0..state.documents.len() {
                let others = Source::ALL.into_iter().filter(|source| *source != state.documents[issuer]);
                actions.extend(others.map(|source| Action::Change(issuer, source)));
            }
        }
        if state.restarts < self.restarts {
            actions.push(Action::Restart);
        }
        // A fetch takes no such time. How soon one is repeated is left to chance, so 5 s may be too short or not.
        let rests = state.request.is_none() && state.entries.iter().all(|entry| entry.flight.is_none());
        if rests && state.passed.0 < self.passes.0 && state.entries.iter().all(|entry| entry.failures <= 3) {
            actions.push(Action::Moment);
        }
        if rests && state.passed.1 < self.passes.1 {
            actions.push(Action::Pass);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Publish => state.published[0] = (state.published[0].0 + 1, Some(state.now)),
            Action::Ask(issuer, key) => {
                state.asks += 1;
                self.ask(&mut state, issuer, key);
            }
            Action::HangUp => state.request = None,
            Action::End(e, _, well) => self.end(&mut state, e, well),
            Action::Change(issuer, source) => self.change(&mut state, issuer, source),
            Action::Moment => {
                state.passed.0 += 1;
                self.pass(&mut state, 5);
            }
            Action::Pass => {
                state.passed.1 += 1;
                self.pass(&mut state, 300);
            }
            Action::Restart => self.restart(&mut state),
        }
        self.note(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(SOURCE, |model: &Self, state: &State| {
                (0..state.documents.len()).all(|issuer| {
                    let Some((source, held)) = model.in_force(state, issuer) else { return true };
                    let brought = |(address, key, at): &(usize, Key, u16)| {
                        *address == source.address() && *key == held.key && state.now - at <= source.max_stale()
                    };
                    state.brought.iter().any(brought)
                })
            }),
            Property::always(WITHDRAWN, |model: &Self, state: &State| {
                (0..state.documents.len()).all(|issuer| {
                    let in_force = model.in_force(state, issuer);
                    in_force.is_none_or(|(source, held)| Some(held.key) >= state.newest[issuer][source.address()])
                })
            }),
            Property::always(OUTAGE, |model: &Self, state: &State| {
                (0..state.documents.len()).all(|issuer| {
                    let stays = |at: u16| state.now - at <= state.documents[issuer].max_stale();
                    !state.had[issuer].is_some_and(stays) || model.in_force(state, issuer).is_some()
                })
            }),
            Property::always(FOUND, |model: &Self, state: &State| model.finds_the_newest(state)),
            Property::always(CERTAIN, |_, state: &State| !state.wronged),
            Property::always(BOUNDED, |_, state: &State| state.entries.iter().all(|entry| entry.caused <= 3)),
            Property::sometimes(ROTATED, |model: &Self, state: &State| {
                let second = |(_, held): (Source, Held)| held.key > 0;
                state.last == Some(Outcome::Allowed) && model.in_force(state, 0).is_some_and(second)
            }),
            Property::sometimes(TOO_OLD, |model: &Self, state: &State| state.had[0].is_some() && model.in_force(state, 0).is_none()),
        ]
    }
}

impl Traced for KeySets {
    fn scene(&self) -> String {
        let issuers: Vec<_> = self.issuers.iter().map(|source| source.name()).collect();
        format!("issuers={} kept={}", issuers.join(","), self.kept)
    }

    fn step(action: &Action) -> String {
        match action {
            Action::Publish => String::from("publish"),
            Action::Ask(issuer, key) => format!("ask {issuer} {key}"),
            Action::HangUp => String::from("hang-up"),
            Action::End(_, source, true) => format!("answer {}", source.name()),
            Action::End(_, source, false) => format!("fail {}", source.name()),
            Action::Change(issuer, source) => format!("change {issuer} {}", source.name()),
            Action::Moment => String::from("pass 5"),
            Action::Pass => String::from("pass 300"),
            Action::Restart => String::from("restart"),
        }
    }

    /// For each issuer: the key in force, and whether its source is being asked. Then the result of the last token.
    fn sight(&self, state: &State) -> String {
        let one = |issuer: usize| {
            let key = self.in_force(state, issuer).map_or(String::from("-"), |(_, held)| held.key.to_string());
            let asks = entry_of(state, issuer).is_some_and(|e| state.entries[e].flight.is_some());
            format!("{key}{}", if asks { "~" } else { "" })
        };
        let issuers: Vec<_> = (0..state.documents.len()).map(one).collect();
        let last = match (state.request, state.last) {
            (Some(_), _) => "waits",
            (None, None) => "-",
            (None, Some(Outcome::Allowed)) => "allowed",
            (None, Some(Outcome::Refused)) => "refused",
            (None, Some(Outcome::Unsure)) => "unsure",
        };
        format!("{} {last}", issuers.join(" "))
    }
}
