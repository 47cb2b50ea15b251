//! Section 5b: where tokens are, and what is found there.

use crate::Request;
use crate::documents::Document;
use crate::path;
use crate::token::Place;
use crate::value::Value;

/// 5.49 Stands for what cannot be read as a credential. It begins as a JWT does for some reader, so that it is never ignored (5.53).
const UNREADABLE: &str = "{";

/// 5.50 Whether a place holds what is no text of a credential, or more than 16 KiB.
pub(crate) fn is_unreadable(text: &str) -> bool {
    text == UNREADABLE || text.contains('\u{fffd}') || text.len() > 16 * 1024
}

/// The places of an issuer's tokens.
pub(crate) fn places(issuer: &Document) -> Vec<Place> {
    let Some(list) = issuer.spec.get("tokens").and_then(Value::list) else { return vec![Place::Authorization] };
    let place = |v: &Value| {
        let named = |key: &str| v.text_of(key).map(str::to_owned);
        if let Some(spec) = v.get("prefixed") {
            let text = |key: &str| spec.text_of(key).unwrap_or_default().to_lowercase();
            return Some(Place::Prefixed(text("header"), text("prefix")));
        }
        if let Some(spec) = v.get("webSocketProtocol") {
            let mark = spec.text_of("prefix").or(spec.text_of("after")).unwrap_or_default();
            return Some(Place::Protocol(mark.to_owned(), spec.get("after").is_some(), spec.text_of("encoding") == Some("base64url")));
        }
        named("header").map(Place::Header).or(named("cookie").map(Place::Cookie)).or(named("query").map(Place::Query))
    };
    list.iter().map(|v| place(v).unwrap_or(Place::Authorization)).collect()
}

/// 5.49 What stands behind `word`. Where anything but a space stands around it, it is no token (an empty one is malformed).
fn behind(part: &str, word: &str) -> Option<(String, bool)> {
    let part = part.trim_matches([' ', '\t']);
    let begun = part.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let end = begun.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))).unwrap_or(begun.len());
    let (scheme, token) = begun.split_at(end);
    let clean = begun.len() == part.len() && (token.is_empty() || token.starts_with(' '));
    // A scheme with a JWT right behind it, or behind a mark, is none of the others.
    let glued = |rest: &str| rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).starts_with("eyJ");
    if scheme.to_lowercase().strip_prefix(word).is_some() && scheme.get(word.len()..).is_some_and(glued) {
        return Some((UNREADABLE.to_owned(), false));
    }
    scheme.eq_ignore_ascii_case(word).then(|| (if clean { token.trim() } else { UNREADABLE }.to_owned(), false))
}

/// 5.49 Whether a list is another scheme's with its parameters, or several of them: no part is a word alone or begins as a JWT does.
fn is_of_others(line: &str) -> bool {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        quoted ^= c == '"';
        match parts.last_mut() {
            Some(last) if c != ',' || quoted => last.push(c),
            _ => parts.push(String::new()),
        }
    }
    let scheme = |part: &String| part.trim().contains(' ');
    let parameter = |part: &String| part.trim_end_matches('=').contains('=');
    let known = parts.iter().enumerate().all(|(n, part)| scheme(part) || n > 0 && parameter(part));
    !quoted && known && !line.split(',').any(|part| part.trim_start().starts_with("eyJ"))
}

/// 5.49 The very same value again is no second one, on a line of its own or joined by a comma.
fn once(mut lines: Vec<String>) -> Vec<String> {
    lines.dedup();
    if let [line] = lines.as_mut_slice() {
        let mut parts: Vec<_> = line.split(',').map(|p| p.trim_matches([' ', '\t'])).collect();
        parts.dedup();
        if let [part] = parts.as_slice()
            && !part.is_empty()
        {
            *line = (*part).to_owned();
        }
    }
    lines
}

/// 5.49 What is in a place: the credentials, and whether they came with the scheme `DPoP`.
pub(crate) fn credentials(request: &Request, place: &Place) -> Vec<(String, bool)> {
    let lines = |name: &str| {
        request.lines(name).into_iter().map(|l| String::from_utf8_lossy(l).trim_matches([' ', '\t']).to_owned()).collect::<Vec<_>>()
    };
    match place {
        Place::Authorization => {
            let one = |one: &str| behind(one, "bearer").or(behind(one, "dpop").map(|(token, _)| (token, true)));
            // Two lines are two credentials, whatever their schemes, and so is what a proxy has joined with one of ours.
            match once(lines("authorization")).as_slice() {
                [line] if line.split(',').any(|part| one(part).is_some()) => {
                    line.split(',').map(|part| one(part).unwrap_or_default()).collect()
                }
                [_] => Vec::new(),
                lines => lines.iter().map(|_| (String::new(), false)).collect(),
            }
        }
        Place::Header(name) => {
            once(lines(name)).iter().flat_map(|l| l.split(',').map(|t| (t.trim().to_owned(), false)).collect::<Vec<_>>()).collect()
        }
        Place::Prefixed(name, word) => {
            // Without a word, a value with a space is another scheme's, unless it begins as a JWT does.
            let one = |part: &str| match (word.as_str(), part.trim().contains(' ')) {
                ("", false) => Some((part.trim().to_owned(), false)),
                ("", true) => part.trim().starts_with("eyJ").then(Default::default),
                (word, _) => behind(part, word).map(|(token, _)| (token, word == "dpop")),
            };
            match once(lines(name)).as_slice() {
                [line] if word.is_empty() && line.contains(',') => {
                    if is_of_others(line) {
                        Vec::new()
                    } else {
                        vec![Default::default(), Default::default()]
                    }
                }
                [line] if line.contains(',') && line.split(',').any(|part| one(part).is_some()) => {
                    vec![Default::default(), Default::default()]
                }
                [line] => one(line).into_iter().collect(),
                lines => lines.iter().map(|_| Default::default()).collect(),
            }
        }
        Place::Protocol(mark, after, encoded) => {
            let all = lines("sec-websocket-protocol").join(",");
            let elements: Vec<&str> = all.split(',').map(str::trim).collect();
            let mut found = Vec::new();
            let mut at = 0;
            while let Some(element) = elements.get(at) {
                if *after && element == mark {
                    at += 1;
                    found.push(elements.get(at).copied().unwrap_or_default());
                } else if !after {
                    found.extend(element.strip_prefix(mark.as_str()));
                }
                at += 1;
            }
            let plain = |t: &str| crate::signature::from_base64url(t.trim_end_matches('=')).and_then(|b| String::from_utf8(b).ok());
            let token = |t: &str| if *encoded { plain(t).unwrap_or_else(|| UNREADABLE.to_owned()) } else { t.to_owned() };
            found.dedup();
            found.into_iter().map(|t| (token(t), false)).collect()
        }
        Place::Cookie(name) => {
            let all = lines("cookie");
            let pairs = all.iter().flat_map(|l| l.split(';')).filter_map(|p| p.split_once('='));
            pairs.filter(|(n, _)| n.trim() == name).map(|(_, v)| (v.trim().to_owned(), false)).collect()
        }
        Place::Query(name) => {
            let pairs = request.split_path().1.split('&').map(|p| p.split_once('=').unwrap_or((p, "")));
            let named = pairs.filter(|(n, _)| path::decode(n).as_deref() == Some(name));
            let mut found: Vec<_> = named.map(|(_, v)| (path::decode(v).unwrap_or_else(|| v.to_owned()), false)).collect();
            found.dedup();
            found
        }
    }
}
