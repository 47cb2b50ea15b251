//! The tour as data: requests, their callers, and the expected results.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::http1::Request;
use super::mint::{ISSUER, SUBJECT, Tokens};
use super::pki::{FRONTEND, HOST, Identity, Pki};
use countersign::policy::Effect;
use countersign::reason::Reason;

/// One request of the tour.
#[derive(Clone, Debug)]
pub(crate) struct Step<'a> {
    /// Its point.
    pub(crate) title: &'static str,
    /// The workload that presents its certificate.
    pub(crate) identity: Option<&'a Identity>,
    /// The name of the token that is sent.
    pub(crate) token: Option<&'static str>,
    pub(crate) request: Request,
    pub(crate) expected: Expected,
}

/// The expected result of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It goes upstream, by this rule, with the identity headers of `alice` and the frontend and no others.
    Allow { rule: &'static str },
    /// It does not go upstream, for this reason, with the status that belongs to the reason.
    Deny(Reason),
}

const LIST: &str = "/v1/orders";
const ORDER: &str = "/v1/orders/42";
const LISTED: Expected = Expected::Allow { rule: "web-lists-orders" };

pub(crate) fn steps<'a>(pki: &'a Pki, tokens: &Tokens) -> Vec<Step<'a>> {
    let mut steps = vec![
        Step::new("right certificate, right token", LISTED)
            .by(&pki.frontend)
            .with("bearer", &tokens.bearer),
        Step::at(
            ORDER,
            "token bound to the certificate",
            Expected::Allow { rule: "web-reads-order" },
        )
        .by(&pki.frontend)
        .with("bound", &tokens.bound),
    ];
    steps.extend(certificates(pki, tokens));
    steps.extend(credentials(pki, tokens));
    steps.extend(forgeries(pki, tokens));
    steps
}

/// The first step once more, after [`revoked`] is in force.
pub(crate) fn after_revocation<'a>(pki: &'a Pki, tokens: &Tokens) -> Step<'a> {
    Step::new("the same token, revoked", Expected::Deny(Reason::TokenRevoked))
        .by(&pki.frontend)
        .with("bearer", &tokens.bearer)
}

/// The last revocation, as the body for the revocation API.
pub(crate) fn revoked() -> Value {
    json!({ "sub": SUBJECT, "issuer": ISSUER, "reason": "laptop stolen", "author": "demo" })
}

/// A fault of the certificate evidence.
fn certificates<'a>(pki: &'a Pki, tokens: &Tokens) -> [Step<'a>; 3] {
    [
        Step::new("no certificate", Expected::Deny(Reason::PeerMissing)),
        Step::new("look-alike from a wrong CA", Expected::Deny(Reason::ChainUntrusted))
            .by(&pki.impostor),
        Step::new("expired certificate", Expected::Deny(Reason::CertExpired)).by(&pki.expired),
    ]
    .map(|step| step.with("bearer", &tokens.bearer))
}

fn credentials<'a>(pki: &'a Pki, tokens: &Tokens) -> [Step<'a>; 5] {
    let step = |title, reason| Step::new(title, Expected::Deny(reason)).by(&pki.frontend);
    [
        step("no token", Reason::TokenMissing),
        step("expired token", Reason::TokenExpired).with("expired", &tokens.expired),
        step("token for another audience", Reason::Audience)
            .with("other-audience", &tokens.other_audience),
        step("token without the scope", Reason::ScopeMissing).with("no-scope", &tokens.no_scope),
        Step::at(
            ORDER,
            "token stolen by another workload",
            Expected::Deny(Reason::BindingMismatch),
        )
        .by(&pki.reports)
        .with("bound", &tokens.bound),
    ]
}

fn forgeries<'a>(pki: &'a Pki, tokens: &Tokens) -> [Step<'a>; 3] {
    let climbing = "/v1/orders/%2e%2e/admin";
    [
        Step::new("spoofed x-subject and x-peer", LISTED)
            .by(&pki.frontend)
            .header("x-subject", "root@example.com")
            .header("X-Peer", "spiffe://prod.example/ns/admin/sa/root"),
        Step::new("forged x-forwarded-client-cert", Expected::Deny(Reason::PeerMissing))
            .header("x-forwarded-client-cert", &forged_xfcc(&pki.frontend)),
        Step::at(
            climbing,
            "path /v1/orders/%2e%2e/admin",
            Expected::Deny(Reason::PathNotCanonical),
        )
        .by(&pki.frontend),
    ]
    .map(|step| step.with("bearer", &tokens.bearer))
}

/// The header that Envoy writes for the frontend. Certificates are not secret, so anyone can copy one.
pub(crate) fn forged_xfcc(frontend: &Identity) -> String {
    let certificate = utf8_percent_encode(&frontend.pem(), NON_ALPHANUMERIC).to_string();
    let hash = frontend.fingerprint().to_hex();
    format!("Hash={hash};Cert=\"{certificate}\";Subject=\"CN=frontend\";URI={FRONTEND}")
}

impl<'a> Step<'a> {
    fn new(title: &'static str, expected: Expected) -> Self {
        Self::at(LIST, title, expected)
    }

    fn at(path: &str, title: &'static str, expected: Expected) -> Self {
        Self { title, identity: None, token: None, request: Request::get(HOST, path), expected }
    }

    const fn by(mut self, identity: &'a Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    fn with(mut self, name: &'static str, token: &str) -> Self {
        self.token = Some(name);
        self.request = self.request.bearer(token);
        self
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// The certificate and the token, in a few words.
    pub(crate) fn credentials(&self) -> String {
        let certificate = self.identity.map_or("no certificate", Identity::name);
        format!("{certificate}, {}", self.token.unwrap_or("no token"))
    }
}

impl Expected {
    pub(crate) const fn decision(self) -> Effect {
        match self {
            Self::Allow { .. } => Effect::Allow,
            Self::Deny(_) => Effect::Deny,
        }
    }

    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Allow { .. } => 200,
            Self::Deny(reason) => reason.client_answer().status(),
        }
    }
}
