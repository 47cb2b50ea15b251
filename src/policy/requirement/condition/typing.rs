//! The kinds that operators and functions take and give, as far as they are known before anything is evaluated.

use cel::common::ast::operators;

use super::kind::ValueKind;
use super::names;

pub(super) fn expect(what: &str, found: ValueKind, expected: ValueKind) -> Result<(), String> {
    if found.may_be(expected) {
        return Ok(());
    }
    Err(format!("{} needs {expected}, and this is {found}", names::quote_operator(what)))
}

pub(super) fn unary(name: &str, a: ValueKind) -> Result<ValueKind, String> {
    match name {
        operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE => {
            expect("!", a, ValueKind::Bool).map(|()| ValueKind::Bool)
        }
        operators::NEGATE if a == ValueKind::Float => Ok(ValueKind::Float),
        operators::NEGATE => expect("-", a, ValueKind::Int).map(|()| a),
        "size" => sized(a),
        "int" if a.is_ordered() => Ok(ValueKind::Int),
        "int" => Err(format!("`int` cannot be made of {a}")),
        "string" if a.is_ordered() || a == ValueKind::Bool => Ok(ValueKind::Text),
        "string" => Err(format!("`string` cannot be made of {a}")),
        other => Err(unknown_function(other)),
    }
}

fn sized(a: ValueKind) -> Result<ValueKind, String> {
    if a.has_elements() || a == ValueKind::Text {
        return Ok(ValueKind::Int);
    }
    Err(format!("`size` is of texts, lists and mappings, and this is {a}"))
}

pub(super) fn binary(name: &str, a: ValueKind, b: ValueKind) -> Result<ValueKind, String> {
    match name {
        operators::LOGICAL_AND | operators::LOGICAL_OR => {
            expect(name, a, ValueKind::Bool)?;
            expect(name, b, ValueKind::Bool)?;
            Ok(ValueKind::Bool)
        }
        operators::EQUALS | operators::NOT_EQUALS => {
            if a.is_comparable_with(b) {
                return Ok(ValueKind::Bool);
            }
            Err(format!("{a} is never equal to {b}"))
        }
        operators::LESS
        | operators::LESS_EQUALS
        | operators::GREATER
        | operators::GREATER_EQUALS => {
            if a.is_ordered() && b.is_ordered() && a.is_comparable_with(b) {
                return Ok(ValueKind::Bool);
            }
            Err(format!("{a} and {b} have no order"))
        }
        operators::ADD => joined(name, a, b, a.is_ordered() || a == ValueKind::List),
        operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO => {
            joined(name, a, b, a.is_ordered() && a != ValueKind::Text)
        }
        operators::INDEX if a.has_elements() => Ok(ValueKind::Any),
        operators::INDEX => Err(format!("{a} has no elements")),
        operators::IN if b.has_elements() => Ok(ValueKind::Bool),
        operators::IN => Err(format!("`in` needs a list on its right, and this is {b}")),
        other => Err(unknown_function(other)),
    }
}

fn joined(name: &str, a: ValueKind, b: ValueKind, allowed: bool) -> Result<ValueKind, String> {
    if !allowed || !a.may_be(b) {
        return Err(format!("{} does not go with {a} and {b}", names::quote_operator(name)));
    }
    Ok(if a.is_any() { b } else { a })
}

pub(super) fn member(
    name: &str,
    target: ValueKind,
    args: &[ValueKind],
) -> Result<ValueKind, String> {
    match (name, args) {
        ("size", []) => sized(target),
        ("contains" | "startsWith" | "endsWith", [arg]) => {
            expect(name, target, ValueKind::Text)?;
            expect(name, *arg, ValueKind::Text)?;
            Ok(ValueKind::Bool)
        }
        (other, _) => Err(unknown_function(other)),
    }
}

pub(super) fn unknown_function(name: &str) -> String {
    format!("unknown function {}", names::quote_operator(name))
}
