//! The variables of templates: what each is called, what a rule must ask for so that it has a value, and its value.

use serde_json::Value;
use std::borrow::Cow;

use super::context::CheckContext;
use super::missing::RecordField;
use crate::authn::TokenIdentity;
use crate::json::is_exact;

/// A variable, such as `token.sub`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum TemplateVariable {
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
pub(in crate::policy) enum VariableValue<'a> {
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
const PLAIN: [(&str, TemplateVariable); 14] = [
    ("token.sub", TemplateVariable::TokenSubject),
    ("token.client", TemplateVariable::TokenClient),
    ("token.iss", TemplateVariable::TokenIssuer),
    ("token.tenant", TemplateVariable::TokenTenant),
    ("token.jti", TemplateVariable::TokenId),
    ("peer.spiffe", TemplateVariable::PeerSpiffe),
    ("peer.dns", TemplateVariable::PeerDns),
    ("peer.ips", TemplateVariable::PeerIps),
    ("peer.trustDomain", TemplateVariable::PeerTrustDomain),
    ("request.method", TemplateVariable::RequestMethod),
    ("request.host", TemplateVariable::RequestHost),
    ("decision.policy", TemplateVariable::DecisionPolicy),
    ("decision.rule", TemplateVariable::DecisionRule),
    ("decision.id", TemplateVariable::DecisionId),
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

impl TemplateVariable {
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

    /// True if it is about the token.
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

    /// True if it is about the peer.
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
            Self::PeerTrustDomain => Some(RecordField::UnsureTrustDomains),
            Self::TokenSubject => Some(RecordField::TokenSubject),
            Self::TokenClient => Some(RecordField::TokenClient),
            Self::TokenIssuer
            | Self::TokenTenant
            | Self::PeerSpiffe
            | Self::RequestMethod
            | Self::RequestHost
            | Self::RequestPath(_)
            | Self::DecisionPolicy
            | Self::DecisionRule
            | Self::DecisionId => None,
        }
    }

    /// True if it has several values, and the one that is meant cannot be determined.
    pub(in crate::policy) fn is_ambiguous(&self, cx: &CheckContext<'_>) -> bool {
        matches!(self.find(cx), VariableValue::Ambiguous)
    }

    /// Its value as JSON: a claim as it is, everything else as text or a list of texts.
    pub(in crate::policy) fn find_value(&self, cx: &CheckContext<'_>) -> Option<Value> {
        if let Self::TokenClaim(pointer) = self {
            let claim = cx.token.and_then(|token| token.claim(pointer));
            return claim.filter(|claim| !claim.is_null()).cloned();
        }
        match self.find(cx) {
            VariableValue::One(text) if !text.is_empty() => Some(Value::String(text.into_owned())),
            VariableValue::Several(texts) if !texts.is_empty() => Some(texts.into()),
            VariableValue::Nothing
            | VariableValue::Formless
            | VariableValue::Rounded
            | VariableValue::Ambiguous
            | VariableValue::One(_)
            | VariableValue::Several(_) => None,
        }
    }

    /// Its value.
    pub(in crate::policy) fn find<'a>(&self, cx: &CheckContext<'a>) -> VariableValue<'a> {
        let target = cx.request.target.as_ref().ok();
        match self {
            Self::TokenSubject => cx.token.and_then(TokenIdentity::subject).into(),
            Self::TokenClient => cx.token.and_then(TokenIdentity::client).into(),
            Self::TokenIssuer => cx.token.map(TokenIdentity::issuer).into(),
            Self::TokenTenant => cx.token.and_then(TokenIdentity::tenant).into(),
            Self::TokenId => cx.token.and_then(TokenIdentity::token_id).into(),
            Self::TokenClaim(pointer) => cx
                .token
                .and_then(|token| token.claim(pointer))
                .map_or(VariableValue::Nothing, of_claim),
            Self::PeerSpiffe => {
                cx.peer.and_then(|peer| peer.spiffe.as_ref()).map(|id| id.as_str()).into()
            }
            Self::PeerDns => {
                VariableValue::Several(cx.peer.map(|peer| peer.dns.to_vec()).unwrap_or_default())
            }
            Self::PeerIps => {
                VariableValue::Several(cx.peer.map(|peer| peer.ips.to_vec()).unwrap_or_default())
            }
            // Which of several is meant cannot be determined, so no value may take its place.
            Self::PeerTrustDomain if cx.peer.is_some() && cx.peer_trust_domain().is_none() => {
                VariableValue::Ambiguous
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
            Self::DecisionId => VariableValue::One(cx.id.to_string().into()),
        }
    }
}

impl<'a> From<Option<&'a str>> for VariableValue<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Nothing, |text| Self::One(text.into()))
    }
}

fn of_claim(claim: &Value) -> VariableValue<'_> {
    match claim {
        Value::Null => VariableValue::Nothing,
        Value::Object(_) => VariableValue::Formless,
        claim if !is_exact(claim) => VariableValue::Rounded,
        Value::Array(elements) => elements
            .iter()
            .map(|element| scalar_text(element).map(Cow::into_owned))
            .collect::<Option<Vec<_>>>()
            .map_or(VariableValue::Formless, VariableValue::Several),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            scalar_text(claim).map_or(VariableValue::Formless, VariableValue::One)
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
