//! Fixtures of a suite: made-up peers, tokens and requests.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value};

use super::compiler::{Carried, KnownIssuer, NO_CREDENTIAL, SuiteCompiler};
use crate::authn::{
    Binding, Credential, PeerFacts, PeerIdentity, RejectedCookie, TokenIdentity, TokenUsage,
};
use crate::document::policy::Texts;
use crate::document::policy_suite::{
    BindingFixture, PeerFixture, PolicySuiteSpec, RequestFixture, TokenFixture,
};
use crate::document::{ClaimPath, Code, Kind, KnownClaims, Spanned};
use crate::evidence_level::EvidenceLevel;
use crate::reason::Reason;
use crate::request::{
    Client, Endpoint, HeaderValue, Headers, RequestView, ServerName, Target, Text, host_slip,
    path_slip,
};
use crate::spiffe::SpiffeId;

impl<'a> SuiteCompiler<'a> {
    pub(super) fn fixtures(&mut self, spec: &'a PolicySuiteSpec) {
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

    pub(super) fn reserved(&mut self, name: &Spanned<String>) {
        if name.value == NO_CREDENTIAL {
            self.error(Code::InvalidName, name, "`none` means no credential", None);
        }
    }

    pub(super) fn peer(
        &mut self,
        place: &Spanned<PeerFixture>,
    ) -> Option<Credential<PeerIdentity>> {
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
        self.refers(Kind::TrustDomain, Code::UnknownTrustDomain, trust_domain, domains);
        for other in others.iter().flatten() {
            self.refers(Kind::TrustDomain, Code::UnknownTrustDomain, other, domains);
        }
        let spiffe = match &fixture.spiffe {
            None => None,
            Some(text) => match text.value.parse::<SpiffeId>() {
                Ok(id) if id.path().is_empty() => {
                    let message = format!("`{}` names a trust domain and no workload", text.value);
                    let help = format!("write a whole ID, such as `{id}/ns/web/sa/front`");
                    self.error(Code::InvalidSpiffe, text, message, Some(help));
                    return None;
                }
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
    pub(super) fn addresses(&mut self, texts: Option<&Texts>) -> Option<Vec<String>> {
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

    pub(super) fn token(&mut self, place: &Spanned<TokenFixture>) -> Option<Carried> {
        let fixture = &place.value;
        let TokenFixture { issuer, rejected, cookie, foreign, claims: listed, binding, .. } =
            fixture;
        let listed = listed.as_ref().map(|claims| claims.0.as_slice()).unwrap_or_default();
        let foreign = foreign.as_ref().filter(|foreign| foreign.value);
        if foreign.is_some() || rejected.is_some() {
            self.has_no_signals(fixture);
        }
        if let Some(word) = foreign {
            let more = issuer.is_some() || rejected.is_some() || cookie.is_some();
            if more || !listed.is_empty() {
                let help = String::from("keep `foreign` alone");
                let message = "nothing else is known of a token of an unknown issuer";
                self.error(Code::Contradiction, word, message, Some(help));
            }
            return Some(Carried::Foreign(Reason::IssuerUnknown.because("the suite says so")));
        }
        if let (Some(code), Some(cookie)) = (rejected, cookie) {
            let issuer = self.given(issuer.as_ref(), place, "issuer")?;
            self.issuer(issuer);
            let rejection = self.reason(code)?.because("the suite says so");
            let (name, issuers) = (cookie.value.clone(), vec![issuer.value.clone()]);
            return Some(Carried::Cookie(RejectedCookie { name, issuers, rejection }));
        }
        if let Some(cookie) = cookie {
            let help = String::from("a verified token is the same wherever it was");
            let message = "`cookie` is for a token with `rejected`";
            let help = Some(help);
            self.error(Code::Contradiction, cookie, message, help);
        }
        if let Some(code) = rejected {
            let more = issuer.is_some() || !listed.is_empty();
            return match self.rejected::<()>(code, more)? {
                Credential::Rejected(why) => Some(Carried::Rejected(why)),
                Credential::Absent | Credential::Verified(()) => None,
            };
        }
        let issuer = self.given(issuer.as_ref(), place, "issuer")?;
        let token = self.verified_token(place, issuer, listed, (*binding).into())?;
        let usage = self.usage(fixture);
        Some(Carried::Verified(Box::new(token.used_as(usage))))
    }

    /// The signals about a token: none is raised but for those that the suite says.
    fn usage(&mut self, fixture: &TokenFixture) -> TokenUsage {
        let mut usage = TokenUsage::UNREMARKABLE;
        let TokenFixture { signals, unknown_signals, .. } = fixture;
        for (listed, raised) in [(signals, Some(true)), (unknown_signals, None)] {
            for own in listed.iter().flat_map(|listed| &listed.value) {
                if usage.is_raised(own.value) != Some(false) {
                    let message = format!("`{}` is given twice", own.value);
                    self.error(Code::Contradiction, own, message, None);
                }
                usage = usage.with(own.value, raised);
            }
        }
        usage
    }

    /// Of a token that was refused it does not matter how it was used.
    fn has_no_signals(&mut self, fixture: &TokenFixture) {
        let TokenFixture { signals, unknown_signals, .. } = fixture;
        if let Some(listed) = signals.as_ref().or(unknown_signals.as_ref()) {
            let message = "signals are about a token that was verified";
            let help = Some(String::from("remove them"));
            self.error(Code::Contradiction, listed, message, help);
        }
    }

    /// A token of `issuer` with these claims, as if it had been verified.
    fn verified_token(
        &mut self,
        place: &Spanned<TokenFixture>,
        issuer: &Spanned<String>,
        listed: &[(Spanned<String>, Spanned<Value>)],
        binding: Binding,
    ) -> Option<TokenIdentity> {
        let entry = |(name, value): &(Spanned<String>, Spanned<Value>)| {
            (name.value.clone(), value.value.clone())
        };
        let mut claims: Map<String, Value> = listed.iter().map(entry).collect();
        let own = self.issuer(issuer);
        if let Some(KnownIssuer { name, claims: Some(types), .. }) = &own {
            self.claims_are_known(listed, &KnownClaims(vec![(name, types)]));
        }
        let (known, client_claim) =
            own.map(|known| (known.iss, known.client_claim)).unwrap_or_default();
        let exact = known.as_ref().filter(|name| !name.is_template());
        // As in every token that is verified.
        if let Some(name) = exact {
            claims.entry("iss").or_insert_with(|| name.as_str().into());
        }
        let iss = claims.get("iss").and_then(Value::as_str).map(str::to_owned);
        let tenant = known.as_ref().zip(iss.as_deref()).and_then(|(name, iss)| name.tenant(iss));
        if let (Some(name), None) = (known.as_ref().filter(|name| name.is_template()), tenant) {
            let message = "the token has no `iss` of a tenant of its issuer";
            let help =
                Some(format!("write an `iss` such as `{}` with a tenant filled in", name.as_str()));
            self.error(Code::InvalidClaims, place, message, help);
        }
        let issuer = (issuer.value.as_str(), tenant, client_claim);
        let token = TokenIdentity::assertion_of_tenant(issuer, claims, binding);
        token
            .map_err(|why| self.error(Code::InvalidClaims, place, why.detail().to_owned(), None))
            .ok()
    }

    /// A fixture has the claims that its issuer lists. Their values may be of another type: how rules answer those is worth a case.
    fn claims_are_known(
        &mut self,
        claims: &[(Spanned<String>, Spanned<Value>)],
        known: &KnownClaims<'_>,
    ) {
        for (name, _) in claims {
            if let Err(unknown) = known.kind(&ClaimPath::name(&name.value)) {
                self.error(Code::UnknownClaim, name, unknown.message, Some(unknown.help));
            }
        }
    }

    /// A credential that was refused: nothing else is known of it.
    pub(super) fn rejected<T>(
        &mut self,
        code: &Spanned<String>,
        more: bool,
    ) -> Option<Credential<T>> {
        if more {
            let help = String::from("keep `rejected` alone");
            let message = "nothing is known of what was rejected";
            self.error(Code::Contradiction, code, message, Some(help));
        }
        let reason = self.reason(code)?;
        Some(Credential::Rejected(reason.because("the suite says so")))
    }

    pub(super) fn given<'n, T, U>(
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

    pub(super) fn request(&mut self, fixture: &RequestFixture) -> Option<RequestView> {
        let mut headers = Headers::default();
        let open = |name: &str| !self.sealed.contains(&name.to_ascii_lowercase());
        let own = fixture.headers.iter().flat_map(|entries| &entries.0);
        for (name, value) in own.filter(|(name, _)| open(&name.value)) {
            headers.push(&name.value, HeaderValue::new(value.value.as_bytes().to_vec()));
        }
        self.spelled(fixture);
        let (path, _) = self.sealed.split_target((&fixture.path.value).into());
        let context = fixture.context_extensions.iter().flat_map(|entries| &entries.0);
        Some(RequestView {
            id: Text::default(),
            method: fixture.method.as_deref().unwrap_or("GET").into(),
            scheme: fixture.scheme.as_deref().unwrap_or("https").into(),
            raw_host: (&fixture.host.value).into(),
            target: Target::parse(&fixture.host.value, path.clone()),
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
            sent_at: None,
            context_extensions: context.map(|(k, v)| (k.value.clone(), v.value.clone())).collect(),
        })
    }

    /// Warns of a host and a path that no proxy sends so: the request is refused before any rule.
    fn spelled(&mut self, fixture: &RequestFixture) {
        let host = host_slip(&fixture.host.value).map(|help| (&fixture.host, "host", help));
        let path = path_slip(&fixture.path.value).map(|help| (&fixture.path, "path", help));
        for (text, what, help) in host.into_iter().chain(path) {
            let message = format!("no request has a {what} such as `{}`", text.value);
            self.warn(Code::OddText, text, message, help);
        }
    }

    /// One end of the connection; none at all where its address is wrong.
    pub(super) fn endpoint(&mut self, address: Option<&Spanned<String>>) -> Option<Endpoint> {
        let Some(text) = address else { return Some(Endpoint::default()) };
        let alone = |text: &str| text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 0));
        if let Ok(address) = alone(&text.value).or_else(|_| text.value.parse()) {
            return Some(Endpoint { address: Some(address), principal: None });
        }
        let message = format!("`{}` is not an IP address, alone or with a port", text.value);
        self.error(Code::InvalidNetwork, text, message, None);
        None
    }

    /// The client's address; none at all where it is wrong.
    pub(super) fn client(&mut self, address: Option<&Spanned<String>>) -> Option<Client> {
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
