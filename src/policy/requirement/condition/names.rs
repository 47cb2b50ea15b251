//! The names that a condition may use: paths from a documented variable to a value, resolved before evaluation.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the library's syntax tree, only chains of names matter here"
)]

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};

use super::fault::ConditionScope;
use super::foreign_names;
use super::source::{FIELDS, MAPS, Variable};
use crate::document::closest;
use crate::policy::model::check_header_name;
use crate::request::SealedNames;

/// A chain of fields from a name on, such as `token.claims.tenant` or `request.headers["x-tenant"]`.
pub(super) struct Path {
    /// The node of its first name.
    pub(super) id: u64,
    segments: Vec<String>,
}

/// An error in a name, and what to do.
type UnknownNameError = (String, Option<String>);

const ROOTS: [&str; 7] = ["request", "connection", "client", "token", "peer", "context", "now"];

impl Path {
    /// The path with dots.
    pub(super) fn text(&self) -> String {
        self.segments.join(".")
    }

    fn push(mut self, segment: &str) -> Self {
        self.segments.push(segment.to_owned());
        self
    }
}

/// True if `name` is a variable of every condition.
pub(super) fn is_root(name: &str) -> bool {
    ROOTS.contains(&name)
}

/// The path that `node` spells, and whether it is only asked whether there is a value: `has(path)`, `"field" in path`.
/// None where `node` is something else, or starts at a variable of a loop, which are in `bound`.
pub(super) fn path_in(node: &IdedExpr, bound: &[String]) -> Option<(Path, bool)> {
    match &node.expr {
        Expr::Select(select) if select.test => {
            Some((path(&select.operand, bound)?.push(&select.field), true))
        }
        Expr::Call(call) if call.func_name == operators::IN => {
            let [field, map] = call.args.as_slice() else { return None };
            let map = path(map, bound)?;
            MAPS.contains(&map.text().as_str()).then_some(())?;
            Some((map.push(text_of(field)?), true))
        }
        _ => Some((path(node, bound)?, false)),
    }
}

fn path(node: &IdedExpr, bound: &[String]) -> Option<Path> {
    match &node.expr {
        Expr::Ident(name) if bound.contains(name) => None,
        Expr::Ident(name) => Some(Path { id: node.id, segments: vec![name.clone()] }),
        Expr::Select(select) if !select.test => {
            Some(path(&select.operand, bound)?.push(&select.field))
        }
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let [operand, key] = call.args.as_slice() else { return None };
            Some(path(operand, bound)?.push(text_of(key)?))
        }
        _ => None,
    }
}

pub(super) fn text_of(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// The variable that `path` names in a rule that has `scope`.
pub(super) fn resolve(
    path: &Path,
    scope: ConditionScope<'_>,
) -> Result<Variable, UnknownNameError> {
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    let source = lookup(&segments, scope.sealed)?;
    let needs = |what: &str| {
        let message = format!("`{}` is about the {what}, and the rule asks for none", path.text());
        Err((message, Some(format!("add `{what}` to the rule"))))
    };
    match (segments.first(), &source) {
        (Some(&"token"), _) if !scope.token => needs("token"),
        (Some(&"peer"), _) if !scope.peer => needs("peer"),
        (_, Variable::RequestPath(name)) if !scope.captures.contains(&&**name) => {
            if !scope.has_paths {
                let message = format!(
                    "`request.path.{name}` is a part of the path, and no template says which"
                );
                let help = format!(
                    "give the path template of the rule, such as `--path '/users/{{{name}}}'`"
                );
                return Err((message, Some(help)));
            }
            let message = format!("not every path of the rule captures `{{{name}}}`");
            let help = closest(name, scope.captures).map(|near| format!("did you mean `{near}`?"));
            Err((message, help))
        }
        _ => Ok(source),
    }
}

fn lookup(segments: &[&str], sealed: &SealedNames) -> Result<Variable, UnknownNameError> {
    match segments {
        ["now"] => return Ok(Variable::Now),
        ["context", name] => return Ok(Variable::Context((*name).into())),
        ["request", "path", name] => return Ok(Variable::RequestPath((*name).into())),
        ["request", "headers", name] => return header(name, sealed),
        ["token", "claims", first, rest @ ..] => {
            let keys = std::iter::once(first).chain(rest).map(|key| (*key).into());
            return Ok(Variable::TokenClaim(keys.collect()));
        }
        _ => {}
    }
    let text = segments.join(".");
    if let Some((_, source)) = FIELDS.iter().find(|(name, _)| *name == text) {
        return Ok(source.clone());
    }
    Err(unknown(segments, &text))
}

fn header(name: &str, sealed: &SealedNames) -> Result<Variable, UnknownNameError> {
    check_header_name(name, sealed).map_err(|(_, message, help)| (message, help))?;
    Ok(Variable::RequestHeader(name.to_ascii_lowercase().into()))
}

fn unknown(segments: &[&str], text: &str) -> UnknownNameError {
    if text == "request.port" {
        let help = "write `connection.port` for the port of the connection; `request.authorityPort` is what the caller writes behind the host";
        return (
            String::from("`request.port` could be taken for the port of the connection"),
            Some(help.to_owned()),
        );
    }
    if MAPS.contains(&text) {
        let help = match text {
            "request.path" => String::from(
                "name a part that the rule's path captures, as in `request.path.user` for `/users/{user}`; the whole path is `request.fullPath`, and `on.paths` says which paths a rule is about",
            ),
            _ => format!("name a field, as in `{text}.name` or `{text}[\"name\"]`"),
        };
        return (format!("`{text}` cannot be used as a whole"), Some(help));
    }
    if is_root(text) {
        let fields = FIELDS.iter().map(|(name, _)| *name).chain(MAPS);
        let fields: Vec<_> = fields.filter(|name| name.split('.').next() == Some(text)).collect();
        let help = format!("it has: {}", fields.join(", "));
        return (format!("`{text}` cannot be used as a whole"), Some(help));
    }
    if let Some(help) = foreign_names::advice(segments) {
        return (format!("unknown name `{text}`"), Some(help));
    }
    let prefix = segments.split_last().map(|(_, rest)| rest.join(".")).unwrap_or_default();
    if prefix == "now" || FIELDS.iter().any(|(name, _)| *name == prefix) {
        return (format!("`{prefix}` has no fields"), None);
    }
    let help = match text.split_once('.') {
        Some((root, field)) if is_root(root) => near_field(root, field),
        Some(_) | None => {
            let known = FIELDS.iter().map(|(name, _)| *name).chain(MAPS).chain(ROOTS);
            let near = closest(text, &known.collect::<Vec<_>>());
            let near = near.or_else(|| closest(segments.first().copied()?, &ROOTS));
            near.map_or_else(
                || format!("known are: {}", ROOTS.join(", ")),
                |near| format!("did you mean `{near}`?"),
            )
        }
    };
    (format!("unknown name `{text}`"), Some(help))
}

/// The field of `root` that is spelled like `field`; else the claim of this name, or everything that `root` has.
fn near_field(root: &str, field: &str) -> String {
    let of_root = |name: &'static str| name.strip_prefix(root)?.strip_prefix('.');
    let fields: Vec<&str> =
        FIELDS.iter().map(|(name, _)| *name).chain(MAPS).filter_map(of_root).collect();
    match closest(field, &fields) {
        Some(near) => format!("did you mean `{root}.{near}`?"),
        None if root == "token" => format!("for the claim write `token.claims.{field}`"),
        None if fields.is_empty() => format!("`{root}` has no fields with this name"),
        None => format!("`{root}` has: {}", fields.join(", ")),
    }
}

/// The advice for a function of another language.
pub(super) fn function_of_ours(name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().replace('_', "").as_str() {
        "not" => Some("write `!` for \"not\", as in `!(a == b)`"),
        "and" => Some("write `&&` for \"and\""),
        "or" => Some("write `||` for \"or\""),
        "len" | "length" | "count" => Some("the length of a text or a list is `size(..)`"),
        "hasprefix" | "beginswith" => Some("write `.startsWith(\"..\")`"),
        "hassuffix" => Some("write `.endsWith(\"..\")`"),
        "includes" | "any" => {
            Some("of a list write `\"a\" in token.scopes`, of a text `.contains(\"..\")`")
        }
        "timestamp" | "duration" | "date" | "gettime" => Some(
            "times are seconds since 1970, and lengths are seconds, as in `now < token.exp - 60`",
        ),
        "regex" | "match" | "test" => Some("write `.matches(\"pattern\")`"),
        "lower" | "tolower" | "lowerascii" | "tolowercase" | "upper" | "toupper" => Some(
            "texts are compared as they are: list each spelling, as in `request.method in [\"a\", \"A\"]`",
        ),
        _ => None,
    }
}

/// An operator as it is written.
pub(super) fn quote_operator(name: &str) -> String {
    let written = name.trim_matches('_').trim_start_matches('@');
    format!("`{}`", if name == operators::INDEX { "[]" } else { written })
}
