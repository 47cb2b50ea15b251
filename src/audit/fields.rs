//! The members of a decision record, whatever they are written to.

use std::net::SocketAddr;

use serde_json::{Map, Value};

/// Takes the members of a record. A member without a value is omitted, as in the schema.
pub(super) trait Fields: Sized {
    /// Writes a text that is not empty.
    fn put_text(&mut self, name: &str, value: &str);
    /// Writes `IP:PORT`.
    fn put_address(&mut self, name: &str, value: SocketAddr);
    /// Writes a number that is not 0.
    fn put_number(&mut self, name: &str, value: u64);
    /// Writes a fraction that is not 0.
    fn put_fraction(&mut self, name: &str, value: f64);
    /// Writes `true`.
    fn put_flag(&mut self, name: &str);
    /// Writes a list of texts that is not empty.
    fn put_texts<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a str>);
    /// Writes a list of objects that is not empty.
    fn put_objects<T>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = T>,
        write: impl Fn(T, &mut Self),
    );
    /// Writes an object, which may be empty.
    fn object(&mut self, name: &str, write: impl FnOnce(&mut Self));
    /// Writes a member of a map, which may be empty.
    fn entry(&mut self, name: &str, value: &str);

    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.put_text(name, value);
        }
    }

    fn address(&mut self, name: &str, value: Option<SocketAddr>) {
        if let Some(value) = value {
            self.put_address(name, value);
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        if value > 0 {
            self.put_number(name, value);
        }
    }

    fn fraction(&mut self, name: &str, value: f64) {
        if value != 0.0 {
            self.put_fraction(name, value);
        }
    }

    fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.put_flag(name);
        }
    }

    fn texts<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a str>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.put_texts(name, values);
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
            self.put_objects(name, items, write);
        }
    }
}

/// A record as a tree of values, for a collector.
#[derive(Default)]
pub(super) struct Tree(pub(super) Map<String, Value>);

impl Tree {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Fields for Tree {
    fn put_text(&mut self, name: &str, value: &str) {
        self.put(name, value);
    }

    fn put_address(&mut self, name: &str, value: SocketAddr) {
        self.put(name, value.to_string());
    }

    fn put_number(&mut self, name: &str, value: u64) {
        self.put(name, value);
    }

    fn put_fraction(&mut self, name: &str, value: f64) {
        self.put(name, value);
    }

    fn put_flag(&mut self, name: &str) {
        self.put(name, true);
    }

    fn put_texts<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a str>) {
        self.put(name, values.collect::<Value>());
    }

    fn put_objects<T>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = T>,
        write: impl Fn(T, &mut Self),
    ) {
        let objects = items.map(|item| {
            let mut own = Self::default();
            write(item, &mut own);
            own.0
        });
        self.put(name, objects.collect::<Value>());
    }

    fn object(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        let mut own = Self::default();
        write(&mut own);
        self.put(name, own.0);
    }

    fn entry(&mut self, name: &str, value: &str) {
        self.put(name, value);
    }
}
