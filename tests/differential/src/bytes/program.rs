//! countersign's side: the decision point that serves, in this process, from the bytes of a check to the bytes of its answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign::clock::{FixedClock, UnixTime};
use countersign::document::{self, RemoteContents};
use countersign::envoy::{CheckService, ClientAddress};
use countersign::evidence::PeerSources;
use countersign::pdp::{HttpsFetcher, KeyCache, Load, Pdp, PdpOptions, Snapshot, VerificationCacheOptions};
use countersign::request::Shown;
use countersign_oracle::Request;
use envoy_types::pb::envoy::config::core::v3::HeaderValueOption;
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value as ProtoValue};
use prost::Message as _;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{pool, wire};
use crate::answer::Answer;

/// Documents and settings in force, with a clock.
pub struct Program {
    documents: PathBuf,
    settings: Value,
    runtime: Runtime,
    clock: FixedClock,
    pdp: Arc<Pdp>,
    service: CheckService,
}

impl Program {
    /// Puts documents and settings in force.
    ///
    /// # Errors
    /// The problems, where one of them is an error.
    pub fn of(text: &str, settings: &Value) -> Result<Self, Vec<String>> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let failed = |error: std::io::Error| vec![error.to_string()];
        let folder = pool::folder().ok_or_else(|| vec!["no folder for the files".to_owned()])?;
        let documents = folder.join(format!("world-{}.yaml", NUMBER.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&documents, text).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let clock = FixedClock::at(UnixTime::from_secs(pool::now()));
        let (pdp, service) = start(&documents, settings, &clock, &runtime)?;
        Ok(Self { documents, settings: settings.clone(), runtime, clock, pdp, service })
    }

    /// The same with nothing remembered.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn restart(&mut self) -> Result<(), Vec<String>> {
        (self.pdp, self.service) = start(&self.documents, &self.settings, &self.clock, &self.runtime)?;
        Ok(())
    }

    /// Puts other documents in force, as a reload does.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn reload(&mut self, text: &str) -> Result<(), Vec<String>> {
        std::fs::write(&self.documents, text).map_err(|error| vec![error.to_string()])?;
        let paths = std::slice::from_ref(&self.documents);
        let snapshot = compiled(self.pdp.inspect(|before| Load::again(before, paths, RemoteContents::new())))?;
        let _inside = self.runtime.enter();
        self.pdp.publish(snapshot);
        Ok(())
    }

    /// The answer to a request at a moment.
    pub fn answer(&self, request: &Request, now: i64) -> Answer {
        self.clock.set(UnixTime::from_secs(now));
        let framed = self.runtime.block_on(self.service.answer(wire::call(request)));
        let message = framed.get(5..).unwrap_or_default();
        match CheckResponse::decode(message) {
            Ok(response) => answer(response, request),
            Err(error) => Answer::of("decision", format!("unreadable: {error}")),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A file that stays behind goes with the folder.
        let _ = std::fs::remove_file(&self.documents);
    }
}

fn compiled(load: Load) -> Result<Snapshot, Vec<String>> {
    let Load { snapshot, problems, .. } = load;
    let errors = || problems.iter().filter(|own| document::any_error(std::slice::from_ref(own)));
    snapshot.ok_or_else(|| errors().map(|own| own.render(false)).collect())
}

fn start(documents: &PathBuf, settings: &Value, clock: &FixedClock, runtime: &Runtime) -> Result<(Arc<Pdp>, CheckService), Vec<String>> {
    let _inside = runtime.enter();
    let snapshot = compiled(Load::from_paths(std::slice::from_ref(documents)))?;
    let unreadable = |error: serde_json::Error| vec![format!("settings: {error}")];
    let clients: ClientAddress = match &settings["clientAddress"] {
        Value::Null => ClientAddress::default(),
        own => serde_json::from_value(own.clone()).map_err(unreadable)?,
    };
    let peer_sources: PeerSources = match &settings["peerSources"] {
        Value::Null => PeerSources::default(),
        own => serde_json::from_value(own.clone()).map_err(unreadable)?,
    };
    let clock = Arc::new(clock.clone());
    let keys = Arc::new(KeyCache::new(clock.clone(), Arc::new(HttpsFetcher::default())));
    let options = PdpOptions { peer_sources, deadline: Duration::from_secs(60), memory: VerificationCacheOptions::default() };
    let pdp = Arc::new(Pdp::new(snapshot, keys, clock, options));
    let service = CheckService::new(Arc::clone(&pdp), Vec::new()).shown(Shown::Every).finding_clients(clients);
    Ok((pdp, service))
}

/// The facts of an answer to a request.
pub fn answer(response: CheckResponse, request: &Request) -> Answer {
    let mut answer = Answer::default();
    let code = response.status.map_or(-1, |status| status.code);
    let metadata = response.dynamic_metadata.unwrap_or_default();
    let member = |name: &str| text(&metadata, name);
    let id = member("decision_id").unwrap_or_default();
    if let (Some(policy), Some(rule)) = (member("policy"), member("rule")) {
        answer.set("rule", format!("{policy}/{rule}"));
    }
    match response.http_response {
        Some(HttpResponse::OkResponse(ok)) => {
            answer.set("decision", if code == 0 { "allow" } else { "an OK beside another code" });
            let mut lines = request.headers.clone();
            for name in &ok.headers_to_remove {
                lines.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
            }
            for (name, value) in options(&ok.headers) {
                lines.retain(|(own, _)| !own.eq_ignore_ascii_case(&name));
                lines.push((name, value.into_bytes()));
            }
            super::upstream(&lines, &id, &mut answer);
            for (name, value) in options(&ok.response_headers_to_add) {
                answer.set(format!("response header {name}"), value.replace(&id, super::NO_ID));
            }
            for parameter in ok.query_parameters_to_set {
                answer.set(format!("parameter {}", parameter.key), parameter.value.replace(&id, super::NO_ID));
            }
            for name in ok.query_parameters_to_remove {
                answer.set(format!("removed parameter {name}"), "yes");
            }
            for (name, value) in &metadata.fields {
                if !["decision_id", "decision", "policy", "rule", "annotations"].contains(&name.as_str()) {
                    answer.set(format!("metadata {name}"), json(value).replace(&id, super::NO_ID));
                }
            }
        }
        Some(HttpResponse::DeniedResponse(denied)) => {
            answer.set("decision", if code == 0 { "a denial that Envoy takes for an allow" } else { "deny" });
            answer.set("reason", member("reason").unwrap_or_default());
            answer.set("status", denied.status.map_or(0, |status| status.code));
            for (name, value) in options(&denied.headers) {
                match name.as_str() {
                    "cache-control" | "x-decision-id" | "content-type" | "content-length" => {}
                    "set-cookie" => answer.set("cleared cookie", value.split('=').next().unwrap_or_default()),
                    other => answer.set(format!("answer {other}"), value.replace(&id, super::NO_ID)),
                }
            }
            // The oracle says nothing of what stands in other forms.
            let is_json = options(&denied.headers).any(|(name, value)| name == "content-type" && value == "application/json");
            let body: Value =
                Some(&denied.body).filter(|_| is_json).and_then(|body| serde_json::from_str(body).ok()).unwrap_or(Value::Null);
            for (name, value) in body.as_object().into_iter().flatten().filter(|(name, _)| *name != "decision_id") {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                answer.set(format!("body {name}"), value.replace(&id, super::NO_ID));
            }
        }
        _ => answer.set("decision", "neither an allow nor a denial"),
    }
    answer
}

fn options(list: &[HeaderValueOption]) -> impl Iterator<Item = (String, String)> {
    list.iter().filter_map(|option| option.header.clone()).map(|header| (header.key, header.value))
}

fn text(fields: &Struct, name: &str) -> Option<String> {
    match fields.fields.get(name)?.kind.as_ref()? {
        Kind::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

/// A value of metadata as JSON text; its numbers are doubles.
fn json(value: &ProtoValue) -> String {
    match &value.kind {
        Some(Kind::BoolValue(value)) => value.to_string(),
        Some(Kind::NumberValue(value)) => value.to_string(),
        Some(Kind::StringValue(text)) => Value::from(text.as_str()).to_string(),
        Some(Kind::ListValue(list)) => format!("[{}]", list.values.iter().map(json).collect::<Vec<_>>().join(",")),
        Some(Kind::StructValue(fields)) => {
            let mut members: Vec<String> =
                fields.fields.iter().map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), json(value))).collect();
            members.sort();
            format!("{{{}}}", members.join(","))
        }
        _ => "null".to_owned(),
    }
}
