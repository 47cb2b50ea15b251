//! Suites from documents: fixtures become subjects and requests, and every combination becomes a case.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::case::{Case, Expectation, ExpectedRule, Question, Suite};
use super::compiler::{Carried, DEFAULT_NOW, KnownIssuer, NO_CREDENTIAL, SuiteCompiler};
use crate::authn::{Credential, PeerIdentity, Subject};
use crate::clock::UnixTime;
use crate::document::policy::{Entries, Texts};
use crate::document::policy_suite::{CaseSpec, ExpectSpec, PolicySuiteSpec, QuestionSpec};
use crate::document::{ClaimTypes, Code, Diagnostic, Document, IssuerName, Spanned, Spec};
use crate::policy::compile::env::sealed_by;
use crate::request::RequestView;

impl Suite {
    /// Compiles the `PolicySuite` documents among `documents`. Every problem goes to `problems`.
    pub fn compile(documents: &[Document], problems: &mut Vec<Diagnostic>) -> Vec<Self> {
        let issuers: Vec<_> = documents.iter().filter_map(known_issuer).collect();
        let domains = documents.iter().filter(|own| matches!(own.spec, Spec::TrustDomain(_)));
        let domains: Vec<_> = domains.map(|own| own.metadata.name.value.as_str()).collect();
        let sealed = sealed_by(documents);
        let mut suites = Vec::new();
        for document in documents {
            let Spec::PolicySuite(spec) = &document.spec else { continue };
            let mut compiler =
                SuiteCompiler::new(&document.origin, &issuers, &domains, &sealed, problems);
            suites.push(compiler.suite(&document.metadata.name.value, spec));
        }
        suites
    }
}

fn known_issuer(document: &Document) -> Option<KnownIssuer<'_>> {
    let Spec::TokenIssuer(spec) = &document.spec else { return None };
    let (name, iss) = (&document.metadata.name.value, IssuerName::of(spec));
    let claims = ClaimTypes::of(spec);
    Some(KnownIssuer { claims, ..KnownIssuer::of(name, spec.profile, iss, spec.client_claim()) })
}

impl<'a> SuiteCompiler<'a> {
    /// One request with its caller.
    pub(super) fn question(&mut self, spec: &QuestionSpec) -> Option<Question> {
        let peer = match &spec.peer {
            None => Credential::Absent,
            Some(peer) => self.peer(peer)?,
        };
        let tokens = spec.token.iter().chain(&spec.tokens).map(|token| self.token(token));
        let tokens = tokens.collect::<Option<Vec<_>>>()?;
        let now = spec.now.as_ref().map(|text| self.moment(text));
        let subject = all_of(peer, tokens);
        Some(Question { request: self.request(&spec.request)?, subject, now })
    }

    fn suite(&mut self, name: &str, spec: &'a PolicySuiteSpec) -> Suite {
        self.fixtures(spec);
        if spec.cases.value.is_empty() {
            self.error(Code::EmptyList, &spec.cases, "`cases` is empty", None);
        }
        let cases = spec.cases.value.iter().flat_map(|case| self.cases(case)).collect();
        Suite { name: name.into(), now: self.now(spec), cases }
    }

    fn now(&mut self, spec: &PolicySuiteSpec) -> UnixTime {
        spec.now.as_ref().map_or(DEFAULT_NOW, |text| self.moment(text))
    }

    /// One case for each combination.
    fn cases(&mut self, spec: &'a CaseSpec) -> Vec<Case> {
        let requests = self.requests(spec);
        let peers = self.callers(spec.peer.as_ref(), spec.peers.as_ref(), "peer");
        let tokens = self.callers(spec.token.as_ref(), spec.tokens.as_ref(), "token");
        let expect = Arc::new(self.expectation(&spec.expect));
        let several = requests.len().max(peers.len()).max(tokens.len()) > 1;
        let mut cases = Vec::new();
        for request in &requests {
            for peer in &peers {
                for token in &tokens {
                    let RequestView { method, raw_path, .. } = request;
                    let variant = format!("{method} {raw_path}, peer {peer}, token {token}");
                    cases.push(Case {
                        name: spec.name.value.as_str().into(),
                        variant: if several { variant } else { String::new() },
                        place: self.origin.span(&spec.name),
                        request: request.clone(),
                        subject: self.subject(peer, token),
                        expect: Arc::clone(&expect),
                    });
                }
            }
        }
        cases
    }

    fn requests(&mut self, spec: &CaseSpec) -> Vec<RequestView> {
        match (&spec.request, &spec.requests) {
            (Some(request), None) => self.request(&request.value).into_iter().collect(),
            (None, Some(requests)) => {
                requests.value.iter().filter_map(|request| self.request(&request.value)).collect()
            }
            (None, None) | (Some(_), Some(_)) => {
                let message = "a case needs `request` or `requests`";
                self.error(Code::OneOf, &spec.name, message, None);
                Vec::new()
            }
        }
    }

    /// The names of the callers of a case, each of which is known.
    fn callers<'n>(
        &mut self,
        one: Option<&'n Spanned<String>>,
        several: Option<&'n Spanned<Texts>>,
        kind: &str,
    ) -> Vec<&'n str> {
        if let (Some(one), Some(_)) = (one, several) {
            let message = format!("`{kind}` and `{kind}s` are both given");
            self.error(Code::Contradiction, one, message, None);
        }
        let listed: Vec<_> = several.iter().flat_map(|texts| &texts.value).chain(one).collect();
        let mut known: Vec<&str> = match kind {
            "peer" => self.peers.keys().copied().collect(),
            _ => self.tokens.keys().copied().collect(),
        };
        known.push(NO_CREDENTIAL);
        for name in &listed {
            self.known(&format!("{kind} of this suite"), Code::UnknownFixture, name, &known);
        }
        if listed.is_empty() {
            return vec![NO_CREDENTIAL];
        }
        listed.iter().map(|name| name.value.as_str()).collect()
    }

    fn subject(&self, peer: &str, token: &str) -> Subject {
        let peer = self.peers.get(peer).cloned().unwrap_or(Credential::Absent);
        all_of(peer, self.tokens.get(token).cloned().into_iter().collect())
    }

    fn expectation(&mut self, spec: &ExpectSpec) -> Expectation {
        let object = |map: &Option<Spanned<Map<String, Value>>>| {
            map.as_ref().map(|map| map.value.clone()).unwrap_or_default()
        };
        Expectation {
            decision: spec.decision,
            reason: spec.reason.as_ref().and_then(|code| self.reason(code)),
            rule: spec.rule.as_ref().map(|rule| ExpectedRule {
                name: rule.value.clone(),
                place: self.origin.span(rule),
            }),
            headers: headers(spec.headers.as_ref()),
            response_headers: headers(spec.response_headers.as_ref()),
            query: pairs(spec.query.as_ref()).collect(),
            metadata: object(&spec.metadata),
            assertion: object(&spec.assertion),
            removed: spec.removed.iter().flatten().map(|n| n.value.to_ascii_lowercase()).collect(),
            status: spec.status,
            body: spec.body.as_ref().map(|body| body.value.clone()),
        }
    }
}

/// A caller with several tokens: one that was refused refuses the others, too.
fn all_of(peer: Credential<PeerIdentity>, shown: Vec<Carried>) -> Subject {
    let (mut verified, mut cookies, mut unknown) = (Vec::new(), Vec::new(), None);
    for carried in shown {
        match carried {
            Carried::Nothing => {}
            Carried::Rejected(why) => return Subject::assertion(peer, Credential::Rejected(why)),
            Carried::Verified(token) => verified.push(*token),
            Carried::Cookie(cookie) => cookies.push(cookie),
            Carried::Foreign(why) => unknown = Some(why),
        }
    }
    Subject::assertion_beside(peer, verified, cookies, unknown)
}

fn pairs(entries: Option<&Entries<String>>) -> impl Iterator<Item = (String, String)> {
    let entries = entries.into_iter().flat_map(|entries| &entries.0);
    entries.map(|(name, value)| (name.value.clone(), value.value.clone()))
}

fn headers(entries: Option<&Entries<String>>) -> Vec<(String, String)> {
    pairs(entries).map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}
