//! Conditions that are the same for every request by the way their operands are put together: `a == b || a != b`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the library's syntax tree, only what puts conditions together matters here"
)]

use std::sync::Arc;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::{Context, Value};

use super::functions;
use super::operands::slots_in;

/// Conditions with more different operands are not looked at: each doubles the work.
const MAX_OPERANDS: usize = 8;

/// A condition with numbers for its operands, where the same operand has the same number.
enum OperandForm {
    /// As it is written.
    Known(bool),
    /// As it turns out.
    Same(bool),
    Operand(usize),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Choice(Vec<Self>),
}

/// The identity of an operand: its shape, and of `variable == literal` the variable.
#[derive(PartialEq)]
struct ShapeOperand {
    shape: String,
    variable: Option<String>,
}

/// True if `expression` is the same for every request, or a part of it that operators put together.
pub(super) fn is_constant(expression: &IdedExpr) -> bool {
    let mut operands = Vec::new();
    let form = read(expression, &mut operands);
    operands.len() <= MAX_OPERANDS && form.has_constant(&assignments(&operands))
}

/// The values that the operands can have together: a variable is not two literals at once.
fn assignments(operands: &[ShapeOperand]) -> Vec<Vec<bool>> {
    let mut all = vec![Vec::new()];
    for operand in operands {
        let is_another = |(other, holds): (&ShapeOperand, &bool)| {
            *holds && operand.variable.is_some() && other.variable == operand.variable
        };
        let both = |before: Vec<bool>| {
            let excluded = operands.iter().zip(&before).any(is_another);
            let with = |holds: bool| before.iter().copied().chain([holds]).collect();
            let values: &[bool] = if excluded { &[false] } else { &[false, true] };
            values.iter().map(|holds| with(*holds)).collect::<Vec<Vec<bool>>>()
        };
        if all.len() > 1 << MAX_OPERANDS {
            return all;
        }
        all = all.into_iter().flat_map(both).collect();
    }
    all
}

fn read(node: &IdedExpr, operands: &mut Vec<ShapeOperand>) -> OperandForm {
    match &node.expr {
        Expr::Literal(LiteralValue::Boolean(value)) => OperandForm::Known(*value.inner()),
        _ if slots_in(node).is_empty() => {
            known(node).map_or_else(|| operand(node, operands), OperandForm::Same)
        }
        Expr::Call(call) => joined(call, operands)
            .or_else(|| compared(call, operands))
            .unwrap_or_else(|| operand(node, operands)),
        _ => operand(node, operands),
    }
}

/// The value of a node that reads nothing.
fn known(node: &IdedExpr) -> Option<bool> {
    let context = Context::with_env(Arc::clone(functions::environment()?));
    match Value::resolve(node, &context) {
        Ok(Value::Bool(value)) => Some(value),
        Ok(_) | Err(_) => None,
    }
}

fn operand(node: &IdedExpr, operands: &mut Vec<ShapeOperand>) -> OperandForm {
    numbered(ShapeOperand { shape: shape(node), variable: None }, operands)
}

fn numbered(operand: ShapeOperand, operands: &mut Vec<ShapeOperand>) -> OperandForm {
    let at = operands.iter().position(|other| *other == operand);
    OperandForm::Operand(at.unwrap_or_else(|| {
        operands.push(operand);
        operands.len().saturating_sub(1)
    }))
}

fn joined(call: &CallExpr, operands: &mut Vec<ShapeOperand>) -> Option<OperandForm> {
    let make: fn(Vec<OperandForm>) -> OperandForm = match call.func_name.as_str() {
        operators::LOGICAL_AND => OperandForm::And,
        operators::LOGICAL_OR => OperandForm::Or,
        operators::CONDITIONAL => OperandForm::Choice,
        operators::LOGICAL_NOT => |parts| match parts.into_iter().next() {
            Some(part) => OperandForm::Not(Box::new(part)),
            None => OperandForm::And(Vec::new()),
        },
        _ => return None,
    };
    Some(make(call.args.iter().map(|arg| read(arg, operands)).collect()))
}

/// Comparisons in terms of `==` and `<`.
fn compared(call: &CallExpr, operands: &mut Vec<ShapeOperand>) -> Option<OperandForm> {
    let [a, b] = call.args.as_slice() else { return None };
    let not = |form| OperandForm::Not(Box::new(form));
    Some(match call.func_name.as_str() {
        operators::EQUALS | functions::EQUAL => equal(a, b, operands),
        operators::NOT_EQUALS | functions::UNEQUAL => not(equal(a, b, operands)),
        operators::LESS | functions::LESS => less(a, b, operands),
        operators::GREATER | functions::GREATER => less(b, a, operands),
        operators::GREATER_EQUALS | functions::GREATER_EQUALS => not(less(a, b, operands)),
        operators::LESS_EQUALS | functions::LESS_EQUALS => not(less(b, a, operands)),
        operators::IN | functions::IN => match &b.expr {
            Expr::List(list) => {
                OperandForm::Or(list.elements.iter().map(|own| equal(a, own, operands)).collect())
            }
            _ => return None,
        },
        _ => return None,
    })
}

fn equal(a: &IdedExpr, b: &IdedExpr, operands: &mut Vec<ShapeOperand>) -> OperandForm {
    let is_literal = |node: &IdedExpr| matches!(node.expr, Expr::Literal(_));
    let (a, b) = if is_literal(a) { (b, a) } else { (a, b) };
    let (left, right) = (shape(a), shape(b));
    if left == right {
        return OperandForm::Same(true);
    }
    let variable = is_literal(b).then(|| left.clone());
    let (first, second) = if left < right { (left, right) } else { (right, left) };
    numbered(ShapeOperand { shape: format!("{first} == {second}"), variable }, operands)
}

fn less(a: &IdedExpr, b: &IdedExpr, operands: &mut Vec<ShapeOperand>) -> OperandForm {
    let (a, b) = (shape(a), shape(b));
    match a == b {
        true => OperandForm::Same(false),
        false => numbered(ShapeOperand { shape: format!("{a} < {b}"), variable: None }, operands),
    }
}

/// The node without the numbers that the parser gave to its parts.
fn shape(node: &IdedExpr) -> String {
    let text = format!("{:?}", node.expr);
    let mut parts = text.split("id: ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| whole + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

impl OperandForm {
    fn has_constant(&self, assignments: &[Vec<bool>]) -> bool {
        let parts: &[Self] = match self {
            Self::Same(_) => return true,
            Self::Known(_) | Self::Operand(_) => return false,
            Self::Not(part) => std::slice::from_ref(&**part),
            Self::And(parts) | Self::Or(parts) | Self::Choice(parts) => parts,
        };
        let mut values = assignments.iter().map(|values| self.value(values));
        let first = values.next();
        values.all(|value| Some(value) == first)
            || parts.iter().any(|part| part.has_constant(assignments))
    }

    fn value(&self, values: &[bool]) -> bool {
        match self {
            Self::Known(value) | Self::Same(value) => *value,
            Self::Operand(at) => values.get(*at).copied().unwrap_or_default(),
            Self::Not(part) => !part.value(values),
            Self::And(parts) => parts.iter().all(|part| part.value(values)),
            Self::Or(parts) => parts.iter().any(|part| part.value(values)),
            Self::Choice(parts) => {
                let mut parts = parts.iter().map(|part| part.value(values));
                let (condition, yes, no) = (parts.next(), parts.next(), parts.next());
                (if condition == Some(true) { yes } else { no }).unwrap_or_default()
            }
        }
    }
}
