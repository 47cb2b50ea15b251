//! Spellings of other proxies, frameworks and regular expressions, which mean nothing here.
//!
//! Such a text is one that no request has, so that a rule with it would protect nothing (P155). A character that is meant
//! by itself is written percent-encoded.

use super::compiler::CompileProblem;
use crate::document::Code;
use crate::policy::model::PathTemplate;

/// Why `text` is not meant as a path template of ours, and which one it may be.
pub(super) fn foreign_path(text: &str) -> Option<CompileProblem> {
    if text.contains(",/") || text.contains(", /") {
        let message = format!("`{text}` is not a path template: it is several");
        let help = String::from("write each path as an entry of its own, as in `[/a, /b]`");
        return Some((Code::InvalidPath, message, Some(help)));
    }
    let bare = text.trim_start_matches(['~', '=', '^', '*', ' ']);
    let bare = if bare.starts_with('/') { bare } else { text };
    let segments = split(bare);
    let last = segments.len().saturating_sub(1);
    let read: Vec<_> = segments.iter().enumerate().map(|(at, own)| read(own, at == last)).collect();
    let (segment, (_, habit)) = match segments.iter().zip(&read).find(|(_, own)| own.is_some()) {
        Some((segment, Some(own))) => (*segment, own),
        _ if bare != text => (text, &(String::new(), "of regular expressions")),
        _ => return None,
    };
    let shown = if segment.is_empty() { text } else { segment };
    let message = format!("`{text}` is not a path template: `{shown}` is a spelling {habit}");
    let meant: Vec<_> = segments
        .iter()
        .zip(read)
        .enumerate()
        .map(|(at, (own, read))| match read {
            Some((meant, _)) if meant == "**" && at < last => String::from("*"),
            Some((meant, _)) => meant,
            None => (*own).to_owned(),
        })
        .collect();
    let meant = meant.join("/");
    let near = PathTemplate::parse(&meant).ok().map(|_| format!("did you mean `{meant}`? "));
    let help = format!(
        "{}`{{name}}` or `*` is one segment, a final `**` all that follow; what is meant by itself is percent-encoded",
        near.unwrap_or_default()
    );
    Some((Code::InvalidPath, message, Some(help)))
}

const REGEX: &str = "of regular expressions";
const ROUTER: &str = "of another router";

/// The template of ours that a segment may mean, and whose spelling it is; none for one of ours.
fn read(segment: &str, is_last: bool) -> Option<(String, &'static str)> {
    if segment.contains('|') {
        return Some((
            segment.to_owned(),
            "of alternatives, each of which is a path of its own here",
        ));
    }
    if let Some(name) = segment.strip_prefix(':').map(name_at).filter(|name| !name.is_empty()) {
        let is_rest = segment.ends_with(['*', '+']);
        return Some((capture(name, is_rest), ROUTER));
    }
    if let Some(inside) = segment.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
        let (kind, name) = inside.split_once(':').unwrap_or(("", inside));
        return Some((capture(name, kind == "path"), ROUTER));
    }
    if let Some(own) = braces(segment) {
        return own;
    }
    if segment == "..." {
        return Some((String::from("**"), ROUTER));
    }
    if segment.starts_with('*') && !name_at(segment.trim_start_matches('*')).is_empty() {
        return is_last.then(|| (String::from("**"), ROUTER)).filter(|_| !segment.contains('.'));
    }
    if matches!(segment, ".*" | ".+" | "(.*)" | "(.+)") {
        return Some((String::from(if is_last { "**" } else { "*" }), REGEX));
    }
    let is_regex = segment.contains(['[', ']', '\\', '^'])
        || [".*", ".+", "(?", ")?", ")+", ")*", "){"].iter().any(|part| segment.contains(part));
    if is_regex {
        return Some((String::from("*"), REGEX));
    }
    let literal = segment.strip_suffix('$').filter(|_| is_last)?;
    Some((literal.to_owned(), REGEX))
}

/// `{id:[0-9]+}`, `{id?}`, `{id...}`, `{*rest}`, `${id}` and the like; some nothing for `{name}`, which is ours.
fn braces(segment: &str) -> Option<Option<(String, &'static str)>> {
    let inside = segment.strip_prefix('$').unwrap_or(segment);
    let inside = inside.strip_prefix('{')?.strip_suffix('}')?;
    let name = name_at(inside.trim_start_matches('*'));
    if name == inside && !segment.starts_with('$') && !inside.is_empty() {
        return Some(None);
    }
    let is_rest = inside.starts_with('*') || inside.ends_with("...") || inside.ends_with("**");
    // Names with a `-` and the like are ours, and wrong: the template says so.
    let foreign = is_rest || segment.starts_with('$') || inside.contains([':', '?', '=', '$']);
    Some(foreign.then(|| (capture(name, is_rest), ROUTER)))
}

fn capture(name: &str, is_rest: bool) -> String {
    match name {
        _ if is_rest => String::from("**"),
        "" => String::from("*"),
        name => format!("{{{name}}}"),
    }
}

/// The letters, digits and `_` that `text` begins with.
fn name_at(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

/// The segments of a path, where a `/` in brackets separates none.
fn split(text: &str) -> Vec<&str> {
    let (mut open, mut from, mut segments) = (0usize, 0usize, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'[' | b'(' => open = open.saturating_add(1),
            b'}' | b']' | b')' => open = open.saturating_sub(1),
            b'/' if open == 0 => {
                segments.extend(text.get(from..at));
                from = at.saturating_add(1);
            }
            _ => {}
        }
    }
    segments.extend(text.get(from..));
    segments
}

/// Why `text` is not meant as a host, where that is for another spelling of "every host" or of a suffix.
pub(super) fn foreign_host(text: &str) -> Option<CompileProblem> {
    let wrong = |why: &str, help: String| {
        Some((Code::InvalidHost, format!("`{text}` is not a host: {why}"), Some(help)))
    };
    if matches!(text, "*" | "**" | "_" | "0.0.0.0" | "[::]") {
        return wrong("no request is for it", "say `anyHost: true` for every host".to_owned());
    }
    let parent = text.strip_prefix("**.").or_else(|| text.strip_prefix('.'));
    if let Some(parent) = parent.filter(|parent| !parent.is_empty() && !parent.contains('*')) {
        let help = format!(
            "write `*.{parent}` for every host one label below `{parent}`, and list those further down"
        );
        return wrong("names of any depth cannot be written", help);
    }
    if text.starts_with(['~', '^']) || text.ends_with('$') || text.contains(['(', '[', '\\']) {
        let is_address =
            text.starts_with('[') && !text.contains(['(', '\\', '-']) && text.contains(':');
        let help = "list each host; `*.example.com` is every host one label below it".to_owned();
        return if is_address { None } else { wrong("it is a regular expression", help) };
    }
    None
}

/// Why `text` is not meant as a method.
pub(super) fn foreign_method(text: &str) -> Option<CompileProblem> {
    let every = ["*", "**", "ALL", "ANY", ".*", "_", "all", "any", "All", "Any"];
    if every.contains(&text) {
        let message = format!("`{text}` is not a method: no request has it");
        let help = String::from("remove `methods` for every method");
        return Some((Code::InvalidMethod, message, Some(help)));
    }
    let separators = [',', '|', ' ', '+', '/', ';'];
    let parts: Vec<_> = text.split(separators).filter(|part| !part.is_empty()).collect();
    let is_plain = |part: &&str| part.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
    if parts.len() > 1 && parts.iter().all(is_plain) {
        let message = format!("`{text}` is several methods");
        let list = parts.join(", ").to_ascii_uppercase();
        return Some((Code::InvalidMethod, message, Some(format!("write `[{list}]`"))));
    }
    let usual = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (!text.is_empty() && !text.bytes().all(usual)).then(|| {
        let message = format!("`{text}` is not a method: methods have no wildcards");
        let help = String::from("list each method, as in `[GET, HEAD]`");
        (Code::InvalidMethod, message, Some(help))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P155: what other routers and regular expressions spell is refused, with what it means here.
    #[test]
    fn spellings_of_others_are_refused_with_ours() {
        for (text, meant) in [
            ("/admin/[0-9]+", "/admin/*"),
            ("/users/:id", "/users/{id}"),
            ("/users/:id/orders/:order_id", "/users/{id}/orders/{order_id}"),
            ("/files/:path*", "/files/**"),
            (r"/users/:id(\d+)", "/users/{id}"),
            ("/root$", "/root"),
            ("/$", "/"),
            ("^/root$", "/root"),
            ("~ ^/api/", "/api/"),
            ("~*^/api/.*", "/api/**"),
            ("/api/.*", "/api/**"),
            ("/api/.*/x", "/api/*/x"),
            ("/api/(.*)", "/api/**"),
            (r"/api/\d+/x", "/api/*/x"),
            ("/api/(?:a)?/x", "/api/*/x"),
            ("/users/{id:[0-9]+}", "/users/{id}"),
            ("/users/{id:[^/]+}/x", "/users/{id}/x"),
            ("/users/{id:int}", "/users/{id}"),
            ("/users/{id?}", "/users/{id}"),
            ("/files/{*rest}", "/files/**"),
            ("/files/{**rest}", "/files/**"),
            ("/files/{rest...}", "/files/**"),
            ("/files/*rest", "/files/**"),
            ("/v1/{name=projects/*}", "/v1/{name}"),
            ("/users/${id}", "/users/{id}"),
            ("/users/<id>", "/users/{id}"),
            ("/users/<int:id>", "/users/{id}"),
            ("/files/<path:rest>", "/files/**"),
            ("/files/...", "/files/**"),
        ] {
            let (_, message, help) = foreign_path(text).unwrap_or_else(|| panic!("{text}"));
            let help = help.unwrap();
            assert!(
                help.starts_with(&format!("did you mean `{meant}`?")),
                "{text}: {message} {help}"
            );
        }
        for text in ["/(a|b)/x", "/a|/b", "/a,/b"] {
            assert!(foreign_path(text).is_some(), "{text}");
        }
        for text in [
            "/",
            "/**",
            "/a/*",
            "/a/{id}/**",
            "/$metadata",
            "/users/$count",
            "/v1/projects:batchGet",
            "/Orders(1)",
            "/a+b/c",
            "/@scope/pkg",
            "/~user",
            "/a,b",
            "/root%24",
            "/%5B0-9%5D",
            "/a.b/c..d",
            "/{a-b}",
            "/a'b",
            "/x=1",
        ] {
            assert!(foreign_path(text).is_none(), "{text}: {:?}", foreign_path(text));
        }
    }

    /// P155: of hosts and methods.
    #[test]
    fn every_host_and_every_method_have_another_spelling() {
        for text in [
            "*",
            "_",
            "0.0.0.0",
            ".example.com",
            "**.example.com",
            "~^www",
            r"^a\.com$",
            "(a|b).com",
        ] {
            assert!(foreign_host(text).is_some(), "{text}");
        }
        for text in [
            "*.example.com",
            "example.com",
            "[::1]",
            "[::1]:8080",
            "10.0.0.1",
            "all.example.com",
            "a*.com",
        ] {
            assert!(foreign_host(text).is_none(), "{text}");
        }
        for text in [
            "*",
            "ALL",
            "any",
            "GET|POST",
            "GET,POST",
            "GET POST",
            "get, post",
            "G*",
            "!GET",
            "^GET$",
        ] {
            assert!(foreign_method(text).is_some(), "{text}");
        }
        for text in ["GET", "M-SEARCH", "X_CUSTOM", "get", ""] {
            assert!(foreign_method(text).is_none(), "{text}");
        }
    }
}
