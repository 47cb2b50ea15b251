//! Which kinds of an issuer's tokens are accepted: `kinds`, `accessMarks`, and what must not be among its `types`.

use super::compiler::IssuerCompiler;
use super::token_issuer::canonical_type;
use crate::document::{Code, Diagnostic, Spanned, TokenKind, like_a_pattern, not_plain};

/// Media types of things that are signed like tokens and are not for using a service, with their names.
const OTHER_TYPES: [(&str, &str); 18] = [
    ("dpop+jwt", "proofs of possession (RFC 9449)"),
    ("wpt+jwt", "proofs of possession of workloads"),
    ("kb+jwt", "proofs of possession of credentials"),
    ("openid4vci-proof+jwt", "proofs of possession of keys"),
    ("oauth-client-attestation-pop+jwt", "proofs of possession of clients"),
    ("oauth-client-attestation+jwt", "attestations of clients"),
    ("client-authentication+jwt", "assertions by which clients authenticate (RFC 7523)"),
    ("key-attestation+jwt", "attestations of keys"),
    ("secevent+jwt", "security events (RFC 8417)"),
    ("logout+jwt", "logout tokens"),
    ("oauth-authz-req+jwt", "requests for authorization (RFC 9101)"),
    ("oauth-id-jag+jwt", "grants for an authorization server"),
    ("token-introspection+jwt", "answers of introspection (RFC 9701)"),
    ("entity-statement+jwt", "statements of a federation"),
    ("trust-mark+jwt", "marks of a federation"),
    ("resolve-response+jwt", "answers of a federation"),
    ("statuslist+jwt", "lists of statuses"),
    ("jwk-set+jwt", "key sets"),
];

/// Words for other kinds of tokens, which no document can make access tokens of.
const OTHER_WORDS: [&str; 12] = [
    "id",
    "id_token",
    "id-token",
    "idtoken",
    "refresh",
    "refresh_token",
    "refresh-token",
    "offline",
    "offline_token",
    "logout",
    "logout_token",
    "dpop",
];

/// How the client ids of Google's projects end: none is the name of a service.
const GOOGLE_CLIENTS: &str = ".apps.googleusercontent.com";

impl IssuerCompiler<'_> {
    pub(super) fn kinds(&mut self) -> Vec<TokenKind> {
        let Some(kinds) = &self.spec.kinds else { return vec![TokenKind::Access] };
        if kinds.value.is_empty() {
            let message = "issuer has an empty list of `kinds`, so no token would be accepted";
            let help = "remove `kinds` for the default `[access]`, or write `[access, id]` where services take ID tokens on purpose";
            self.error(Code::MissingKinds, kinds, message, help);
        }
        kinds.value.clone()
    }

    pub(super) fn access_marks(&mut self) -> Vec<String> {
        let mut marks = Vec::new();
        for mark in &self.spec.access_marks {
            let word = canonical_type(&mark.value);
            if OTHER_WORDS.contains(&word.as_str()) {
                let message = format!("`{}` marks another kind than an access token", mark.value);
                let help = "remove it; where services take ID tokens on purpose, write `kinds: [access, id]`";
                self.error(Code::OtherKind, mark, &message, help);
            } else if word.trim().is_empty() {
                let help = "write the value that its access tokens have in `typ`, `token_use` or `token_type`";
                self.error(Code::OtherKind, mark, "an empty text marks nothing", help);
            } else if let Some(why) = not_a_word(&mark.value) {
                let message =
                    format!("mark `{}` {why}, so no token has it", mark.value.escape_debug());
                let help = "write exactly what marks its access tokens";
                self.error(Code::InvalidType, mark, &message, help);
            }
            marks.push(word);
        }
        marks
    }

    pub(super) fn judge_type(&mut self, named: &Spanned<String>) {
        let word = canonical_type(&named.value);
        if let Some((_, what)) = OTHER_TYPES.iter().find(|(other, _)| *other == word) {
            let message = format!("`{}` is the type of {what}, not of access tokens", named.value);
            let help = "remove it: a party that sees one of these could use it as a token";
            self.error(Code::OtherKind, named, &message, help);
        } else if let Some(why) = not_a_word(&named.value) {
            let message =
                format!("type `{}` {why}, so no token has it", named.value.escape_debug());
            let help = "write what the `typ` of its tokens says, such as `at+jwt`";
            self.error(Code::InvalidType, named, &message, help);
        }
    }

    /// A client's own id as an audience: every ID token for that client names it, too.
    pub(super) fn judge_audiences(&mut self) {
        if self.spec.tells_kinds_apart() {
            return;
        }
        let client = self.spec.introspection.as_ref();
        let client = client.and_then(|spec| Some(&spec.value.client.value.id.as_ref()?.value));
        for audience in &self.spec.audiences {
            let own = client == Some(&audience.value);
            if !own && !audience.value.ends_with(GOOGLE_CLIENTS) {
                continue;
            }
            let message = format!(
                "audience `{}` is the id of a client, so an ID token for that client may pass as an access token",
                audience.value
            );
            let span = self.document.origin.span(audience);
            let help = crate::document::TELL_KINDS_APART;
            self.problems
                .push(Diagnostic::warning(Code::AudienceIsClient, span, message).help(help));
        }
    }
}

/// Why no token has `text` as its type, which is compared whole.
fn not_a_word(text: &str) -> Option<&'static str> {
    let empty = || text.is_empty().then_some("is empty");
    not_plain(text).or_else(|| like_a_pattern(text)).or_else(empty)
}
