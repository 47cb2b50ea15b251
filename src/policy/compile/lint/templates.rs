//! Templates as other tools write them: a value that is sent as it stands, where its author meant what is in it.

use super::source_rule::SourceRule;
use crate::document::policy::Entries;
use crate::document::{Code, Diagnostic, Spanned};
use crate::policy::requirement::template::Template;

/// The signs with which other tools begin variables, and the names of the tools.
const FOREIGN: [(&str, &str); 4] =
    [("${", "shells"), ("$(", "Kubernetes"), ("%REQ(", "Envoy"), ("%DYNAMIC_METADATA(", "Envoy")];

/// Looks at what one rule tells the upstream and the caller.
pub(super) fn of(written: &SourceRule<'_>) -> Vec<Diagnostic> {
    let Some(inject) = &written.spec.inject else { return Vec::new() };
    let inject = &inject.value;
    let claims = inject.assertion.as_ref().and_then(|own| own.value.claims.as_ref());
    let lists = [&inject.headers, &inject.response_headers, &inject.query, &inject.metadata];
    let lists = lists.into_iter().flatten().chain(claims);
    lists.flat_map(values).filter_map(|value| foreign(written, value)).collect()
}

fn values(list: &Spanned<Entries<String>>) -> impl Iterator<Item = &Spanned<String>> {
    list.value.0.iter().map(|(_, value)| value)
}

fn foreign(written: &SourceRule<'_>, value: &Spanned<String>) -> Option<Diagnostic> {
    let text = value.value.as_str();
    let doubled = text.contains("{{") && {
        let single = text.replace("{{", "{").replace("}}", "}");
        Template::parse(&single).is_ok_and(|template| template.variables().next().is_some())
    };
    let message = match FOREIGN.iter().find(|(sign, _)| text.contains(sign)) {
        _ if doubled => format!("`{text}` is sent with single braces, and no value replaces it"),
        Some((sign, who)) => {
            format!("`{sign}` in `{text}` is sent unchanged: {who} write variables in this way")
        }
        None => return None,
    };
    let help = "write a variable in single braces, as in `{token.sub}`";
    Some(Diagnostic::warning(Code::LiteralTemplate, written.origin.span(value), message).help(help))
}
