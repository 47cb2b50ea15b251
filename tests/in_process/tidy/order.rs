//! The inner order of rooms.

/// Folders and files of a room in order: each imports those before it only. A file without a place fails the test.
pub(super) const INNER_ORDER: &[(&str, &str)] = &[
    ("app", "component error components audit descriptors signals signing core observers"),
    ("audit", "json wire_form record room sink file writer options log event"),
    (
        "authn",
        "credential facts heap_size shown kind once profile rejected_cookie token_check binding \
         claims dpop signature introspected revoked verified signed cache peer scope identity \
         trace token subject authenticate",
    ),
    (
        "cli",
        "exit time sarif style request_args files error admin_client documents watch completions man records decisions page_text placeholders check \
         test demo dev init serve lint_mesh doctor revocations revoke inspect keys explain cel replay diff who_can output_schema schema command",
    ),
    (
        "document",
        "code kind duration plain masking lines spanned entries one_or_more source span origin diagnostic \
         suggest habits punctuation slips advice unsaid misleading yaml tree rule_keys bind claims during answers introspection issuer_profile token_issuer issuer_claims issuer_name trust_domain \
         revocation_list policy policy_suite spec attachments read schema",
    ),
    (
        "envoy",
        "status json client_address unix_socket listener tls decode encode recorded message \
         service grpc server",
    ),
    (
        "evidence",
        "authorization jws names presented sources certificate dpop token client_cert xfcc \
         peer collect",
    ),
    (
        "pdp",
        "dial fetch_error proxy spiffe_server connect sealed state_files snapshot trace verification_cache assertion shared_headers \
         current fetch follow collected introspect keys remote revocation throttle token_uses outcome point pinned \
         gather authenticate single_use failed fulfil decide",
    ),
    (
        "demo",
        "envoy_binary error interrupt folder ports http1 process pki client mint server upstream audit \
         envoy tour stage play report",
    ),
    ("limits", "documents"),
    ("spiffe", "id pattern within"),
    ("admin", "health status api readiness local connections key_set revocations"),
    ("config", "error raw load schema settings"),
    ("policy", "model requirement compile evaluate explain suite"),
    (
        "request",
        "this_host override_headers sealed spelling habits text attributes headers path parameters target trace_parent \
         credentials view url",
    ),
    (
        "mesh",
        "filler wait faults format written labels resources load topology mesh_config mesh envoy istio gateway lint",
    ),
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
