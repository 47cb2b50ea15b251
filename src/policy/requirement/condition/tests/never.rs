//! Conditions, and parts of them, that are the same for every request.

use super::*;

#[test]
fn constants_and_open_patterns_are_known() {
    let compiled = |text: &str| compile(text).unwrap();
    assert!(compiled("1 < 2").is_constant());
    assert!(compiled("'a'.matches('^a$')").is_constant());
    assert!(!compiled("now > 2").is_constant());
    assert!(!compiled("has(token.sub)").is_constant());
    for text in [
        "true || token.sub == 'a'",
        "token.sub == 'a' && (1 < 2 || now > 2)",
        "token.sub == request.host || request.host != token.sub",
        "request.method != 'GET' || request.method != 'POST'",
        "request.method == 'GET' && request.method == 'POST'",
        "request.method in ['GET', 'HEAD'] && request.method == 'POST'",
        "!(token.claims.n < 5) || token.claims.n < 5",
        "now >= token.exp || token.exp > now",
        "token.sub == token.sub && now > 2",
        "token.claims.a && !token.claims.a",
        "token.claims.a ? true : true",
    ] {
        assert!(compiled(text).is_constant(), "{text}");
    }
    for text in [
        "request.method != 'GET' && request.method != 'POST'",
        "request.method == 'GET' || request.method == 'POST'",
        "has(token.claims.a) && token.claims.a == 'x' || !has(token.claims.a)",
        "has(token.claims.a) ? token.claims.a == 'x' : false",
        "token.claims.a == token.claims.b || token.claims.a != token.claims.c",
        "token.claims.n < 5 || token.claims.n > 5",
        "token.claims.roles.exists(r, r == 'a' || r == 'b')",
        "'a' in token.scopes && 'b' in token.scopes && !('c' in token.scopes)",
    ] {
        assert!(!compiled(text).is_constant(), "{text}");
    }
    assert!(compiled("request.host.matches('a')").has_open_pattern());
    assert!(!compiled("request.host.matches('^a$')").has_open_pattern());
}

/// P156, P281: a variable is not compared with what it never is: the condition would be the same for every request.
#[test]
fn what_a_variable_never_is_is_refused() {
    for text in [
        r#"request.method == "get""#,
        r#"request.method != "get""#,
        r#""GET,POST" == request.method"#,
        r#"request.method in ["GET", "*"]"#,
        r#"request.scheme == "HTTPS""#,
        r#"request.scheme == "grpc""#,
        r#"request.host == "A.example.com""#,
        r#"request.host == "a.example.com:8443""#,
        r#"request.host == "https://a.example.com""#,
        r#"request.host == "*.example.com""#,
        r#"request.host.startsWith("A.")"#,
        r#"request.authorityPort == 0 || connection.port == 70000"#,
        r#"request.fullPath == "v1""#,
        r#"request.fullPath == "/x?y""#,
        r#"request.fullPath == "/v1/{id}""#,
        r#"request.fullPath.startsWith("v1/")"#,
        r#"request.fullPath.startsWith("/v1?")"#,
        r#"request.path.id == """#,
        r#"peer.spiffe == "prod.example/ns/web""#,
        r#"peer.spiffe == "spiffe://prod.example/*""#,
        r#"peer.spiffe.startsWith("prod.example/")"#,
        r#"peer.evidence == "ful""#,
        r#""read write" in token.scopes"#,
        r#""*.a" in peer.dns"#,
        r#""A.example.com" in peer.dns"#,
        r#""10.0.0.0/8" in peer.ips"#,
        r#""2001:DB8::1" in peer.ips"#,
        r#"connection.source == "10.0.0.0/8""#,
        r#"connection.source in ["10.0.0.1", "::ffff:10.0.0.2"]"#,
        r#"connection.destination == "10.0.0.1:443""#,
        r#"client.address != "2001:db8:0::1""#,
        r#"client.address == "localhost""#,
        r#"peer.trustDomain == "prod.example""#,
        r#"request.headers["x-a"] == "a,b""#,
        r#"request.headers["x-a"] == " a""#,
        r#"request.fullPath.contains("?debug")"#,
        r#"request.host.endsWith(".Example.com")"#,
        r#"request.method.startsWith("get")"#,
        r#"request.host.endsWith(":443") || connection.sni.contains(":")"#,
        r#"request.host.startsWith(".")"#,
        r#"connection.sni == "10.0.0.1""#,
        r#"connection.sni in ["[::1]"]"#,
        r#"connection.sni.startsWith("*.")"#,
        r#""*" in token.scopes || "orders:*" in token.scopes"#,
        r#""*" in token.audiences"#,
        r#""${AUD}" in token.audiences"#,
        r#"token.iss == "https://other""#,
        r#"token.iss in ["https://login.example.com/"]"#,
        r#"token.iss.startsWith("http://")"#,
        r#"token.sub == "a*""#,
        r#"peer.spiffe == "spiffe://prod.example""#,
        r#"peer.spiffe.startsWith("spiffe://PROD")"#,
        r#"peer.spiffe.startsWith("spiffe://prod.example/ns//")"#,
        r#"peer.spiffe.endsWith("/")"#,
        r#"peer.spiffe.contains("/sa/*")"#,
        r#"peer.trustDomain.startsWith("spiffe://")"#,
        r#"request.headers["x-a"].contains(",")"#,
        r#"request.headers["x-a"].startsWith(" ")"#,
        r#"request.headers["x-a"].endsWith(" ")"#,
        r#"request.method.endsWith("et")"#,
        r#"request.scheme.startsWith("HTTP")"#,
        r#"client.address.startsWith("10.0.0.0/")"#,
        r#"connection.source.contains("/")"#,
        r#"request.fullPath.endsWith("?x")"#,
    ] {
        let faults = faults(text);
        assert!(!faults.is_empty() && faults[0].message.contains("never"), "{text}: {faults:?}");
    }
    for text in [
        r#"request.method == "PURGE" || request.fullPath == "/v1/17" || request.host == "[::1]""#,
        r#"peer.spiffe.startsWith("spiffe://prod.example/ns/") && "a" in peer.dns"#,
        r#"connection.source == "2001:db8::1" || client.address.startsWith("10.")"#,
        r#"peer.trustDomain == "prod" && "10.0.0.7" in peer.ips"#,
        r#"request.headers["date"] == "Sun, 06 Nov" || request.headers["user-agent"] == "a, b""#,
        r#"token.sub == "A b" && token.claims.x == "" && request.headers["x-a"] == """#,
        r#"token.iss == "https://login.example.com" && token.iss.startsWith("https://")"#,
        r#"request.host.startsWith("[2001:db8:") || request.host.endsWith(".example.com")"#,
        r#"peer.spiffe.endsWith("/Front") || peer.spiffe.contains("/ns/web") || peer.spiffe.startsWith("spiffe://prod")"#,
        r#"connection.sni == "a.example.com" || client.address.endsWith(":1") || client.address.contains(":db8:")"#,
        r#"request.headers["user-agent"].contains(",") || request.headers["x-a"].startsWith("a b")"#,
        r#""read:all" in token.scopes && "orders" in token.audiences && request.scheme.startsWith("http")"#,
    ] {
        assert_eq!(faults(text), [], "{text}");
    }
}
