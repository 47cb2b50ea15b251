//! One message of a call: a byte that says whether it is compressed, its length in four, and itself.

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;

use crate::envoy::status::Arrival;
use crate::limits::MAX_CHECK_REQUEST_BYTES;
use crate::reason::{Reason, Rejection};

/// The message of a check, or why there is none to be decided.
pub(in crate::envoy) type ReceivedMessage = Result<Bytes, Rejection>;

const PREFIX: usize = 5;

/// Most answers have room in this many bytes.
const USUAL_ANSWER: usize = 1024;

/// Reads the whole of `body` and keeps what is within the bounds. Nothing where the caller has gone.
pub(super) async fn receive(body: tonic::body::Body, arrival: &Arrival) -> Option<ReceivedMessage> {
    // A check that is not decided is not kept either, so that memory has a bound. It is read to its end: otherwise the
    // caller would still be sending when the answer comes.
    let most = if arrival.admitted.is_some() { MAX_CHECK_REQUEST_BYTES } else { 0 };
    match arrival.deadline.meet(read(body, most)).await {
        Some(Ok(_)) if most == 0 => Some(Err(
            Reason::Overloaded.because("`listener.concurrentChecks` are being decided already")
        )),
        Some(Ok(Some(message))) => Some(parse(message)),
        Some(Ok(None)) => Some(Err(
            Reason::RequestTooLarge.because(format!("the check is larger than {most} bytes"))
        )),
        Some(Err(_)) => None,
        None => Some(Err(Reason::Deadline.because("the check did not arrive in time"))),
    }
}

/// The bytes of `body` where they are not more than a message of `most` bytes. Where they came in one piece, as most do, they
/// are not copied.
async fn read<B: Body<Data = Bytes> + Unpin>(
    mut body: B,
    most: usize,
) -> Result<Option<Bytes>, B::Error> {
    let mut bytes = Bytes::new();
    let mut fits = true;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        fits = fits && bytes.len().saturating_add(data.len()) <= most.saturating_add(PREFIX);
        bytes = match (fits, bytes.is_empty()) {
            (false, _) => Bytes::new(),
            (true, true) => data,
            (true, false) => joined(bytes, &data),
        };
    }
    Ok(fits.then_some(bytes))
}

/// `first` and `more`: without another copy of `first` where it was joined before.
fn joined(first: Bytes, more: &[u8]) -> Bytes {
    let mut whole = BytesMut::from(first);
    whole.extend_from_slice(more);
    whole.freeze()
}

/// The message in the bytes of a call.
pub(in crate::envoy) fn parse(mut bytes: Bytes) -> ReceivedMessage {
    let unreadable = |what| Err(Reason::EncodingInvalid.because(what));
    if bytes.len() < PREFIX {
        return unreadable("the call has no message");
    }
    let compressed = bytes.get_u8() != 0;
    let length = bytes.get_u32();
    if compressed {
        return unreadable("the message is compressed, which was not agreed on");
    }
    if u32::try_from(bytes.len()) != Ok(length) {
        return unreadable("the length of the message is not what it says");
    }
    Ok(bytes)
}

/// The output of `write` as the one message of a call.
pub(in crate::envoy) fn frame(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = Vec::with_capacity(USUAL_ANSWER);
    bytes.extend_from_slice(&[0; PREFIX]);
    write(&mut bytes);
    // An answer has bounded headers and is nowhere near the limit of the prefix.
    let length = u32::try_from(bytes.len().saturating_sub(PREFIX)).unwrap_or(u32::MAX);
    if let Some(prefix) = bytes.first_chunk_mut::<PREFIX>() {
        let [a, b, c, d] = length.to_be_bytes();
        *prefix = [0, a, b, c, d];
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use bytes::BufMut as _;
    use http_body_util::Full;

    use super::*;

    fn framed(flag: u8, length: u32, message: &[u8]) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_u8(flag);
        bytes.put_u32(length);
        bytes.extend_from_slice(message);
        bytes.freeze()
    }

    #[test]
    fn an_answer_is_framed_as_a_check_is_read() {
        let answer = frame(|out| out.extend_from_slice(b"abc"));
        assert_eq!(&answer[..], b"\0\0\0\0\x03abc");
        assert_eq!(parse(answer), Ok(Bytes::from_static(b"abc")));
    }

    #[test]
    fn what_is_not_one_whole_plain_message_is_unreadable() {
        for bytes in [
            Bytes::new(),
            Bytes::from_static(&[0, 0, 0]),
            framed(1, 0, b""),
            framed(0, 1, b""),
            framed(0, 0, b"x"),
            framed(0, u32::MAX, b"x"),
        ] {
            assert!(parse(bytes.clone()).is_err(), "{bytes:?}");
        }
    }

    /// P17: nothing over the limit is kept.
    #[tokio::test]
    async fn a_message_is_kept_up_to_its_limit() {
        for (length, kept) in [(0, true), (15, true), (16, false), (100_000, false)] {
            let body = Full::new(Bytes::from(vec![7; length]));
            let read = read(body, 10).await.unwrap();
            assert_eq!(read.map(|bytes| bytes.len()), kept.then_some(length), "{length}");
        }
    }
}
