//! Section 4: hosts, canonical paths, path templates, queries, spellings of names.

use crate::value::{Three, Value};

/// 4.1 An authority: a name in lower case, whether a dot ends it, and the port behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The name without port and dot.
    pub name: String,
    /// Whether a dot ends it.
    pub dot: bool,
    /// The port that the caller wrote.
    pub port: Option<u16>,
}

impl Host {
    /// 4.2 Reads an authority: no user information, a DNS-like name of letters, digits, `-` and `_`, or an IP address.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (name, port) = if let Some(rest) = text.strip_prefix('[') {
            let (inner, after) = rest.split_once(']')?;
            let address: std::net::Ipv6Addr = inner.parse().ok()?;
            // 4.3 An IPv6 address counts in the form of RFC 5952 only.
            (address.to_string() == inner).then_some(())?;
            (format!("[{inner}]"), if after.is_empty() { None } else { Some(after.strip_prefix(':')?.to_owned()) })
        } else {
            match text.split_once(':') {
                Some((name, port)) => (name.to_owned(), Some(port.to_owned())),
                None => (text.clone(), None),
            }
        };
        let port = match port {
            None => None,
            Some(p) if !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()) && !p.starts_with('0') => Some(p.parse().ok()?),
            Some(_) => return None,
        };
        let plain = name.strip_suffix('.').unwrap_or(&name);
        let label = |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (plain.starts_with('[') || plain.split('.').all(label)).then_some(())?;
        Some(Self { name: plain.to_owned(), dot: name.ends_with('.'), port })
    }
}

/// 4.4 How narrow a host of a target is: exact, then a wildcard, then every host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostFit {
    /// Every host.
    Any,
    /// `*.example.com`.
    Wildcard,
    /// The host itself.
    Exact,
}

/// 4.5 A pattern of names: exact, or `*.` for exactly one label below. Compared in lower case.
pub fn name_fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    match pattern.strip_prefix("*.") {
        Some(parent) => name.split_once('.').is_some_and(|(first, rest)| !first.is_empty() && rest == parent),
        None => pattern == name,
    }
}

/// 4.6 Whether a target is about a host. An allow rule needs the form in which it arrived: the plain one, one that `hosts` spells, or any
/// port under `anyAuthorityPort`. A deny rule is about every form of a plain host.
pub fn target_fits(target: &Value, host: &Host, deny: bool) -> Option<HostFit> {
    let port_free = deny || host.port.is_none() || target.is_true("anyAuthorityPort");
    let any = (target.is_true("anyHost") && port_free && (deny || !host.dot)).then_some(HostFit::Any);
    let listed = target.texts("hosts").into_iter().filter_map(|pattern| {
        let (name, port) = match pattern.rsplit_once(':') {
            Some((n, p)) if !p.contains(']') => (n.to_owned(), p.parse::<u16>().ok()),
            _ => (pattern.clone(), None),
        };
        let dot = name.ends_with('.');
        let plain = name.trim_end_matches('.');
        let port_fits = port == host.port || (port.is_none() && port_free);
        let dot_fits = dot == host.dot || (deny && !dot);
        let fit = if plain.starts_with("*.") { HostFit::Wildcard } else { HostFit::Exact };
        (name_fits(plain, &host.name) && port_fits && dot_fits).then_some(fit)
    });
    listed.chain(any).max()
}

/// 4.7 The readings that a path needs, beyond being canonical.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readings {
    /// It has a `%2F`.
    pub slashes: bool,
    /// It has a parameter behind `;`.
    pub parameters: bool,
    /// It has repeated slashes.
    pub empty: bool,
}

impl Readings {
    /// 4.8 Whether a target accepts all of them.
    pub fn accepted_by(&self, target: &Value) -> bool {
        let says = |key, word| target.get("paths").and_then(|p| p.text_of(key)) == Some(word);
        (!self.slashes || says("encodedSlashes", "keptByUpstream"))
            && (!self.parameters || says("parameters", "removedByUpstream"))
            && (!self.empty || says("emptySegments", "mergedByUpstream"))
    }
}

/// A path: its decoded segments and the readings that led to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Decoded; the last one is empty where the path ends with a slash.
    pub segments: Vec<String>,
    /// What was accepted in it.
    pub readings: Readings,
}

/// Percent-decodes; nothing where an escape is broken or the result is no UTF-8.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let digit = |b: Option<u8>| char::from(b?).to_digit(16);
            let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
            out.push(u8::try_from(value).ok()?);
        } else {
            out.push(b);
        }
    }
    String::from_utf8(out).ok()
}

/// 4.9 Reads a path (without its query), or nothing where it is not canonical. Nothing is repaired.
pub fn canonical(path: &str) -> Option<Path> {
    let upper = path.to_ascii_uppercase();
    // 4.10 Never accepted: `\`, `%5C`, `#`, `%3B`, white space and characters that are not ASCII.
    let never = path.bytes().any(|b| b <= b' ' || b >= 0x7f || b == b'\\' || b == b'#');
    if never || upper.contains("%5C") || upper.contains("%3B") {
        return None;
    }
    let mut readings = Readings::default();
    let mut segments = Vec::new();
    let raw: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    for (i, raw_segment) in raw.iter().enumerate() {
        let kept = match raw_segment.split_once(';') {
            Some((before, _)) => {
                readings.parameters = true;
                before
            }
            None => raw_segment,
        };
        let decoded = decode(kept)?;
        readings.slashes |= kept.to_ascii_uppercase().contains("%2F");
        // 4.11 Encoding what needs none (RFC 3986 section 2.3) and encoding twice have more than one reading.
        for (at, _) in kept.match_indices('%') {
            let byte = decode(kept.get(at..at + 3)?).and_then(|d| d.bytes().next());
            let unreserved = byte.is_some_and(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
            let twice = byte == Some(b'%') && kept.get(at + 3..at + 5).is_some_and(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
            if unreserved || twice || byte.is_some_and(|b| b < b' ' || b == 0x7f) {
                return None;
            }
        }
        // 4.12 Whatever becomes `.` or `..` by any reading stays denied.
        if decoded.split(['/', ';']).any(|part| part == "." || part == "..") {
            return None;
        }
        if kept.is_empty() && i + 1 < raw.len() {
            readings.empty = true;
        } else {
            segments.push(decoded);
        }
    }
    // 4.13 At most 64 segments.
    (raw.len() <= 64).then_some(Path { segments, readings })
}

/// 4.14 How narrow a segment of a template is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Many,
    One,
    Literal,
}

/// 4.15 How narrow a template is: segment by segment from the left, then the longer one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PathFit(Vec<Part>);

fn fits(parts: &[&str], segments: &[String]) -> bool {
    match parts.split_first() {
        None => segments.is_empty(),
        // 4.16 A `**` at the end is one segment or more, of which the last may be empty.
        Some((&"**", [])) => !segments.is_empty(),
        // 4.17 A `**` further left is any number of segments, none included.
        Some((&"**", rest)) => (0..=segments.len()).any(|n| segments.get(n..).is_some_and(|s| fits(rest, s))),
        Some((part, rest)) => segments.split_first().is_some_and(|(first, others)| {
            let one = if is_variable(part) { !first.is_empty() } else { decode(part).as_ref() == Some(first) };
            one && fits(rest, others)
        }),
    }
}

fn is_variable(part: &str) -> bool {
    part == "*" || (part.starts_with('{') && part.ends_with('}'))
}

/// 4.18 Whether a template matches, how narrow it is, and what its names capture.
pub fn template(template: &str, path: &Path) -> Option<(PathFit, Vec<(String, String)>)> {
    let parts: Vec<&str> = template.strip_prefix('/')?.split('/').collect();
    if !fits(&parts, &path.segments) {
        return None;
    }
    let kind = |p: &&str| match *p {
        "**" => Part::Many,
        p if is_variable(p) => Part::One,
        _ => Part::Literal,
    };
    let mut captures = Vec::new();
    // 4.19 A name before the first `**` counts from the left, one behind the last from the right; between two it is an error.
    let first_many = parts.iter().position(|p| *p == "**").unwrap_or(parts.len());
    for (i, part) in parts.iter().enumerate().filter(|(_, p)| p.starts_with('{') && is_variable(p)) {
        let at = if i < first_many { i } else { (path.segments.len() + i).checked_sub(parts.len())? };
        captures.push((part[1..part.len() - 1].to_owned(), path.segments.get(at)?.clone()));
    }
    Some((PathFit(parts.iter().map(kind).collect()), captures))
}

/// 4.20 The parameters of a query, or nothing where readers disagree about all of it: a `;`, or a broken encoding anywhere.
pub fn query(text: &str) -> Option<Vec<(String, Option<String>)>> {
    if text.contains(';') {
        return None;
    }
    let pairs = text.split('&').filter(|p| !p.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let known = decode(value)?;
            // 4.21 A value with a `+` cannot be determined. The name keeps its `+`: it is another spelling.
            Some((decode(name)?, (!value.contains('+')).then_some(known)))
        })
        .collect()
}

/// 4.22 The name of a header as CGI and its heirs read it: one for `x-debug`, `x_debug` and `x.debug`.
pub fn header_key(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

/// 4.23 The name of a parameter as any reader may read it: decoded again, in lower case, without brackets and what is before or in them,
/// every mark that is no letter or digit the same.
pub fn parameter_key(name: &str) -> String {
    let mut name = name.to_owned();
    while let Some(again) = decode(&name).filter(|again| *again != name) {
        name = again;
    }
    let bare = name.trim_start_matches(['+', ' ']).to_lowercase();
    let inner = match bare.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default().to_owned(),
        None => bare.split('[').next().unwrap_or_default().to_owned(),
    };
    inner.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect()
}

/// 4.24 An address, IPv4 also where it is written as IPv6.
pub fn address(text: &str) -> Option<std::net::IpAddr> {
    text.parse::<std::net::IpAddr>().ok().map(|a| a.to_canonical())
}

/// 4.25 Whether an address is in one of several addresses and blocks.
pub fn in_blocks(blocks: &[String], address_of: std::net::IpAddr) -> bool {
    let bits = |a: std::net::IpAddr| match a {
        std::net::IpAddr::V4(a) => (32, u128::from(u32::from(a)) << 96),
        std::net::IpAddr::V6(a) => (128, u128::from(a)),
    };
    let (width, value) = bits(address_of);
    blocks.iter().any(|block| {
        let (base, length) = block.split_once('/').map_or((block.as_str(), None), |(b, l)| (b, l.parse::<u32>().ok()));
        let Some((block_width, base)) = base.parse().ok().map(bits) else { return false };
        let length = length.unwrap_or(block_width);
        block_width == width && (length == 0 || base >> (128 - length) == value >> (128 - length))
    })
}

/// 4.26 A SPIFFE pattern: `*` is one whole segment, a final `**` one or more; the trust domain is literal.
pub fn spiffe_fits(pattern: &str, id: &str) -> bool {
    let split = |t: &str| t.strip_prefix("spiffe://").map(|r| r.split('/').map(str::to_owned).collect::<Vec<_>>());
    let (Some(pattern), Some(id)) = (split(pattern), split(id)) else { return false };
    pattern.iter().enumerate().all(|(i, part)| match part.as_str() {
        "**" if i > 0 && i + 1 == pattern.len() => id.len() > i,
        "*" if i > 0 => id.get(i).is_some_and(|s| !s.is_empty()),
        literal => id.get(i).is_some_and(|s| s == literal),
    }) && (id.len() == pattern.len() || (id.len() > pattern.len() && pattern.last().is_some_and(|p| p == "**")))
}

/// 4.27 Values under a name, and values under other spellings of it. The answer counts where all three readers agree: the one that sees the
/// exact name, the one that sees all, and the one that sees the others alone.
pub fn in_doubt<T: Clone>(exact: &[T], others: &[T], judge: impl Fn(&[T]) -> Three) -> Three {
    let (first, all) = (judge(exact), judge(&[exact, others].concat()));
    let agree = others.is_empty() || (first == all && first == judge(others));
    if agree { first } else { Three::Indeterminate }
}
