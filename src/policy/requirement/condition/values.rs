//! Values of a request as the expression language knows them, made when they are read and not before.

use std::collections::HashMap;

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString,
};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::Value;

use super::functions::Pattern;
use super::source::{SourceValue, Variable};
use super::steps;
use crate::json::is_exact_number;
use crate::limits::MAX_CONDITION_ITEMS;
use crate::policy::requirement::context::CheckContext;

/// The thing that stands in an expression in place of the name of a variable.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum VariableSlot {
    /// The value of a variable.
    Value(Variable),
    /// True if a variable has one.
    Presence(Variable),
    /// A compiled regular expression.
    Pattern(Pattern),
}

/// The slots of a condition, filled from one request.
pub(super) struct Values<'a> {
    pub(super) slots: &'a [VariableSlot],
    pub(super) cx: CheckContext<'a>,
}

impl VariableSlot {
    /// The identifier that stands for the slot at this position. No expression can spell it.
    pub(super) fn identifier(at: usize) -> String {
        format!("@{at}")
    }

    /// The variable that it is about.
    pub(super) const fn source(&self) -> Option<&Variable> {
        match self {
            Self::Value(source) | Self::Presence(source) => Some(source),
            Self::Pattern(_) => None,
        }
    }

    pub(super) fn position(identifier: &str) -> Option<usize> {
        identifier.strip_prefix('@')?.parse().ok()
    }
}

impl VariableResolver for Values<'_> {
    fn resolve<'b>(&'b self, identifier: &str) -> Option<CowVal<'b, 'b>> {
        let slot = self.slots.get(VariableSlot::position(identifier)?)?;
        if slot
            .source()
            .and_then(Variable::record_field)
            .is_some_and(|field| self.cx.missing.covers(field))
        {
            return None;
        }
        match slot {
            VariableSlot::Pattern(pattern) => Some(CowVal::Borrowed(pattern)),
            VariableSlot::Presence(source) => {
                source.is_there(&self.cx).map(|there| CowVal::owned(CelBool::from(there)))
            }
            VariableSlot::Value(source) => match source.find(&self.cx)? {
                SourceValue::Text(text) => {
                    steps::take(steps::of_text(text)).ok()?;
                    Some(CowVal::owned(CelString::from(text)))
                }
                SourceValue::Address(ip) => Some(CowVal::owned(CelString::from(ip.to_string()))),
                SourceValue::Bool(bool) => Some(CowVal::owned(CelBool::from(bool))),
                SourceValue::Int(int) => Some(CowVal::owned(CelInt::from(int))),
                SourceValue::Texts(texts) if texts.len() > MAX_CONDITION_ITEMS => None,
                SourceValue::Texts(texts) => {
                    steps::take(texts.iter().map(|text| steps::of_text(text)).sum()).ok()?;
                    Some(CowVal::owned(list(texts.iter().map(|text| {
                        let text: Box<dyn Val + 'b> = Box::new(CelString::from(text.as_str()));
                        text
                    }))))
                }
                SourceValue::Json(json) => value(json).map(CowVal::Owned),
            },
        }
    }
}

fn list<'v>(items: impl Iterator<Item = Box<dyn Val + 'v>>) -> CelList<'v> {
    CelList::from(items.collect::<Vec<_>>())
}

/// A claim as a value; none where it is larger than what a condition may work through, or holds a number that is not known
/// exactly. Whole numbers are `int`, whatever their size in JSON, since `uint` and `int` do not mix in arithmetic.
fn value(json: &Value) -> Option<Box<dyn Val + '_>> {
    steps::take(json.as_str().map_or(1, steps::of_text)).ok()?;
    Some(match json {
        Value::Null => Box::new(CelNull),
        Value::Bool(bool) => Box::new(CelBool::from(*bool)),
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Number(number) => match number.as_i64() {
            Some(int) => Box::new(CelInt::from(int)),
            None if number.is_u64() || !is_exact_number(number) => return None,
            None => Box::new(CelDouble::from(number.as_f64()?)),
        },
        Value::Array(items) if items.len() > MAX_CONDITION_ITEMS => return None,
        Value::Array(items) => {
            Box::new(list(items.iter().map(value).collect::<Option<Vec<_>>>()?.into_iter()))
        }
        Value::Object(fields) if fields.len() > MAX_CONDITION_ITEMS => return None,
        Value::Object(fields) => {
            let fields: Option<HashMap<_, _>> = fields
                .iter()
                .map(|(key, json)| Some((CelMapKey::from(key.as_str()), value(json)?)))
                .collect();
            Box::new(CelMap::from(fields?))
        }
    })
}
