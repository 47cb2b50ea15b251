//! Asking a running server through its admin listener.

use std::path::PathBuf;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::style::visible;
use crate::limits::MAX_REMOTE_FILE_BYTES;
use crate::secret::Secret;

/// Which server, and by which right.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AdminArgs {
    /// The admin listener of a running server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9002")]
    pub(super) admin: Uri,
    /// The file with the token of its `admin.revocations`.
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Send the token unencrypted to a server that is not on this machine.
    #[arg(long)]
    pub(super) allow_plaintext: bool,
}

/// A server that can be asked.
pub(super) struct Admin {
    host: String,
    port: u16,
    token: Secret<String>,
}

/// Longest wait for an answer.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

// === impl Admin ===

impl Admin {
    /// Checks what was given.
    ///
    /// # Errors
    /// What is wrong with it; never the token.
    pub(super) fn new(args: &AdminArgs) -> Result<Self, String> {
        let path = args.token_file.as_ref().ok_or(
            "`--token-file` is missing: the file with the token of the server's `admin.revocations`",
        )?;
        let token = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read `{}`: {}", path.display(), error.kind()))?;
        let wrong = || String::from("`--admin` is not a URL such as `http://127.0.0.1:9002`");
        let host = args.admin.host().ok_or_else(wrong)?;
        if args.admin.scheme_str() != Some("http") {
            return Err(wrong());
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let address = bare.parse::<std::net::IpAddr>();
        let local = bare == "localhost" || address.is_ok_and(|address| address.is_loopback());
        if !local && !args.allow_plaintext {
            return Err(String::from(
                "the token would be sent unencrypted to another machine: use `kubectl port-forward` or a tunnel, or say `--allow-plaintext`",
            ));
        }
        let token = Secret::new(token.trim_end_matches(['\r', '\n']).to_owned());
        Ok(Self { host: bare.to_owned(), port: args.admin.port_u16().unwrap_or(80), token })
    }

    /// Asks, and gives the answer where it is a good one.
    ///
    /// # Errors
    /// What went wrong, in the server's words where it has some.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Value, String> {
        let late = |_| String::from("the server did not answer within 10 s");
        tokio::time::timeout(TIMEOUT, self.exchange(method, path, body)).await.map_err(late)?
    }

    async fn exchange(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Value, String> {
        let (host, port) = (self.host.as_str(), self.port);
        let broken =
            |_| format!("{}:{port} does not answer as a countersign server", visible(host));
        let stream = TcpStream::connect((host, port)).await.map_err(|error| {
            format!(
                "cannot connect to {}:{port}: {}; is `admin` set on the server? where it listens elsewhere, say `--admin URL`",
                visible(host),
                error.kind()
            )
        })?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", self.token.expose()))
            .map_err(|_| String::from("the token file does not hold a token"))?;
        bearer.set_sensitive(true);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("{host}:{port}"))
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, bearer)
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| String::from("the request cannot be made"))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_REMOTE_FILE_BYTES).collect().await;
        let body = body.map_err(|_| String::from("the server's answer broke off"))?.to_bytes();
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        let said = visible(value.get("error").and_then(Value::as_str).unwrap_or_default());
        Err(match status.as_u16() {
            401 => format!("the server refused: {said}"),
            404 if said.is_empty() => String::from(
                "the server has no revocation API: set `admin: { revocations: { tokenFile: .. } }`",
            ),
            code => format!("the server answered {code}: {said}"),
        })
    }
}
