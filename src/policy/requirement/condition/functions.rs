//! Functions of conditions beyond the standard ones: regular expressions that are compiled once, and comparisons that
//! are errors, not falsehoods, between values of different kinds.

#![expect(
    clippy::needless_pass_by_value,
    reason = "the expression library gives the types of functions"
)]

use std::any::Any;
use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use cel::common::types::{CelBool, CelString, DYN_TYPE, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use regex::{Regex, RegexBuilder};

use super::compare::{are_equal, order};
use super::steps;
use crate::limits::MAX_PATTERN_BYTES;

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// How often the text is read at worst: as often as the compiled expression has states.
    weight: usize,
}

/// Bytes of one state of a compiled expression.
const STATE: usize = 32;

/// A text of this length may cost the worst. Of a shorter one it is a part, since it costs little.
const LONG: usize = 4096;

/// The functions that replace `==`, `!=` and `in` if the kinds of their sides are not known beforehand.
pub(super) const EQUAL: &str = "@equal";
pub(super) const UNEQUAL: &str = "@unequal";
pub(super) const IN: &str = "@one_of";
/// The functions around what a loop goes through, and around what grows or is read in it: they count its steps.
pub(super) const EACH: &str = "@each";
pub(super) const COUNTED: &str = "@counted";
/// The functions that replace `<`, `<=`, `>` and `>=` where a side may be a number with a fraction.
pub(super) const LESS: &str = "@less";
pub(super) const LESS_EQUALS: &str = "@less_equals";
pub(super) const GREATER: &str = "@greater";
pub(super) const GREATER_EQUALS: &str = "@greater_equals";

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
    env.add_overload(EACH, "each", vec![DYN_TYPE], each)?;
    env.add_overload(COUNTED, "counted", vec![DYN_TYPE], counted)?;
    env.add_overload(EQUAL, "equal", vec![DYN_TYPE, DYN_TYPE], equal)?;
    env.add_overload(UNEQUAL, "unequal", vec![DYN_TYPE, DYN_TYPE], unequal)?;
    env.add_overload(IN, "one_of", vec![DYN_TYPE, DYN_TYPE], one_of)?;
    env.add_overload(LESS, "less", vec![DYN_TYPE, DYN_TYPE], less)?;
    env.add_overload(LESS_EQUALS, "less_equals", vec![DYN_TYPE, DYN_TYPE], less_equals)?;
    env.add_overload(GREATER, "greater", vec![DYN_TYPE, DYN_TYPE], greater)?;
    env.add_overload(GREATER_EQUALS, "greater_equals", vec![DYN_TYPE, DYN_TYPE], greater_equals)?;
    Ok(env)
}

impl Pattern {
    /// Compiles a regular expression. It takes time in proportion to the text it is matched with, and bounded memory (P78).
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let built = |size: usize| {
            RegexBuilder::new(text).size_limit(size).dfa_size_limit(MAX_PATTERN_BYTES).build()
        };
        // The library does not tell the size, and refuses what is larger than it may be.
        let mut weight = 1_usize;
        while weight.saturating_mul(STATE) < MAX_PATTERN_BYTES {
            if let Ok(regex) = built(weight.saturating_mul(STATE)) {
                return Ok(Self { regex, weight });
            }
            weight = weight.saturating_mul(2);
        }
        let regex = built(MAX_PATTERN_BYTES).map_err(|error| last_line(&error.to_string()))?;
        Ok(Self { regex, weight })
    }

    /// The steps of a match with `text`.
    fn steps(&self, text: &str) -> usize {
        let read = steps::of_text(text);
        let part = text.len().min(LONG);
        let worst = read.saturating_mul(self.weight).saturating_mul(part) / LONG;
        read.saturating_add(worst)
    }

    /// True if it is about the whole text: begins and ends at its ends, in each of its choices.
    pub(super) fn is_anchored(&self) -> bool {
        let text = self.regex.as_str();
        let flags = ["(?i)", "(?s)", "(?u)", "(?x)", "(?is)", "(?si)"];
        let text = flags.iter().find_map(|flag| text.strip_prefix(flag)).unwrap_or(text);
        let begins = |part: &str| part.starts_with('^') || part.starts_with("\\A");
        let ends = |part: &str| {
            let bare = part.strip_suffix('$').or_else(|| part.strip_suffix("\\z"));
            // An escaped `$` is the character.
            let slashes =
                bare.map(|bare| bare.len().saturating_sub(bare.trim_end_matches('\\').len()));
            slashes.is_some_and(|slashes| slashes.is_multiple_of(2))
        };
        choices(text).into_iter().all(|part| begins(part) && ends(part))
    }
}

/// The parts that a pattern puts together with `|` outside of brackets: `^a|b$` begins with `a` or ends with `b`.
fn choices(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0usize, 0usize);
    let (mut escaped, mut in_class) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' => in_class = true,
            b']' => in_class = false,
            _ if in_class => {}
            b'(' => depth = depth.saturating_add(1),
            b')' => depth = depth.saturating_sub(1),
            b'|' if depth == 0 => {
                parts.extend(text.get(from..at));
                from = at.saturating_add(1);
            }
            _ => {}
        }
    }
    parts.extend(text.get(from..));
    parts
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
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
    steps::take(pattern.steps(text.inner()))?;
    answer(pattern.regex.is_match(text.inner()))
}

fn one<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    args.into_iter().next().ok_or_else(ExecutionError::missing_argument_or_target)
}

fn each<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let list = one(args)?;
    steps::take(parts(list.as_ref()).saturating_mul(steps::TURN))?;
    Ok(list)
}

fn counted<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = one(args)?;
    let text = value.downcast_ref::<CelString>().map(|text| steps::of_text(text.inner()));
    steps::take(text.unwrap_or_else(|| parts(value.as_ref())))?;
    Ok(value)
}

/// The elements of a list or a mapping, one where it is neither.
fn parts(value: &dyn Val) -> usize {
    let size = value.as_sizer().map(|sizer| sizer.size().into_inner());
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or_default().saturating_add(1)
}

fn equal<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (a, b) = two(&args)?;
    answer(are_equal(a.as_ref(), b.as_ref())?)
}

fn unequal<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (a, b) = two(&args)?;
    answer(!are_equal(a.as_ref(), b.as_ref())?)
}

fn less<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    ordered(&args, Ordering::is_lt)
}

fn less_equals<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    ordered(&args, Ordering::is_le)
}

fn greater<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    ordered(&args, Ordering::is_gt)
}

fn greater_equals<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    ordered(&args, Ordering::is_ge)
}

fn ordered<'b, 'v>(
    args: &[CowVal<'_, '_>],
    holds: fn(Ordering) -> bool,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (a, b) = two(args)?;
    answer(holds(order(a.as_ref(), b.as_ref())?))
}

/// True if a value is in a list, or a key of a mapping. It is an error if the value is not found and one of the elements cannot
/// be compared with it.
fn one_of<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (value, within) = two(&args)?;
    let Some(elements) = within.as_iterable() else {
        return Err(ExecutionError::function_error("in", "the right side is not a list"));
    };
    steps::take(parts(within.as_ref()))?;
    let mut elements = elements.iter();
    let mut unknown = None;
    while let Some(element) = elements.next() {
        match are_equal(value.as_ref(), element) {
            Ok(true) => return answer(true),
            Ok(false) => {}
            Err(error) => unknown = Some(error),
        }
    }
    unknown.map_or_else(|| answer(false), Err)
}
