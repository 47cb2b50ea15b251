//! Filters that must not stand in front of the check: those that answer, and those that act on what nothing has verified.

use super::filters::{READERS, mentioned, named_by_program};
use super::kind::type_of;
use crate::document::{Code, Node, Span};
use crate::mesh::faults::{Faults, IdentityHeaders};

/// Why a filter must not stand in front of the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mesh) struct Early {
    code: Code,
    /// False if it may do no harm.
    is_certain: bool,
    /// A verb, with what it is about.
    pub(in crate::mesh) does: String,
}

/// Filters that answer by themselves, by parts of their types.
const ANSWERING: [(&str, &str); 5] = [
    (".http.cache.", "answers from its memory before the check"),
    // On a miss, too, it passes over the filters behind it.
    (".http.cache_v2.", "answers before the check, and sends requests on around it"),
    (".http.file_server.", "answers with files before the check"),
    (".http.mcp_router.", "sends requests on before the check"),
    (".http.router.", "sends requests on before the check"),
];

/// Why `filter` must not stand in front of the check: that of a filter in another one counts, too.
pub(in crate::mesh) fn acts_too_early(filter: &Node, identity: &IdentityHeaders) -> Option<Early> {
    let config = filter.get("typed_config").unwrap_or(filter);
    // A route may switch such a filter on.
    let is_off = filter.has("disabled");
    worst(config, identity).map(|own| Early { is_certain: own.is_certain && !is_off, ..own })
}

/// Why `settings`, those of a route for a filter in front of the check, must not be.
pub(super) fn acts_on_route(settings: &Node, identity: &IdentityHeaders) -> Option<Early> {
    worst(settings, identity)
}

/// The worst reason in `config`, and the first one of several.
fn worst(config: &Node, identity: &IdentityHeaders) -> Option<Early> {
    let mut found = Vec::new();
    find_reasons(config, identity, &mut found);
    let is_error = |own: &Early| own.is_certain && own.answers();
    let at = found.iter().position(is_error).unwrap_or_default();
    found.into_iter().nth(at)
}

impl Early {
    fn answer(does: &str) -> Self {
        Self { code: Code::AnswersBeforeCheck, is_certain: true, does: does.to_owned() }
    }

    fn maybe(does: &str) -> Self {
        Self { is_certain: false, ..Self::answer(does) }
    }

    fn act(does: impl Into<String>) -> Self {
        Self { code: Code::ActsBeforeCheck, is_certain: true, does: does.into() }
    }

    /// True if it answers callers, who are others than the own workload.
    pub(in crate::mesh) fn answers(&self) -> bool {
        self.code == Code::AnswersBeforeCheck
    }

    /// Adds the fault at `place`, in words.
    pub(in crate::mesh) fn lint(&self, place: Span, message: String, faults: &mut Faults) {
        match self.is_certain {
            true => faults.add(self.code, place, message),
            false => faults.warn(self.code, place, message),
        }
    }
}

/// A filter whose settings an Envoy gets later, by its types.
fn arrives_early(filter: &Node) -> Option<Early> {
    let types = filter.get("config_discovery")?.items_of("type_urls").iter();
    types.filter_map(Node::text).find_map(|kind| answers(kind).map(Early::answer))
}

fn answers(kind: &str) -> Option<&'static str> {
    ANSWERING.iter().find(|(part, _)| kind.contains(part)).map(|(_, does)| *does)
}

fn find_reasons(config: &Node, identity: &IdentityHeaders, found: &mut Vec<Early>) {
    let kind = type_of(config);
    let answer = answers(kind).filter(|_| !config.has("disabled")).map(Early::answer);
    let here = answer
        .or_else(|| arrives_early(config))
        .or_else(|| health(config).filter(|_| kind.contains(".http.health_check.")))
        .or_else(|| processor(config).filter(|_| kind.contains(".ext_proc.v3.ExternalProcessor")))
        .or_else(|| acts_on(config, identity))
        .or_else(|| program(config).filter(|_| kind.contains(".lua.")));
    found.extend(here);
    config.parts().for_each(|part| find_reasons(part, identity, found));
}

/// A filter that acts on a header which a caller may have written.
fn acts_on(config: &Node, identity: &IdentityHeaders) -> Option<Early> {
    let kind = type_of(config);
    let is_reader = READERS.iter().any(|own| kind.contains(own));
    let read = is_reader.then(|| mentioned(config, &|text| identity.within(text))).flatten();
    let name = read.or_else(|| named_by_program(config, identity))?;
    let does = format!("acts on `{name}` before the check, where a caller may have written it");
    Some(Early::act(does))
}

/// A filter that answers health checks: of one path each, or of more.
fn health(config: &Node) -> Option<Early> {
    let headers = config.items_of("headers");
    if config.has("pass_through_mode") && config.get("cache_time").is_none() {
        return None;
    }
    let is_narrow = |own: &Node| {
        let is_exact =
            own.get("exact_match").is_some() || own.at(&["string_match", "exact"]).is_some();
        own.text_of("name") == Some(":path") && is_exact && !own.has("invert_match")
    };
    match headers {
        [] => Some(Early::answer("answers every request before the check")),
        _ if headers.iter().any(is_narrow) => None,
        _ => Some(Early::maybe("answers requests for more than one path before the check")),
    }
}

/// A service that may change each request, and answer it.
fn processor(config: &Node) -> Option<Early> {
    let mode = config.get("processing_mode");
    let skips = |key: &str| {
        let words = ["DEFAULT", "SEND", "SKIP"];
        mode.and_then(|own| own.get(key)).and_then(|own| own.word(&words)) == Some("SKIP")
    };
    let has_body = mode.and_then(|own| own.get("request_body_mode")).is_some_and(|own| {
        let words =
            ["NONE", "STREAMED", "BUFFERED", "BUFFERED_PARTIAL", "FULL_DUPLEX_STREAMED", "GRPC"];
        own.word(&words) != Some("NONE")
    });
    let sees_none = skips("request_header_mode") && !has_body && !config.has("allow_mode_override");
    let changes_none = config.at(&["mutation_rules", "disallow_all"]).is_some_and(Node::is_true)
        && config.has("disable_immediate_response");
    let is_harmless = config.has("observability_mode") || sees_none || changes_none;
    let does = "asks a service before the check, which may answer, and write each header that countersign trusts";
    (!is_harmless).then(|| Early { is_certain: false, ..Early::act(does) })
}

/// A program that asks another cluster, and answers by itself.
fn program(config: &Node) -> Option<Early> {
    let has = |word: &'static str| mentioned(config, &|text| text.contains(word).then_some(word));
    let does = "asks a cluster, and answers by itself, before the check";
    has(":httpCall(").and(has(":respond(")).map(|_| Early::maybe(does))
}
