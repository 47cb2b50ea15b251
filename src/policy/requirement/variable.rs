//! The variables of templates: what each is called, what a rule must ask for so that it has a value, and its value.

use serde_json::Value;
use std::borrow::Cow;

use super::context::CheckContext;
use super::missing::RecordField;
use crate::authn::TokenIdentity;
use crate::json::is_exact;

/// A variable, such as `token.sub`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Variable {
    TokenSubject,
    TokenClient,
    TokenIssuer,
    TokenTenant,
    TokenId,
    /// By JSON pointer (RFC 6901).
    TokenClaim(Box<str>),
    PeerSpiffe,
    PeerDns,
    PeerIps,
    PeerTrustDomain,
    RequestMethod,
    RequestHost,
    /// By the name of the capture.
    RequestPath(Box<str>),
    DecisionPolicy,
    DecisionRule,
    DecisionId,
}

/// The value of a variable, before it is known to be safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Found<'a> {
    /// There is none.
    Nothing,
    /// One text.
    One(Cow<'a, str>),
    /// Several texts, to be joined by commas.
    Several(Vec<String>),
    /// Something that has no form as one line of text.
    Formless,
    /// A number of which not every digit is known.
    Rounded,
    /// One of several, and which is meant cannot be determined.
    Ambiguous,
}

/// Variables without a parameter.
const PLAIN: [(&str, Variable); 14] = [
    ("token.sub", Variable::TokenSubject),
    ("token.client", Variable::TokenClient),
    ("token.iss", Variable::TokenIssuer),
    ("token.tenant", Variable::TokenTenant),
    ("token.jti", Variable::TokenId),
    ("peer.spiffe", Variable::PeerSpiffe),
    ("peer.dns", Variable::PeerDns),
    ("peer.ips", Variable::PeerIps),
    ("peer.trustDomain", Variable::PeerTrustDomain),
    ("request.method", Variable::RequestMethod),
    ("request.host", Variable::RequestHost),
    ("decision.policy", Variable::DecisionPolicy),
    ("decision.rule", Variable::DecisionRule),
    ("decision.id", Variable::DecisionId),
];

/// Every form of a variable, for error messages.
pub(in crate::policy) const FORMS: [&str; 16] = [
    "token.sub",
    "token.client",
    "token.iss",
    "token.tenant",
    "token.jti",
    "token.claims./pointer",
    "peer.spiffe",
    "peer.dns",
    "peer.ips",
    "peer.trustDomain",
    "request.method",
    "request.host",
    "request.path.capture",
    "decision.policy",
    "decision.rule",
    "decision.id",
];

impl Variable {
    /// Reads the text between the braces.
    pub(in crate::policy) fn parse(text: &str) -> Option<Self> {
        if let Some(pointer) = text.strip_prefix("token.claims.") {
            return pointer.starts_with('/').then(|| Self::TokenClaim(pointer.into()));
        }
        if let Some(capture) = text.strip_prefix("request.path.") {
            return (!capture.is_empty()).then(|| Self::RequestPath(capture.into()));
        }
        PLAIN.iter().find(|(name, _)| *name == text).map(|(_, variable)| variable.clone())
    }

    /// Its name, as documents write it.
    pub(in crate::policy) fn name(&self) -> String {
        if let Self::TokenClaim(pointer) = self {
            return format!("token.claims.{pointer}");
        }
        if let Self::RequestPath(capture) = self {
            return format!("request.path.{capture}");
        }
        PLAIN.iter().find(|(_, own)| own == self).map_or("", |(name, _)| *name).to_owned()
    }

    /// Whether it is about the token.
    pub(in crate::policy) const fn needs_token(&self) -> bool {
        matches!(
            self,
            Self::TokenSubject
                | Self::TokenClient
                | Self::TokenIssuer
                | Self::TokenTenant
                | Self::TokenId
                | Self::TokenClaim(_)
        )
    }

    /// Whether it is about the peer.
    pub(in crate::policy) const fn needs_peer(&self) -> bool {
        matches!(self, Self::PeerSpiffe | Self::PeerDns | Self::PeerIps | Self::PeerTrustDomain)
    }

    /// The capture it is about.
    pub(in crate::policy) fn needs_capture(&self) -> Option<&str> {
        match self {
            Self::RequestPath(name) => Some(name),
            Self::TokenSubject
            | Self::TokenClient
            | Self::TokenIssuer
            | Self::TokenTenant
            | Self::TokenId
            | Self::TokenClaim(_)
            | Self::PeerSpiffe
            | Self::PeerDns
            | Self::PeerIps
            | Self::PeerTrustDomain
            | Self::RequestMethod
            | Self::RequestHost
            | Self::DecisionPolicy
            | Self::DecisionRule
            | Self::DecisionId => None,
        }
    }

    /// The data that a record must hold so that it can be determined.
    pub(in crate::policy) fn record_field(&self) -> Option<RecordField> {
        match self {
            Self::TokenId => Some(RecordField::TokenId),
            Self::TokenClaim(pointer) => RecordField::of_claim(pointer),
            Self::PeerDns | Self::PeerIps => Some(RecordField::PeerNames),
            Self::TokenSubject
            | Self::TokenClient
            | Self::TokenIssuer
            | Self::TokenTenant
            | Self::PeerSpiffe
            | Self::PeerTrustDomain
            | Self::RequestMethod
            | Self::RequestHost
            | Self::RequestPath(_)
            | Self::DecisionPolicy
            | Self::DecisionRule
            | Self::DecisionId => None,
        }
    }

    /// Whether it has several values of which one is meant, and which cannot be determined.
    pub(in crate::policy) fn is_ambiguous(&self, cx: &CheckContext<'_>) -> bool {
        matches!(self.find(cx), Found::Ambiguous)
    }

    /// Its value as JSON: a claim as it is, everything else as text or a list of texts.
    pub(in crate::policy) fn find_value(&self, cx: &CheckContext<'_>) -> Option<Value> {
        if let Self::TokenClaim(pointer) = self {
            let claim = cx.token.and_then(|token| token.claim(pointer));
            return claim.filter(|claim| !claim.is_null()).cloned();
        }
        match self.find(cx) {
            Found::One(text) if !text.is_empty() => Some(Value::String(text.into_owned())),
            Found::Several(texts) if !texts.is_empty() => Some(texts.into()),
            Found::Nothing
            | Found::Formless
            | Found::Rounded
            | Found::Ambiguous
            | Found::One(_)
            | Found::Several(_) => None,
        }
    }

    /// Its value.
    pub(in crate::policy) fn find<'a>(&self, cx: &CheckContext<'a>) -> Found<'a> {
        let target = cx.request.target.as_ref().ok();
        match self {
            Self::TokenSubject => cx.token.and_then(TokenIdentity::subject).into(),
            Self::TokenClient => cx.token.and_then(TokenIdentity::client).into(),
            Self::TokenIssuer => cx.token.map(TokenIdentity::issuer).into(),
            Self::TokenTenant => cx.token.and_then(TokenIdentity::tenant).into(),
            Self::TokenId => cx.token.and_then(TokenIdentity::token_id).into(),
            Self::TokenClaim(pointer) => {
                cx.token.and_then(|token| token.claim(pointer)).map_or(Found::Nothing, of_claim)
            }
            Self::PeerSpiffe => {
                cx.peer.and_then(|peer| peer.spiffe.as_ref()).map(|id| id.as_str()).into()
            }
            Self::PeerDns => {
                Found::Several(cx.peer.map(|peer| peer.dns.to_vec()).unwrap_or_default())
            }
            Self::PeerIps => {
                Found::Several(cx.peer.map(|peer| peer.ips.to_vec()).unwrap_or_default())
            }
            // Which of several is meant cannot be determined, so no value may take its place.
            Self::PeerTrustDomain if cx.peer.is_some() && cx.peer_trust_domain().is_none() => {
                Found::Ambiguous
            }
            Self::PeerTrustDomain => cx.peer_trust_domain().into(),
            Self::RequestMethod => Some(cx.request.method.as_str()).into(),
            Self::RequestHost => target.map(|target| target.host.as_str()).into(),
            Self::RequestPath(capture) => {
                let found = cx.template.zip(target);
                found.and_then(|(template, target)| template.capture(capture, &target.path)).into()
            }
            Self::DecisionPolicy => Some(&*cx.rule.policy).into(),
            Self::DecisionRule => Some(&*cx.rule.rule).into(),
            Self::DecisionId => Found::One(cx.id.to_string().into()),
        }
    }
}

impl<'a> From<Option<&'a str>> for Found<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Nothing, |text| Self::One(text.into()))
    }
}

fn of_claim(claim: &Value) -> Found<'_> {
    match claim {
        Value::Null => Found::Nothing,
        Value::Object(_) => Found::Formless,
        claim if !is_exact(claim) => Found::Rounded,
        Value::Array(elements) => elements
            .iter()
            .map(|element| scalar_text(element).map(Cow::into_owned))
            .collect::<Option<Vec<_>>>()
            .map_or(Found::Formless, Found::Several),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            scalar_text(claim).map_or(Found::Formless, Found::One)
        }
    }
}

fn scalar_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(bool) => Some(bool.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
