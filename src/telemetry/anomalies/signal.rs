//! The table of signals. The runbook explains each.

use crate::clock::UnixTime;
use crate::policy::DecisionId;
use crate::words::words;

words! {
    /// A kind of thing that is odd, and no proof of anything.
    pub enum Signal {
        /// An identity shows a certificate of an issuer that it had none of before.
        CertificateIssuer "certificate_issuer",
        /// An identity shows another key while its last certificate has more than half of its life left.
        CertificateKey "certificate_key",
        /// A certificate lives more than four times as long as is usual in its trust domain, or less than a quarter.
        CertificateLifetime "certificate_lifetime",
        /// A peer brings tokens of an issuer that it brought none of before.
        TokenIssuer "token_issuer",
        /// A peer brings tokens for an audience that it brought none for before.
        TokenAudience "token_audience",
        /// One token is used by two peers under one policy.
        TokenPeers "token_peers",
        /// One token is used from more than eight networks.
        TokenAddresses "token_addresses",
        /// Most requests of a peer are denied, of which hardly any were.
        PeerDenials "peer_denials",
        /// Most requests under a policy are denied, of which hardly any were.
        PolicyDenials "policy_denials",
    }
}

/// Something odd that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Its kind.
    pub signal: Signal,
    /// When.
    pub at: UnixTime,
    /// The decision that showed it.
    pub decision: DecisionId,
    /// The identity, token or policy that it is about: no claim, and no credential.
    pub about: String,
    /// The value that was seen, and those from before.
    pub detail: String,
}
