//! Which headers and query parameters of a request carry credentials.

use std::collections::BTreeSet;
use std::fmt;

/// Which headers and query parameters carry credentials: a built-in set and those that token issuers name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedNames {
    /// A few names, of which most differ from what is looked for in their length.
    headers: Vec<String>,
    parameters: BTreeSet<String>,
}

/// A place in a request where an issuer's tokens may be (RFC 6750 section 2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenPlace {
    /// `Authorization: Bearer`, or `DPoP` for a token with a proof (RFC 9449 section 7.1).
    Authorization,
    /// The header of this lower-case name, whose whole value is the token.
    Header(String),
    /// The header of the first name, behind the second, which is a word as `Bearer` is one; both in lower case. Without a word, a
    /// value with none before it.
    Prefixed(String, String),
    /// An element of `Sec-WebSocket-Protocol` (RFC 6455 section 11.3.4): a browser can set no other header there.
    Protocol(ProtocolElement),
    /// The cookie of this name.
    Cookie(String),
    /// The query parameter of this name, as it is when decoded.
    Query(String),
}

/// The element of a list of protocols that is a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProtocolElement {
    /// The text that marks it.
    pub marker: String,
    /// True if the marker is an element of its own before it, and not its beginning.
    pub follows: bool,
    /// True if the token is in base64url.
    pub encoded: bool,
}

/// The header with the protocols of a WebSocket.
pub const PROTOCOLS: &str = "sec-websocket-protocol";

impl TokenPlace {
    /// The header that it is in, if it is in one.
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Authorization => Some("authorization"),
            Self::Header(name) | Self::Prefixed(name, _) => Some(name),
            Self::Protocol(_) => Some(PROTOCOLS),
            Self::Cookie(_) => Some("cookie"),
            Self::Query(_) => None,
        }
    }

    /// The cookie that it is, if it is one.
    pub fn cookie(&self) -> Option<&str> {
        if let Self::Cookie(name) = self { Some(name) } else { None }
    }

    /// True if other things share its header, which stay where the token goes.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Protocol(_) | Self::Cookie(_))
    }
}

impl fmt::Display for TokenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::Query(name) => write!(f, "query parameter {name}"),
            Self::Prefixed(name, word) if word.is_empty() => {
                write!(f, "header {name} without a word")
            }
            Self::Prefixed(name, word) => write!(f, "header {name} behind {word}"),
            Self::Authorization | Self::Header(_) | Self::Protocol(_) => {
                write!(f, "header {}", self.header().unwrap_or_default())
            }
        }
    }
}

impl ProtocolElement {
    /// Each element of a list, with the token in it where it is one: the rest of it, or all of it behind the marker. The marker at the
    /// end of the list has an empty token.
    pub fn split<'a>(
        &self,
        list: impl Iterator<Item = &'a str>,
    ) -> Vec<(&'a str, Option<&'a str>)> {
        let (mut found, mut expected) = (Vec::new(), false);
        for element in list {
            let token = match self.follows {
                true => expected.then_some(element),
                false => element.strip_prefix(self.marker.as_str()),
            };
            expected = self.follows && !expected && element == self.marker;
            found.push((element, token));
        }
        if expected {
            found.push(("", Some("")));
        }
        found
    }

    /// The elements that are neither the token nor what marks it.
    pub fn others<'a>(&self, list: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let others = self.split(list).into_iter().filter(|(_, token)| token.is_none());
        let is_marker = |element: &str| self.follows && element == self.marker;
        others.map(|(element, _)| element).filter(|element| !is_marker(element)).collect()
    }
}

/// RFC 6750 section 2.3: a credential wherever it appears, even if no issuer's tokens are expected there.
const ALWAYS_SEALED_PARAMETER: &str = "access_token";

/// Sealed whatever the configuration says: they are credentials wherever they appear.
const ALWAYS_SEALED: [&str; 7] = [
    "authorization",
    "client-cert",
    "client-cert-chain",
    "cookie",
    "dpop",
    "proxy-authorization",
    "x-forwarded-client-cert",
];

impl SealedNames {
    /// The built-in names and `more`, in any case.
    pub fn with<'a>(more: impl IntoIterator<Item = &'a str>) -> Self {
        let more = more.into_iter().map(str::to_ascii_lowercase);
        let headers: BTreeSet<_> =
            ALWAYS_SEALED.iter().map(ToString::to_string).chain(more).collect();
        Self {
            headers: headers.into_iter().collect(),
            parameters: BTreeSet::from([ALWAYS_SEALED_PARAMETER.to_owned()]),
        }
    }

    /// The built-in names and the headers that `places` are in.
    pub fn for_places<'a>(places: impl IntoIterator<Item = &'a TokenPlace>) -> Self {
        let mut sealed = Self::default();
        for place in places {
            if let TokenPlace::Query(name) = place {
                sealed.parameters.insert(name.clone());
            }
            if let Some(name) = place.header().filter(|name| !sealed.contains(name)) {
                sealed.headers.push(name.to_owned());
            }
        }
        sealed
    }

    /// True if the header `name`, in lower case, carries a credential.
    pub fn contains(&self, name: &str) -> bool {
        self.headers.iter().any(|own| own == name)
    }

    /// True if the query parameter `name`, decoded, carries a credential.
    pub fn contains_parameter(&self, name: &str) -> bool {
        self.parameters.contains(name)
    }
}

impl Default for SealedNames {
    fn default() -> Self {
        Self::with([])
    }
}
