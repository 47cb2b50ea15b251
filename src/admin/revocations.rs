//! The running revocation API: list, revoke, withdraw. It is off unless it is configured, and its callers need a token.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::api::{ApiProblem, Receipt, RevocationPage, Withdrawn};
use crate::document::RevocationEntrySpec;
use crate::json;
use crate::limits::{MAX_JSON_DEPTH, MAX_REVOCATION_REQUEST_BYTES, MAX_SHARED_RECORD_BYTES};
use crate::pdp::{Pdp, Published};
use crate::secret::{Fingerprint, Secret, hex};
use crate::trust::RevocationEntry;
use crate::words::of_system;

/// The settings of the API.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevocationApiOptions {
    /// The file that holds the token that requests must bear. It is read again for every request.
    pub token_file: PathBuf,
}

/// The API: the decision point that it revokes at, and its settings.
pub struct RevocationApi {
    /// The decision point whose register it changes.
    pub pdp: Arc<Pdp>,
    /// The settings.
    pub options: RevocationApiOptions,
}

/// A shorter token could be guessed.
const MIN_TOKEN_BYTES: usize = 32;

type ApiResult = Result<Response, Response>;

pub(super) fn router(api: RevocationApi) -> Router {
    Router::new()
        .route("/revocations", get(list).post(revoke).delete(withdraw_like))
        .route("/revocations/{id}", delete(withdraw))
        .with_state(Arc::new(api))
}

impl RevocationApiOptions {
    /// Checks that the token can be used.
    ///
    /// # Errors
    /// A message that says what is wrong with it; never the token.
    pub fn check(&self) -> Result<(), String> {
        self.token().map(drop)
    }

    fn token(&self) -> Result<Secret<String>, String> {
        let path = self.token_file.display();
        let text = std::fs::read_to_string(&self.token_file)
            .map_err(|error| format!("cannot read the token in `{path}`: {}", of_system(&error)))?;
        let token = Secret::new(text.trim_end_matches(['\r', '\n']).to_owned());
        let plain = token.expose().bytes().all(|b| b.is_ascii_graphic());
        if token.expose().len() < MIN_TOKEN_BYTES || !plain {
            return Err(format!(
                "the token in `{path}` is not at least {MIN_TOKEN_BYTES} printable characters: make one with `openssl rand -hex 32`"
            ));
        }
        Ok(token)
    }

    /// Compares in constant time, by fingerprints, so that timing does not reveal even the length.
    fn admits(&self, headers: &HeaderMap) -> Result<bool, String> {
        let token = self.token()?;
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        let (first, second) = (sent.next(), sent.next());
        let bearer = first.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let (Some(bearer), None) = (bearer, second) else { return Ok(false) };
        let (own, other) = (Fingerprint::of(token.expose().as_bytes()), Fingerprint::of(bearer));
        Ok(own.as_bytes().ct_eq(other.as_bytes()).into())
    }
}

impl RevocationApi {
    async fn admit(&self, headers: &HeaderMap) -> Result<(), Response> {
        match self.options.admits(headers) {
            Ok(true) => Ok(()),
            Ok(false) => {
                tracing::warn!("a request to the revocation API without its token was refused");
                let mut response =
                    problem(StatusCode::UNAUTHORIZED, "the token is missing or wrong");
                if let Ok(value) = "Bearer".parse() {
                    response.headers_mut().insert(WWW_AUTHENTICATE, value);
                }
                Err(response)
            }
            Err(error) => {
                tracing::error!(%error, "the revocation API refuses every call");
                Err(problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the server's own token cannot be used",
                ))
            }
        }
    }

    /// Warnings about a revocation that may match less than the operator expects.
    fn warnings(&self, entry: &RevocationEntry) -> Vec<String> {
        self.pdp.inspect(|snapshot| snapshot.trust().lints_about(entry))
    }
}

async fn list(State(api): State<Arc<RevocationApi>>, request: Request) -> ApiResult {
    api.admit(request.headers()).await?;
    let register = api.pdp.revocations();
    Ok(answer(
        StatusCode::OK,
        &RevocationPage {
            entries: register.known().iter().map(Into::into).collect(),
            lists: register.lists(),
            sharing: register.sharing(),
            total: register.in_force(),
        },
    ))
}

async fn revoke(State(api): State<Arc<RevocationApi>>, request: Request) -> ApiResult {
    api.admit(request.headers()).await?;
    let entry = read_entry(request.into_body()).await?;
    let register = api.pdp.revocations();
    register.check_not_over(&entry).map_err(|why| problem(StatusCode::BAD_REQUEST, &why))?;
    let known = api.pdp.inspect(|snapshot| snapshot.trust().check_issuer_of(&entry));
    known.map_err(|why| problem(StatusCode::BAD_REQUEST, &why))?;
    let (kind, author) = (entry.target().kind().as_str(), entry.note().author.clone());
    let warnings = api.warnings(&entry);
    let published = register.revoke(entry).await;
    let id = hex(&published.id);
    tracing::warn!(%id, kind, author = author.as_deref(), "revoked");
    let status = status(&published, StatusCode::CREATED);
    Ok(answer(status, &Receipt::new(&published, warnings)))
}

async fn withdraw(
    State(api): State<Arc<RevocationApi>>,
    Path(id): Path<String>,
    request: Request,
) -> ApiResult {
    api.admit(request.headers()).await?;
    let id = Fingerprint::from_hex(&id)
        .ok_or_else(|| problem(StatusCode::BAD_REQUEST, "an id has 64 hexadecimal digits"))?;
    withdraw_all(&api, &[*id.as_bytes()]).await
}

async fn withdraw_like(State(api): State<Arc<RevocationApi>>, request: Request) -> ApiResult {
    api.admit(request.headers()).await?;
    let entry = read_entry(request.into_body()).await?;
    let ids = api.pdp.revocations().like(&entry);
    withdraw_all(&api, &ids).await
}

async fn withdraw_all(api: &RevocationApi, ids: &[[u8; 32]]) -> ApiResult {
    let mut withdrawn = Vec::new();
    let mut worst = StatusCode::OK;
    for id in ids {
        let Ok(published) = api.pdp.revocations().withdraw(id).await else { continue };
        tracing::warn!(id = hex(id), "revocation withdrawn");
        worst = worst.max(status(&published, StatusCode::OK));
        withdrawn.push(Receipt::new(&published, Vec::new()));
    }
    if withdrawn.is_empty() {
        return Err(problem(StatusCode::NOT_FOUND, "no revocation on running servers matches"));
    }
    Ok(answer(worst, &Withdrawn { withdrawn }))
}

async fn read_entry(body: Body) -> Result<RevocationEntry, Response> {
    let wrong = |message: String| problem(StatusCode::BAD_REQUEST, &message);
    let bytes = to_bytes(body, MAX_REVOCATION_REQUEST_BYTES)
        .await
        .map_err(|_| problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"))?;
    let value =
        json::parse(&bytes, MAX_JSON_DEPTH).map_err(|error| wrong(format!("the body {error}")))?;
    let spec: RevocationEntrySpec<String> = serde_json::from_value(value).map_err(|_| {
        wrong(String::from("the body is not an entry: see docs/revocation.md for its fields"))
    })?;
    let written = serde_json::to_vec(&spec).unwrap_or_default().len();
    if written > MAX_SHARED_RECORD_BYTES.saturating_sub(256) {
        return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "the entry is too large to be shared"));
    }
    RevocationEntry::read(&spec).map_err(|error| wrong(error.message))
}

/// 202: the change counts here, and other replicas get it when the store accepts it.
const fn status(published: &Published, good: StatusCode) -> StatusCode {
    if published.not_shared.is_some() { StatusCode::ACCEPTED } else { good }
}

fn problem(status: StatusCode, message: &str) -> Response {
    answer(status, &ApiProblem { error: message.to_owned() })
}

fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_value(body).unwrap_or_default();
    (
        status,
        [(CONTENT_TYPE, "application/json")],
        format!("{}\n", json::pretty(&body).unwrap_or_default()),
    )
        .into_response()
}
