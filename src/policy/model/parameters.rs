//! Query parameters that rules set or remove, and the caller's copies of them in every spelling (P12, P13).

use crate::request::is_spelling_of_parameter;

/// The parameters of a request that are, to some reader, those that a rule sets or removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::policy) struct Copies {
    /// Their names as they are spelled in the request, each once.
    pub(in crate::policy) spellings: Vec<String>,
    /// One that a proxy cannot take out without taking out something else.
    pub(in crate::policy) hidden: bool,
}

/// The characters of a parameter that Envoy sets if it validates mutations (`validate_mutations`). It takes every other
/// character for one that is not encoded, `%` included, and answers 500 (P135).
pub(in crate::policy) const fn is_settable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'-' | b'.' | b'_')
}

/// Checks the name of a parameter that a rule sets.
pub(in crate::policy) fn check_injected_parameter(
    name: &str,
) -> Result<String, (String, Option<&'static str>)> {
    check_parameter(name)?;
    if !name.bytes().all(is_settable) {
        let help = "use letters, digits, `-`, `.` and `_`: Envoy sets no others";
        return Err((format!("query parameter `{name}` cannot be set"), Some(help)));
    }
    Ok(name.to_owned())
}

/// Checks the name of a parameter that a rule sets or removes.
pub(in crate::policy) fn check_parameter(name: &str) -> Result<(), (String, Option<&'static str>)> {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(unreserved) {
        let help = "use at most 64 letters, digits, `-`, `.`, `_` and `~`";
        return Err((format!("`{name}` is not a name for a query parameter"), Some(help)));
    }
    Ok(())
}

impl Copies {
    /// Looks for `names` in a raw query.
    ///
    /// A proxy splits at `&` and knows parameters by their undecoded names. Readers behind it decode, some split at `;`, too,
    /// some do not tell cases apart, and some read `a[]` as `a`.
    pub(in crate::policy) fn of(names: &[&str], query: &str) -> Self {
        let mut copies = Self::default();
        if names.is_empty() {
            return copies;
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let mut readings = pair.split(';').map(|part| is_one_of(names, name_of(part)));
            let spelling = name_of(pair);
            if readings.next() == Some(true) && !copies.spellings.iter().any(|own| own == spelling)
            {
                copies.spellings.push(spelling.to_owned());
            }
            copies.hidden |= readings.any(|found| found);
        }
        copies
    }
}

fn name_of(pair: &str) -> &str {
    pair.split('=').next().unwrap_or_default()
}

fn is_one_of(names: &[&str], sent: &str) -> bool {
    names.iter().any(|name| is_spelling_of_parameter(sent, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P13: whatever some reader takes for the parameter that a rule sets.
    #[test]
    fn every_spelling_of_a_parameter_is_found() {
        for (query, spellings, hidden) in [
            ("", &[][..], false),
            ("a=1&tenants=2&xtenant=3&te=4", &[], false),
            ("a=tenant&b=%74enant", &[], false),
            ("tenant=root", &["tenant"], false),
            ("tenant=a&tenant=b", &["tenant"], false),
            ("tenant", &["tenant"], false),
            ("a=1&Tenant=x&%74enant=y&tenan%54=z", &["Tenant", "%74enant", "tenan%54"], false),
            (
                "tenant[]=x&tenant[a]=y&tenant%5B%5D=z",
                &["tenant[]", "tenant[a]", "tenant%5B%5D"],
                false,
            ),
            ("+tenant=x&tenant%20=y", &["+tenant", "tenant%20"], false),
            ("[tenant]=x&%2574enant=y", &["[tenant]", "%2574enant"], false),
            ("tenant;a=1", &["tenant;a"], false),
            ("a=1;tenant=root", &[], true),
            ("a=1;b=2;%74enant", &[], true),
            ("a=1;b=2", &[], false),
            ("%=1&%zz=2&%ff=3", &[], false),
        ] {
            let expected = spellings.iter().map(ToString::to_string).collect();
            let found = Copies::of(&["tenant"], query);
            assert_eq!(found, Copies { spellings: expected, hidden }, "{query}");
        }
    }
}
