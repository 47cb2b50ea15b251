//! Requests: what the rules of the world ask for, and the same a little beside it.

use serde_json::{Value, json};

use super::callers;
use crate::random::{Members, Random};

const HOSTS: [&str; 16] = [
    "a.example.com:8443",
    "a.example.com.",
    "a.example.com.:8443",
    "A.Example.com",
    "b.example.com",
    "x.b.example.com",
    "y.x.b.example.com",
    "c.example.org",
    "[2001:db8::1]",
    "[2001:DB8::1]",
    "[2001:db8::0001]",
    "10.0.0.7:8080",
    "user@a.example.com",
    "a.example.com:",
    "a..example.com",
    "a.example.com:08443",
];

/// Paths that have more than one reading, or none.
const ODD: [&str; 54] = [
    "/A",
    "/admin/x",
    "/admin/",
    "/a//b",
    "//a",
    "/a/../b",
    "/a;v=1",
    "/a;v=1/b",
    "/a/b;x",
    "/a/;/b",
    "/a/;x=1",
    "/a/..;/b",
    "/a;%2F/b",
    "/a;/b",
    "/a;v=%41",
    "/a%2Fb",
    "/a%2fb",
    "/a/b%2Fc",
    "/a/%2F",
    "/a/%2Fb",
    "/a/b%2F",
    "/a/b%2F%2Fc",
    "/a/..%2Fb",
    "/a/%2e%2e",
    "/a/%41",
    "/a%252Fb",
    "/a/%25",
    "/a/%25zz",
    "/a/%2541",
    "/a%5Cb",
    "/a\\b",
    "/a%3Bb",
    "/a/%00",
    "/a/%0A",
    "/a/%40",
    "/a/@",
    "/a/\u{e9}",
    "/a#b",
    "/a/%zz",
    "/a/%",
    "/a/%4",
    "/a/~",
    "/a/%7E",
    "*",
    "",
    "a",
    "/a/./b",
    "/a/b'c",
    "/a/b c",
    "/a/%2A",
    "/a/%FF",
    "/a/%23",
    "/a/%3Fb",
    "/a/<b>",
];

const QUERIES: [&str; 42] = [
    "debug=1",
    "debug=eu",
    "debug=12",
    "Debug=1",
    "debug[]=1",
    "debug[x]=1",
    "[debug]=1",
    "debug=1&debug=2",
    "debug=1&Debug=1",
    "debug",
    "debug=",
    "debug.=1",
    "_debug=1",
    "+debug=1",
    "debug%20=1",
    "debug%00x=1",
    "%64ebug=1",
    "%2564ebug=1",
    "debug=1;x=2",
    "x=1;debug=1",
    "debug=%zz",
    "debug=%FF",
    "debug=1+2",
    "debug=1%2B2",
    "debug=%31",
    "dry-run=1",
    "dry_run=1",
    "dry.run=eu",
    "dry+run=1",
    "tenant=x",
    "Tenant=x",
    "x=1;tenant=2",
    "tenant[]=x&tenant=y",
    "_method=PUT",
    "_Method=PUT",
    "x=1;_method=PUT",
    "_method;x=PUT",
    "a&&b",
    "=1",
    "debug=1#x",
    "x=a/b?c",
    "%=1",
];

/// Values of headers that rules read.
const VALUES: [&str; 13] = ["1", "1", "eu", "1,2", "1, 1", "1,1,", "2", "!", "12", "a1", "1,eu", "", ","];

/// The `accept` headers of browsers and others.
const ACCEPT: [&str; 13] = [
    "text/html",
    "text/html",
    "text/html,application/xhtml+xml,*/*;q=0.8",
    "Text/HTML",
    "text/html;q=0",
    "text/html;q=0, */*",
    "text/html;q=0.1, application/json",
    "text/html;level=1;q=0.5",
    "text/html;q=x",
    "text/*",
    "application/json",
    "application/problem+json",
    "*/*",
];

/// A call of gRPC that rules name.
const CALL: &str = "/o.v1.O/Get";

/// The templates of the paths of a policy.
pub fn templates(policy: &Value) -> Vec<String> {
    let rules = policy["spec"]["rules"].as_array();
    let on = rules.into_iter().flatten().map(|rule| &rule["on"]);
    let templates = on.flat_map(|on| {
        let paths = on["paths"].as_array().into_iter().flatten().filter_map(Value::as_str);
        paths.map(str::to_owned).chain(on["grpc"].is_array().then(|| CALL.to_owned()))
    });
    templates.collect()
}

/// A case by its number, with a path of one of the templates most of the time.
pub fn case(random: &mut Random, number: usize, templates: &[String]) -> Value {
    json!({
        "name": format!("c{number}"),
        "request": request(random, templates),
        "peer": random.pick(&callers::PEERS),
        "token": callers::token_name(random),
        "expect": { "decision": "deny" },
    })
}

/// A request, with a path of one of the templates most of the time.
pub fn request(random: &mut Random, templates: &[String]) -> Value {
    let mut request = Members::default();
    request.set("host", if random.percent(70) { "a.example.com" } else { random.pick(&HOSTS) });
    let mut path = path(random, templates);
    if random.percent(40) {
        path = format!("{path}?{}", random.pick(&QUERIES));
    }
    if path.starts_with(CALL) && random.percent(80) {
        request.set("method", "POST");
    } else if random.percent(35) {
        request.set("method", random.pick(&["GET", "POST", "PUT", "get", "HEAD"]));
    }
    request.set("path", path);
    if random.percent(8) {
        request.set("scheme", "http");
    }
    connection(random, &mut request);
    let headers = headers(random);
    if !headers.is_empty() {
        request.set("headers", Value::from(headers));
    }
    request.into()
}

fn path(random: &mut Random, templates: &[String]) -> String {
    if random.percent(18) {
        return random.pick(&ODD).to_owned();
    }
    if random.percent(12) || templates.is_empty() {
        return random
            .pick(&["/a", "/a/b", "/a/", "/a/b/c", "/", "/b", "/x/b", "/a/x/y/b", "/admin", "/o.v1.O/Get", "/o.v1.O/Put", "/o.v1.O"])
            .to_owned();
    }
    let at = random.between(0, templates.len() - 1);
    let mut path = String::new();
    for segment in templates[at].split('/').skip(1) {
        match segment {
            "*" | "{id}" => path.push_str(random.pick(&["/b", "/b", "/alice", "/17", "/a%20b", "/caf%C3%A9", "/"])),
            "**" => path.push_str(random.pick(&["/x", "/x/y", "", "/", "/b"])),
            literal => path.push_str(&format!("/{literal}")),
        }
    }
    // The same path, as some other reader takes it.
    match random.between(0, 24) {
        0 => path.push('/'),
        1 => path.insert(0, '/'),
        2 => path.push_str(";v=1"),
        3 => path = path.replacen("/b", "//b", 1),
        4 => path = path.to_uppercase(),
        _ => {}
    }
    if path.is_empty() { "/".to_owned() } else { path }
}

fn connection(random: &mut Random, request: &mut Members) {
    for (key, percent, values) in [
        ("source", 50, &["10.0.0.8", "11.0.0.1", "::ffff:10.0.0.1", "2001:db8::5"][..]),
        ("client", 15, &["10.0.0.8", "11.0.0.1", "unknown"]),
        ("destination", 45, &["10.0.0.7", "10.0.0.7:8443", "10.0.0.7:8443", "10.0.0.9:443", "[2001:db8::9]:8443"]),
        ("sni", 45, &["a.example.com", "a.example.com", "A.example.com", "x.b.example.com", "", "c.example.org", "a.example.com."]),
    ] {
        if random.percent(percent) {
            request.set(key, random.pick(values));
        }
    }
    if random.percent(35) {
        request.set("contextExtensions", json!({ "zone": random.pick(&["p", "p", "q"]) }));
    }
}

fn headers(random: &mut Random) -> Members {
    let mut headers = Members::default();
    for (percent, names) in [
        (30, &["x-a", "X-A", "x-a", "x_a", "x.a", "x!a"][..]),
        (25, &["x-debug", "X-Debug", "x-debug", "x_debug", "x~debug"]),
        (8, &["x_a", "x-A"]),
    ] {
        if random.percent(percent) {
            headers.set(random.pick(names), random.pick(&VALUES));
        }
    }
    for (name, percent, values) in [
        ("user-agent", 12, &["c", "c, d"][..]),
        ("referer", 8, &["https://a.example.com/", "https://a.example.com/,x"]),
        ("accept", 40, &ACCEPT),
        ("Accept", 4, &ACCEPT),
        ("sec-fetch-mode", 16, &["navigate", "cors", ""]),
        ("Sec-Fetch-Mode", 3, &["navigate", "cors"]),
        ("content-type", 10, &["application/grpc", "application/grpc+proto", "application/grpc-web"]),
        ("Content-Type", 4, &["application/grpc", "application/json"]),
        ("x-user", 12, &["m"]),
        ("X_User", 8, &["m"]),
        ("x-tag", 8, &["m"]),
        ("x-assertion", 6, &["m"]),
        ("x_forwarded_for", 6, &["10.0.0.1"]),
        ("x-forwarded-host", 10, &["evil.example.com"]),
        ("X-Forwarded_Host", 6, &["evil.example.com"]),
        ("x-original-url", 8, &["/admin"]),
    ] {
        if random.percent(percent) {
            headers.set(name, random.pick(values));
        }
    }
    headers
}
