//! Frames in pieces of every size, and authorities of every kind.

use super::*;
use std::time::Duration;

use crate::limits::{MAX_CALLS_READ_AT_ONCE, MAX_RESETS_IN};

/// A frame of this type and these flags on stream 1.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![a, b, c, kind, flags, 0, 0, 0, 1];
    bytes.extend_from_slice(payload);
    bytes
}

/// A literal with incremental indexing whose name is number `name` of the static table.
fn literal(name: u8, huffman: bool, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x40 | name];
    let flag = if huffman { 0x80 } else { 0 };
    match u8::try_from(value.len()).unwrap() {
        short @ ..0x7f => bytes.push(flag | short),
        long => bytes.extend([flag | 0x7f, 0x80 | ((long - 0x7f) & 0x7f), (long - 0x7f) >> 7]),
    }
    bytes.extend_from_slice(value);
    bytes
}

/// The bytes that the HTTP/2 library gets of `bytes`, which arrive in pieces of `size`.
fn passed(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut inbound = Inbound { preface: Some(0), ..Inbound::default() };
    let mut bytes = bytes.to_vec();
    bytes.chunks_mut(size).for_each(|piece| inbound.pass(piece));
    bytes
}

/// P161: whatever Envoy sends as `:authority`, the library gets one that it takes, and everything else as it was.
#[test]
fn an_authority_is_overwritten_wherever_a_piece_ends() {
    let long = vec![b'|'; 200];
    let block = |huffman: bool, value: &[u8]| {
        let mut block = vec![0x3f, 0xe1, 0x1f, 0x83];
        block.extend(literal(4, false, b"/a|b"));
        block.extend(literal(1, huffman, value));
        // A name in letters, a name by a number of more than one byte, and one that is not to be indexed.
        block.extend([0x40, 2, b'x', b'y', 3, b'a', b'|', b'b']);
        block.extend([0x7f, 0x05, 1, b'|', 0x0f, 0x2f, 1, b'|', 0x10 | 1, 1, b'|']);
        block
    };
    let with = |block: &[u8], lead: &[u8], end: &[u8], flags: u8| {
        let payload = [lead, block, end].concat();
        let (first, rest) = payload.split_at(payload.len() / 2);
        let padded = flags & PADDED != 0;
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frame(4, 0, &[0; 6]));
        if padded {
            bytes.extend(frame(HEADERS, flags, &payload));
        } else {
            bytes.extend(frame(HEADERS, flags, first));
            bytes.extend(frame(CONTINUATION, 4, rest));
        }
        bytes.extend(frame(0, 1, b"A|\x41|"));
        bytes
    };
    let expected = |value: &[u8]| {
        let mut block = block(false, &vec![b'a'; value.len()]);
        let end = block.len();
        block[end - 1] = b'a';
        block
    };
    for value in
        [&b"auth|countersign"[..], b"securitypolicy/shop/countersign/extauth/0", b"", &long]
    {
        for (huffman, lead, end, flags) in [
            (false, &b""[..], &b""[..], 0),
            (true, b"", b"", 0),
            (false, &[0, 0, 0, 0, 9], b"", PRIORITY),
            (true, &[3, 0x41, 1, b'|', 0, 9], &[0x41, 1, b'|'], PADDED | PRIORITY),
        ] {
            let bytes = with(&block(huffman, value), lead, end, flags);
            let wanted = with(&expected(value), lead, end, flags);
            for size in [1, 2, 3, 7, bytes.len()] {
                assert_eq!(passed(&bytes, size), wanted, "{value:?} by {size}, {flags}");
            }
        }
    }
}

/// Bytes that are not HTTP/2, or are cut or broken, pass unchanged: the library refuses them.
#[test]
fn what_is_not_understood_is_left_alone() {
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n\x41\x01|"[..], b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n", b""]
    {
        assert_eq!(passed(bytes, 1), bytes);
    }
    let endless = [0x41, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, b'|'];
    let bytes = [PREFACE.to_vec(), frame(HEADERS, 4, &endless)].concat();
    let last = bytes.last().copied();
    assert_eq!(passed(&bytes, 1).last().copied(), last);
}

/// P160: what HTTP/2 refuses is counted, by call and by connection, and an orderly end is not.
#[test]
fn resets_and_broken_connections_are_counted() {
    let status = Arc::<ListenerStatus>::default();
    let mut outbound = Outbound::new("10.0.0.1:1".into(), Arc::clone(&status));
    let goaway =
        |code: u8| frame(GOAWAY, 0, &[&[0, 0, 0, 1, 0, 0, 0, code][..], b"words"].concat());
    let bytes: Vec<u8> = [
        frame(RST_STREAM, 0, &[0, 0, 0, 1]),
        frame(0, 0, &[0, 0, 0, 1]),
        frame(RST_STREAM, 0, &[0, 0, 0, 7]),
        frame(RST_STREAM, 0, &[0, 0, 0, 0]),
        frame(RST_STREAM, 0, &[0, 0, 0, 8]),
        goaway(0),
        goaway(11),
    ]
    .concat();
    for piece in bytes.chunks(5) {
        outbound.pass(piece);
    }
    let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    assert_eq!((read(&status.reset), read(&status.broken)), (2, 1));
}

/// P490: a client that never stops to begin calls is read up to a bound, then the library has its turn, and reading goes on.
#[tokio::test]
async fn reading_pauses_after_some_calls() {
    let call = frame(HEADERS, 4, &[0x83]);
    let calls = [PREFACE.to_vec(), call.repeat(1000)].concat();
    let status = Arc::new(ListenerStatus::default());
    let mut connection = WatchedConnection::new(calls.as_slice(), "a client".to_owned(), status);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    // A buffer for ten calls.
    let mut bytes = vec![0; 10 * call.len()];
    let (mut in_a_row, mut most, mut read) = (0, 0, 0);
    loop {
        let mut buffer = ReadBuf::new(&mut bytes);
        match Pin::new(&mut connection).poll_read(&mut cx, &mut buffer) {
            Poll::Pending => in_a_row = 0,
            Poll::Ready(ended) => {
                ended.unwrap();
                if buffer.filled().is_empty() {
                    break;
                }
                in_a_row += buffer.filled().len();
                read += buffer.filled().len();
                most = most.max(in_a_row);
            }
        }
    }
    assert_eq!(read, calls.len());
    let bound = PREFACE.len() + (MAX_CALLS_READ_AT_ONCE + 10) * call.len();
    assert!((bound / 2..=bound).contains(&most), "{most} bytes in a row");
}

/// P490: a client that resets ten thousand calls a second and more is read at that rate; one that resets fewer does not wait.
#[tokio::test(start_paused = true)]
async fn resets_beyond_a_rate_wait() {
    let (time, resets) = MAX_RESETS_IN;
    let reset = async |pace: &mut Pace, between: Duration| {
        let begun = tokio::time::Instant::now();
        for _ in 0..10 * resets {
            pace.call_is_reset();
            std::future::poll_fn(|cx| pace.poll(cx)).await;
            tokio::time::advance(between).await;
        }
        begun.elapsed()
    };
    let mut pace = Pace::default();
    let took = reset(&mut pace, Duration::ZERO).await;
    assert!((9 * time..=11 * time).contains(&took), "{took:?}");
    let slow = Duration::from_millis(1);
    let took = reset(&mut pace, slow).await;
    assert!(took <= slow * 1281 + time, "{took:?}");
}
