//! One suite being compiled, and where its problems go.

use std::collections::BTreeMap;

use crate::authn::{Credential, PeerIdentity, RejectedCookie, TokenIdentity};
use crate::clock::UnixTime;
use crate::document::{
    ClaimTypes, Code, Diagnostic, IssuerName, IssuerProfile, Kind, Origin, Spanned, closest,
};
use crate::reason::{Reason, Rejection};
use crate::request::SealedNames;

/// The time of cases that name none: 2026-01-01T00:00:00Z.
pub(super) const DEFAULT_NOW: UnixTime = UnixTime::from_secs(1_767_225_600);

/// The word for no peer and no token.
pub(super) const NO_CREDENTIAL: &str = "none";

pub(super) struct SuiteCompiler<'a> {
    pub(super) origin: &'a Origin,
    pub(super) issuers: &'a [KnownIssuer<'a>],
    /// The names of `TrustDomain` documents.
    pub(super) domains: &'a [&'a str],
    /// The names that carry credentials, which no rule sees.
    pub(super) sealed: &'a SealedNames,
    /// By name; none at all for one that has an error of its own.
    pub(super) peers: BTreeMap<&'a str, Credential<PeerIdentity>>,
    pub(super) tokens: BTreeMap<&'a str, Carried>,
    pub(super) problems: &'a mut Vec<Diagnostic>,
}

/// A `TokenIssuer` document, as far as suites refer to it.
#[derive(Clone, Debug)]
pub struct KnownIssuer<'a> {
    /// Its name.
    pub name: &'a str,
    /// The `iss` of its tokens; none where they may have any.
    pub iss: Option<IssuerName>,
    /// Its `clientClaim`, or that of its profile.
    pub client_claim: Option<&'a str>,
    /// The claims that its document lists; none where fixtures may have any.
    pub claims: Option<ClaimTypes>,
}

/// A token of a fixture.
#[derive(Clone, Debug)]
pub(super) enum Carried {
    Nothing,
    Verified(Box<TokenIdentity>),
    Rejected(Rejection),
    /// In a cookie, which a rule may ignore.
    Cookie(RejectedCookie),
    /// Of an issuer that no document names.
    Foreign(Rejection),
}

impl<'a> KnownIssuer<'a> {
    /// Of a document of this `profile`, and with this `issuer`.
    pub fn of(
        name: &'a str,
        profile: IssuerProfile,
        issuer: IssuerName,
        client_claim: Option<&'a str>,
    ) -> Self {
        let iss = Some(issuer).filter(|_| profile != IssuerProfile::JwtSvid);
        Self { name, iss, client_claim, claims: None }
    }
}

impl<'a> SuiteCompiler<'a> {
    pub(super) fn new(
        origin: &'a Origin,
        issuers: &'a [KnownIssuer<'a>],
        domains: &'a [&'a str],
        sealed: &'a SealedNames,
        problems: &'a mut Vec<Diagnostic>,
    ) -> Self {
        let (peers, tokens) = (BTreeMap::new(), BTreeMap::new());
        Self { origin, issuers, domains, sealed, peers, tokens, problems }
    }

    pub(super) fn moment(&mut self, text: &Spanned<String>) -> UnixTime {
        match UnixTime::from_rfc3339(&text.value) {
            Some(moment) => UnixTime::from_secs(moment.as_secs()),
            None => {
                let message = format!("`{}` is not a date and time with an offset", text.value);
                let help = String::from("write it as in `2026-01-31T12:00:00Z`");
                self.error(Code::InvalidTime, text, message, Some(help));
                DEFAULT_NOW
            }
        }
    }

    pub(super) fn reason(&mut self, code: &Spanned<String>) -> Option<Reason> {
        let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        self.known("reason code", Code::UnknownReason, code, &known);
        Reason::named(&code.value)
    }

    /// The issuer called `name`; a diagnostic where there is none.
    pub(super) fn issuer(&mut self, name: &Spanned<String>) -> Option<KnownIssuer<'a>> {
        let issuers = self.issuers;
        let names: Vec<&str> = issuers.iter().map(|issuer| issuer.name).collect();
        self.refers(Kind::TokenIssuer, Code::UnknownIssuer, name, &names);
        issuers.iter().find(|issuer| issuer.name == name.value).cloned()
    }

    /// Checks a reference to another document.
    pub(super) fn refers(
        &mut self,
        kind: Kind,
        code: Code,
        name: &Spanned<String>,
        known: &[&str],
    ) {
        let before = self.problems.len();
        self.known(&format!("{kind} document"), code, name, known);
        let problems = self.problems.drain(before..).collect::<Vec<_>>();
        let missing = problems.into_iter().map(|own| own.missing(kind, Some(&name.value)));
        self.problems.extend(missing);
    }

    pub(super) fn known(&mut self, what: &str, code: Code, name: &Spanned<String>, known: &[&str]) {
        let text = name.value.as_str();
        if known.contains(&text) {
            return;
        }
        let help = closest(text, known).map(|near| format!("did you mean `{near}`?"));
        self.error(code, name, format!("no {what} is called `{text}`"), help);
    }

    pub(super) fn warn<T>(
        &mut self,
        code: Code,
        place: &Spanned<T>,
        message: impl Into<String>,
        help: String,
    ) {
        let problem = Diagnostic::warning(code, self.origin.span(place), message);
        self.problems.push(problem.help(help));
    }

    pub(super) fn error<T>(
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
