//! The codes of diagnostics: a closed table. `docs/diagnostics.md` and the rules of SARIF are made of it.
//!
//! To add a code, add a row here and a document that causes it to `tests/policy-errors` (or another test), and run
//! `COUNTERSIGN_BLESS=1 cargo test --test in_process -- policy_errors`, then the same with `diagnostics`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// The severity of a diagnostic: documents with an error cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The documents are not used.
    Error,
    /// The documents are used, but probably do not mean what they seem to.
    Warning,
}

macro_rules! codes {
    ($($group:literal { $($variant:ident $code:literal $severity:ident $meaning:literal $remedy:literal;)+ })+) => {
        /// The kind of a problem in a document. Its text is stable across releases and the same in every output format.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $($(#[doc = $meaning] $variant,)+)+
        }

        impl Code {
            /// Every code, by what it is about.
            pub const GROUPS: &'static [(&'static str, &'static [Self])] =
                &[$(($group, &[$(Self::$variant,)+]),)+];

            /// The code: kebab-case.
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$variant => $code,)+)+ }
            }

            /// The severity that it usually has.
            pub const fn severity(self) -> Severity {
                match self { $($(Self::$variant => Severity::$severity,)+)+ }
            }

            /// One sentence: the problem.
            pub const fn meaning(self) -> &'static str {
                match self { $($(Self::$variant => $meaning,)+)+ }
            }

            /// One sentence: how to fix it.
            pub const fn remedy(self) -> &'static str {
                match self { $($(Self::$variant => $remedy,)+)+ }
            }
        }
    };
}

codes! {
    "Files and YAML" {
        UnreadableFile "unreadable-file" Error "a file cannot be read" "check that the path is right (relative paths start at the folder of the document) and that the process may read the file";
        EmptyFile "empty-file" Error "a file has no documents" "write the documents, or remove the file if it is no longer needed";
        NoDocuments "no-documents" Error "the folders have no `*.yaml` or `*.yml` file" "name a file or folder of documents";
        NoPolicies "no-policies" Error "the documents have no policy, so every request is denied" "check policies together with the documents that they refer to";
        RemovedInPlace "removed-in-place" Error "documents that are in force are missing from the files" "confirm that they are meant to be gone, or restore them";
        FilesInMotion "files-in-motion" Error "the files have kept changing for half a minute" "wait until the process that writes them is done; the documents in force stay until then";
        InvalidYaml "invalid-yaml" Error "the text is not valid YAML" "look for a bracket, a quote or an indentation that does not fit";
        YamlBudget "yaml-budget" Error "the document uses anchors or aliases, or is too large or too deep" "write values out instead of using anchors; split a large file";
        UnknownApiVersion "unknown-api-version" Error "the `apiVersion` is not known" "write the version that the message names";
        UnknownKind "unknown-kind" Error "the `kind` is not known" "write one of the kinds that the message names";
        InvalidName "invalid-name" Error "a name has characters that names must not have" "use lower-case letters, digits, `-` and `.`";
        DuplicateName "duplicate-name" Error "two documents of one kind have the same name" "rename one of them";
        UnknownField "unknown-field" Error "a mapping has a key that is not known" "correct the spelling, or remove the key";
        MissingField "missing-field" Error "a mapping lacks a required key" "add the key";
        DuplicateKey "duplicate-key" Error "a mapping has the same key twice" "keep one of the two";
        UnknownValue "unknown-value" Error "a value is none of the words that are possible" "write one of the words that the message names";
        InvalidValue "invalid-value" Error "a value has the wrong type or is out of range" "write a value of the kind that the message names";
        Contradiction "contradiction" Error "two keys contradict each other" "keep one of them";
        OneOf "one-of" Error "a mapping needs exactly one of several keys" "keep exactly one of the keys";
        EmptyList "empty-list" Error "a list is empty, so it matches nothing" "add entries, or remove the key";
        TooMany "too-many" Error "there are more entries than possible" "keep the entries that are needed";
        RepeatedEntry "repeated-entry" Warning "an entry is in the list already, or another entry covers it" "remove it";
        RemoteNotHere "remote-not-here" Error "a remote file cannot be used here" "use `file` or `inline`";
        InlineNotHere "inline-not-here" Error "an inline text cannot be used here" "use `file` or `remote`";
        NotFetched "not-fetched" Warning "a remote file was not fetched yet" "nothing, if a server is starting; else check that it can reach the address";
    }
    "Policies" {
        MissingTarget "missing-target" Error "the target has no hosts" "list `hosts`, or write `anyHost: true`";
        DuplicateRule "duplicate-rule" Error "two rules have the same name" "give each rule a name of its own";
        AllowWithoutIdentity "allow-without-identity" Error "an allow rule requires no identity" "add `peer` or `token`, or write `public: true`";
        NotInDeny "not-in-deny" Error "a key has no meaning in a deny rule" "remove it, or move it to an allow rule";
        NotInAllow "not-in-allow" Error "a key has no meaning in an allow rule" "move it to a deny rule about the same requests";
        InvalidHost "invalid-host" Error "a host cannot be matched" "write a host name, optionally with one leading `*` label";
        InvalidPort "invalid-port" Error "a port is not possible" "write a port from 1 to 65535";
        InvalidPath "invalid-path" Error "no request can match the path" "write it as requests have it, in canonical form";
        InvalidMethod "invalid-method" Error "no request can match the method" "write one method for each entry";
        UnregisteredMethod "unregistered-method" Warning "no registered method has this name" "remove it, unless the upstream has such a method";
        InvalidHeaderName "invalid-header-name" Error "a header name is not valid" "write a name such as `x-tenant`";
        UnreadableHeader "unreadable-header" Error "rules cannot read this header" "use another header";
        InvalidGrpc "invalid-grpc" Error "a gRPC service or method is not valid" "write the service with its package, and the method alone";
        InvalidNetwork "invalid-network" Error "an address or network is not valid" "write it as in `10.0.0.0/8`";
        HalfOfAllAddresses "half-of-all-addresses" Warning "a network covers at least half of all addresses" "write the network that is meant";
        MissingPeer "missing-peer" Error "`peer` names no peers" "list `spiffe`, `dns` or `trustDomain`, or write `any: true`";
        AnyPeer "any-peer" Warning "`any: true` allows every workload of several trust domains" "name the trust domain or the workloads";
        InvalidSpiffe "invalid-spiffe" Error "a SPIFFE ID or pattern is not valid" "write `spiffe://trust-domain/path`, with `*` for one segment and `**` for the rest";
        InvalidDns "invalid-dns" Error "a DNS name is not valid" "write a host name, optionally with one leading `*` label";
        UnknownTrustDomain "unknown-trust-domain" Error "no `TrustDomain` document has this name" "correct the name, or add the document";
        ForeignPattern "foreign-pattern" Warning "no `TrustDomain` document vouches for the trust domain of the pattern" "correct the pattern, or add the document";
        AnyAuthority "any-authority" Warning "several trust domains can issue certificates for this name" "name the trust domain with `trustDomain`";
        WholeDomain "whole-domain" Warning "a pattern allows every workload of a trust domain" "name a namespace or a service account";
        WideName "wide-name" Warning "a pattern matches names under a top-level domain" "name the domain whose hosts are meant";
        WidePublic "wide-public" Warning "a public rule covers every path of its hosts" "list the public paths under `on.paths`";
        MissingIssuer "missing-issuer" Error "`token` names no issuer" "name the `TokenIssuer` document";
        UnknownIssuer "unknown-issuer" Error "no `TokenIssuer` document has this issuer. For an entry of a revocation list this is a warning" "correct the name, or add the document";
        IssuerDoesNotCount "issuer-does-not-count" Error "`rejectedCookies` names an issuer that the rule does not use" "name an issuer that the rule uses";
        InvalidScope "invalid-scope" Error "a text is not one scope" "list each scope as an entry of its own";
        OddScope "odd-scope" Warning "no token is likely to have this scope" "write the scope as tokens have it";
        InvalidAcr "invalid-acr" Error "a text is not one `acr` value" "list each value as an entry of its own";
        InvalidPointer "invalid-pointer" Error "a JSON pointer leads to no claim" "write it as in `/realm_access/roles`";
        UnknownClaim "unknown-claim" Error "no issuer of the rule, or of the token, has a claim of this name" "correct the name, or add it to `claims` of the `TokenIssuer` document";
        ClaimKind "claim-kind" Warning "a claim is compared with a value of another type than its standard has" "compare it with a value of the right type";
        OddText "odd-text" Warning "no request or token is likely to have this text" "write the text exactly as requests or tokens have it";
        AudienceIsClient "audience-is-client" Warning "an audience is the id of a client, as ID tokens have it" "use the audience of access tokens";
        InvalidCondition "invalid-condition" Error "a condition is not valid CEL, or does not fit its rule" "correct it at the place that the message names";
        ConstantCondition "constant-condition" Warning "a condition has the same value for every request" "remove it, or the rule if it is never true";
        CostlyCondition "costly-condition" Warning "loops in each other may take more steps than a condition has" "compare with `in` instead of a loop";
        OpenPattern "open-pattern" Warning "a regular expression is not anchored" "start it with `^` and end it with `$`, or use `contains`";
        UnencodedName "unencoded-name" Warning "a header is set to a claim that is not plain ASCII for every user" "encode it, as in `{token.claims./name|percent}`";
        LiteralPattern "literal-pattern" Warning "a text looks like a pattern but is compared literally" "use the key for patterns, or write the exact text";
        LiteralTemplate "literal-template" Warning "a text looks like a template but is sent literally" "write a variable in braces";
        NeverMatches "never-matches" Warning "no value meets all requirements of the rule" "list alternatives under one key, or make two rules";
        NeverReached "never-reached" Warning "a deny rule covers this rule, so it makes no difference" "narrow the deny rule, or remove this rule";
        OpenAnyway "open-anyway" Warning "a public rule allows every request that this rule is about" "narrow the public rule, or remove this one";
        OutOfReach "out-of-reach" Warning "a condition compares a path, host or method that the rule does not cover" "correct the condition, or what the rule covers";
        RepeatedRule "repeated-rule" Warning "a rule repeats another one" "remove one of the two";
        RuleIsOver "rule-is-over" Warning "the time of the rule is over" "remove the rule, or give it a later `until`";
        LongInShadow "long-in-shadow" Warning "a rule has been in shadow mode for a long time" "enforce it, or remove it";
        SinceToCome "since-to-come" Warning "`since` is a day in the future" "write the day on which the rule was put in shadow mode";
        CallersWord "callers-word" Warning "a rule relies on a value that every caller can set" "use verified identity, or a header that the proxy sets";
        CallersWordInDeny "callers-word-in-deny" Warning "every caller can avoid this deny rule by sending another value" "deny by something that callers cannot set";
        DeniesWithout "denies-without" Warning "a deny rule denies every request that lacks a value" "test for the value first";
        DenyLeavesOpen "deny-leaves-open" Warning "a deny rule misses spellings or methods that upstreams accept" "cover them too, or allow only the paths that exist";
        DenyWithoutRoot "deny-without-root" Warning "a deny rule for a subtree does not cover its root" "add the root to the list";
        ListsNotAsked "lists-not-asked" Warning "a rule requires less of the certificate than the revocation lists of its trust domain need" "require `evidence: leaf`, or revoke such peers with `countersign revoke`";
        DuplicateFragment "duplicate-fragment" Error "two fragments have the same name" "rename one of them";
        UnknownFragment "unknown-fragment" Error "no fragment has this name" "correct the name, or add the fragment";
        FragmentCycle "fragment-cycle" Error "a fragment uses itself" "write out in one of them what it takes from the other";
        UnusedFragment "unused-fragment" Warning "no rule uses this fragment" "use it, or remove it";
        InvalidBind "invalid-bind" Error "`bind` cannot be checked" "correct it as the message says";
        InvalidTemplate "invalid-template" Error "a template is not valid" "write variables as in `{token.sub}`, and `{{` for a brace";
        UnknownVariable "unknown-variable" Error "a template uses a variable that the rule does not have" "add the requirement that provides it, or use another variable";
        DuplicateHeader "duplicate-header" Error "a header is set twice" "keep one; header names are not case-sensitive";
        ForbiddenHeader "forbidden-header" Error "a rule must not set or remove this header" "use another header";
        InvalidStatus "invalid-status" Error "the HTTP status is out of range" "write a status in the range that the message names";
        InvalidRedirect "invalid-redirect" Error "the redirect target is not valid" "write an `https` URL, or a path on the same host";
        RedirectCircle "redirect-circle" Warning "the page that browsers are redirected to is denied with the same redirect" "allow that page, or redirect elsewhere";
        InvalidCookie "invalid-cookie" Error "a cookie name, path or domain is not valid" "correct it as the message says";
        UnknownCookie "unknown-cookie" Error "no `TokenIssuer` document has its tokens in this cookie" "write the name of such a cookie";
        TokensNotIgnored "tokens-not-ignored" Warning "policies for one host differ about rejected tokens" "write the same in every policy about the host";
    }
    "Policy suites" {
        MissingFixture "missing-fixture" Error "a fixture lacks a required key" "add the key";
        UnknownFixture "unknown-fixture" Error "the suite has no fixture of this name" "correct the name, or add the fixture";
        InvalidClaims "invalid-claims" Error "the claims of a fixture cannot be a token's" "correct them as the message says";
        UnknownRule "unknown-rule" Error "a case expects a rule that no policy has" "correct the name, or add the rule";
        UnknownReason "unknown-reason" Error "no reason code has this name" "write one of the reason codes";
        InvalidUrl "invalid-url" Error "a URL is not valid" "write it as in `https://orders.example.com/v1`";
        InvalidTime "invalid-time" Error "a time is not valid" "write it as in `2026-11-22T03:00:00Z`";
    }
    "Token issuers" {
        InvalidIssuer "invalid-issuer" Error "an issuer is not valid" "write the exact `iss` claim of its tokens";
        DuplicateIssuer "duplicate-issuer" Error "two documents are about the same issuer and place" "merge them, or give them different `tokens`";
        MissingAudiences "missing-audiences" Error "an issuer has no `audiences`, so tokens for other services would be accepted" "list what the `aud` claim says for this service";
        NoAudience "no-audience" Error "`withoutAudience` does not say whose tokens without an audience count" "name the clients exactly";
        WithoutAudience "without-audience" Warning "tokens without an audience are accepted from some clients" "have the issuer write an audience for this service";
        InvalidAudience "invalid-audience" Error "an audience is not valid" "write exactly what the `aud` claim says";
        MissingAlgorithms "missing-algorithms" Error "an issuer or its proofs have no algorithms" "list the algorithms, such as `[RS256]`";
        UnknownAlgorithm "unknown-algorithm" Error "an algorithm is not known" "write one of the algorithms that the message names";
        UnsignedAlgorithm "unsigned-algorithm" Error "the algorithm `none` accepts unsigned tokens" "list the algorithms that the issuer signs with";
        SymmetricAlgorithm "symmetric-algorithm" Error "an algorithm with a shared secret does not fit here" "use an algorithm with a public key, or configure the secret";
        MixedAlgorithms "mixed-algorithms" Error "an issuer has both shared secrets and public keys" "keep one kind, or write two documents with different `tokens`";
        MissingTypes "missing-types" Error "`types` is empty, so no token would be accepted" "leave `types` unset for the default, or list `typ` values";
        MissingPlaces "missing-places" Error "`tokens` is empty, so no token would be found" "leave `tokens` unset for the `Authorization` header";
        InvalidPlace "invalid-place" Error "a place of tokens is not valid" "correct it as the message says";
        QueryToken "query-token" Warning "tokens in URLs end up in logs and histories" "use a header or a cookie";
        MissingKinds "missing-kinds" Error "`kinds` is empty, so no token would be accepted" "leave `kinds` unset for `[access]`";
        InvalidType "invalid-type" Error "a type of tokens is one that no token has" "write what the `typ` of its tokens says";
        OtherKind "other-kind" Error "a mark of one kind of token contradicts the kinds that are accepted" "correct it as the message says";
        ClockSkew "clock-skew" Error "`clockSkew` is too long" "synchronise clocks instead";
        ZeroDuration "zero-duration" Error "a duration of zero would refuse every token" "write a duration such as `1h`";
        Tenants "tenants" Error "the tenants of an issuer, its `issuer` and its keys do not fit each other" "write `{tenant}` as one segment of the path, and name its tenants";
        EveryTenant "every-tenant" Warning "an issuer's tokens are accepted from each of its tenants" "name the tenants";
        KeySource "key-source" Error "an issuer has no source of keys, or several" "keep exactly one source";
        KeyRefresh "key-refresh" Error "a refresh interval is out of range" "write a duration in the range that the message names";
        InvalidKeyUrl "invalid-key-url" Error "the address of the keys is not valid" "write an address such as `https://login.example.com/jwks`";
        InvalidKeySet "invalid-key-set" Error "a key set is not valid" "get the set from the issuer's `jwks_uri`";
        InvalidKeys "invalid-keys" Error "the keys that sign a revocation list cannot be used" "correct the file as the message says";
        InvalidKeyId "invalid-key-id" Error "a key id is not valid" "write exactly the `kid` of the key";
        NoFittingKey "no-fitting-key" Error "no key fits an algorithm of the issuer" "correct the algorithms or the keys";
        NoUsableKey "no-usable-key" Error "a key set has no usable key" "correct the key set";
        UnusableKey "unusable-key" Warning "a key of the set cannot be used" "nothing, if no token is signed with it; else correct the key";
        SecretKey "secret-key" Error "a key set has a private or secret key" "remove the key; consider it disclosed and replace it";
        MissingSecret "missing-secret" Error "a list of secrets is empty" "name a file with at least 32 random bytes";
        WeakSecret "weak-secret" Error "a secret is too short" "use at least as many random bytes as the message says";
        DpopAge "dpop-age" Error "`dpop.maxAge` is too long" "a minute is enough: each request has its own proof";
        InvalidOrigin "invalid-origin" Error "an origin is not valid" "write it as callers see it, such as `https://api.example.com`";
        Introspection "introspection" Error "an introspection key is missing, or does not fit the issuer" "correct it as the message says";
        IntrospectionClient "introspection-client" Error "the credentials for introspection are not valid" "configure exactly one way to authenticate";
        InvalidIntrospectionUrl "invalid-introspection-url" Error "the address of introspection is not valid" "write an `https` address";
        SlowIntrospection "slow-introspection" Warning "requests do not wait for as long as `introspection.timeout` says" "raise `deadline` in the settings and the timeout of Envoy's filter, or shorten `timeout`";
        ClientCredentials "client-credentials" Error "the credentials for a server are not valid; a warning where they are read later" "correct the header, host or file that the message names";
        FetchTimeout "fetch-timeout" Error "the longest wait for a server is not possible" "write a duration of at most 5 minutes";
        InvalidCa "invalid-ca" Error "a CA file has no certificate in PEM" "write at least one `-----BEGIN CERTIFICATE-----`";
    }
    "Trust domains" {
        InvalidSpiffeName "invalid-spiffe-name" Error "the name of a SPIFFE trust domain is not valid" "write it as in `prod.example`";
        DuplicateTrustDomain "duplicate-trust-domain" Error "two documents are about the same SPIFFE trust domain" "merge them";
        NoAuthorities "no-authorities" Error "a trust domain has no authority, so no certificate can be verified" "add `authorities`";
        NotAnAuthority "not-an-authority" Error "a certificate is not a CA certificate" "use the certificate of the CA";
        OddAuthority "odd-authority" Warning "a certificate of the authorities or intermediates cannot be used" "replace or remove it";
        AuthorityOutOfDate "authority-out-of-date" Warning "the certificate of an authority or an intermediate has expired, or is not valid yet, so no certificate that it issued is accepted" "put the certificate of its successor beside it";
        AuthorityEnding "authority-ending" Warning "the certificate of an authority or an intermediate is in the last tenth of its lifetime, and has at most 30 days left" "put the certificate of its successor beside it";
        SkippedKey "skipped-key" Warning "a key of a SPIFFE bundle is skipped" "correct or remove it";
        SharedAuthority "shared-authority" Warning "two trust domains share an authority" "give each its own authority, or restrict both";
        BundleEndpoint "bundle-endpoint" Error "`spiffeId` of a remote file is no SPIFFE ID, is not beside `https` and `ca`, or the file is no bundle" "write `bundle: { remote: { url: https://.., spiffeId: spiffe://.., ca: first.bundle.json } }`";
        BundleWithoutSpiffe "bundle-without-spiffe" Error "a SPIFFE bundle is in a trust domain without `spiffe`" "add `spiffe`";
        InvalidBundle "invalid-bundle" Error "a SPIFFE bundle is not valid" "write the bundle as JSON with `keys`";
        InvalidPem "invalid-pem" Error "a file is not valid PEM" "write `-----BEGIN ...-----` and base64 text";
        NoCertificate "no-certificate" Error "a file has no certificate" "write at least one `-----BEGIN CERTIFICATE-----`";
        PrivateKey "private-key" Error "a file of certificates has a private key" "remove the key; consider it disclosed and replace it";
        InvalidPin "invalid-pin" Error "a pin is not a SHA-256" "write 64 hexadecimal digits, or 32 bytes in base64";
        InvalidRsaBits "invalid-rsa-bits" Error "`minRsaBits` is out of range" "write a number in the range that the message names";
        InvalidRefresh "invalid-refresh" Error "a file would be fetched too often" "write a longer `refresh`";
        ForeignForwarder "foreign-forwarder" Error "a forwarder is of another trust domain" "list it in the document of its own trust domain";
        BroadForwarder "broad-forwarder" Warning "a forwarder pattern covers many workloads, each of which can impersonate any caller" "name the workloads that forward";
        InvalidSpiffePattern "invalid-spiffe-pattern" Error "a SPIFFE ID pattern is not valid" "write `spiffe://trust-domain/path`, with `*` for one segment and `**` for the rest";
    }
    "Certificate revocation" {
        NoCrl "no-crl" Error "a file has no certificate revocation list" "write DER, or at least one `-----BEGIN X509 CRL-----`";
        UnusableCrl "unusable-crl" Error "a certificate revocation list cannot be used" "get a list that follows RFC 5280 from the CA";
        UnknownCrlIssuer "unknown-crl-issuer" Error "a certificate revocation list is not by an authority of the trust domain" "remove it, or add its issuer to the authorities";
        ForgedCrl "forged-crl" Error "the signature of a certificate revocation list does not verify" "get the list from the CA again";
        ContradictoryCrl "contradictory-crl" Warning "two certificate revocation lists with the same number differ" "keep the list that the CA published last";
        OlderCrl "older-crl" Warning "a certificate revocation list is older than the one in force, which stays in force" "put the newest list there";
        FutureCrl "future-crl" Warning "a certificate revocation list is dated in the future" "check the clocks of the CA and of this machine";
        StaleCrl "stale-crl" Warning "a certificate revocation list is past its `nextUpdate`" "publish a new list";
    }
    "Revocation lists" {
        InvalidRevocation "invalid-revocation" Error "an entry of a revocation list is not valid" "correct it as the message says";
        EmptyRevocationList "empty-revocation-list" Warning "a revocation list has neither `entries` nor `from`" "add one of them, or remove the document";
        MissingFrom "missing-from" Error "a key is about a list at `from`, and there is no `from`" "add `from`, or remove the key";
        MissingOnStale "missing-on-stale" Error "`from` is without `onStale`" "write `onStale: deny`, `onStale: { grace: 1h }` or `onStale: allow`";
        OddValue "odd-value" Warning "a value begins or ends with white space, which is compared too" "remove the white space unless the token has it";
        UnknownKey "unknown-key" Warning "no key of the issuer has this `kid`" "correct the `kid`, or keep the entry for a key to come";
        OneTenant "one-tenant" Warning "an entry revokes a key that several tenants share for one of them alone" "write the `issuer` of the document, with `{tenant}`, to revoke it for every tenant";
        UnknownCertificateIssuer "unknown-certificate-issuer" Warning "no authority of a `TrustDomain` document has this name" "correct the name; `countersign inspect` prints the issuer of a certificate";
        UnknownWorkload "unknown-workload" Warning "no document vouches for the SPIFFE trust domain of the entry" "correct the SPIFFE ID";
    }
    "Envoy, Istio and gateways" {
        FailsOpen "fails-open" Error "the proxy lets requests pass when countersign does not answer" "switch it off: no answer is a refusal";
        CheckSwitchedOff "check-switched-off" Error "the proxy does not check these requests" "remove the exception, and write a `public: true` rule for what may be open";
        ListenerWithoutCheck "listener-without-check" Warning "a listener accepts requests and has no `ext_authz` filter" "add the filter, unless nothing behind the listener needs it";
        UpgradeWithoutCheck "upgrade-without-check" Error "upgraded requests have filters of their own, and countersign is not among them" "remove the filters of the upgrade, or add `ext_authz` to them";
        OtherService "other-service" Warning "a route asks another service than its filter does" "remove `grpc_service` from the route, unless another countersign is meant";
        NothingToLint "nothing-to-lint" Error "nothing of Envoy, Istio or a gateway is there; a warning where other files have some" "name the settings of a proxy or of its control plane; was a command that should have printed them refused?";
        CheckInPart "check-in-part" Error "only some of the requests are checked" "check every request, and leave methods and paths to policies";
        PolicyReplaced "policy-replaced" Error "a more specific policy replaces the one that asks countersign" "write `mergeType: StrategicMerge`, or repeat `extAuth`";
        UnknownProvider "unknown-provider" Error "no provider of the mesh has this name" "correct the name, or add the provider to `extensionProviders`";
        UnknownTargetRef "unknown-target-ref" Error "a policy is for an object that the files do not have, but they have others of its name or kind" "name the object that is there, or select it by labels";
        WrongProtocol "wrong-protocol" Error "the proxy asks over HTTP, and countersign answers gRPC" "use the gRPC form of the setting";
        InvalidMeshConfig "invalid-mesh-config" Error "a setting has a form that the control plane refuses" "write it as the message says";
        StatusAllows "status-allows" Error "the status for errors is one that callers take for success" "write 403 or 503";
        AnswersBeforeCheck "answers-before-check" Error "a filter in front of the check answers requests, or sends them on, by itself" "put it behind `ext_authz`: filters see a request in the order of the list";
        ActsBeforeCheck "acts-before-check" Warning "a filter in front of the check answers, or acts on headers that nothing has verified" "put it behind `ext_authz`";
        CallersXfcc "callers-xfcc" Error "the proxy keeps the `x-forwarded-client-cert` header that a caller writes" "let the proxy write it: `SANITIZE_SET`, in Envoy Gateway `SanitizeSet`";
        IdentityOverwritten "identity-overwritten" Warning "a header that says who the caller is is written after the check" "remove the modification, or use another name";
        IdentityForged "identity-forged" Error "a header that countersign trusts is written in front of the check" "remove the modification: the proxy writes what it saw of the caller by itself";
        AddressForged "address-forged" Warning "the address of the client may be one that a caller wrote" "let only the proxies in front connect (`direct_source_prefix_ranges` of every filter chain), or remove the setting";
        AdminExposed "admin-exposed" Error "the administration interface of a proxy is open to other machines" "let it listen at 127.0.0.1 or at a Unix socket, or allow `/ready` and `/stats` alone (`allow_paths`)";
        SteeredByCaller "steered-by-caller" Error "after the decision the caller changes the request, or chooses its upstream, by a header" "write a fixed value, or choose by what rules see: host, path and method";
        CertificateNotRequired "certificate-not-required" Warning "the proxy is to require client certificates, and lets callers pass without one" "name the authorities in `trusted_ca`, in Envoy Gateway in `caCertificateRefs`";
        NoCertificateShown "no-certificate-shown" Warning "countersign sees no client certificate" "write `include_peer_certificate: true`, or forward the certificate by `x-forwarded-client-cert`";
        UntrustedCertificates "untrusted-certificates" Warning "the proxy accepts certificates that it did not verify, and countersign does not see them" "write `include_peer_certificate: true`, or let the proxy verify";
        PlaintextCallers "plaintext-callers" Warning "callers may connect in plaintext" "require mutual TLS";
        PlaintextCheck "plaintext-check" Warning "the proxy asks countersign over the network in plaintext, or without verifying its certificate" "use mutual TLS between the two";
        RawHeadersOff "raw-headers-off" Warning "repeated headers are joined, and bytes that are not UTF-8 are replaced, before countersign sees them" "write `encode_raw_headers: true`";
        HostKept "host-kept" Warning "the proxy finds the virtual host by another name than the host that rules are about" "write `strip_any_host_port: true` and `strip_trailing_host_dot: true`";
        UnderscoresAllowed "underscores-allowed" Warning "headers with `_` pass, which many frameworks take for those with `-`" "write `common_http_protocol_options: { headers_with_underscores_action: REJECT_REQUEST }`";
        MutationsUnchecked "mutations-unchecked" Warning "the proxy drops headers of an answer that are not valid, and lets the request pass" "write `validate_mutations: true`";
        HeadersHidden "headers-hidden" Warning "countersign does not see every header" "remove the list: deny rules see what is sent";
        RemovalForbidden "removal-forbidden" Error "the proxy does not remove or set headers as countersign says" "remove the restriction";
        RouteChosenAgain "route-chosen-again" Warning "the route is chosen again after the decision" "remove the setting, so that the route that was decided about is the one taken";
        LongWait "long-wait" Warning "the proxy waits for an answer for very long" "wait for 250 ms, a little longer than the `deadline` of countersign";
        PathRewritten "path-rewritten" Warning "the proxy changes paths before the check" "leave them as they are (`KEEP_UNCHANGED`, in Istio `BASE`), or refuse them";
        LocksItselfOut "locks-itself-out" Error "the check covers countersign itself, so that every check needs another check" "exclude the ports of countersign by `notPorts`, or select workloads by labels";
    }
}

impl Code {
    /// Every code.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::GROUPS.iter().flat_map(|(_, codes)| codes.iter().copied())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Code")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A code of docs/diagnostics.md." })
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}
