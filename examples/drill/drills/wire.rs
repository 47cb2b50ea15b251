//! HTTP/2 frames as no client sends them (RFC 9113).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

const END_HEADERS: u8 = 4;

/// A connection that is past its greeting. What the server says is read and thrown away.
pub(super) async fn greeted(address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(PREFACE).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    Ok(stream)
}

/// Sends what `next` gives until the server ends the connection.
pub(super) async fn pour(
    mut stream: TcpStream,
    mut next: impl FnMut() -> Vec<u8>,
) -> std::io::Result<()> {
    let (mut read, mut write) = stream.split();
    let ends = async {
        let mut said = [0; 4096];
        while read.read(&mut said).await? > 0 {}
        Ok(())
    };
    let sends = async {
        loop {
            write.write_all(&next()).await?;
        }
    };
    tokio::select! { ended = ends => ended, failed = sends => failed }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The head of a check (RFC 7541: indexed fields, and literals that are not indexed).
fn head() -> Vec<u8> {
    let path = b"/envoy.service.auth.v3.Authorization/Check";
    let kind = b"application/grpc";
    let mut block = vec![0x83, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend_from_slice(path);
    block.extend_from_slice(&[0x01, 1, b'x', 0x0f, 0x10, u8::try_from(kind.len()).unwrap()]);
    block.extend_from_slice(kind);
    block
}

/// A call on `stream` that is taken back at once.
pub(super) fn reset(stream: u32) -> Vec<u8> {
    let mut both = frame(HEADERS, END_HEADERS, stream, &head());
    both.extend(frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()));
    both
}

/// The beginning of a call.
pub(super) fn call(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head())
}

/// A part of a message without a byte.
pub(super) fn empty_data(stream: u32) -> Vec<u8> {
    frame(DATA, 0, stream, &[])
}

/// The beginning of a head that does not end.
pub(super) fn open_head(stream: u32) -> Vec<u8> {
    frame(HEADERS, 0, stream, &head())
}

/// More of a head that does not end: a field of 4 KiB.
pub(super) fn more_head(stream: u32) -> Vec<u8> {
    // A name of one byte, and a value whose length takes three.
    let mut field = vec![0x00, 1, b'x', 0x7f, 0x81, 0x1f];
    field.resize(6 + 127 + 1 + 31 * 128, b'y');
    frame(CONTINUATION, 0, stream, &field)
}

/// Settings that change nothing, and a ping.
pub(super) fn settings_and_ping() -> Vec<u8> {
    let mut both = frame(SETTINGS, 0, 0, &[]);
    both.extend(frame(PING, 0, 0, &[0; 8]));
    both
}
