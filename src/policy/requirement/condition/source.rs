//! The sources of a condition's values: the documented variables, each with its kind.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::kind::ValueKind;
use crate::evidence_level::EvidenceLevel;
use crate::policy::requirement::context::CheckContext;
use crate::policy::requirement::missing::RecordField;
use crate::request::Target;

/// One variable that a condition reads, with its parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    RequestMethod,
    RequestScheme,
    RequestHost,
    /// The port that the caller writes behind the host.
    RequestAuthorityPort,
    /// The whole path as sent, without the query.
    RequestFullPath,
    /// A capture of the path template.
    RequestPath(Box<str>),
    /// The only value of a header, by its lower-case name.
    RequestHeader(Box<str>),
    /// The port that the connection went to.
    ConnectionPort,
    /// The address that the connection went to.
    ConnectionTo,
    /// The address that the connection came from.
    ConnectionFrom,
    /// The server name of the TLS handshake.
    ConnectionSni,
    /// That there was a TLS handshake. Without the proxy's word there is no value, since it may keep silent.
    ConnectionTls,
    /// The address of the client, by the listener's settings.
    ClientAddress,
    /// A context extension.
    Context(Box<str>),
    TokenSubject,
    TokenClient,
    TokenIssuer,
    TokenTenant,
    TokenId,
    /// Seconds since 1970.
    TokenExpires,
    TokenScopes,
    TokenAudiences,
    /// A claim, by the keys that lead to it.
    TokenClaim(Box<[Box<str>]>),
    PeerSpiffe,
    PeerDns,
    PeerIps,
    PeerTrustDomain,
    PeerEvidence,
    /// Seconds since 1970.
    Now,
}

/// A value of a condition, borrowed from where it is.
#[derive(Clone, Debug)]
pub(super) enum SourceValue<'a> {
    Text(&'a str),
    Address(IpAddr),
    Int(i64),
    Bool(bool),
    Texts(&'a [String]),
    Json(&'a Value),
}

/// Fields without a parameter, by their whole names.
pub(super) const FIELDS: [(&str, Variable); 24] = [
    ("request.method", Variable::RequestMethod),
    ("request.scheme", Variable::RequestScheme),
    ("request.host", Variable::RequestHost),
    ("request.authorityPort", Variable::RequestAuthorityPort),
    ("request.fullPath", Variable::RequestFullPath),
    ("connection.port", Variable::ConnectionPort),
    ("connection.destination", Variable::ConnectionTo),
    ("connection.source", Variable::ConnectionFrom),
    ("connection.sni", Variable::ConnectionSni),
    ("connection.tls", Variable::ConnectionTls),
    ("client.address", Variable::ClientAddress),
    ("token.sub", Variable::TokenSubject),
    ("token.client", Variable::TokenClient),
    ("token.iss", Variable::TokenIssuer),
    ("token.tenant", Variable::TokenTenant),
    ("token.jti", Variable::TokenId),
    ("token.exp", Variable::TokenExpires),
    ("token.scopes", Variable::TokenScopes),
    ("token.audiences", Variable::TokenAudiences),
    ("peer.spiffe", Variable::PeerSpiffe),
    ("peer.dns", Variable::PeerDns),
    ("peer.ips", Variable::PeerIps),
    ("peer.trustDomain", Variable::PeerTrustDomain),
    ("peer.evidence", Variable::PeerEvidence),
];

/// Fields that have fields of their own, with free names.
pub(super) const MAPS: [&str; 4] = ["request.path", "request.headers", "token.claims", "context"];

impl Variable {
    /// The kind of its value, the data that a record must hold so that it can be determined, and whether `explain` may show
    /// its value: the values that callers put into headers and claims may be about people, or secret.
    fn row(&self) -> (ValueKind, Option<RecordField>, bool) {
        match self {
            Self::RequestMethod
            | Self::RequestHost
            | Self::RequestFullPath
            | Self::RequestPath(_)
            | Self::TokenIssuer
            | Self::TokenTenant
            | Self::PeerSpiffe
            | Self::PeerEvidence => (ValueKind::Text, None, true),
            Self::RequestScheme
            | Self::ConnectionTo
            | Self::ConnectionFrom
            | Self::ClientAddress => (ValueKind::Text, Some(RecordField::Addresses), true),
            Self::ConnectionSni => (ValueKind::Text, Some(RecordField::ServerName), true),
            Self::TokenSubject => (ValueKind::Text, Some(RecordField::TokenSubject), true),
            Self::TokenClient => (ValueKind::Text, Some(RecordField::TokenClient), true),
            Self::PeerTrustDomain => (ValueKind::Text, Some(RecordField::UnsureTrustDomains), true),
            Self::Context(_) => (ValueKind::Text, Some(RecordField::ContextExtensions), true),
            Self::RequestHeader(_) => (ValueKind::Text, Some(RecordField::Headers), false),
            Self::TokenId => (ValueKind::Text, Some(RecordField::TokenId), false),
            Self::RequestAuthorityPort => (ValueKind::Int, None, true),
            Self::ConnectionPort => (ValueKind::Int, Some(RecordField::Addresses), true),
            Self::TokenExpires | Self::Now => (ValueKind::Int, Some(RecordField::Time), true),
            Self::ConnectionTls => (ValueKind::Bool, Some(RecordField::ServerName), true),
            Self::TokenScopes => (ValueKind::List, Some(RecordField::TokenScopes), true),
            Self::TokenAudiences => (ValueKind::List, Some(RecordField::TokenAudiences), true),
            Self::PeerDns | Self::PeerIps => (ValueKind::List, Some(RecordField::PeerNames), true),
            Self::TokenClaim(keys) => {
                let field = match &**keys {
                    [key] => RecordField::of_claim(&format!("/{key}")),
                    _ => Some(RecordField::TokenClaims),
                };
                (ValueKind::Any, field, false)
            }
        }
    }

    /// The kind of its value.
    pub(super) fn kind(&self) -> ValueKind {
        self.row().0
    }

    /// The data that a record must hold so that it can be determined.
    pub(super) fn record_field(&self) -> Option<RecordField> {
        self.row().1
    }

    /// True if `explain` may show its value.
    pub(super) fn is_open(&self) -> bool {
        self.row().2
    }

    /// Its name, as conditions write it.
    pub(super) fn name(&self) -> String {
        if let Some((name, _)) = FIELDS.iter().find(|(_, source)| source == self) {
            return (*name).to_owned();
        }
        if let Self::RequestPath(name) = self {
            return format!("request.path.{name}");
        }
        if let Self::RequestHeader(name) = self {
            return format!("request.headers[\"{name}\"]");
        }
        if let Self::Context(name) = self {
            return format!("context.{name}");
        }
        if let Self::TokenClaim(keys) = self {
            return format!("token.claims.{}", keys.join("."));
        }
        String::from("now")
    }

    /// The header that it is about.
    pub(super) fn header(&self) -> Option<&str> {
        if let Self::RequestHeader(name) = self { Some(name) } else { None }
    }

    /// The capture that it is about.
    pub(super) fn capture(&self) -> Option<&str> {
        if let Self::RequestPath(name) = self { Some(name) } else { None }
    }

    /// Its value; none if there is none, or if it cannot be determined.
    pub(super) fn find<'a>(&'a self, cx: &CheckContext<'a>) -> Option<SourceValue<'a>> {
        let target = cx.request.target.as_ref().ok();
        let text = |text: Option<&'a str>| text.map(SourceValue::Text);
        match self {
            Self::RequestMethod => text(Some(&cx.request.method)),
            Self::RequestScheme => text(Some(&cx.request.scheme)),
            Self::RequestHost => text(target.map(|target| target.host.as_str())),
            Self::RequestAuthorityPort => {
                target.and_then(|target| target.form.port).map(|p| SourceValue::Int(p.into()))
            }
            Self::ConnectionPort => {
                cx.request.destination.port().map(|p| SourceValue::Int(p.into()))
            }
            Self::ConnectionTo => cx.request.destination.ip().map(SourceValue::Address),
            Self::ConnectionTls => cx.request.sni.is_known().then_some(SourceValue::Bool(true)),
            Self::ConnectionSni => text(cx.request.sni.name()),
            Self::ClientAddress => cx.request.client_ip().map(SourceValue::Address),
            Self::ConnectionFrom => cx.request.source.ip().map(SourceValue::Address),
            Self::RequestFullPath => text(target.map(|target| target.path.as_str())),
            Self::RequestPath(name) => text(capture(name, cx, target)),
            // A header that may be several values, or not the value that was sent, is an error: the one that counts is not
            // guessed (P4, P7).
            Self::RequestHeader(name) => text(cx.request.headers.only(name)),
            Self::Context(name) => {
                text(cx.request.context_extensions.get(&**name).map(String::as_str))
            }
            Self::TokenSubject => text(cx.token?.subject()),
            Self::TokenClient => text(cx.token?.client()),
            Self::TokenIssuer => text(cx.token.map(|token| token.issuer())),
            Self::TokenTenant => text(cx.token?.tenant()),
            Self::TokenId => text(cx.token?.token_id()),
            Self::TokenExpires => cx.token?.expiry().map(|at| SourceValue::Int(at.as_secs())),
            Self::TokenScopes => Some(SourceValue::Texts(cx.token?.scopes())),
            Self::TokenAudiences => Some(SourceValue::Texts(cx.token?.audiences())),
            Self::TokenClaim(keys) => claim(cx.token?.claims(), keys).map(SourceValue::Json),
            Self::PeerSpiffe => text(cx.peer?.spiffe.as_ref().map(|id| id.as_str())),
            Self::PeerDns => Some(SourceValue::Texts(&cx.peer?.dns)),
            // Nothing but the certificate tells of its addresses: an empty list would be an answer.
            Self::PeerIps => {
                let peer = cx.peer.filter(|peer| peer.level() >= EvidenceLevel::Leaf)?;
                Some(SourceValue::Texts(&peer.ips))
            }
            Self::PeerTrustDomain => text(cx.peer_trust_domain()),
            Self::PeerEvidence => text(cx.peer.map(|peer| peer.level().as_str())),
            Self::Now => Some(SourceValue::Int(cx.now.as_secs())),
        }
    }

    /// True if there is a value, readable or not; none if that cannot be determined either.
    pub(super) fn is_there(&self, cx: &CheckContext<'_>) -> Option<bool> {
        if *self == Self::ConnectionSni {
            // Without a handshake by the proxy's word, there may be a name all the same.
            return cx.request.sni.is_known().then(|| cx.request.sni.name().is_some());
        }
        if let Self::RequestHeader(name) = self {
            return cx.request.headers.is_there(name);
        }
        if let Self::TokenClaim(keys) = self {
            let found = claim(cx.token?.claims(), keys);
            // A claim that is null is neither there nor absent.
            return (found != Some(&Value::Null)).then_some(found.is_some());
        }
        if *self == Self::PeerTrustDomain && cx.peer.is_some() {
            return cx.peer_trust_domain().map(|_| true);
        }
        Some(self.find(cx).is_some())
    }
}

fn capture<'a>(name: &str, cx: &CheckContext<'a>, target: Option<&'a Target>) -> Option<&'a str> {
    cx.template?.capture(name, &target?.path)
}

/// Follows keys through mappings only: a list has no fields.
fn claim<'a>(claims: &'a Map<String, Value>, keys: &[Box<str>]) -> Option<&'a Value> {
    let (first, rest) = keys.split_first()?;
    rest.iter().try_fold(claims.get(&**first)?, |value, key| value.as_object()?.get(&**key))
}
