//! The rules by which keys are fetched, put in force and saved.

use super::{ABSENT, Absent, Entry, Fault, Flight, Held, Key, KeySets, MADE_UP, Outcome, Request, Source, State};

/// The most that passes until a source is asked again that did not answer.
const RETRIES: [u16; 7] = [1, 2, 4, 8, 16, 32, 60];

impl Entry {
    fn new(source: Source, held: Option<Held>, now: u16) -> Self {
        let (flight, absent, asked) = (None, Vec::new(), None);
        Self { source, followed: true, held, flight, due: now, failures: 0, absent, asked, repeats: 2, caused: 0 }
    }

    /// The permission of a token that names an unknown key. `None`: it waits a moment for another and goes on without an answer.
    fn may_fetch(&mut self, key: Key, now: u16, fault: Option<Fault>) -> Option<bool> {
        if fault == Some(Fault::NeverAsk) {
            return Some(false);
        }
        if fault == Some(Fault::NoBudget) {
            return Some(true);
        }
        if let Some(absent) = self.absent.iter_mut().find(|absent| absent.key == key) {
            let last = absent.asked.unwrap_or(absent.since);
            if now - last < 2 * ABSENT || fault == Some(Fault::AbsentForever) {
                let gap = if absent.times <= 5 { 2 } else { ABSENT };
                let due = absent.asked.is_none_or(|asked| now - asked >= gap && fault != Some(Fault::AbsentForever));
                if !due || self.repeats == 0 {
                    return if absent.times > 0 { Some(false) } else { None };
                }
                self.repeats -= 1;
                (absent.asked, absent.times) = (Some(now), (absent.times + 1).min(6));
                return Some(true);
            }
        }
        let fetched = self.asked != Some(now);
        if fetched {
            self.asked = Some(now);
        }
        let absent = Absent { key, since: now, asked: fetched.then_some(now), times: fetched.into() };
        self.absent.retain(|absent| absent.key != key);
        self.absent.push(absent);
        self.absent.sort_by_key(|absent| absent.key);
        if fetched { Some(true) } else { None }
    }
}

impl KeySets {
    fn breaks(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub(super) fn start(&self) -> State {
        let issuers = self.issuers.len();
        let mut state = State {
            now: 0,
            documents: self.issuers.clone(),
            entries: Vec::new(),
            files: [None; 2],
            tickets: 0,
            published: [(0, None); 2],
            request: None,
            last: None,
            changes: 0,
            asks: 0,
            failed: 0,
            passed: (0, 0),
            restarts: 0,
            slow: 0,
            brought: Vec::new(),
            newest: vec![[None; 2]; issuers],
            had: vec![None; issuers],
            wronged: false,
        };
        self.follow(&mut state, &[]);
        begin_due(&mut state);
        state
    }

    /// The sources in the documents are followed from now on; `previous` are those that requests may still need. Each has the newest
    /// set of its address that is at hand: one that has another set begins again with it.
    fn follow(&self, state: &mut State, previous: &[Source]) {
        let documents = state.documents.clone();
        let all = std::mem::take(&mut state.entries);
        let mut before = Vec::new();
        for mut entry in all.iter().cloned() {
            let newest = self.first_held(state, entry.source, &all);
            let stays = entry.followed && documents.contains(&entry.source);
            if stays && self.breaks(Fault::FirstNotNewest) {
                state.entries.push(entry);
            } else if stays && newest.map(|held| held.key) == entry.held.map(|held| held.key) {
                entry.held = newest;
                state.entries.push(entry);
            } else {
                before.push(entry);
            }
        }
        let at_hand = if self.breaks(Fault::FirstNotNewest) { &before } else { &all };
        for source in documents {
            if !state.entries.iter().any(|entry| entry.source == source) {
                let held = self.first_held(state, source, at_hand);
                state.entries.push(Entry::new(source, held, state.now));
            }
        }
        for old in before {
            if previous.contains(&old.source) && !state.entries.iter().any(|entry| entry.source == old.source) {
                let flight = old.flight.filter(|_| self.breaks(Fault::LateFetch));
                let held = old.held;
                state.entries.push(Entry { followed: false, flight, ..Entry::new(old.source, held, 0) });
            }
        }
    }

    /// The set that a source begins with: the newest of its address that is at hand, or the saved one.
    fn first_held(&self, state: &State, source: Source, at_hand: &[Entry]) -> Option<Held> {
        if self.breaks(Fault::SettingsForget) {
            return None;
        }
        let same = |entry: &&Entry| entry.source.address() == source.address() || self.breaks(Fault::KeepOverAddress);
        let mut same = at_hand.iter().filter(same).filter_map(|entry| entry.held);
        let newest = if self.breaks(Fault::FirstNotNewest) { same.next() } else { same.max_by_key(|held| held.ticket) };
        newest.or_else(|| state.files[source.address()].filter(|_| self.kept))
    }

    /// The set that is in force for an issuer.
    pub(super) fn in_force(&self, state: &State, issuer: usize) -> Option<(Source, Held)> {
        let source = state.documents[issuer];
        let held = state.entries.iter().find(|entry| entry.source == source)?.held?;
        let counts = state.now - held.at <= source.max_stale() || self.breaks(Fault::UsesStale);
        counts.then_some((source, held))
    }

    pub(super) fn ask(&self, state: &mut State, issuer: usize, key: Key) {
        let Some(e) = entry_of(state, issuer) else { return };
        let entry = &state.entries[e];
        let during = entry.flight.is_some() && !self.breaks(Fault::EarlierAnswer);
        let (published, since) = state.published[entry.source.address()];
        let is_new = !entry.absent.iter().any(|absent| absent.key == key && absent.asked.is_some());
        let known = published == key && (is_new || since.is_none_or(|since| state.now - since >= ABSENT));
        state.request = Some(Request { issuer, key, during, ended: false, good: false, known });
        state.last = None;
        self.go_on(state);
    }

    /// The next step of the request that waits.
    fn go_on(&self, state: &mut State) {
        let Some(request) = state.request else { return };
        let Some(e) = entry_of(state, request.issuer) else { return };
        let (now, held) = (state.now, self.in_force(state, request.issuer));
        let has = held.is_some_and(|(_, held)| held.key == request.key);
        let entry = &mut state.entries[e];
        if has {
            (state.last, state.request) = (Some(Outcome::Allowed), None);
            return;
        }
        let mut unasked = false;
        if !request.good {
            if entry.flight.is_some() {
                return;
            }
            if !request.ended {
                match entry.may_fetch(request.key, now, self.fault) {
                    Some(true) => {
                        entry.caused += 1;
                        begin(state, e);
                        return;
                    }
                    Some(false) => {}
                    None => {
                        unasked = true;
                        state.slow += 1;
                    }
                }
            }
        }
        let is_sure = held.is_some() && !unasked && state.entries[e].failures == 0;
        let outcome = if is_sure { Outcome::Refused } else { Outcome::Unsure };
        let (published, _) = state.published[state.documents[request.issuer].address()];
        state.wronged |= outcome == Outcome::Refused && request.known && published == request.key;
        (state.last, state.request) = (Some(outcome), None);
    }

    pub(super) fn end(&self, state: &mut State, e: usize, well: bool) {
        let now = state.now;
        let Some(flight) = state.entries[e].flight.take() else { return };
        if let Some(request) = &mut state.request
            && state.documents[request.issuer] == state.entries[e].source
        {
            (request.ended, request.good) = (!request.during, well && !request.during);
            request.during = false;
        }
        if well {
            self.put_in_force(state, e, flight);
            (state.entries[e].failures, state.entries[e].due) = (0, now + 300);
        } else {
            state.failed += 1;
            self.fail(state, e);
        }
        begin_due(state);
        self.go_on(state);
    }

    fn put_in_force(&self, state: &mut State, e: usize, flight: Flight) {
        let now = state.now;
        let held = Held { key: flight.key, at: now, ticket: flight.ticket };
        let address = state.entries[e].source.address();
        for (other, entry) in state.entries.iter_mut().enumerate() {
            let counts_late = self.breaks(Fault::LateFetch) && entry.source.address() == address;
            if other == e || counts_late {
                if entry.held.is_none_or(|before| before.key != held.key) {
                    entry.absent.clear();
                }
                entry.held = Some(held);
            }
        }
        let file = &mut state.files[address];
        if self.kept && (self.breaks(Fault::SavedByEnd) || file.is_none_or(|saved| saved.ticket < held.ticket)) {
            *file = Some(held);
        }
        state.brought.retain(|(a, key, _)| (*a, *key) != (address, held.key));
        state.brought.push((address, held.key, now));
        state.brought.sort_unstable();
    }

    fn fail(&self, state: &mut State, e: usize) {
        let waits = state.request.is_some_and(|request| entry_of(state, request.issuer) == Some(e));
        let now = state.now;
        let entry = &mut state.entries[e];
        let at_once = waits && entry.failures < 2;
        entry.due = if at_once { now } else { now + RETRIES[usize::from(entry.failures).min(RETRIES.len() - 1)] };
        entry.failures = (entry.failures + 1).min(7);
        entry.absent.clear();
        if self.breaks(Fault::FailureEmpties) {
            entry.held = None;
        }
        state.slow += u8::from(at_once);
    }

    pub(super) fn pass(&self, state: &mut State, seconds: u16) {
        state.now += seconds;
        state.slow = 0;
        for entry in &mut state.entries {
            let now = state.now;
            (entry.repeats, entry.caused) = (2, 0);
            // Those that are forgotten are as none.
            entry
                .absent
                .retain(|absent| now - absent.asked.unwrap_or(absent.since) < 2 * ABSENT || self.fault == Some(Fault::AbsentForever));
            entry.asked = None;
        }
        begin_due(state);
    }

    pub(super) fn change(&self, state: &mut State, issuer: usize, source: Source) {
        state.changes += 1;
        let previous = state.documents.clone();
        if source.address() != previous[issuer].address() {
            state.had[issuer] = None;
        }
        state.documents[issuer] = source;
        (state.request, state.last) = (None, None);
        self.follow(state, &previous);
        begin_due(state);
    }

    pub(super) fn restart(&self, state: &mut State) {
        state.restarts += 1;
        state.entries.clear();
        (state.request, state.last) = (None, None);
        if self.kept {
            for saved in state.files.iter_mut().flatten() {
                // Fetches that begin from now on are later.
                saved.ticket = 0;
                if self.breaks(Fault::RestartIsFetch) {
                    saved.at = state.now;
                }
            }
        } else {
            state.newest.fill([None; 2]);
            state.had.fill(None);
        }
        state.tickets = 0;
        self.follow(state, &[]);
        begin_due(state);
    }

    /// Notes what is in force, for the properties.
    pub(super) fn note(&self, state: &mut State) {
        for issuer in 0..state.documents.len() {
            if let Some((source, held)) = self.in_force(state, issuer) {
                let newest = &mut state.newest[issuer][source.address()];
                *newest = (*newest).max(Some(held.key));
                state.had[issuer] = state.had[issuer].max(Some(held.at));
            }
        }
    }

    /// True if a token with the newest key of each issuer is allowed by two fetches, in a while, where its provider answers.
    pub(super) fn finds_the_newest(&self, state: &State) -> bool {
        let mut state = state.clone();
        state.request = None;
        let answer = |state: &mut State| {
            for e in 0..state.entries.len() {
                self.end(state, e, true);
            }
        };
        answer(&mut state);
        self.pass(&mut state, ABSENT);
        (0..state.documents.len()).all(|issuer| {
            let mut state = state.clone();
            let (key, _) = state.published[state.documents[issuer].address()];
            self.ask(&mut state, issuer, key);
            answer(&mut state);
            answer(&mut state);
            state.last == Some(Outcome::Allowed)
        })
    }

    /// The keys that a token may name: the one that its issuer publishes, those before and after, and one that is made up.
    pub(super) fn named(&self, state: &State, issuer: usize) -> Vec<Key> {
        let (key, _) = state.published[state.documents[issuer].address()];
        [key.checked_sub(1), Some(key), Some(key + 1), Some(MADE_UP)].into_iter().flatten().collect()
    }
}

pub(super) fn entry_of(state: &State, issuer: usize) -> Option<usize> {
    state.entries.iter().position(|entry| entry.source == state.documents[issuer])
}

fn begin(state: &mut State, e: usize) {
    state.tickets += 1;
    let (key, _) = state.published[state.entries[e].source.address()];
    state.entries[e].flight = Some(Flight { key, ticket: state.tickets });
}

fn begin_due(state: &mut State) {
    for e in 0..state.entries.len() {
        let entry = &state.entries[e];
        if entry.followed && entry.flight.is_none() && entry.due <= state.now {
            begin(state, e);
        }
    }
}
