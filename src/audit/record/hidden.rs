//! The host, the path and the query that a caller wrote, without the parts that may be secrets.

use std::borrow::Cow;

/// Longest name of a parameter that is shown. Keys and tokens are longer.
const MAX_PARAMETER_NAME: usize = 24;

/// Most parameters that are shown.
pub(super) const MAX_PARAMETERS: usize = 32;

/// The host without the user information before it, which is a name and a password (RFC 3986 section 3.2.1).
pub(super) fn host(host: &str) -> Cow<'_, str> {
    // Some clients encode the mark, and their password is none the less one.
    let (plain, encoded) = (host.rsplit_once('@'), host.rsplit_once("%40"));
    match (plain, encoded) {
        (Some((_, plain)), Some((_, encoded))) if encoded.len() < plain.len() => {
            format!("*%40{encoded}").into()
        }
        (Some((_, host)), _) => format!("*@{host}").into(),
        (None, Some((_, host))) => format!("*%40{host}").into(),
        (None, None) => host.into(),
    }
}

/// The path of `target`: parameters of its segments have names and no values, since some carry a session
/// (`/orders;jsessionid=..`). What follows an encoded `?` or `#` is hidden as the query is; so is user information, in a target
/// that is a whole URL.
pub(super) fn path(target: &str) -> Cow<'_, str> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if !path.contains([';', '@', '%']) {
        return path.into();
    }
    let (path, rest) = match find_encoded(path, &["%3f", "%23"]) {
        Some(at) => path.split_at_checked(at).unwrap_or_default(),
        None => (path, ""),
    };
    let (authority, path) = authority(path);
    let mut shown = match authority.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.find("//").and_then(|at| before.get(..at.saturating_add(2)));
            format!("{}*@{host}", scheme.unwrap_or_default())
        }
        None => authority.to_owned(),
    };
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            shown.push('/');
        }
        self::segment(segment, &mut shown);
    }
    if let Some(mark) = rest.get(..3) {
        shown.push_str(mark);
        shown.push('*');
    }
    shown.into()
}

/// The query of `target` with the names of its parameters and none of their values. What is no plain name may be a value,
/// as in `?TOKEN`, and is hidden as well.
pub(super) fn query(target: &str) -> String {
    let query = target.split('#').next().and_then(|whole| whole.split_once('?'));
    let Some((_, query)) = query.filter(|(_, query)| !query.is_empty()) else {
        return String::new();
    };
    let shown: Vec<_> = query.split('&').take(MAX_PARAMETERS).map(parameter).collect();
    shown.join("&")
}

fn parameter(parameter: &str) -> Cow<'static, str> {
    let plain = |name: &str| {
        let usual = |b: u8| b.is_ascii_alphanumeric() || b"-_.[]".contains(&b);
        !name.is_empty() && name.len() <= MAX_PARAMETER_NAME && name.bytes().all(usual)
    };
    match parameter.split_once('=') {
        Some((name, value)) if plain(name) && !value.trim_matches('=').is_empty() => {
            format!("{name}=*").into()
        }
        Some(_) | None => "*".into(),
    }
}

/// The part before the path in a target that is a whole URL, or that begins as one without a scheme does.
fn authority(target: &str) -> (&str, &str) {
    let begin = match target.find("//") {
        Some(0) => 2,
        Some(at) if target.get(..at).is_some_and(|scheme| scheme.ends_with(':')) => {
            at.saturating_add(2)
        }
        Some(_) | None => return ("", target),
    };
    let rest = target.get(begin..).unwrap_or_default();
    let end = begin.saturating_add(rest.find('/').unwrap_or(rest.len()));
    target.split_at_checked(end).unwrap_or_default()
}

/// A segment with the names of its parameters (RFC 3986 section 3.3), however their `;` is written.
fn segment(segment: &str, shown: &mut String) {
    let mut rest = segment;
    let mut shows_name = true;
    while let Some((before, mark, after)) = split_parameter(rest) {
        push(before, &mut shows_name, shown);
        shown.push_str(mark);
        rest = after;
    }
    push(rest, &mut shows_name, shown);
}

/// The first part is the segment itself, and what comes after it are parameters.
fn push(part: &str, is_segment: &mut bool, shown: &mut String) {
    if std::mem::replace(is_segment, false) {
        shown.push_str(part);
    } else if !part.is_empty() {
        shown.push_str(&parameter(part));
    }
}

fn split_parameter(text: &str) -> Option<(&str, &str, &str)> {
    // One pass: to look for each mark to the end of the text, segment by segment, takes the square of its length (P301).
    let mut marks = text.match_indices([';', '%']);
    let (at, length) = marks.find_map(|(at, mark)| match mark {
        ";" => Some((at, 1)),
        _ => ["%3b", "%253b"]
            .into_iter()
            .find(|code| is_code(text, at, code))
            .map(|code| (at, code.len())),
    })?;
    let (before, rest) = text.split_at_checked(at)?;
    let (mark, after) = rest.split_at_checked(length)?;
    Some((before, mark, after))
}

/// The offset in `text` of the first of `codes`, given in lower case.
fn find_encoded(text: &str, codes: &[&str]) -> Option<usize> {
    let mut marks = text.match_indices('%').map(|(at, _)| at);
    marks.find(|at| codes.iter().any(|code| is_code(text, *at, code)))
}

/// True if `code`, given in lower case, is in `text` at this place.
fn is_code(text: &str, at: usize, code: &str) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    rest.get(..code.len()).is_some_and(|start| start.eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P167, P193: what a caller wrote into the host or the path is shown without what may be a secret.
    #[test]
    fn sessions_and_passwords_are_hidden_wherever_they_stand() {
        for (target, shown) in [
            ("/orders/42", "/orders/42"),
            ("/orders/a%20b", "/orders/a%20b"),
            ("/orders;jsessionid=8A7F", "/orders;jsessionid=*"),
            ("/a;jsessionid=8A7F/b;v=1;8A7F;w=/c?t=1", "/a;jsessionid=*/b;v=*;*;*/c"),
            ("/a%3Bjsessionid=8A7F%3bx=1", "/a%3Bjsessionid=*%3bx=*"),
            ("/a%253Bsid=8A7F", "/a%253Bsid=*"),
            ("/a;sid%3D8A7F", "/a;*"),
            ("/a;", "/a;"),
            ("/a%3Ftoken=8A7F", "/a%3F*"),
            ("/a%23token=8A7F", "/a%23*"),
            ("http://u:8A7F@h/a;b=1", "http://*@h/a;b=*"),
            ("//u:8A7F@h/a", "//*@h/a"),
            ("http://h/a@b", "http://h/a@b"),
            ("/a@b", "/a@b"),
            ("/%", "/%"),
            ("/é;%é=1", "/é;*"),
            ("", ""),
        ] {
            assert_eq!(path(target), shown, "{target}");
        }
        for (name, shown) in [
            ("orders.example", "orders.example"),
            ("u:8A7F@orders.example:80", "*@orders.example:80"),
            ("a@b:8A7F@h", "*@h"),
            ("u:8A7F%40orders.example", "*%40orders.example"),
            ("u@8A7F%40h", "*%40h"),
            ("u%408A7F@h", "*@h"),
        ] {
            assert_eq!(host(name), shown);
        }
    }
    /// P301: a path is hidden in one pass. Looking for each mark to the end of the text would take minutes here.
    #[test]
    fn a_path_of_marks_takes_one_pass() {
        let many = 256 * 1024;
        for marks in [";", "%3b", "%"] {
            let target = format!("/a{}{}", ";".repeat(many), marks.repeat(many));
            let shown = path(&target);
            assert!(shown.starts_with("/a;;;"), "{marks}");
        }
    }
}
