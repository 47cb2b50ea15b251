//! Requests of callers that know every reader behind Envoy, made from a seed.

use crate::testbed::http1::Request;

/// The source of all requests of one run: the same seed, the same requests.
pub(super) struct Seed(u64);

/// One request, before it is written down for a protocol.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    pub(super) method: &'static str,
    pub(super) host: &'static str,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    /// True if it has a certificate.
    pub(super) known: bool,
    pub(super) http2: bool,
}

/// A value that no identity header and no parameter of ours may have upstream.
pub(super) const SPOOFED: &str = "spoofed";

const HOSTS: [&str; 14] = [
    "orders.example.com",
    "orders.example.com",
    "ORDERS.Example.com",
    "orders.example.com.",
    "orders.example.com..",
    "orders.example.com:443",
    "orders.example.com:9999",
    "admin.example.com",
    "admin.example.com:443",
    "admin.example.com.",
    "other.example.com",
    "orders.example.com@admin.example.com",
    "xorders.example.com",
    "[::1]",
];

const PATHS: [&str; 34] = [
    "/open",
    "/open",
    "/users/alice",
    "/users/alice",
    "/users/alice",
    "/users/a%20b",
    "/users/%61lice",
    "/users/a%2Fb",
    "/users/a%252Fb",
    "/users/alice/",
    "/users//alice",
    "/users/../admin",
    "/users/%2e%2e/admin",
    "/users/..%2fadmin",
    "/users/alice;x=1",
    "/users/..;/admin",
    "/users/al%00ice",
    "/users/alice%3Fdebug=1",
    "/users/alice#x",
    "/users\\alice",
    "/Users/alice",
    "//open",
    "/./open",
    "/open/",
    "/%6fpen",
    "/open%20",
    "/admin",
    "/admin/",
    "/admin/keys",
    "/only-admin",
    "/users/caf\u{e9}",
    "/users/%ff",
    "/users/%zz",
    "*",
];

const QUERIES: [&str; 34] = [
    "",
    "",
    "",
    "a=1",
    "a=1&b=2&a=3",
    "debug=0",
    "debug=1",
    "Debug=1",
    "DEBUG=1",
    "debug[]=1",
    "[debug]=1",
    "debug[a]=1",
    "+debug=1",
    "%20debug=1",
    "debug%20=1",
    "%64ebug=1",
    "%2564ebug=1",
    "debug%00=1",
    "debug=%31",
    "x=1;debug=1",
    "debug=0&debug=1",
    "debug=0&Debug=1",
    "a=1&_method=DELETE",
    "%5Fmethod=DELETE",
    "a=b;_method=DELETE",
    "tenant=spoofed",
    "TENANT=spoofed",
    "tenant[]=spoofed",
    "%74enant=spoofed",
    "a=1;tenant=spoofed",
    "ten%61nt=spoofed&tenant=spoofed",
    "a=%26debug=1",
    "a?debug=1",
    "&&a&&",
];

/// Headers that upstreams act on, with a value that would matter.
const HEADERS: [(&str, &str); 46] = [
    ("x-tenant", "acme"),
    ("x-tenant", "acme"),
    ("x-tenant", "acme,acme"),
    ("x-tenant", "globex"),
    ("x-tenant", "acme, globex"),
    ("x_tenant", "globex"),
    ("X-Tenant", "acme"),
    ("x-debug", "1"),
    ("x-debug", "0"),
    ("x-debug", "0, 1"),
    ("x_debug", "1"),
    ("x.debug", "1"),
    ("X-DEBUG", "1"),
    ("x-stage", "off"),
    ("x-stage", "on"),
    ("x-stage", "off,off"),
    ("x_stage", "off"),
    ("x-user", "spoofed"),
    ("x_user", "spoofed"),
    ("X-USER", "spoofed"),
    ("x-peer-name", "spoofed"),
    ("x_peer_name", "spoofed"),
    ("x_peer-name", "spoofed"),
    ("x-peer_name", "spoofed"),
    ("x_forwarded_client_cert", "URI=spoofed"),
    ("x-forwarded_client-cert", "URI=spoofed"),
    ("x-original-url", "/admin"),
    ("x_original_url", "/admin"),
    ("x-rewrite-url", "/admin"),
    ("x-http-method-override", "DELETE"),
    ("x_http_method_override", "DELETE"),
    ("x-http-method", "DELETE"),
    ("x-method-override", "DELETE"),
    ("x-forwarded-prefix", "/admin"),
    ("x-forwarded-host", "admin.example.com"),
    ("x-host", "admin.example.com"),
    ("x-original-host", "admin.example.com"),
    ("forwarded", "host=admin.example.com;proto=http"),
    ("x-forwarded-uri", "/admin"),
    ("x-forwarded-path", "/admin"),
    ("x-script-name", "/admin"),
    ("script_name", "/admin"),
    ("path_info", "/admin"),
    ("x-envoy-original-path", "/admin"),
    ("x-envoy-auth-failure-mode-allowed", "true"),
    ("accept-language", "en, de"),
];

const METHODS: [&str; 8] = ["GET", "GET", "GET", "GET", "POST", "POST", "DELETE", "get"];

// === impl Seed ===

impl Seed {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `bound` (splitmix64).
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 16).unwrap() % bound
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// The one that is usual most of the time, so that requests are odd in a few places and not everywhere.
    fn mostly(&mut self, usual: &'static str, odd: &'static [&'static str]) -> &'static str {
        if self.below(4) > 0 { usual } else { self.one::<&str>(odd) }
    }

    pub(super) fn request(&mut self) -> Sketch {
        let host = self.mostly("orders.example.com", &HOSTS);
        let path = if self.below(2) == 0 { self.one(&PATHS[..5]) } else { self.one(&PATHS) };
        let query = self.mostly("", &QUERIES);
        let target = if query.is_empty() { (*path).to_owned() } else { format!("{path}?{query}") };
        let mut headers = Vec::new();
        if self.below(4) > 0 {
            headers.push(("x-tenant".to_owned(), "acme".to_owned()));
        }
        for _ in 0..self.below(3) {
            let (name, value) = self.one(&HEADERS);
            headers.push(((*name).to_owned(), (*value).to_owned()));
        }
        Sketch {
            method: self.mostly("GET", &METHODS),
            host,
            target,
            headers,
            known: self.below(2) == 0,
            http2: self.below(2) == 0,
        }
    }
}

// === impl Sketch ===

impl Sketch {
    pub(super) fn http1(&self) -> Request {
        let request = Request::new(self.method, self.host, self.target.as_str());
        self.headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name.as_str(), value.as_str()))
    }

    /// The same for HTTP/2; none where the library refuses to send it.
    pub(super) fn http2(&self) -> Option<http::Request<http_body_util::Empty<bytes::Bytes>>> {
        let uri = format!("https://{}{}", self.host, self.target);
        let request = http::Request::builder().method(self.method).uri(uri);
        let request = self.headers.iter().fold(request, |request, (name, value)| {
            request.header(name.to_ascii_lowercase(), value)
        });
        request.body(http_body_util::Empty::new()).ok()
    }
}
