//! The oracle's side: the same documents, settings and requests.

use std::collections::{BTreeMap, BTreeSet};

use countersign_oracle::documents::Documents;
use countersign_oracle::{ClientAddress, Evidence, Identity, Request, Sources, World, decide_with};
use serde_json::Value;

use super::pool;
use crate::answer::Answer;
use crate::excused;
use crate::oracle;

/// A world as the oracle knows it.
pub struct Judge {
    world: World,
}

/// An answer, and the identity that it is about.
pub struct Judged {
    /// The answer.
    pub answer: Answer,
    /// Who it was.
    pub identity: Identity,
    /// The kinds of issuers of its tokens.
    pub issuers: Vec<String>,
}

impl Judge {
    /// Reads documents and settings.
    ///
    /// # Errors
    /// The thing that is out of the oracle's reach.
    pub fn of(text: &str, settings: &Value) -> Result<Self, String> {
        Self::with(text, settings, pool::files().clone())
    }

    /// The same with these files.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn with(text: &str, settings: &Value, files: BTreeMap<String, Vec<u8>>) -> Result<Self, String> {
        let mut documents = Documents::default();
        documents.read(text).map_err(|outside| outside.0)?;
        let (sources, client_address) = (sources(&settings["peerSources"]), client_address(&settings["clientAddress"]));
        Ok(Self { world: World { documents, files, sources, client_address, ..World::default() } })
    }

    /// The same after other documents took effect; what was used stays used.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn after(self, text: &str) -> Result<Self, String> {
        let mut documents = Documents::default();
        documents.read(text).map_err(|outside| outside.0)?;
        let lives = |of: &Documents| -> Vec<String> {
            let issuers = of.of("TokenIssuer").iter();
            issuers.map(|own| format!("{:?}", (&own.name, own.spec.get("dpop"), own.spec.get("clockSkew")))).collect()
        };
        let uses_are_unsure = self.world.uses_are_unsure || lives(&documents) != lives(&self.world.documents);
        Ok(Self { world: World { documents, uses_are_unsure, ..self.world } })
    }

    /// The answer to a request at a moment; or what is out of reach.
    pub fn answer(&mut self, request: &Request, now: i64) -> Result<Judged, String> {
        self.world.now = now;
        let (decision, identity) = decide_with(&self.world, request).map_err(|outside| outside.0)?;
        // 1.12 One after the other, up to one that was used before.
        if decision.allow || decision.reason == Some("token_replayed") {
            let mut once = identity.tokens.iter().flat_map(|token| token.once.clone());
            let _ = once.all(|own| self.world.claim(own));
        }
        let mut answer = Answer::default();
        if let Some((policy, rule)) = &decision.rule {
            answer.set("rule", format!("{policy}/{rule}"));
        }
        match &decision.denial {
            Some(denial) => oracle::denied(&decision, denial, request, &mut answer),
            None => allowed(&decision.changes, request, &mut answer),
        }
        let issuers = self.kinds(&identity);
        Ok(Judged { answer, identity, issuers })
    }

    fn kinds(&self, identity: &Identity) -> Vec<String> {
        let documents = &self.world.documents;
        let of = identity.tokens.iter().filter_map(|token| documents.named("TokenIssuer", &token.issuer));
        let kinds = of.flat_map(|own| {
            let profile = own.spec.text_of("profile").map(|profile| format!("profile {profile}"));
            let keys = ["tenants", "moreKeys"].into_iter().filter(|key| own.spec.get(key).is_some());
            profile.into_iter().chain(keys.map(str::to_owned))
        });
        kinds.collect()
    }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|own| own.as_str().map(str::to_owned)).collect()
}

fn sources(value: &Value) -> Sources {
    let on = |key: &str| value[key] == true;
    Sources {
        source_certificate: on("sourceCertificate"),
        xfcc: on("xfcc"),
        xfcc_without_tls: on("xfccWithoutTls"),
        client_cert: on("clientCert"),
        client_cert_without_tls: on("clientCertWithoutTls"),
        principal: value["principal"] == "uriSanRequired",
        least: value["leastEvidence"].as_str().and_then(Evidence::named),
        identities: texts(&value["identities"]),
    }
}

fn client_address(value: &Value) -> ClientAddress {
    let (own, external) = (&value["xForwardedFor"], &value["xEnvoyExternalAddress"]);
    if !own.is_null() {
        let hops = own["trustedHops"].as_u64().and_then(|hops| usize::try_from(hops).ok()).unwrap_or(0);
        return ClientAddress::ForwardedFor { hops, proxies: texts(&own["proxies"]), appended: own["appendedByEnvoy"] != false };
    }
    match external.is_null() {
        true => ClientAddress::Connection,
        false => ClientAddress::External { proxies: texts(&external["proxies"]) },
    }
}

fn allowed(changes: &countersign_oracle::answer::Changes, request: &Request, answer: &mut Answer) {
    answer.set("decision", "allow");
    let mut lines = request.headers.clone();
    lines.retain(|(name, _)| !changes.removes(name) && !changes.headers.contains_key(&name.to_ascii_lowercase()));
    if let Some(gone) = &changes.removed_cookie {
        let is_other = |pair: &&str| pair.split('=').next().map(str::trim) != Some(gone.as_str());
        let cookies: Vec<String> =
            lines.iter().filter(|(name, _)| name == "cookie").map(|(_, line)| String::from_utf8_lossy(line).into_owned()).collect();
        let left: Vec<&str> =
            cookies.iter().flat_map(|line| line.split(';')).map(str::trim).filter(|pair| !pair.is_empty()).filter(is_other).collect();
        let left = left.join("; ");
        lines.retain(|(name, _)| name != "cookie");
        if !left.is_empty() {
            lines.push(("cookie".to_owned(), left.into_bytes()));
        }
    }
    if let Some((mark, after)) = &changes.removed_protocol {
        let name = "sec-websocket-protocol";
        let sent: Vec<String> =
            lines.iter().filter(|(own, _)| own == name).map(|(_, line)| String::from_utf8_lossy(line).into_owned()).collect();
        let mut left: Vec<&str> = sent.iter().flat_map(|line| line.split(',')).map(str::trim).filter(|own| !own.is_empty()).collect();
        match after {
            true => {
                if let Some(at) = left.iter().position(|own| own == mark) {
                    left.drain(at..left.len().min(at + 2));
                }
            }
            false => left.retain(|own| !own.starts_with(mark.as_str())),
        }
        let left = left.join(", ");
        lines.retain(|(own, _)| own != name);
        if !left.is_empty() {
            lines.push((name.to_owned(), left.into_bytes()));
        }
    }
    lines.extend(changes.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())));
    super::upstream(&lines, super::NO_ID, answer);
    for (name, value) in &changes.response_headers {
        answer.set(format!("response header {name}"), value);
    }
    for (name, value) in &changes.query {
        answer.set(format!("parameter {name}"), value);
    }
    for name in &changes.removed_query {
        answer.set(format!("removed parameter {name}"), "yes");
    }
    for (name, value) in &changes.metadata {
        answer.set(format!("metadata {name}"), oracle::json(value));
    }
}

/// The program's answer as far as the oracle has one: where a path has several faults (5.19), any of them may be the reason, and what
/// follows from it is not compared. Nor is `algs`, of which the oracle says nothing.
pub fn told(mut program: Answer, oracle: &Answer) -> Answer {
    let faults: BTreeSet<&str> = oracle.get("reason").unwrap_or_default().split('|').collect();
    let one_of = faults.len() > 1 && program.get("decision") == Some("deny");
    if program.get("reason").is_some_and(|reason| one_of && faults.contains(reason)) {
        return oracle.clone();
    }
    let reasons = program.get("reason").zip(oracle.get("reason"));
    if reasons.is_some_and(|(program, oracle)| excused::reasons(program, oracle).is_some()) {
        return oracle.clone();
    }
    if let Some((challenge, _)) = program.get("answer www-authenticate").and_then(|own| own.split_once(", algs=")) {
        let challenge = challenge.to_owned();
        program.set("answer www-authenticate", challenge);
    }
    program
}
