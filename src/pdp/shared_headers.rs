//! The headers of one request in which a token may be among other things, for an allow that takes the token out of them.

use std::sync::Arc;

use super::sealed::SealedHeader;
use crate::request::{CredentialHeaders, HeaderValue, PROTOCOLS, TokenPlace};
use crate::secret::Secret;

/// Every cookie pair (RFC 6265 section 5.4) and every protocol (RFC 6455 section 4.1), in the order of arrival; none where no token
/// may be among them.
#[derive(Debug, Default)]
pub(super) struct SharedHeaders {
    cookies: Vec<Secret<String>>,
    protocols: Vec<Secret<String>>,
}

impl SharedHeaders {
    pub(super) fn of(credentials: &CredentialHeaders, places: &[TokenPlace]) -> Self {
        let parts = |name: &str, separator| {
            let any = places.iter().any(|own| own.is_shared() && own.header() == Some(name));
            if any { split(credentials.all(name), separator) } else { Vec::new() }
        };
        Self { cookies: parts("cookie", ';'), protocols: parts(PROTOCOLS, ',') }
    }

    /// The headers without the tokens in `places`, as far as a token was in them and anything is left.
    pub(super) fn without(&self, places: &[TokenPlace]) -> Vec<SealedHeader> {
        let (mut cookies, mut protocols) = (exposed(&self.cookies), exposed(&self.protocols));
        for place in places {
            match place {
                TokenPlace::Cookie(name) => {
                    cookies.retain(|pair| pair.split('=').next().map(str::trim) != Some(name));
                }
                TokenPlace::Protocol(element) => {
                    protocols = element.others(protocols.into_iter());
                }
                TokenPlace::Authorization
                | TokenPlace::Header(_)
                | TokenPlace::Prefixed(..)
                | TokenPlace::Query(_) => {}
            }
        }
        let was_in = |name| places.iter().any(|own| own.is_shared() && own.header() == Some(name));
        let left = [("cookie", cookies, "; "), (PROTOCOLS, protocols, ", ")];
        let left = left.into_iter().filter(|(name, parts, _)| was_in(*name) && !parts.is_empty());
        let header = |(name, parts, between): (&str, Vec<&str>, &str)| SealedHeader {
            name: Arc::from(name),
            value: Secret::new(parts.join(between)),
        };
        left.map(header).collect()
    }
}

/// One line that is not text has no token in it and does not go on.
fn split<'a>(lines: impl Iterator<Item = &'a HeaderValue>, separator: char) -> Vec<Secret<String>> {
    let lines = lines.filter_map(|line| line.as_str().ok());
    let parts = lines.flat_map(|line| line.split(separator)).map(str::trim);
    parts.filter(|part| !part.is_empty()).map(|part| Secret::new(part.to_owned())).collect()
}

fn exposed(parts: &[Secret<String>]) -> Vec<&str> {
    parts.iter().map(|part| part.expose().as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Headers, ProtocolElement, SealedNames};

    fn left(header: &str, lines: &[&str], places: &[TokenPlace]) -> Vec<String> {
        let mut headers = Headers::default();
        for line in lines {
            headers.push(header, HeaderValue::new(line.as_bytes().to_vec()));
        }
        let sealed = SealedNames::for_places(places);
        let (_, credentials) = CredentialHeaders::split(headers, &sealed, None, None);
        let left = SharedHeaders::of(&credentials, places).without(places);
        left.iter().map(|own| format!("{}: {}", own.name, own.value.expose())).collect()
    }

    #[test]
    fn only_the_cookies_of_the_name_go() {
        let session = [TokenPlace::Cookie("session".into())];
        for (lines, expected) in [
            (&["session=eyJ.a.b; theme=dark"][..], Some("cookie: theme=dark")),
            (&["a=1; session=x; b=2", "session=y; c=3"], Some("cookie: a=1; b=2; c=3")),
            (&["sessions=1; Session=2;session =3"], Some("cookie: sessions=1; Session=2")),
            (&["session=x"], None),
            (&[], None),
        ] {
            let expected: Vec<_> = expected.map(str::to_owned).into_iter().collect();
            assert_eq!(left("cookie", lines, &session), expected);
        }
    }

    /// P413: the token of a WebSocket goes, with what marks it, and the protocols stay.
    #[test]
    fn only_the_token_among_protocols_goes() {
        let place = |marker: &str, follows| {
            [TokenPlace::Protocol(ProtocolElement {
                marker: marker.into(),
                follows,
                encoded: false,
            })]
        };
        for (marker, follows, lines, expected) in [
            ("bearer.", false, &["bearer.eyJ.a.b, chat"][..], Some("chat")),
            ("bearer.", false, &["chat", "bearer.eyJ.a.b,v2"], Some("chat, v2")),
            ("access_token", true, &["chat, access_token, eyJ.a.b, v2"], Some("chat, v2")),
            ("access_token", true, &["access_token", "eyJ.a.b"], None),
            ("access_token", true, &["chat, access_token"], Some("chat")),
            ("bearer.", false, &["bearer.eyJ.a.b"], None),
        ] {
            let expected: Vec<_> =
                expected.map(|text| format!("{PROTOCOLS}: {text}")).into_iter().collect();
            assert_eq!(left(PROTOCOLS, lines, &place(marker, follows)), expected, "{lines:?}");
        }
    }
}
