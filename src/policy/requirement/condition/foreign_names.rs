//! Names that other programs, or the standard, have for what a condition reads.

use crate::clock::UnixTime;

/// The beginnings of names, each with what to write in its place; the longest comes first. `{}` is the rest of the name.
const MEANT: [(&str, &str); 32] = [
    ("request.auth.claims.", "write `token.claims.{}`"),
    ("request.auth.claims", "write `token.claims.NAME`"),
    ("request.auth", "the caller is `token.sub`, `token.client`, or `peer.spiffe`"),
    ("request.http.headers.", "write `request.headers[\"{}\"]`"),
    ("request.http.method", "write `request.method`"),
    ("request.http.host", "write `request.host`"),
    ("request.http.path", "write `request.fullPath`"),
    ("request.header.", "write `request.headers[\"{}\"]`"),
    (
        "request.query",
        "a condition does not read the query: test it under the key `query` of the rule",
    ),
    (
        "request.params",
        "write `request.path.NAME` for what the path captures; the query is tested under the key `query` of the rule",
    ),
    ("request.body", "countersign does not read bodies"),
    ("request.time", "write `now`: seconds since 1970, as `token.exp` and claims have times"),
    ("request.url_path", "write `request.fullPath`"),
    ("request.uri", "write `request.fullPath`"),
    ("request.url", "write `request.fullPath`"),
    ("request.useragent", "write `request.headers[\"user-agent\"]`"),
    ("request.ip", "write `client.address`"),
    ("source.principal", "write `peer.spiffe`"),
    ("source.", "write `connection.source`, or `client.address` where a proxy is in front"),
    ("destination.", "write `connection.destination` or `connection.port`"),
    ("client.ip", "write `client.address`"),
    ("peer.id", "write `peer.spiffe`"),
    ("peer.uri", "write `peer.spiffe`"),
    ("peer.san", "write `peer.spiffe`, `peer.dns` or `peer.ips`"),
    ("claims.", "write `token.claims.{}`"),
    ("jwt.claims.", "write `token.claims.{}`"),
    ("jwt.", "write `token.claims.{}`"),
    ("auth.claims.", "write `token.claims.{}`"),
    ("headers.", "write `request.headers[\"{}\"]`"),
    ("method", "write `request.method`"),
    ("path", "write `request.fullPath`, or `request.path.NAME` for what the path captures"),
    ("host", "write `request.host`"),
];

/// Names of claims, each with the name that a token has for it.
const CLAIMS: [(&str, &str); 8] = [
    ("aud", "token.audiences"),
    ("scope", "token.scopes"),
    ("scp", "token.scopes"),
    ("client_id", "token.client"),
    ("azp", "token.client"),
    ("subject", "token.sub"),
    ("issuer", "token.iss"),
    ("expires", "token.exp"),
];

/// The advice for the name `segments`, if another program or the standard has one like it.
pub(super) fn advice(segments: &[&str]) -> Option<String> {
    if let ["token", claim, ..] = segments {
        let ours = CLAIMS.iter().find(|(name, _)| name == claim);
        return ours.map(|(_, ours)| format!("write `{ours}`"));
    }
    let text = segments.join(".");
    MEANT.iter().find_map(|(name, help)| {
        let rest = text.strip_prefix(name)?;
        // A word is meant whole.
        let is_whole = name.ends_with('.') || rest.is_empty() || rest.starts_with('.');
        is_whole.then(|| help.replace("{}", rest))
    })
}

/// The advice for a function or a text about a time: times are whole numbers here. `text` is what is compared.
pub(super) fn time(text: &str) -> Option<String> {
    let date = text.get(..10).filter(|date| {
        date.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        })
    })?;
    let at = UnixTime::from_rfc3339(text);
    let at = at.or_else(|| UnixTime::from_rfc3339(&format!("{date}T00:00:00Z")))?;
    Some(format!("times are seconds since 1970: write `{}`", at.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P658: the names that tokens, Envoy and other engines have lead to ours, and not to a word that is spelled alike.
    #[test]
    fn names_of_others_lead_to_ours() {
        for (name, expected) in [
            ("request.query", "under the key `query`"),
            ("request.query.page", "under the key `query`"),
            ("token.aud", "write `token.audiences`"),
            ("request.auth.claims.sub", "write `token.claims.sub`"),
            ("jwt.sub", "write `token.claims.sub`"),
            ("request.time", "write `now`"),
            ("source.ip", "write `connection.source`"),
            ("request.header.x-a", "write `request.headers[\"x-a\"]`"),
            ("path", "write `request.fullPath`"),
        ] {
            let segments: Vec<_> = name.split('.').collect();
            let found = advice(&segments).unwrap_or_default();
            assert!(found.contains(expected), "{name}: {found}");
        }
        assert_eq!(advice(&["token", "subb"]), None);
        assert_eq!(advice(&["paths"]), None);
        for (text, secs) in [("2026-01-01T00:00:00Z", 1_767_225_600), ("2026-01-01", 1_767_225_600)]
        {
            assert!(time(text).unwrap().contains(&format!("write `{secs}`")), "{text}");
        }
        assert_eq!((time("2026"), time("acme")), (None, None));
    }
}
