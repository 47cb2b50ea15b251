//! The HTTP/2 frames of a connection, looked at as they pass (RFC 9113, RFC 7541). They are where the HTTP/2 library refuses
//! calls by itself: Envoy sees an error then and not a denial, and `failure_mode_allow` makes an allow of it.
//!
//! - The library resets a call whose `:authority` is no authority of a URI. Envoy sends the name of its cluster where its
//!   configuration has no `authority`, such as `auth|countersign` or `securitypolicy/shop/countersign/extauth/0`. Nothing here
//!   reads the value, so each is overwritten with letters before the library sees it.
//! - What the library refuses all the same is counted, and logged once a minute.
//! - The library reads for as long as bytes come, before it looks at what it has read. A client that begins calls and resets them
//!   at once never lets it, and each call stays in memory until then. So reading pauses after some calls, and is slowed down where
//!   more calls are reset than callers of an Envoy give up.

mod headers;
mod pace;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use crate::envoy::ListenerStatus;
use headers::HeaderBlock;
use pace::Pace;

/// A connection whose frames are looked at.
#[derive(Debug)]
pub(super) struct WatchedConnection<S> {
    stream: S,
    inbound: Inbound,
    outbound: Outbound,
}

/// How far a client has come.
#[derive(Clone, Debug, Default)]
pub(super) struct TransferProgress(Arc<AtomicU8>);

const HTTP2: u8 = 1;
const CALLED: u8 = 2;

impl TransferProgress {
    /// True if it speaks HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= HTTP2
    }

    /// True if it has begun a call.
    pub(super) fn has_called(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= CALLED
    }
}

/// The bytes that a client sends before its first frame (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length, type, flags and stream of a frame (RFC 9113 section 4.1).
const FRAME_HEADER: usize = 9;

// Types and flags of frames (RFC 9113 section 6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Bytes of a priority in a HEADERS frame.
const PRIORITY_BYTES: usize = 5;

/// Cuts a stream of bytes into frames, wherever the pieces end.
#[derive(Debug, Default)]
struct Frames {
    header: [u8; FRAME_HEADER],
    /// Bytes of the header that are there.
    seen: usize,
    /// Bytes of the payload that are to come.
    left: usize,
    kind: u8,
    flags: u8,
}

/// The client's bytes.
#[derive(Debug, Default)]
struct Inbound {
    /// Bytes of the preface that are there; `None` where the client does not speak HTTP/2.
    preface: Option<usize>,
    frames: Frames,
    /// Bytes of the frame before its header block, and of its padding behind it.
    lead: usize,
    padding: usize,
    /// The next byte is the length of the padding.
    padded: bool,
    block: HeaderBlock,
    pace: Pace,
    progress: TransferProgress,
}

/// The HTTP/2 library's bytes.
#[derive(Debug)]
struct Outbound {
    frames: Frames,
    /// The last four bytes of the payload so far: the code of a reset, and then of a farewell.
    tail: [u8; 4],
    taken: usize,
    client: String,
    status: Arc<ListenerStatus>,
}

impl<S> WatchedConnection<S> {
    /// `client` is who is at the other end, for the log.
    pub(super) fn new(stream: S, client: String, status: Arc<ListenerStatus>) -> Self {
        let inbound = Inbound { preface: Some(0), ..Inbound::default() };
        Self { stream, inbound, outbound: Outbound::new(client, status) }
    }

    pub(super) fn progress(&self) -> TransferProgress {
        self.inbound.progress.clone()
    }
}

impl<S: Connected> Connected for WatchedConnection<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedConnection<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.inbound.pace.poll(cx));
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        this.inbound.pass(buffer.filled_mut().get_mut(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedConnection<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        this.outbound.pass(bytes.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl Frames {
    /// Takes bytes of a frame's header from `bytes`; whether a payload is next that has not been looked at.
    fn begin(&mut self, bytes: &[u8]) -> (usize, bool) {
        let free = self.header.get_mut(self.seen..).unwrap_or_default();
        let taken = free.len().min(bytes.len());
        for (to, from) in free.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.seen = self.seen.saturating_add(taken);
        if self.seen < FRAME_HEADER {
            return (taken, false);
        }
        self.seen = 0;
        let [a, b, c, kind, flags, ..] = self.header;
        self.left = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        (self.kind, self.flags) = (kind, flags);
        (taken, true)
    }
}

impl Inbound {
    /// Overwrites the authorities in what has come.
    fn pass(&mut self, mut bytes: &mut [u8]) {
        while let Some(preface) = self.preface
            && !bytes.is_empty()
        {
            let taken = match (PREFACE.get(preface..).unwrap_or_default(), self.frames.left) {
                ([], 0) => {
                    let (taken, begun) = self.frames.begin(bytes);
                    if begun {
                        self.begin_payload();
                    }
                    taken
                }
                ([], left) => {
                    let taken = left.min(bytes.len());
                    self.frames.left = left.saturating_sub(taken);
                    self.payload(bytes.get_mut(..taken).unwrap_or_default());
                    taken
                }
                (expected, _) => {
                    let taken = expected.len().min(bytes.len());
                    let same = expected.get(..taken) == bytes.get(..taken);
                    self.preface = same.then(|| preface.saturating_add(taken));
                    taken
                }
            };
            bytes = bytes.get_mut(taken..).unwrap_or_default();
        }
    }

    fn begin_payload(&mut self) {
        let Frames { kind, flags, .. } = self.frames;
        let has = |flag: u8| kind == HEADERS && flags & flag != 0;
        self.padded = has(PADDED);
        self.lead = if has(PRIORITY) { PRIORITY_BYTES } else { 0 };
        self.padding = 0;
        let reached = if kind == HEADERS { CALLED } else { HTTP2 };
        if self.progress.0.load(Ordering::Relaxed) < reached {
            self.progress.0.store(reached, Ordering::Relaxed);
        }
        match kind {
            HEADERS => {
                self.block = HeaderBlock::default();
                self.pace.call_begins();
            }
            RST_STREAM => self.pace.call_is_reset(),
            _ => {}
        }
    }

    /// `bytes` of the payload; `frames.left` more follow.
    fn payload(&mut self, bytes: &mut [u8]) {
        if !matches!(self.frames.kind, HEADERS | CONTINUATION) {
            return;
        }
        let mut start = 0;
        if self.padded
            && let Some(length) = bytes.first()
        {
            (self.padded, self.padding) = (false, usize::from(*length));
            start = 1;
        }
        let lead = self.lead.min(bytes.len().saturating_sub(start));
        self.lead = self.lead.saturating_sub(lead);
        start = start.saturating_add(lead);
        let padding = self.padding.saturating_sub(self.frames.left);
        let end = bytes.len().saturating_sub(padding).max(start);
        self.block.pass(bytes.get_mut(start..end).unwrap_or_default());
    }
}

impl Outbound {
    fn new(client: String, status: Arc<ListenerStatus>) -> Self {
        Self { frames: Frames::default(), tail: [0; 4], taken: 0, client, status }
    }

    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = if self.frames.left == 0 {
                self.taken = 0;
                self.frames.begin(bytes).0
            } else {
                let taken = self.frames.left.min(bytes.len());
                self.frames.left = self.frames.left.saturating_sub(taken);
                self.payload(bytes.get(..taken).unwrap_or_default());
                taken
            };
            bytes = bytes.get(taken..).unwrap_or_default();
        }
    }

    fn payload(&mut self, bytes: &[u8]) {
        let code_ends = match self.frames.kind {
            RST_STREAM => 4,
            // The last stream that was taken comes before it, and words may come behind it.
            GOAWAY => 8,
            _ => return,
        };
        for byte in bytes {
            let [_, b, c, d] = self.tail;
            self.tail = [b, c, d, *byte];
            self.taken = self.taken.saturating_add(1);
            if self.taken == code_ends {
                self.ended(u32::from_be_bytes(self.tail));
            }
        }
    }

    /// A call or the connection was ended with `code`.
    fn ended(&mut self, code: u32) {
        let goaway = self.frames.kind == GOAWAY;
        let Some(word) = error_word(code) else { return };
        let count = if goaway { &self.status.broken } else { &self.status.reset };
        count.fetch_add(1, Ordering::Relaxed);
        let Some(times) = self.status.said.http2.due() else { return };
        let client = &self.client;
        tracing::warn!(
            client,
            times,
            error = word,
            "{} without a decision: Envoy takes this for an outage, and allows where it has `failure_mode_allow`",
            if goaway { "HTTP/2 ends the connection" } else { "HTTP/2 refuses a call" },
        );
    }
}

/// The names in RFC 9113 section 7; `None` where the code stands for no trouble, or where the other side has it.
const fn error_word(code: u32) -> Option<&'static str> {
    Some(match code {
        0 | 8 => return None,
        1 => "PROTOCOL_ERROR",
        2 => "INTERNAL_ERROR",
        3 => "FLOW_CONTROL_ERROR",
        4 => "SETTINGS_TIMEOUT",
        5 => "STREAM_CLOSED",
        6 => "FRAME_SIZE_ERROR",
        7 => "REFUSED_STREAM",
        9 => "COMPRESSION_ERROR",
        11 => "ENHANCE_YOUR_CALM",
        _ => "another error",
    })
}

#[cfg(test)]
mod tests;
