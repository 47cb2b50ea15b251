//! The members of a decision record, whatever they are written to.

use std::net::SocketAddr;

use serde_json::{Map, Value};

/// The value of a member.
#[derive(Clone, Copy)]
pub(super) enum Scalar<'a> {
    Text(&'a str),
    /// `IP:PORT`.
    Address(SocketAddr),
    Number(u64),
    Fraction(f64),
    Flag(bool),
}

/// Takes the members of a record. A member without a value is omitted, as in the schema.
pub(super) trait Fields: Sized {
    /// Writes a value that is not empty.
    fn write(&mut self, name: &str, value: Scalar<'_>);
    /// Writes a list of texts that is not empty.
    fn write_texts<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a str>);
    /// Writes a list of objects that is not empty.
    fn write_objects<T>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = T>,
        write: impl Fn(T, &mut Self),
    );
    /// Writes an object, which may be empty.
    fn object(&mut self, name: &str, write: impl FnOnce(&mut Self));
    /// Writes a member of a map, which may be empty.
    fn entry(&mut self, name: &str, value: &str);

    fn put(&mut self, name: &str, value: Scalar<'_>) {
        if !value.is_empty() {
            self.write(name, value);
        }
    }

    fn text(&mut self, name: &str, value: &str) {
        self.put(name, Scalar::Text(value));
    }

    fn texts<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a str>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.write_texts(name, values);
        }
    }

    fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(T, &mut Self),
    ) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_some() {
            self.write_objects(name, items, write);
        }
    }
}

impl Scalar<'_> {
    fn is_empty(self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Address(_) => false,
            Self::Number(number) => number == 0,
            Self::Fraction(fraction) => fraction == 0.0,
            Self::Flag(flag) => !flag,
        }
    }
}

/// A record as a tree of values, for a collector.
#[derive(Default)]
pub(super) struct Tree(Map<String, Value>);

impl Tree {
    fn insert(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// The tree of the members that `write` writes.
    pub(super) fn of(write: impl FnOnce(&mut Self)) -> Map<String, Value> {
        let mut tree = Self::default();
        write(&mut tree);
        tree.0
    }
}

impl Fields for Tree {
    fn write(&mut self, name: &str, value: Scalar<'_>) {
        match value {
            Scalar::Text(text) => self.insert(name, text),
            Scalar::Address(address) => self.insert(name, address.to_string()),
            Scalar::Number(number) => self.insert(name, number),
            Scalar::Fraction(fraction) => self.insert(name, fraction),
            Scalar::Flag(flag) => self.insert(name, flag),
        }
    }

    fn write_texts<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a str>) {
        self.insert(name, values.collect::<Value>());
    }

    fn write_objects<T>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = T>,
        write: impl Fn(T, &mut Self),
    ) {
        let objects = items.map(|item| Self::of(|own| write(item, own)));
        self.insert(name, objects.collect::<Value>());
    }

    fn object(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.insert(name, Self::of(write));
    }

    fn entry(&mut self, name: &str, value: &str) {
        self.insert(name, value);
    }
}
