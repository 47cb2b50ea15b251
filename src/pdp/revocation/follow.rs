//! The task of each list: looks, judges, puts in force; what was good stays until something better was.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Shared;
use super::list::Followed;
use super::reader::{Found, Reader, Text};
use crate::clock::UnixTime;
use crate::secret::Fingerprint;
use crate::trust::{AcceptedList, ListError, ListMark, ListSource};

/// After a failure: soon.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// Begins to follow a list. One that is on this machine is read at once where the server is just starting.
pub(super) fn start(shared: &Arc<Shared>, name: &str, mut followed: Followed) -> Followed {
    let mut reader = Reader::new(Arc::clone(&followed.source), Arc::clone(&shared.fetcher));
    if followed.is_from_start()
        && let Some(found) = reader.read_now()
    {
        let judged =
            found.map(|found| judge(&followed.source, name, found, followed.mark.as_ref()));
        settle(shared, name, &mut followed, &mut reader, judged);
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
    Good(Text, AcceptedList),
    Bad(ListError),
}

async fn follow(shared: Weak<Shared>, name: String, mut reader: Reader, source: Arc<ListSource>) {
    loop {
        let found = reader.read().await;
        let Some(shared) = shared.upgrade() else { return };
        let judged = match found {
            Err(error) => Err(error),
            Ok(found) => judge_apart(&shared, &name, &source, found).await,
        };
        let pause = {
            let mut state = shared.lock();
            let Some(followed) = state.lists.get_mut(&name) else { return };
            let good = settle(&shared, &name, followed, &mut reader, judged);
            shared.publish(&state);
            if good { source.place.refresh() } else { source.place.refresh().min(FIRST_RETRY) }
        };
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
    let mark = shared.lock().lists.get(name).and_then(|followed| followed.mark);
    let (source, name) = (Arc::clone(source), name.to_owned());
    let judging = tokio::task::spawn_blocking(move || judge(&source, &name, found, mark.as_ref()));
    judging.await.map_err(|_| String::from("reading it failed"))
}

fn judge(source: &ListSource, name: &str, found: Found, mark: Option<&ListMark>) -> Judged {
    let Found::Changed(text) = found else { return Judged::Unchanged(None) };
    // A server without etags sends the same again, and a file may be written as it was.
    if mark.is_some_and(|mark| mark.content == Fingerprint::of(&text.list)) {
        return Judged::Unchanged(text.written_at);
    }
    match source.accept(name, &text.list, text.signature.as_deref(), mark) {
        Ok(list) => Judged::Good(text, list),
        Err(error) => Judged::Bad(error),
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
            }
            reader.accepted(text.etag().cloned());
            followed.accept(list, text.written_at, now);
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
