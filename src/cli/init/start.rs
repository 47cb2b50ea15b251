//! The files of a start: the templates beside this file, and the shipped configuration of Envoy, filled in.

use std::time::Duration;

use serde_json::json;

use super::args::Args;
use super::write::NewFile;
use crate::cli::files::{read, shown};
use crate::cli::style::visible;
use crate::cli::{CommandError, documents};
use crate::clock::UnixTime;
use crate::config;
use crate::demo::envoy::bootstrap::{Bootstrap, SIDECAR_MTLS};
use crate::demo::mint::{Issuer, Key};
use crate::demo::pki::{Authority, Usage, dns, uri};
use crate::demo::{DemoError, Folder};
use crate::document::{Diagnostic, IssuerProfile, schema};
use crate::words::of_system;

/// How long throw-away certificates and tokens live.
const DEV_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// The address at which Envoy listens.
pub(super) const ENVOY: &str = "127.0.0.1:8443";

const TEMPLATES: [(&str, &str); 6] = [
    ("countersign.yaml", include_str!("start/countersign.yaml")),
    ("documents/trust-domain.yaml", include_str!("start/trust-domain.yaml")),
    ("documents/token-issuer.yaml", include_str!("start/token-issuer.yaml")),
    ("documents/policy.yaml", include_str!("start/policy.yaml")),
    ("documents/policy-suite.yaml", include_str!("start/policy-suite.yaml")),
    (".vscode/settings.json", include_str!("start/vscode.json")),
];

/// The keys of an issuer whose profile has none.
const DISCOVERY: &str = "  # Found by the issuer's metadata, and refreshed in the background.
  keys: { discovery: {} }
  algorithms: [RS256, ES256]
";

/// The keys of JWT-SVIDs, whose trust domain has no metadata.
const BUNDLE: &str = "  # REPLACE: the address of the trust domain's bundle.
  keys: { url: \"https://bundle.example.com/keys\" }
  algorithms: [RS256, ES256]
";

/// The keys of an issuer whose profile has them.
const PROFILE_KEYS: &str = "  # The profile brings `keys: { discovery: {} }` and `algorithms`.\n";

/// The keys of the issuer to throw away.
const DEV_KEYS: &str = "  # REPLACE: an issuer to throw away. A real one publishes its keys: `keys: { discovery: {} }`.
  keys: { file: ../dev/jwks.json }
  algorithms: [ES256]
  maxLifetime: 720h
";

/// Changes of the shipped configuration for every start.
const ENVOY_CHANGES: [(&str, &str); 4] = [
    (
        "# Replace every ${PLACEHOLDER}. `countersign demo` and the tests run this very file, so what you copy is\n# what was tested (Envoy 1.40).",
        "# Written by `countersign init`. Start it in this folder: `envoy --config-path envoy.yaml` (tested with Envoy 1.40).",
    ),
    (
        "port_value: ${LISTEN_PORT} }",
        "port_value: ${LISTEN_PORT} } # REPLACE by 0.0.0.0, to be reached from other machines",
    ),
    (
        "private_key: { filename: \"${SERVER_KEY_FILE}\" }",
        "private_key: { filename: \"${SERVER_KEY_FILE}\" } # REPLACE both: Envoy's own certificate",
    ),
    ("port_value: ${SERVICE_PORT} }", "port_value: ${SERVICE_PORT} } # REPLACE: your service"),
];

/// With `--dev` no service is needed behind Envoy.
const NO_SERVICE: (&str, &str) = (
    "route: { cluster: service }",
    "direct_response: { status: 200, body: { inline_string: \"allowed\\n\" } } # REPLACE by `route: { cluster: service }`",
);

/// The files that `args` ask for.
pub(super) fn files(args: &Args, now: UnixTime) -> Result<Vec<NewFile>, CommandError> {
    let authority = Authority::lasting("countersign init, to throw away", now, DEV_LIFETIME);
    let authority = authority.map_err(CommandError::failure)?;
    let values = values(args);
    let mut files: Vec<_> =
        TEMPLATES.iter().map(|(path, text)| public(path, filled(text, &values))).collect();
    for file in files.iter_mut().filter(|file| file.path.ends_with("token-issuer.yaml")) {
        file.text.push_str(keys(args));
    }
    let ca = match &args.ca {
        None => authority.pem(),
        Some(path) => {
            let unusable = |why: &dyn std::fmt::Display| {
                CommandError::Usage(format!("`--ca`: cannot read `{}`: {why}", shown(path)))
            };
            let pem = read(path).map_err(|error| unusable(&of_system(&error)))?;
            String::from_utf8(pem).map_err(|_| unusable(&"it is not PEM"))?
        }
    };
    files.push(public("ca.pem", ca));
    files.push(public("envoy.yaml", envoy(args).map_err(CommandError::failure)?));
    files.push(public("countersign.schema.json", format!("{:#}\n", schema::schema())));
    files.push(public("settings.schema.json", format!("{:#}\n", config::schema::schema())));
    if args.dev {
        files.extend(dev(args, &authority, now).map_err(CommandError::failure)?);
    }
    Ok(files)
}

/// Loads the documents among `files` as a server would.
///
/// # Errors
/// A value cannot be used.
pub(super) fn judge(args: &Args, files: &[NewFile]) -> Result<(), CommandError> {
    let folder = Folder::temporary().map_err(CommandError::failure)?;
    for file in files {
        folder.write(file.path, &file.text).map_err(CommandError::failure)?;
    }
    match documents::read(&[folder.join("documents")]) {
        Ok(_) => Ok(()),
        Err(CommandError::Documents(problems, _)) => {
            let message = problems.first().map(|problem| explained(args, problem));
            Err(CommandError::Usage(format!(
                "nothing was written: {}",
                message.unwrap_or_default()
            )))
        }
        Err(other) => Err(other),
    }
}

/// A problem in what is to be written, by the argument that it comes from: the files are not there to look at.
fn explained(args: &Args, problem: &Diagnostic) -> String {
    let help = problem.help.as_ref().map(|help| format!(": {help}"));
    let message = format!("{}{}", problem.message, help.unwrap_or_default());
    if let Some(ca) = args.ca.as_deref().filter(|_| message.contains("ca.pem")) {
        return format!("`--ca {}`: {}", shown(ca), message.replace("../ca.pem", &shown(ca)));
    }
    let (line, _) = problem.span.line_column();
    let line = problem.span.file().text().lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let flag = args.texts().into_iter().find_map(|(flag, text)| {
        let text = text.filter(|text| line.contains(text))?;
        Some(format!("`{flag} {}`: ", visible(text)))
    });
    // The address of the keys follows from the issuer.
    let is_issuer = problem.span.file().path().ends_with("token-issuer.yaml");
    let issuer = args.issuer.as_deref().filter(|_| is_issuer);
    let issuer = || issuer.map(|issuer| format!("`--issuer {}`: ", visible(issuer)));
    flag.or_else(issuer).unwrap_or_default() + &message
}

/// A host that `--host` stands for.
pub(super) fn request_host(args: &Args) -> String {
    args.host.as_deref().unwrap_or("service.example.com").replace('*', "www")
}

/// Requests with the tokens to throw away.
pub(super) fn requests(args: &Args) -> [String; 2] {
    let host = request_host(args);
    let curl = format!(
        "curl -i --noproxy '*' --cacert ca.pem --connect-to {host}:443:{ENVOY} --cert dev/front.pem --key dev/front.key"
    );
    [("alice", "allowed"), ("bob", "denied, and `explain` says why")].map(|(user, becomes)| {
        format!(
            "{curl} -H \"authorization: Bearer $(cat dev/{user}.jwt)\" https://{host}/users/alice/items/1   # {becomes}"
        )
    })
}

const fn public(path: &'static str, text: String) -> NewFile {
    NewFile { path, text, is_secret: false }
}

/// A name in a template with its value, and with what a person has to put there, if it is not given.
type Value = (&'static str, String, Option<&'static str>);

fn values(args: &Args) -> Vec<Value> {
    let value = |name, given: &Option<String>, otherwise: &str, what| {
        let is_given = given.is_some();
        let value = given.clone().unwrap_or_else(|| otherwise.to_owned());
        (name, value, Some(what).filter(|_| !is_given))
    };
    let domain = args.spiffe.as_deref().unwrap_or("prod.example");
    // Their `iss` is the trust domain (SPIFFE JWT-SVID section 3).
    let issuer = match args.profile() == IssuerProfile::JwtSvid {
        true => format!("spiffe://{domain}"),
        false => String::from("https://login.example.com"),
    };
    let profile = serde_json::to_value(args.profile()).unwrap_or_default();
    let ca = match (&args.ca, args.dev) {
        (Some(_), _) => None,
        (None, true) => Some("an authority to throw away"),
        (None, false) => Some("the key of this authority is thrown away; put yours into `ca.pem`"),
    };
    vec![
        value("SPIFFE", &args.spiffe, "prod.example", "the trust domain of your mesh"),
        value("ISSUER", &args.issuer, &issuer, "your issuer"),
        value("AUDIENCE", &args.audience, "service", "the audience of your service"),
        value("HOST", &args.host, "service.example.com", "the host that clients ask for"),
        ("REQUEST_HOST", request_host(args), None),
        ("PROFILE", profile.as_str().unwrap_or_default().to_owned(), None),
        ("CA", String::new(), ca),
    ]
}

fn keys(args: &Args) -> &'static str {
    if args.dev {
        DEV_KEYS
    } else if args.profile() == IssuerProfile::JwtSvid {
        BUNDLE
    } else if args.profile().defaults().discovery {
        PROFILE_KEYS
    } else {
        DISCOVERY
    }
}

/// `template` with every `${NAME}`, which stands in double quotes, and every `${NAME:mark}` filled in.
fn filled(template: &str, values: &[Value]) -> String {
    let mut lines: Vec<String> = template.lines().map(str::to_owned).collect();
    for line in &mut lines {
        for (name, value, mark) in values {
            // A quote in a value must not end the text that it is in (P591).
            let quoted = json!(value).to_string();
            let quoted = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
            let mark = mark.map(|what| format!("# REPLACE: {what}")).unwrap_or_default();
            *line = line
                .replace(&format!("${{{name}:mark}}"), &mark)
                .replace(&format!("${{{name}}}"), quoted);
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
    }
    lines.concat()
}

fn envoy(args: &Args) -> Result<String, DemoError> {
    let (address, port) = ENVOY.split_once(':').unwrap_or_default();
    let folder = if args.dev { "dev/" } else { "" };
    let template = Bootstrap::new(SIDECAR_MTLS)
        .set("NODE_ID", "envoy")
        .set("NODE_CLUSTER", "envoy")
        .set("ADMIN_PORT", 9901)
        .set("LISTEN_ADDRESS", address)
        .set("LISTEN_PORT", port)
        .set("SERVER_CERTIFICATE_FILE", format!("{folder}envoy.pem"))
        .set("SERVER_KEY_FILE", format!("{folder}envoy.key"))
        .set("CLIENT_CA_FILE", "ca.pem")
        .set("TRUST_CHAIN_VERIFICATION", "ACCEPT_UNTRUSTED")
        .set("COUNTERSIGN_PORT", 9001)
        .set("SERVICE_ADDRESS", "127.0.0.1")
        .set("SERVICE_PORT", 8080);
    let more = Some(NO_SERVICE).filter(|_| args.dev);
    let changes = ENVOY_CHANGES.into_iter().chain(more);
    changes.fold(template, |all, (from, to)| all.vary(from, to)).render()
}

/// The certificates, keys and tokens to throw away.
fn dev(args: &Args, authority: &Authority, now: UnixTime) -> Result<Vec<NewFile>, DemoError> {
    let domain = args.spiffe.as_deref().unwrap_or("prod.example");
    let front = uri("front", &format!("spiffe://{domain}/ns/web/sa/front"))?;
    let front = authority.issue("front", vec![front], Usage::Client, now)?;
    let names = vec![dns("envoy", &request_host(args))?, dns("envoy", "localhost")?];
    let envoy = authority.issue("envoy", names, Usage::Server, now)?;
    let issuer = Issuer::new(now)?;
    let token = |sub: &str| {
        let values = values(args);
        let of = |name| values.iter().find(|(own, ..)| *own == name).map(|(_, value, _)| value);
        issuer.mint(
            Key::Ec,
            &json!({
                "iss": of("ISSUER"), "aud": of("AUDIENCE"), "sub": sub, "scope": "items:read",
                "exp": now.plus(DEV_LIFETIME).as_secs(), "jti": sub, "tenant": null,
            }),
        )
    };
    let secret = |path, text| NewFile { path, text, is_secret: true };
    Ok(vec![
        public("dev/.gitignore", String::from("*.key\n*.jwt\n*.log\n*.lock\nenvoy-admin\n")),
        public("dev/requests.txt", requests(args).join("\n") + "\n"),
        public("dev/jwks.json", issuer.key_set()?),
        secret("dev/issuer.key", issuer.private_pem().to_owned()),
        secret("dev/alice.jwt", token("alice")?),
        secret("dev/bob.jwt", token("bob")?),
        public("dev/front.pem", front.pem()),
        secret("dev/front.key", front.key_pem()),
        public("dev/envoy.pem", envoy.pem()),
        secret("dev/envoy.key", envoy.key_pem()),
    ])
}
