//! Envoy's formats: texts with commands between `%`, and the sources of their values.

use std::collections::HashMap;

/// The source of a value. Of several, the last one in this order is that of all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// The settings: one value for every request.
    Settings,
    /// A database or a list, by the client's address.
    Lookup,
    /// The connection that the proxy saw, or the decision.
    Proxy,
    /// A credential that a filter verified.
    Credential,
    /// The host, the path and the method, which rules see.
    Target,
    /// State of the request that no file shows.
    Unknown,
    /// The client's address, which proxies in front may have written.
    Address,
    /// The request.
    Caller,
}

/// How a value that changes where a request goes may be a caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Steering {
    Caller,
    /// No file shows.
    Unknown,
}

/// The parts of a configuration by which values of formats get their source.
#[derive(Clone, Debug)]
pub(super) struct Origins<'a> {
    /// The source of the client's address.
    pub(super) address: Source,
    /// The sources of values in the filter state, by key.
    pub(super) states: &'a States,
}

/// The sources of values in the filter state, by key.
pub(super) type States = HashMap<String, Source>;

/// Commands whose values are those of the connection.
const OF_CONNECTION: &str = "DOWNSTREAM_";

/// Commands whose values are the client's address, as Envoy understands it.
const OF_CLIENT: &str = "DOWNSTREAM_REMOTE_";

/// Commands whose values no caller chooses.
const OF_SETTINGS: [&str; 5] =
    ["ENVIRONMENT", "HOSTNAME", "START_TIME", "ROUTE_NAME", "CLUSTER_METADATA"];

/// Keys of the filter state that Envoy and Istio fill by what they saw of the connection.
const STATES_OF_PROXY: [&str; 2] = ["io.istio.", "envoy."];

/// Keys of the filter state that hold what a caller sent.
const STATES_OF_CALLER: [&str; 4] =
    ["wasm.", "envoy.network.proxy_protocol", "envoy.filters.http.mcp", "envoy.lua"];

/// Headers that rules see as the host, the path and the method.
const TARGET: [&str; 4] = [":authority", ":method", ":path", "host"];

/// The namespace of metadata that the filter that asks writes, by what countersign answers.
pub(super) const DECISION: &str = "envoy.filters.http.ext_authz";

impl Source {
    /// How a caller may choose the value, beside what rules see.
    pub(super) fn steering(self) -> Option<Steering> {
        let of_unknown = (self == Self::Unknown).then_some(Steering::Unknown);
        (self == Self::Caller).then_some(Steering::Caller).or(of_unknown)
    }

    /// The source of `value`, a text in Envoy's format, in a configuration of which nothing else is known.
    pub(super) fn of(value: &str) -> Self {
        let states = States::new();
        Origins { address: Self::Address, states: &states }.source(value)
    }
}

impl Origins<'_> {
    /// The source of `value`, a text in Envoy's format.
    pub(super) fn source(&self, value: &str) -> Source {
        // A text that Envoy cannot read may be one of a later Envoy.
        let Some(commands) = commands(value) else { return Source::Caller };
        let sources = commands.iter().map(|(name, argument)| self.of_command(name, argument));
        sources.max().unwrap_or(Source::Settings)
    }

    fn of_command(&self, name: &str, argument: &str) -> Source {
        let is_setting = OF_SETTINGS.contains(&name) || name.starts_with("UPSTREAM_");
        let first = argument.split(':').next().unwrap_or_default();
        match name {
            "FILTER_STATE" => self.of_state(first),
            "DYNAMIC_METADATA" if first == DECISION => Source::Proxy,
            "REQ" | "REQ_WITHOUT_QUERY"
                if TARGET.iter().any(|own| own.eq_ignore_ascii_case(argument)) =>
            {
                Source::Target
            }
            _ if is_setting => Source::Settings,
            _ if name.starts_with(OF_CLIENT) => self.address,
            _ if name.starts_with(OF_CONNECTION) => Source::Proxy,
            _ => Source::Caller,
        }
    }

    fn of_state(&self, key: &str) -> Source {
        let begins = |list: &[&str]| list.iter().any(|own| key.starts_with(own));
        match self.states.get(key) {
            Some(source) => *source,
            // Envoy knows no command within another one.
            None if key.contains('%') => Source::Caller,
            None if begins(&STATES_OF_CALLER) => Source::Caller,
            None if begins(&STATES_OF_PROXY) => Source::Proxy,
            None => Source::Unknown,
        }
    }
}

/// The commands in `text` with their arguments, or none if it is no format. An argument may have a `%`, as dates have.
fn commands(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        if after.is_empty() {
            break;
        }
        if let Some(left) = after.strip_prefix('%') {
            rest = left;
            continue;
        }
        let is_end = |c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        let (name, left) = after.split_at_checked(after.find(is_end)?)?;
        let (argument, left) = match left.strip_prefix('(') {
            Some(inner) => inner.split_once(')')?,
            None => ("", left),
        };
        let length = left.strip_prefix(':');
        let left = length.map_or(left, |own| own.trim_start_matches(|c: char| c.is_ascii_digit()));
        rest = left.strip_prefix('%')?;
        found.push((name, argument));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P615: a value is the proxy's word only if all of it is. P715: a `%` in an argument hides no command behind it.
    #[test]
    fn values_of_callers_are_known_by_their_commands() {
        for (value, source) in [
            ("%REQ(x-evil)%", Source::Caller),
            ("URI=%DOWNSTREAM_PEER_URI_SAN%;%REQ(x)%", Source::Caller),
            ("%START_TIME(%Y-%m)%%REQ(x)%", Source::Caller),
            ("%START_TIME(%Y)%%REQ(x):20%", Source::Caller),
            ("%NEW_COMMAND%", Source::Caller),
            ("%REQUESTED_SERVER_NAME%", Source::Caller),
            ("%DYNAMIC_METADATA(a:b)%", Source::Caller),
            ("%FILTER_STATE(wasm.peer:PLAIN)%", Source::Caller),
            ("%FILTER_STATE(%REQ(x)%)%", Source::Caller),
            ("%REQ(:path?x-path)%", Source::Caller),
            ("%REQ(", Source::Caller),
            ("%REQ(:AUTHORITY)%%START_TIME(%s)%", Source::Target),
            ("%REQ_WITHOUT_QUERY(:path):9%", Source::Target),
            ("%DYNAMIC_METADATA(envoy.filters.http.ext_authz:tenant)%", Source::Proxy),
            ("spiffe://prod.example/a", Source::Settings),
            ("100%", Source::Settings),
            ("%%REQ(x)%%", Source::Settings),
            ("%ENVIRONMENT(HOST)%", Source::Settings),
            ("By=%FILTER_STATE(io.istio.local_principal:PLAIN)%", Source::Proxy),
            ("By=%FILTER_STATE(a:PLAIN)%;URI=%FILTER_STATE(io.istio.b:PLAIN)%", Source::Unknown),
            ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", Source::Proxy),
            ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", Source::Address),
        ] {
            assert_eq!(Source::of(value), source, "{value}");
        }
    }

    #[test]
    fn state_has_the_source_of_its_writer() {
        let states = States::from([
            (String::from("io.istio.peer"), Source::Caller),
            (String::from("own"), Source::Proxy),
        ]);
        let origins = Origins { address: Source::Proxy, states: &states };
        for (value, source) in [
            ("%FILTER_STATE(io.istio.peer:PLAIN)%", Source::Caller),
            ("%FILTER_STATE(own)%", Source::Proxy),
            ("%FILTER_STATE(other)%", Source::Unknown),
            ("%DOWNSTREAM_REMOTE_ADDRESS%", Source::Proxy),
        ] {
            assert_eq!(origins.source(value), source, "{value}");
        }
    }
}
