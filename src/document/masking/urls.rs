//! Credentials in addresses: users, paths of webhooks, queries and parameters.

use std::ops::Range;

use super::words::holds_credentials;

/// The parts of a line's addresses that are not shown.
pub(super) fn credentials_in(line: &str) -> impl Iterator<Item = Range<usize>> {
    let urls = users_of_urls(line).chain(queries_of_urls(line)).chain(paths_of_hooks(line));
    urls.chain(users_of_hosts(line)).chain(parameters(line))
}

/// `user:password` of each URL.
fn users_of_urls(line: &str) -> impl Iterator<Item = Range<usize>> {
    line.match_indices("://").filter_map(move |(at, mark)| {
        let start = at.saturating_add(mark.len());
        let rest = line.get(start..)?;
        // A password may have a slash that should be escaped.
        let address = rest.split(['"', '\'', ' ']).next()?;
        let user = address.rfind('@')?;
        Some(start..start.saturating_add(user))
    })
}

/// `user:password` before each `@` of an address without a scheme.
fn users_of_hosts(line: &str) -> impl Iterator<Item = Range<usize>> {
    line.match_indices('@').filter_map(move |(at, _)| {
        let before = line.get(..at)?;
        let start = before.rfind([' ', '"', '\'', ',', '[', '{', '(', '=']);
        let start = start.map_or(0, |end| end.saturating_add(1));
        let (name, rest) = line.get(start..at)?.split_once(':')?;
        let is_scheme = rest.starts_with("//") || matches!(name, "" | "mailto" | "sip" | "acct");
        (!is_scheme && !rest.is_empty()).then_some(start..at)
    })
}

/// The paths of URLs that are credentials themselves: those of webhooks, and long ones without a meaning.
fn paths_of_hooks(line: &str) -> impl Iterator<Item = Range<usize>> {
    line.match_indices("://").filter_map(move |(at, mark)| {
        let start = at.saturating_add(mark.len());
        let url =
            line.get(start..)?.split(['"', '\'', ' ', ',', '}', ']', '?', '#', '`']).next()?;
        let (server, path) = url.split_once('/')?;
        let is_hook =
            server.contains("hook") || path.contains("hook") || path.starts_with("services/");
        let is_secret = is_hook || path.split('/').any(is_random);
        let path = start.saturating_add(server.len()).saturating_add(1);
        (is_secret && start.saturating_add(url.len()) > path)
            .then(|| path..start.saturating_add(url.len()))
    })
}

/// True for long text of letters and digits that is no UUID.
fn is_random(segment: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| segment.bytes().any(|b| kind(&b));
    let is_uuid = segment.len() == 36 && segment.bytes().filter(|b| *b == b'-').count() == 4;
    segment.len() >= 24
        && !is_uuid
        && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=:%".contains(&b))
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
}

/// The text behind `?` or `#` in each URL.
fn queries_of_urls(line: &str) -> impl Iterator<Item = Range<usize>> {
    line.match_indices("://").filter_map(move |(at, mark)| {
        let start = at.saturating_add(mark.len());
        let url = line.get(start..)?.split(['"', '\'', ' ', ',', '}', ']']).next()?;
        let query = url.find(['?', '#'])?.saturating_add(1);
        (query < url.len()).then(|| start.saturating_add(query)..start.saturating_add(url.len()))
    })
}

/// The values of parameters in paths and queries whose names are like those of secrets: `access_token=..`, `;jsessionid=..`.
fn parameters(line: &str) -> impl Iterator<Item = Range<usize>> {
    let begins = line.match_indices(['?', '&', ';']);
    begins.filter_map(move |(at, mark)| {
        let at = at.saturating_add(mark.len());
        let (name, rest) = line.get(at..)?.split_once('=')?;
        let value = rest.split(['&', ';', '#', '"', '\'', ' ', ',']).next().unwrap_or_default();
        let lower = name.to_ascii_lowercase();
        let like = ["token", "session", "code", "assertion", "sig", "key"];
        let is_secret = holds_credentials(name) || like.iter().any(|part| lower.contains(part));
        let word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let start = at.saturating_add(name.len()).saturating_add(1);
        (word && is_secret && !value.is_empty()).then(|| start..start.saturating_add(value.len()))
    })
}
