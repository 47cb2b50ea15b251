//! Every way of spelling a target that was ever tried against a proxy, through the real Envoy: what is not canonical gets
//! no answer from the service.

use std::sync::Arc;

use crate::testbed::Folder;
use crate::testbed::http1::Request;
use crate::testbed::pki::HOST;

use crate::envoy;

/// P19-P24, P29: each of these means an allowed path to one reader or another, and none is one.
#[tokio::test]
async fn no_spelling_of_a_path_gets_around_the_policy() {
    let Some(props) = envoy::props() else { return };
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let client = stage.client(Some(&stage.pki.frontend)).unwrap();
    for path in [
        "/v1/orders/",
        "//v1/orders",
        "/v1//orders",
        "/v1/./orders",
        "/./v1/orders",
        "/v1/x/../orders",
        "/v1/x/%2e%2e/orders",
        "/v1/x/.%2E/orders",
        "/v1/orders/.",
        "/v1/orders/42/..",
        "/v1/orders/42/%2e%2e",
        "/v1/orders/..%2f..%2fadmin",
        "/v1/orders/%2e%2e%2fadmin",
        "/v1/orders/%252e%252e/admin",
        "/v1/orders/..;/admin",
        "/v1/orders;x",
        "/v1;x/orders",
        "/v1/orders/42;admin",
        "/v1%2forders",
        "/v1/%6frders",
        "/v1\\orders",
        "\\v1\\orders",
        "/v1/orders/a%5cb",
        "/v1/orders%00",
        "/v1/orders/42%00.html",
        "/v1/orders%20",
        "/v1/orders%3fa=b",
        "/v1/orders#x",
        "/v1/orders%23x",
        "/V1/Orders",
        "/v1/orders/caf\u{e9}",
        "/v1/orders/%ff",
        "/v1/orders/%",
        "/v1/orders/%zz",
        "v1/orders",
        "*",
        "",
    ] {
        let request = Request::get(HOST, path).bearer(&stage.tokens.bound);
        let answer = client.send(&request).await;
        // Envoy refuses some of these itself, and drops the connection of others.
        let status = answer.map_or(0, |answer| answer.status);
        assert!(matches!(status, 0 | 400 | 403 | 404), "`{path}` got {status}");
        assert_eq!(stage.upstream.requests(), 0, "`{path}` reached the service");
    }
    for path in ["/v1/orders", "/v1/orders?a=/../b;c", "/v1/orders/42", "/v1/orders/caf%C3%A9"] {
        let request = Request::get(HOST, path).bearer(&stage.tokens.bound);
        let answer = client.send(&request).await.unwrap();
        assert_eq!(answer.status, 200, "`{path}`: {}", answer.text());
    }
    stage.strike().await.unwrap();
}

/// P29: the method is the one on the request line, to the letter.
#[tokio::test]
async fn the_method_is_what_the_request_line_says() {
    let Some(props) = envoy::props() else { return };
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let client = stage.client(Some(&stage.pki.frontend)).unwrap();
    let bearer = &stage.tokens.bearer;
    let request = |method| Request::new(method, HOST, "/v1/orders").bearer(bearer);
    for request in [
        request("get"),
        request("HEAD"),
        request("DELETE"),
        request("TRACE"),
        request("POST").header("x-http-method-override", "GET").header("content-length", "0"),
        Request::new("CONNECT", HOST, HOST).bearer(bearer),
    ] {
        let status = client.send(&request).await.map_or(0, |answer| answer.status);
        assert!(matches!(status, 0 | 400 | 403 | 404), "{request:?} got {status}");
    }
    assert_eq!(stage.upstream.requests(), 0);
    stage.strike().await.unwrap();
}

/// P24, P26: one host has many spellings and is one host; what is not a plain host is refused.
#[tokio::test]
async fn a_host_has_one_meaning() {
    let Some(props) = envoy::props() else { return };
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let client = stage.client(Some(&pki.frontend)).unwrap();
    let request = |host: &str| Request::get(host, "/v1/orders").bearer(&stage.tokens.bearer);
    for same in [
        "orders.example.com",
        "ORDERS.Example.com",
        "orders.example.com:443",
        "orders.example.com.",
        "orders.example.com:9999",
    ] {
        let answer = client.send(&request(same)).await.unwrap();
        assert_eq!(answer.status, 200, "{same}: {}", answer.text());
    }
    let reached = stage.upstream.requests();
    for other in [
        request("billing.example.com"),
        request("orders.example.com.evil.example"),
        request("orders.example.com.."),
        request("orders.example.com..:443"),
        request("root@orders.example.com"),
        request("orders.example.com\\evil"),
        request("orders.example.com,evil.example"),
        request("orders.example.com").header("host", "orders.example.com"),
        request("evil.example").header("x-forwarded-host", "orders.example.com"),
        request("evil.example").header("x-original-url", "/v1/orders"),
        request(""),
    ] {
        let status = client.send(&other).await.map_or(0, |answer| answer.status);
        assert!(matches!(status, 0 | 400 | 403), "{other:?} got {status}");
    }
    assert_eq!(stage.upstream.requests(), reached);
    stage.strike().await.unwrap();
}
