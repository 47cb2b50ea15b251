//! Headers that make an upstream act on another request than the one that was decided about (P26).

/// Headers by which frameworks, servers and proxies replace what is on the request line, in lower case.
///
/// - method: Rack, Symfony, Laravel, Express, ASP.NET, OData
/// - path: Symfony, Laminas, IIS, Spring, Traefik, nginx set-ups, WSGI servers (`SCRIPT_NAME`, `PATH_INFO` with gunicorn)
/// - host, scheme, port: RFC 7239, Rails, Symfony, Spring, ASP.NET, Werkzeug, Express, Quarkus, gunicorn (`x-forwarded-protocol`),
///   NiFi (`x-proxyhost` and the like)
/// - the upstream itself: Envoy's clusters of the original destination (`x-envoy-original-dst-host`)
pub(crate) const OVERRIDE_HEADERS: [&str; 43] = [
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
