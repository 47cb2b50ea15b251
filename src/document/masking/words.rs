//! The names and words that masking knows.

/// Keys whose values are secrets, or lead to them: below them no value is shown.
pub(super) const SECRETS: [&str; 2] = ["introspection", "keys"];

/// Parts of the names of such keys, in lower case without `-` and `_`.
const LIKE_SECRETS: [&str; 11] = [
    "apikey",
    "authorization",
    "credential",
    "hmac",
    "passphrase",
    "password",
    "passwd",
    "privatekey",
    "pwd",
    "secret",
    "signingkey",
];

/// Keys whose values are no secrets. A key that is not here may be one that no document has, such as `pass`.
pub(super) const HARMLESS: &str = "accessMarks acr address admin after algorithm algorithms all allowAbsent allowAny allowPlaintext anomalies any \
    anyAuthorityPort anyHost anyScope apiVersion appendedByEnvoy assertion at audience audiences audit author authorities \
    beforeFirstSync bind binding blockFor bundle ca cacheTtl cases certificate certificateBytes certificateIssuer claim \
    clearCookie client clientAddress clientAuthorities clientClaim clientCert clientCertWithoutTls clients clockSkew cluster \
    concurrentChecks conditions connections contains crls days deadline decision delay denyKids depth destination \
    discovery dns documents domain dpop drain during effect emails emptySegments encodedSlashes encoding endpoint entries \
    equals evidence exists expect expires extendedKeyUsage failures fetch file files firstUses folder for foreign \
    forgetful form format forwarders from generated grace group grpc header host hostIsSni hosts id identities in \
    inactiveStatuses insecureAllowPlaintext intermediates interval ips ipv4Prefix ipv6Prefix issuedBefore issuer issuers \
    keep keepAlive keyId kid kind kinds lastKnown leaf leastEvidence level lifetime listener log map max maxAge \
    maxAgeGrace maxBytes maxConcurrent maxLifetime maxStale memory method methods metricsInterval minRemaining minRsaBits \
    mode moreKeys mutualTls name none now on onFull onLoss onMissing onStale origins others otherTrustDomains otlp parameters path \
    paths peer peers peerSources per pins pointer ports prefix prefixed principal privateKeyJwt profile proxies public \
    publish query queue queueBytes readiness reason redirect refresh rejected rejectedCookies reload remote removals \
    remove removed request requests requestsPerHost require requiredClaims revocation revocations rotation rule rules \
    sample sampleAllows scheme scopeForm scopes sentinel serial service serviceName settle shared sharedWith shownHeaders \
    signals since sni socket source sourceCertificate spec spiffe spiffeId spki stateFolder status stdout store sub subject subjects suffix \
    target tenants text throttle timeout tls to tokenBytes tokenFile trustDomain trustedHops types unknownSignals until uris use wait \
    webSocketProtocol weekly when window withoutAudience xEnvoyExternalAddress xfcc xfccWithoutTls xForwardedFor zone";

/// Keys whose values are hidden, and whose names are shown below the keys of secrets. The harmless ones are, too.
pub(super) const SENSITIVE: [&str; 9] =
    ["basic", "bearer", "headers", "inline", "key", "post", "secrets", "token", "url"];

/// Keys below those of secrets whose values are shown where they are plain: a length of time, a word that is no secret, a server, a
/// file.
pub(super) const PLAIN_BELOW: &str = "allowPlaintext ca cacheTtl client discovery file hosts maxConcurrent maxStale metadata none refresh \
    timeout url";

/// Keys of other programs whose values are no secrets either.
const OF_OTHERS: &str = "action aud cond condition expr expression if iss principals scope";

/// The units in which people write lengths of time.
const UNITS: &str = "ms s sec secs second seconds m min mins minute minutes h hr hrs hour hours d day days w week weeks pt p t";

/// The endings of files whose names are shown.
const FILES: [&str; 13] = [
    ".crl", ".crt", ".der", ".jwk", ".json", ".jwks", ".key", ".pem", ".secret", ".token", ".txt",
    ".yaml", ".yml",
];

/// Words that are no secrets.
pub(super) const PLAIN_WORDS: &str =
    "false no none null oauth oauth2 off oidc on openid openid-configuration rfc8414 true yes";

/// True if it is a name of the schema.
pub(super) fn is_known(name: &str) -> bool {
    is_harmless(name) || SENSITIVE.contains(&name) || SECRETS.contains(&name)
}

pub(super) fn is_harmless(key: &str) -> bool {
    is_among(key, HARMLESS) || is_among(key, OF_OTHERS)
}

pub(super) fn is_among(word: &str, words: &str) -> bool {
    words.split_whitespace().any(|own| own == word)
}

/// True if values of this key may be secrets, or lead to some.
pub(crate) fn holds_credentials(key: &str) -> bool {
    let bare = key.to_ascii_lowercase().replace(['-', '_', ' ', '.'], "");
    SECRETS.contains(&key) || LIKE_SECRETS.iter().any(|part| bare.contains(part))
}

/// The parts of the names of headers and parameters whose values are credentials.
const OF_CREDENTIALS: &str = "apikey assertion auth authorization bearer code cookie credential credentials csrf hmac jwt key otp pass passwd password pin pwd secret session sessionid sid sig signature token xsrf";

/// True if `name` is that of a header or parameter which carries credentials: `authorization`, `x-api-key`, `access_token`.
pub(super) fn names_credentials(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_name =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let like = |part: &str| {
        is_among(part, OF_CREDENTIALS)
            || ["token", "key", "secret", "cookie", "auth"].iter().any(|end| part.ends_with(end))
    };
    is_name && (holds_credentials(&lower) || lower.split(['-', '_', '.']).any(like))
}

/// True for words of a language, two or more, none of which may be a key, a credential or the name of one.
pub(super) fn is_prose(comment: &str) -> bool {
    let of_secrets = ["token", "pass", "key", "session", "auth", "bearer", "pin"];
    let is_plain = |word: &str| {
        let bare = word.trim_end_matches(['.', ',', ';', '?', '!', ')']).trim_start_matches('(');
        let is_number = bare.len() <= 4 && bare.bytes().all(|b| b.is_ascii_digit());
        let small = bare.chars().skip(1).all(|c| !c.is_uppercase());
        let is_word = small && bare.len() <= 20 && bare.chars().all(char::is_alphabetic);
        let lower = bare.to_lowercase();
        let names_one = holds_credentials(bare) || of_secrets.iter().any(|own| lower.contains(own));
        (is_number || is_word) && !names_one
    };
    let mut words = comment.trim_start_matches(['#', ' ']).split_whitespace();
    words.clone().nth(1).is_some() && words.all(is_plain)
}

/// True for the name of a field, of ours or not.
pub(super) fn is_word(name: &str) -> bool {
    (2..=24).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
}

/// True for the name of a file, as documents have them: by its ending, or by the folders that lead to it.
pub(super) fn is_file(text: &str) -> bool {
    let is_name = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        part.len() <= 24
            && digits <= 4
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let leads = ["/", "./", "../"].iter().any(|start| text.starts_with(start));
    FILES.iter().any(|ending| text.ends_with(ending))
        || (leads && text.matches('/').count() > 1 && text.split('/').all(is_name))
}

/// True for numbers with their units: `5`, `1h30m`, `5min`, `P1D`.
pub(super) fn is_time(text: &str) -> bool {
    let mut units =
        text.split(|c: char| c.is_ascii_digit() || c == '.').filter(|own| !own.is_empty());
    text.len() <= 8
        && text.contains(|c: char| c.is_ascii_digit())
        && units.all(|unit| is_among(&unit.to_ascii_lowercase(), UNITS))
}

/// True if the value of `key`, one of [`PLAIN_BELOW`], is shown below the key of a secret: a file, a length of time, a word that is no secret.
pub(super) fn is_plain(key: &str, value: &str) -> bool {
    let names_file = matches!(key, "file" | "ca") && is_file(value);
    names_file || is_time(value) || is_among(value, PLAIN_WORDS)
}
