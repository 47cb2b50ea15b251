//! Placeholders of templates, which are no YAML.

/// The text in the place of a `${PLACEHOLDER}`, again and again.
pub(super) const FILLER: &str = "?_";

/// `text` with each `${PLACEHOLDER}` as a word of the same length, so that every place stays.
pub(super) fn filled(text: &str) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        match end.and_then(|end| after.split_at_checked(end)) {
            Some((name, left)) if left.starts_with('}') => {
                filled.extend(FILLER.chars().cycle().take(name.len().saturating_add(3)));
                rest = left.get(1..).unwrap_or_default();
            }
            _ => {
                filled.push_str("${");
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}
