//! The task of each list: looks, judges, puts in force; what was good stays until something better was.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::kept::KeptMark;
use super::list::Followed;
use super::reader::{Found, Reader, Text};
use super::state::Shared;
use crate::clock::UnixTime;
use crate::secret::Fingerprint;
use crate::trust::{AcceptedList, ListError, ListMark, ListSource};

/// After a failure: soon.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// For how long a confirmation need not be kept: after a restart a list seems that much older than it is at most.
pub(super) const KEEP_AGAIN: Duration = Duration::from_secs(60);

/// Begins to follow a list. One that is on this machine is read at once where the server is just starting; what was kept of
/// it from before counts until then, and no older one counts after it.
pub(super) fn start(shared: &Arc<Shared>, name: &str, mut followed: Followed) -> Followed {
    let mut reader = Reader::new(Arc::clone(&followed.source), Arc::clone(&shared.fetcher));
    restore(shared, name, &mut followed);
    if followed.is_from_start()
        && let Some(found) = reader.read_now()
    {
        let before = Before::of(&followed);
        let judged = found.map(|found| judge(&followed.source, name, found, &before));
        let good = to_keep(&judged);
        settle(shared, name, &mut followed, &mut reader, judged);
        if let (Some(text), Some(known)) = (good, followed.known()) {
            shared.keep_list(name, &followed.source, Some(&text), &known);
        }
    }
    let task =
        follow(Arc::downgrade(shared), name.to_owned(), reader, Arc::clone(&followed.source));
    followed.run_by(tokio::spawn(task).abort_handle());
    followed
}

/// What came of a look.
enum Judged {
    /// As it was, and perhaps written again at this time.
    Unchanged(Option<UnixTime>),
    Good(Text, Box<AcceptedList>),
    Bad(ListError),
}

/// What a list is compared with.
struct Before {
    mark: Option<ListMark>,
    in_force: bool,
}

async fn follow(shared: Weak<Shared>, name: String, mut reader: Reader, source: Arc<ListSource>) {
    let mut kept_as_of = None;
    loop {
        let found = reader.read().await;
        let Some(shared) = shared.upgrade() else { return };
        let judged = match found {
            Err(error) => Err(error),
            Ok(found) => judge_apart(&shared, &name, &source, found).await,
        };
        let fresh = to_keep(&judged);
        let (pause, known) = {
            let mut state = shared.lock();
            let Some(followed) = state.lists.get_mut(&name) else { return };
            let good = settle(&shared, &name, followed, &mut reader, judged);
            let known = followed.known();
            shared.publish(&state);
            let refresh = source.place.refresh();
            (if good { refresh } else { refresh.min(FIRST_RETRY) }, known)
        };
        if let Some(known) = known
            && (fresh.is_some()
                || kept_as_of.is_none_or(|kept| known.as_of.since(kept) >= KEEP_AGAIN))
        {
            kept_as_of = Some(known.as_of);
            keep_apart(&shared, &name, &source, fresh, known).await;
        }
        drop(shared);
        tokio::time::sleep(pause).await;
    }
}

/// Judges where nobody's request waits for it: a million lines take a second.
async fn judge_apart(
    shared: &Arc<Shared>,
    name: &str,
    source: &Arc<ListSource>,
    found: Found,
) -> Result<Judged, String> {
    let before = shared.lock().lists.get(name).map_or(Before::NOTHING, Before::of);
    let (source, name) = (Arc::clone(source), name.to_owned());
    let judging = tokio::task::spawn_blocking(move || judge(&source, &name, found, &before));
    judging.await.map_err(|_| String::from("reading it failed"))
}

/// Writes where nobody's request waits for it.
async fn keep_apart(
    shared: &Arc<Shared>,
    name: &str,
    source: &Arc<ListSource>,
    text: Option<Text>,
    known: KeptMark,
) {
    if shared.kept.is_none() {
        return;
    }
    let (shared, source, name) = (Arc::clone(shared), Arc::clone(source), name.to_owned());
    let keep = move || shared.keep_list(&name, &source, text.as_ref(), &known);
    // A panic there would be told by the runtime; what is in force is in force.
    let _ = tokio::task::spawn_blocking(keep).await;
}

/// What was kept of a list, where nothing is known of it yet. Of one that is added while servers run its number alone: it is
/// read before it counts.
fn restore(shared: &Shared, name: &str, followed: &mut Followed) {
    let Some(kept) = &shared.kept else { return };
    if followed.mark.is_some() {
        return;
    }
    let Some(list) = kept.list(name, &followed.source) else { return };
    let text = followed.is_from_start().then(|| list.text()).flatten();
    let good = text.and_then(|text| {
        let accepted = followed.source.accept(name, &text, list.signature.as_deref(), None);
        accepted.ok().filter(|accepted| accepted.mark == list.known.mark)
    });
    if let Some(good) = &good {
        let (entries, sequence) = (good.table.len(), good.mark.sequence);
        tracing::info!(
            list = name,
            entries,
            sequence,
            "revocation list as it was kept before the start"
        );
    }
    if good.is_some() || !followed.was_had() {
        followed.restore(&list.known, good, shared.clock.now());
    }
}

/// What has to be kept of something good.
fn to_keep(judged: &Result<Judged, String>) -> Option<Text> {
    match judged {
        Ok(Judged::Good(text, _)) => Some(text.clone()),
        Ok(Judged::Unchanged(_) | Judged::Bad(_)) | Err(_) => None,
    }
}

fn judge(source: &ListSource, name: &str, found: Found, before: &Before) -> Judged {
    let Found::Changed(text) = found else { return Judged::Unchanged(None) };
    let Before { mark, in_force } = before;
    let mark = mark.as_ref();
    // A server without etags sends the same again, and a file may be written as it was.
    if *in_force && mark.is_some_and(|mark| mark.content == Fingerprint::of(&text.list)) {
        return Judged::Unchanged(text.written_at);
    }
    match source.accept(name, &text.list, text.signature.as_deref(), mark) {
        Ok(list) => Judged::Good(text, Box::new(list)),
        Err(error) => Judged::Bad(error),
    }
}

// === impl Before ===

impl Before {
    const NOTHING: Self = Self { mark: None, in_force: false };

    const fn of(followed: &Followed) -> Self {
        Self { mark: followed.mark, in_force: followed.was_had() }
    }
}

// === impl Shared ===

impl Shared {
    /// Keeps a list over a restart: with its text, or only when it was confirmed last.
    fn keep_list(&self, name: &str, source: &ListSource, text: Option<&Text>, known: &KeptMark) {
        let Some(kept) = &self.kept else { return };
        let written = match text {
            Some(text) => kept.write_list(name, source, text, known),
            None => kept.confirm_list(name, source, known.as_of),
        };
        if let Err(error) = written {
            let error = error.kind();
            tracing::error!(list = name, %error, "revocation list cannot be kept in the state folder");
        }
    }
}

/// Takes note of what came of it, and says so in the log where that is news. Whether it was good.
fn settle(
    shared: &Shared,
    name: &str,
    followed: &mut Followed,
    reader: &mut Reader,
    judged: Result<Judged, String>,
) -> bool {
    let now = shared.clock.now();
    let (place, failed) = (followed.source.place.to_string(), followed.has_failed());
    let error = match judged {
        Ok(Judged::Good(text, list)) => {
            let (entries, sequence) = (list.table.len(), list.mark.sequence);
            let new = followed.mark.is_none_or(|mark| mark.content != list.mark.content);
            if new || failed {
                tracing::info!(list = name, %place, entries, sequence, "revocation list in force");
                let unknown = shared.known.load().unknown_in(&list);
                if !unknown.is_empty() {
                    tracing::warn!(list = name, %place, ?unknown, "revocation list names issuers that no document knows: entries of theirs revoke nothing");
                }
            }
            reader.accepted(text.etag().cloned());
            followed.accept(*list, text.written_at, now);
            return true;
        }
        Ok(Judged::Unchanged(written_at)) => {
            followed.confirm(written_at, now);
            return !followed.has_failed();
        }
        Ok(Judged::Bad(error)) => error.to_string(),
        Err(error) => error,
    };
    if followed.fail(error.clone()) {
        let kept = followed.was_had();
        tracing::error!(list = name, %place, %error, last_good_in_force = kept, "revocation list not put in force");
    }
    false
}
