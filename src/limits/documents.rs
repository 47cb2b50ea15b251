//! Bounds of documents and of what is made of them: conditions, answers, records, and the work of commands.

use std::time::Duration;

// --- documents -----------------------------------------------------------------------------------

/// Largest document file. 10,000 rules are about 4 MiB.
pub const MAX_DOCUMENT_FILE_BYTES: usize = 32 * 1024 * 1024;

/// Largest file that a document may point to (a CA bundle, a key set, a CRL).
pub const MAX_ATTACHED_FILE_BYTES: usize = 64 * 1024 * 1024;

/// Largest file that is fetched for a document (a CRL, a SPIFFE bundle). Public CRLs reach 10 MB.
pub const MAX_REMOTE_FILE_BYTES: usize = 32 * 1024 * 1024;

/// Longest wait for such a file, unless it is set. No request waits for it.
pub const REMOTE_FILE_TIMEOUT: Duration = Duration::from_secs(30);

/// Most files read from the document folders; a guard against pointing at the wrong folder.
pub const MAX_DOCUMENT_FILES: usize = 10_000;

/// Most events (values, beginnings and ends of lists and mappings) of one document. The largest file of 32 MiB has as many if every
/// value has two characters.
pub const MAX_DOCUMENT_EVENTS: usize = 8_000_000;

/// Longest line of a document that a message shows; a longer one is hidden, as something in it may be a secret.
pub const MAX_SHOWN_LINE_BYTES: usize = 8 * 1024;

/// Largest file of settings of proxies that `lint-mesh` reads: a `/config_dump` of a gateway with ten thousand routes has about 30 MiB.
pub const MAX_MESH_FILE_BYTES: usize = 256 * 1024 * 1024;

/// Most values in all files of one run of `lint-mesh`, with those that YAML aliases repeat: a dump of 30 MiB has about a million.
pub const MAX_MESH_NODES: usize = 8_000_000;

/// Most values that YAML aliases repeat in one document that `lint-mesh` reads, about: those beyond the bytes that it has.
pub const MAX_MESH_REPEATED: usize = 200_000;

/// Most objects that policies name or select in one run of `lint-mesh`.
pub const MAX_MESH_SELECTED: usize = 1_000_000;

/// Deepest nesting of values in a file that `lint-mesh` reads: looking for parts recurses.
pub const MAX_MESH_DEPTH: usize = 128;

// --- conditions ----------------------------------------------------------------------------------

/// Longest condition. Longer ones are several rules.
pub const MAX_CONDITION_BYTES: usize = 2 * 1024;

/// Deepest nesting of brackets in a condition: the parser recurses, at some 25 KiB of stack for each (P78).
pub const MAX_CONDITION_BRACKETS: usize = 32;

/// Stack of the thread that reads a condition: several times what the two bounds above can use up.
pub const CONDITION_STACK_BYTES: usize = 16 * 1024 * 1024;

/// Most nodes in a condition's syntax tree, those that macros expand to included.
pub const MAX_CONDITION_NODES: usize = 512;

/// Deepest syntax tree of a condition. Evaluating recurses, on the stacks of serving threads.
pub const MAX_CONDITION_DEPTH: usize = 64;

/// Deepest nesting of loops (`exists`, `all`, `map`, `filter`) in a condition: six loops over ten elements take
/// seconds.
pub const MAX_CONDITION_LOOPS: usize = 2;

/// Most elements of a list or a mapping that a condition works through.
pub const MAX_CONDITION_ITEMS: usize = 256;

/// Most steps of a condition: some 10 ms (P308). A value that is read is a step for each part of it and each 16 bytes of text, a turn of a
/// loop is 16: two loops in each other have 100 elements each.
pub const MAX_CONDITION_STEPS: usize = 200_000;

/// Most steps of all conditions that one request is compared with.
pub const MAX_REQUEST_STEPS: usize = 4 * MAX_CONDITION_STEPS;

/// Most memory that a compiled regular expression takes.
pub const MAX_PATTERN_BYTES: usize = 1024 * 1024;

/// Most sources of keys of one issuer: a token that names no key is tried with the keys of each.
pub const MAX_KEY_SOURCES: usize = 4;

/// Most tenants, or patterns of tenants, of one issuer: each token is compared with them.
pub const MAX_TENANTS: usize = 1024;

/// Most tenants of one issuer that have key sets of their own, each of which is fetched.
pub const MAX_TENANTS_WITH_KEYS: usize = 64;

// --- answers -------------------------------------------------------------------------------------

/// Longest value of an injected header (P12).
pub const MAX_INJECTED_VALUE_BYTES: usize = 8 * 1024;

/// Most headers, query parameters, members of the metadata or claims that one rule sets.
pub const MAX_INJECTIONS: usize = 32;

/// Most `-` in the name of a request header that a rule sets or removes. An allow removes the caller's copies in each mixture of `-`
/// and `_`: 32 names for five.
pub const MAX_INJECTED_NAME_HYPHENS: usize = 5;

/// Most annotations that a rule and its policy note together: they go with every decision into the audit log.
pub const MAX_ANNOTATIONS: usize = 16;

/// Longest value of an annotation: a name or a link, not a page.
pub const MAX_ANNOTATION_BYTES: usize = 256;

/// Longest text of a denial that a document writes.
pub const MAX_DENIAL_TEXT_BYTES: usize = 4 * 1024;

/// Largest JSON of a denial that a document writes.
pub const MAX_DENIAL_JSON_BYTES: usize = 8 * 1024;

/// Shortest time that an assertion is good for: clocks of upstreams differ by seconds.
pub const MIN_ASSERTION_LIFETIME: Duration = Duration::from_secs(5);

/// Longest time that an assertion is good for: it cannot be taken back.
pub const MAX_ASSERTION_LIFETIME: Duration = Duration::from_secs(600);

/// Most media ranges of an `accept` header that are looked at; browsers send eight.
pub const MAX_ACCEPTED_RANGES: usize = 32;

// --- audit ---------------------------------------------------------------------------------------

/// Longest text in a decision record; a longer one is cut and named in `truncated`. As long as a SPIFFE ID may be.
pub const MAX_AUDIT_TEXT_BYTES: usize = 2 * 1024;

/// A list in a decision record is cut after so many bytes.
pub const MAX_AUDIT_LIST_BYTES: usize = 16 * 1024;

/// Largest decision record, which no caller reaches with what Envoy passes on: a text has six times its length where all of it
/// has to be escaped.
pub const MAX_AUDIT_RECORD_BYTES: usize = 256 * 1024;

/// Longest `tracestate` that a span keeps (W3C Trace Context section 3.3.1.5).
pub const MAX_TRACE_STATE_BYTES: usize = 512;

/// Longest `detail` of a rejection kept for logs and audit: it can hold what the caller sent.
pub const MAX_DETAIL_BYTES: usize = 256;

// --- commands ------------------------------------------------------------------------------------

/// Most groups of decisions that `replay` tells apart: by rule, peer and route. What has no room is counted together.
pub const MAX_REPLAY_GROUPS: usize = 10_000;

/// Most decisions that `replay` lists of each group.
pub const MAX_REPLAY_EXAMPLES: usize = 100;

/// Bytes of audit records that a thread of `replay` takes at a time: some two hundred records.
pub const REPLAY_BATCH_BYTES: usize = 256 * 1024;
