//! Overrides: headers and parameters that make an upstream act on another method, path, host, scheme or port than the one that
//! was decided about (P26, P29, P133). None of them goes upstream, unless a target keeps it by name.

/// Headers by which frameworks, servers and proxies replace what is on the request line, in lower case.
///
/// - method: Rack, Symfony, Laravel, Express, ASP.NET, OData
/// - path: Symfony, Laminas, IIS, Spring, Traefik, nginx set-ups, WSGI servers (`SCRIPT_NAME`, `PATH_INFO` with gunicorn)
/// - host, scheme, port: RFC 7239, Rails, Symfony, Spring, ASP.NET, Werkzeug, Express, Quarkus, gunicorn (`x-forwarded-protocol`),
///   NiFi (`x-proxyhost` and the like)
/// - the upstream itself: Envoy's clusters of the original destination (`x-envoy-original-dst-host`)
pub(in crate::policy) const OVERRIDE_HEADERS: [&str; 43] = [
    "forwarded",
    "front-end-https",
    "path-info",
    "request-uri",
    "script-name",
    "x-envoy-original-dst-host",
    "x-envoy-original-host",
    "x-envoy-original-method",
    "x-envoy-original-path",
    "x-forwarded-context",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-protocol",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-uri",
    "x-host",
    "x-http-destinationurl",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-http-path-override",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-path",
    "x-original-uri",
    "x-original-url",
    "x-override-url",
    "x-proxy-url",
    "x-proxycontextpath",
    "x-proxyhost",
    "x-proxyport",
    "x-proxyscheme",
    "x-rewrite-uri",
    "x-rewrite-url",
    "x-scheme",
    "x-script-name",
    "x-url-scheme",
];

/// Headers that proxies write about who is calling and how. They go upstream as the proxy wrote them; other spellings, which no
/// proxy writes and none takes away, do not (P131).
pub(in crate::policy) const PROXY_HEADERS: [&str; 5] = [
    "client-cert",
    "client-cert-chain",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-proto",
];

/// Envoy's word that a request passed without being checked; from a caller it would be a lie either way (P3).
pub(in crate::policy) const FAILURE_MODE_HEADER: &str = "x-envoy-auth-failure-mode-allowed";

/// Query parameters by which frameworks replace the method (Symfony, Laravel, CakePHP, Express).
pub(in crate::policy) const OVERRIDE_PARAMETERS: [&str; 1] = ["_method"];

#[cfg(test)]
mod tests {
    use super::*;

    /// P133, P189: those that Envoy itself, or a few servers only, act on are among them.
    #[test]
    fn overrides_of_few_are_removed_as_well() {
        for name in ["x-envoy-original-dst-host", "front-end-https", "x-override-url", "x-scheme"] {
            assert!(OVERRIDE_HEADERS.binary_search(&name).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_are_in_order_and_in_lower_case() {
        assert!(OVERRIDE_HEADERS.is_sorted());
        for name in OVERRIDE_HEADERS {
            let allowed = |b: u8| b.is_ascii_lowercase() || b == b'-';
            assert!(name.bytes().all(allowed), "{name}");
        }
    }
}
