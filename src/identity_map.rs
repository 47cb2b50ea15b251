//! From what a token says to the name that its presenter must have on the wire: the rule behind `bind`.
//!
//! A claim is taken apart by `form` and put together again by `map`. A placeholder stands for one piece of a name, which never
//! holds a separator, so that there is one way to read a claim and no claim can write a name with more parts than `map` has.

use serde_json::{Map, Value};

use crate::words::words;

/// The map from a claim to a name of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityMap {
    pointer: String,
    to: PeerName,
    /// How the claim is made up; none where the claim is the name.
    form: Option<NameTemplate>,
    map: Option<NameTemplate>,
}

words! {
    /// Which of the peer's names is compared.
    pub enum PeerName {
        /// Its SPIFFE ID.
        Spiffe "peer.spiffe",
        /// One of the DNS names of its certificate.
        Dns "peer.dns",
        /// One of the URIs of its certificate.
        Uri "peer.uri",
    }
}

/// A mistake in a `bind`: its field, the message, and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapError {
    /// `claim`, `form`, `to` or `map`.
    pub field: &'static str,
    /// The message.
    pub message: String,
    /// The fix.
    pub help: &'static str,
}

/// Texts and placeholders, taking turns.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NameTemplate(Vec<MapPart>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum MapPart {
    Text(String),
    Piece(String),
}

/// Longest claim that is taken apart. Names are shorter: a SPIFFE ID has 2,048 bytes at most.
const MAX_CLAIM_BYTES: usize = 2048;

impl IdentityMap {
    /// Reads the four fields of a `bind`. `claim` is the name of a claim, or a JSON pointer that begins with `/`.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(
        claim: &str,
        form: Option<&str>,
        to: &str,
        map: Option<&str>,
    ) -> Result<Self, MapError> {
        let pointer = pointer(claim)?;
        let to = PeerName::parse(to)?;
        let form = form.map(|text| NameTemplate::parse("form", text)).transpose()?;
        if to == PeerName::Spiffe && map.is_some_and(|map| !map.starts_with("spiffe://")) {
            let message =
                "`map` does not begin with `spiffe://`, as every SPIFFE ID does".to_owned();
            let help = "write it such as `spiffe://prod.example/ns/web/sa/{client}`";
            return Err(MapError { field: "map", message, help });
        }
        let map = map.map(|text| NameTemplate::parse("map", text)).transpose()?;
        let form = match (form, &map) {
            (Some(form), Some(map)) => {
                form.check_form()?;
                map.check_names(&form)?;
                Some(form)
            }
            (None, Some(map)) => Some(NameTemplate(vec![MapPart::Piece(map.only_name()?)])),
            (Some(_), None) => {
                let message = "`form` without `map` says nothing".to_owned();
                let help = "write with `map` which name the peer must have then";
                return Err(MapError { field: "form", message, help });
            }
            (None, None) => None,
        };
        Ok(Self { pointer, to, form, map })
    }

    /// The place of the claim: a JSON pointer (RFC 6901).
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Which of the peer's names is compared.
    pub const fn to(&self) -> PeerName {
        self.to
    }

    /// The name that the peer must have for this claim; none where the claim is not made up as it has to be.
    pub fn expected(&self, claim: &Value) -> Option<String> {
        let claim =
            claim.as_str().filter(|text| !text.is_empty() && text.len() <= MAX_CLAIM_BYTES)?;
        match (&self.form, &self.map) {
            (Some(form), Some(map)) => map.fill(&form.pieces(claim, self.to)?),
            (_, _) => Some(claim.to_owned()),
        }
    }
}

/// `/act/sub` as it is; `client_id` is `/client_id`.
fn pointer(claim: &str) -> Result<String, MapError> {
    let refuse = |message: String, help| MapError { field: "claim", message, help };
    if claim.is_empty() {
        return Err(refuse("`claim` is empty".into(), "name a claim, such as `client_id`"));
    }
    if claim.starts_with('/') {
        if claim.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
            let message =
                format!("`{claim}` is not a JSON pointer: `~` stands only in `~0` and `~1`");
            return Err(refuse(message, "write `~0` for `~` and `~1` for `/`"));
        }
        return Ok(claim.to_owned());
    }
    if claim.contains('/') {
        let message = format!("`{claim}` is neither the name of a claim nor a JSON pointer");
        return Err(refuse(message, "begin a pointer with `/`, such as `/act/sub`"));
    }
    Ok(format!("/{}", claim.replace('~', "~0")))
}

impl PeerName {
    fn parse(text: &str) -> Result<Self, MapError> {
        Self::named(text).ok_or_else(|| MapError {
            field: "to",
            message: format!("`{text}` is not a name of a peer"),
            help: "write `peer.spiffe`, `peer.dns` or `peer.uri`",
        })
    }

    /// True if a piece of such a name may have this character: one between two separators, never a separator.
    const fn allows(self, c: char) -> bool {
        match self {
            Self::Dns => c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
            Self::Spiffe | Self::Uri => is_piece(c),
        }
    }
}

/// The characters of a segment of a SPIFFE ID (SPIFFE-ID section 2.2).
const fn is_piece(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

impl NameTemplate {
    fn parse(field: &'static str, text: &str) -> Result<Self, MapError> {
        let refuse = |message: String| MapError {
            field,
            message,
            help: "write placeholders as `{name}`, each once, with letters, digits and `_`",
        };
        let mut parts: Vec<MapPart> = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (before, after) = rest.split_once('{').unwrap_or((rest, ""));
            if before.contains('}') || (before.len() < rest.len() && !after.contains('}')) {
                return Err(refuse(format!(
                    "`{text}` has a brace that is not closed, or not opened"
                )));
            }
            if !before.is_empty() {
                parts.push(MapPart::Text(before.to_owned()));
            }
            let Some((name, tail)) = after.split_once('}') else { break };
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                return Err(refuse(format!("`{text}` has a placeholder without a proper name")));
            }
            if matches!(parts.last(), Some(MapPart::Piece(_))) {
                return Err(refuse(format!(
                    "`{text}` has two placeholders with nothing between them"
                )));
            }
            parts.push(MapPart::Piece(name.to_owned()));
            rest = tail;
        }
        let template = Self(parts);
        let mut names: Vec<_> = template.names().collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() || (field == "form" && names.len() < template.names().count()) {
            return Err(refuse(format!("`{text}` has no placeholder, or the same one twice")));
        }
        Ok(template)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            MapPart::Piece(name) => Some(name.as_str()),
            MapPart::Text(_) => None,
        })
    }

    /// The characters beside a placeholder are no part of a piece; otherwise the end of the piece would be ambiguous.
    fn check_form(&self) -> Result<(), MapError> {
        let last = self.0.len().saturating_sub(1);
        for (at, part) in self.0.iter().enumerate() {
            let MapPart::Text(text) = part else { continue };
            let touches_before = at > 0 && text.starts_with(is_piece);
            let touches_after = at < last && text.ends_with(is_piece);
            if touches_before || touches_after {
                return Err(MapError {
                    field: "form",
                    message: format!("`{text}` beside a placeholder could be a part of it"),
                    help: "set placeholders apart by a character that names do not have, such as `:`, `/` or `@`",
                });
            }
        }
        Ok(())
    }

    fn check_names(&self, form: &Self) -> Result<(), MapError> {
        match self.names().find(|name| !form.names().any(|other| other == *name)) {
            None => Ok(()),
            Some(name) => Err(MapError {
                field: "map",
                message: format!("`{{{name}}}` is not in `form`"),
                help: "use the placeholders of `form`",
            }),
        }
    }

    fn only_name(&self) -> Result<String, MapError> {
        let first = self.names().next().unwrap_or_default();
        if self.names().any(|name| name != first) {
            return Err(MapError {
                field: "map",
                message: "`map` has several placeholders, and nothing says which part of the claim is which".into(),
                help: "say how the claim is made up, such as `form: \"{ns}/{client}\"`",
            });
        }
        Ok(first.to_owned())
    }

    /// The pieces of `claim` by their names, where it is made up like this.
    fn pieces<'a>(&'a self, claim: &'a str, of: PeerName) -> Option<Vec<(&'a str, &'a str)>> {
        let mut rest = claim;
        let mut pieces = Vec::new();
        for part in &self.0 {
            match part {
                MapPart::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                MapPart::Piece(name) => {
                    let end = rest.find(|c| !is_piece(c)).unwrap_or(rest.len());
                    let (piece, tail) = rest.split_at_checked(end)?;
                    let proper = !piece.is_empty() && piece.chars().all(|c| of.allows(c));
                    // `.` and `..` are no segments of a name.
                    if !proper || piece == "." || piece == ".." {
                        return None;
                    }
                    pieces.push((name.as_str(), piece));
                    rest = tail;
                }
            }
        }
        rest.is_empty().then_some(pieces)
    }

    fn fill(&self, pieces: &[(&str, &str)]) -> Option<String> {
        self.0.iter().try_fold(String::new(), |out, part| {
            let text = match part {
                MapPart::Text(text) => text.as_str(),
                MapPart::Piece(name) => pieces.iter().find(|(own, _)| own == name)?.1,
            };
            Some(out + text)
        })
    }
}

/// The claim at the JSON pointer `pointer` (RFC 6901 section 4).
pub fn claim_at<'a>(claims: &'a Map<String, Value>, pointer: &str) -> Option<&'a Value> {
    let rest = pointer.strip_prefix('/')?;
    let first = rest.split('/').next().unwrap_or_default();
    let tail = rest.get(first.len()..).unwrap_or_default();
    claims.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SA: &str = "spiffe://prod.example/ns/{ns}/sa/{client}";

    fn map(form: Option<&str>, map: &str) -> IdentityMap {
        IdentityMap::parse("client_id", form, "peer.spiffe", Some(map)).unwrap()
    }

    #[test]
    fn a_claim_is_taken_apart_in_one_way() {
        let whole = map(None, "spiffe://prod.example/ns/web/sa/{client}");
        let parts = map(Some("{ns}/{client}"), SA);
        let account = map(Some("system:serviceaccount:{ns}:{client}"), SA);
        let web = "spiffe://prod.example/ns/web/sa/front";
        for (map, claim, expected) in [
            (&whole, json!("front"), Some(web)),
            (&whole, json!("web/sa/front"), None),
            (&whole, json!(".."), None),
            (&whole, json!(""), None),
            (&whole, json!("frönt"), None),
            (&whole, json!("front "), None),
            (&whole, json!(["front"]), None),
            (&whole, json!(7), None),
            (&whole, json!(null), None),
            (&parts, json!("web/front"), Some(web)),
            (&parts, json!("web/front/"), None),
            (&parts, json!("web//front"), None),
            (&parts, json!("/web/front"), None),
            (&parts, json!("web/sa/front"), None),
            (&parts, json!("front"), None),
            (&parts, json!("web%2ffront"), None),
            (&account, json!("system:serviceaccount:web:front"), Some(web)),
            (&account, json!("system:serviceaccount:web:front:x"), None),
            (&account, json!("system:serviceaccount::front"), None),
        ] {
            assert_eq!(map.expected(&claim).as_deref(), expected, "{claim}");
        }
    }

    #[test]
    fn without_a_map_the_claim_is_the_name() {
        let same = IdentityMap::parse("/act/sub", None, "peer.spiffe", None).unwrap();
        assert_eq!(same.pointer(), "/act/sub");
        let id = "spiffe://prod.example/ns/web/sa/front";
        assert_eq!(same.expected(&json!(id)).as_deref(), Some(id));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let parse = IdentityMap::parse;
        for (claim, form, to, map, field) in [
            ("", None, "peer.spiffe", None, "claim"),
            ("act/sub", None, "peer.spiffe", None, "claim"),
            ("/a~b", None, "peer.spiffe", None, "claim"),
            ("sub", None, "peer.name", None, "to"),
            ("sub", None, "peer.spiffe", Some(SA), "map"),
            ("sub", None, "peer.spiffe", Some("spiffe://a/b"), "map"),
            ("sub", None, "peer.spiffe", Some("spiffe://a/{b"), "map"),
            ("sub", None, "peer.spiffe", Some("spiffe://a/b}"), "map"),
            ("sub", None, "peer.spiffe", Some("spiffe://a/{}"), "map"),
            ("sub", None, "peer.spiffe", Some("spiffe://a/{a b}"), "map"),
            ("sub", Some("{ns}/{client}"), "peer.spiffe", None, "form"),
            ("sub", Some("{ns}{client}"), "peer.spiffe", Some(SA), "form"),
            ("sub", Some("{ns}-{client}"), "peer.spiffe", Some(SA), "form"),
            ("sub", Some("{ns}.x:{client}"), "peer.spiffe", Some(SA), "form"),
            ("sub", Some("sa-{client}"), "peer.spiffe", Some("spiffe://a/{client}"), "form"),
            ("sub", Some("{ns}/{ns}"), "peer.spiffe", Some("spiffe://a/{ns}"), "form"),
            ("sub", Some("{ns}/{client}"), "peer.spiffe", Some("spiffe://a/{nz}"), "map"),
        ] {
            let error = parse(claim, form, to, map).unwrap_err();
            assert_eq!(error.field, field, "{claim} {form:?} {map:?}: {}", error.message);
        }
    }
}
