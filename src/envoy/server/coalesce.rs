//! Checks that have come are read at once, and answers that are ready at the same time leave in one write.
//!
//! Each check is a task of its own, and each answer wakes the task of its connection, which would hand it to the operating
//! system at once: a system call for each answer, which costs more than most decisions. So the connection waits with
//! writing until the tasks that are ready now have had their turn. Where there are none it waits for nothing.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tonic::transport::server::Connected;

/// A connection that writes once a turn.
#[derive(Debug)]
pub(super) struct CoalescingWriter<S> {
    stream: BufReader<S>,
    tick: Arc<Tick>,
    /// The same.
    tick_waker: Waker,
    state: WriteState,
}

/// How much is read at a time. HTTP/2 itself asks for less, and so more often.
const READ_BYTES: usize = 64 * 1024;

/// The state of the writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteState {
    /// Nothing is to be written.
    Empty,
    /// More may come to it.
    Gathering,
    /// The gathered bytes are being written.
    Writing,
}

/// A turn of the tasks that were ready when it began: the runtime wakes it when they are done.
#[derive(Debug, Default)]
struct Tick {
    is_over: AtomicBool,
    connection: AtomicWaker,
}

impl<S: AsyncRead> CoalescingWriter<S> {
    pub(super) fn new(stream: S) -> Self {
        let tick = Arc::<Tick>::default();
        let tick_waker = Waker::from(Arc::clone(&tick));
        let stream = BufReader::with_capacity(READ_BYTES, stream);
        Self { stream, tick, tick_waker, state: WriteState::Empty }
    }

    /// Ready when what has gathered is to be written.
    fn poll_tick(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.state == WriteState::Empty {
            self.tick.is_over.store(false, Ordering::Relaxed);
            self.tick.connection.register(cx.waker());
            self.state = WriteState::Gathering;
            // Yielding asks the runtime to wake the tick after everything else that is ready. A runtime that wakes it
            // earlier costs system calls and nothing else. It is polled once, for the tick and not for the connection,
            // which every answer wakes.
            let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&self.tick_waker));
        }
        if self.state == WriteState::Gathering {
            self.tick.connection.register(cx.waker());
            if !self.tick.is_over.load(Ordering::Acquire) {
                return Poll::Pending;
            }
            self.state = WriteState::Writing;
        }
        Poll::Ready(())
    }
}

impl<S: Connected + AsyncRead> Connected for CoalescingWriter<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.get_ref().connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CoalescingWriter<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for CoalescingWriter<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_tick(cx));
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        this.state = WriteState::Empty;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    // Not vectored: HTTP/2 then copies answers of up to a kilobyte behind each other, instead of writing each by itself.
}

impl Wake for Tick {
    fn wake(self: Arc<Self>) {
        self.is_over.store(true, Ordering::Release);
        self.connection.wake();
    }
}

#[cfg(test)]
mod tests;
