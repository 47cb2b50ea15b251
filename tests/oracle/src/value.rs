//! Section 2: values, and the three results of a comparison.

/// 2.1 A value of a document, a claim or a condition. A mapping keeps its order and has no name twice.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, exactly as it was written.
    Number(Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping.
    Map(Vec<(String, Value)>),
}

/// 2.2 A number: `digits` times ten to the `exponent`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    digits: i128,
    exponent: i32,
    whole: bool,
    lost: bool,
}

impl Number {
    /// A whole number.
    pub fn whole(n: i64) -> Self {
        Self { digits: i128::from(n), exponent: 0, whole: true, lost: false }
    }

    /// Reads JSON's spelling of a number.
    pub fn read(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if before.is_empty() || before == "-" || (mantissa.contains('.') && after.is_empty()) {
            return None;
        }
        let all = format!("{before}{after}");
        if !all.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let whole = !text.contains(['.', 'e', 'E']);
        let lost = all.len() > 30;
        let digits = if lost { 0 } else { all.parse().ok()? };
        let after = i32::try_from(after.len()).ok()?;
        Some(Self { digits, exponent: exponent.checked_sub(after)?, whole, lost })
    }

    /// 2.3 A number that may have been rounded cannot be determined: one with a fraction or an exponent
    /// from 2^53 on, an integer beyond 64 bits.
    pub fn known(self) -> bool {
        if self.lost {
            return false;
        }
        if self.whole {
            return i64::try_from(self.digits).is_ok() || u64::try_from(self.digits).is_ok();
        }
        if self.exponent > 20 {
            return self.digits == 0;
        }
        let mut value = self.digits.abs();
        for _ in 0..self.exponent.max(0) {
            value = value.saturating_mul(10);
        }
        for _ in 0..self.exponent.clamp(-60, 0).abs() {
            value /= 10;
        }
        value < 1 << 53
    }

    /// 2.4 Numbers compare as the numbers that they are, whole or with a fraction.
    pub fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        let least = self.exponent.min(other.exponent);
        let scale = |n: Self| {
            let steps = u32::try_from(n.exponent.checked_sub(least)?).ok()?;
            10i128.checked_pow(steps).and_then(|by| n.digits.checked_mul(by))
        };
        Some(scale(self)?.cmp(&scale(other)?))
    }

    /// The whole number that this is, if it is one and was written as one.
    pub fn as_whole(self) -> Option<i64> {
        (self.whole && !self.lost).then(|| i64::try_from(self.digits).ok()).flatten()
    }

    /// The whole number that was written as one, within 64 bits with a sign or without.
    pub fn as_integer(self) -> Option<i128> {
        (self.whole && self.known()).then_some(self.digits)
    }

    /// The seconds of a NumericDate, in thousandths (RFC 7519 section 2 allows fractions).
    pub fn thousandths(self) -> Option<i64> {
        let shift = self.exponent.checked_add(3)?;
        let by = 10i128.checked_pow(shift.unsigned_abs())?;
        let value = if shift < 0 { self.digits / by } else { self.digits.checked_mul(by)? };
        i64::try_from(value).ok()
    }

    /// How a number is written that is known: digits, and behind the point as many as it needs, one at least where it has a fraction or an
    /// exponent. None for more than six.
    pub fn decimal(self) -> Option<String> {
        if self.whole {
            return self.text();
        }
        let (mut digits, mut exponent) = (self.digits, self.exponent);
        while exponent < -1 && digits % 10 == 0 {
            (digits, exponent) = (digits / 10, exponent + 1);
        }
        let places = exponent.min(-1).unsigned_abs();
        let digits = digits.checked_mul(10i128.checked_pow(u32::try_from(exponent + i32::try_from(places).ok()?).ok()?)?)?;
        let by = 10i128.checked_pow(places)?;
        let sign = if digits < 0 { "-" } else { "" };
        let width = usize::try_from(places).ok()?;
        (places <= 6).then(|| format!("{sign}{}.{:0width$}", digits.abs() / by, digits.abs() % by))
    }

    /// How a whole number is written.
    pub fn text(self) -> Option<String> {
        (self.whole && self.known()).then(|| self.digits.to_string())
    }
}

impl Value {
    /// A text value.
    pub fn of(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The member of a mapping.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Map(members) => members.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The member of this name, where it says anything: `null` says nothing.
    pub fn given(&self, name: &str) -> Option<&Value> {
        self.get(name).filter(|value| **value != Value::Null)
    }

    /// The text, if this is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements, if this is a list.
    pub fn list(&self) -> Option<&[Value]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The texts of a list under a name; a list that is not written is empty.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let list = self.get(name).and_then(Value::list).unwrap_or_default();
        list.iter().filter_map(|v| v.text().map(str::to_owned)).collect()
    }

    /// The one text under a name, or the texts of the list there.
    pub fn one_or_more(&self, name: &str) -> Vec<String> {
        self.text_of(name).map_or_else(|| self.texts(name), |one| vec![one.to_owned()])
    }

    /// The text under a name.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::text)
    }

    /// True if `true` stands under a name.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    /// 2.5 The value at a JSON pointer (RFC 6901).
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        let mut here = self;
        for part in pointer.split('/').skip(1) {
            let name = part.replace("~1", "/").replace("~0", "~");
            here = match here {
                Self::Map(_) => here.get(&name)?,
                Self::List(list) => {
                    let plain = name == "0" || !name.starts_with('0');
                    list.get(name.parse::<usize>().ok().filter(|_| plain)?)?
                }
                _ => return None,
            };
        }
        Some(here)
    }

    /// 2.6 Reads JSON without repeated members, to a depth.
    pub fn json(bytes: &[u8], depth: usize) -> Option<Value> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut reader = Reader { rest: text };
        let value = reader.value(depth)?;
        reader.space();
        reader.rest.is_empty().then_some(value)
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, what: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(what)?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.space();
        match self.rest.chars().next()? {
            'n' => self.take("null").map(|()| Value::Null),
            't' => self.take("true").map(|()| Value::Bool(true)),
            'f' => self.take("false").map(|()| Value::Bool(false)),
            '"' => self.string().map(Value::Text),
            '[' => {
                let mut list = Vec::new();
                self.take("[")?;
                self.space();
                if self.take("]").is_some() {
                    return (depth > 0).then_some(Value::List(list));
                }
                loop {
                    list.push(self.value(depth.checked_sub(1)?)?);
                    self.space();
                    if self.take("]").is_some() {
                        return Some(Value::List(list));
                    }
                    self.take(",")?;
                }
            }
            '{' => {
                let mut members: Vec<(String, Value)> = Vec::new();
                self.take("{")?;
                self.space();
                if self.take("}").is_some() {
                    return (depth > 0).then_some(Value::Map(members));
                }
                loop {
                    self.space();
                    let name = self.string()?;
                    self.space();
                    self.take(":")?;
                    let value = self.value(depth.checked_sub(1)?)?;
                    if members.iter().any(|(n, _)| *n == name) {
                        return None;
                    }
                    members.push((name, value));
                    self.space();
                    if self.take("}").is_some() {
                        return Some(Value::Map(members));
                    }
                    self.take(",")?;
                }
            }
            _ => {
                let end = self.rest.find(|c: char| !"+-.0123456789eE".contains(c));
                let (number, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                let digits = number.trim_start_matches('-');
                let zero = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
                self.rest = rest;
                Number::read(number).filter(|_| !zero).map(Value::Number)
            }
        }
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.rest.get(..4)?;
        self.rest = self.rest.get(4..)?;
        let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|_| plain)
    }

    fn string(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut out = String::new();
        loop {
            let c = self.rest.chars().next()?;
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '"' => return Some(out),
                '\\' => {
                    let e = self.rest.chars().next()?;
                    self.rest = &self.rest[e.len_utf8()..];
                    out.push(match e {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        '"' | '\\' | '/' => e,
                        'u' => {
                            let high = self.hex()?;
                            if (0xd800..0xdc00).contains(&high) {
                                self.take("\\u")?;
                                let low = self.hex()?.checked_sub(0xdc00).filter(|l| *l < 0x400)?;
                                char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)?
                            } else {
                                char::from_u32(high)?
                            }
                        }
                        _ => return None,
                    });
                }
                c if c < ' ' => return None,
                c => out.push(c),
            }
        }
    }
}

/// 2.7 The result of a check. The order is that of how far it is from holding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Three {
    /// It holds.
    Holds,
    /// It does not hold.
    Fails,
    /// It cannot be determined.
    Unknown,
}

use Three::{Fails, Holds, Unknown};

impl Three {
    /// A result that is known.
    pub fn of(holds: bool) -> Self {
        if holds { Holds } else { Fails }
    }

    /// 2.8 All must hold: one that does not settles it, before one that cannot be determined.
    pub fn all(results: impl IntoIterator<Item = Three>) -> Self {
        results.into_iter().fold(Holds, |a, b| match (a, b) {
            (Fails, _) | (_, Fails) => Fails,
            (Unknown, _) | (_, Unknown) => Unknown,
            _ => Holds,
        })
    }

    /// 2.9 One must hold: one that does settles it, before one that cannot be determined.
    pub fn any(results: impl IntoIterator<Item = Three>) -> Self {
        !Self::all(results.into_iter().map(|r| !r))
    }
}

impl std::ops::Not for Three {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Holds => Fails,
            Fails => Holds,
            Unknown => Unknown,
        }
    }
}

/// 2.10 Equality of values: only values of one kind compare; lists and mappings element by element.
pub fn equal(a: &Value, b: &Value) -> Three {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) if a.known() && b.known() => a.compare(*b).map_or(Unknown, |o| Three::of(o.is_eq())),
        (Value::Bool(a), Value::Bool(b)) => Three::of(a == b),
        (Value::Text(a), Value::Text(b)) => Three::of(a == b),
        (Value::List(a), Value::List(b)) => match a.len() == b.len() {
            true => Three::all(a.iter().zip(b).map(|(a, b)| equal(a, b))),
            false => Fails,
        },
        (Value::Map(a), Value::Map(m)) => match a.len() == m.len() {
            true => Three::all(a.iter().map(|(n, v)| b.get(n).map_or(Fails, |other| equal(v, other)))),
            false => Fails,
        },
        _ => Unknown,
    }
}
