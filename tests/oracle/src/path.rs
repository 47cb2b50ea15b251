//! Section 4: hosts, canonical paths, path templates, queries, spellings of names.

use crate::value::{Three, Value};

/// 4.1 An authority: a name in lower case, whether a dot ends it, and the port behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The name without port and dot.
    pub name: String,
    /// True if a dot ends it.
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
        let label = |l: &str| (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (plain.starts_with('[') || (plain.len() <= 253 && plain.split('.').all(label))).then_some(())?;
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
/// port under `anyAuthorityPort`. A deny rule is about any port and dot that its host does not spell.
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

/// 5.48 Whether a target is about a host, by its name alone: in whatever form the host arrived, and in whatever form the target spells it.
pub fn names(target: &Value, host: &Host) -> bool {
    let name = |pattern: &String| match pattern.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name.trim_end_matches('.').to_owned(),
        _ => pattern.trim_end_matches('.').to_owned(),
    };
    target.is_true("anyHost") || target.texts("hosts").iter().any(|pattern| name_fits(&name(pattern), &host.name))
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
    /// The readings that were accepted in it.
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

/// True if a text reads as if something in it were percent-encoded.
fn has_escape(text: &str) -> bool {
    text.split('%').skip(1).any(|after| after.get(..2).is_some_and(|d| d.bytes().all(|b| b.is_ascii_hexdigit())))
}

/// 4.10, 4.11 Whether every character of a segment, or of its parameters, has one reading; `%2F` only where it may be `kept`.
fn sound(text: &str, kept: bool) -> bool {
    let never = |b: u8| b <= b' ' || b >= 0x7f || b"\\#\"<>^`{|}".contains(&b);
    let escaped = text.split('%').skip(1).all(|after| {
        let byte = after.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|d| u8::from_str_radix(d, 16).ok());
        byte.is_some_and(|b| {
            let needless = b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            !needless && b >= b' ' && b != 0x7f && !b"\\;#?".contains(&b) && (kept || b != b'/')
        })
    });
    !text.bytes().any(never) && escaped
}

/// 4.9 Reads a path (without its query), or nothing where it is not canonical. Nothing is repaired.
pub fn canonical(path: &str) -> Option<Path> {
    let mut readings = Readings::default();
    let mut segments = Vec::new();
    let raw: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    for (i, raw_segment) in raw.iter().enumerate() {
        if raw_segment.is_empty() && i + 1 < raw.len() {
            readings.empty = true;
            continue;
        }
        let (kept, parameters) = raw_segment.split_once(';').unwrap_or((raw_segment, ""));
        readings.parameters |= raw_segment.contains(';');
        // A segment of parameters alone has no name.
        let nameless = kept.is_empty() && raw_segment.contains(';');
        if nameless || !sound(kept, true) || !sound(parameters, false) {
            return None;
        }
        let decoded = decode(kept)?;
        readings.slashes |= decoded.contains('/');
        // 4.12 Whatever becomes `.`, `..`, an empty segment or another escape by any reading stays denied.
        let part = |part: &str| part == "." || part == ".." || (part.is_empty() && decoded.contains('/'));
        if decoded.split('/').any(part) || has_escape(&decoded) {
            return None;
        }
        segments.push(decoded);
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

/// A parameter of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name as it was sent.
    pub sent: String,
    /// Its name, decoded once.
    pub name: String,
    /// Its value, decoded; none for one that cannot be determined.
    pub value: Option<String>,
}

/// 4.20 The parameters of a query, or nothing where readers disagree about all of it: a `;`, or a broken encoding anywhere.
pub fn query(text: &str) -> Option<Vec<Parameter>> {
    if text.contains(';') {
        return None;
    }
    let pairs = text.split('&').filter(|p| !p.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // 4.21 A value with a `+`, encoded or not, cannot be determined.
            let value = decode(value)?;
            let value = (!value.contains('+')).then_some(value);
            Some(Parameter { sent: name.to_owned(), name: decode(name)?, value })
        })
        .collect()
}

/// 4.22 The name of a header as CGI and its heirs read it: one for `x-debug`, `x_debug`, `x.debug` and `x!debug`.
pub fn header_key(name: &str) -> String {
    name.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// Percent-decodes what can be decoded and leaves the rest.
fn loosely(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.extend(before.bytes());
        match after.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(b'%');
                rest = after;
            }
        }
    }
    out.extend(rest.bytes());
    String::from_utf8_lossy(&out).into_owned()
}

/// 4.23 Whether some reader takes the parameter that was `sent` for `name`: decoded up to three times with `+` as a space, cut at a NUL,
/// without white space at its ends, then whole, or up to a `[`, or what is in brackets at its beginning; in any case, all marks the same.
pub fn parameter_is(sent: &str, name: &str) -> bool {
    let once = sent.replace('+', " ");
    let text = loosely(&loosely(&loosely(&once)));
    let text = text.split('\0').next().unwrap_or_default().trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let fold = |text: &str| -> String {
        let lower = text.trim().chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        lower.map(|c| if c.is_ascii() && !c.is_ascii_alphanumeric() { '-' } else { c }).collect()
    };
    let before = text.split('[').next().unwrap_or_default();
    let within = text.strip_prefix('[').and_then(|rest| rest.split(']').next());
    [Some(text), Some(before), within].into_iter().flatten().any(|read| fold(read) == fold(name))
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
    if agree { first } else { Three::Unknown }
}
