//! Kinds of values, as far as they are known before anything is evaluated.

use std::fmt;

use crate::document::{ClaimKind, ClaimWord};

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    Bool,
    Int,
    Float,
    /// A claim that its issuer lists as a number, with a fraction or without.
    Number,
    Text,
    List,
    Mapping,
    Null,
    /// Not known before: a claim, or what is made of one.
    Any,
}

impl ValueKind {
    /// True if a value of this kind can be what `other` asks for.
    pub(super) const fn may_be(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Any, _)
                | (_, Self::Any)
                | (Self::Bool, Self::Bool)
                | (Self::Int, Self::Int)
                | (Self::Float, Self::Float)
                | (Self::Number, Self::Int | Self::Float | Self::Number)
                | (Self::Int | Self::Float, Self::Number)
                | (Self::Text, Self::Text)
                | (Self::List, Self::List)
                | (Self::Mapping, Self::Mapping)
                | (Self::Null, Self::Null)
        )
    }

    /// True if values of the two kinds can ever be equal.
    pub(super) const fn is_comparable_with(self, other: Self) -> bool {
        self.may_be(other)
            || matches!((self, other), (Self::Int, Self::Float) | (Self::Float, Self::Int))
    }

    /// True if its values have an order among themselves.
    pub(super) const fn is_ordered(self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Number | Self::Text | Self::Any)
    }

    /// True if its values may have elements.
    pub(super) const fn has_elements(self) -> bool {
        matches!(self, Self::List | Self::Mapping | Self::Any)
    }

    pub(super) const fn is_any(self) -> bool {
        matches!(self, Self::Any)
    }
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "true or false",
            Self::Int => "a whole number",
            Self::Float | Self::Number => "a number",
            Self::Text => "text",
            Self::List => "a list",
            Self::Mapping => "a mapping",
            Self::Null => "null",
            Self::Any => "any value",
        })
    }
}

impl From<ClaimKind> for ValueKind {
    fn from(kind: ClaimKind) -> Self {
        match kind {
            ClaimKind::Members => Self::Mapping,
            ClaimKind::Word(ClaimWord::String) => Self::Text,
            ClaimKind::Word(ClaimWord::Integer) => Self::Int,
            ClaimKind::Word(ClaimWord::Number) => Self::Number,
            ClaimKind::Word(ClaimWord::Boolean) => Self::Bool,
            ClaimKind::Word(ClaimWord::Strings) => Self::List,
            ClaimKind::Word(ClaimWord::Any) => Self::Any,
        }
    }
}
