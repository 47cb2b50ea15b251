//! What rules ask of the server name (SNI) of a client's TLS handshake.

use crate::policy::model::host::HostPattern;
use crate::policy::model::truth::Truth;
use crate::request::{Host, RequestView, ServerName};

/// Whether the name matches one of `patterns`. No name matches none; one that is no plain host name cannot be told, since Envoy
/// and the caller may each read it in their own way.
pub(in crate::policy) fn matches(patterns: &[HostPattern], name: &ServerName) -> Truth {
    match name {
        ServerName::Unknown => Truth::Unknown,
        ServerName::Absent => Truth::False,
        ServerName::Name(name) => plain(name).map_or(Truth::Unknown, |name| {
            patterns.iter().any(|pattern| pattern.matches(name.as_str())).into()
        }),
    }
}

/// Whether the name is the host that the request is for.
pub(in crate::policy) fn is_host(request: &RequestView) -> Truth {
    let Ok(target) = &request.target else { return Truth::Unknown };
    match &request.sni {
        ServerName::Unknown => Truth::Unknown,
        ServerName::Absent => Truth::False,
        ServerName::Name(name) => (plain(name).as_ref() == Some(&target.host)).into(),
    }
}

/// RFC 6066 section 3: a host name without a trailing dot.
fn plain(name: &str) -> Option<Host> {
    Host::parse(name).ok().filter(|_| !name.ends_with('.'))
}
