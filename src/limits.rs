//! The bounds on what others can make us read, hold or compute, each with its reason, on one page.
//!
//! A bound that concerns one file alone, such as the length of an algorithm's name, is a constant of that file.

use std::time::Duration;

mod documents;

pub use documents::*;

// --- the wire ------------------------------------------------------------------------------------

/// Largest `CheckRequest` that is kept and decided; a larger one is denied (P17). Envoy's own header limit is 60 KiB by default
/// and a buffered body is opt-in; 1 MiB leaves room for both.
pub const MAX_CHECK_REQUEST_BYTES: usize = 1024 * 1024;

/// Largest block of headers of a gRPC call. With tracing, or by `initial_metadata`, Envoy copies headers of the caller's
/// into it: at most those that it takes itself, which are 60 KiB by default and 8 MiB at most (`max_request_headers_kb`).
/// HTTP/2 refuses a larger block without a decision, and `failure_mode_allow` turns that into an allow; so the limit is
/// above everything that Envoy can send (P160). None of it is kept.
pub const MAX_GRPC_HEADER_BYTES: u32 = 9 * 1024 * 1024;

/// Most calls of one connection that were ended before they were begun. Each is one that Envoy sent and a caller gave up: all
/// that there can be at a time, several times over (P162).
pub const MAX_RESETS_WAITING: usize = 64 * 1024;

/// Most calls that one connection begins before they are looked at, and other connections have their turn. A client that resets
/// its calls at once would otherwise have thousands in memory at a time (P490).
pub const MAX_CALLS_READ_AT_ONCE: usize = 128;

/// Most calls that one connection resets in a time before its bytes wait: 10,000 a second, more than the callers of one Envoy give
/// up and its own timeouts (P490).
pub const MAX_RESETS_IN: (Duration, usize) = (Duration::from_millis(13), 128);

/// Most calls at a time on one connection: as many as one Envoy cluster sends by default. Envoy opens another
/// connection for more.
pub const MAX_STREAMS_PER_CONNECTION: u32 = 1024;

/// Most connections whose client has not said anything yet or is shaking hands: a quarter of `listener.connections.max`, within these
/// bounds. They have slots of their own: none of them takes one of the others. A handshake takes 40 KiB. The newest displaces the oldest
/// of the address that has the most (P302). One address, or one IPv6 network of 64 bits, has a quarter: an Envoy of 128 threads that
/// loses a replica connects 128 times at once, and at 1,000 a second each still has a quarter of a second.
pub const MAX_GREETING: usize = 1024;

/// Fewest that there are slots for.
pub const MIN_GREETING: usize = 64;

/// Longest wait for the first byte of a connection. Every client of ours speaks first, and at once.
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(3);

/// Longest handshake, the first byte included: two round trips and a signature, on a slow day.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time to the first call on a connection. An Envoy connects because it has one.
pub const FIRST_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Most calls of `grpc.health.v1` at a time on one connection. Envoy and Kubernetes ask one at a time.
pub const MAX_HEALTH_CALLS: usize = 8;

/// Most watchers of health at a time (`Watch`). Each takes 9 KiB.
pub const MAX_HEALTH_WATCHES: usize = 256;

/// Most of them from one address, or from one IPv6 network of 64 bits.
pub const MAX_HEALTH_WATCHES_PER_ADDRESS: usize = 64;

/// Longest call of `grpc.health.v1` but for watching.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// File descriptors that connections do not get: for files, issuers, collectors and the store.
pub const RESERVED_DESCRIPTORS: usize = 512;

/// Fewest connections that a server starts with.
pub const MIN_CONNECTIONS: usize = 64;

/// Most connections of operators (`admin.address`), and most of those that fetch the keys of assertions. The newest displaces the oldest
/// of the address that has the most: a probe or a scrape is done within moments.
pub const MAX_ADMIN_CONNECTIONS: usize = 64;

/// Most of them from one address, or from one IPv6 network of 64 bits.
pub const MAX_ADMIN_CONNECTIONS_PER_ADDRESS: usize = 32;

/// Longest wait for the head of an operator's request: of the first, and of the next one on the same connection.
pub const ADMIN_HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest life of an operator's connection, but for the answer to a request that was made before.
pub const MAX_ADMIN_AGE: Duration = Duration::from_secs(120);

/// Largest head of an operator's request.
pub const MAX_ADMIN_HEADER_BYTES: usize = 16 * 1024;

/// Most request headers that are looked at. Envoy refuses more than 100 by default.
pub const MAX_HEADERS: usize = 256;

/// Longest path with query. Envoy's limit is the header limit; nothing sensible is longer than this.
pub const MAX_PATH_BYTES: usize = 16 * 1024;

/// Most segments in a path. Matching is linear in them.
pub const MAX_PATH_SEGMENTS: usize = 64;

/// Longest host name (RFC 1035 section 2.3.4).
pub const MAX_HOST_BYTES: usize = 253;

// --- certificates --------------------------------------------------------------------------------

/// Longest XFCC header. Envoy writes at most a leaf and a chain per hop, URL-encoded; 64 KiB is above Envoy's
/// default limit for all headers together.
pub const MAX_XFCC_BYTES: usize = 64 * 1024;

/// Most elements in an XFCC header: one per proxy hop. Real meshes have two or three.
pub const MAX_XFCC_ELEMENTS: usize = 16;

/// Largest single certificate, DER. Large real leaves are 4 KiB; post-quantum ones below 16 KiB.
pub const MAX_CERTIFICATE_BYTES: usize = 32 * 1024;

/// Most certificates in a presented chain, leaf included. Web PKI and SPIRE use two to four.
pub const MAX_CHAIN_CERTIFICATES: usize = 8;

/// Most signature checks that may fail for the certificates of one request. With a key identifier of its issuer a good certificate
/// needs none; without one it needs as many as other issuers have the same name.
pub const MAX_FAILED_SIGNATURES: u32 = 4;

/// Most subject alternative names looked at in one certificate. Bounds matcher work per request.
pub const MAX_SUBJECT_ALT_NAMES: usize = 256;

/// Longest SPIFFE ID (SPIFFE-ID section 2.3).
pub const MAX_SPIFFE_ID_BYTES: usize = 2048;

/// Longest SPIFFE trust domain name (SPIFFE-ID section 2.1).
pub const MAX_TRUST_DOMAIN_BYTES: usize = 255;

// --- tokens --------------------------------------------------------------------------------------

/// Longest token. Entra ID and Keycloak tokens with many groups reach 10 KiB (P72).
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Longest DPoP proof. With an RSA key of 4,096 bits one has 2 KiB.
pub const MAX_PROOF_BYTES: usize = 8 * 1024;

/// Longest `jti` of a DPoP proof or of a token that is used once. UUIDs have 36 bytes.
pub const MAX_PROOF_ID_BYTES: usize = 256;

/// Longest age of a DPoP proof that can be set: for as long its use has to be remembered.
pub const MAX_PROOF_AGE: Duration = Duration::from_secs(600);

/// Longest decoded JOSE header. `alg`, `typ`, `kid` and an embedded key fit in a fraction of it.
pub const MAX_JOSE_HEADER_BYTES: usize = 4 * 1024;

/// Deepest JSON nesting in a header, a claims set or a key set (P72).
pub const MAX_JSON_DEPTH: usize = 16;

/// Longest key id (P51).
pub const MAX_KEY_ID_BYTES: usize = 256;

/// Most scopes kept from one token.
pub const MAX_SCOPES: usize = 256;

/// Largest clock skew an issuer may be granted (P56).
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

// --- key sets ------------------------------------------------------------------------------------

/// Largest key set document (P58). Large public ones (Entra ID) are 30 KiB.
pub const MAX_KEY_SET_BYTES: usize = 512 * 1024;

/// Most keys used from one set (P72). Keys that cannot be used, such as those for encryption, do not count.
pub const MAX_KEYS: usize = 256;

/// Most keys of a set that are looked at.
pub const MAX_LISTED_KEYS: usize = 1024;

/// Most keys that are tried for a token that names none: those of an issuer that rotates with overlap (P411).
pub const MAX_FITTING_KEYS: usize = 4;

/// Smallest RSA modulus (RFC 7518 section 3.3).
pub const MIN_RSA_BITS: usize = 2048;

/// Largest RSA modulus: verification time grows with its square (P72).
pub const MAX_RSA_BITS: usize = 8192;

/// Longest wait for one key set fetch, from connecting to the last byte, unless it is set (P58). Requests wait for their `deadline` at
/// most.
pub const KEY_FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for any fetch that can be set.
pub const MAX_FETCH_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Largest file of credentials that a server is shown: a chain of certificates has some kilobytes.
pub const MAX_CREDENTIAL_BYTES: u64 = 256 * 1024;

/// Longest time to an answer, unless it is set: below the 200 ms that Envoy waits by default, so that our denial arrives before
/// Envoy gives up on us (P15).
pub const DEFAULT_DEADLINE: Duration = Duration::from_millis(150);

/// Least time until a key set, a list or a file is fetched again because the server asks for it (`Cache-Control`): some answer with
/// `no-cache`, and would be asked all the time.
pub const MIN_ASKED_REFRESH: Duration = Duration::from_secs(30);

/// First and longest wait after a failed fetch.
pub const REMOTE_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Most requests per second to one host, unless it is set: providers begin to refuse at some 20, and there are replicas.
pub const DEFAULT_REQUESTS_PER_HOST: u32 = 10;

/// Most hosts whose requests are counted; those that nothing is asked of are forgotten beyond it.
pub const MAX_FOLLOWED_HOSTS: usize = 4096;

/// Fetches of one key set that tokens with unknown key ids can cause (P61): at once, and then one every so often, never two
/// within the last.
pub const UNKNOWN_KEY_FETCHES: (u32, Duration, Duration) =
    (3, Duration::from_secs(5), Duration::from_secs(1));

/// The same for key ids that are named again. A fetch brings every key, so this is also how long made-up key ids that are named
/// twice can delay a new one (P445).
pub const REPEATED_KEY_FETCHES: (u32, Duration, Duration) =
    (2, Duration::from_millis(1500), Duration::ZERO);

/// The same for tokens whose signature does not verify with a key that is there: the issuer may have replaced it under its id.
pub const CHANGED_KEY_FETCHES: (u32, Duration, Duration) =
    (2, Duration::from_secs(2), Duration::from_secs(1));

/// The same for remote files of a trust domain, of certificates whose authority is unknown.
pub const UNKNOWN_AUTHORITY_FETCHES: (u32, Duration, Duration) =
    (2, Duration::from_secs(3), Duration::from_secs(1));

/// For how long a key id that a fetch did not bring causes no other fetch at first, and how often: a key may be used a moment
/// before it is published.
pub const ABSENT_KEY_REPEATS: (Duration, u32) = (Duration::from_millis(1500), 5);

/// For how long it causes none after that.
pub const ABSENT_KEY_LIFETIME: Duration = Duration::from_secs(10);

/// Most such key ids kept for one key set. Beyond them the budgets alone bound the fetches.
pub const MAX_ABSENT_KEYS: usize = 1024;

/// For how long a request whose key id may not be fetched for waits for a second one that names it, and how many do between two
/// fetches.
pub const SECOND_TOKEN_WAIT: (Duration, u32) = (Duration::from_millis(100), 16);

/// Most requests that wait for one key set at a time; the others go on with what is there (P61).
pub const MAX_KEY_WAITERS: usize = 256;

// --- introspection -------------------------------------------------------------------------------

/// Largest answer of an introspection endpoint. Claims of a token with many groups reach 10 KiB, as tokens do.
pub const MAX_INTROSPECTION_ANSWER_BYTES: usize = 64 * 1024;

/// Longest wait for one answer that can be set: a caller that waits longer has no use for the answer.
pub const MAX_INTROSPECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Most questions at a time that can be set.
pub const MAX_INTROSPECTION_CONCURRENCY: usize = 1024;

/// Most questions that wait for their turn at one endpoint; the next one is denied at once.
pub const MAX_INTROSPECTION_QUEUE: usize = 256;

/// Most bytes of answers about active tokens that are kept for one endpoint.
pub const MAX_INTROSPECTION_CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// How long the answer that a token is not active is used at most: short, since the token may be issued in between.
pub const INACTIVE_LIFETIME: Duration = Duration::from_secs(5);

/// Most such answers kept for one endpoint. They have room of their own, so that made-up tokens displace no good ones.
pub const MAX_INACTIVE_ANSWERS: u64 = 16 * 1024;

/// Failures in a row after which an endpoint is not asked for a while.
pub const INTROSPECTION_FAILURES: u32 = 5;

/// For how long it is not asked then; up to a quarter longer, so that replicas do not come back together.
pub const INTROSPECTION_COOLDOWN: Duration = Duration::from_secs(5);

// --- revocation ----------------------------------------------------------------------------------

/// Largest revocation list in the line form: a million tokens by UUID are 41 MB.
pub const MAX_REVOCATION_LIST_BYTES: usize = 96 * 1024 * 1024;

/// Most certificate revocation lists that are remembered beside those in force, so that none goes back in time: a list is a few
/// kilobytes, and a CA has a handful.
pub const MAX_KNOWN_LISTS: usize = 1024;

/// Largest file about revocations that is kept over a restart, beside the lists themselves: what was revoked while servers
/// ran, some 500 bytes each.
pub const MAX_KEPT_FILE_BYTES: usize = 64 * 1024 * 1024;

/// Longest text in a revocation entry: a subject, a name, a reason.
pub const MAX_REVOCATION_TEXT_BYTES: usize = 1024;

/// Longest wait for a revocation list from a server. No request waits for it.
pub const REVOCATION_LIST_TIMEOUT: Duration = Duration::from_secs(60);

/// Largest signature file of a revocation list: a header and an RSA signature of 8192 bits.
pub const MAX_LIST_SIGNATURE_BYTES: usize = 8 * 1024;

/// Largest body of a request to the revocation API: one entry.
pub const MAX_REVOCATION_REQUEST_BYTES: usize = 32 * 1024;

// --- the store -----------------------------------------------------------------------------------

/// Most one-time credentials that a process remembers by itself, unless it is set: 50 MB, or five minutes of 1,600 proofs a
/// second.
pub const DEFAULT_FIRST_USES: usize = 500_000;

/// Longest wait for the shared store that can be set: a request waits for it, and Envoy gives up after 200 ms by default.
pub const MAX_STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a replica asks the shared store for news. Well below the second in which a revocation has to be in force.
pub const STORE_POLL: Duration = Duration::from_millis(200);

/// How often the shared store is asked whether it may forget what was written: its settings may change while it runs.
pub const STORE_EXAMINED: Duration = Duration::from_secs(60);

/// Longest wait for a connection to the shared store, with its handshakes. No request waits for it.
pub const STORE_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// First and longest wait before the shared store is connected to again.
pub const STORE_RECONNECT: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(2));

/// How far the clocks of replicas may differ without a one-time credential working twice: the shared store keeps each use for this
/// much longer, some 100 bytes each.
pub const REPLICA_CLOCK_DIFFERENCE: Duration = Duration::from_secs(60);

/// Answers in a row that did not come, or were errors, after which the shared store counts as lost.
pub const STORE_FAILURES: u32 = 5;

/// Largest shared record. A revocation has a few hundred bytes.
pub const MAX_SHARED_RECORD_BYTES: usize = 4 * 1024;

/// Most shared records that a process keeps by itself: two million revocations.
pub const MAX_SHARED_RECORDS: usize = 2_000_000;

/// Most shared records that are read at a time: a few hundred KiB, which another reader hardly waits for.
pub const MAX_SHARED_PAGE: usize = 1_000;

// --- throttling ----------------------------------------------------------------------------------

/// Most sources whose failed attempts are remembered, some 200 bytes each; the one that failed least often makes room.
pub const MAX_THROTTLED_SOURCES: usize = 65_536;

/// Most failed attempts that can be set (`throttle.failures`).
pub const MAX_THROTTLE_FAILURES: u32 = 10_000;

/// Longest time that can be set for them (`throttle.per`).
pub const MAX_THROTTLE_PERIOD: Duration = Duration::from_secs(3600);

/// Failed attempts of a source over its limit that are verified all the same, so that new credentials of others at its address get
/// in: at once, and then one every so often. Beyond it only credentials that were verified before count.
pub const THROTTLED_VERIFICATIONS: (u32, Duration, Duration) =
    (200, Duration::from_millis(5), Duration::ZERO);

/// Most failed attempts that wait to be counted in the shared store.
pub const MAX_UNSHARED_ATTEMPTS: usize = 1024;

// --- anomalies -----------------------------------------------------------------------------------

/// Most names and tokens that each signal remembers something of, at most 600 bytes each.
pub const MAX_ANOMALY_NAMES: usize = 16_384;

/// Most values that are remembered of a name; the oldest is forgotten.
pub const MAX_ANOMALY_VALUES: usize = 16;

/// Networks that a token may be used from without a signal.
pub const MAX_TOKEN_NETWORKS: usize = 8;

/// Most tokens whose use is remembered for rules that ask for signals (`token.signals`), at most 600 bytes each and each once for every
/// host. Where there are more, of the subject that has the most tokens one is forgotten.
pub const MAX_USED_TOKENS: usize = 65_536;

/// Longest time that a use of a token can be remembered (`anomalies.window`).
pub const MAX_USE_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Most decisions that wait to be looked at.
pub const MAX_ANOMALY_QUEUE: usize = 1024;
