//! Hosts and paths as people write them by habit: an address in place of a host, a path without its slash. No proxy sends them so.

/// The advice for a host in a question, if it is written as an address: no policy is about it. `name` is what `--host` would be.
pub fn host_slip(text: &str) -> Option<String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let name = rest.split(['/', '?', '#']).next().unwrap_or_default();
    (name != text).then(|| {
        let name = if name.is_empty() { "orders.example.com" } else { name };
        format!("a host has no scheme and no path: write `{name}` alone")
    })
}

/// The advice for a path in a question, if it does not begin as the paths of requests do.
pub fn path_slip(text: &str) -> Option<String> {
    // `OPTIONS *` is about the whole server.
    if text.starts_with('/') || text == "*" {
        return None;
    }
    let after_host =
        text.split_once("://").map(|(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let path = after_host.unwrap_or(text);
    Some(format!("a path begins with `/`: write `/{path}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P656: an address in place of a host, and a path without its slash, are named with what to write.
    #[test]
    fn habits_are_named() {
        for host in ["orders.example.com", "orders.example.com:8443", "[::1]:80", "LOCALHOST"] {
            assert_eq!(host_slip(host), None);
        }
        for host in [
            "https://orders.example.com",
            "orders.example.com/v1",
            "http://orders.example.com/?a#b",
        ] {
            assert!(
                host_slip(host).unwrap().contains("write `orders.example.com` alone"),
                "{host}"
            );
        }
        for (path, ours) in
            [("v1/a", "`/v1/a`"), ("https://a.example/v1?x", "`/v1?x`"), ("", "`/`")]
        {
            assert!(path_slip(path).unwrap().contains(ours), "{path}");
        }
        assert_eq!((path_slip("/"), path_slip("/v1//x"), path_slip("*")), (None, None, None));
    }
}
