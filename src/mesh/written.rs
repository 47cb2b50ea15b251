//! Headers that settings write into requests: in front of the check they forge who asks, behind it they change what was decided about.

use super::faults::{Faults, IdentityHeaders};
use super::format::{Origins, Source, Steering};
use crate::document::{Code, Node, Tree};
use crate::request::OVERRIDE_HEADERS;

/// Headers that say who asks and from where, and that countersign takes for the word of the proxy.
const TRUSTED: [&str; 5] = [
    "client-cert",
    "client-cert-chain",
    "x-envoy-external-address",
    "x-forwarded-client-cert",
    "x-forwarded-for",
];

/// Headers of credentials: countersign verifies them, and takes them for the caller's.
const CREDENTIALS: [&str; 2] = ["authorization", "dpop"];

/// A header that settings write into requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write<'a> {
    pub(super) name: &'a str,
    pub(super) source: Source,
    /// Its place.
    pub(super) at: &'a Node,
    /// Its value, where that is a format.
    format: Option<&'a str>,
    /// True if the value of a caller stays beside it.
    appends: bool,
}

impl<'a> Write<'a> {
    /// The header `name` with a value of `source`, which replaces others.
    pub(super) const fn new(name: &'a str, source: Source, at: &'a Node) -> Self {
        Self { name, source, at, format: None, appends: false }
    }

    /// The header `name` with the value at `value`, in Envoy's format.
    pub(super) fn formatted(name: &'a str, value: Option<&'a str>, at: &'a Node) -> Self {
        let source = value.map_or(Source::Settings, Source::of);
        Self { format: value, ..Self::new(name, source, at) }
    }

    /// The header of an entry with a `key` and a value, if `node` is one.
    pub(super) fn of(node: &'a Node) -> Option<Self> {
        let at = node.get("key")?;
        let value = node.get("value").or(node.get("raw_value"))?;
        // Bytes may be a format as well.
        let known = node.text_of("value").filter(|_| node.get("raw_value").is_none());
        let is_fixed = value.number().is_some() || value.is_true() || value.is_false();
        Some(match known {
            Some(text) => Self::formatted(at.text()?, Some(text), at),
            None if is_fixed => Self::new(at.text()?, Source::Settings, at),
            None => Self::new(at.text()?, Source::Caller, at),
        })
    }

    /// The headers of every entry in `node`.
    pub(super) fn all(node: &'a Node, found: &mut Vec<Self>) {
        let inner = node.get("header").and_then(Self::of);
        match inner {
            Some(own) => found.push(Self { appends: !replaces(node), ..own }),
            None => {
                found.extend(Self::of(node));
                node.parts().for_each(|part| Self::all(part, found));
            }
        }
    }

    /// This header with the source that its value has in a configuration of `origins`.
    pub(super) fn within(self, origins: &Origins<'_>) -> Self {
        let source = self.format.map_or(self.source, |own| origins.source(own));
        Self { source, ..self }
    }

    /// True if the value that a caller wrote is gone afterwards, and another one is there.
    pub(super) fn overwrites(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) && !self.appends && self.source <= Source::Proxy
    }

    /// True for a header that countersign takes for the word of the proxy, or for a credential.
    pub(super) fn is_trusted(&self) -> bool {
        self.is_of(&TRUSTED) || self.is_of(&CREDENTIALS)
    }

    fn is_of(&self, names: &[&str]) -> bool {
        names.iter().any(|own| own.eq_ignore_ascii_case(self.name))
    }

    /// True for a header by which the request that the upstream gets is another one than the caller sent.
    fn is_of_target(&self) -> bool {
        self.name.starts_with(':') || self.is_of(&["host"]) || self.is_of(&OVERRIDE_HEADERS)
    }

    /// Lints what is written in front of the check. `who` is a subject with its verb, as in `the filter x writes`.
    pub(super) fn lint_before(&self, tree: &Tree, who: &str, faults: &mut Faults) {
        let is_credential = self.is_of(&CREDENTIALS);
        let name = self.name;
        if !self.is_trusted() || self.source == Source::Proxy {
            return;
        }
        let (is_certain, why) = match self.source {
            Source::Credential if is_credential => return,
            Source::Caller | Source::Target if is_credential => (
                false,
                "from what the caller sends: the credential also goes upstream where it came from",
            ),
            Source::Caller | Source::Target => (true, "from what the caller sends"),
            Source::Settings => (true, "with one value for every caller"),
            Source::Lookup => (true, "by the address of the client"),
            Source::Credential => (true, "from a credential, and not from the connection"),
            Source::Unknown => (false, "from state that no file shows"),
            Source::Address => {
                (false, "from an address that Envoy may take from `x-forwarded-for`")
            }
            Source::Proxy => return,
        };
        let message = format!("{who} `{name}` in front of the check {why}");
        match is_certain {
            true => faults.add(Code::IdentityForged, tree.place(self.at), message),
            false => faults.warn(Code::IdentityForged, tree.place(self.at), message),
        }
    }

    /// Lints what the setting `key` writes before Envoy writes what it saw of the caller. The word `replaced` is there if Envoy then
    /// replaces `x-forwarded-client-cert`.
    pub(super) fn lint_early(
        &self,
        tree: &Tree,
        key: &str,
        replaced: Option<&str>,
        faults: &mut Faults,
    ) {
        match replaced {
            // Envoy adds the address of the connection afterwards, as it does to what the caller wrote.
            _ if self.is_of(&["x-forwarded-for"]) => {}
            Some(word) if self.is_of(&["x-forwarded-client-cert"]) => {
                let message = format!(
                    "`{key}` writes `x-forwarded-client-cert`, and Envoy replaces it afterwards (`{word}`): with another word the caller says who it is"
                );
                faults.warn(Code::IdentityForged, tree.place(self.at), message);
            }
            _ => self.lint_before(tree, &format!("`{key}` writes"), faults),
        }
    }

    /// Lints what is written behind the check.
    pub(super) fn lint_behind(
        &self,
        tree: &Tree,
        who: &str,
        identity: &IdentityHeaders,
        faults: &mut Faults,
    ) {
        let name = self.name;
        if identity.has(name) {
            let message = format!("{who} `{name}` after the check");
            faults.add(Code::IdentityOverwritten, tree.place(self.at), message);
        }
        if self.is_of_target() {
            self.lint_target(tree, &format!("{who} `{name}`"), faults);
        }
    }

    /// Lints a parameter of the query that is written behind the check.
    pub(super) fn lint_parameter(&self, tree: &Tree, who: &str, faults: &mut Faults) {
        self.lint_target(tree, &format!("{who} the parameter `{}`", self.name), faults);
    }

    /// Lints a part of the request's target. `writes` says who writes it.
    fn lint_target(&self, tree: &Tree, writes: &str, faults: &mut Faults) {
        let change = "the upstream gets another request than was decided about";
        match self.source.steering() {
            Some(Steering::Caller) => {
                let message =
                    format!("{writes} after the check from what the caller sends: {change}");
                faults.add(Code::SteeredByCaller, tree.place(self.at), message);
            }
            Some(Steering::Unknown) => {
                let message =
                    format!("{writes} after the check from state that no file shows: {change}");
                faults.warn(Code::SteeredByCaller, tree.place(self.at), message);
            }
            None => {}
        }
    }
}

/// True if the header of `option` replaces one of the same name.
fn replaces(option: &Node) -> bool {
    let actions = [
        "APPEND_IF_EXISTS_OR_ADD",
        "ADD_IF_ABSENT",
        "OVERWRITE_IF_EXISTS_OR_ADD",
        "OVERWRITE_IF_EXISTS",
    ];
    let action = option.get("append_action").and_then(|own| own.word(&actions));
    action == Some("OVERWRITE_IF_EXISTS_OR_ADD")
        || (action.is_none() && option.get("append").is_some_and(Node::is_false))
}

/// A trusted header that is named in `text`, which may be a program.
pub(super) fn trusted_within(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    TRUSTED.iter().chain(&CREDENTIALS).find(|name| text.contains(*name)).copied()
}
