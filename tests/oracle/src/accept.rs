//! The media types that a caller accepts (8.27, 8.33; RFC 9110 section 12.5.1).

use crate::Request;

/// The media ranges of all lines in lower case, with their weights in thousandths. One with a bad weight is none.
fn ranges(request: &Request) -> Vec<(String, u16)> {
    let lines: Vec<String> = request.lines("accept").iter().map(|l| String::from_utf8_lossy(l).to_lowercase()).collect();
    let read = |text: &str| {
        let mut parts = text.split(';').map(str::trim);
        let range = parts.next()?.to_owned();
        Some((range, parts.find_map(|p| p.strip_prefix("q=")).map_or(Some(1000), weight)?))
    };
    lines.iter().flat_map(|line| line.split(',')).filter_map(read).collect()
}

/// RFC 9110 section 12.4.2: 0 to 1 with at most three digits behind the point.
fn weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    let digits = fraction.bytes().all(|b| b.is_ascii_digit()) && fraction.len() <= 3;
    match whole {
        "0" if digits => Some(thousandths),
        "1" if digits && thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// 8.27 Whether a page is asked for by its name.
pub fn names_pages(request: &Request) -> bool {
    ranges(request).iter().any(|(range, weight)| range == "text/html" && *weight > 0)
}

/// 8.33 Whether the body is the JSON that callers get who ask for nothing: no other form is wanted more.
pub fn wants_json(request: &Request) -> bool {
    let ranges = ranges(request);
    let of = |kind: &str, name: &str| {
        let closest = [format!("{kind}/{name}"), format!("{kind}/*"), "*/*".to_owned()];
        let weight = |wanted: &String| ranges.iter().filter(|(range, _)| range == wanted).map(|(_, weight)| *weight).max();
        closest.iter().find_map(weight).unwrap_or(0)
    };
    let others = [of("application", "problem+json"), of("text", "plain"), of("text", "html")];
    others.iter().all(|other| of("application", "json") >= *other)
}
