//! Reading a revocation list from its place: only where it was changed since it was read last.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::UnixTime;
use crate::limits::{MAX_LIST_SIGNATURE_BYTES, MAX_REVOCATION_LIST_BYTES};
use crate::pdp::fetch::{FetchRequest, Fetched, Fetcher, Validators};
use crate::pdp::follow::FetchFailure;
use crate::trust::{ListPlace, ListSource};

/// Reads one list, and knows what it read.
#[derive(Debug)]
pub(super) struct ListReader {
    source: Arc<ListSource>,
    fetcher: Arc<dyn Fetcher>,
    /// The stamp of the file when it was last read.
    stamp: Option<Stamp>,
    /// The version that was put in force last.
    known: Validators,
}

/// The result of a look: `None` where it is the same as before, and for how long a server says that it is.
pub(super) type ReadList = (Option<ListContent>, Option<Duration>);

/// A list that was read and not judged.
#[derive(Clone, Debug)]
pub(super) struct ListContent {
    pub(super) list: Bytes,
    pub(super) signature: Option<Bytes>,
    /// When a file was written.
    pub(super) written_at: Option<UnixTime>,
    pub(super) validators: Validators,
}

/// A stamp that differs for each state of a file: an atomic replacement changes the inode number, a change in place the
/// time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp(Vec<(u64, u64, i64, i64)>);

impl ListReader {
    pub(super) fn new(source: Arc<ListSource>, fetcher: Arc<dyn Fetcher>) -> Self {
        Self { source, fetcher, stamp: None, known: Validators::default() }
    }

    /// Looks whether there is something new.
    ///
    /// # Errors
    /// The reason why it cannot be determined.
    pub(super) async fn read(&mut self) -> Result<ReadList, FetchFailure> {
        if self.is_local() {
            let (source, stamp) = (Arc::clone(&self.source), self.stamp.clone());
            return self.take(apart(move || read_files(&source, stamp.as_ref())).await?);
        }
        let place = &self.source.place;
        let fetched = self.obtain(place, MAX_REVOCATION_LIST_BYTES, self.known.if_any()).await?;
        let Fetched { body, max_age, validators, .. } = fetched;
        let Some(list) = body else { return Ok((None, max_age)) };
        let signature = match &self.source.signature {
            None => None,
            Some(signature) => {
                let got = self.obtain(&signature.place, MAX_LIST_SIGNATURE_BYTES, None).await;
                let of_it = |failure: FetchFailure| FetchFailure {
                    why: format!("its signature: {}", failure.why),
                    ..failure
                };
                got.map_err(of_it)?.body
            }
        };
        Ok((Some(ListContent { list, signature, written_at: None, validators }), max_age))
    }

    /// The same for files on this machine, without waiting.
    pub(super) fn read_now(&mut self) -> Option<Result<ReadList, FetchFailure>> {
        if !self.is_local() {
            return None;
        }
        let read = read_files(&self.source, self.stamp.as_ref());
        Some(read.map_err(FetchFailure::from).and_then(|read| self.take(read)))
    }

    /// Records that the list was put in force, so that the server need not send it again. A list that was refused is fetched
    /// again: the list and its signature may have been published one after the other.
    pub(super) fn accepted(&mut self, version: Validators) {
        self.known = version;
    }

    fn is_local(&self) -> bool {
        let places = std::iter::once(&self.source.place)
            .chain(self.source.signature.iter().map(|signature| &signature.place));
        places.into_iter().all(|place| matches!(place, ListPlace::File(_)))
    }

    fn take(&mut self, read: Option<(Stamp, ListContent)>) -> Result<ReadList, FetchFailure> {
        let Some((stamp, text)) = read else { return Ok((None, None)) };
        self.stamp = Some(stamp);
        Ok((Some(text), None))
    }

    /// One file, from here or from a server, without its text where it is as `known`.
    async fn obtain(
        &self,
        place: &ListPlace,
        limit: usize,
        known: Option<&Validators>,
    ) -> Result<Fetched, FetchFailure> {
        match place {
            ListPlace::Remote(remote) => {
                let ask = FetchRequest {
                    known,
                    limit,
                    ..FetchRequest::file(&remote.url, &remote.access)
                };
                Ok(self.fetcher.fetch(ask).await?)
            }
            ListPlace::File(path) => {
                let path = path.clone();
                let body = Some(apart(move || read_file(&path, limit)).await?);
                Ok(Fetched { body, ..Fetched::default() })
            }
        }
    }
}

/// Reads on a thread that may wait for a disk.
async fn apart<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, FetchFailure> {
    let read = tokio::task::spawn_blocking(read).await;
    Ok(read.map_err(|_| String::from("reading it failed"))??)
}

/// The list and its signature, where they are not as `known` says.
fn read_files(
    source: &ListSource,
    known: Option<&Stamp>,
) -> Result<Option<(Stamp, ListContent)>, String> {
    let paths: Vec<&PathBuf> = std::iter::once(&source.place)
        .chain(source.signature.iter().map(|signature| &signature.place))
        .filter_map(|place| match place {
            ListPlace::File(path) => Some(path),
            ListPlace::Remote(_) => None,
        })
        .collect();
    let stamp = Stamp::of(&paths)?;
    if Some(&stamp) == known {
        return Ok(None);
    }
    let written_at = stamp.0.first().map(|(_, _, seconds, _)| UnixTime::from_secs(*seconds));
    let mut read = paths.into_iter().zip([MAX_REVOCATION_LIST_BYTES, MAX_LIST_SIGNATURE_BYTES]);
    let mut next = || read.next().map(|(path, limit)| read_file(path, limit)).transpose();
    let (list, signature) = (next()?.unwrap_or_default(), next()?);
    Ok(Some((
        stamp,
        ListContent { list, signature, written_at, validators: Validators::default() },
    )))
}

fn read_file(path: &Path, limit: usize) -> Result<Bytes, String> {
    let read = || {
        let mut bytes = Vec::new();
        let file = fs::File::open(path)?;
        let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        bytes.reserve_exact(size.min(limit).saturating_add(1));
        let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        file.take(one_more).read_to_end(&mut bytes)?;
        if bytes.len() > limit {
            return Err(io::Error::other(format!("it is larger than {limit} bytes")));
        }
        Ok(Bytes::from(bytes))
    };
    read().map_err(|error: io::Error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    let text = error.to_string();
    let why = text.split(" (os error").next().unwrap_or_default().to_lowercase();
    format!("cannot read `{}`: {why}", path.display())
}

impl Stamp {
    fn of(paths: &[&PathBuf]) -> Result<Self, String> {
        use std::os::unix::fs::MetadataExt as _;
        let stamp = |path: &&PathBuf| {
            let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
            Ok((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
        };
        paths.iter().map(stamp).collect::<Result<_, String>>().map(Self)
    }
}
