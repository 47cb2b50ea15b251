//! Documents to rules: every problem is collected, and a set with an error is not used (P77).

mod annotations;
pub(in crate::policy) mod compiled_policy;
pub(in crate::policy) mod compiled_rule;
mod condition;
mod deny;
mod during;
mod fragments;
mod habits;
mod identity;

mod inject;
pub(in crate::policy) mod lint;
mod request;
mod rule;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(in crate::policy) use during::{read_day, read_moment};
pub(in crate::policy) use fragments::{Fragments, Use};
pub(in crate::policy) use request::check_header_name;

use crate::document::policy::{
    EmptySegmentsSpec, EncodedSlashesSpec, Entries, ParametersSpec, PathsSpec, PolicySpec,
    RejectedSpec, RuleSpec, TargetSpec, TargetTokensSpec,
};
use crate::document::{
    Diagnostic, Document, Movable, Origin, Span, Spanned, Spec, TokenPlaceSpec, closest, is_name,
};
use crate::policy::compile::compiled_policy::Unit;
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::compile::lint::Believed;
use crate::policy::evaluate::index::HostAnswer;
use crate::policy::model::host::AuthorityPattern;
use crate::policy::model::target::PolicyTarget;
use crate::request::{PathLeniency, SealedNames, TokenPlace};
use crate::secret::Fingerprint;

/// The names of other documents that rules may refer to.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct Names<'a> {
    /// Of `TokenIssuer` documents.
    pub(in crate::policy) issuers: &'a [&'a str],
    /// Of `TrustDomain` documents.
    pub(in crate::policy) domains: &'a [&'a str],
}

/// Everything that what a policy means depends on, beside its own text.
pub(in crate::policy) struct Around<'a> {
    names: Names<'a>,
    sealed: SealedNames,
    /// The cookies that tokens are in.
    cookies: Vec<&'a str>,
    pub(in crate::policy) fragments: Fragments<'a>,
    believed: Believed<'a>,
}

/// One document being compiled, and where its problems go.
struct Compiler<'a, 'p> {
    origin: &'a Origin,
    policy: Arc<str>,
    names: Names<'p>,
    sealed: &'p SealedNames,
    cookies: &'p [&'p str],
    fragments: &'p Fragments<'p>,
    /// The fragments that it uses.
    uses: &'p mut Vec<Use>,
    problems: &'p mut Vec<Diagnostic>,
}

/// Where a rule was written, for lints.
pub(in crate::policy) struct Written<'a> {
    pub(in crate::policy) origin: &'a Origin,
    pub(in crate::policy) policy: &'a PolicySpec,
    pub(in crate::policy) spec: &'a RuleSpec,
    pub(in crate::policy) target: &'a PolicyTarget,
}

// === impl Around ===

impl<'a> Around<'a> {
    /// What `documents` say that policies depend on. Its own problems go to `problems`.
    pub(in crate::policy) fn of(
        documents: &'a [Document],
        names: Names<'a>,
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        let sealed = sealed_by(documents);
        let fragments = Fragments::compile(documents, names, &sealed, problems);
        let cookies = cookies_in(documents);
        Self { names, sealed, cookies, fragments, believed: Believed::of(documents) }
    }

    /// The fingerprint of all of it, where that of the fragments' documents is `fragments`.
    pub(in crate::policy) fn fingerprint(&self, fragments: &Fingerprint) -> Fingerprint {
        // What is compiled of the fragments follows from their documents and the rest.
        let Self { names, sealed, cookies, believed, fragments: _ } = self;
        let rest = format!("{names:?} {sealed:?} {cookies:?} {believed:?} {}", fragments.to_hex());
        Fingerprint::of(rest.as_bytes())
    }

    /// Whether tokens are in cookies.
    pub(in crate::policy) fn has_cookies(&self) -> bool {
        !self.cookies.is_empty()
    }

    /// Compiles one policy. Where a problem is an error the result must not be used.
    pub(in crate::policy) fn compile(
        &self,
        document: &Document,
        spec: &PolicySpec,
        problems: &mut Vec<Diagnostic>,
    ) -> Unit {
        let (origin, name) = (&document.origin, &document.metadata.name);
        let (mut uses, before) = (Vec::new(), problems.len());
        let mut compiler = Compiler {
            origin,
            policy: name.value.as_str().into(),
            names: self.names,
            sealed: &self.sealed,
            cookies: &self.cookies,
            fragments: &self.fragments,
            uses: &mut uses,
            problems,
        };
        let notes = document.metadata.annotations.as_ref();
        let (target, rules, answer) = compiler.policy(spec, notes);
        // Doubts about a rule that is wrong anyway are noise.
        let doubts = match problems.len() == before {
            true => self.doubts(origin, spec, &target, &rules),
            false => Vec::new(),
        };
        uses.sort_unstable();
        uses.dedup();
        let place = |name: &Spanned<String>| origin.place(&origin.span(name));
        Unit {
            name: name.value.as_str().into(),
            name_at: place(name),
            rules_at: spec.rules.value.iter().map(|rule| place(&rule.name)).collect(),
            prints: rules.iter().map(lint::print).collect(),
            target,
            rules: rules.into(),
            answer,
            uses: uses.into(),
            doubts: doubts.into_iter().map(|doubt| Movable::new(doubt, origin)).collect(),
            outdated: lint::outdated(origin, spec),
        }
    }

    /// What is odd about a policy by itself.
    fn doubts(
        &self,
        origin: &Origin,
        policy: &PolicySpec,
        target: &PolicyTarget,
        rules: &[Rule],
    ) -> Vec<Diagnostic> {
        let written = |spec| Written { origin, policy, spec, target };
        let written: Vec<_> = policy.rules.value.iter().map(written).collect();
        lint::lint(&written, rules, &self.believed)
    }
}

/// The headers and query parameters that carry credentials, those that issuers name included.
pub(in crate::policy) fn sealed_by(documents: &[Document]) -> SealedNames {
    let places = documents.iter().filter_map(|document| match &document.spec {
        Spec::TokenIssuer(spec) => spec.tokens.as_ref(),
        Spec::TrustDomain(_)
        | Spec::Policy(_)
        | Spec::Fragments(_)
        | Spec::PolicySuite(_)
        | Spec::RevocationList(_) => None,
    });
    let places = places.flat_map(|places| &places.value).map(|place| match place {
        TokenPlaceSpec::Authorization {} => TokenPlace::Authorization,
        TokenPlaceSpec::Header(name) => TokenPlace::Header(name.value.to_ascii_lowercase()),
        TokenPlaceSpec::Cookie(name) => TokenPlace::Cookie(name.value.clone()),
        TokenPlaceSpec::Query(name) => TokenPlace::Query(name.value.clone()),
    });
    SealedNames::for_places(&places.collect::<Vec<_>>())
}

/// The names of the cookies that issuers have their tokens in.
fn cookies_in(documents: &[Document]) -> Vec<&str> {
    let mut cookies = Vec::new();
    for document in documents {
        let Spec::TokenIssuer(spec) = &document.spec else { continue };
        let places = spec.tokens.iter().flat_map(|places| &places.value);
        cookies.extend(places.filter_map(|place| match place {
            TokenPlaceSpec::Cookie(name) => Some(name.value.as_str()),
            TokenPlaceSpec::Authorization {}
            | TokenPlaceSpec::Header(_)
            | TokenPlaceSpec::Query(_) => None,
        }));
    }
    cookies
}

// === impl Compiler ===

impl<'a> Compiler<'a, '_> {
    fn policy(
        &mut self,
        spec: &'a PolicySpec,
        notes: Option<&Spanned<Entries<String>>>,
    ) -> (Arc<PolicyTarget>, Vec<Rule>, Option<HostAnswer>) {
        let notes = notes.map(|notes| self.notes(notes)).unwrap_or_default();
        let target = Arc::new(self.target(&spec.target));
        if spec.rules.value.is_empty() {
            let help = "a policy without rules does nothing; remove it";
            self.error_with("empty-list", &spec.rules, "`rules` is empty", help);
        }
        let answer = spec.deny.as_ref().map(|deny| self.denial(deny));
        let (mut seen, mut rules) = (BTreeMap::new(), Vec::with_capacity(spec.rules.value.len()));
        for rule in &spec.rules.value {
            self.name(&rule.name, &mut seen);
            let annotations = self.annotations(&notes, rule.annotations.as_ref());
            let compiled = self.rule(rule, &target, answer.as_ref());
            rules.push(Rule { annotations, ..compiled });
        }
        let told = answer.map(|answer| {
            let (policy, target) = (Arc::clone(&self.policy), Arc::clone(&target));
            HostAnswer { policy, target, answer }
        });
        (target, rules, told)
    }

    fn target(&mut self, spec: &Spanned<TargetSpec>) -> PolicyTarget {
        let TargetSpec {
            hosts,
            any_host,
            any_authority_port,
            ports,
            host_is_sni,
            paths,
            tokens,
            keep,
        } = &spec.value;
        let any_host = any_host.as_ref().filter(|any| any.value);
        match (hosts, any_host) {
            (None, None) => {
                let help =
                    "list `hosts`, or say `anyHost: true` where the rules are about every host";
                self.error_with("missing-target", spec, "the target names no hosts", help);
            }
            (Some(_), Some(any)) => {
                let message = "`anyHost` and `hosts` are both given";
                self.error_with("contradiction", any, message, "keep one of the two");
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        let hosts = self.each(hosts.as_ref(), "hosts", |text: &String| {
            if let Some(problem) = habits::foreign_host(text) {
                return Err(problem);
            }
            AuthorityPattern::parse(text)
                .map_err(|(why, help)| ("invalid-host", why, help.map(str::to_owned)))
        });
        let ports = self.each(ports.as_ref(), "ports", |port: &u16| match *port {
            0 => Err(("invalid-port", String::from("`0` is not a port"), None)),
            port => Ok(port),
        });
        let leniency = paths.map_or_else(PathLeniency::default, leniency);
        let counting = tokens.as_ref().and_then(|tokens| self.counting(tokens));
        let keep = keep.as_ref().map(|keep| Arc::new(self.keep(keep)));
        let says = |key: &Option<Spanned<bool>>| key.as_ref().is_some_and(|key| key.value);
        PolicyTarget {
            hosts: hosts.into(),
            any_authority_port: says(any_authority_port),
            ports: ports.into(),
            host_is_sni: says(host_is_sni),
            leniency,
            counting,
            keep,
        }
    }

    /// The issuers whose tokens count at the target, where those of others are ignored.
    fn counting(&mut self, spec: &Spanned<TargetTokensSpec>) -> Option<Box<[Box<str>]>> {
        let TargetTokensSpec { issuers, others } = &spec.value;
        let ignored = *others == RejectedSpec::Ignored;
        if !ignored {
            let help = "write `others: ignored` where tokens of other issuers are none here, or remove `tokens`";
            let message = "`tokens` says nothing: tokens of others are refused anyway";
            self.error_with("empty-list", spec, message, help);
        }
        for issuer in issuers.iter().flat_map(|issuers| &issuers.value) {
            self.refers("TokenIssuer", "unknown-issuer", issuer, self.names.issuers);
        }
        let read = |name: &String| Ok(Box::from(name.as_str()));
        let issuers = self.each(issuers.as_ref(), "issuers", read);
        ignored.then(|| issuers.into())
    }

    /// Checks that a rule's name has the form of names and is not taken.
    fn name<'n>(&mut self, name: &'n Spanned<String>, seen: &mut BTreeMap<&'n str, Span>) {
        let text = name.value.as_str();
        if !is_name(text) {
            let message =
                format!("`{text}` is not a name: expected lower-case letters, digits, `-` and `.`");
            self.error("invalid-name", name, message);
        }
        if let Some(first) = seen.get(text) {
            let message = format!("rule `{text}` is already defined at {first}");
            self.error_with("duplicate-rule", name, message, "give each rule a name of its own");
        } else {
            seen.insert(text, self.origin.span(name));
        }
    }

    /// Reads each entry of a list; what cannot be read is a problem at its place. An empty list matches nothing, and
    /// whoever writes one means something else.
    fn each<S, T>(
        &mut self,
        list: Option<&Spanned<Vec<Spanned<S>>>>,
        key: &str,
        read: impl Fn(&S) -> Result<T, Problem>,
    ) -> Vec<T> {
        let Some(list) = list else { return Vec::new() };
        if list.value.is_empty() {
            let message = format!("`{key}` is empty, so nothing can match");
            let help = format!("list what is meant, or leave `{key}` out");
            self.error_with("empty-list", list, message, help);
        }
        let mut read_values = Vec::with_capacity(list.value.len());
        for entry in &list.value {
            match read(&entry.value) {
                Ok(value) => read_values.push(value),
                Err(problem) => self.report(entry, problem),
            }
        }
        read_values
    }

    /// Reports an error at `place`.
    fn error<T>(&mut self, code: &'static str, place: &Spanned<T>, message: impl Into<String>) {
        self.report(place, (code, message.into(), None));
    }

    /// Reports an error at `place`, with advice.
    fn error_with<T>(
        &mut self,
        code: &'static str,
        place: &Spanned<T>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.report(place, (code, message.into(), Some(help.into())));
    }

    fn report<T>(&mut self, place: &Spanned<T>, (code, message, help): Problem) {
        let problem = Diagnostic::error(code, self.origin.span(place), message);
        self.problems.push(Diagnostic { help, ..problem });
    }

    /// Checks a reference to another document.
    fn refers(&mut self, kind: &str, code: &'static str, name: &Spanned<String>, known: &[&str]) {
        let text = name.value.as_str();
        if known.contains(&text) {
            return;
        }
        let help = match closest(text, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("there is no `kind: {kind}` document"),
            None => format!("known are: {}", known.join(", ")),
        };
        self.error_with(code, name, format!("no {kind} document is called `{text}`"), help);
    }
}

fn leniency(spec: PathsSpec) -> PathLeniency {
    PathLeniency {
        encoded_slashes: spec.encoded_slashes == EncodedSlashesSpec::KeptByUpstream,
        parameters: spec.parameters == ParametersSpec::RemovedByUpstream,
        empty_segments: spec.empty_segments == EmptySegmentsSpec::MergedByUpstream,
    }
}

/// What is wrong with one entry: code, message and advice.
pub(in crate::policy) type Problem = (&'static str, String, Option<String>);
