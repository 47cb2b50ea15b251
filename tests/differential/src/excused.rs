//! Counts that no run reaches, each with its reason. A run fails where one of these is reached after all.

/// Reasons that no suite can give.
pub fn reason(reason: &str) -> Option<&'static str> {
    match reason {
        "dpop_invalid" | "dpop_nonce" => Some("a suite does not say that a proof came, which its challenge would tell"),
        "tcp_connection" => Some("a case is a request"),
        _ => None,
    }
}

/// Reasons that no case of the tier of bytes gives.
pub fn reason_of_bytes(reason: &str) -> Option<&'static str> {
    match reason {
        "revocations_stale" => Some("lists that are read from a place beside the documents"),
        "keys_stale" | "keys_pending" => Some("keys are in files"),
        "store_unavailable" => Some("the store is in this process"),
        "introspection_inactive" | "introspection_unavailable" => Some("no issuer introspects"),
        "tcp_connection" => Some("a case is a request"),
        "dpop_nonce" => Some("no issuer asks for nonces, which a server makes"),
        _ => None,
    }
}

/// Two reasons of which the program may give the first where the oracle gives the second (1.12).
pub fn reasons(program: &str, oracle: &str) -> Option<&'static str> {
    match (program, oracle) {
        ("store_unavailable", "token_replayed") => Some(
            "the clock goes back to before the end of a claim that the store has forgotten: it does not know, and the oracle forgets none",
        ),
        _ => None,
    }
}

/// Results that a check never has.
pub fn result(key: &str, result: &str) -> Option<&'static str> {
    match (key, result) {
        ("during", "unknown") => Some("the clock is known"),
        ("target.hostIsSni", "unknown") => Some("an unreported handshake is none"),
        ("contextExtensions" | "peer" | "token", "unknown") => Some("it is there or not"),
        ("peer.spiffe" | "peer.evidence", "unknown") => Some("known at every level of evidence"),
        ("peer.trustDomain", "unknown") => Some("a suite does not say that a domain is in doubt"),
        ("token.binding" | "token.bind", "unknown") => Some("verified before any rule"),
        ("token.audiences" | "token.subjects" | "token.clients", "unknown") => Some("a claim of another kind refuses the token"),
        ("token.scopes" | "token.anyScope", "unknown") => Some("a claim of another kind refuses the token"),
        ("inject", "fails") => Some("a value can be sent, or it cannot be determined what to send"),
        _ => None,
    }
}

/// Keys that no rule has beside each other; both in order.
pub fn pair(one: &str, other: &str) -> Option<&'static str> {
    let either = |key: &str| one == key || other == key;
    let of = |prefix: &str| one.starts_with(prefix) || other.starts_with(prefix);
    if either("public") && (of("peer.") || of("token.")) {
        return Some("a rule is public, or asks who it is");
    }
    if either("on.grpc") && (either("on.methods") || either("on.paths")) {
        return Some("`grpc` stands instead of both");
    }
    if either("peer.any") && of("peer.") && !either("peer.evidence") && one.starts_with("peer.") && other.starts_with("peer.") {
        return Some("`any` asks for nothing more");
    }
    if either("target.anyHost") && either("target.hosts") {
        return Some("`anyHost` stands instead of `hosts`");
    }
    None
}
