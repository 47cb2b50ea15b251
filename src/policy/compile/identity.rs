//! The requirements of a rule for its caller: the peer on the wire and the token that it carries.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::compiler::{CompileProblem, PolicyCompiler, check_pointer, coded, problem};
use super::fragment_store::{PEER, TOKEN};
use super::request::read_network;
use crate::document::policy::{
    BindingSpec, ClaimSpec, PeerSpec, ScopeForm, Texts, TokenSignal, TokenSpec,
};
use crate::document::{BindSpec, Code, HumanDuration, Kind, OneOrMore, Spanned, not_plain};
use crate::evidence_level::EvidenceLevel;
use crate::identity_map::IdentityMap;
use crate::policy::model::{ClaimMatcher, ClaimTest, HostPattern, Scalar};
use crate::policy::requirement::list::AnyRequirement;
use crate::policy::requirement::peer::{
    PeerDns, PeerEmails, PeerEvidenceLevel, PeerIps, PeerSpiffe, PeerSubjects, PeerTrustDomain,
    PeerUris,
};
use crate::policy::requirement::signals::TokenSignals;
use crate::policy::requirement::step_up::{TokenAcr, TokenMaxAge};
use crate::policy::requirement::token::{
    PresenterKnown, PresenterNamed, RequiredBinding, TokenAnyScope, TokenAudiences, TokenBinding,
    TokenClients, TokenPresent, TokenScopes, TokenSubjects,
};
use crate::spiffe::SpiffePattern;

impl PolicyCompiler<'_, '_> {
    pub(super) fn peer(&mut self, spec: &Spanned<PeerSpec>) -> Vec<AnyRequirement> {
        let PeerSpec {
            fragment,
            any,
            spiffe,
            trust_domain,
            dns,
            uris,
            emails,
            ips,
            subjects,
            evidence,
        } = &spec.value;
        let names = [spiffe, dns, uris, emails, ips, subjects];
        let names_peers =
            fragment.is_some() || trust_domain.is_some() || names.into_iter().any(Option::is_some);
        let any = any.as_ref().filter(|any| any.value);
        if any.is_none() && !names_peers {
            let help =
                "list `spiffe`, `dns` or `trustDomain`, or say `any: true` for every verified peer";
            self.error_with(Code::MissingPeer, spec, "`peer` does not say which peers", help);
        }
        if let (Some(any), true) = (any, names_peers) {
            let message = "`any: true` contradicts the names beside it";
            self.error_with(Code::Contradiction, any, message, "remove `any`");
        }
        if let Some(name) = trust_domain {
            self.refers(Kind::TrustDomain, Code::UnknownTrustDomain, name, self.names.domains);
        }
        let mut own: Vec<AnyRequirement> = Vec::new();
        own.extend(
            trust_domain.as_ref().map(|name| PeerTrustDomain(name.value.as_str().into()).into()),
        );
        own.extend(self.listed(spiffe.as_ref(), "spiffe", read_spiffe, PeerSpiffe));
        own.extend(self.listed(dns.as_ref(), "dns", |text: &String| read_dns(text), PeerDns));
        own.extend(self.named(uris.as_ref(), "uris", check_uri, PeerUris));
        own.extend(self.named(emails.as_ref(), "emails", check_email, PeerEmails));
        own.extend(self.listed(ips.as_ref(), "ips", read_certificate_network, PeerIps));
        own.extend(self.named(subjects.as_ref(), "subjects", check_subject, PeerSubjects));
        own.extend(evidence.as_ref().map(|level| PeerEvidenceLevel(level.value).into()));
        match fragment {
            Some(name) => self.with_fragment(own, &self.fragments.peers, name, PEER),
            None => own,
        }
    }

    pub(super) fn token(&mut self, place: &Spanned<TokenSpec>) -> Vec<AnyRequirement> {
        let spec = &place.value;
        if spec.issuer.is_none() && spec.fragment.is_none() {
            let help = "name the `TokenIssuer` document whose tokens count";
            self.error_with(Code::MissingIssuer, place, "`token` names no `issuer`", help);
        }
        let claims = spec.claims.as_ref();
        if let Some(empty) = claims.filter(|claims| claims.value.is_empty()) {
            let help = "list what is meant, or remove `claims`";
            self.error_with(Code::EmptyList, empty, "`claims` is empty", help);
        }
        let claims = claims.map(|claims| claims.value.as_slice()).unwrap_or_default();
        self.claims_are_known(spec);
        let mut own: Vec<AnyRequirement> = Vec::new();
        own.extend(spec.issuer.as_ref().map(|names| self.issuers(names).into()));
        let form = self.scope_form(spec);
        let (all, any) = (|own| TokenScopes(own, form), |own| TokenAnyScope(own, form));
        own.extend(self.listed(spec.scopes.as_ref(), "scopes", read_scope, all));
        own.extend(self.listed(spec.any_scope.as_ref(), "anyScope", read_scope, any));
        let any = |_: &str| Ok(());
        own.extend(self.named(spec.audiences.as_ref(), "audiences", any, TokenAudiences));
        own.extend(self.named(spec.subjects.as_ref(), "subjects", any, TokenSubjects));
        own.extend(self.named(spec.clients.as_ref(), "clients", any, TokenClients));
        own.extend(claims.iter().filter_map(|claim| self.claim(claim)).map(AnyRequirement::from));
        own.extend(self.listed(spec.acr.as_ref(), "acr", read_acr, TokenAcr));
        let age = spec.max_age.as_ref().and_then(|age| self.max_age(age));
        own.extend(age.map(|age| TokenMaxAge(age).into()));
        let signal = |own: &TokenSignal| Ok(*own);
        own.extend(self.listed(spec.signals.as_ref(), "signals", signal, TokenSignals));
        let binding = spec.binding.as_ref().map(|binding| binding.value).unwrap_or_default();
        if binding != BindingSpec::None {
            own.push(TokenBinding(binding).into());
        }
        if let Some(bind) = spec.bind.as_ref().and_then(|bind| self.bind(&bind.value)) {
            own.extend([PresenterKnown(Arc::clone(&bind)).into(), PresenterNamed(bind).into()]);
        }
        match &spec.fragment {
            Some(name) => self.with_fragment(own, &self.fragments.tokens, name, TOKEN),
            None => own,
        }
    }

    /// The issuers of which a token counts, each of them a document.
    fn issuers(&mut self, names: &Spanned<OneOrMore>) -> TokenPresent {
        let mut known: Vec<Arc<str>> = Vec::new();
        for name in names.each() {
            self.refers(Kind::TokenIssuer, Code::UnknownIssuer, &name, self.names.issuers);
            match known.iter().any(|own| **own == *name.value) {
                true => {
                    let message = format!("issuer `{}` is in the list twice", name.value);
                    self.error_with(Code::Contradiction, &name, message, "remove one of the two");
                }
                false => known.push(name.value.into()),
            }
        }
        if known.is_empty() {
            let help = "name the `TokenIssuer` documents whose tokens count";
            self.error_with(
                Code::EmptyList,
                names,
                "`issuer` is empty, so nothing can match",
                help,
            );
        }
        TokenPresent(known.into())
    }

    fn scope_form(&mut self, spec: &TokenSpec) -> ScopeForm {
        let Some(form) = &spec.scope_form else { return ScopeForm::default() };
        if spec.scopes.is_none() && spec.any_scope.is_none() {
            let message = "`scopeForm` is about `scopes` and `anyScope`, and neither is here";
            let help = "write it beside the scopes that it is about, or remove it";
            self.error_with(Code::EmptyList, form, message, help);
        }
        form.value
    }

    fn bind(&mut self, spec: &BindSpec) -> Option<Arc<RequiredBinding>> {
        let BindSpec { claim, form, to, map, evidence } = spec;
        let form = form.as_ref().map(|form| form.value.as_str());
        let map = map.as_ref().map(|map| map.value.as_str());
        match IdentityMap::parse(&claim.value, form, &to.value, map) {
            Ok(map) => {
                let evidence = evidence.unwrap_or(EvidenceLevel::Hash);
                Some(Arc::new(RequiredBinding { map, evidence }))
            }
            Err(error) => {
                let place = spec.field(error.field);
                self.error_with(Code::InvalidBind, place, error.message, error.help);
                None
            }
        }
    }

    fn max_age(&mut self, age: &Spanned<HumanDuration>) -> Option<Duration> {
        // A challenge says it in whole seconds (RFC 9470 section 3).
        if age.value.get() < Duration::from_secs(1) {
            let help = "write how long ago the user may have authenticated, such as `5m`";
            self.error_with(Code::InvalidValue, age, "`maxAge` is less than a second", help);
            return None;
        }
        Some(age.value.get())
    }

    /// The requirement that `make` makes of names that are compared whole.
    fn named<R: Into<AnyRequirement>>(
        &mut self,
        texts: Option<&Spanned<Texts>>,
        key: &str,
        check: fn(&str) -> Result<(), CompileProblem>,
        make: fn(Box<[String]>) -> R,
    ) -> Option<AnyRequirement> {
        let read = |text: &String| {
            if text.is_empty() {
                return Err((Code::InvalidValue, String::from("the value is empty"), None));
            }
            if let Some(why) = not_plain(text) {
                let message =
                    format!("`{}` {why}, and values are compared whole", text.escape_debug());
                return Err(problem(Code::InvalidValue, message, "write the bare value"));
            }
            check(text)?;
            if text.contains('*') {
                let help = "list each value; values are compared whole";
                let message = format!("`{text}` has a `*`, which is no wildcard here");
                return Err(problem(Code::InvalidValue, message, help));
            }
            Ok(text.clone())
        };
        self.listed(texts, key, read, make)
    }

    fn claim(&mut self, spec: &Spanned<ClaimSpec>) -> Option<ClaimMatcher> {
        let ClaimSpec { pointer, equals, one_of, contains, exists } = &spec.value;
        if let Err(problem) = check_pointer(&pointer.value) {
            self.report(pointer, problem);
        }
        let test = match (equals, one_of, contains, exists) {
            (Some(value), None, None, None) => ClaimTest::OneOf([self.scalar(value)?].into()),
            (None, Some(values), None, None) => {
                let scalars: Vec<Scalar> = self.each(Some(values), "in", read_scalar);
                self.same_kind(values, &scalars);
                ClaimTest::OneOf(scalars.into())
            }
            (None, None, Some(value), None) => ClaimTest::Contains(self.scalar(value)?),
            (None, None, None, Some(exists)) => ClaimTest::Exists(exists.value),
            _ => {
                let message = "a claim condition needs exactly one of `equals`, `in`, `contains` and `exists`";
                let help = "`equals`: it is this; `in`: it is one of these; `contains`: it is a list that has this; \
                            several conditions are entries of their own";
                self.error_with(Code::OneOf, spec, message, help);
                return None;
            }
        };
        Some(ClaimMatcher { pointer: pointer.value.as_str().into(), test })
    }

    fn scalar(&mut self, value: &Spanned<serde_json::Value>) -> Option<Scalar> {
        read_scalar(&value.value).map_err(|problem| self.report(value, problem)).ok()
    }

    fn same_kind<T>(&mut self, place: &Spanned<T>, scalars: &[Scalar]) {
        let Some(first) = scalars.first().map(Scalar::kind) else { return };
        if let Some(other) = scalars.iter().map(Scalar::kind).find(|kind| *kind != first) {
            let message = format!("values are of different kinds: {first} and {other}");
            let help =
                "a claim is compared with values of its own kind; quote numbers that are texts";
            self.error_with(Code::InvalidValue, place, message, help);
        }
    }
}

/// RFC 5280 section 4.2.1.6: a URI of a certificate has a scheme.
fn check_uri(text: &str) -> Result<(), CompileProblem> {
    let scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    let has_scheme = text.split_once(':').is_some_and(|(own, _)| scheme(own));
    if has_scheme && text.is_ascii() && !text.contains(' ') {
        return Ok(());
    }
    let message = format!("`{text}` is not a URI that a certificate can have");
    let help = "write it whole, with its scheme, as in `https://partner.example/workload`";
    Err(problem(Code::InvalidValue, message, help))
}

/// RFC 5280 section 4.2.1.6: `local-part@host`, without a name, a comment or brackets.
fn check_email(text: &str) -> Result<(), CompileProblem> {
    let parts = text.rsplit_once('@');
    let is_plain = parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty())
        && !text.contains([' ', '<', '>', ',', ':', '(']);
    if is_plain {
        return Ok(());
    }
    let message = format!("`{text}` is not an e-mail address that a certificate can have");
    Err(problem(Code::InvalidValue, message, "write it alone, as in `ops@partner.example`"))
}

/// RFC 4514 section 2: `CN=gateway,O=Partner`, as subjects are compared.
fn check_subject(text: &str) -> Result<(), CompileProblem> {
    let wrong = |why: &str, near: String| {
        let message = format!("`{text}` is not a subject as they are compared: {why}");
        Err((Code::InvalidValue, message, Some(near)))
    };
    if let Some(rest) = text.strip_prefix('/').filter(|rest| rest.contains('=')) {
        let parts: Vec<_> = rest.rsplit('/').collect();
        let near = format!("did you mean `{}`?", parts.join(","));
        return wrong("it is in the one-line form of OpenSSL", near);
    }
    let unescaped =
        |at: &(usize, char)| text.get(..at.0).is_some_and(|before| !before.ends_with('\\'));
    let spaced = text.contains(" = ")
        || text.char_indices().filter(|(_, c)| *c == ',').any(|at| {
            unescaped(&at) && text.get(at.0..).is_some_and(|rest| rest.starts_with(", "))
        });
    if spaced {
        let near = text.replace(" = ", "=").replace(", ", ",");
        return wrong("it has spaces around its separators", format!("did you mean `{near}`?"));
    }
    let mut before = ' ';
    let parts = text.split(|c: char| {
        let separates = matches!(c, ',' | '+') && before != '\\';
        before = c;
        separates
    });
    for part in parts {
        let Some((kind, _)) = part.split_once('=').filter(|(kind, _)| !kind.is_empty()) else {
            let help = "write it as `countersign inspect` shows it, as in `CN=gateway,O=Partner`";
            return wrong(&format!("`{part}` has no kind of name and `=`"), help.to_owned());
        };
        let near = KINDS.iter().find(|(own, others)| {
            *own != kind && (own.eq_ignore_ascii_case(kind) || others.contains(&kind))
        });
        if let Some((own, _)) = near {
            return wrong(&format!("`{kind}` is called `{own}`"), format!("write `{own}=`"));
        }
    }
    Ok(())
}

/// The kinds of names as subjects have them, each with other spellings of it.
const KINDS: [(&str, &[&str]); 13] = [
    ("CN", &["2.5.4.3", "commonName"]),
    ("serialNumber", &["2.5.4.5", "SN"]),
    ("C", &["2.5.4.6", "countryName"]),
    ("L", &["2.5.4.7", "localityName"]),
    ("ST", &["2.5.4.8", "S", "stateOrProvinceName"]),
    ("STREET", &["2.5.4.9", "streetAddress"]),
    ("O", &["2.5.4.10", "organizationName"]),
    ("OU", &["2.5.4.11", "organizationalUnitName"]),
    ("title", &["2.5.4.12", "T"]),
    ("postalCode", &["2.5.4.17"]),
    ("UID", &["0.9.2342.19200300.100.1.1", "userId"]),
    ("DC", &["0.9.2342.19200300.100.1.25", "domainComponent"]),
    ("emailAddress", &["1.2.840.113549.1.9.1", "E", "EMAIL"]),
];

fn read_spiffe(text: &String) -> Result<SpiffePattern, CompileProblem> {
    text.parse().map_err(|why| {
        let message = format!("`{text}` is not a SPIFFE ID pattern: {why}");
        let help =
            "write `spiffe://trust-domain/path`, with `*` for one segment and `**` for the rest";
        problem(Code::InvalidSpiffe, message, help)
    })
}

fn read_dns(text: &str) -> Result<HostPattern, CompileProblem> {
    if text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        let message = format!("`{text}` is an address, and no DNS name of a certificate is one");
        return Err((Code::InvalidDns, message, None));
    }
    HostPattern::parse(text).map_err(coded(Code::InvalidDns))
}

/// No certificate that is accepted has an IPv4 address as an IPv6 one.
fn read_certificate_network(text: &String) -> Result<IpNet, CompileProblem> {
    let network = read_network(text)?;
    match network {
        IpNet::V6(block) if block.prefix_len() >= 96 && block.addr().to_ipv4_mapped().is_some() => {
            let message =
                format!("`{text}` is IPv4 mapped into IPv6, which no certificate may have");
            Err(problem(Code::InvalidNetwork, message, "write the IPv4 address or block"))
        }
        IpNet::V4(_) | IpNet::V6(_) => Ok(network),
    }
}

/// RFC 6749 section 3.3: visible ASCII without `"` and `\`; a space separates scopes (P57).
fn read_scope(text: &String) -> Result<String, CompileProblem> {
    if text.contains(' ') {
        let message = format!("`{text}` is several scopes");
        return Err(problem(Code::InvalidScope, message, "list each scope as an entry of its own"));
    }
    if text.contains('*') {
        let message = format!("scope `{text}` has a `*`, which is no wildcard here");
        let help = "list each scope; where a token may have `orders:*`, add `scopeForm: wildcard`";
        return Err(problem(Code::InvalidScope, message, help));
    }
    let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if text.is_empty() || !text.bytes().all(allowed) {
        return Err((Code::InvalidScope, format!("`{text}` is not a scope"), None));
    }
    Ok(text.clone())
}

/// The values of a challenge are set apart by spaces in a quoted string, as scopes are.
fn read_acr(text: &String) -> Result<String, CompileProblem> {
    let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if text.is_empty() || text.contains('*') || !text.bytes().all(allowed) {
        let message = format!("`{text}` is not a value of `acr`");
        let help = "list each value of `acr` as an entry of its own";
        return Err(problem(Code::InvalidAcr, message, help));
    }
    Ok(text.clone())
}

fn read_scalar(value: &serde_json::Value) -> Result<Scalar, CompileProblem> {
    Scalar::read(value).ok_or_else(|| {
        let help = "claims are compared with text, whole numbers, `true` and `false`; for one of several there is `in`, for an \
                    element of a list `contains`";
        problem(Code::InvalidValue, "claims cannot be compared with this value", help)
    })
}
