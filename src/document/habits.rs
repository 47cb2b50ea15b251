//! Words of other programs, with ours (P506).

/// Values: the word of ours, and those that others have for it, in lower case without `-`, `_` and spaces.
const VALUES: [(&str, &str); 29] = [
    ("entra", "azure azuread aad microsoft msal"),
    ("kubernetes", "k8s serviceaccount eks gke aks openshift"),
    ("githubActions", "github gha"),
    ("google", "gcp googlecloud"),
    ("cognito", "aws amazon awscognito"),
    ("keycloak", "redhat rhsso rhbk"),
    ("okta", "okt"),
    ("jwtSvid", "spiffe spire svid"),
    ("jwt", "oidc openid oauth oauth2 generic rfc9068"),
    ("allow", "permit permitted grant accept yes true"),
    ("deny", "forbid block reject refuse denied no false"),
    ("certificate", "mtls tls cert x5t mutualtls x509 x5t#s256"),
    ("dpop", "proof jkt"),
    ("leaf", "cert certificate"),
    ("full", "chain"),
    ("hash", "fingerprint sha256"),
    ("asserted", "any none header xfcc"),
    ("shadow", "audit dryrun monitor log report warn"),
    ("enforce", "on active enabled enforced"),
    ("hierarchy", "hierarchical prefix"),
    ("wildcard", "glob star"),
    ("whole", "exact"),
    ("id", "idtoken identity"),
    ("access", "accesstoken bearer at"),
    ("string", "text str varchar uuid"),
    ("integer", "int long int32 int64 whole timestamp"),
    ("number", "float double decimal numeric"),
    ("boolean", "bool flag"),
    ("strings", "list array stringlist texts"),
];

/// Fields: their names in lower case without `-` and `_`, a field that is possible at the place, and the advice.
const FIELDS: [(&str, &str, &str); 18] = [
    ("if condition expression cond expr cel", "when", "the condition of a rule is `when`"),
    (
        "methods method paths path grpc operation to match",
        "rejectedCookies",
        "`methods`, `paths` and `grpc` belong under `on`: `on: { methods: [GET], paths: [/v1/orders] }`",
    ),
    (
        "hosts host",
        "rejectedCookies",
        "`hosts` belong to the whole policy: `target: { hosts: [..] }`",
    ),
    (
        "principals principal from workload spiffe spiffeids",
        "rejectedCookies",
        "name workloads under `peer`: `peer: { spiffe: [\"spiffe://..\"] }`",
    ),
    (
        "scopes scope issuer claims audiences",
        "rejectedCookies",
        "write it under `token`: `token: { issuer: NAME, scopes: [..] }`",
    ),
    (
        "unless except excluding not notif",
        "rejectedCookies",
        "what a rule leaves out is another rule with `effect: deny`, which takes back what any rule allows; or a condition, as in `when: '!(..)'`",
    ),
    ("action", "effect", "write `effect: allow` or `effect: deny`"),
    (
        "jwksuri jwksurl jwks jwksendpoint keysurl",
        "moreKeys",
        "write the address of the key set as `keys: { url: ADDRESS }`; `keys: { discovery: {} }` finds it in the issuer's metadata",
    ),
    ("aud", "audiences", "did you mean `audiences`?"),
    ("iss issuerurl url", "moreKeys", "did you mean `issuer`?"),
    ("algs alg signingalgorithms", "algorithms", "did you mean `algorithms`?"),
    ("leeway skew clocktolerance", "clockSkew", "did you mean `clockSkew`?"),
    (
        "profile endpointprofile bundleendpointprofile",
        "spiffeId",
        "the profile follows from `spiffeId`: with it `https_spiffe`, without it `https_web`",
    ),
    ("endpointspiffeid serverid serverspiffeid", "spiffeId", "did you mean `spiffeId`?"),
    ("bundleendpointurl endpoint endpointurl address", "spiffeId", "did you mean `url`?"),
    (
        "clientid clientsecret secret credentials username user password auth",
        "maxConcurrent",
        "say who asks under `client`: `client: { id: NAME, basic: { file: PATH } }`",
    ),
    ("token tokenfile accesstoken", "mutualTls", "did you mean `bearer: { file: PATH }`?"),
    ("name claim key path", "pointer", "name the claim by its pointer, as in `pointer: /tenant`"),
];

/// The word of `expected` that another program calls `word`.
pub(super) fn value<'e>(word: &str, expected: &[&'e str]) -> Option<&'e str> {
    let plain = plain(word);
    let ours = VALUES.iter().filter(|(_, others)| others.split(' ').any(|own| own == plain));
    ours.filter_map(|(ours, _)| expected.iter().find(|own| *own == ours)).next().copied()
}

/// The advice for a field that other programs have, where `expected` are possible.
pub(super) fn field(name: &str, expected: &[&str]) -> Option<&'static str> {
    let plain = plain(name);
    let is_here = |place: &str| expected.contains(&place);
    let of_claim = || {
        let help = match plain.as_str() {
            "value" | "is" | "eq" => "did you mean `equals`?",
            "values" | "anyof" | "oneof" => "did you mean `in`?",
            _ => return None,
        };
        Some(help).filter(|_| is_here("pointer"))
    };
    let known = FIELDS
        .iter()
        .find(|(names, place, _)| is_here(place) && names.split(' ').any(|own| own == plain));
    let of_header = || {
        let is_header = name.contains('-') && is_here("responseHeaders") && is_here("assertion");
        is_header.then_some(
            "headers are set under `headers`: `inject: { headers: { x-user: \"{token.sub}\" } }`",
        )
    };
    known.map(|(_, _, help)| *help).or_else(of_claim).or_else(of_header)
}

fn plain(word: &str) -> String {
    word.to_ascii_lowercase().replace(['-', '_', ' '], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P506: and nowhere else.
    #[test]
    fn words_of_others_are_known_where_ours_is_possible() {
        let profiles = ["jwt", "kubernetes", "entra"];
        for (word, ours) in [
            ("Azure-AD", Some("entra")),
            ("k8s", Some("kubernetes")),
            ("permit", None),
            ("x", None),
        ] {
            assert_eq!(value(word, &profiles), ours, "{word}");
        }
        assert_eq!(value("mTLS", &["none", "certificate"]), Some("certificate"));
        assert_eq!(value("cert", &["leaf", "full"]), Some("leaf"));
        assert!(field("jwks_uri", &["issuer", "moreKeys"]).is_some());
        assert_eq!(field("jwks_uri", &["issuer"]), None);
        assert_eq!(field("value", &["pointer", "equals"]), Some("did you mean `equals`?"));
    }
}
