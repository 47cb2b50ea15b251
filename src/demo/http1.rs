//! HTTP/1.1 by hand: sends any bytes as a request, which well-behaved clients refuse to do.

use std::io;

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufStream,
};

/// Longest response that is read: the peers are our own, so this only bounds a mistake.
const MAX_RESPONSE_BYTES: u64 = 4 * 1024 * 1024;

/// A request whose parts go out exactly as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    method: String,
    target: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// The body without transfer coding.
    pub(crate) body: Vec<u8>,
}

/// A connection that carries one request after the other.
#[derive(Debug)]
pub(crate) struct Connection<S: AsyncRead + AsyncWrite> {
    stream: BufStream<S>,
}

impl Request {
    /// A request for `target`, as it is to stand on the request line, at `host`.
    pub(crate) fn new(method: &str, host: &str, target: impl Into<Vec<u8>>) -> Self {
        let headers = vec![(b"host".to_vec(), host.as_bytes().to_vec())];
        Self { method: method.to_owned(), target: target.into(), headers, body: Vec::new() }
    }

    pub(crate) fn get(host: &str, target: impl Into<Vec<u8>>) -> Self {
        Self::new("GET", host, target)
    }

    /// This request with one header more, after those it has.
    #[must_use]
    pub(crate) fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// This request with `token` as its bearer token (RFC 6750 section 2.1).
    #[must_use]
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// This request with a body and the header that says its length.
    #[must_use]
    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { body: body.clone(), ..self.header("content-length", body.len().to_string()) }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        for (name, value) in &self.headers {
            out.extend_from_slice(&[name.as_slice(), b": ", value, b"\r\n"].concat());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream: BufStream::new(stream) }
    }

    /// Sends `request` and reads the whole response.
    pub(crate) async fn send(&mut self, request: &Request) -> io::Result<Response> {
        self.stream.write_all(&request.bytes()).await?;
        self.stream.flush().await?;
        let status = status(&self.line().await?)?;
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| invalid("header without `:`"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response { status, headers, body: Vec::new() };
        response.body = self.body(&response).await?;
        Ok(response)
    }

    async fn body(&mut self, head: &Response) -> io::Result<Vec<u8>> {
        if head
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return self.chunks().await;
        }
        let length = match head.header("content-length") {
            Some(length) => {
                length.parse().map_err(|_| invalid("content-length is not a number"))?
            }
            None => 0,
        };
        self.exactly(length).await
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = u64::from_str_radix(&self.line().await?, 16)
                .map_err(|_| invalid("chunk size is not a number"))?;
            body.extend(self.exactly(size).await?);
            self.line().await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn exactly(&mut self, length: u64) -> io::Result<Vec<u8>> {
        if length > MAX_RESPONSE_BYTES {
            return Err(invalid("response is too long"));
        }
        let mut out = Vec::new();
        (&mut self.stream).take(length).read_to_end(&mut out).await?;
        if u64::try_from(out.len()).ok() == Some(length) {
            Ok(out)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// The next line without its end. A byte that is not UTF-8 becomes `U+FFFD`.
    async fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        (&mut self.stream).take(MAX_RESPONSE_BYTES).read_until(b'\n', &mut line).await?;
        let line = line.strip_suffix(b"\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
    }
}

fn status(line: &str) -> io::Result<u16> {
    let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next());
    code.and_then(|code| code.parse().ok()).ok_or_else(|| invalid("not an HTTP/1.1 status line"))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Response {
    /// The first value of the header `name` (lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as text. A byte that is not UTF-8 becomes `U+FFFD`.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The response that the connection reads from a peer that sends `answer`, and the request that the peer received.
    async fn exchange(request: &Request, answer: &[u8]) -> (io::Result<Response>, Vec<u8>) {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        far.write_all(answer).await.unwrap();
        let mut connection = Connection::new(near);
        far.shutdown().await.unwrap();
        let response = connection.send(request).await;
        drop(connection);
        let mut received = Vec::new();
        far.read_to_end(&mut received).await.unwrap();
        (response, received)
    }

    #[tokio::test]
    async fn hostile_bytes_go_out_as_they_are() {
        let request = Request::new("get", "a", b"/a/../%2e\\;x".to_vec())
            .header("x", b"\xff".to_vec())
            .header("x", "2");
        let (_, sent) = exchange(&request, b"").await;
        assert_eq!(sent, b"get /a/../%2e\\;x HTTP/1.1\r\nhost: a\r\nx: \xff\r\nx: 2\r\n\r\n");
    }

    #[tokio::test]
    async fn a_body_ends_where_its_framing_says() {
        let request = Request::get("a", "/");
        for (answer, body) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhixx"[..], "hi"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\nx", "hi"),
            (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        ] {
            let response = exchange(&request, answer).await.0.unwrap();
            assert_eq!((response.status, response.text().as_str()), (200, body));
        }
    }

    #[tokio::test]
    async fn what_is_cut_short_or_not_http_is_an_error() {
        let request = Request::get("a", "/");
        for answer in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\ncontent-length: 5000000000\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
            b"SSH-2.0\r\n\r\n",
        ] {
            let response = exchange(&request, answer).await.0;
            assert!(response.is_err(), "{:?}", String::from_utf8_lossy(answer));
        }
    }
}
