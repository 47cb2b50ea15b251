//! The inner order of rooms.

/// Folders and files of a room in order: each imports those before it only. A file without a place fails the test.
pub(super) const INNER_ORDER: &[(&str, &str)] = &[
    ("app", "component error components audit descriptors signing core observers"),
    ("audit", "json record room sink file writer options log event"),
    (
        "authn",
        "credential facts heap_size shown kind once profile rejected_cookie token_check binding \
         claims dpop signature introspected revoked verified signed cache peer scope identity \
         trace token subject authenticate",
    ),
    (
        "cli",
        "exit time sarif style files error admin_client documents watch completions records decisions check \
         schema test demo init serve lint_mesh doctor revocations revoke inspect keys explain replay diff who_can command",
    ),
    (
        "document",
        "code kind duration plain masking spanned entries one_or_more source span diagnostic origin \
         relative suggest habits slips advice yaml tree bind during answers introspection issuer_profile token_issuer issuer_name trust_domain \
         revocation_list policy fragments policy_suite spec attachments read schema",
    ),
    (
        "envoy",
        "status arrival json client_address unix_socket listener tls decode encode recorded message \
         service grpc server",
    ),
    (
        "evidence",
        "authorization jws names presented sources certificate dpop token client_cert xfcc \
         peer collect",
    ),
    (
        "pdp",
        "dial fetch_error proxy spiffe_server connect sealed kept_files snapshot trace verification_cache assertion shared_headers \
         current fetch follow collected introspect keys remote revocation throttle outcome point pinned \
         gather authenticate single_use failed fulfil",
    ),
    (
        "demo",
        "envoy_binary error interrupt folder http1 process pki client mint server upstream audit \
         envoy tour stage play report",
    ),
    ("spiffe", "id pattern"),
    ("admin", "api health readiness local connections key_set revocations"),
    ("config", "error raw place load schema settings"),
    ("policy", "model requirement compile evaluate explain suite"),
    (
        "request",
        "sealed spelling text attributes headers path parameters target trace_parent \
         credentials view url",
    ),
    ("mesh", "faults resources mesh_config envoy istio gateway_api lint"),
    ("reload", "options status watch"),
    ("signer", "key options ring"),
    ("store", "types options memory claim redis backend"),
    (
        "telemetry",
        "instruments measurement exports panics otlp log logs metrics trace decisions callers clock_offset \
         anomalies",
    ),
    (
        "trust",
        "algorithm name assertion dpop jwk key_url keys access remote domain introspection issuer revocation \
         store material",
    ),
];
