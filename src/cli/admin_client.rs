//! The client of a running server's admin listener.

use std::path::PathBuf;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use super::style::visible;
use crate::admin::api::ApiProblem;
use crate::limits::MAX_REMOTE_FILE_BYTES;
use crate::secret::Secret;

/// The server, and the token for it.
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

pub(super) struct Admin {
    host: String,
    port: u16,
    token: Secret<String>,
}

const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

impl Admin {
    /// Checks the arguments and reads the token.
    ///
    /// # Errors
    /// The problem with them; never the token.
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
                "the token would be sent unencrypted to another machine: use `kubectl port-forward` or a tunnel, or give `--allow-plaintext`",
            ));
        }
        let token = Secret::new(token.trim_end_matches(['\r', '\n']).to_owned());
        Ok(Self { host: bare.to_owned(), port: args.admin.port_u16().unwrap_or(80), token })
    }

    /// Sends a request and reads the response.
    ///
    /// # Errors
    /// The problem, in the server's words if it sent some.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, String> {
        let late = |_| String::from("the server did not answer within 10 s");
        let exchange = self.exchange(method, path, body);
        let (status, body) = tokio::time::timeout(TIMEOUT, exchange).await.map_err(late)??;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|_| String::from("the server's answer is not one of this version"));
        }
        let problem: ApiProblem = serde_json::from_slice(&body).unwrap_or_default();
        let message = visible(&problem.error);
        Err(match status.as_u16() {
            401 => format!("the server refused: {message}"),
            404 if message.is_empty() => String::from(
                "the server has no revocation API: set `admin: { revocations: { tokenFile: .. } }`",
            ),
            code => format!("the server answered {code}: {message}"),
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), String> {
        let (host, port) = (self.host.as_str(), self.port);
        let broken =
            |_| format!("{}:{port} does not answer as a countersign server", visible(host));
        let stream = TcpStream::connect((host, port)).await.map_err(|error| {
            format!(
                "cannot connect to {}:{port}: {}; is `admin` set on the server? if it has another address, give `--admin URL`",
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
        Ok((status, body))
    }
}
