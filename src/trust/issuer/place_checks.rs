//! The checks of `tokens` of a `TokenIssuer` document: places where a token can be.

use super::compiler::IssuerCompiler;
use super::places::places_of;
use crate::document::{
    Code, Diagnostic, PrefixedPlaceSpec, ProtocolPlaceSpec, Spanned, TokenPlaceSpec,
};
use crate::request::TokenPlace;

impl IssuerCompiler<'_> {
    pub(super) fn places(&mut self) -> Option<Vec<TokenPlace>> {
        let Some(places) = &self.spec.tokens else { return Some(places_of(self.spec)) };
        if places.value.is_empty() {
            let message = "issuer has an empty list of `tokens`, so no token would be found";
            let help = "remove `tokens` for the `Authorization` header";
            return self.refuse(Code::MissingPlaces, places, message, help);
        }
        for place in &places.value {
            match place {
                TokenPlaceSpec::Authorization {} => {}
                TokenPlaceSpec::Header(name) => self.header_name(name),
                TokenPlaceSpec::Prefixed(spec) => self.prefixed(spec),
                TokenPlaceSpec::WebSocketProtocol(spec) => self.protocol(places, spec),
                TokenPlaceSpec::Cookie(name) => self.cookie_name(name),
                TokenPlaceSpec::Query(name) => self.parameter_name(name),
            }
        }
        let mut places = places_of(self.spec);
        places.sort();
        places.dedup();
        Some(places)
    }

    fn header_name(&mut self, name: &Spanned<String>) {
        let text = name.value.to_ascii_lowercase();
        if text == "authorization" {
            let message = "the `Authorization` header has a scheme before its token";
            let help = "write `authorization: {}` instead; for another word than `Bearer` and `DPoP`, or for none, `prefixed`";
            self.error(Code::InvalidPlace, name, message, help);
        } else {
            self.other_header(name);
        }
    }

    fn other_header(&mut self, name: &Spanned<String>) {
        let text = name.value.to_ascii_lowercase();
        if text == "cookie" || text.starts_with("x-forwarded-client-cert") {
            let message = format!("header `{text}` does not hold a token");
            let help = "name the header that does, or use `cookie: name`";
            self.error(Code::InvalidPlace, name, &message, help);
        } else if !is_name(&text) {
            let message = format!("`{}` is not a header name", name.value);
            let help = "write a name such as `x-partner-token`";
            self.error(Code::InvalidPlace, name, &message, help);
        }
    }

    fn prefixed(&mut self, spec: &PrefixedPlaceSpec) {
        let (header, word) = (&spec.header, spec.prefix.value.to_ascii_lowercase());
        let is_authorization = header.value.eq_ignore_ascii_case("authorization");
        if is_authorization && matches!(word.as_str(), "bearer" | "dpop") {
            let message = format!("`{}` is what `authorization` has anyway", spec.prefix.value);
            let help = "write `authorization: {}`, which takes `Bearer` and `DPoP`";
            return self.error(Code::InvalidPlace, &spec.prefix, &message, help);
        }
        if !is_authorization && word.is_empty() {
            let message = "there is no word before the token";
            let help = format!("write `header: {}`", header.value);
            return self.error(Code::InvalidPlace, &spec.prefix, message, &help);
        }
        let is_word = is_name(&word) && word.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !word.is_empty() && !is_word {
            let message = format!("`{}` is not a word", spec.prefix.value.escape_debug());
            let help = "write the word before the token without a space, such as `JWT`; it begins with a letter or a digit";
            return self.error(Code::InvalidPlace, &spec.prefix, &message, help);
        }
        if !is_authorization {
            self.other_header(header);
        }
    }

    fn protocol(&mut self, place: &Spanned<Vec<TokenPlaceSpec>>, spec: &ProtocolPlaceSpec) {
        let marker = match (&spec.prefix, &spec.after) {
            (Some(marker), None) | (None, Some(marker)) => marker,
            (Some(second), Some(_)) => {
                let message = "`webSocketProtocol` has both `prefix` and `after`";
                let help = "keep `prefix` where one element holds mark and token, `after` where they are two";
                return self.error(Code::InvalidPlace, second, message, help);
            }
            (None, None) => {
                let message = "`webSocketProtocol` does not say which element is the token";
                let help = "write `prefix: bearer.` or `after: access_token`, as clients send it";
                return self.error(Code::InvalidPlace, place, message, help);
            }
        };
        // RFC 6455 section 4.1: each element is a token of HTTP.
        if !is_name(&marker.value) {
            let message =
                format!("`{}` is not part of a protocol's name", marker.value.escape_debug());
            let help = "write what clients send, without commas and spaces";
            self.error(Code::InvalidPlace, marker, &message, help);
        }
    }

    fn cookie_name(&mut self, name: &Spanned<String>) {
        // RFC 6265 section 4.1.1: a cookie's name is a token, as a header's name is.
        if !is_name(&name.value) {
            let message = format!("`{}` is not a cookie name", name.value);
            self.error(Code::InvalidPlace, name, &message, "write a name such as `session`");
        }
    }

    /// RFC 6750 section 2.3 and RFC 9700 section 4.3.2: what is in a URL ends up in histories, logs and `Referer` headers.
    fn parameter_name(&mut self, name: &Spanned<String>) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        if name.value.is_empty() || !name.value.bytes().all(plain) {
            let message = format!("`{}` is not a plain name of a query parameter", name.value);
            let help = "the usual one is `access_token`";
            return self.error(Code::InvalidPlace, name, &message, help);
        }
        let message = "tokens in URLs are seen by browsers, proxies and logs";
        let help = "have callers send the `Authorization` header; where they cannot, keep such tokens short-lived";
        let span = self.document.origin.span(name);
        self.problems.push(Diagnostic::warning(Code::QueryToken, span, message).help(help));
    }
}

/// RFC 9110 section 5.6.2, without the `*` that no header has and that stands for others elsewhere.
fn is_name(text: &str) -> bool {
    http::HeaderName::from_bytes(text.as_bytes()).is_ok() && !text.contains('*')
}
