//! The request to explain, in any of the forms in which a user can give it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::args::Args;
use super::audit;
use super::question::{ExplainInput, ExplainedCaller, QuestionContext, QuestionSource};
use crate::authn::{PeerFacts, PeerIdentity};
use crate::cli::documents::KnownNames;
use crate::cli::files::{self, shown};
use crate::cli::keys::token_header;
use crate::cli::style::visible;
use crate::cli::{CommandError, inspect};
use crate::config::Config;
use crate::document::{SourceFile, any_error, closest};
use crate::envoy;
use crate::pdp::Snapshot;
use crate::policy::{MissingData, Question, Suite};
use crate::request::{
    Client, CredentialHeaders, Endpoint, HeaderValue, Headers, RequestView, ServerName, Shown,
    Target, Text,
};
use crate::spiffe::SpiffeId;

impl ExplainInput {
    pub(super) fn read(
        args: &Args,
        config: Option<&Config>,
        snapshot: &Snapshot,
        suites: &[Suite],
    ) -> Result<Self, CommandError> {
        let usage = CommandError::Usage;
        match (&args.decision, &args.case, &args.request.host, &args.file) {
            (Some(id), ..) => audit::input(id, args.audit.as_deref(), config).map_err(usage),
            (None, Some(case), ..) => of_case(case, suites).map_err(usage),
            (None, None, Some(_), _) => by_flags(args, snapshot).map_err(usage),
            (None, None, None, Some(file)) => in_file(file, config, snapshot),
            (None, None, None, None) => Err(usage(String::from(
                "no request is given: pass FILE, `--decision`, `--case`, or `--host` and `--path`",
            ))),
        }
    }

    fn vouched(question: Question, from: QuestionSource) -> Self {
        let Question { mut request, subject, now } = question;
        // A question has all the headers that there are.
        request.headers = request.headers.with_shown(Shown::Every);
        let context = QuestionContext { from, vouched: true, ..QuestionContext::default() };
        let caller = ExplainedCaller::Vouched(subject);
        Self { view: request, caller, at: now, missing: MissingData::NONE, context }
    }
}

fn of_case(name: &str, suites: &[Suite]) -> Result<ExplainInput, String> {
    let mut found: Vec<_> = suites.iter().flat_map(|suite| suite.questions(name)).collect();
    let variants: Vec<_> = found.iter().map(|(variant, _)| visible(variant)).collect();
    match (found.pop(), found.is_empty()) {
        (Some((_, question)), true) => Ok(ExplainInput::vouched(question, QuestionSource::Case)),
        (Some(_), false) => Err(format!(
            "case `{}` is {} requests: name one of them:\n  {}",
            visible(name),
            variants.len(),
            variants.join("\n  ")
        )),
        (None, _) => {
            let names: Vec<_> = suites.iter().flat_map(Suite::names).collect();
            let help = match closest(name, &names) {
                Some(near) => format!("; did you mean `{}`?", visible(near)),
                None if names.is_empty() => String::from("; the documents have no suite"),
                None => format!(
                    "; the first of {} is `{}`",
                    names.len(),
                    visible(names.first().copied().unwrap_or_default())
                ),
            };
            Err(format!("no case of a suite is called `{}`{help}", visible(name)))
        }
    }
}

fn in_file(
    path: &Path,
    config: Option<&Config>,
    snapshot: &Snapshot,
) -> Result<ExplainInput, CommandError> {
    let usage = CommandError::Usage;
    let bytes = read(path).map_err(usage)?;
    if let Some(recorded) = envoy::decode_recorded(&bytes, snapshot.sealed()) {
        let (view, credentials) =
            recorded.map_err(|why| usage(format!("cannot read `{}`: {why}", shown(path))))?;
        let clients = config.map(|config| &config.listener.client_address);
        let view = clients.into_iter().fold(view, |view, clients| clients.placed(view));
        let context = QuestionContext {
            from: QuestionSource::Check,
            names_tls_peer: true,
            ..QuestionContext::default()
        };
        let caller = ExplainedCaller::Shown(credentials);
        return Ok(ExplainInput { view, caller, at: None, missing: MissingData::NONE, context });
    }
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(usage(format!("`{}` is neither text nor a recorded check", shown(path))));
    };
    let mut problems = Vec::new();
    let file: Arc<SourceFile> = SourceFile::new(path, text);
    let names = KnownNames::of(snapshot.trust());
    let question =
        Question::read(&file, &names.issuers, &names.domains, snapshot.sealed(), &mut problems);
    let Some(question) = question.filter(|_| !any_error(&problems)) else {
        let message = format!("`{}` is not a request to explain", shown(path));
        return Err(CommandError::Question(problems, message));
    };
    let mut input = ExplainInput::vouched(question, QuestionSource::File);
    input.context.warnings = problems;
    Ok(input)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    files::read(path).map_err(|error| files::unreadable(path, &error))
}

fn by_flags(args: &Args, snapshot: &Snapshot) -> Result<ExplainInput, String> {
    let (request, caller) = (&args.request, &args.caller);
    // A question has all the headers that there are.
    let mut headers = Headers::default().with_shown(Shown::Every);
    for header in &request.headers {
        let (name, value) = header.split_once(':').ok_or_else(|| {
            String::from("expected `name: value`, as in `--header 'x-tenant: acme'`")
        })?;
        headers.push(name.trim(), HeaderValue::new(value.trim().as_bytes().to_vec()));
    }
    if let Some(xfcc) = &caller.xfcc {
        headers.push("x-forwarded-client-cert", HeaderValue::new(xfcc.as_bytes().to_vec()));
    }
    let mut more = None;
    if let Some(path) = &caller.token {
        let text = String::from_utf8(read(path)?)
            .map_err(|_| format!("`{}` is not a token: it is not text", shown(path)))?;
        let (name, value) = token_header(text.trim(), snapshot.trust());
        match name.as_str() {
            "" => more = value.strip_prefix("/?").map(str::to_owned),
            name => headers.push(name, HeaderValue::new(value.into_bytes())),
        }
    }
    let mut context = QuestionContext { from: QuestionSource::Flags, ..QuestionContext::default() };
    let certificate =
        caller.certificate.as_deref().map(|path| leaf(path, &mut context)).transpose()?;
    context.names_tls_peer = certificate.is_some() || caller.principal.is_some();
    let sealed = snapshot.sealed();
    let certificate = certificate.map(Text::from);
    let principal = caller.principal.as_ref().map(Text::from);
    let (open, credentials) = CredentialHeaders::split(headers, sealed, certificate, principal);
    let mut path = request.path.clone().unwrap_or_default();
    if let Some(parameter) = more {
        let mark = if path.contains('?') { '&' } else { '?' };
        path = format!("{path}{mark}{parameter}");
    }
    let (path, parameters) = sealed.split_target(path.into());
    let credentials = credentials.with_parameters(parameters);
    let view = view(args, path, open)?;
    let caller = match &caller.peer_spiffe {
        None => ExplainedCaller::Shown(credentials),
        Some(id) => {
            context.vouched = true;
            ExplainedCaller::Peer(peer(id, args, snapshot)?, credentials)
        }
    };
    Ok(ExplainInput { view, caller, at: None, missing: MissingData::NONE, context })
}

fn view(args: &Args, path: Text, headers: Headers) -> Result<RequestView, String> {
    let request = &args.request;
    let host = request.host.as_deref().unwrap_or_default();
    let context = request.context.iter().map(|pair| {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| String::from("a context extension is given as `name=value`"))?;
        Ok((name.to_owned(), value.to_owned()))
    });
    let address = request.source.map(|ip| SocketAddr::new(ip, 0));
    let name = request.sni.as_ref();
    Ok(RequestView {
        id: Text::default(),
        method: (&request.method).into(),
        scheme: (&request.scheme).into(),
        raw_host: host.into(),
        target: Target::parse(host, path.clone()),
        raw_path: path,
        headers,
        source: Endpoint { address, principal: None },
        destination: Endpoint {
            address: request.connection_to,
            principal: args.caller.destination.as_ref().map(Text::from),
        },
        client: request.client.map_or(Client::Connection, Client::At),
        sni: name.map_or(ServerName::Unknown, |name| ServerName::Name(name.into())),
        sent_at: None,
        context_extensions: context.collect::<Result<_, String>>()?,
    })
}

/// The leaf as `source.certificate` has it.
fn leaf(path: &Path, context: &mut QuestionContext) -> Result<String, String> {
    let pem = read(path)?;
    let (leaf, is_chain) = files::leaf(&pem)
        .ok_or_else(|| format!("there is no PEM certificate in `{}`", shown(path)))?;
    if is_chain {
        context.notes.push(String::from(
            "only the first certificate is shown, as in `source.certificate`; give a chain by `--xfcc`",
        ));
    }
    let pem = inspect::to_pem(&leaf);
    Ok(utf8_percent_encode(&pem, NON_ALPHANUMERIC).to_string())
}

/// The peer called `id`, taken at its word.
fn peer(id: &str, args: &Args, snapshot: &Snapshot) -> Result<PeerIdentity, String> {
    let id: SpiffeId =
        id.parse().map_err(|why| format!("`{}` is not a SPIFFE ID: {why}", visible(id)))?;
    let domain = snapshot
        .trust()
        .domain_of(&id)
        .ok_or_else(|| format!("no `TrustDomain` document vouches for `{id}`"))?;
    let facts = PeerFacts {
        uris: vec![id.to_string()],
        spiffe: Some(id.clone()),
        ..PeerFacts::of(&domain.name)
    };
    Ok(PeerIdentity::assertion(facts, args.caller.evidence))
}
