//! The advice for a request that is refused before any rule is asked (P512).

use crate::reason::Reason;

/// The advice where the request is not at fault.
pub(super) const ASK_AGAIN: &str = "ask again in a moment; where that does not help, the trouble is here or at the issuer, and not in the request";

/// A match over the reasons, one row for each advice.
macro_rules! remedies {
    ($reason:expr; $($($own:ident)|+ => $advice:expr;)+) => {
        match $reason { $($(Reason::$own)|+ => $advice,)+ }
    };
}

/// The next thing to do about a refusal for `reason`.
pub(super) const fn remedy(reason: Reason) -> &'static str {
    remedies! {
        reason;
        TokenMalformed => "send the token as its issuer made it, in the place that the issuer's document names";
        TokenMultiple => "send one token of each issuer";
        TokenAlg => "name the token's algorithm under `algorithms` of the issuer, if it is meant to sign with it";
        TokenType => "send an access token; where the issuer writes another type, name it under `types` or `kinds`";
        KeyUnknown => "compare the token's `kid` with `countersign keys --documents PATH`; a token of keys that are gone has to be issued again";
        SignatureInvalid => "take the token from its issuer again; where every token fails, compare the keys with `countersign keys --documents PATH`";
        IssuerUnknown => "add a `TokenIssuer` for the token's `iss`, or correct `issuer` or `tenants` of the one that is meant; `countersign keys verify --show-values` shows the claim";
        Audience => "ask the issuer for a token for this service, or add the audience to `audiences` of the issuer";
        TokenExpired | IntrospectionInactive => "have the caller get a new token";
        TokenNotYetValid => "compare the clocks of the issuer and of this machine; `clockSkew` of the issuer allows for a difference";
        TokenLifetime => "have the issuer make tokens that live shorter, or raise `maxLifetime` or `maxAge` of the issuer";
        TokenReplayed => "have the caller make a new token or proof for each request";
        TokenRevoked | CertRevoked => "find out why it was revoked: `countersign revocations --documents PATH` shows who revoked it";
        BindingUnavailable => "have the proxy show the caller's certificate: `include_peer_certificate: true`, or XFCC with `Cert`";
        BindingMismatch => "present the token with the certificate or key that it was issued for";
        DpopInvalid => "have the client make a DPoP proof for this method and address, with the token's key";
        DpopNonce => "ask again with the nonce of the answer's `dpop-nonce` header";
        IdentityTokenMismatch => "present tokens of this workload's own client, or change `bind` of the issuer";
        CertExpired => "have the workload's certificate, or the authority that is named, renewed; where many fail, compare clocks";
        CertNotYetValid => "compare the clocks of the CA and of this machine";
        CertLifetime => "have the CA issue other lifetimes, or change `leaf.maxLifetime` or `leaf.minRemaining` of the trust domain";
        CertEku => "issue the certificate for client authentication, or change `leaf.extendedKeyUsage` of the trust domain";
        CertKey => "issue the certificate that is named again, with P-256 or RSA of 2048 bits or more";
        CertPin => "add the certificate's fingerprint to `leaf.pins` of the trust domain, if it is the right one";
        CertSan | SpiffeInvalid => "issue the certificate again, with names that are allowed";
        ChainUntrusted => "add its CA to `authorities` of the trust domain, or what lies between to `intermediates`";
        TrustDomainUnknown => "add a `TrustDomain` for the certificate's identity, or correct `spiffe` of the one that is meant";
        PeerMissing => "show a client certificate, and have `listener.peerSources` trust where it comes from";
        EvidenceInsufficient => "have the proxies send more of the certificate: `source.certificate`, or XFCC with `Cert` and `Chain`";
        XfccMalformed => "have the proxy at the edge write the header itself: `SANITIZE_SET`";
        XfccUntrustedHop => "name the proxy that wrote the header under `forwarders` of its trust domain, if its word is to count";
        XfccInconsistent => "find out who wrote the header: no Envoy writes this";
        PathNotCanonical => "correct the path in the client; a target can accept `emptySegments` and `encodedSlashes`";
        HostInvalid => "correct the host in the client, or name its form under `hosts` of the target";
        HeaderDuplicate => "have the proxy replace the header instead of adding to it";
        EncodingInvalid => "have Envoy send `encode_raw_headers: true`, and correct the part that is named";
        RequestTooLarge => "send less, or lower `with_request_body.max_request_bytes` in Envoy";
        TokenMissing => "send a token";
        KeysStale | KeysPending => "see why the issuer does not answer: `countersign keys --documents PATH` asks it now";
        CrlMissing | CrlStale => "give the trust domain a current CRL of the authority that is named";
        PolicyUnavailable => "load documents with a policy: `countersign check` says what is wrong with them";
        Throttled => "wait as `retry-after` says, and find out why the earlier attempts of this source failed";
        // Our own trouble, and what only rules find.
        Deadline | Overloaded | TcpConnection | RevocationsStale | StoreUnavailable | IntrospectionUnavailable | AssertionUnavailable | AuditUnavailable => ASK_AGAIN;
        ScopeMissing | AcrInsufficient | AuthTooOld | ClaimMismatch | NoRule | RuleDenied | EvalError => ASK_AGAIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P512: no advice repeats the reason.
    #[test]
    fn each_reason_has_advice_of_its_own() {
        for reason in Reason::ALL {
            let advice = remedy(*reason);
            assert!(advice.len() > 10 && advice != reason.meaning(), "{reason}: {advice}");
        }
    }
}
