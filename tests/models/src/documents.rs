//! The set of documents in force (docs/operations.md, "A removal is something you say"): two files that are written one after another,
//! cut, emptied, removed and put back, or swapped whole by a link to a folder, and a server that goes by them.
//!
//! Each file has a policy with a rule that denies. The server looks at the files when they have rested; it may look too early, where a
//! rule is broken. It restarts, and an operator confirms what waits.

use stateright::{Model, Property};

use crate::explore::Traced;

/// The bounds of the model, and the fault in it, if any.
#[derive(Clone, Debug)]
pub struct Documents {
    /// Most files that are written in place.
    pub writes: u8,
    /// Most sets that are swapped in.
    pub swaps: u8,
    /// Most swaps back to the folder before.
    pub rollbacks: u8,
    /// Most restarts.
    pub restarts: u8,
    /// The rule that is broken.
    pub fault: Option<Fault>,
}

/// Rules that can be broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// P164: files count while they are being written.
    TooEarly,
    /// The good files of a set count although another has errors.
    GoodFilesCount,
    /// P163: what is gone from the files is gone.
    RemovalsCount,
    /// A confirmation is of any set.
    AnyConfirmed,
    /// A confirmation stays after its set was in force.
    StaysConfirmed,
    /// A confirmation has no effect.
    NeverConfirmed,
    /// P165: files that were put back are still shown as others.
    StaysStale,
    /// A file that was removed waits although the set was swapped whole.
    SwapsWait,
    /// P672: a swap to a set with the same contents is not noticed.
    SameSwapUnseen,
    /// P673: a set with errors that was swapped in counts as swapped after it was changed in place.
    BadSwapForgotten,
}

/// The content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum File {
    /// There is none.
    Absent,
    /// A policy with a rule that denies.
    Old,
    /// The same with another rule in the middle.
    New,
    /// The policy without its end, the rule that denies.
    Cut,
    /// Something else than a document.
    Bad,
}

/// The contents of both files.
type Set = [File; 2];

/// A folder with files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Folder {
    number: u8,
    files: Set,
}

/// A state of all of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The folder that the link leads to, and the one before.
    disk: Folder,
    before: Option<Folder>,
    in_force: Folder,
    /// The set with errors that was seen first in its folder, since a set was put in force.
    refused: Option<Folder>,
    /// The set that waits for a confirmation, and the one that has it.
    waits: Option<Set>,
    confirmed: Option<Set>,
    /// True if the server shows that the files are others.
    stale: bool,
    /// True if files were just written.
    fresh: bool,
    writes: u8,
    swaps: u8,
    rollbacks: u8,
    restarts: u8,
    /// True if the server has looked since the last step of a writer.
    looked: bool,
    /// True if the files were written since the folder was swapped in and looked at. Only the properties look at this and those below.
    touched: bool,
    /// The set that the operator confirmed, since a set was put in force.
    said: Option<Set>,
    /// A loss that was not meant, a set that did not rest, a set that never was on the disk.
    lost: bool,
    hasty: bool,
    mixed: bool,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A file of the folder is written.
    Write(usize, File),
    /// Another folder with these files takes the place of the folder.
    Swap(Set),
    /// The folder before takes its place again.
    Rollback,
    /// Time passes, too little for files to have rested.
    Soon,
    /// The files rest, and the server looks at them.
    Rest,
    /// The operator confirms the set that waits.
    Confirm,
    /// The server restarts.
    Restart,
}

impl File {
    const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Old => "old",
            Self::New => "new",
            Self::Cut => "cut",
            Self::Bad => "bad",
        }
    }

    const fn denies(self) -> bool {
        matches!(self, Self::Old | Self::New)
    }

    /// True if `next` lacks something of this.
    const fn loses_in(self, next: Self) -> bool {
        self.denies() && !next.denies() || matches!((self, next), (Self::Cut, Self::Absent))
    }
}

fn is_right(set: Set) -> bool {
    !set.contains(&File::Bad) && set != [File::Absent; 2]
}

fn loses(before: Set, next: Set) -> bool {
    before.into_iter().zip(next).any(|(before, next)| before.loses_in(next))
}

impl Documents {
    fn breaks(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// The server looks at the files.
    fn look(&self, state: &mut State, rested: bool) {
        let disk = state.disk;
        let mut set = disk.files;
        if self.breaks(Fault::GoodFilesCount) {
            for (file, before) in set.iter_mut().zip(state.in_force.files) {
                if *file == File::Bad {
                    *file = before;
                }
            }
        }
        if !is_right(set) {
            if state.refused.is_none_or(|refused| refused.number != disk.number) {
                state.refused = Some(disk);
            }
            (state.stale, state.waits) = (true, None);
            return;
        }
        let changed_since = state.refused.is_some_and(|refused| refused.number == disk.number && refused.files != set);
        let is_swapped = disk.number != state.in_force.number
            && (!changed_since || self.breaks(Fault::BadSwapForgotten))
            && !self.breaks(Fault::SwapsWait);
        let is_confirmed = match state.confirmed {
            Some(confirmed) => (confirmed == set || self.breaks(Fault::AnyConfirmed)) && !self.breaks(Fault::NeverConfirmed),
            None => false,
        };
        if loses(state.in_force.files, set) && !is_swapped && !is_confirmed && !self.breaks(Fault::RemovalsCount) {
            (state.stale, state.waits) = (true, Some(set));
            return;
        }
        self.put_in_force(state, set, rested);
    }

    fn put_in_force(&self, state: &mut State, set: Set, rested: bool) {
        if set != state.in_force.files {
            let is_meant = state.said == Some(set) || !state.touched;
            state.lost |= loses(state.in_force.files, set) && !is_meant;
            state.hasty |= !rested;
            state.mixed |= set != state.disk.files;
            state.said = None;
            state.in_force = Folder { number: state.disk.number, files: set };
        } else if !self.breaks(Fault::SameSwapUnseen) {
            state.in_force.number = state.disk.number;
        }
        state.stale &= self.breaks(Fault::StaysStale);
        (state.refused, state.waits) = (None, None);
        if !self.breaks(Fault::StaysConfirmed) {
            state.confirmed = None;
        }
    }

    /// Another folder is where the documents are.
    fn swap(state: &mut State, to: Folder) {
        state.before = Some(state.disk);
        state.disk = to;
        (state.touched, state.looked, state.fresh) = (false, false, true);
    }

    fn restart(state: &mut State) {
        state.restarts += 1;
        state.in_force = state.disk;
        (state.refused, state.waits, state.confirmed, state.said) = (None, None, None, None);
        (state.stale, state.fresh, state.looked, state.touched) = (false, false, true, true);
    }

    /// The state after an operator has confirmed what waits, the files being at rest.
    fn later(&self, state: &State) -> State {
        let mut state = state.clone();
        self.look(&mut state, true);
        if let Some(waits) = state.waits {
            (state.confirmed, state.said) = (Some(waits), Some(waits));
            self.look(&mut state, true);
        }
        state
    }
}

/// Documents and rules that deny go when that is meant.
const LOSS: &str = "what denies goes with a set that was swapped whole, was confirmed or is there at a start, and not else";
/// Files that are being written do not count.
const RESTED: &str = "no set counts before it has rested";
/// A set counts whole.
const WHOLE: &str = "a set counts as it was on the disk, or not at all";
/// The server shows how it is.
const SHOWN: &str = "what is shown as in force is in force";
/// Whatever happened, the files count in the end.
const FOLLOWED: &str = "files that are right count once they rest and are confirmed";
/// A swap needs no confirmation.
const SWAPPED: &str = "a set that was swapped whole counts by itself";
/// The model does something.
const REMOVED: &str = "a removal is confirmed";

impl Model for Documents {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let disk = Folder { number: 0, files: [File::Old; 2] };
        vec![State {
            disk,
            before: None,
            in_force: disk,
            refused: None,
            waits: None,
            confirmed: None,
            stale: false,
            fresh: false,
            writes: 0,
            swaps: 0,
            rollbacks: 0,
            restarts: 0,
            looked: true,
            touched: true,
            said: None,
            lost: false,
            hasty: false,
            mixed: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let contents = [File::Absent, File::Old, File::New, File::Cut, File::Bad];
        if state.writes < self.writes {
            for (place, file) in state.disk.files.into_iter().enumerate() {
                actions.extend(contents.into_iter().filter(|other| *other != file).map(|other| Action::Write(place, other)));
            }
        }
        if state.swaps < self.swaps {
            let sets = contents.into_iter().flat_map(|one| contents.map(|other| [one, other]));
            actions.extend(sets.filter(|set| *set != [File::Absent; 2]).map(Action::Swap));
        }
        if state.rollbacks < self.rollbacks && state.before.is_some() {
            actions.push(Action::Rollback);
        }
        // Files that are as they are in force need no rest.
        if state.fresh && state.disk.files != state.in_force.files {
            actions.push(Action::Soon);
        }
        if !state.looked || state.confirmed.is_some() {
            actions.push(Action::Rest);
        }
        if state.waits.is_some() && state.confirmed != state.waits {
            actions.push(Action::Confirm);
        }
        // A server does not start with a set that has errors.
        if state.restarts < self.restarts && is_right(state.disk.files) {
            actions.push(Action::Restart);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Write(place, file) => {
                state.writes += 1;
                state.disk.files[place] = file;
                state.touched |= state.looked;
                (state.fresh, state.looked) = (true, false);
            }
            Action::Swap(files) => {
                state.swaps += 1;
                let number = state.swaps;
                Self::swap(&mut state, Folder { number, files });
            }
            Action::Rollback => {
                state.rollbacks += 1;
                let to = state.before?;
                Self::swap(&mut state, to);
            }
            Action::Soon => {
                state.fresh = false;
                if self.breaks(Fault::TooEarly) {
                    self.look(&mut state, false);
                }
            }
            Action::Rest => {
                (state.fresh, state.looked) = (false, true);
                self.look(&mut state, true);
            }
            Action::Confirm => {
                (state.confirmed, state.said, state.fresh) = (state.waits, state.waits, false);
            }
            Action::Restart => Self::restart(&mut state),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(LOSS, |_, state: &State| !state.lost),
            Property::always(RESTED, |_, state: &State| !state.hasty),
            Property::always(WHOLE, |_, state: &State| !state.mixed),
            Property::always(SHOWN, |_, state: &State| !state.looked || state.stale == (state.disk.files != state.in_force.files)),
            Property::always(FOLLOWED, |model: &Self, state: &State| {
                let later = model.later(state);
                !is_right(state.disk.files) || later.in_force.files == state.disk.files && !later.stale
            }),
            Property::always(SWAPPED, |_, state: &State| {
                let is_other = state.disk.number != state.in_force.number;
                // A folder that comes back between two looks is not seen to have gone.
                let is_known = state.refused.is_some_and(|refused| refused.number == state.disk.number);
                state.touched || !state.looked || !is_other || is_known || state.waits.is_none()
            }),
            Property::sometimes(REMOVED, |_, state: &State| state.in_force.files.contains(&File::Absent) && state.touched),
        ]
    }
}

fn shown(set: Set) -> String {
    set.map(File::name).join(",")
}

impl Traced for Documents {
    fn scene(&self) -> String {
        String::from("two files")
    }

    fn step(action: &Action) -> String {
        match action {
            Action::Write(place, file) => format!("write {place} {}", file.name()),
            Action::Swap(set) => format!("swap {}", shown(*set)),
            Action::Rollback => String::from("rollback"),
            Action::Soon => String::from("soon"),
            Action::Rest => String::from("rest"),
            Action::Confirm => String::from("confirm"),
            Action::Restart => String::from("restart"),
        }
    }

    /// The set in force, whether the server shows that the files are others, and whether a set waits for a confirmation.
    fn sight(&self, state: &State) -> String {
        let stale = if state.stale { " stale" } else { "" };
        let waits = if state.waits.is_some() { " waits" } else { "" };
        format!("{}{stale}{waits}", shown(state.in_force.files))
    }
}
