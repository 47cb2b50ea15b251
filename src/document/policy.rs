//! The shape of `kind: Policy` and of `kind: Fragments`. What the values mean is decided by the room that compiles it.
//!
//! An optional key is an `Option`, so that "unset" and "empty" stay distinct: an empty list matches nothing, and compiling
//! refuses it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers::{DenySpec, InjectSpec, RemoveSpec};
use super::during::DuringSpec;
use super::{BindSpec, HumanDuration, OneOrMore, Spanned};
pub use super::{Entries, Texts};
use crate::evidence_level::EvidenceLevel;
use crate::words::words;

/// The spec of a `Policy` document.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySpec {
    /// The requests that the rules are about.
    pub target: Spanned<TargetSpec>,
    /// The rules, in no particular order.
    pub rules: Spanned<Vec<RuleSpec>>,
    /// The response sent when this policy denies a request, or when no policy allows one for its hosts. Example:
    /// `deny: { body: { text: Ask the platform team for access. } }`.
    pub deny: Option<Spanned<DenySpec>>,
}

/// The spec of a `Fragments` document. Names are unique among all documents of the kind.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FragmentsSpec {
    /// Peers, by the names that rules `use` under `peer`.
    pub peers: Option<Entries<PeerSpec>>,
    /// Tokens, by the names that rules `use` under `token`.
    pub tokens: Option<Entries<TokenSpec>>,
    /// Conditions in CEL, by the names that rules list under `conditions`.
    pub conditions: Option<Entries<String>>,
}

/// Which requests a policy is about.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetSpec {
    /// Hosts: exact, or with one leading wildcard label as in `*.example.com`. A request whose host has a port or a trailing
    /// dot is of none of them, unless one is written in that form, as in `orders.example.com:8443`: a proxy may route each
    /// form to another place.
    pub hosts: Option<Spanned<Texts>>,
    /// Instead of `hosts`: `true` for every host.
    pub any_host: Option<Spanned<bool>>,
    /// `true` where the proxy takes no notice of the port that a caller writes behind the host (Envoy's
    /// `ignore_port_in_host_matching`, as in Istio): requests with any port in their host are of this target.
    pub any_authority_port: Option<Spanned<bool>>,
    /// Ports of the connection that the request came by, as the proxy tells them: not what the caller writes behind the
    /// host. If the proxy does not report it, allow rules do not match, and deny rules do. Unset: every port.
    pub ports: Option<Spanned<Vec<Spanned<u16>>>>,
    /// `true`: the allow rules need a TLS handshake whose server name (SNI) is the host of the request, so that a client cannot
    /// show one name to the network and ask for another. Example: `hostIsSni: true`.
    pub host_is_sni: Option<Spanned<bool>>,
    /// Ambiguous forms of paths that are accepted: each key says how the upstream reads them.
    pub paths: Option<PathsSpec>,
    /// The issuers whose tokens count here. Default: every issuer; any other token is refused. Example:
    /// `tokens: { issuers: [corp], others: ignored }`.
    pub tokens: Option<Spanned<TargetTokensSpec>>,
    /// Headers and parameters that go upstream although they can name another method, path, host, scheme or port than the
    /// decision is about. Unset: none.
    pub keep: Option<Spanned<KeepSpec>>,
}

/// The issuers whose tokens count at a target. Where several policies are about one host, a token is ignored only if all of them ignore it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetTokensSpec {
    /// The names of the `TokenIssuer` documents whose tokens count: they are refused where anything is wrong with them. Without
    /// this list no token counts.
    pub issuers: Option<Spanned<Texts>>,
    /// The treatment of any other token. `ignored`: as if it were absent; it goes upstream unchanged.
    #[serde(default)]
    pub others: RejectedSpec,
}

/// The treatment of a credential that is not accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RejectedSpec {
    /// It denies the request.
    #[default]
    Refused,
    /// It counts as absent.
    Ignored,
}

/// Headers and parameters that go upstream on an allow although frameworks act on them: write them only if the upstream ignores them, or
/// if a proxy of yours writes them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KeepSpec {
    /// Override headers. Example: `headers: [x-forwarded-host]`.
    pub headers: Option<Spanned<Texts>>,
    /// Override parameters of the query. Example: `query: [_method]`.
    pub query: Option<Spanned<Texts>>,
}

/// Ambiguous forms of paths that the allow rules of this target accept. Unset: such a
/// path is denied (`path_not_canonical`), whatever other rules say.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PathsSpec {
    /// A `%2F`.
    pub encoded_slashes: EncodedSlashesSpec,
    /// Parameters of a segment, as in `/a;v=1`.
    pub parameters: ParametersSpec,
    /// Repeated slashes, as in `/a//b`.
    pub empty_segments: EmptySegmentsSpec,
}

/// How a `%2F` is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EncodedSlashesSpec {
    /// It has more than one reading, and is denied.
    #[default]
    Deny,
    /// The upstream keeps it in its segment: it splits paths before it decodes them, and so do rules.
    KeptByUpstream,
}

/// How parameters of a segment are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ParametersSpec {
    /// They have more than one reading, and are denied.
    #[default]
    Deny,
    /// The upstream removes them before it looks where a request goes, and rules do not see them.
    RemovedByUpstream,
}

/// How repeated slashes are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EmptySegmentsSpec {
    /// They have more than one reading, and are denied.
    #[default]
    Deny,
    /// The upstream takes them for one slash, and so do rules.
    MergedByUpstream,
}

/// One rule. Everything it says must hold for it to match.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleSpec {
    /// The name: unique in its policy.
    pub name: Spanned<String>,
    /// The effect of a match: allow or deny.
    pub effect: Spanned<Effect>,
    /// The mode: enforced or in shadow.
    #[serde(default)]
    pub mode: Mode,
    /// Since when it has been in shadow mode, as a day: a deny rule that is older than 30 days is warned of.
    pub since: Option<Spanned<String>>,
    /// Annotations of its decisions in audit records and the proxy's metadata, beside those of the policy, of which
    /// it replaces those with the same name; together at most 16, each at most 256 bytes. Names with a prefix, as in
    /// `example.com/name`, go nowhere. Example: `annotations: { ticket: SEC-1300 }`.
    pub annotations: Option<Spanned<Entries<String>>>,
    /// `true` states that this allow rule requires no identity, on purpose.
    pub public: Option<Spanned<bool>>,
    /// `ignored` lets callers in whose token in a cookie was refused, if the rule needs no token of that issuer: as a caller
    /// without it. `refused` if nothing is said. For pages that a browser must reach with an expired session, such as a login.
    pub rejected_cookies: Option<Spanned<RejectedSpec>>,
    /// Which requests.
    pub on: Option<OnSpec>,
    /// The addresses of the client, as addresses and CIDR blocks. The client is the other end of the connection, unless
    /// `listener.clientAddress` says otherwise.
    pub source: Option<Spanned<Texts>>,
    /// The address that the connection goes to: addresses and CIDR blocks.
    pub destination: Option<Spanned<Texts>>,
    /// Server names (SNI) of the client's TLS handshake: exact, or with one leading wildcard label. Example:
    /// `sni: [orders.example.com]`.
    pub sni: Option<Spanned<Texts>>,
    /// When it counts.
    pub during: Option<Spanned<DuringSpec>>,
    /// Context extensions: values that the proxy's configuration attaches to the route, by name.
    pub context_extensions: Option<Spanned<Entries<String>>>,
    /// Values of request headers.
    pub headers: Option<Spanned<Vec<Spanned<ValuesSpec>>>>,
    /// Values of query parameters.
    pub query: Option<Spanned<Vec<Spanned<ValuesSpec>>>>,
    /// The workload on the wire.
    pub peer: Option<Spanned<PeerSpec>>,
    /// The token it carries.
    pub token: Option<Spanned<TokenSpec>>,
    /// Conditions of `Fragments` documents, by name, all of which must hold.
    pub conditions: Option<Spanned<Texts>>,
    /// A condition over all of these, in CEL.
    pub when: Option<Spanned<String>>,
    /// Additions on allow: headers, query parameters, metadata, a signed assertion. Example:
    /// `inject: { headers: { x-subject: "{token.sub}" } }`.
    pub inject: Option<Spanned<InjectSpec>>,
    /// Removals from the request on allow. Example: `remove: { token: true }`.
    pub remove: Option<Spanned<RemoveSpec>>,
    /// The response sent when this rule denies: a deny rule that matches, or the allow rule that comes closest. In place of
    /// its policy's. Example: `deny: { status: 404 }`.
    pub deny: Option<Spanned<DenySpec>>,
}

words! {
    /// The effect of a match.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    #[schemars(rename = "EffectSpec")]
    pub enum Effect {
        /// The request may pass, unless another rule denies it.
        Allow "allow",
        /// The request must not pass, whatever other rules say.
        Deny "deny",
    }
}

words! {
    /// The mode of a rule: enforced or in shadow.
    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    #[schemars(rename = "ModeSpec")]
    pub enum Mode {
        /// It counts.
        #[default]
        Enforce "enforce",
        /// It is evaluated and reported only.
        Shadow "shadow",
    }
}

/// Which requests a rule is about, among those of its policy's target.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OnSpec {
    /// Methods, in upper case. Unset: every method.
    pub methods: Option<Spanned<Texts>>,
    /// Path templates. Unset: every path.
    pub paths: Option<Spanned<Texts>>,
    /// Instead of methods and paths: gRPC services and their methods.
    pub grpc: Option<Spanned<Vec<Spanned<GrpcSpec>>>>,
}

/// Calls of one gRPC service.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrpcSpec {
    /// The service with its package, such as `orders.v1.Orders`.
    pub service: Spanned<String>,
    /// Its methods. Unset: every method.
    pub methods: Option<Spanned<Texts>>,
}

/// Requirements for the peer. Every key that is given must hold; within a list, one entry.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeerSpec {
    /// A peer of a `Fragments` document, by name: what it asks for is asked for, too.
    #[serde(rename = "use")]
    pub fragment: Option<Spanned<String>>,
    /// `true` for every verified peer.
    pub any: Option<Spanned<bool>>,
    /// Patterns of SPIFFE IDs.
    pub spiffe: Option<Spanned<Texts>>,
    /// The name of the `TrustDomain` document that must vouch for it.
    pub trust_domain: Option<Spanned<String>>,
    /// DNS names of its certificate: exact, or with one leading wildcard label.
    pub dns: Option<Spanned<Texts>>,
    /// URIs of its certificate, whole.
    pub uris: Option<Spanned<Texts>>,
    /// E-mail addresses of its certificate, whole.
    pub emails: Option<Spanned<Texts>>,
    /// IP addresses of its certificate: addresses, and blocks such as `10.0.0.0/8`.
    pub ips: Option<Spanned<Texts>>,
    /// Subjects of its certificate as RFC 4514 text, whole.
    pub subjects: Option<Spanned<Texts>>,
    /// How much of the certificate must have been shown, at least.
    pub evidence: Option<Spanned<EvidenceLevel>>,
}

/// Requirements for the token. Every key that is given must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenSpec {
    /// A token of a `Fragments` document, by name: what it asks for is asked for, too.
    #[serde(rename = "use")]
    pub fragment: Option<Spanned<String>>,
    /// The name of the `TokenIssuer` document, or a list of names: a token of any of these counts, and of no other. Given here or in
    /// the fragment.
    pub issuer: Option<Spanned<OneOrMore>>,
    /// Scopes that it must all have.
    pub scopes: Option<Spanned<Texts>>,
    /// Scopes of which it must have one.
    pub any_scope: Option<Spanned<Texts>>,
    /// How a scope of the token stands for those that `scopes` and `anyScope` of this place ask for. Default: `whole`.
    pub scope_form: Option<Spanned<ScopeForm>>,
    /// Audiences of which it must have one.
    pub audiences: Option<Spanned<Texts>>,
    /// Subjects of which it must be one.
    pub subjects: Option<Spanned<Texts>>,
    /// Clients of which it must be one.
    pub clients: Option<Spanned<Texts>>,
    /// Values of other claims.
    pub claims: Option<Spanned<Vec<Spanned<ClaimSpec>>>>,
    /// Its required binding to the peer.
    pub binding: Option<Spanned<BindingSpec>>,
    /// Which of its claims names the peer.
    pub bind: Option<Spanned<BindSpec>>,
    /// Ways of authenticating (values of the claim `acr`) of which its user must have used one. A caller that does not meet it
    /// gets the challenge of RFC 9470.
    pub acr: Option<Spanned<Texts>>,
    /// How long ago its user may have authenticated (the claim `auth_time`), as a duration. A caller that does not meet it
    /// gets the challenge of RFC 9470.
    pub max_age: Option<Spanned<HumanDuration>>,
    /// Only in deny rules: signals of which one is raised about it. They need `anomalies` in the settings, and where that cannot be
    /// determined the rule denies. Example: `signals: [token_peers]`.
    pub signals: Option<Spanned<Vec<Spanned<TokenSignal>>>>,
}

words! {
    /// A signal about the token of a request, from how it was used.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum TokenSignal {
        /// Two peers used it at the host of the request, within the time of `anomalies.window` in the settings. A caller without a
        /// certificate counts as a peer of its own.
        #[serde(rename = "token_peers")]
        Peers "token_peers",
        /// It was used there from more than eight networks, within that time.
        #[serde(rename = "token_addresses")]
        Addresses "token_addresses",
    }
}

/// How a scope of a token stands for one that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ScopeForm {
    /// By being the same.
    #[default]
    Whole,
    /// Also by being above it: `orders` stands for `orders:read`, `orders.read` and `orders/read`.
    Hierarchy,
    /// Also by a `*` at its end, behind `:`, `.` or `/`: `orders:*` stands for `orders:read`.
    Wildcard,
}

impl ScopeForm {
    /// True if the scope `held` stands for the scope `asked`.
    pub fn covers(self, held: &str, asked: &str) -> bool {
        let below = |above: &str| {
            let rest = asked.strip_prefix(above).and_then(|rest| rest.strip_prefix(SEPARATORS));
            !above.is_empty() && rest.is_some_and(|rest| !rest.is_empty())
        };
        held == asked
            || match self {
                Self::Whole => false,
                Self::Hierarchy => below(held),
                Self::Wildcard => held.strip_suffix('*').is_some_and(|beginning| {
                    let above = beginning.strip_suffix(SEPARATORS);
                    asked.starts_with(beginning) && above.is_some_and(below)
                }),
            }
    }
}

impl ScopeForm {
    /// Every scope that stands for `asked`, itself first.
    pub fn all_for(self, asked: &str) -> Vec<String> {
        let mut all = vec![asked.to_owned()];
        for (at, separator) in asked.match_indices(SEPARATORS) {
            let above = asked.get(..at).unwrap_or_default();
            all.push(match self {
                Self::Whole | Self::Hierarchy => above.to_owned(),
                Self::Wildcard => format!("{above}{separator}*"),
            });
        }
        all.retain(|held| self.covers(held, asked));
        all
    }
}

/// The characters between the parts of a scope.
const SEPARATORS: [char; 3] = [':', '.', '/'];

/// The required binding of a token to the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BindingSpec {
    /// Nothing more than the issuer asks for.
    #[default]
    None,
    /// The peer's certificate (RFC 8705).
    Certificate,
    /// A key that the caller proves to hold (RFC 9449).
    Dpop,
    /// One of these two.
    Any,
}

/// A requirement for a claim. Exactly one of the comparisons is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimSpec {
    /// The place of the claim: a JSON pointer (RFC 6901) into the claims set.
    pub pointer: Spanned<String>,
    /// It is this: a text, a whole number, `true` or `false`.
    #[schemars(extend("type" = ["string", "integer", "boolean"]))]
    pub equals: Option<Spanned<serde_json::Value>>,
    /// It is one of these, all of one kind.
    #[serde(rename = "in")]
    #[schemars(extend("items" = { "type": ["string", "integer", "boolean"] }))]
    pub one_of: Option<Spanned<Vec<Spanned<serde_json::Value>>>>,
    /// It is a list that has this.
    #[schemars(extend("type" = ["string", "integer", "boolean"]))]
    pub contains: Option<Spanned<serde_json::Value>>,
    /// True if it is there.
    pub exists: Option<Spanned<bool>>,
}

/// A requirement for the values of a header or a query parameter. Exactly one of `any`, `all` and `exists` is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValuesSpec {
    /// The name: of a header in any case, of a query parameter exactly.
    pub name: Spanned<String>,
    /// One value, at least, is like this.
    pub any: Option<Spanned<TextSpec>>,
    /// There is a value, and every value is like this.
    pub all: Option<Spanned<TextSpec>>,
    /// True if it was sent, an empty value included.
    pub exists: Option<Spanned<bool>>,
}

/// A requirement for a text. Exactly one of the comparisons is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TextSpec {
    /// It is this.
    pub equals: Option<Spanned<String>>,
    /// It is one of these.
    #[serde(rename = "in")]
    pub one_of: Option<Spanned<Texts>>,
    /// It starts with this.
    pub prefix: Option<Spanned<String>>,
    /// It ends with this.
    pub suffix: Option<Spanned<String>>,
}

#[cfg(test)]
mod tests {
    /// P57: a scope stands for others only where the rule says how, and never for a longer word.
    #[test]
    fn a_scope_stands_for_those_below_it() {
        use super::ScopeForm::{Hierarchy, Whole, Wildcard};
        for (held, asked, whole, hierarchy, wildcard) in [
            ("orders:read", "orders:read", true, true, true),
            ("orders", "orders:read", false, true, false),
            ("orders", "orders.read.all", false, true, false),
            ("orders", "orders/read", false, true, false),
            ("orders", "ordersread", false, false, false),
            ("orders", "orders:", false, false, false),
            ("orders:read", "orders", false, false, false),
            ("orders:*", "orders:read", false, false, true),
            ("orders:*", "orders:read:all", false, false, true),
            ("orders:*", "orders", false, false, false),
            ("orders:*", "orders:", false, false, false),
            ("orders*", "orders:read", false, false, false),
            ("*", "orders:read", false, false, false),
            (":*", ":read", false, false, false),
            ("", ":read", false, false, false),
        ] {
            let found = [Whole, Hierarchy, Wildcard].map(|form| form.covers(held, asked));
            assert_eq!(found, [whole, hierarchy, wildcard], "{held} {asked}");
        }
    }
}
