//! The variables of templates: what each is called, what a rule must ask for so that it has a value, and its value.

use serde_json::Value;
use std::borrow::Cow;

use super::context::CheckContext;
use super::missing::RecordField;
use crate::authn::TokenIdentity;
use crate::json::is_exact;
use crate::words::words;

words! {
    /// The names of variables. Those with a parameter are as messages show them.
    pub(in crate::policy) enum VariableName {
        TokenSubject "token.sub",
        TokenClient "token.client",
        TokenIssuer "token.iss",
        TokenTenant "token.tenant",
        TokenId "token.jti",
        /// By JSON pointer (RFC 6901).
        TokenClaim "token.claims./pointer",
        PeerSpiffe "peer.spiffe",
        PeerDns "peer.dns",
        PeerIps "peer.ips",
        PeerTrustDomain "peer.trustDomain",
        RequestMethod "request.method",
        RequestHost "request.host",
        /// By the name of the capture.
        RequestPath "request.path.capture",
        DecisionPolicy "decision.policy",
        DecisionRule "decision.rule",
        DecisionId "decision.id",
    }
}

/// A variable, such as `token.sub`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct TemplateVariable {
    pub(in crate::policy) name: VariableName,
    /// The pointer of a claim or the name of a capture; empty for any other.
    parameter: Box<str>,
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

impl TemplateVariable {
    /// Reads the text between the braces.
    pub(in crate::policy) fn parse(text: &str) -> Option<Self> {
        let of = |name, parameter: &str| Self { name, parameter: parameter.into() };
        if let Some(pointer) = text.strip_prefix("token.claims.") {
            return pointer.starts_with('/').then(|| of(VariableName::TokenClaim, pointer));
        }
        if let Some(capture) = text.strip_prefix("request.path.") {
            return (!capture.is_empty()).then(|| of(VariableName::RequestPath, capture));
        }
        VariableName::named(text).map(|name| of(name, ""))
    }

    /// Its name with its parameter, as documents write it.
    pub(in crate::policy) fn written(&self) -> String {
        if let Some(pointer) = self.claim() {
            return format!("token.claims.{pointer}");
        }
        if let Some(capture) = self.needs_capture() {
            return format!("request.path.{capture}");
        }
        self.name.to_string()
    }

    /// The pointer of the claim that it is.
    pub(in crate::policy) fn claim(&self) -> Option<&str> {
        (self.name == VariableName::TokenClaim).then_some(&*self.parameter)
    }

    /// True if it is about the token.
    pub(in crate::policy) const fn needs_token(&self) -> bool {
        matches!(
            self.name,
            VariableName::TokenSubject
                | VariableName::TokenClient
                | VariableName::TokenIssuer
                | VariableName::TokenTenant
                | VariableName::TokenId
                | VariableName::TokenClaim
        )
    }

    /// True if it is about the peer.
    pub(in crate::policy) const fn needs_peer(&self) -> bool {
        matches!(
            self.name,
            VariableName::PeerSpiffe
                | VariableName::PeerDns
                | VariableName::PeerIps
                | VariableName::PeerTrustDomain
        )
    }

    /// The capture it is about.
    pub(in crate::policy) fn needs_capture(&self) -> Option<&str> {
        (self.name == VariableName::RequestPath).then_some(&*self.parameter)
    }

    /// The data that a record must hold so that it can be determined.
    pub(in crate::policy) fn record_field(&self) -> Option<RecordField> {
        match self.name {
            VariableName::TokenId => Some(RecordField::TokenId),
            VariableName::TokenClaim => RecordField::of_claim(&self.parameter),
            VariableName::PeerDns | VariableName::PeerIps => Some(RecordField::PeerNames),
            VariableName::PeerTrustDomain => Some(RecordField::UnsureTrustDomains),
            VariableName::TokenSubject => Some(RecordField::TokenSubject),
            VariableName::TokenClient => Some(RecordField::TokenClient),
            VariableName::TokenIssuer
            | VariableName::TokenTenant
            | VariableName::PeerSpiffe
            | VariableName::RequestMethod
            | VariableName::RequestHost
            | VariableName::RequestPath
            | VariableName::DecisionPolicy
            | VariableName::DecisionRule
            | VariableName::DecisionId => None,
        }
    }

    /// True if it has several values, and the one that is meant cannot be determined.
    pub(in crate::policy) fn is_ambiguous(&self, cx: &CheckContext<'_>) -> bool {
        matches!(self.find(cx), VariableValue::Ambiguous)
    }

    /// Its value as JSON: a claim as it is, everything else as text or a list of texts.
    pub(in crate::policy) fn find_value(&self, cx: &CheckContext<'_>) -> Option<Value> {
        if let Some(pointer) = self.claim() {
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
        match self.name {
            VariableName::TokenSubject => cx.token.and_then(TokenIdentity::subject).into(),
            VariableName::TokenClient => cx.token.and_then(TokenIdentity::client).into(),
            VariableName::TokenIssuer => cx.token.map(TokenIdentity::issuer).into(),
            VariableName::TokenTenant => cx.token.and_then(TokenIdentity::tenant).into(),
            VariableName::TokenId => cx.token.and_then(TokenIdentity::token_id).into(),
            VariableName::TokenClaim => cx
                .token
                .and_then(|token| token.claim(&self.parameter))
                .map_or(VariableValue::Nothing, of_claim),
            VariableName::PeerSpiffe => {
                cx.peer.and_then(|peer| peer.spiffe.as_ref()).map(|id| id.as_str()).into()
            }
            VariableName::PeerDns => {
                VariableValue::Several(cx.peer.map(|peer| peer.dns.to_vec()).unwrap_or_default())
            }
            VariableName::PeerIps => {
                VariableValue::Several(cx.peer.map(|peer| peer.ips.to_vec()).unwrap_or_default())
            }
            // Which of several is meant cannot be determined, so no value may take its place.
            VariableName::PeerTrustDomain
                if cx.peer.is_some() && cx.peer_trust_domain().is_none() =>
            {
                VariableValue::Ambiguous
            }
            VariableName::PeerTrustDomain => cx.peer_trust_domain().into(),
            VariableName::RequestMethod => Some(cx.request.method.as_str()).into(),
            VariableName::RequestHost => target.map(|target| target.host.as_str()).into(),
            VariableName::RequestPath => {
                let found = cx.template.zip(target);
                found
                    .and_then(|(template, target)| template.capture(&self.parameter, &target.path))
                    .into()
            }
            VariableName::DecisionPolicy => Some(&*cx.rule.policy).into(),
            VariableName::DecisionRule => Some(&*cx.rule.rule).into(),
            VariableName::DecisionId => VariableValue::One(cx.id.to_string().into()),
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
