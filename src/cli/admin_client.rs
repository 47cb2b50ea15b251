//! The client of a running server's admin listener.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use super::CommandError;
use super::files::{shown, unreadable};
use super::style::visible;
use crate::admin::AdminOptions;
use crate::admin::api::ApiProblem;
use crate::admin::status::StatusPage;
use crate::config::{Config, Overrides};
use crate::limits::MAX_REMOTE_FILE_BYTES;
use crate::request::is_this_host;
use crate::secret::Secret;

/// The server, and the token for it.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AdminArgs {
    /// The admin listener of a running server. Default: that of `--config`, or http://127.0.0.1:9002
    #[arg(long, value_name = "URL")]
    pub(super) admin: Option<Uri>,
    /// The file with the token of its `admin.revocations`. Default: that of `--config`.
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Send the token unencrypted to a server that is not on this machine.
    #[arg(long)]
    pub(super) allow_plaintext: bool,
}

impl AdminArgs {
    /// True if a running server is named, or the token for one.
    pub(super) const fn is_given(&self) -> bool {
        self.admin.is_some() || self.token_file.is_some()
    }

    /// The same with the address and the token of the settings in `file`, where the arguments have none. Where they have both, the
    /// settings are not read.
    pub(super) fn or_in(&self, file: Option<&Path>) -> Result<Self, CommandError> {
        let is_whole = self.admin.is_some() && self.token_file.is_some();
        let Some(file) = file.filter(|_| !is_whole) else { return Ok(self.clone()) };
        let config = Config::load(Some(file), &Overrides::default())?;
        let args = match &config.admin {
            Some(options) => self.clone().or_of(options),
            None => self.clone(),
        };
        match args.token_file {
            Some(_) => Ok(args),
            None => Err(CommandError::Usage(format!(
                "the revocation API is off: `{}` has no `admin.revocations.tokenFile`; set it and start the server again, or add the entry to a document with `countersign revoke --write FILE`",
                shown(file)
            ))),
        }
    }

    /// The same with the address and the token of `options`, where the arguments have none.
    fn or_of(mut self, options: &AdminOptions) -> Self {
        let mut address = options.address;
        if address.ip().is_unspecified() {
            // The address of every interface is none to connect to.
            let is_v4 = address.is_ipv4();
            address.set_ip(if is_v4 {
                Ipv4Addr::LOCALHOST.into()
            } else {
                Ipv6Addr::LOCALHOST.into()
            });
        }
        self.admin = self.admin.or_else(|| format!("http://{address}").parse().ok());
        let file = options.revocations.as_ref().map(|own| own.token_file.clone());
        self.token_file = self.token_file.or(file);
        self
    }
}

pub(super) struct Admin {
    host: String,
    port: u16,
    /// None to look at what needs no right.
    token: Option<Secret<String>>,
}

const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest wait for the pages of a server on this machine.
const PAGE_WITHIN: Duration = Duration::from_secs(2);

/// The `/status` of the server at `address`, if it is one of ours.
pub(super) async fn status(address: SocketAddr) -> Option<StatusPage> {
    let admin = Admin::at(address);
    let asked = admin.ask(Method::GET, "/status", Vec::new());
    let page: StatusPage = tokio::time::timeout(PAGE_WITHIN, asked).await.ok()?.ok()?;
    // The page of another program has other members.
    (!page.revision.is_empty()).then_some(page)
}

impl Admin {
    /// The server at `address`, for what everyone may look at there.
    pub(super) fn at(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port(), token: None }
    }

    /// Checks the arguments and reads the token.
    ///
    /// # Errors
    /// The problem with them; never the token.
    pub(super) fn new(args: &AdminArgs) -> Result<Self, String> {
        let path = args.token_file.as_ref().ok_or(
            "`--token-file` is missing: the file with the token of the server's `admin.revocations`; `--config FILE` takes it and the address from the settings",
        )?;
        let default = Uri::from_static("http://127.0.0.1:9002");
        let uri = args.admin.as_ref().unwrap_or(&default);
        let token = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        let wrong = || String::from("`--admin` is not a URL such as `http://127.0.0.1:9002`");
        let host = uri.host().ok_or_else(wrong)?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong());
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if !is_this_host(host) && !args.allow_plaintext {
            return Err(String::from(
                "the token would be sent unencrypted to another machine: use `kubectl port-forward` or a tunnel, or give `--allow-plaintext`",
            ));
        }
        let token = Secret::new(token.trim_end_matches(['\r', '\n']).to_owned());
        let (host, port) = (bare.to_owned(), uri.port_u16().unwrap_or(80));
        Ok(Self { host, port, token: Some(token) })
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
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("{host}:{port}"))
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| String::from("the token file does not hold a token"))?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = request
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
