//! Headers that settings write into requests: in front of the check they forge who asks, behind it they change what was decided about.

use super::faults::{Faults, IdentityHeaders};
use crate::document::{Code, Node, Tree};

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

/// Commands of Envoy's formats whose values are those of the connection, or of the proxies in front.
const OF_PROXY: [&str; 2] = ["DOWNSTREAM_", "FILTER_STATE("];

/// Commands whose values no caller chooses.
const OF_SETTINGS: [&str; 6] =
    ["ENVIRONMENT(", "HOSTNAME", "START_TIME", "UPSTREAM_", "ROUTE_NAME", "CLUSTER_METADATA("];

/// The source of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The request.
    Caller,
    /// The settings: one value for every request.
    Settings,
    /// The connection that the proxy saw.
    Proxy,
    /// A credential that a filter verified.
    Credential,
}

/// A header that settings write into requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write<'a> {
    pub(super) name: &'a str,
    pub(super) source: Source,
    /// Its place.
    pub(super) at: &'a Node,
}

impl Source {
    /// The source of `value`, a text in Envoy's format.
    pub(super) fn of(value: &str) -> Self {
        let commands = || value.split('%').skip(1).step_by(2).filter(|own| !own.is_empty());
        let is_in = |list: &[&str], command: &str| list.iter().any(|own| command.starts_with(own));
        if !commands().all(|own| is_in(&OF_PROXY, own) || is_in(&OF_SETTINGS, own)) {
            return Self::Caller;
        }
        match commands().any(|own| is_in(&OF_PROXY, own)) {
            true => Self::Proxy,
            false => Self::Settings,
        }
    }
}

impl<'a> Write<'a> {
    /// The header of an entry with a `key` and a value, if `node` is one.
    pub(super) fn of(node: &'a Node) -> Option<Self> {
        let at = node.get("key")?;
        let value = node.get("value").or(node.get("raw_value"))?;
        // Bytes may be a format as well.
        let known = node.text_of("value").filter(|_| node.get("raw_value").is_none());
        let source = match (known, value.number()) {
            (Some(text), _) => Source::of(text),
            (None, Some(_)) => Source::Settings,
            (None, None) => Source::Caller,
        };
        Some(Self { name: at.text()?, source, at })
    }

    /// The headers of every entry in `node`.
    pub(super) fn all(node: &'a Node, found: &mut Vec<Self>) {
        found.extend(Self::of(node));
        node.parts().for_each(|part| Self::all(part, found));
    }

    /// True for a header that countersign takes for the word of the proxy, or for a credential.
    pub(super) fn is_trusted(&self) -> bool {
        self.is_of(&TRUSTED) || self.is_of(&CREDENTIALS)
    }

    fn is_of(&self, names: &[&str]) -> bool {
        names.iter().any(|own| own.eq_ignore_ascii_case(self.name))
    }

    /// True if the request that the upstream gets is another one than the caller sent, as the caller says in a header.
    fn steers(&self) -> bool {
        let is_target = self.name.starts_with(':') || self.name.eq_ignore_ascii_case("host");
        is_target && self.source == Source::Caller
    }

    /// Lints what is written in front of the check. `who` is a subject with its verb, as in `the filter x writes`.
    pub(super) fn lint_before(&self, tree: &Tree, who: &str, faults: &mut Faults) {
        let is_credential = self.is_of(&CREDENTIALS);
        let why = match self.source {
            _ if !self.is_trusted() => return,
            Source::Proxy => return,
            Source::Credential if is_credential => return,
            Source::Caller if is_credential => {
                let message = format!(
                    "{who} `{}` in front of the check from what the caller sends: the credential also goes upstream where it came from",
                    self.name
                );
                return faults.warn(Code::IdentityForged, tree.place(self.at), message);
            }
            Source::Caller => "from what the caller sends",
            Source::Settings => "with one value for every caller",
            Source::Credential => "from a credential, and not from the connection",
        };
        let message = format!("{who} `{}` in front of the check {why}", self.name);
        faults.add(Code::IdentityForged, tree.place(self.at), message);
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
        if self.steers() {
            let message = format!(
                "{who} `{name}` after the check from what the caller sends: the upstream gets another request than was decided about"
            );
            faults.add(Code::SteeredByCaller, tree.place(self.at), message);
        }
    }
}

/// A trusted header that is named in `text`, which may be a program.
pub(super) fn trusted_within(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    TRUSTED.iter().chain(&CREDENTIALS).find(|name| text.contains(*name)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P615: a value is the proxy's word only if all of it is.
    #[test]
    fn values_of_callers_are_known_by_their_commands() {
        for (value, source) in [
            ("%REQ(x-evil)%", Source::Caller),
            ("URI=%DOWNSTREAM_PEER_URI_SAN%;%REQ(x)%", Source::Caller),
            ("%NEW_COMMAND%", Source::Caller),
            ("%REQUESTED_SERVER_NAME%", Source::Caller),
            ("%DYNAMIC_METADATA(a:b)%", Source::Caller),
            ("spiffe://prod.example/a", Source::Settings),
            ("100%", Source::Settings),
            ("%%REQ(x)%%", Source::Settings),
            ("%ENVIRONMENT(HOST)%", Source::Settings),
            ("By=%FILTER_STATE(a:PLAIN)%;URI=%FILTER_STATE(b:PLAIN)%", Source::Proxy),
            ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", Source::Proxy),
        ] {
            assert_eq!(Source::of(value), source, "{value}");
        }
    }
}
