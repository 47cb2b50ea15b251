//! The advice for a request that is refused before any rule is asked (P512).

use crate::reason::Reason;

/// The next thing to do about a refusal, by its reason.
const REMEDIES: [(Reason, &str); 47] = [
    (
        Reason::TokenMalformed,
        "send the token as its issuer made it, in the place that the issuer's document names",
    ),
    (Reason::TokenMultiple, "send one token of each issuer"),
    (
        Reason::TokenAlg,
        "name the token's algorithm under `algorithms` of the issuer, if it is meant to sign with it",
    ),
    (
        Reason::TokenType,
        "send an access token; where the issuer writes another type, name it under `types` or `kinds`",
    ),
    (
        Reason::KeyUnknown,
        "compare the token's `kid` with `countersign keys --documents PATH`; a token of keys that are gone has to be issued again",
    ),
    (
        Reason::SignatureInvalid,
        "take the token from its issuer again; where every token fails, compare the keys with `countersign keys --documents PATH`",
    ),
    (
        Reason::IssuerUnknown,
        "add a `TokenIssuer` for the token's `iss`, or correct `issuer` or `tenants` of the one that is meant; `countersign keys verify --show-values` shows the claim",
    ),
    (
        Reason::Audience,
        "ask the issuer for a token for this service, or add the audience to `audiences` of the issuer",
    ),
    (Reason::TokenExpired, "have the caller get a new token"),
    (
        Reason::TokenNotYetValid,
        "compare the clocks of the issuer and of this machine; `clockSkew` of the issuer allows for a difference",
    ),
    (
        Reason::TokenLifetime,
        "have the issuer make tokens that live shorter, or raise `maxLifetime` or `maxAge` of the issuer",
    ),
    (Reason::TokenReplayed, "have the caller make a new token or proof for each request"),
    (Reason::TokenRevoked, "find out why it was revoked: `countersign revocations` shows by whom"),
    (Reason::CertRevoked, "find out why it was revoked: `countersign revocations` shows by whom"),
    (Reason::IntrospectionInactive, "have the caller get a new token"),
    (
        Reason::BindingUnavailable,
        "have the proxy show the caller's certificate: `include_peer_certificate: true`, or XFCC with `Cert`",
    ),
    (
        Reason::BindingMismatch,
        "present the token with the certificate or key that it was issued for",
    ),
    (
        Reason::DpopInvalid,
        "have the client make a DPoP proof for this method and address, with the token's key",
    ),
    (Reason::DpopNonce, "ask again with the nonce of the answer's `dpop-nonce` header"),
    (
        Reason::IdentityTokenMismatch,
        "present tokens of this workload's own client, or change `bind` of the issuer",
    ),
    (
        Reason::CertExpired,
        "have the workload's certificate, or the authority that is named, renewed",
    ),
    (Reason::CertNotYetValid, "compare the clocks of the CA and of this machine"),
    (
        Reason::CertLifetime,
        "have the CA issue other lifetimes, or change `leaf.maxLifetime` or `leaf.minRemaining` of the trust domain",
    ),
    (
        Reason::CertEku,
        "issue the certificate for client authentication, or change `leaf.extendedKeyUsage` of the trust domain",
    ),
    (
        Reason::CertKey,
        "issue the certificate that is named again, with P-256 or RSA of 2048 bits or more",
    ),
    (
        Reason::CertPin,
        "add the certificate's fingerprint to `leaf.pins` of the trust domain, if it is the right one",
    ),
    (Reason::CertSan, "issue the certificate again, with names that are allowed"),
    (Reason::SpiffeInvalid, "issue the certificate again, with names that are allowed"),
    (
        Reason::ChainUntrusted,
        "add its CA to `authorities` of the trust domain, or what lies between to `intermediates`",
    ),
    (
        Reason::TrustDomainUnknown,
        "add a `TrustDomain` for the certificate's identity, or correct `spiffe` of the one that is meant",
    ),
    (
        Reason::PeerMissing,
        "show a client certificate, and have `listener.peerSources` believe where it comes from",
    ),
    (
        Reason::EvidenceInsufficient,
        "have the proxies send more of the certificate: `source.certificate`, or XFCC with `Cert` and `Chain`",
    ),
    (Reason::XfccMalformed, "have the proxy at the edge write the header itself: `SANITIZE_SET`"),
    (
        Reason::XfccUntrustedHop,
        "name the proxy that wrote the header under `forwarders` of its trust domain, if its word is to count",
    ),
    (Reason::XfccInconsistent, "find out who wrote the header: no Envoy writes this"),
    (
        Reason::PathNotCanonical,
        "correct the path in the client; a target can accept `emptySegments` and `encodedSlashes`",
    ),
    (
        Reason::HostInvalid,
        "correct the host in the client, or name its form under `hosts` of the target",
    ),
    (Reason::HeaderDuplicate, "have the proxy replace the header instead of adding to it"),
    (
        Reason::EncodingInvalid,
        "have Envoy send `encode_raw_headers: true`, and correct the part that is named",
    ),
    (Reason::RequestTooLarge, "send less, or lower `with_request_body.max_request_bytes` in Envoy"),
    (Reason::TokenMissing, "send a token"),
    (
        Reason::KeysStale,
        "see why the issuer does not answer: `countersign keys --documents PATH` asks it now",
    ),
    (
        Reason::KeysPending,
        "see why the issuer does not answer: `countersign keys --documents PATH` asks it now",
    ),
    (Reason::CrlMissing, "give the trust domain a current CRL of the authority that is named"),
    (Reason::CrlStale, "give the trust domain a current CRL of the authority that is named"),
    (
        Reason::PolicyUnavailable,
        "load documents with a policy: `countersign check` says what is wrong with them",
    ),
    (
        Reason::Throttled,
        "wait as `retry-after` says, and find out why the earlier attempts of this source failed",
    ),
];

/// The advice where the request is not at fault.
pub(super) const ASK_AGAIN: &str = "ask again in a moment; where that does not help, the trouble is here or at the issuer, and not in the request";

/// The next thing to do about a refusal for `reason`.
pub(super) fn remedy(reason: Reason) -> &'static str {
    let own = REMEDIES.iter().find(|(own, _)| *own == reason);
    own.map_or(ASK_AGAIN, |(_, advice)| advice)
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
