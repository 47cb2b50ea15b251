//! Checking an expression before it is ever evaluated, and replacing what it reads by numbered slots.
//!
//! Everything an expression can name, call and combine is known here, so that a slip is an error when documents are
//! loaded and not a condition that is quietly false (P76). The work that an expression can ask for is bounded by its
//! size, its depth and the nesting of its loops (P78).

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators,
};

use super::fault::{ConditionScope, Fault};
use super::foreign_names;
use super::functions::{self, Pattern};
use super::kind::ValueKind;
use super::names;
use super::reach;
use super::source::Variable;
use super::steps::TURN;
use super::typing::{binary, expect, member, unary, unknown_function};
use super::values::VariableSlot;
use crate::document::{ClaimPath, Code};
use crate::json::is_exact_double;
use crate::limits::{
    MAX_CONDITION_DEPTH, MAX_CONDITION_ITEMS, MAX_CONDITION_LOOPS, MAX_CONDITION_NODES,
    MAX_CONDITION_STEPS,
};

/// Checks `expression` and rewrites it; the slots are in the order of their numbers.
pub(super) fn check(expression: &mut IdedExpr, scope: ConditionScope<'_>) -> Checked {
    let mut checker = Checker::new(scope);
    let kind = checker.walk(expression);
    if !kind.may_be(ValueKind::Bool) {
        checker.fault(Fault::new(
            expression.id,
            format!("a condition is true or false, and this is {kind}"),
        ));
    }
    let Checker { slots, faults, costly, .. } = checker;
    Checked { slots, faults, costly }
}

struct Checker<'s> {
    scope: ConditionScope<'s>,
    slots: Vec<VariableSlot>,
    faults: Vec<Fault>,
    /// Variables of the loops around the current place.
    bound: Vec<String>,
    nodes: usize,
    depth: usize,
    loops: usize,
    /// How many turns the loops around the current place may take.
    turns: Vec<usize>,
    /// Some loops may take too many together.
    costly: bool,
    overgrown: bool,
}

/// Everything about an expression that is known when it is loaded.
pub(super) struct Checked {
    pub(super) slots: Vec<VariableSlot>,
    pub(super) faults: Vec<Fault>,
    /// True if a caller with long lists makes it run out of steps.
    pub(super) costly: bool,
}

impl<'s> Checker<'s> {
    const fn new(scope: ConditionScope<'s>) -> Self {
        Self {
            scope,
            slots: Vec::new(),
            faults: Vec::new(),
            bound: Vec::new(),
            nodes: 0,
            depth: 0,
            loops: 0,
            turns: Vec::new(),
            costly: false,
            overgrown: false,
        }
    }

    /// Checks one node and what is below it; gives its kind.
    fn walk(&mut self, node: &mut IdedExpr) -> ValueKind {
        self.nodes = self.nodes.saturating_add(1);
        self.depth = self.depth.saturating_add(1);
        let too_much = self.nodes > MAX_CONDITION_NODES || self.depth > MAX_CONDITION_DEPTH;
        let kind = if too_much { self.refuse_size(node.id) } else { self.walk_inside(node) };
        self.depth = self.depth.saturating_sub(1);
        kind
    }

    fn refuse_size(&mut self, id: u64) -> ValueKind {
        if !self.overgrown {
            self.overgrown = true;
            let help = "split it into several rules, or use the keys of the rule instead";
            self.fault(Fault::new(id, "the condition is too large or too deep").help(help));
        }
        ValueKind::Any
    }

    fn walk_inside(&mut self, node: &mut IdedExpr) -> ValueKind {
        if let Some(kind) = self.replace_path(node) {
            return kind;
        }
        let id = node.id;
        match &mut node.expr {
            Expr::Literal(literal) => self.literal(id, literal),
            // Only variables of loops are left: every other name is a path.
            Expr::Ident(name) => {
                if !name.starts_with('@') {
                    steps_of(node);
                }
                ValueKind::Any
            }
            Expr::Select(select) => {
                self.walk(&mut select.operand);
                uncounted(&mut select.operand);
                if select.test {
                    return ValueKind::Bool;
                }
                steps_of(node);
                ValueKind::Any
            }
            Expr::Call(call) => {
                let kind = self.call(id, call);
                let part = self.loops > 0 && call.func_name == operators::INDEX;
                if part || grows(call, kind) {
                    call.args.iter_mut().for_each(uncounted);
                    steps_of(node);
                }
                kind
            }
            Expr::List(list) => {
                self.bound_items(id, list.elements.len());
                for element in &mut list.elements {
                    self.walk(element);
                }
                if self.loops > 0 {
                    // It is made in each turn.
                    steps_of(node);
                }
                ValueKind::List
            }
            Expr::Map(map) => {
                self.bound_items(id, map.entries.len());
                for entry in &mut map.entries {
                    self.entry(&mut entry.expr);
                }
                ValueKind::Mapping
            }
            Expr::Comprehension(comprehension) => self.comprehension(id, comprehension),
            Expr::Struct(_) | Expr::Unspecified => {
                self.fault(Fault::new(id, "conditions cannot make structures"));
                ValueKind::Any
            }
        }
    }

    fn literal(&mut self, id: u64, literal: &LiteralValue) -> ValueKind {
        if let LiteralValue::Double(double) = literal
            && !is_exact_double(*double.inner())
        {
            self.fault(
                Fault::new(id, "a number with a fraction is not exact beyond 2^53")
                    .help("write a whole number, or a smaller one"),
            );
        }
        kind_of(literal)
    }

    fn bound_items(&mut self, id: u64, items: usize) {
        if items > MAX_CONDITION_ITEMS {
            self.fault(Fault::new(id, format!("more than {MAX_CONDITION_ITEMS} elements")));
        }
    }

    fn entry(&mut self, entry: &mut EntryExpr) {
        match entry {
            EntryExpr::MapEntry(entry) => {
                self.walk(&mut entry.key);
                self.walk(&mut entry.value);
            }
            EntryExpr::StructField(field) => {
                self.walk(&mut field.value);
            }
        }
    }

    /// Replaces `token.sub`, `request.headers["x"]` and the like, and `has(..)` and `in` of them, by a slot.
    fn replace_path(&mut self, node: &mut IdedExpr) -> Option<ValueKind> {
        let (path, presence) = names::path_in(node, &self.bound)?;
        let kind = match names::resolve(&path, self.scope) {
            Ok(source) => {
                let listed = self.listed_kind(&source, &path);
                let kind = if presence { ValueKind::Bool } else { listed };
                let slot = if presence {
                    VariableSlot::Presence(source)
                } else {
                    VariableSlot::Value(source)
                };
                node.expr = self.slot(slot);
                kind
            }
            Err((message, help)) => {
                let fault = Fault::new(path.id, message).length(path.text().len());
                self.fault(match help {
                    Some(help) => fault.help(help),
                    None => fault,
                });
                ValueKind::Any
            }
        };
        Some(kind)
    }

    /// The kind of a variable; of a claim that its issuers list, what they say.
    fn listed_kind(&mut self, source: &Variable, path: &names::Path) -> ValueKind {
        let (Some(claims), Variable::TokenClaim(keys)) = (self.scope.claims, source) else {
            return source.kind();
        };
        match claims.kind(&ClaimPath::variable(keys)) {
            Ok(kind) => kind.into(),
            Err(unknown) => {
                let fault = Fault::new(path.id, unknown.message).help(unknown.help);
                let fault = Fault { code: Code::UnknownClaim, ..fault };
                self.fault(fault.length(path.text().len()));
                ValueKind::Any
            }
        }
    }

    fn slot(&mut self, slot: VariableSlot) -> Expr {
        let at = self.slots.iter().position(|other| *other == slot).unwrap_or_else(|| {
            self.slots.push(slot);
            self.slots.len().saturating_sub(1)
        });
        Expr::Ident(VariableSlot::identifier(at))
    }

    fn call(&mut self, id: u64, call: &mut CallExpr) -> ValueKind {
        if call.func_name == "matches" {
            return self.matches(id, call);
        }
        let target = call.target.as_mut().map(|target| self.walk(target));
        let args: Vec<ValueKind> = call.args.iter_mut().map(|arg| self.walk(arg)).collect();
        let outcome = match (target, args.as_slice()) {
            (None, [a]) => unary(&call.func_name, *a),
            (None, [a, b]) => binary(&call.func_name, *a, *b),
            (None, [condition, a, b]) if call.func_name == operators::CONDITIONAL => {
                expect("?", *condition, ValueKind::Bool)
                    .map(|()| if a == b { *a } else { ValueKind::Any })
            }
            (Some(target), args) => member(&call.func_name, target, args),
            (None, _) => Err(unknown_function(&call.func_name)),
        };
        if let Some(fault) = reach::never(call, &self.slots, self.scope) {
            self.fault(fault);
        }
        exact(call, &args);
        outcome.unwrap_or_else(|message| {
            let fault = Fault::new(id, message);
            let time = call.args.iter().filter_map(names::text_of).find_map(foreign_names::time);
            let help = time.or_else(|| names::function_of_ours(&call.func_name).map(str::to_owned));
            self.fault(match help {
                Some(help) => fault.help(help),
                None => fault,
            });
            ValueKind::Any
        })
    }

    /// `text.matches("pattern")`: the pattern is part of the document, never of the request, and compiled now.
    fn matches(&mut self, id: u64, call: &mut CallExpr) -> ValueKind {
        let text = call.target.as_mut().map(|target| self.walk(target));
        let pattern = match call.args.as_mut_slice() {
            [arg] => Some(arg),
            _ => None,
        };
        let (Some(text), Some(arg)) = (text, pattern) else {
            let help = "write `text.matches(\"^pattern$\")`";
            self.fault(Fault::new(id, "`matches` is called on a text").help(help));
            return ValueKind::Bool;
        };
        if let Err(message) = expect("matches", text, ValueKind::Text) {
            self.fault(Fault::new(id, message));
        }
        let Expr::Literal(LiteralValue::String(literal)) = &arg.expr else {
            self.fault(Fault::new(arg.id, "the pattern of `matches` must be written out"));
            return ValueKind::Bool;
        };
        match Pattern::new(literal.inner()) {
            Ok(pattern) => arg.expr = self.slot(VariableSlot::Pattern(pattern)),
            Err(why) => {
                self.fault(Fault::new(arg.id, format!("not a regular expression: {why}")));
            }
        }
        ValueKind::Bool
    }

    fn comprehension(&mut self, id: u64, parts: &mut ComprehensionExpr) -> ValueKind {
        let range = self.walk(&mut parts.iter_range);
        if !range.may_be(ValueKind::List) && !range.may_be(ValueKind::Mapping) {
            self.fault(Fault::new(
                id,
                format!("only lists and mappings have elements, and this is {range}"),
            ));
        }
        if names::is_root(&parts.iter_var) {
            let message = format!("`{}` is a variable already", parts.iter_var);
            self.fault(Fault::new(id, message).help("call the element something else"));
        }
        if self.loops >= MAX_CONDITION_LOOPS {
            self.fault(Fault::new(
                id,
                format!("loops are nested more than {MAX_CONDITION_LOOPS} deep"),
            ));
            return ValueKind::Any;
        }
        self.count_turns(&mut parts.iter_range);
        let kind = self.walk(&mut parts.accu_init);
        let outside = self.bound.len();
        self.bound.extend([parts.iter_var.clone(), parts.accu_var.clone()]);
        self.bound.extend(parts.iter_var2.clone());
        self.loops = self.loops.saturating_add(1);
        for part in [&mut parts.loop_cond, &mut parts.loop_step, &mut parts.result] {
            self.walk(part);
        }
        self.loops = self.loops.saturating_sub(1);
        self.bound.truncate(outside);
        self.turns.pop();
        if matches!(kind, ValueKind::Bool | ValueKind::List) { kind } else { ValueKind::Any }
    }

    /// Has the turns of a loop counted that begins, and finds those that may be too many. A list that is not written out may have as many
    /// elements as any.
    fn count_turns(&mut self, range: &mut IdedExpr) {
        uncounted(range);
        let turns = if let Expr::List(list) = &range.expr {
            list.elements.len()
        } else {
            MAX_CONDITION_ITEMS
        };
        self.turns.push(turns);
        let turns = self.turns.iter().copied().fold(1, usize::saturating_mul);
        self.costly = self.costly || turns.saturating_mul(TURN) > MAX_CONDITION_STEPS;
        wrap(range, functions::EACH);
    }

    fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }
}

/// Has the steps counted that reading `node` takes.
fn steps_of(node: &mut IdedExpr) {
    wrap(node, functions::COUNTED);
}

fn wrap(node: &mut IdedExpr, function: &str) {
    let expr = std::mem::replace(&mut node.expr, Expr::Unspecified);
    let args = vec![IdedExpr { id: node.id, expr }];
    node.expr = Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args });
}

/// Takes the count back of a node that is read for its part, or to be put together with another: the result is counted.
fn uncounted(node: &mut IdedExpr) {
    if let Expr::Call(call) = &mut node.expr
        && call.func_name == functions::COUNTED
        && let Some(inner) = call.args.pop()
    {
        node.expr = inner.expr;
    }
}

/// True if a value is made that is longer than those that it is made of. The library recognises how `map` and `filter` add to their
/// result, which has an element for each turn.
fn grows(call: &CallExpr, kind: ValueKind) -> bool {
    let adds_turn = |arg: &IdedExpr| matches!(&arg.expr, Expr::Ident(name) if name.starts_with('@') && VariableSlot::position(name).is_none());
    call.func_name == operators::ADD
        && !matches!(kind, ValueKind::Int | ValueKind::Float)
        && !call.args.first().is_some_and(adds_turn)
}

const fn kind_of(literal: &LiteralValue) -> ValueKind {
    match literal {
        LiteralValue::Boolean(_) => ValueKind::Bool,
        LiteralValue::Double(_) => ValueKind::Float,
        LiteralValue::Int(_) => ValueKind::Int,
        LiteralValue::Null => ValueKind::Null,
        LiteralValue::String(_) => ValueKind::Text,
        LiteralValue::Bytes(_) | LiteralValue::UInt(_) => ValueKind::Any,
    }
}

/// Comparisons become those that are exact and mind the kinds of their sides, but for those of two texts, two whole numbers
/// or two truth values, which are so by themselves.
fn exact(call: &mut CallExpr, args: &[ValueKind]) {
    let plain = matches!(
        args,
        [ValueKind::Text, ValueKind::Text]
            | [ValueKind::Int, ValueKind::Int]
            | [ValueKind::Bool, ValueKind::Bool]
    );
    let name = match call.func_name.as_str() {
        operators::IN => functions::IN,
        _ if plain => return,
        operators::EQUALS => functions::EQUAL,
        operators::NOT_EQUALS => functions::UNEQUAL,
        operators::LESS => functions::LESS,
        operators::LESS_EQUALS => functions::LESS_EQUALS,
        operators::GREATER => functions::GREATER,
        operators::GREATER_EQUALS => functions::GREATER_EQUALS,
        _ => return,
    };
    name.clone_into(&mut call.func_name);
}
