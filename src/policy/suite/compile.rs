//! Suites from documents: fixtures become subjects and requests, and every combination becomes a case.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::case::{Case, Expectation, Question, Suite};
use crate::authn::{
    Binding, Credential, PeerFacts, PeerIdentity, RejectedCookie, Subject, TokenIdentity,
};
use crate::clock::UnixTime;
use crate::document::policy::{Entries, Texts};
use crate::document::policy_suite::{
    BindingFixture, CaseSpec, ExpectSpec, PeerFixture, PolicySuiteSpec, QuestionSpec,
    RequestFixture, TokenFixture,
};
use crate::document::{Code, Diagnostic, Document, Origin, Spanned, Spec, closest};
use crate::evidence_level::EvidenceLevel;
use crate::policy::compile::env::sealed_by;
use crate::reason::{Reason, Rejection};
use crate::request::{
    Body, Client, Endpoint, HeaderValue, Headers, RequestView, SealedNames, ServerName, Target,
    Text,
};

/// The moment of cases that name none: 2026-01-01T00:00:00Z.
const DEFAULT_NOW: UnixTime = UnixTime::from_secs(1_767_225_600);

/// The word for no peer and no token.
const NO_CREDENTIAL: &str = "none";

pub(super) struct Compiler<'a> {
    origin: &'a Origin,
    /// The names of `TokenIssuer` documents.
    issuers: &'a [&'a str],
    /// The names of `TrustDomain` documents.
    domains: &'a [&'a str],
    /// The names that carry credentials, which no rule sees.
    sealed: &'a SealedNames,
    /// By name; none at all for one that has an error of its own.
    peers: BTreeMap<&'a str, Credential<PeerIdentity>>,
    tokens: BTreeMap<&'a str, Carried>,
    problems: &'a mut Vec<Diagnostic>,
}

/// A token of a fixture.
#[derive(Clone, Debug)]
enum Carried {
    Nothing,
    Verified(Box<TokenIdentity>),
    Rejected(Rejection),
    /// In a cookie, which a rule may pass over.
    Cookie(RejectedCookie),
    /// Of an issuer that no document names.
    Foreign(Rejection),
}

// === impl Suite ===

impl Suite {
    /// Compiles the `PolicySuite` documents among `documents`. Every problem goes to `problems`.
    #[must_use]
    pub fn compile(documents: &[Document], problems: &mut Vec<Diagnostic>) -> Vec<Self> {
        let issuers = names(documents, |spec| matches!(spec, Spec::TokenIssuer(_)));
        let domains = names(documents, |spec| matches!(spec, Spec::TrustDomain(_)));
        let sealed = sealed_by(documents);
        let mut suites = Vec::new();
        for document in documents {
            let Spec::PolicySuite(spec) = &document.spec else { continue };
            let mut compiler =
                Compiler::new(&document.origin, &issuers, &domains, &sealed, problems);
            suites.push(compiler.suite(&document.metadata.name.value, spec));
        }
        suites
    }
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
        sealed: &'a SealedNames,
        problems: &'a mut Vec<Diagnostic>,
    ) -> Self {
        let (peers, tokens) = (BTreeMap::new(), BTreeMap::new());
        Self { origin, issuers, domains, sealed, peers, tokens, problems }
    }

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

    fn moment(&mut self, text: &Spanned<String>) -> UnixTime {
        match OffsetDateTime::parse(&text.value, &Rfc3339) {
            Ok(moment) => UnixTime::from_secs(moment.unix_timestamp()),
            Err(_) => {
                let message = format!("`{}` is not a moment", text.value);
                let help = String::from("write it as in `2026-01-31T12:00:00Z`");
                self.error(Code::InvalidTime, text, message, Some(help));
                DEFAULT_NOW
            }
        }
    }

    fn fixtures(&mut self, spec: &'a PolicySuiteSpec) {
        for (name, peer) in spec.peers.iter().flat_map(|entries| &entries.0) {
            self.reserved(name);
            let shown = self.peer(peer).unwrap_or(Credential::Absent);
            self.peers.insert(&name.value, shown);
        }
        for (name, token) in spec.tokens.iter().flat_map(|entries| &entries.0) {
            self.reserved(name);
            let shown = self.token(token).unwrap_or(Carried::Nothing);
            self.tokens.insert(&name.value, shown);
        }
    }

    fn reserved(&mut self, name: &Spanned<String>) {
        if name.value == NO_CREDENTIAL {
            self.error(Code::InvalidName, name, "`none` means no credential", None);
        }
    }

    fn peer(&mut self, place: &Spanned<PeerFixture>) -> Option<Credential<PeerIdentity>> {
        let fixture = &place.value;
        let PeerFixture { trust_domain, rejected, spiffe, dns, uris, emails, ips, subject, .. } =
            fixture;
        let (others, evidence) = (&fixture.other_trust_domains, fixture.evidence);
        let names = [others, dns, uris, emails, ips].iter().any(|names| names.is_some());
        let more = names || spiffe.is_some() || subject.is_some() || evidence.is_some();
        if let Some(code) = rejected {
            return self.rejected(code, trust_domain.is_some() || more);
        }
        let trust_domain = self.given(trust_domain.as_ref(), place, "trustDomain")?;
        let domains = self.domains;
        self.known("TrustDomain document", Code::UnknownTrustDomain, trust_domain, domains);
        for other in others.iter().flatten() {
            self.known("TrustDomain document", Code::UnknownTrustDomain, other, domains);
        }
        let spiffe = match &fixture.spiffe {
            None => None,
            Some(text) => match text.value.parse() {
                Ok(id) => Some(id),
                Err(why) => {
                    let message = format!("`{}` is not a SPIFFE ID: {why}", text.value);
                    self.error(Code::InvalidSpiffe, text, message, None);
                    return None;
                }
            },
        };
        let each = |names: &Option<Texts>| -> Vec<String> {
            names.iter().flatten().map(|name| name.value.clone()).collect()
        };
        let ips = self.addresses(ips.as_ref())?;
        let id = spiffe.iter().map(ToString::to_string);
        let facts = PeerFacts {
            other_trust_domains: each(others),
            dns: each(dns).iter().map(|name| name.to_ascii_lowercase()).collect(),
            // A SPIFFE ID is a URI of its certificate, too.
            uris: id.chain(each(uris)).collect(),
            emails: each(emails),
            ips,
            subject: fixture.subject.clone(),
            spiffe,
            ..PeerFacts::of(&trust_domain.value)
        };
        let level = evidence.unwrap_or(EvidenceLevel::Full);
        Some(Credential::Verified(PeerIdentity::assertion(facts, level)))
    }

    /// The addresses in the form that a certificate's have.
    fn addresses(&mut self, texts: Option<&Texts>) -> Option<Vec<String>> {
        let mut found = Vec::new();
        for text in texts.into_iter().flatten() {
            let Ok(address) = text.value.parse::<IpAddr>() else {
                let message = format!("`{}` is not an IP address", text.value);
                self.error(Code::InvalidNetwork, text, message, None);
                return None;
            };
            found.push(address.to_string());
        }
        Some(found)
    }

    fn token(&mut self, place: &Spanned<TokenFixture>) -> Option<Carried> {
        let TokenFixture { issuer, rejected, cookie, foreign, claims, binding } = &place.value;
        let foreign = foreign.as_ref().filter(|foreign| foreign.value);
        if let Some(word) = foreign {
            let more = issuer.is_some() || rejected.is_some() || cookie.is_some();
            if more || !claims.is_empty() {
                let help = String::from("keep `foreign` alone");
                let message = "nothing else is known of a token of an unknown issuer";
                self.error(Code::Contradiction, word, message, Some(help));
            }
            return Some(Carried::Foreign(Reason::IssuerUnknown.because("the suite says so")));
        }
        if let (Some(code), Some(cookie)) = (rejected, cookie) {
            let issuer = self.given(issuer.as_ref(), place, "issuer")?;
            let issuers = self.issuers;
            self.known("TokenIssuer document", Code::UnknownIssuer, issuer, issuers);
            let rejection = self.reason(code)?.because("the suite says so");
            let (name, issuers) = (cookie.value.clone(), vec![issuer.value.clone()]);
            return Some(Carried::Cookie(RejectedCookie { name, issuers, rejection }));
        }
        if let Some(cookie) = cookie {
            let help = String::from("a verified token is the same wherever it was");
            self.error(
                Code::Contradiction,
                cookie,
                "`cookie` is for a token with `rejected`",
                Some(help),
            );
        }
        if let Some(code) = rejected {
            let more = issuer.is_some() || !claims.is_empty();
            return match self.rejected::<()>(code, more)? {
                Credential::Rejected(why) => Some(Carried::Rejected(why)),
                Credential::Absent | Credential::Verified(()) => None,
            };
        }
        let issuer = self.given(issuer.as_ref(), place, "issuer")?;
        let issuers = self.issuers;
        self.known("TokenIssuer document", Code::UnknownIssuer, issuer, issuers);
        let token = TokenIdentity::assertion(&issuer.value, claims.clone(), (*binding).into());
        token
            .map(|token| Carried::Verified(Box::new(token)))
            .map_err(|why| self.error(Code::InvalidClaims, place, why.detail().to_owned(), None))
            .ok()
    }

    /// A credential that was refused: nothing else is known of it.
    fn rejected<T>(&mut self, code: &Spanned<String>, more: bool) -> Option<Credential<T>> {
        if more {
            let help = String::from("keep `rejected` alone");
            let message = "nothing is known of what was rejected";
            self.error(Code::Contradiction, code, message, Some(help));
        }
        let reason = self.reason(code)?;
        Some(Credential::Rejected(reason.because("the suite says so")))
    }

    fn given<'n, T, U>(
        &mut self,
        name: Option<&'n Spanned<T>>,
        place: &Spanned<U>,
        key: &str,
    ) -> Option<&'n Spanned<T>> {
        if name.is_none() {
            let help = String::from(
                "for something that was refused, write `rejected` and its reason code",
            );
            self.error(Code::MissingFixture, place, format!("missing field `{key}`"), Some(help));
        }
        name
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

    fn request(&mut self, fixture: &RequestFixture) -> Option<RequestView> {
        let mut headers = Headers::default();
        let open = |name: &str| !self.sealed.contains(&name.to_ascii_lowercase());
        let own = fixture.headers.iter().flat_map(|entries| &entries.0);
        for (name, value) in own.filter(|(name, _)| open(&name.value)) {
            headers.push(&name.value, HeaderValue::new(value.value.as_bytes().to_vec()));
        }
        let (path, _) = self.sealed.split_target((&fixture.path).into());
        let context = fixture.context_extensions.iter().flat_map(|entries| &entries.0);
        Some(RequestView {
            id: Text::default(),
            method: fixture.method.as_deref().unwrap_or("GET").into(),
            scheme: fixture.scheme.as_deref().unwrap_or("https").into(),
            protocol: "HTTP/2".into(),
            raw_host: (&fixture.host).into(),
            target: Target::parse(&fixture.host, path.clone()),
            raw_path: path,
            headers,
            source: self.endpoint(fixture.source.as_ref())?,
            destination: self.endpoint(fixture.destination.as_ref())?,
            client: self.client(fixture.client.as_ref())?,
            sni: match fixture.sni.as_deref() {
                None => ServerName::Unknown,
                Some("") => ServerName::Absent,
                Some(name) => ServerName::Name(name.into()),
            },
            body: Body::default(),
            sent_at: None,
            context_extensions: context.map(|(k, v)| (k.value.clone(), v.value.clone())).collect(),
            metadata: BTreeMap::new(),
        })
    }

    /// One end of the connection; none at all where its address is wrong.
    fn endpoint(&mut self, address: Option<&Spanned<String>>) -> Option<Endpoint> {
        let Some(text) = address else { return Some(Endpoint::default()) };
        let alone = |text: &str| text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 0));
        if let Ok(address) = alone(&text.value).or_else(|_| text.value.parse()) {
            return Some(Endpoint { address: Some(address), principal: None });
        }
        let message = format!("`{}` is not an IP address, alone or with a port", text.value);
        self.error(Code::InvalidNetwork, text, message, None);
        None
    }

    /// Where the client is; none at all where its address is wrong.
    fn client(&mut self, address: Option<&Spanned<String>>) -> Option<Client> {
        let Some(text) = address else { return Some(Client::Connection) };
        if text.value == "unknown" {
            return Some(Client::Unknown);
        }
        if let Ok(ip) = text.value.parse() {
            return Some(Client::At(ip));
        }
        let message = format!("`{}` is neither an IP address nor `unknown`", text.value);
        self.error(Code::InvalidNetwork, text, message, None);
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
                Code::Contradiction,
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
            decision: spec.decision.into(),
            reason: spec.reason.as_ref().and_then(|code| self.reason(code)),
            rule: spec.rule.as_ref().map(|rule| rule.value.clone()),
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

    fn reason(&mut self, code: &Spanned<String>) -> Option<Reason> {
        let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        self.known("reason code", Code::UnknownReason, code, &known);
        Reason::ALL.iter().copied().find(|reason| reason.as_str() == code.value)
    }

    fn known(&mut self, what: &str, code: Code, name: &Spanned<String>, known: &[&str]) {
        let text = name.value.as_str();
        if known.contains(&text) {
            return;
        }
        let help = closest(text, known).map(|near| format!("did you mean `{near}`?"));
        self.error(code, name, format!("no {what} is called `{text}`"), help);
    }

    fn error<T>(
        &mut self,
        code: Code,
        place: &Spanned<T>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let problem = Diagnostic::error(code, self.origin.span(place), message);
        self.problems.push(Diagnostic { help, ..problem });
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

impl From<BindingFixture> for Binding {
    fn from(fixture: BindingFixture) -> Self {
        match fixture {
            BindingFixture::None => Self::None,
            BindingFixture::Certificate => Self::Certificate,
            BindingFixture::Dpop => Self::Dpop,
        }
    }
}
