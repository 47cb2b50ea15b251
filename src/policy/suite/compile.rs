//! Suites from documents: fixtures become subjects and requests, and every combination becomes a case.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Case, Expectation, Question, Suite};
use crate::authn::{Binding, Credential, PeerFacts, PeerIdentity, Subject, TokenIdentity};
use crate::clock::UnixTime;
use crate::document::policy::Texts;
use crate::document::policy_suite::{
    BindingFixture, CaseSpec, ExpectSpec, PeerFixture, PolicySuiteSpec, QuestionSpec,
    RequestFixture, TokenFixture,
};
use crate::document::{Diagnostic, Document, Origin, Spanned, Spec, closest};
use crate::evidence_level::EvidenceLevel;
use crate::reason::Reason;
use crate::request::{Body, Endpoint, HeaderValue, Headers, RequestView, Target};

/// The moment of cases that name none: 2026-01-01T00:00:00Z.
const DEFAULT_NOW: UnixTime = UnixTime::from_secs(1_767_225_600);

/// The word for no peer and no token.
const NOBODY: &str = "none";

pub(super) struct Compiler<'a> {
    origin: &'a Origin,
    /// The names of `TokenIssuer` documents.
    issuers: &'a [&'a str],
    /// The names of `TrustDomain` documents.
    domains: &'a [&'a str],
    /// By name; nothing for one that has an error of its own.
    peers: BTreeMap<&'a str, Option<PeerIdentity>>,
    tokens: BTreeMap<&'a str, Option<TokenIdentity>>,
    problems: &'a mut Vec<Diagnostic>,
}

pub(super) fn compile(documents: &[Document], problems: &mut Vec<Diagnostic>) -> Vec<Suite> {
    let issuers = names(documents, |spec| matches!(spec, Spec::TokenIssuer(_)));
    let domains = names(documents, |spec| matches!(spec, Spec::TrustDomain(_)));
    let mut suites = Vec::new();
    for document in documents {
        let Spec::PolicySuite(spec) = &document.spec else { continue };
        let mut compiler = Compiler::new(&document.origin, &issuers, &domains, problems);
        suites.push(compiler.suite(&document.metadata.name.value, spec));
    }
    suites
}

fn names(documents: &[Document], kind: impl Fn(&Spec) -> bool) -> Vec<&str> {
    let of_kind = documents.iter().filter(|document| kind(&document.spec));
    of_kind.map(|document| document.metadata.name.value.as_str()).collect()
}

// === impl Compiler ===

impl<'a> Compiler<'a> {
    pub(super) fn new(
        origin: &'a Origin,
        issuers: &'a [&'a str],
        domains: &'a [&'a str],
        problems: &'a mut Vec<Diagnostic>,
    ) -> Self {
        let (peers, tokens) = (BTreeMap::new(), BTreeMap::new());
        Self { origin, issuers, domains, peers, tokens, problems }
    }

    /// One request with its caller.
    pub(super) fn question(&mut self, spec: &QuestionSpec) -> Option<Question> {
        let peer = match &spec.peer {
            None => Credential::Absent,
            Some(peer) => Credential::Verified(self.peer(peer)?),
        };
        let tokens = spec.token.iter().chain(&spec.tokens).map(|token| self.token(token));
        let tokens = tokens.collect::<Option<Vec<_>>>()?;
        let tokens =
            if tokens.is_empty() { Credential::Absent } else { Credential::Verified(tokens) };
        let now = spec.now.as_ref().map(|text| self.moment(text));
        let subject = Subject::assertion(peer, tokens);
        Some(Question { request: self.request(&spec.request)?, subject, now })
    }

    fn suite(&mut self, name: &str, spec: &'a PolicySuiteSpec) -> Suite {
        self.fixtures(spec);
        if spec.cases.value.is_empty() {
            self.error("empty-list", &spec.cases, "`cases` is empty", None);
        }
        let cases = spec.cases.value.iter().flat_map(|case| self.cases(case)).collect();
        Suite { name: name.into(), now: self.now(spec), cases }
    }

    fn now(&mut self, spec: &PolicySuiteSpec) -> UnixTime {
        spec.now.as_ref().map_or(DEFAULT_NOW, |text| self.moment(text))
    }

    fn moment(&mut self, text: &Spanned<String>) -> UnixTime {
        match OffsetDateTime::parse(&text.value, &Rfc3339) {
            Ok(moment) => UnixTime::from_secs(moment.unix_timestamp()),
            Err(_) => {
                let message = format!("`{}` is not a moment", text.value);
                let help = String::from("write it as in `2026-01-31T12:00:00Z`");
                self.error("invalid-time", text, message, Some(help));
                DEFAULT_NOW
            }
        }
    }

    fn fixtures(&mut self, spec: &'a PolicySuiteSpec) {
        for (name, peer) in spec.peers.iter().flat_map(|entries| &entries.0) {
            self.reserved(name);
            let identity = self.peer(&peer.value);
            self.peers.insert(&name.value, identity);
        }
        for (name, token) in spec.tokens.iter().flat_map(|entries| &entries.0) {
            self.reserved(name);
            let identity = self.token(token);
            self.tokens.insert(&name.value, identity);
        }
    }

    fn reserved(&mut self, name: &Spanned<String>) {
        if name.value == NOBODY {
            self.error("invalid-name", name, "`none` is the word for nobody", None);
        }
    }

    fn peer(&mut self, fixture: &PeerFixture) -> Option<PeerIdentity> {
        self.known(
            "TrustDomain document",
            "unknown-trust-domain",
            &fixture.trust_domain,
            self.domains,
        );
        let spiffe = match &fixture.spiffe {
            None => None,
            Some(text) => match text.value.parse() {
                Ok(id) => Some(id),
                Err(why) => {
                    let message = format!("`{}` is not a SPIFFE ID: {why}", text.value);
                    self.error("invalid-spiffe", text, message, None);
                    return None;
                }
            },
        };
        let dns =
            fixture.dns.iter().flatten().map(|name| name.value.to_ascii_lowercase()).collect();
        let facts = PeerFacts { spiffe, dns, ..PeerFacts::of(&fixture.trust_domain.value) };
        Some(PeerIdentity::assertion(facts, fixture.evidence.unwrap_or(EvidenceLevel::Full)))
    }

    fn token(&mut self, fixture: &Spanned<TokenFixture>) -> Option<TokenIdentity> {
        let TokenFixture { issuer, claims, binding } = &fixture.value;
        self.known("TokenIssuer document", "unknown-issuer", issuer, self.issuers);
        let token = TokenIdentity::assertion(&issuer.value, claims.clone(), (*binding).into());
        token
            .map_err(|why| self.error("invalid-claims", fixture, why.detail().to_owned(), None))
            .ok()
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
                self.error("one-of", &spec.name, message, None);
                Vec::new()
            }
        }
    }

    fn request(&mut self, fixture: &RequestFixture) -> Option<RequestView> {
        let mut headers = Headers::default();
        for (name, value) in fixture.headers.iter().flat_map(|entries| &entries.0) {
            headers.push(&name.value, HeaderValue::new(value.value.as_bytes().to_vec()));
        }
        let context = fixture.context_extensions.iter().flat_map(|entries| &entries.0);
        Some(RequestView {
            id: String::new(),
            method: fixture.method.clone().unwrap_or_else(|| String::from("GET")),
            scheme: fixture.scheme.clone().unwrap_or_else(|| String::from("https")),
            protocol: String::from("HTTP/2"),
            raw_host: fixture.host.clone(),
            raw_path: fixture.path.clone(),
            target: Target::parse(&fixture.host, &fixture.path),
            headers,
            source: Endpoint { address: self.source(fixture)?, principal: None },
            destination: Endpoint::default(),
            sni: None,
            body: Body::default(),
            context_extensions: context.map(|(k, v)| (k.value.clone(), v.value.clone())).collect(),
            metadata: BTreeMap::new(),
        })
    }

    /// The address of a request, if it has one; none at all where it is wrong.
    fn source(&mut self, fixture: &RequestFixture) -> Option<Option<SocketAddr>> {
        let Some(text) = &fixture.source else { return Some(None) };
        if let Ok(address) = text.value.parse::<IpAddr>() {
            return Some(Some(SocketAddr::new(address, 0)));
        }
        let message = format!("`{}` is not an IP address", text.value);
        self.error("invalid-network", text, message, None);
        None
    }

    /// The names of the callers of a case, each of which is known.
    fn callers<'n>(
        &mut self,
        one: Option<&'n Spanned<String>>,
        several: Option<&'n Spanned<Texts>>,
        kind: &str,
    ) -> Vec<&'n str> {
        if let (Some(one), Some(_)) = (one, several) {
            self.error(
                "contradiction",
                one,
                format!("`{kind}` and `{kind}s` are both given"),
                None,
            );
        }
        let listed: Vec<_> = several.iter().flat_map(|texts| &texts.value).chain(one).collect();
        let mut known: Vec<&str> = match kind {
            "peer" => self.peers.keys().copied().collect(),
            _ => self.tokens.keys().copied().collect(),
        };
        known.push(NOBODY);
        for name in &listed {
            self.known(&format!("{kind} of this suite"), "unknown-fixture", name, &known);
        }
        if listed.is_empty() {
            return vec![NOBODY];
        }
        listed.iter().map(|name| name.value.as_str()).collect()
    }

    fn subject(&self, peer: &str, token: &str) -> Subject {
        let peer = self.peers.get(peer).cloned().flatten();
        let token = self.tokens.get(token).cloned().flatten();
        Subject::assertion(
            peer.map_or(Credential::Absent, Credential::Verified),
            token.map_or(Credential::Absent, |token| Credential::Verified(vec![token])),
        )
    }

    fn expectation(&mut self, spec: &ExpectSpec) -> Expectation {
        let headers = spec.headers.iter().flat_map(|entries| &entries.0);
        let pair = |(name, value): &(Spanned<String>, Spanned<String>)| {
            (name.value.to_ascii_lowercase(), value.value.clone())
        };
        Expectation {
            decision: spec.decision.into(),
            reason: spec.reason.as_ref().and_then(|code| self.reason(code)),
            rule: spec.rule.as_ref().map(|rule| rule.value.clone()),
            headers: headers.map(pair).collect(),
        }
    }

    fn reason(&mut self, code: &Spanned<String>) -> Option<Reason> {
        let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        self.known("reason code", "unknown-reason", code, &known);
        Reason::ALL.iter().copied().find(|reason| reason.as_str() == code.value)
    }

    fn known(&mut self, what: &str, code: &'static str, name: &Spanned<String>, known: &[&str]) {
        let text = name.value.as_str();
        if known.contains(&text) {
            return;
        }
        let help = closest(text, known).map(|near| format!("did you mean `{near}`?"));
        self.error(code, name, format!("no {what} is called `{text}`"), help);
    }

    fn error<T>(
        &mut self,
        code: &'static str,
        place: &Spanned<T>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let problem = Diagnostic::error(code, self.origin.span(place), message);
        self.problems.push(Diagnostic { help, ..problem });
    }
}

impl From<BindingFixture> for Binding {
    fn from(fixture: BindingFixture) -> Self {
        match fixture {
            BindingFixture::None => Self::None,
            BindingFixture::Certificate => Self::Certificate,
            BindingFixture::Dpop => Self::Dpop,
        }
    }
}
