//! How each list is followed: read, checked and put in force. A good list stays until a better one comes.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::list::TrackedList;
use super::reader::{ListContent, ListReader};
use super::state::RegisterShared;
use super::state_folder::SavedMark;
use crate::clock::UnixTime;
use crate::pdp::follow::{FetchFailure, RemoteResource, SAVE_AGAIN};
use crate::secret::Fingerprint;
use crate::trust::{AcceptedList, LineEnds, ListError, ListMark, ListSource};

/// Starts to track a list. A list on this machine is read at once if the server is starting. The saved state counts until
/// then, and no older list counts after it.
pub(super) fn start(
    shared: &Arc<RegisterShared>,
    name: &str,
    mut tracked: TrackedList,
) -> TrackedList {
    let mut reader = ListReader::new(Arc::clone(&tracked.source), Arc::clone(&shared.fetcher));
    restore(shared, name, &mut tracked);
    if tracked.is_from_start()
        && let Some(found) = reader.read_now()
    {
        let before = Before::of(&tracked);
        let judged = found.map(|(text, _)| judge(&tracked.source, name, text, &before));
        let good = to_save(&judged);
        let settled = settle(shared, name, &mut tracked, &mut reader, judged);
        tracked.refresh_state.note(settled.map(|()| None));
        if let (Some(text), Some(known)) = (good, tracked.known()) {
            shared.save_list(name, &tracked.source, Some(&text), &known);
        }
    }
    let (shared, name, source) =
        (Arc::downgrade(shared), name.to_owned(), Arc::clone(&tracked.source));
    tracked.follow(FollowedList { shared, name, reader, source, saved_as_of: None });
    tracked
}

/// The task's part.
struct FollowedList {
    shared: Weak<RegisterShared>,
    name: String,
    reader: ListReader,
    source: Arc<ListSource>,
    saved_as_of: Option<UnixTime>,
}

/// The result of a look.
enum Judged {
    /// As it was, and perhaps written again at this time.
    Unchanged(Option<UnixTime>),
    Good(ListContent, Box<AcceptedList>),
    Bad(ListError),
}

/// The state that a list is compared with.
struct Before {
    mark: Option<ListMark>,
    lines: Option<LineEnds>,
    in_force: bool,
}

impl RemoteResource for FollowedList {
    async fn look(&mut self, _wanted: &Arc<AtomicU32>) -> Result<Option<Duration>, FetchFailure> {
        let found = self.reader.read().await;
        // The register is gone, and this task ends with it.
        let Some(shared) = self.shared.upgrade() else { return Ok(None) };
        let (name, source) = (self.name.as_str(), &self.source);
        let (judged, max_age) = match found {
            Err(error) => (Err(error), None),
            Ok((text, max_age)) => (judge_apart(&shared, name, source, text).await, max_age),
        };
        let fresh = to_save(&judged);
        let (settled, known) = {
            let mut state = shared.lock();
            let Some(tracked) = state.lists.get_mut(name) else { return Ok(None) };
            let settled = settle(&shared, name, tracked, &mut self.reader, judged);
            let known = tracked.known();
            shared.publish(&state);
            (settled, known)
        };
        if let Some(known) = known
            && (fresh.is_some()
                || self.saved_as_of.is_none_or(|kept| known.as_of.since(kept) >= SAVE_AGAIN))
        {
            self.saved_as_of = Some(known.as_of);
            save_apart(&shared, name, source, fresh, known).await;
        }
        settled.map(|()| max_age)
    }
}

/// Checks the list on a thread that no request waits for: a million lines take a second.
async fn judge_apart(
    shared: &Arc<RegisterShared>,
    name: &str,
    source: &Arc<ListSource>,
    text: Option<ListContent>,
) -> Result<Judged, FetchFailure> {
    let before = shared.lock().lists.get(name).map_or(Before::NOTHING, Before::of);
    let (source, name) = (Arc::clone(source), name.to_owned());
    let judging = tokio::task::spawn_blocking(move || judge(&source, &name, text, &before));
    judging.await.map_err(|_| String::from("reading it failed").into())
}

/// Writes on a thread that no request waits for.
async fn save_apart(
    shared: &Arc<RegisterShared>,
    name: &str,
    source: &Arc<ListSource>,
    text: Option<ListContent>,
    known: SavedMark,
) {
    if shared.folder.is_none() {
        return;
    }
    let (shared, source, name) = (Arc::clone(shared), Arc::clone(source), name.to_owned());
    let keep = move || shared.save_list(&name, &source, text.as_ref(), &known);
    // The runtime reports a panic there. The list in force stays.
    let _ = tokio::task::spawn_blocking(keep).await;
}

/// Restores the saved state of a list that has none yet. A list that is added while servers run gets its number alone: it is
/// read before it counts.
fn restore(shared: &RegisterShared, name: &str, tracked: &mut TrackedList) {
    let Some(folder) = &shared.folder else { return };
    if tracked.mark.is_some() {
        return;
    }
    let Some(list) = folder.list(name, &tracked.source) else { return };
    let text = tracked.is_from_start().then(|| folder.text(&list)).flatten();
    let good = text.and_then(|text| {
        let accepted = tracked.source.accept(name, &text, list.signature.as_deref(), None);
        accepted.ok().filter(|accepted| accepted.mark == list.known.mark)
    });
    if let Some(good) = &good {
        let (entries, sequence) = (good.table.len(), good.mark.sequence);
        tracing::info!(
            list = name,
            entries,
            sequence,
            "revocation list as it was saved before the start"
        );
    }
    if good.is_some() || !tracked.was_had() {
        tracked.restore(&list.known, good, shared.clock.now());
    }
}

/// The text to save, if the list is good.
fn to_save(judged: &Result<Judged, FetchFailure>) -> Option<ListContent> {
    match judged {
        Ok(Judged::Good(text, _)) => Some(text.clone()),
        Ok(Judged::Unchanged(_) | Judged::Bad(_)) | Err(_) => None,
    }
}

fn judge(source: &ListSource, name: &str, text: Option<ListContent>, before: &Before) -> Judged {
    let Some(text) = text else { return Judged::Unchanged(None) };
    let Before { mark, lines, in_force } = before;
    let mark = mark.as_ref();
    // A server without etags sends the same again, and a file may be written as it was.
    if *in_force && mark.is_some_and(|mark| mark.content == Fingerprint::of(&text.list)) {
        return Judged::Unchanged(text.written_at);
    }
    match source.accept(name, &text.list, text.signature.as_deref(), mark) {
        Ok(list) if lines.as_ref().is_some_and(|lines| list.is_cut_from(lines)) => {
            Judged::Bad(ListError::Cut)
        }
        Ok(list) => Judged::Good(text, Box::new(list)),
        Err(error) => Judged::Bad(error),
    }
}

impl Before {
    const NOTHING: Self = Self { mark: None, lines: None, in_force: false };

    fn of(tracked: &TrackedList) -> Self {
        let lines = tracked.lines().cloned();
        Self { mark: tracked.mark, lines, in_force: tracked.was_had() }
    }
}

impl RegisterShared {
    /// Keeps a list over a restart: with its text, or only when it was confirmed last.
    fn save_list(
        &self,
        name: &str,
        source: &ListSource,
        text: Option<&ListContent>,
        known: &SavedMark,
    ) {
        let Some(folder) = &self.folder else { return };
        let written = match text {
            Some(text) => folder.write_list(name, source, text, known),
            None => folder.confirm_list(name, source, known.as_of),
        };
        if let Err(error) = written {
            let error = error.kind();
            tracing::error!(list = name, %error, "revocation list cannot be kept in the state folder");
        }
    }
}

/// Takes note of the result, and logs it where it is news.
fn settle(
    shared: &RegisterShared,
    name: &str,
    tracked: &mut TrackedList,
    reader: &mut ListReader,
    judged: Result<Judged, FetchFailure>,
) -> Result<(), FetchFailure> {
    let now = shared.clock.now();
    let (place, last_error) = (tracked.source.place.to_string(), tracked.error());
    let failure = match judged {
        Ok(Judged::Good(text, list)) => {
            let (entries, sequence) = (list.table.len(), list.mark.sequence);
            let new = tracked.mark.is_none_or(|mark| mark.content != list.mark.content);
            if new || last_error.is_some() {
                tracing::info!(list = name, %place, entries, sequence, "revocation list in force");
                let unknown = shared.known.load().unknown_in(&list);
                if !unknown.is_empty() {
                    tracing::warn!(list = name, %place, ?unknown, "revocation list names issuers that no document knows: entries of theirs revoke nothing");
                }
            }
            reader.accepted(text.validators);
            tracked.accept(*list, text.written_at, now);
            return Ok(());
        }
        // A list that was refused is no better because it is the same.
        Ok(Judged::Unchanged(written_at)) => {
            let confirmed = tracked.confirm(written_at, now);
            match last_error.filter(|_| !confirmed) {
                None => return Ok(()),
                Some(error) => error.into(),
            }
        }
        Ok(Judged::Bad(error)) => error.to_string().into(),
        Err(failure) => failure,
    };
    tracked.fail();
    if tracked.error().as_ref() != Some(&failure.why) {
        let (error, kept) = (&failure.why, tracked.was_had());
        tracing::error!(list = name, %place, error, last_good_in_force = kept, "revocation list not put in force");
    }
    Err(failure)
}
