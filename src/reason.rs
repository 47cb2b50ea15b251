//! The closed vocabulary of *why*: one reason code per denial, and what it lets the caller see.
//!
//! The same code stands in the response's metadata, the audit record, the metric label, the log and the
//! runbook. Adding a code means adding a row here and a section to `docs/runbook.md`; a test compares them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::json::is_shown;
use crate::limits::MAX_DETAIL_BYTES;
use crate::words::words;

/// Something was refused: why, and what an operator needs to know about it.
///
/// `detail` is for logs, audit and `explain`, never for the caller. It must not hold a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    reason: Reason,
    detail: Cow<'static, str>,
    /// True if it counts as a failed attempt, where that is not as its reason says.
    counts: Option<bool>,
    /// True if it is no fault of the credential's.
    blameless: bool,
    refused: Option<Arc<RefusedCredential>>,
}

/// A credential that verified, and is refused because it is revoked. It is named for the audit record; it is no identity, and
/// nothing is decided by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCredential {
    /// `certificate` or `token`.
    pub credential: &'static str,
    /// Its marks by the names that they have in the audit record: nothing secret, and no claim.
    pub marks: Vec<(&'static str, String)>,
}

words! {
    /// The part of a denial that the caller may learn. Nothing else about the reason leaves the mesh.
    pub enum ClientAnswer {
        /// 401 with a bare challenge: no credential was sent (RFC 6750 section 3.1).
        Unauthenticated "unauthenticated",
        /// 401 `invalid_request`: the credential could not be read, or there were several.
        InvalidRequest "invalid_request",
        /// 401 `invalid_token`: the credential was read and refused.
        InvalidToken "invalid_token",
        /// 403 `insufficient_scope`.
        InsufficientScope "insufficient_scope",
        /// 401 `insufficient_user_authentication` (RFC 9470): the user has to authenticate again, or in another way.
        InsufficientAuthentication "insufficient_user_authentication",
        /// 403 and nothing more.
        Forbidden "forbidden",
        /// 429.
        Throttled "throttled",
        /// 503: our own failure, not the caller's.
        Unavailable "unavailable",
    }
}

macro_rules! reasons {
    (@ failed) => { true };
    (@) => { false };
    ($($layer:ident { $($variant:ident $code:literal $answer:ident $($failed:ident)? $meaning:literal;)+ })+) => {
        /// Why a request was denied: the first layer that failed, most specific cause.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $meaning] $variant,)+)+
        }

        /// The part of a decision that a reason belongs to, in the order in which they are checked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Layer {
            $(#[doc = concat!("Reasons of the ", stringify!($layer), " layer.")] $layer,)+
        }

        impl Reason {
            /// Every reason, in the order of the layers.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)+)+];

            /// The code: lower case, digits and underscores; stable across releases.
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$variant => $code,)+)+ }
            }

            /// The one with this code.
            pub fn named(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|own| own.as_str() == code)
            }

            /// One sentence for an operator.
            pub const fn meaning(self) -> &'static str {
                match self { $($(Self::$variant => $meaning,)+)+ }
            }

            /// The layer it belongs to.
            pub const fn layer(self) -> Layer {
                match self { $($(Self::$variant => Layer::$layer,)+)+ }
            }

            /// The part that the caller may learn.
            pub const fn client_answer(self) -> ClientAnswer {
                match self { $($(Self::$variant => ClientAnswer::$answer,)+)+ }
            }

            /// True if it is a failed attempt to authenticate, which throttling counts: something was shown that no one we trust
            /// vouches for, or that is not its presenter's. Where only the time of a token is over, or has not come, its owner
            /// has to see the 401 to renew it.
            pub const fn is_failed_attempt(self) -> bool {
                match self { $($(Self::$variant => reasons!(@ $($failed)?),)+)+ }
            }
        }
    };
}

reasons! {
    Transport {
        RequestTooLarge "request_too_large" Forbidden "the check request, or a part of it, is over its size limit";
        Deadline "deadline" Unavailable "no decision was reached in time";
        Overloaded "overloaded" Unavailable "this replica is deciding as many checks as it may at a time";
        TcpConnection "tcp_connection" Forbidden "the check is about a TCP connection, and policies decide about requests";
        PathNotCanonical "path_not_canonical" Forbidden "the path is not in canonical form, the only one in which rules compare paths";
        HostInvalid "host_invalid" Forbidden "the host is missing, repeated or not a plain host name or address";
        HeaderDuplicate "header_duplicate" Forbidden "a header that must be single was sent more than once";
        EncodingInvalid "encoding_invalid" Forbidden "a part of the request is not encoded as its format requires";
    }
    Peer {
        PeerMissing "peer_missing" Forbidden "the request shows no client certificate, or none in a place that `listener.peerSources` enables";
        XfccMalformed "xfcc_malformed" Forbidden failed "the XFCC header does not follow Envoy's grammar";
        XfccUntrustedHop "xfcc_untrusted_hop" Forbidden failed "XFCC was written for another workload, or by one that is no trusted forwarder";
        XfccInconsistent "xfcc_inconsistent" Forbidden failed "parts of one XFCC element contradict each other";
        EvidenceInsufficient "evidence_insufficient" Forbidden "the evidence shows less of the certificate than the rule requires";
        ChainUntrusted "chain_untrusted" Forbidden failed "the certificate does not lead to a pinned authority of its trust domain";
        CertExpired "cert_expired" Forbidden failed "the certificate, or one of its issuers, has expired";
        CertNotYetValid "cert_not_yet_valid" Forbidden failed "the certificate, or one of its issuers, is not valid yet";
        CertLifetime "cert_lifetime" Forbidden failed "the certificate lives longer, or has less life left, than the trust domain allows";
        CertEku "cert_eku" Forbidden failed "the certificate is not for client authentication, or is a CA";
        CertKey "cert_key" Forbidden failed "a key of the certificate or of one of its issuers, or the algorithm of a signature, is too weak or of an unknown kind";
        CertPin "cert_pin" Forbidden failed "the certificate matches none of the trust domain's pins";
        CertSan "cert_san" Forbidden failed "the certificate's names are malformed or not permitted";
        CertRevoked "cert_revoked" Forbidden failed "the certificate, or one of its issuers, is revoked";
        CrlMissing "crl_missing" Unavailable "no revocation list covers the certificate and one is required";
        CrlStale "crl_stale" Unavailable "the revocation list is past its next update and its grace";
        RevocationsStale "revocations_stale" Unavailable "a revocation list that must be fresh is too old, or was never read";
        SpiffeInvalid "spiffe_invalid" Forbidden failed "the certificate's SPIFFE ID breaks the SPIFFE rules";
        TrustDomainUnknown "trust_domain_unknown" Forbidden failed "no configured trust domain covers the certificate's identity";
    }
    Token {
        TokenMissing "token_missing" Unauthenticated "the rule needs a token and none was sent";
        TokenMultiple "token_multiple" InvalidRequest "more than one token was sent where one belongs";
        TokenMalformed "token_malformed" InvalidToken failed "the token is not a well-formed compact JWS with a claims set";
        TokenAlg "token_alg" InvalidToken failed "the token's algorithm is not allowed for its issuer or key";
        TokenType "token_type" InvalidToken failed "the token's `typ` or scheme is not one that its issuer uses";
        KeyUnknown "key_unknown" InvalidToken failed "no key of the issuer has the token's key id";
        KeysStale "keys_stale" Unavailable "the issuer's keys could not be fetched, or are older than `maxStale` allows";
        KeysPending "keys_pending" Unavailable "countersign asked the issuer for the token's key, and the issuer has not answered in time";
        SignatureInvalid "signature_invalid" InvalidToken failed "the signature does not verify";
        IssuerUnknown "issuer_unknown" InvalidToken failed "the token's issuer is not configured";
        Audience "audience" InvalidToken failed "the token is not meant for this audience";
        TokenExpired "token_expired" InvalidToken "the token has expired";
        TokenNotYetValid "token_not_yet_valid" InvalidToken "the token is not valid yet";
        TokenLifetime "token_lifetime" InvalidToken "the token lives longer, or is older, than its issuer allows";
        TokenReplayed "token_replayed" InvalidToken failed "a one-time credential was used again";
        StoreUnavailable "store_unavailable" Unavailable "the store could not say whether a one-time credential was used before";
        TokenRevoked "token_revoked" InvalidToken failed "the token, its subject, its client or its key is revoked";
        IntrospectionInactive "introspection_inactive" InvalidToken failed "the issuer says that the opaque token is not active";
        IntrospectionUnavailable "introspection_unavailable" Unavailable "the issuer could not be asked about the opaque token";
        ScopeMissing "scope_missing" InsufficientScope "the token lacks a scope that the rule needs";
        AcrInsufficient "acr_insufficient" InsufficientAuthentication "the user authenticated in none of the ways that the rule asks for";
        AuthTooOld "auth_too_old" InsufficientAuthentication "the user authenticated too long ago for the rule, or the token does not say when";
        ClaimMismatch "claim_mismatch" Forbidden "a claim is absent or has another value than the rule needs";
    }
    Binding {
        BindingUnavailable "binding_unavailable" InvalidToken failed "the request shows too little to check the token's binding";
        BindingMismatch "binding_mismatch" InvalidToken failed "the token is bound to another certificate";
        DpopInvalid "dpop_invalid" InvalidToken failed "the DPoP proof is missing or wrong";
        DpopNonce "dpop_nonce" InvalidToken "the DPoP proof lacks a current nonce, and the answer brings one";
        IdentityTokenMismatch "identity_token_mismatch" Forbidden failed "the rule does not let this workload present tokens of that client";
    }
    Policy {
        NoRule "no_rule" Forbidden "no allow rule covers the request";
        RuleDenied "rule_denied" Forbidden "a deny rule matched";
        EvalError "eval_error" Forbidden "a rule could not be evaluated, which never allows";
        PolicyUnavailable "policy_unavailable" Unavailable "no policy is loaded, or deciding failed inside countersign";
        AssertionUnavailable "assertion_unavailable" Unavailable "countersign could not make the signed assertion that the rule asks for";
        AuditUnavailable "audit_unavailable" Unavailable "the decision could not be recorded, and nothing is allowed unrecorded";
        Throttled "throttled" Throttled "too many failed attempts from this source";
    }
}

impl Reason {
    /// This reason with what an operator needs to know; see [`Rejection::new`].
    pub fn because(self, detail: impl Into<Cow<'static, str>>) -> Rejection {
        Rejection::new(self, detail)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl JsonSchema for Reason {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Reason")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let codes: Vec<_> = Self::ALL.iter().map(|own| own.as_str()).collect();
        json_schema!({ "description": "The reason of a denial, by its code in docs/runbook.md.", "enum": codes })
    }
}

impl ClientAnswer {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Unauthenticated
            | Self::InvalidRequest
            | Self::InvalidToken
            | Self::InsufficientAuthentication => 401,
            Self::InsufficientScope | Self::Forbidden => 403,
            Self::Throttled => 429,
            Self::Unavailable => 503,
        }
    }

    /// The code of `google.rpc.Code`: never 0, which is OK.
    pub const fn grpc_status(self) -> i32 {
        match self {
            Self::InsufficientScope | Self::Forbidden => 7,
            Self::Throttled => 8,
            Self::Unavailable => 14,
            Self::Unauthenticated
            | Self::InvalidRequest
            | Self::InvalidToken
            | Self::InsufficientAuthentication => 16,
        }
    }

    /// The error code of RFC 6750 section 3.1 and RFC 9470 section 3, if the caller may learn one.
    pub const fn oauth_error(self) -> Option<&'static str> {
        match self {
            Self::InvalidRequest => Some("invalid_request"),
            Self::InvalidToken => Some("invalid_token"),
            Self::InsufficientScope => Some("insufficient_scope"),
            Self::InsufficientAuthentication => Some("insufficient_user_authentication"),
            Self::Unauthenticated | Self::Forbidden | Self::Throttled | Self::Unavailable => None,
        }
    }
}

impl Rejection {
    /// A refusal for `reason`. `detail` is cut at [`MAX_DETAIL_BYTES`] and its control characters are replaced, since
    /// it may quote what the caller sent; it must never hold a credential.
    pub fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            detail: printable(detail.into()),
            counts: None,
            blameless: false,
            refused: None,
        }
    }

    /// The same where it is the issuer's trouble or our own: the credential may be good, and its owner must not throw it away.
    #[must_use]
    pub fn without_blame(self) -> Self {
        Self { blameless: true, ..self }
    }

    /// The same where a credential that no one vouches for has cost something: it counts as a failed attempt.
    #[must_use]
    pub fn counted(self) -> Self {
        Self { counts: Some(true), ..self }
    }

    /// The same with the credential that it refuses.
    #[must_use]
    pub fn naming(self, refused: RefusedCredential) -> Self {
        Self { refused: Some(Arc::new(refused)), ..self }
    }

    /// The credential that it refuses, where it verified and is revoked.
    pub fn refused(&self) -> Option<&RefusedCredential> {
        self.refused.as_deref()
    }

    /// The part that the caller may learn: that of the reason, or to try again if no credential is to blame.
    pub const fn client_answer(&self) -> ClientAnswer {
        if self.blameless { ClientAnswer::Unavailable } else { self.reason.client_answer() }
    }

    /// True if a failed attempt to authenticate is behind it, and not the issuer's trouble or our own.
    pub const fn is_failed_attempt(&self) -> bool {
        match self.counts {
            Some(counts) => counts,
            None => !self.blameless && self.reason.is_failed_attempt(),
        }
    }

    /// Why.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The detail for the operator: lower case, no full stop.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

impl std::error::Error for Rejection {}

fn printable(detail: Cow<'static, str>) -> Cow<'static, str> {
    if detail.len() <= MAX_DETAIL_BYTES && detail.chars().all(is_shown) {
        return detail;
    }
    let mut out = String::with_capacity(MAX_DETAIL_BYTES);
    for c in detail.chars().map(|c| if is_shown(c) { c } else { '\u{fffd}' }) {
        if out.len().saturating_add(c.len_utf8()) > MAX_DETAIL_BYTES {
            break;
        }
        out.push(c);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_and_meanings_are_distinct_and_well_formed() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        let meanings: BTreeSet<_> = Reason::ALL.iter().map(|r| r.meaning()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert_eq!(meanings.len(), Reason::ALL.len());
        assert!(codes.iter().all(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }

    #[test]
    fn a_detail_is_bounded_and_has_no_control_characters() {
        let rejection =
            Reason::TokenMalformed.because(format!("a\r\n\u{202e}\u{2028}b{}", "é".repeat(1000)));
        assert!(rejection.detail().starts_with("a\u{fffd}\u{fffd}\u{fffd}\u{fffd}b"));
        assert!(rejection.detail().len() <= MAX_DETAIL_BYTES);
        assert!(!rejection.detail().contains(char::is_control));
    }

    #[test]
    fn only_our_own_failures_are_unavailable() {
        let unavailable: Vec<_> = Reason::ALL
            .iter()
            .filter(|r| r.client_answer() == ClientAnswer::Unavailable)
            .map(|r| r.as_str())
            .collect();
        assert_eq!(
            unavailable,
            [
                "deadline",
                "overloaded",
                "crl_missing",
                "crl_stale",
                "revocations_stale",
                "keys_stale",
                "keys_pending",
                "store_unavailable",
                "introspection_unavailable",
                "policy_unavailable",
                "assertion_unavailable",
                "audit_unavailable"
            ]
        );
    }

    /// A failed attempt is one with a credential: none is missing, and the trouble is not ours.
    #[test]
    fn failed_attempts_are_about_credentials_that_were_shown() {
        for reason in Reason::ALL.iter().filter(|reason| reason.is_failed_attempt()) {
            let layers = [Layer::Peer, Layer::Token, Layer::Binding];
            assert!(layers.contains(&reason.layer()), "{reason}");
            let answers = [ClientAnswer::Forbidden, ClientAnswer::InvalidToken];
            assert!(answers.contains(&reason.client_answer()), "{reason}");
            assert!(reason.because("x").is_failed_attempt());
            assert!(!reason.because("x").without_blame().is_failed_attempt(), "{reason}");
        }
        let others = [Reason::TokenExpired, Reason::DpopNonce, Reason::Throttled];
        assert!(others.iter().all(|reason| !reason.is_failed_attempt()));
    }
}
