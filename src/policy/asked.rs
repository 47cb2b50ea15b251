//! One check as it was put to one request: what the rule wants there, what was found, and what would have to change. Worked
//! out only for somebody who wants to see it.
//!
//! Every check is matched by name, so that a new one cannot be left out of what `explain` tells.

use std::collections::BTreeSet;

use crate::authn::{Binding, PeerIdentity, TokenIdentity};
use crate::document::policy::BindingSpec;
use crate::policy::DecisionRequest;
use crate::policy::check::Check;
use crate::policy::compile::compiled_rule::Fit;
use crate::policy::model::decision::RuleName;
use crate::policy::model::schedule::moment;
use crate::policy::requirement::condition::Operand;
use crate::policy::requirement::missing::Gaps;
use crate::policy::requirement::observation::{Fact, Sight};
use crate::policy::requirement::variable::Variable;
use crate::request::{HeaderValue, Headers};

/// A check of a rule, put to a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    fit: Fit<'a>,
    question: &'a DecisionRequest<'a>,
    check: Check<'a>,
    gaps: Gaps,
}

// === impl Asked ===

impl<'a> Asked<'a> {
    pub(in crate::policy) const fn new(
        fit: Fit<'a>,
        question: &'a DecisionRequest<'a>,
        check: Check<'a>,
        gaps: Gaps,
    ) -> Self {
        Self { fit, question, check, gaps }
    }

    /// Whose check it is.
    #[must_use]
    pub const fn rule(&self) -> &'a RuleName {
        &self.fit.rule.name
    }

    /// Which it is.
    #[must_use]
    pub const fn check(&self) -> Check<'a> {
        self.check
    }

    /// Whether everything that it is about was recorded.
    pub(in crate::policy) fn is_recorded(&self) -> bool {
        let missing = |datum| self.gaps.cover(datum);
        match (self.gaps == Gaps::NONE, self.check) {
            (true, _) => true,
            (false, Check::Inject(own)) => {
                !own.template.variables().filter_map(Variable::datum).any(missing)
            }
            (false, check) => !check.datum().is_some_and(missing),
        }
    }

    /// What the rule wants there, as its document says it.
    #[must_use]
    pub fn wanted(&self) -> Vec<String> {
        let rule = self.fit.rule;
        let (peer, token) = (rule.peer.as_ref(), rule.token.as_ref());
        match self.check {
            Check::During => rule.during.iter().map(ToString::to_string).collect(),
            Check::Source => rule.source.iter().map(ToString::to_string).collect(),
            Check::Destination => rule.destination.iter().map(ToString::to_string).collect(),
            Check::ServerName => rule.sni.iter().map(ToString::to_string).collect(),
            Check::HostIsServerName => vec![String::from("the request's host")],
            Check::ContextExtension(name) => {
                let own = rule.context_extensions.iter().filter(|(own, _)| **own == *name);
                own.map(|(_, value)| value.to_string()).collect()
            }
            Check::Header(own) => vec![own.test.to_string()],
            Check::Query(own) => vec![own.test.to_string()],
            Check::PeerPresent => Vec::new(),
            Check::PeerTrustDomain(name) | Check::TokenPresent(name) => vec![name.to_owned()],
            Check::PeerSpiffe => texts(peer.map(|peer| &*peer.spiffe)),
            Check::PeerDns => texts(peer.map(|peer| &*peer.dns)),
            Check::PeerUri => texts(peer.map(|peer| &*peer.uris)),
            Check::PeerEmail => texts(peer.map(|peer| &*peer.emails)),
            Check::PeerIp => texts(peer.map(|peer| &*peer.ips)),
            Check::PeerSubject => texts(peer.map(|peer| &*peer.subjects)),
            Check::PeerEvidence(level) => vec![level.to_string()],
            Check::TokenBinding(binding) => vec![String::from(bound_as(binding))],
            Check::TokenPresenterKnown(level) => vec![level.to_string()],
            Check::TokenPresenter(pointer) => vec![format!("the peer, named by `{pointer}`")],
            Check::TokenAudience => texts(token.map(|token| &*token.audiences)),
            Check::TokenSubject => texts(token.map(|token| &*token.subjects)),
            Check::TokenClient => texts(token.map(|token| &*token.clients)),
            Check::TokenClaim(own) => vec![own.test.to_string()],
            Check::TokenScopes(scopes) | Check::TokenAnyScope(scopes) => scopes.to_vec(),
            Check::TokenAcr(step_up) => step_up.acr.to_vec(),
            Check::TokenAge(step_up) => {
                step_up.max_age.iter().map(|age| format!("{} s", age.as_secs())).collect()
            }
            Check::Condition => rule.when.iter().map(|when| when.as_str().to_owned()).collect(),
            Check::Inject(own) => vec![own.template.text()],
        }
    }

    /// What is looked at, such as `token.scopes`.
    #[must_use]
    pub fn name(&self) -> String {
        if let Check::TokenAnyScope(_) = self.check {
            return String::from("token.anyScope");
        }
        let found = self.found().into_iter().next();
        found.map_or_else(|| String::from("when"), |fact| fact.name)
    }

    /// What was found there.
    #[must_use]
    pub fn found(&self) -> Vec<Fact> {
        let DecisionRequest { request, subject, .. } = self.question;
        let (peer, token) = (subject.peer().verified(), self.token());
        let one = |name: &str, sight| {
            let unrecorded = self.check.datum().is_some_and(|datum| self.gaps.cover(datum));
            vec![Fact::new(name, if unrecorded { Sight::NotRecorded } else { sight })]
        };
        let claim = |pointer: &str| {
            let found = Sight::json(token.and_then(|token| token.claim(pointer)));
            one(&format!("claim {pointer}"), found)
        };
        match self.check {
            Check::Source => {
                one("client.address", Sight::open(request.client_ip().map(|ip| ip.to_string())))
            }
            Check::During => one("now", Sight::open(Some(moment(self.question.now)))),
            Check::Destination => {
                let address = request.destination.address.map(|address| address.ip().to_string());
                one("destination", Sight::open(address))
            }
            Check::ServerName => one("connection.sni", Sight::open(request.sni.name())),
            Check::HostIsServerName => {
                let host = request.target.as_ref().ok().map(|target| target.host.as_str());
                let mut found = one("connection.sni", Sight::open(request.sni.name()));
                found.extend(one("request.host", Sight::open(host)));
                found
            }
            Check::ContextExtension(name) => {
                let value = request.context_extensions.get(name).cloned();
                one(&format!("context.{name}"), Sight::open(value))
            }
            Check::Header(own) => {
                // Of a name that upstreams may read as the same one, the value is looked at as well.
                let name = &*own.name;
                let spelled = request.headers.spellings(name).map(|(own, _)| own);
                let names: BTreeSet<&str> = spelled.filter(|own| *own != name).collect();
                let names = std::iter::once(name).chain(names);
                let fact = |own| one(&format!("header {own}"), lines(&request.headers, own));
                names.flat_map(fact).collect()
            }
            Check::Query(own) => {
                let query = request.target.as_ref().ok().and_then(|t| t.query.as_deref());
                one(&format!("query {}", own.name), query.map_or(Sight::Absent, Sight::text))
            }
            Check::PeerPresent => one("peer", Sight::open(peer.map(named))),
            Check::PeerTrustDomain(_) => {
                let names = peer.map(|peer| peer.trust_domains().collect::<Vec<_>>().join(", "));
                one("peer.trustDomain", Sight::open(names))
            }
            Check::PeerSpiffe => {
                let id = peer.and_then(PeerIdentity::spiffe).map(ToString::to_string);
                one("peer.spiffe", Sight::open(id))
            }
            Check::PeerDns => one("peer.dns", list(peer.map(PeerIdentity::dns))),
            Check::PeerUri => one("peer.uris", list(peer.map(PeerIdentity::uris))),
            Check::PeerEmail => one("peer.emails", list(peer.map(PeerIdentity::emails))),
            Check::PeerIp => one("peer.ips", list(peer.map(PeerIdentity::ips))),
            Check::PeerSubject => {
                one("peer.subject", Sight::open(peer.and_then(PeerIdentity::subject)))
            }
            Check::PeerEvidence(_) => {
                one("peer.evidence", Sight::open(peer.map(|peer| peer.level().as_str())))
            }
            Check::TokenPresent(_) => one("token.issuers", self.issuers()),
            Check::TokenPresenterKnown(_) => {
                one("peer.evidence", Sight::open(peer.map(|peer| peer.level().as_str())))
            }
            Check::TokenPresenter(pointer) => {
                let mut found = claim(pointer);
                found.extend(one("peer", Sight::open(peer.map(named))));
                found
            }
            Check::TokenBinding(_) => {
                one("token.binding", Sight::open(token.map(|token| bound(token.binding()))))
            }
            Check::TokenAudience => {
                one("token.audiences", list(token.map(TokenIdentity::audiences)))
            }
            Check::TokenSubject => {
                one("token.sub", Sight::open(token.and_then(TokenIdentity::subject)))
            }
            Check::TokenClient => {
                one("token.client", Sight::open(token.and_then(TokenIdentity::client)))
            }
            Check::TokenClaim(own) => claim(&own.pointer),
            Check::TokenAcr(_) => claim("/acr"),
            Check::TokenAge(_) => claim("/auth_time"),
            Check::TokenScopes(_) | Check::TokenAnyScope(_) => {
                one("token.scopes", list(token.map(TokenIdentity::scopes)))
            }
            // Each operand tells what it reads.
            Check::Condition => Vec::new(),
            Check::Inject(own) => {
                let sight = if self.is_recorded() { Sight::Unreadable } else { Sight::NotRecorded };
                vec![Fact::new(format!("value for {}", own.name), sight)]
            }
        }
    }

    /// The parts of the condition; nothing for other checks.
    #[must_use]
    pub fn operands(&self) -> Vec<Operand> {
        let condition = self.fit.rule.when.as_ref().filter(|_| self.check == Check::Condition);
        let facts = self.fit.facts(self.question, self.gaps);
        condition.map(|condition| condition.operands(&facts)).unwrap_or_default()
    }

    pub(in crate::policy) fn has_scope(&self, scope: &String) -> bool {
        self.token().is_some_and(|token| token.scopes().contains(scope))
    }

    fn token(&self) -> Option<&'a TokenIdentity> {
        let wanted = self.fit.rule.token.as_ref()?;
        self.question.subject.token(&wanted.issuer)
    }

    fn issuers(&self) -> Sight {
        let tokens = self.question.subject.tokens().verified().into_iter().flatten();
        let names: Vec<_> = tokens.map(|token| token.issuer_name().to_owned()).collect();
        Sight::list(&names)
    }
}

fn texts<T: ToString>(values: Option<&[T]>) -> Vec<String> {
    values.unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn list(values: Option<&[String]>) -> Sight {
    Sight::list(values.unwrap_or_default())
}

/// All lines of a header.
fn lines(headers: &Headers, name: &str) -> Sight {
    let lines: Option<Vec<&str>> =
        headers.all(name).map(|line| HeaderValue::as_str(line).ok()).collect();
    match lines {
        None => Sight::Unreadable,
        Some(lines) if lines.is_empty() => Sight::Absent,
        Some(lines) => Sight::text(&lines.join(", ")),
    }
}

/// The name that a peer is best known by.
fn named(peer: &PeerIdentity) -> String {
    let spiffe = peer.spiffe().map(ToString::to_string);
    let name = spiffe.or_else(|| peer.dns().first().cloned());
    name.or_else(|| peer.subject().map(str::to_owned)).unwrap_or_else(|| String::from("verified"))
}

const fn bound_as(binding: BindingSpec) -> &'static str {
    match binding {
        BindingSpec::None => "none",
        BindingSpec::Certificate => "certificate",
        BindingSpec::Dpop => "dpop",
        BindingSpec::Any => "certificate or dpop",
    }
}

const fn bound(binding: Binding) -> &'static str {
    match binding {
        Binding::None => "none",
        Binding::Certificate => "certificate",
        Binding::Dpop => "dpop",
    }
}
