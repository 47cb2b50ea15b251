//! One list that is read beside the documents: what of it is in force, how old that is, and when that is too old.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::state_folder::SavedMark;
use crate::clock::{Clock, Stopwatch, UnixTime};
use crate::document::OnStaleList;
use crate::pdp::follow::{RefreshState, RefreshTask, RemoteResource};
use crate::trust::{AcceptedList, LineEnds, ListMark, ListSource, RevocationTable};

/// A list and its state.
#[derive(Debug)]
pub(super) struct TrackedList {
    pub(super) source: Arc<ListSource>,
    in_force: Option<InForce>,
    /// The mark that the next list is compared with. It is reset if the document names another place or another signer.
    pub(super) mark: Option<ListMark>,
    /// True if it was there when the server started, so that nothing was decided before it.
    from_start: bool,
    /// True if it could not be put in force when it was last looked at.
    failed: bool,
    pub(super) refresh_state: Arc<RefreshState>,
    task: Option<RefreshTask>,
}

/// The list that counts.
#[derive(Clone, Debug)]
struct InForce {
    table: Arc<RevocationTable>,
    sequence: Option<u64>,
    lines: Option<LineEnds>,
    next_update: Option<UnixTime>,
    /// When a server confirmed it last, or when its file was written.
    as_of: UnixTime,
    /// Since a server confirmed it last: the wall clock may be set back. Files have their own time.
    confirmed: Option<Stopwatch>,
}

/// How a list is doing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListStatus {
    /// Its name.
    pub name: String,
    /// The path, or the origin of the address.
    pub place: String,
    /// How many entries are in force; none where it was never read.
    pub entries: Option<usize>,
    /// Its number.
    pub sequence: Option<u64>,
    /// When a server confirmed it last, or when its file was written: RFC 3339.
    pub as_of: Option<String>,
    /// How old it is.
    pub age_seconds: Option<u64>,
    /// True if it is past what its document allows, whatever follows from that.
    pub stale: bool,
    /// True if requests are refused for it.
    pub refuses: bool,
    /// How often in a row it could not be read or put in force.
    pub failures: u32,
    /// Why.
    pub error: Option<String>,
}

impl TrackedList {
    pub(super) fn new(source: Arc<ListSource>, from_start: bool, clock: Arc<dyn Clock>) -> Self {
        let refresh_state = RefreshState::new(source.place.refresh(), clock);
        let (in_force, mark, task) = (None, None, None);
        Self { source, in_force, mark, from_start, failed: false, refresh_state, task }
    }

    /// The list after its document was changed. The list in force stays until it is read again. Its number does not count
    /// any more if it comes from another place.
    pub(super) fn moved_to(self, source: Arc<ListSource>, clock: Arc<dyn Clock>) -> Self {
        let same = self.source.is_same_place_as(&source);
        let Self { in_force, mark, .. } = self;
        Self { in_force, mark: mark.filter(|_| same), ..Self::new(source, false, clock) }
    }

    /// Takes over what was kept from before a restart: the number, so that no older list counts, and the list, where its text
    /// was kept too.
    pub(super) fn restore(&mut self, known: &SavedMark, list: Option<AcceptedList>, now: UnixTime) {
        self.mark = Some(known.mark);
        self.in_force = list.map(|list| InForce {
            sequence: list.mark.sequence,
            lines: list.lines,
            table: list.table,
            next_update: list.next_update,
            as_of: known.as_of.min(now),
            confirmed: known.confirmed.then(Stopwatch::start),
        });
    }

    /// The mark of the list in force, to be saved.
    pub(super) fn known(&self) -> Option<SavedMark> {
        let in_force = self.in_force.as_ref()?;
        let (as_of, confirmed) = (in_force.as_of, in_force.confirmed.is_some());
        Some(SavedMark { mark: self.mark?, as_of, confirmed })
    }

    pub(super) fn follow(&mut self, followed: impl RemoteResource) {
        self.task = Some(RefreshTask::start(&self.refresh_state, followed));
    }

    /// Puts `list` in force.
    pub(super) fn accept(
        &mut self,
        list: AcceptedList,
        written_at: Option<UnixTime>,
        now: UnixTime,
    ) {
        self.mark = Some(list.mark);
        self.in_force = Some(InForce {
            sequence: list.mark.sequence,
            lines: list.lines,
            table: list.table,
            next_update: list.next_update,
            as_of: written_at.unwrap_or(now),
            confirmed: written_at.is_none().then(Stopwatch::start),
        });
        self.failed = false;
    }

    /// Notes that what is in force is still what there is: for a file, as it was written at `written_at` where it was written
    /// again. Whether that says that it is good.
    pub(super) fn confirm(&mut self, written_at: Option<UnixTime>, now: UnixTime) -> bool {
        let Some(in_force) = &mut self.in_force else { return false };
        let good = in_force.confirmed.is_some() || written_at.is_some();
        if in_force.confirmed.is_some() {
            in_force.as_of = now;
            in_force.confirmed = Some(Stopwatch::start());
        } else if let Some(written_at) = written_at {
            in_force.as_of = written_at;
        }
        self.failed = self.failed && !good;
        good
    }

    /// Notes that it could not be put in force.
    pub(super) const fn fail(&mut self) {
        self.failed = true;
    }

    /// Why it could not be put in force when it was looked at before, if it could not.
    pub(super) fn error(&self) -> Option<String> {
        self.refresh_state.schedule().error().map(str::to_owned)
    }

    pub(super) fn table(&self) -> Option<&Arc<RevocationTable>> {
        self.in_force.as_ref().map(|in_force| &in_force.table)
    }

    /// The lines of the list in force, where nothing else says that the next one is whole.
    pub(super) fn lines(&self) -> Option<&LineEnds> {
        self.in_force.as_ref().filter(|_| self.mark.is_some())?.lines.as_ref()
    }

    pub(super) const fn is_from_start(&self) -> bool {
        self.from_start
    }

    pub(super) const fn was_had(&self) -> bool {
        self.in_force.is_some()
    }

    /// How long it has been older than its document allows, or `None` if it is not.
    fn overdue(&self, now: UnixTime) -> Option<Duration> {
        let in_force = self.in_force.as_ref()?;
        let aged = self.source.max_age.and_then(|max| in_force.age(now).checked_sub(max));
        let missed = in_force.next_update.filter(|next| *next < now).map(|next| now.since(next));
        aged.filter(|aged| !aged.is_zero()).max(missed)
    }

    /// True if requests are refused without it. A list that a reload adds comes into force when it is first read. If it
    /// cannot be read, requests are refused.
    pub(super) fn refuses(&self, now: UnixTime) -> bool {
        let grace = match self.source.on_stale {
            OnStaleList::Allow => return false,
            OnStaleList::Deny => Duration::ZERO,
            OnStaleList::Grace(grace) => grace.get(),
        };
        match (&self.in_force, self.overdue(now)) {
            (None, _) => self.from_start || self.failed,
            (Some(_), overdue) => overdue.is_some_and(|overdue| overdue > grace),
        }
    }

    pub(super) fn status(&self, name: &str, now: UnixTime) -> ListStatus {
        let (in_force, failures) =
            (self.in_force.as_ref(), self.refresh_state.schedule().failures());
        ListStatus {
            name: name.to_owned(),
            place: self.source.place.to_string(),
            entries: in_force.map(|in_force| in_force.table.in_force(now)),
            sequence: in_force.and_then(|in_force| in_force.sequence),
            as_of: in_force.map(|in_force| in_force.as_of.to_rfc3339()),
            age_seconds: in_force.map(|in_force| in_force.age(now).as_secs()),
            stale: in_force.is_none() || self.overdue(now).is_some(),
            refuses: self.refuses(now),
            failures,
            error: self.error(),
        }
    }
}

impl InForce {
    /// The longer of what both clocks say: the wall clock may be set back, and then a list would look younger than it is.
    fn age(&self, now: UnixTime) -> Duration {
        let measured = self.confirmed.map_or(Duration::ZERO, |since| since.elapsed());
        now.since(self.as_of).max(measured)
    }
}
