//! Comparisons of values that mind their kinds, and are exact.
//!
//! The expression library compares a whole number with one that has a fraction as floats, so that `9007199254740993` equals
//! `9007199254740992.0`. Here two numbers compare as the numbers that they are, and where a float may stand for several
//! whole numbers, nothing is said about it.

use std::cmp::Ordering;

use cel::ExecutionError;
use cel::common::types::CelDouble;
use cel::common::value::Val;

use crate::json::is_exact_double;

/// How deep values are compared: as deep as tokens and expressions can nest together.
const MAX_LEVELS: usize = 64;

/// True if two values are equal, element by element.
///
/// # Errors
/// The values, or two of their elements that belong together, are of different kinds, or a number is not known
/// exactly. Null is a kind of its own: whether a claim that is null equals a text cannot be determined.
pub(super) fn are_equal(a: &dyn Val, b: &dyn Val) -> Result<bool, ExecutionError> {
    equal_to(a, b, MAX_LEVELS)
}

/// How two numbers or two texts are ordered.
///
/// # Errors
/// There is no order between them, or a number is not known exactly.
pub(super) fn order(a: &dyn Val, b: &dyn Val) -> Result<Ordering, ExecutionError> {
    match (ComparisonKind::of(a), ComparisonKind::of(b)) {
        (ComparisonKind::Number, ComparisonKind::Number) => numbers(a, b),
        (ComparisonKind::Other("string"), ComparisonKind::Other("string")) => compare(a, b),
        _ => Err(fault("the values have no order")),
    }
}

fn equal_to(a: &dyn Val, b: &dyn Val, levels: usize) -> Result<bool, ExecutionError> {
    let levels = levels.checked_sub(1).ok_or_else(|| fault("the values are too deep"))?;
    match (ComparisonKind::of(a), ComparisonKind::of(b)) {
        (ComparisonKind::Null, ComparisonKind::Null) => Ok(true),
        (ComparisonKind::Number, ComparisonKind::Number) => Ok(numbers(a, b)?.is_eq()),
        (ComparisonKind::List, ComparisonKind::List) => lists(a, b, levels),
        (ComparisonKind::Mapping, ComparisonKind::Mapping) => mappings(a, b, levels),
        (ComparisonKind::Other(one), ComparisonKind::Other(other)) if one == other => {
            Ok(a.equals(b))
        }
        _ => Err(fault("values of different kinds")),
    }
}

/// A float below 2^53 is compared without loss by the library: whole numbers of that size have a float each, and greater
/// ones stay greater when they are rounded.
fn numbers(a: &dyn Val, b: &dyn Val) -> Result<Ordering, ExecutionError> {
    let is_exact = |value: &dyn Val| {
        value.downcast_ref::<CelDouble>().is_none_or(|double| is_exact_double(*double.inner()))
    };
    if is_exact(a) && is_exact(b) {
        return compare(a, b);
    }
    Err(fault("a number is too large to differ from its neighbours"))
}

fn compare(a: &dyn Val, b: &dyn Val) -> Result<Ordering, ExecutionError> {
    a.as_comparer().ok_or_else(|| fault("the values have no order"))?.compare(b)
}

/// Two elements that differ settle the matter, even beside two that cannot be compared.
fn lists(a: &dyn Val, b: &dyn Val, levels: usize) -> Result<bool, ExecutionError> {
    if size(a) != size(b) {
        return Ok(false);
    }
    let (Some(a), Some(b)) = (a.as_iterable(), b.as_iterable()) else {
        return Err(fault("the values have no elements"));
    };
    let (mut a, mut b) = (a.iter(), b.iter());
    let mut all = Ok(true);
    while let (Some(a), Some(b)) = (a.next(), b.next()) {
        match equal_to(a, b, levels) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => all = Err(error),
        }
    }
    all
}

fn mappings(a: &dyn Val, b: &dyn Val, levels: usize) -> Result<bool, ExecutionError> {
    if size(a) != size(b) {
        return Ok(false);
    }
    let (Some(keys), Some(own), Some(other)) = (a.as_iterable(), a.as_indexer(), b.as_indexer())
    else {
        return Err(fault("the values have no elements"));
    };
    let mut keys = keys.iter();
    let mut all = Ok(true);
    while let Some(key) = keys.next() {
        let (Ok(own), Ok(other)) = (own.get(key), other.get(key)) else { return Ok(false) };
        match equal_to(own.as_ref(), other.as_ref(), levels) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => all = Err(error),
        }
    }
    all
}

fn size(value: &dyn Val) -> Option<i64> {
    value.as_sizer().map(|sizer| sizer.size().into_inner())
}

fn fault(why: &str) -> ExecutionError {
    ExecutionError::function_error("==", why)
}

/// The kind that two values must share to be compared.
#[derive(Clone, Copy)]
enum ComparisonKind<'a> {
    Null,
    Number,
    List,
    Mapping,
    Other(&'a str),
}

impl<'a> ComparisonKind<'a> {
    fn of(value: &'a dyn Val) -> Self {
        match value.get_type().name() {
            "int" | "uint" | "double" => Self::Number,
            "null_type" => Self::Null,
            "list" => Self::List,
            "map" => Self::Mapping,
            name => Self::Other(name),
        }
    }
}
