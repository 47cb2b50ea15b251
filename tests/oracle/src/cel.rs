//! Section 7: conditions, the subset of CEL that `docs/policy.md` documents, with three results.

use crate::path::{self, header_key};
use crate::rules::{Facts, Match};
use crate::value::{Number, Three, Value, equal};
use crate::{Judged, Outside, outside};

/// Why an expression has no value.
enum Fault {
    /// 7.1 It cannot be determined: something is not there, is of another kind, or may have been rounded.
    Unknown,
    /// It is out of the oracle's reach.
    Outside(Outside),
}

type Found = Result<Value, Fault>;

fn beyond<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Outside(outside(what)))
}

#[derive(Debug, Clone)]
enum Expr {
    Literal(Value),
    Name(String),
    Field(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    Call(Option<Box<Expr>>, String, Vec<Expr>),
    List(Vec<Expr>),
    Unary(char, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Either(Box<Expr>, Box<Expr>, Box<Expr>),
}

/// 7.2 Whether a condition holds.
pub fn evaluate(text: &str, facts: &Facts<'_>, m: &Match<'_>) -> Judged<Three> {
    let mut parser = Parser { rest: text };
    let expr = parser.ternary().ok_or_else(|| outside(format!("a condition that this parser does not know: {text}")))?;
    parser.space();
    if !parser.rest.is_empty() {
        return Err(outside(format!("the end of a condition: {}", parser.rest)));
    }
    let scope = Scope { facts, m, bound: Vec::new() };
    match scope.eval(&expr) {
        Ok(Value::Bool(holds)) => Ok(Three::of(holds)),
        Ok(_) => Err(outside("a condition that is neither true nor false")),
        Err(Fault::Unknown) => Ok(Three::Unknown),
        Err(Fault::Outside(what)) => Err(what),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

/// 7.3 From the loosest to the tightest.
const LEVELS: [&[&str]; 5] = [&["||"], &["&&"], &["==", "!=", "<=", ">=", "<", ">", "in"], &["+", "-"], &["*", "/", "%"]];

impl Parser<'_> {
    fn space(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.strip_prefix("//") {
                Some(comment) => self.rest = comment.split_once('\n').map_or("", |(_, after)| after),
                None => return,
            }
        }
    }

    fn take(&mut self, what: &str) -> bool {
        self.space();
        let word = what.bytes().all(|b| b.is_ascii_alphabetic());
        match self.rest.strip_prefix(what) {
            Some(after) if !word || !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') => {
                self.rest = after;
                true
            }
            _ => false,
        }
    }

    fn ternary(&mut self) -> Option<Expr> {
        let condition = self.level(0)?;
        if !self.take("?") {
            return Some(condition);
        }
        let yes = self.ternary()?;
        self.take(":").then_some(())?;
        Some(Expr::Either(Box::new(condition), Box::new(yes), Box::new(self.ternary()?)))
    }

    fn level(&mut self, level: usize) -> Option<Expr> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        while let Some(operator) = operators.iter().find(|o| self.take(o)) {
            left = Expr::Binary(operator, Box::new(left), Box::new(self.level(level + 1)?));
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<Expr> {
        for sign in ['!', '-'] {
            if self.take(&sign.to_string()) {
                return Some(Expr::Unary(sign, Box::new(self.unary()?)));
            }
        }
        let mut expr = self.primary()?;
        loop {
            if self.take(".") {
                let name = self.name()?;
                expr = match self.take("(") {
                    true => Expr::Call(Some(Box::new(expr)), name, self.list(")")?),
                    false => Expr::Field(Box::new(expr), name),
                };
            } else if self.take("[") {
                let index = self.ternary()?;
                self.take("]").then_some(())?;
                expr = Expr::Index(Box::new(expr), Box::new(index));
            } else {
                return Some(expr);
            }
        }
    }

    fn list(&mut self, end: &str) -> Option<Vec<Expr>> {
        let mut list = Vec::new();
        while !self.take(end) {
            list.push(self.ternary()?);
            if !self.take(",") {
                return self.take(end).then_some(list);
            }
        }
        Some(list)
    }

    fn name(&mut self) -> Option<String> {
        self.space();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, after) = self.rest.split_at(end);
        self.rest = after;
        (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then(|| name.to_owned())
    }

    fn primary(&mut self) -> Option<Expr> {
        self.space();
        match self.rest.chars().next()? {
            '(' => {
                self.take("(");
                let inner = self.ternary()?;
                self.take(")").then_some(inner)
            }
            '[' => {
                self.take("[");
                self.list("]").map(Expr::List)
            }
            quote @ ('"' | '\'') => self.string(quote, false),
            'r' if self.rest.starts_with("r\"") || self.rest.starts_with("r'") => {
                let quote = self.rest.chars().nth(1)?;
                self.rest = &self.rest[1..];
                self.string(quote, true)
            }
            '0'..='9' => {
                let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest.len());
                let (number, after) = self.rest.split_at(end);
                self.rest = after;
                let exponent = after.starts_with(|c: char| c.is_ascii_alphanumeric());
                Number::read(number).filter(|_| !exponent).map(|n| Expr::Literal(Value::Number(n)))
            }
            _ => {
                let name = self.name()?;
                Some(match name.as_str() {
                    "true" | "false" => Expr::Literal(Value::Bool(name == "true")),
                    "null" => Expr::Literal(Value::Null),
                    _ if self.take("(") => Expr::Call(None, name, self.list(")")?),
                    _ => Expr::Name(name),
                })
            }
        }
    }

    fn string(&mut self, quote: char, raw: bool) -> Option<Expr> {
        let mut chars = self.rest.char_indices().skip(1);
        let mut out = String::new();
        loop {
            match chars.next()? {
                (at, c) if c == quote => {
                    self.rest = &self.rest[at + 1..];
                    return Some(Expr::Literal(Value::Text(out)));
                }
                (_, '\\') if !raw => out.push(match chars.next()?.1 {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    c @ ('\\' | '"' | '\'') => c,
                    _ => return None,
                }),
                (_, c) => out.push(c),
            }
        }
    }
}

struct Scope<'a, 'b> {
    facts: &'a Facts<'b>,
    m: &'a Match<'b>,
    bound: Vec<(String, Value)>,
}

fn whole(n: i64) -> Value {
    Value::Number(Number::whole(n))
}

fn texts(list: &[String]) -> Value {
    Value::List(list.iter().map(Value::of).collect())
}

fn map(members: Vec<(&str, Option<Value>)>) -> Value {
    Value::Map(members.into_iter().filter_map(|(n, v)| Some((n.to_owned(), v?))).collect())
}

impl Scope<'_, '_> {
    /// 7.4 The variables. What is not there has no member, and reading it cannot be determined.
    fn variable(&self, name: &str) -> Found {
        let (facts, request) = (self.facts, self.facts.request);
        let address = |a: Option<&str>| a.and_then(path::address).map(|a| Value::of(a.to_string()));
        Ok(match name {
            "now" => whole(facts.world.now),
            "request" => map(vec![
                ("method", Some(Value::of(&request.method))),
                ("host", Some(Value::of(&facts.host.name))),
                ("scheme", Some(Value::of(&request.scheme))),
                ("fullPath", Some(Value::of(request.split_path().0))), // as it was sent
                ("authorityPort", facts.host.port.map(|p| whole(i64::from(p)))),
                ("path", Some(Value::Map(self.m.captures.iter().map(|(n, v)| (n.clone(), Value::of(v))).collect()))),
            ]),
            "connection" => map(vec![
                ("port", request.destination.as_ref().and_then(|(_, p)| *p).map(|p| whole(i64::from(p)))),
                ("source", address(request.source.as_deref())),
                ("destination", address(request.destination.as_ref().map(|(a, _)| a.as_str()))),
                ("sni", request.sni.as_ref().filter(|s| !s.is_empty()).map(Value::of)),
                ("tls", request.sni.as_ref().map(|_| Value::Bool(true))),
            ]),
            "client" => map(vec![("address", facts.client.map(|a| Value::of(a.to_string())))]),
            "context" => Value::Map(request.context.iter().map(|(n, v)| (n.clone(), Value::of(v))).collect()),
            "token" => {
                let Some(token) = self.m.issuer.as_ref().and_then(|issuer| facts.token(issuer)) else { return Err(Fault::Unknown) };
                map(vec![
                    ("sub", token.claims.get("sub").cloned()),
                    ("client", token.client().map(Value::of)),
                    ("iss", Some(Value::of(&token.iss))),
                    (
                        "tenant",
                        facts.world.documents.named("TokenIssuer", &token.issuer).and_then(|d| d.tenant(&token.iss)?).map(Value::Text),
                    ),
                    ("jti", token.claims.get("jti").cloned()),
                    ("scopes", Some(texts(&token.scopes()))),
                    ("audiences", Some(texts(&token.audiences()))),
                    ("exp", token.claims.get("exp").cloned()),
                    ("claims", Some(token.claims.clone())),
                ])
            }
            "peer" => {
                let Some(peer) = facts.peer() else { return Err(Fault::Unknown) };
                let shown = peer.evidence >= crate::Evidence::Leaf;
                map(vec![
                    ("spiffe", peer.spiffe.as_ref().map(Value::of)),
                    ("trustDomain", peer.speaking_domain(self.m, facts).map(Value::of)),
                    ("evidence", Some(Value::of(peer.evidence.name()))),
                    ("dns", Some(texts(&peer.dns))),
                    ("ips", shown.then(|| texts(&peer.ips))),
                ])
            }
            _ => match self.bound.iter().rev().find(|(n, _)| n == name) {
                Some((_, value)) => value.clone(),
                None => return beyond(format!("the variable {name}")),
            },
        })
    }

    /// 7.5 A header's only value. What may be several, or may be there under another spelling, cannot be determined.
    fn header(&self, name: &str) -> Result<Option<Value>, Fault> {
        let request = self.facts.request;
        let lines = request.lines(name);
        let alike = request.headers.iter().any(|(n, _)| !n.eq_ignore_ascii_case(name) && header_key(n) == header_key(name));
        const ONE_IN_RAW: [&str; 5] = ["date", "if-modified-since", "if-range", "if-unmodified-since", "referer"];
        let single = name.eq_ignore_ascii_case("user-agent") || (!request.map && ONE_IN_RAW.contains(&name.to_ascii_lowercase().as_str()));
        match lines.as_slice() {
            [] if alike => Err(Fault::Unknown),
            [] => Ok(None),
            [one] => {
                let text = String::from_utf8_lossy(one).into_owned();
                let doubt = alike || (!single && text.contains(',')) || (request.map && text.contains('!'));
                if doubt { Err(Fault::Unknown) } else { Ok(Some(Value::Text(text))) }
            }
            _ => Err(Fault::Unknown),
        }
    }

    fn is_headers(expr: &Expr) -> bool {
        matches!(expr, Expr::Field(base, name) if name == "headers" && matches!(&**base, Expr::Name(n) if n == "request"))
    }

    /// True of `context` and `token.claims`.
    fn is_open(expr: &Expr) -> bool {
        let is = |expr: &Expr, name: &str| matches!(expr, Expr::Name(n) if n == name);
        is(expr, "context") || matches!(expr, Expr::Field(base, name) if name == "claims" && is(base, "token"))
    }

    fn truth(&self, expr: &Expr) -> Result<Three, Fault> {
        match self.eval(expr) {
            Ok(Value::Bool(holds)) => Ok(Three::of(holds)),
            Ok(_) | Err(Fault::Unknown) => Ok(Three::Unknown),
            Err(outside) => Err(outside),
        }
    }

    fn told(result: Three) -> Found {
        match result {
            Three::Unknown => Err(Fault::Unknown),
            known => Ok(Value::Bool(known == Three::Holds)),
        }
    }

    fn eval(&self, expr: &Expr) -> Found {
        match expr {
            Expr::Literal(value) => Ok(value.clone()),
            Expr::Name(name) => self.variable(name),
            Expr::Field(base, name) => self.eval(base)?.get(name).cloned().ok_or(Fault::Unknown),
            Expr::Index(base, index) if Self::is_headers(base) => match self.eval(index)? {
                Value::Text(name) => self.header(&name)?.ok_or(Fault::Unknown),
                _ => beyond("a header by no text"),
            },
            Expr::Index(base, index) => match (self.eval(base)?, self.eval(index)?) {
                (map @ Value::Map(_), Value::Text(name)) => map.get(&name).cloned().ok_or(Fault::Unknown),
                (Value::List(list), Value::Number(n)) => {
                    let at = n.as_whole().and_then(|n| usize::try_from(n).ok());
                    at.and_then(|at| list.get(at)).cloned().ok_or(Fault::Unknown)
                }
                _ => Err(Fault::Unknown),
            },
            Expr::List(list) => list.iter().map(|e| self.eval(e)).collect::<Result<_, _>>().map(Value::List),
            Expr::Unary('!', inner) => Self::told(!self.truth(inner)?),
            Expr::Unary(_, inner) => match self.eval(inner)? {
                Value::Number(n) => n.as_whole().and_then(i64::checked_neg).map(whole).map_or(beyond("minus a fraction"), Ok),
                _ => Err(Fault::Unknown),
            },
            // 7.6 What one side settles needs no other: `false && ?` is false, `true || ?` is true, in either order.
            Expr::Binary("&&", a, b) => Self::told(Three::all([self.truth(a)?, self.truth(b)?])),
            Expr::Binary("||", a, b) => Self::told(Three::any([self.truth(a)?, self.truth(b)?])),
            Expr::Binary("in", a, b) if Self::is_headers(b) => match self.eval(a)? {
                Value::Text(name) if !self.facts.request.lines(&name).is_empty() => Ok(Value::Bool(true)),
                Value::Text(name) => Ok(Value::Bool(self.header(&name)?.is_some())),
                _ => Err(Fault::Unknown),
            },
            // 7.11 Of the context and the claims it is what `has` says.
            Expr::Binary("in", a, b) if Self::is_open(b) => match (self.eval(a)?, self.eval(b)?) {
                (Value::Text(name), members) => match members.get(&name) {
                    Some(Value::Null) => Err(Fault::Unknown),
                    found => Ok(Value::Bool(found.is_some())),
                },
                _ => Err(Fault::Unknown),
            },
            Expr::Binary(operator, a, b) => self.binary(operator, self.eval(a)?, self.eval(b)?),
            Expr::Either(condition, yes, no) => match self.eval(condition)? {
                Value::Bool(holds) => self.eval(if holds { yes } else { no }),
                _ => Err(Fault::Unknown),
            },
            Expr::Call(base, name, arguments) => self.call(base.as_deref(), name, arguments),
        }
    }

    /// The value at the end of a row of members, if all of them are there.
    fn there(&self, expr: &Expr) -> Result<Option<Value>, Fault> {
        match expr {
            // Without a handshake by Envoy's word there may be a name all the same, and one of several domains vouches.
            Expr::Field(base, name)
                if matches!(&**base, Expr::Name(n) if n == "connection") && name == "sni" && self.facts.request.sni.is_none() =>
            {
                Err(Fault::Unknown)
            }
            Expr::Field(base, name) if matches!(&**base, Expr::Name(n) if n == "peer") && name == "trustDomain" => {
                self.eval(expr).map(Some)
            }
            Expr::Field(base, name) => Ok(self.there(base)?.and_then(|base| base.get(name).cloned())),
            other => self.eval(other).map(Some),
        }
    }

    fn binary(&self, operator: &str, a: Value, b: Value) -> Found {
        match (operator, a, b) {
            // 7.7 Values of different kinds cannot be compared, in lists and mappings neither.
            ("==" | "!=", Value::Null, Value::Null) => beyond("null compared with null"),
            ("==", a, b) => Self::told(equal(&a, &b)),
            ("!=", a, b) => Self::told(!equal(&a, &b)),
            ("in", a, Value::List(list)) => Self::told(Three::any(list.iter().map(|e| equal(&a, e)))),
            ("in", Value::Text(name), map @ Value::Map(_)) => Ok(Value::Bool(map.get(&name).is_some())),
            ("<" | "<=" | ">" | ">=", a, b) => {
                let order = match (&a, &b) {
                    (Value::Number(a), Value::Number(b)) if a.known() && b.known() => a.compare(*b).ok_or(Fault::Unknown)?,
                    // 7.8 Texts have the order of their characters.
                    (Value::Text(a), Value::Text(b)) => a.chars().cmp(b.chars()),
                    _ => return Err(Fault::Unknown),
                };
                Ok(Value::Bool(match operator {
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                }))
            }
            ("+", Value::Text(a), Value::Text(b)) => Ok(Value::Text(a + &b)),
            ("+", Value::List(a), Value::List(b)) => Ok(Value::List([a, b].concat())),
            (_, Value::Number(a), Value::Number(b)) => {
                let (Some(a), Some(b)) = (a.as_whole(), b.as_whole()) else { return beyond("arithmetic with fractions") };
                let result = match operator {
                    "+" => a.checked_add(b),
                    "-" => a.checked_sub(b),
                    "*" => a.checked_mul(b),
                    "/" => a.checked_div(b),
                    _ => a.checked_rem(b),
                };
                result.map(whole).ok_or(Fault::Unknown)
            }
            _ => Err(Fault::Unknown),
        }
    }

    fn call(&self, base: Option<&Expr>, name: &str, arguments: &[Expr]) -> Found {
        match (base, name, arguments) {
            // 7.9 `has` asks whether a member is there. Where what is before it is not there, or is no mapping, it is not there either.
            (None, "has", [Expr::Field(inner, _)]) if Self::is_headers(inner) => beyond("has of a header"),
            (None, "has", [of @ Expr::Field(..)]) => match self.there(of)? {
                Some(Value::Null) => Err(Fault::Unknown),
                found => Ok(Value::Bool(found.is_some())),
            },
            (None, "size", [of]) | (Some(of), "size", []) => match self.eval(of)? {
                Value::Text(text) => Ok(whole(i64::try_from(text.chars().count()).unwrap_or(i64::MAX))),
                Value::List(list) => Ok(whole(i64::try_from(list.len()).unwrap_or(i64::MAX))),
                Value::Map(map) => Ok(whole(i64::try_from(map.len()).unwrap_or(i64::MAX))),
                _ => Err(Fault::Unknown),
            },
            (None, "int", [of]) => match self.eval(of)? {
                Value::Number(n) => n.as_whole().map(whole).map_or(beyond("int of a fraction"), Ok),
                Value::Text(text) => text.parse().map(whole).map_err(|_| Fault::Unknown),
                _ => Err(Fault::Unknown),
            },
            (None, "string", [of]) => match self.eval(of)? {
                Value::Number(n) => n.text().map(Value::Text).map_or(beyond("string of a fraction"), Ok),
                Value::Bool(b) => Ok(Value::of(b.to_string())),
                text @ Value::Text(_) => Ok(text),
                _ => Err(Fault::Unknown),
            },
            (Some(base), "exists" | "all" | "exists_one" | "map" | "filter", [Expr::Name(variable), body]) => {
                let list = match self.eval(base)? {
                    Value::List(list) if list.len() <= 256 => list,
                    Value::List(_) => return beyond("a loop over more than 256 elements"),
                    Value::Map(map) => map.into_iter().map(|(n, _)| Value::Text(n)).collect(),
                    _ => return Err(Fault::Unknown),
                };
                let scope = |element: &Value| {
                    let bound = self.bound.iter().cloned().chain([(variable.clone(), element.clone())]).collect();
                    Scope { facts: self.facts, m: self.m, bound }
                };
                if name == "map" {
                    return list.iter().map(|e| scope(e).eval(body)).collect::<Result<_, _>>().map(Value::List);
                }
                let truths = list.iter().map(|e| scope(e).truth(body)).collect::<Result<Vec<_>, _>>()?;
                match name {
                    "exists" => return Self::told(Three::any(truths)),
                    "all" => return Self::told(Three::all(truths)),
                    _ if truths.contains(&Three::Unknown) => return Err(Fault::Unknown),
                    _ => {}
                }
                let held: Vec<Value> = list.into_iter().zip(truths).filter(|(_, t)| *t == Three::Holds).map(|(v, _)| v).collect();
                Ok(if name == "filter" { Value::List(held) } else { Value::Bool(held.len() == 1) })
            }
            (Some(base), "contains" | "startsWith" | "endsWith", [argument]) => match (self.eval(base)?, self.eval(argument)?) {
                (Value::Text(text), Value::Text(part)) => Ok(Value::Bool(match name {
                    "contains" => text.contains(&part),
                    "startsWith" => text.starts_with(&part),
                    _ => text.ends_with(&part),
                })),
                _ => Err(Fault::Unknown),
            },
            _ => beyond(format!("the function {name}")),
        }
    }
}
