//! Callers who have what a rule asks for and nothing more, so that deny rules that name others are not about them.

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use crate::authn::{Binding, Credential, PeerFacts, PeerIdentity, Subject, TokenIdentity};
use crate::document::policy::BindingSpec;
use crate::evidence_level::EvidenceLevel;
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::claim::{ClaimMatcher, ClaimTest, Scalar};
use crate::policy::model::host::HostPattern;
use crate::policy::requirement::list::Member;
use crate::policy::requirement::peer::{
    PeerDns, PeerEmails, PeerIps, PeerPresent, PeerSpiffe, PeerSubjects, PeerTrustDomain, PeerUris,
};
use crate::policy::requirement::step_up::TokenAcr;
use crate::policy::requirement::token::{
    TokenAnyScope, TokenAudiences, TokenBinding, TokenClients, TokenPresent, TokenScopes,
    TokenSubjects,
};
use crate::spiffe::{SpiffeId, SpiffePattern};
use crate::words::words;

/// A `TrustDomain` document: its name, and the SPIFFE trust domain whose IDs it vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VouchingDomain {
    /// Its name.
    pub name: String,
    /// Without one it vouches for certificates without a SPIFFE ID.
    pub spiffe: Option<String>,
}

words! {
    /// The callers that a question is about.
    pub enum Callers {
        /// Those who show no token.
        WithoutToken "without a token",
        /// Those who show no client certificate.
        WithoutCertificate "without a client certificate",
        /// Those who show neither.
        WithoutEither "without either",
    }
}

/// Callers that stand for all that a rule lets in.
pub(super) struct Witnesses {
    pub(super) all: Vec<Subject>,
    /// True if there is one of every kind.
    pub(super) is_complete: bool,
}

/// Most callers that are tried for one rule.
const MOST: usize = 512;

/// A name that no document has.
const OTHER: &str = "who-can-other";

impl Witnesses {
    /// Those among `callers` who have what `rule` asks for.
    pub(super) fn of(
        rule: &Rule,
        denies: &[&Rule],
        domains: &[VouchingDomain],
        callers: Callers,
    ) -> Self {
        let (all, is_complete) = match callers {
            Callers::WithoutEither => (vec![subject(None, None)], true),
            Callers::WithoutToken => {
                let peers = peers(rule, denies, domains);
                (peers.into_iter().map(|peer| subject(peer, None)).collect(), true)
            }
            Callers::WithoutCertificate => {
                let tokens = tokens(rule, denies);
                let is_complete = !tokens.is_empty();
                (tokens.into_iter().map(|token| subject(None, token)).collect(), is_complete)
            }
        };
        let is_complete = is_complete && all.len() < MOST;
        Self { all, is_complete }
    }
}

fn subject(peer: Option<PeerIdentity>, token: Option<TokenIdentity>) -> Subject {
    Subject::assertion(
        peer.map_or(Credential::Absent, Credential::Verified),
        token.map_or(Credential::Absent, |token| Credential::Verified(vec![token])),
    )
}

/// The values of the rule's requirements of one type.
fn wanted<K: Member + 'static, V: Clone>(rule: &Rule, values: impl Fn(&K) -> &[V]) -> Vec<V> {
    rule.requirements.each().flat_map(values).cloned().collect()
}

/// Peers that `rule` asks for; one that is none, where it asks for no peer. Nothing where no trust domain vouches for such a peer.
fn peers(rule: &Rule, denies: &[&Rule], domains: &[VouchingDomain]) -> Vec<Option<PeerIdentity>> {
    let own = &rule.requirements;
    if !own.has::<PeerPresent>() {
        return vec![None];
    }
    let denied: Vec<SpiffePattern> =
        denies.iter().flat_map(|deny| wanted(deny, |own: &PeerSpiffe| &own.0)).collect();
    let mut all: Vec<PeerFacts> =
        named_domains(rule, domains).flat_map(|domain| identities(rule, domain, &denied)).collect();
    let hosts: Vec<_> = wanted(rule, |own: &PeerDns| &own.0).iter().map(host).collect();
    all = with(all, &hosts, |facts, name| facts.dns.push(name));
    all = with(all, &wanted(rule, |own: &PeerUris| &own.0), |facts, name| facts.uris.push(name));
    let emails = wanted(rule, |own: &PeerEmails| &own.0);
    all = with(all, &emails, |facts, name| facts.emails.push(name));
    let subjects = wanted(rule, |own: &PeerSubjects| &own.0);
    all = with(all, &subjects, |facts, name| facts.subject = Some(name));
    let ips: Vec<_> = wanted(rule, |own: &PeerIps| &own.0).iter().flat_map(addresses).collect();
    all = with(all, &ips, |facts, name| facts.ips.push(name));
    all.into_iter().map(|facts| Some(PeerIdentity::assertion(facts, EvidenceLevel::Full))).collect()
}

/// The domains that the rule asks for.
fn named_domains<'a>(
    rule: &Rule,
    domains: &'a [VouchingDomain],
) -> impl Iterator<Item = &'a VouchingDomain> {
    let wanted: Vec<_> =
        rule.requirements.each::<PeerTrustDomain>().map(|own| own.0.clone()).collect();
    domains.iter().filter(move |domain| wanted.iter().all(|own| **own == *domain.name))
}

/// Peers of `domain` with the IDs that the rule asks for, or with any.
fn identities(rule: &Rule, domain: &VouchingDomain, denied: &[SpiffePattern]) -> Vec<PeerFacts> {
    let facts = |spiffe: Option<SpiffeId>| PeerFacts { spiffe, ..PeerFacts::of(&domain.name) };
    let Some(trust_domain) = &domain.spiffe else {
        return if rule.requirements.has::<PeerSpiffe>() { Vec::new() } else { vec![facts(None)] };
    };
    let mut patterns = wanted(rule, |own: &PeerSpiffe| &own.0);
    if patterns.is_empty() {
        patterns.extend(format!("spiffe://{trust_domain}/**").parse::<SpiffePattern>().ok());
    }
    let own = patterns.iter().filter(|pattern| pattern.trust_domain() == trust_domain);
    let ids = own.flat_map(|pattern| pattern.instances(denied));
    ids.take(MOST).map(|id| facts(Some(id))).collect()
}

/// Each of `all` with each of `values`; as it is where there are none.
fn with<T: Clone, V: Clone>(all: Vec<T>, values: &[V], set: impl Fn(&mut T, V)) -> Vec<T> {
    if values.is_empty() {
        return all;
    }
    let pairs = all.iter().flat_map(|own| values.iter().map(move |value| (own, value)));
    let changed = pairs.map(|(own, value)| {
        let mut own = own.clone();
        set(&mut own, value.clone());
        own
    });
    changed.take(MOST).collect()
}

fn host(pattern: &HostPattern) -> String {
    pattern.to_string().replace('*', OTHER)
}

/// The ends of a network: another network that has both has all of it.
fn addresses(network: &IpNet) -> Vec<String> {
    vec![network.network().to_string(), network.broadcast().to_string()]
}

/// Tokens that `rule` asks for; one that is none, where it asks for no token.
fn tokens(rule: &Rule, denies: &[&Rule]) -> Vec<Option<TokenIdentity>> {
    let own = &rule.requirements;
    if !own.has::<TokenPresent>() {
        return vec![None];
    }
    let mut all: Vec<(String, Map<String, Value>)> =
        own.issuers().iter().map(|issuer| (issuer.to_string(), Map::new())).collect();
    let lists = [
        ("sub", wanted(rule, |own: &TokenSubjects| &own.0)),
        ("client_id", wanted(rule, |own: &TokenClients| &own.0)),
        ("aud", wanted(rule, |own: &TokenAudiences| &own.0)),
    ];
    for (name, mut values) in lists {
        if values.is_empty() {
            values.push(OTHER.to_owned());
        }
        all = with(all, &values, |(_, claims), value| {
            drop(claims.insert(name.to_owned(), value.into()))
        });
    }
    for scopes in scopes(rule) {
        all = with(all, &scopes, |(_, claims), scope| add_scope(claims, &scope));
    }
    let acr = wanted(rule, |own: &TokenAcr| &own.0);
    all = with(all, &acr, |(_, claims), value| drop(claims.insert("acr".into(), value.into())));
    for matcher in own.each::<ClaimMatcher>() {
        all = with(all, &values(matcher), |(_, claims), value| {
            insert(claims, &matcher.pointer, value)
        });
    }
    // A claim that a deny rule looks at is absent, or has another value.
    let others = other_claims(denies, own.each::<ClaimMatcher>());
    all = with(all, &[false, true], |(_, claims), is_there| {
        others
            .iter()
            .filter(|_| is_there)
            .for_each(|pointer| insert(claims, pointer, json!(OTHER)));
    });
    let binding = binding(rule);
    let token = |(issuer, claims): (String, Map<String, Value>)| {
        TokenIdentity::assertion(&issuer, claims, binding).ok().map(Some)
    };
    all.into_iter().filter_map(token).collect()
}

/// For each scope that `rule` asks for, those that meet it: also the ones above it, where they stand for it.
fn scopes(rule: &Rule) -> Vec<Vec<String>> {
    let own = &rule.requirements;
    let all =
        own.each::<TokenScopes>().flat_map(|own| own.0.iter().map(|scope| own.1.all_for(scope)));
    let any = own.each::<TokenAnyScope>();
    let any = any.map(|own| own.0.iter().flat_map(|scope| own.1.all_for(scope)).collect());
    all.chain(any).collect()
}

fn add_scope(claims: &mut Map<String, Value>, scope: &str) {
    let before = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
    let all = format!("{before} {scope}");
    drop(claims.insert("scope".into(), all.trim().into()));
}

fn binding(rule: &Rule) -> Binding {
    let asks = rule.requirements.first::<TokenBinding>().map(|own| own.0);
    match asks.unwrap_or(BindingSpec::None) {
        BindingSpec::None => Binding::None,
        BindingSpec::Certificate => Binding::Certificate,
        BindingSpec::Dpop | BindingSpec::Any => Binding::Dpop,
    }
}

/// Values that meet the test of a claim; none for a claim that must be absent.
fn values(matcher: &ClaimMatcher) -> Vec<Value> {
    let value = |scalar: &Scalar| match scalar {
        Scalar::Text(text) => json!(text),
        Scalar::Int(int) => json!(i64::try_from(*int).unwrap_or_default()),
        Scalar::Bool(bool) => json!(bool),
    };
    match &matcher.test {
        ClaimTest::OneOf(scalars) => scalars.iter().map(value).collect(),
        ClaimTest::Contains(scalar) => vec![json!([value(scalar)])],
        ClaimTest::Exists(true) => vec![json!(OTHER)],
        ClaimTest::Exists(false) => Vec::new(),
    }
}

fn other_claims<'a>(
    denies: &'a [&Rule],
    own: impl Iterator<Item = &'a ClaimMatcher>,
) -> Vec<&'a str> {
    let own: Vec<&str> = own.map(|matcher| &*matcher.pointer).collect();
    let all = denies.iter().flat_map(|deny| deny.requirements.each::<ClaimMatcher>());
    all.map(|matcher| &*matcher.pointer).filter(|pointer| !own.contains(pointer)).collect()
}

/// Puts a value at a JSON pointer (RFC 6901). What is there stays, where it is no object.
fn insert(claims: &mut Map<String, Value>, pointer: &str, value: Value) {
    let mut keys: Vec<String> =
        pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
    let Some(last) = keys.pop() else { return };
    let mut place = claims;
    for key in keys {
        let next = place.entry(key).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(next) = next else { return };
        place = next;
    }
    place.insert(last, value);
}
