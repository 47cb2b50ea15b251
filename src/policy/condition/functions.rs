//! Functions of conditions beyond the standard ones: regular expressions that are compiled once, and comparisons that
//! are errors, not falsehoods, between values of different kinds.

#![expect(
    clippy::needless_pass_by_value,
    reason = "the expression library gives the types of functions"
)]

use std::any::Any;
use std::sync::{Arc, OnceLock};

use cel::common::types::{CelBool, CelString, DYN_TYPE, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use regex::{Regex, RegexBuilder};

use crate::limits::MAX_PATTERN_BYTES;

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

/// What `==`, `!=` and `in` become where the kinds of their sides are not known beforehand.
pub(super) const EQUAL: &str = "@equal";
pub(super) const UNEQUAL: &str = "@unequal";
pub(super) const IN: &str = "@one_of";

static PATTERN_TYPE: Type = Type::new_unspecified_type("countersign.pattern");

/// The language of conditions: the standard library, without optional values.
pub(super) fn environment() -> Option<&'static Arc<Env>> {
    static ENVIRONMENT: OnceLock<Option<Arc<Env>>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| declare().ok().map(Arc::new)).as_ref()
}

fn declare() -> Result<Env, DeclarationError> {
    let mut env = Env::stdlib().with_optional_support(false);
    let pattern = || PATTERN_TYPE.to_owned();
    env.add_member_overload(
        "matches",
        "string_matches_pattern",
        STRING_TYPE,
        vec![pattern()],
        matches,
    )?;
    env.add_overload(EQUAL, "equal", vec![DYN_TYPE, DYN_TYPE], equal)?;
    env.add_overload(UNEQUAL, "unequal", vec![DYN_TYPE, DYN_TYPE], unequal)?;
    env.add_overload(IN, "one_of", vec![DYN_TYPE, DYN_TYPE], one_of)?;
    Ok(env)
}

// === impl Pattern ===

impl Pattern {
    /// Compiles a regular expression. It takes time in proportion to the text it is matched with, and bounded memory (P78).
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let limit = MAX_PATTERN_BYTES;
        let regex = RegexBuilder::new(text).size_limit(limit).dfa_size_limit(limit).build();
        regex.map(Self).map_err(|error| last_line(&error.to_string()))
    }

    /// Whether it is about the whole text.
    pub(super) fn is_anchored(&self) -> bool {
        self.0.as_str().starts_with('^') && self.0.as_str().ends_with('$')
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &PATTERN_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

/// The part of a many-line message that says what is wrong.
fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn two<'a, 'b, 'v>(
    args: &'a [CowVal<'b, 'v>],
) -> Result<(&'a CowVal<'b, 'v>, &'a CowVal<'b, 'v>), ExecutionError> {
    match args {
        [a, b] => Ok((a, b)),
        _ => Err(ExecutionError::missing_argument_or_target()),
    }
}

fn answer<'b, 'v>(holds: bool) -> Result<CowVal<'b, 'v>, ExecutionError> {
    Ok(CowVal::owned(CelBool::from(holds)))
}

fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (text, pattern) = two(&args)?;
    let (text, pattern) = (text.downcast_ref::<CelString>(), pattern.downcast_ref::<Pattern>());
    let (Some(text), Some(pattern)) = (text, pattern) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    answer(pattern.0.is_match(text.inner()))
}

fn equal<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (a, b) = two(&args)?;
    answer(are_equal(a.as_ref(), b.as_ref())?)
}

fn unequal<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (a, b) = two(&args)?;
    answer(!are_equal(a.as_ref(), b.as_ref())?)
}

/// Whether a value is in a list, or a key of a mapping. It is an error where it is not, and could not be told from one
/// of the elements.
fn one_of<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (value, within) = two(&args)?;
    let Some(elements) = within.as_iterable() else {
        return Err(ExecutionError::function_error("in", "the right side is not a list"));
    };
    let mut elements = elements.iter();
    let mut doubt = None;
    while let Some(element) = elements.next() {
        match are_equal(value.as_ref(), element) {
            Ok(true) => return answer(true),
            Ok(false) => {}
            Err(error) => doubt = Some(error),
        }
    }
    doubt.map_or_else(|| answer(false), Err)
}

/// Numbers of either sort are of one kind, and null is comparable with everything.
fn are_equal(a: &dyn Val, b: &dyn Val) -> Result<bool, ExecutionError> {
    let kind = |value: &dyn Val| match value.get_type().name() {
        "int" | "uint" | "double" => "number".to_owned(),
        name => name.to_owned(),
    };
    let (own, other) = (kind(a), kind(b));
    if own != other && own != "null_type" && other != "null_type" {
        return Err(ExecutionError::function_error("==", "values of different kinds"));
    }
    Ok(a.equals(b))
}
