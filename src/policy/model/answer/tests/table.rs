//! Every reason with the answer that its caller gets, for a token as a bearer token and for one with a proof (RFC 6750 section 3.1, RFC 9449
//! section 7.1, RFC 9470 section 3).

use super::*;
use crate::policy::model::decision::{Needs, ProofNeed};
use crate::policy::tests::fixtures::get;
use crate::reason::Reason::{self, *};

/// The status, and the error of the challenge for either scheme; `-` for a challenge without an error, nothing for none.
type Told = (u16, &'static str, &'static str);

const FORBIDDEN: Told = (403, "", "");
const TROUBLE: Told = (503, "", "");
const TOKEN: Told = (401, "invalid_token", "invalid_token");
const STEP_UP: Told = (401, "insufficient_user_authentication", "insufficient_user_authentication");

#[rustfmt::skip]
const TABLE: &[(Reason, Told)] = &[
    (RequestTooLarge, FORBIDDEN), (Deadline, TROUBLE), (Overloaded, TROUBLE), (TcpConnection, FORBIDDEN), (PathNotCanonical, FORBIDDEN),
    (HostInvalid, FORBIDDEN), (HeaderDuplicate, FORBIDDEN), (EncodingInvalid, FORBIDDEN),
    (PeerMissing, FORBIDDEN), (XfccMalformed, FORBIDDEN), (XfccUntrustedHop, FORBIDDEN), (XfccInconsistent, FORBIDDEN),
    (EvidenceInsufficient, FORBIDDEN), (ChainUntrusted, FORBIDDEN), (CertExpired, FORBIDDEN),
    (CertNotYetValid, FORBIDDEN), (CertLifetime, FORBIDDEN), (CertEku, FORBIDDEN), (CertKey, FORBIDDEN),
    (CertPin, FORBIDDEN), (CertSan, FORBIDDEN), (CertRevoked, FORBIDDEN), (CrlMissing, TROUBLE), (CrlStale, TROUBLE),
    (RevocationsStale, TROUBLE), (SpiffeInvalid, FORBIDDEN), (TrustDomainUnknown, FORBIDDEN),
    (TokenMissing, (401, "-", "-")), (TokenMultiple, (401, "invalid_request", "invalid_request")),
    (TokenMalformed, TOKEN), (TokenAlg, TOKEN), (TokenType, TOKEN), (KeyUnknown, TOKEN), (KeysStale, TROUBLE), (KeysPending, TROUBLE),
    (SignatureInvalid, TOKEN), (IssuerUnknown, TOKEN), (Audience, TOKEN), (TokenExpired, TOKEN),
    (TokenNotYetValid, TOKEN), (TokenLifetime, TOKEN), (TokenReplayed, TOKEN), (StoreUnavailable, TROUBLE),
    (TokenRevoked, TOKEN), (IntrospectionInactive, TOKEN), (IntrospectionUnavailable, TROUBLE),
    (ScopeMissing, (403, "insufficient_scope", "insufficient_scope")), (AcrInsufficient, STEP_UP), (AuthTooOld, STEP_UP),
    (ClaimMismatch, FORBIDDEN), (BindingUnavailable, TOKEN), (BindingMismatch, TOKEN),
    (DpopInvalid, (401, "invalid_token", "invalid_dpop_proof")), (DpopNonce, (401, "invalid_token", "use_dpop_nonce")),
    (IdentityTokenMismatch, FORBIDDEN),
    (NoRule, FORBIDDEN), (RuleDenied, FORBIDDEN), (EvalError, FORBIDDEN), (PolicyUnavailable, TROUBLE),
    (AssertionUnavailable, TROUBLE), (AuditUnavailable, TROUBLE), (Throttled, (429, "", "")),
];

fn answer_to(reason: Reason, proof: Option<ProofNeed>) -> Answer {
    let needs =
        Needs { proof, scopes: vec!["a".into()], acr: vec!["phr".into()], ..Needs::default() };
    Denial { needs, ..Denial::new(reason.because("")) }.answer(&get("/"), "id")
}

fn proof(faulty: bool) -> Option<ProofNeed> {
    Some(ProofNeed { algorithms: vec!["ES256"], nonce: Some("n".into()), faulty })
}

fn expected(scheme: &str, error: &str, reason: Reason) -> Option<String> {
    let error = match error {
        "" => return None,
        "-" => String::new(),
        error => format!(", error=\"{error}\""),
    };
    let mut more = "";
    if reason == ScopeMissing {
        more = ", scope=\"a\"";
    } else if [AcrInsufficient, AuthTooOld].contains(&reason) {
        more = ", acr_values=\"phr\"";
    }
    let algorithms = if scheme == "DPoP" { ", algs=\"ES256\"" } else { "" };
    Some(format!("{scheme} realm=\"countersign\"{error}{more}{algorithms}"))
}

/// P143, P144: a proof that was refused says so by the scheme that was used, and our own or the issuer's trouble never says that a
/// token is bad.
#[test]
fn every_reason_has_its_status_and_its_challenge() {
    for reason in Reason::ALL {
        let found = TABLE.iter().find(|(own, _)| own == reason);
        let (_, (status, bearer, dpop)) =
            found.unwrap_or_else(|| panic!("{reason} is in no table"));
        for (scheme, error, proof) in [("Bearer", bearer, None), ("DPoP", dpop, proof(false))] {
            let answer = answer_to(*reason, proof);
            assert_eq!(answer.status, *status, "{reason} {scheme}");
            let challenge = answer.header("www-authenticate").map(str::to_owned);
            assert_eq!(challenge, expected(scheme, error, *reason), "{reason} {scheme}");
            // A nonce goes with a challenge for a proof, and with nothing else.
            let nonce = scheme == "DPoP" && challenge.is_some();
            assert_eq!(answer.header("dpop-nonce").is_some(), nonce, "{reason} {scheme}");
        }
    }
}

/// P143: a proof that was used before is a bad proof, and its token is as good as ever (RFC 9449 section 11.1).
#[test]
fn a_replayed_proof_is_not_a_bad_token() {
    let answer = answer_to(TokenReplayed, proof(true));
    let challenge = answer.header("www-authenticate").unwrap();
    assert_eq!(
        challenge,
        "DPoP realm=\"countersign\", error=\"invalid_dpop_proof\", algs=\"ES256\""
    );
}
