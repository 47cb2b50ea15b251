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
    let of_allow = ["inject", "remove", "rejectedCookies", "peer.evidence", "token.binding", "token.bind", "token.acr", "token.maxAge"];
    if either("token.signals") && of_allow.into_iter().any(either) {
        return Some("signals are for deny rules, which have none of these");
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

/// The type of a key of the schema, or of a word, and the key or the word.
fn parts(name: &str) -> (&str, &str) {
    name.split_once(": ").or(name.split_once('.')).unwrap_or((name, ""))
}

/// Keys and words of the schema that the tier of stated identities does not write.
pub fn key_of_stated(name: &str) -> Option<&'static str> {
    let verifying = Some("a suite states what was verified");
    match parts(name) {
        ("CaseSpec", "peers" | "requests" | "tokens") => Some("each case is one request of one caller"),
        ("ExpectSpec", key) if key != "decision" => Some("no suite expects, both are asked"),
        (
            "DpopSpec" | "ExtendedKeyUsageSpec" | "LeafSpec" | "Pin" | "RevocationDepth" | "RevocationEntrySpec" | "RevocationListSpec",
            _,
        )
        | ("RevocationSpec" | "OnMissing" | "OnStale" | "TokenKind" | "TokenUse" | "WithoutAudienceSpec" | "SharedSecretSpec", _)
        | ("PrefixedPlaceSpec" | "ProtocolPlaceSpec" | "ProtocolEncoding", _)
        | ("KeysSpec", "secrets" | "inline")
        | ("Source", "inline")
        | ("TokenPlaceSpec", "authorization" | "prefixed" | "query" | "webSocketProtocol")
        | ("TrustDomainSpec", "bundle" | "forwarders" | "intermediates" | "leaf" | "revocation") => verifying,
        ("IssuerProfile", profile) if !matches!(profile, "jwt" | "jwtSvid") => verifying,
        ("TokenIssuerSpec", "accessMarks" | "bind" | "claims" | "clockSkew" | "denyKids" | "dpop" | "kinds" | "maxAge") => verifying,
        ("TokenIssuerSpec", "maxLifetime" | "moreKeys" | "requiredClaims" | "types" | "use" | "withoutAudience") => verifying,
        ("ClaimType", _) => verifying,
        _ => remote(name),
    }
}

/// Keys and words of the schema that the tier of bytes does not write.
pub fn key_of_bytes(name: &str) -> Option<&'static str> {
    match parts(name) {
        ("BindingFixture" | "CaseSpec" | "ExpectSpec" | "PeerFixture" | "PolicySuiteSpec" | "RequestFixture" | "TokenFixture", _) => {
            Some("requests are bytes, and no suites")
        }
        ("AssertionSpec", _) | ("InjectSpec", "assertion") => Some("nothing signs assertions"),
        ("ClaimType", word) if word != "any" => Some("types of claims change no decision"),
        ("KeysSpec", "inline") | ("Source", "inline") => Some("keys and certificates are in files"),
        ("TrustDomainSpec", "bundle") => Some("a bundle has the same authorities in another form"),
        ("LeafSpec", "minRsaBits") => Some("keys are of curves"),
        ("RevocationEntrySpec", "at" | "author" | "reason") => Some("words for people"),
        ("TokenSpec", "signals") | ("TokenSignal", _) => Some("nothing remembers the uses of tokens"),
        ("ProtocolEncoding", "none") => Some("the tokens of such a place are in base64url, or stand behind a word"),
        _ => remote(name),
    }
}

/// Keys of what is fetched or asked over a network, which neither tier has: the soak and the tests of the program have servers.
fn remote(name: &str) -> Option<&'static str> {
    let fetched = Some("nothing is fetched or asked over a network");
    match parts(name) {
        ("ClientSpec" | "DiscoverySpec" | "IntrospectionClientSpec" | "IntrospectionSpec" | "MetadataKind" | "MutualTlsSpec", _)
        | ("PrivateKeyJwtSpec" | "RemoteSource" | "ListSignatureSpec" | "OnStaleList" | "SecretFile", _)
        | ("KeysSpec", "allowPlaintext" | "ca" | "client" | "discovery" | "maxStale" | "refresh" | "timeout" | "url")
        | ("RevocationListSpec", "from" | "maxAge" | "onStale" | "signature")
        | ("Source", "remote")
        | ("TokenIssuerSpec", "introspection") => fetched,
        ("DpopNonceSpec", _) | ("DpopSpec", "nonce") => Some("a server makes nonces"),
        _ => None,
    }
}
