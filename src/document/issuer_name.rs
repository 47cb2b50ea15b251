//! The `iss` of an issuer's tokens: one text, or a template for several tenants (P467).

use super::TokenIssuerSpec;

/// The text that stands for the tenant in a template.
pub const TENANT: &str = "{tenant}";

/// Longest name of a tenant.
const MAX_TENANT_BYTES: usize = 128;

/// The `iss` of an issuer's tokens, compared byte by byte (RFC 7519 section 4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerName {
    text: String,
    tenants: Option<Tenants>,
}

/// The tenant in an `iss` that begins as those of a template do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BegunIssuer<'i> {
    /// The tenant.
    pub tenant: &'i str,
    /// True if it is one of the template's.
    pub is_allowed: bool,
    /// The `iss` of the tenant's tokens.
    pub meant: String,
}

/// The tenants that may stand in a template, and the text around them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tenants {
    template: String,
    before: String,
    after: String,
    /// Names, or with one `*` patterns of names.
    allowed: Vec<String>,
}

impl IssuerName {
    /// That of a document, whose faults are found elsewhere.
    pub fn of(spec: &TokenIssuerSpec) -> Self {
        let text = spec.issuer.value.clone();
        let tenants = spec.tenants.as_ref().and_then(|tenants| {
            let (before, after) = text.split_once(TENANT)?;
            let allowed = tenants.value.iter().map(|own| own.value.clone()).collect();
            let (template, before) = (text.clone(), before.to_owned());
            Some(Tenants { template, before, after: after.to_owned(), allowed })
        });
        Self { text, tenants }
    }

    /// As a document has it; of one tenant filled in.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True if it has tenants.
    pub const fn is_template(&self) -> bool {
        self.tenants.is_some()
    }

    /// The text of the document with `{tenant}` in it, of an issuer with tenants: also of one of them.
    pub fn template(&self) -> Option<&str> {
        self.tenants.as_ref().map(|own| own.template.as_str())
    }

    /// True if an entry about `text` is about tokens of this issuer: about one tenant, or by the template about every one.
    pub fn is_meant_by(&self, text: &str) -> bool {
        self.is(text) || self.template() == Some(text)
    }

    /// True if `iss` differs from one of this issuer by white space, case or a final `/` alone.
    pub fn is_near(&self, iss: &str) -> bool {
        let trimmed = |text: &str| text.trim_end_matches('/').to_ascii_lowercase();
        let iss = trimmed(iss.trim());
        let Some(Tenants { before, after, allowed, .. }) = &self.tenants else {
            return iss == trimmed(self.text.trim());
        };
        let tenant = iss.strip_prefix(&before.to_ascii_lowercase());
        let tenant = tenant.and_then(|rest| rest.strip_suffix(&trimmed(after)));
        let fits = |own: &String| tenant.is_some_and(|name| fits(&own.to_ascii_lowercase(), name));
        tenant.is_some_and(is_tenant) && allowed.iter().any(fits)
    }

    /// True if tokens with this `iss` are of this issuer.
    pub fn is(&self, iss: &str) -> bool {
        match &self.tenants {
            None => self.text == iss,
            Some(_) => self.tenant(iss).is_some(),
        }
    }

    /// The tenant in an `iss` of this issuer: exactly one segment of the path, and one that is allowed.
    pub fn tenant<'i>(&self, iss: &'i str) -> Option<&'i str> {
        let Tenants { before, after, allowed, .. } = self.tenants.as_ref()?;
        let tenant = iss.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
        let is_allowed = is_tenant(tenant) && allowed.iter().any(|own| fits(own, tenant));
        is_allowed.then_some(tenant)
    }

    /// The tenant in an `iss` that begins as those of this template, however it goes on.
    pub fn begun_by<'i>(&self, iss: &'i str) -> Option<BegunIssuer<'i>> {
        let Tenants { before, after, allowed, .. } = self.tenants.as_ref()?;
        let tenant = iss.strip_prefix(before.as_str())?.split('/').next()?;
        let is_allowed = allowed.iter().any(|own| fits(own, tenant));
        let meant = format!("{before}{tenant}{after}");
        is_tenant(tenant).then_some(BegunIssuer { tenant, is_allowed, meant })
    }

    /// Its tenants, as a document names them.
    pub fn tenants(&self) -> &[String] {
        self.tenants.as_ref().map(|own| own.allowed.as_slice()).unwrap_or_default()
    }

    /// Its tenants, where each is named.
    pub fn named_tenants(&self) -> Option<&[String]> {
        let Tenants { allowed, .. } = self.tenants.as_ref()?;
        allowed.iter().all(|own| !own.contains('*')).then_some(allowed)
    }

    /// The same for one of its tenants.
    pub fn of_tenant(&self, tenant: &str) -> Self {
        let one = |own: &Tenants| Tenants { allowed: vec![tenant.to_owned()], ..own.clone() };
        Self { text: self.text.replace(TENANT, tenant), tenants: self.tenants.as_ref().map(one) }
    }

    /// True if a token may be of both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let each = |own: &Self| match (&own.tenants, own.named_tenants()) {
            (None, _) => Some(vec![own.text.clone()]),
            (Some(_), Some(names)) => {
                Some(names.iter().map(|name| own.text.replace(TENANT, name)).collect())
            }
            (Some(_), None) => None,
        };
        match (each(self), each(other)) {
            (Some(own), _) => own.iter().any(|iss| other.is(iss)),
            (None, Some(others)) => others.iter().any(|iss| self.is(iss)),
            (None, None) => {
                let before = |name: &Self| name.tenants.as_ref().map(|own| own.before.clone());
                let (own, others) = (before(self), before(other));
                own.zip(others).is_some_and(|(a, b)| a.starts_with(&b) || b.starts_with(&a))
            }
        }
    }
}

/// True if a text can be the name of a tenant: one segment of a path that no reader takes for more (RFC 3986 section 2.3).
pub fn is_tenant(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    (1..=MAX_TENANT_BYTES).contains(&text.len())
        && text.bytes().all(plain)
        && !text.bytes().all(|b| b == b'.')
}

/// True if a tenant is the one that is named, or fits the pattern: `*` stands for one character or more.
fn fits(allowed: &str, tenant: &str) -> bool {
    let Some((before, after)) = allowed.split_once('*') else { return allowed == tenant };
    let rest = tenant.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    rest.is_some_and(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{IssuerName, Tenants};

    fn name(text: &str, allowed: &[&str]) -> IssuerName {
        let (before, after) = text.split_once("{tenant}").unwrap();
        let allowed = allowed.iter().map(ToString::to_string).collect();
        let (template, before) = (text.into(), before.into());
        let tenants = Tenants { template, before, after: after.into(), allowed };
        IssuerName { text: text.into(), tenants: Some(tenants) }
    }

    /// P467: a tenant is one segment of the path, one that is allowed, and nothing around it differs.
    #[test]
    fn a_tenant_is_exactly_one_allowed_segment() {
        let named = name("https://l.example/{tenant}/v2.0", &["acme", "globex"]);
        let some = name("https://l.example/{tenant}/v2.0", &["eu-*", "us"]);
        let any = name("https://l.example/{tenant}", &["*"]);
        for (name, iss, tenant) in [
            (&named, "https://l.example/acme/v2.0", Some("acme")),
            (&named, "https://l.example/ACME/v2.0", None),
            (&named, "https://l.example/acme/v2.0/", None),
            (&named, "https://l.example//v2.0", None),
            (&named, "https://l.example/v2.0", None),
            (&named, "https://l.example/{tenant}/v2.0", None),
            (&named, "http://l.example/acme/v2.0", None),
            (&some, "https://l.example/eu-1/v2.0", Some("eu-1")),
            (&some, "https://l.example/eu-/v2.0", None),
            (&some, "https://l.example/eu-1/../us/v2.0", None),
            (&some, "https://l.example/eu-%2e/v2.0", None),
            (&any, "https://l.example/a.b~c_d-e", Some("a.b~c_d-e")),
            (&any, "https://l.example/", None),
            (&any, "https://l.example/.", None),
            (&any, "https://l.example/..", None),
            (&any, "https://l.example/a/b", None),
            (&any, "https://l.example/a?b", None),
            (&any, "https://l.example/a b", None),
            (&any, "https://l.example/\u{e9}", None),
        ] {
            assert_eq!(name.tenant(iss), tenant, "{iss}");
            assert_eq!(name.is(iss), tenant.is_some(), "{iss}");
        }
        let long = format!("https://l.example/{}", "a".repeat(129));
        assert_eq!(any.tenant(&long), None);
    }

    /// P501: a near-miss of a template is one of an `iss` that it stands for, as of a plain one.
    #[test]
    fn near_misses_of_a_template_are_near() {
        let inner = name("https://l.example/{tenant}/v2.0", &["acme", "eu-*"]);
        let last = name("https://l.example/{tenant}", &["Acme"]);
        let slash = name("https://l.example/{tenant}/", &["acme"]);
        for (name, iss, near) in [
            (&inner, "https://l.example/acme/v2.0", true),
            (&inner, "https://l.example/acme/v2.0/", true),
            (&inner, "https://L.example/ACME/V2.0", true),
            (&inner, " https://l.example/EU-1/v2.0", true),
            (&inner, "https://l.example/globex/v2.0", false),
            (&inner, "https://l.example/acme/x/v2.0", false),
            (&inner, "https://l.example/eu-/v2.0", false),
            (&inner, "https://l.example/{tenant}/v2.0", false),
            (&last, "https://l.example/acme/", true),
            (&last, "https://l.example/acme//", true),
            (&last, "https://l.example/acme/x", false),
            (&slash, "https://l.example/acme", true),
            (&slash, "https://l.example/ACME/", true),
        ] {
            assert_eq!(name.is_near(iss), near, "{iss}");
        }
    }

    /// P53: what two documents may both be about is found when they are loaded.
    #[test]
    fn names_that_share_a_token_overlap() {
        let exact = |text: &str| IssuerName { text: text.into(), tenants: None };
        let named = name("https://l.example/{tenant}/v2.0", &["acme", "globex"]);
        let any = name("https://l.example/{tenant}/v2.0", &["*"]);
        for (one, other, expected) in [
            (exact("https://a"), exact("https://a"), true),
            (exact("https://a"), exact("https://b"), false),
            (exact("https://l.example/acme/v2.0"), named.clone(), true),
            (exact("https://l.example/other/v2.0"), named.clone(), false),
            (exact("https://l.example/other/v2.0"), any.clone(), true),
            (named.clone(), any.clone(), true),
            (named, name("https://l.example/{tenant}/v2.0", &["initech"]), false),
            (any.clone(), name("https://l.example/x/{tenant}", &["*"]), true),
            (any, name("https://m.example/{tenant}", &["*"]), false),
        ] {
            assert_eq!(one.overlaps(&other), expected, "{one:?} {other:?}");
            assert_eq!(other.overlaps(&one), expected, "{other:?} {one:?}");
        }
    }
}
