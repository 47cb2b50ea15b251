//! A section of a page, as a terminal shows it: links as text, lines of a readable length.

/// The longest line of prose, in characters.
const WIDTH: usize = 100;

/// `section` without Markdown's links, wrapped. Code and tables stay as they are.
pub(super) fn of_section(section: &str) -> String {
    let mut is_code = false;
    let lines = section.trim().lines().map(|line| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        match is_code || is_fence || line.starts_with('|') {
            true => line.to_owned(),
            false => wrapped(&without_links(line)),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `[text](page.md#part)` as `text (docs/page.md#part)`; a link within the page as its text.
fn without_links(line: &str) -> String {
    let mut rest = line;
    let mut text = String::with_capacity(line.len());
    while let Some((before, link, after)) = next_link(rest) {
        text.push_str(before);
        text.push_str(&link);
        rest = after;
    }
    text + rest
}

/// The text before the first link, the link as text, and the text after it.
fn next_link(text: &str) -> Option<(&str, String, &str)> {
    let (named, rest) = text.split_once("](")?;
    let (before, name) = named.rsplit_once('[')?;
    let (target, after) = rest.split_once(')')?;
    let link = match target {
        own if own.starts_with('#') => name.to_owned(),
        address if address.contains("://") => format!("{name} ({address})"),
        page => match page.strip_prefix("../") {
            Some(page) => format!("{name} ({page})"),
            None => format!("{name} (docs/{page})"),
        },
    };
    Some((before, link, after))
}

fn wrapped(line: &str) -> String {
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        let length = lines.last().map_or(0, |last| last.chars().count());
        let is_full = length > 0 && length.saturating_add(word.chars().count()) >= WIDTH;
        if is_full {
            lines.push(String::new());
        }
        if let Some(last) = lines.last_mut() {
            if length > 0 && !is_full {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_text_and_lines_are_wrapped() {
        let section = "See [the list](operations.md#list), [below](#x), [RFC](https://a.example/b) and [it](../SECURITY.md).\n\n```sh\n[a](b)\n```\n";
        let text = of_section(section);
        assert_eq!(
            text,
            "See the list (docs/operations.md#list), below, RFC (https://a.example/b) and it (SECURITY.md).\n\n```sh\n[a](b)\n```"
        );
        let long = of_section(&"word ".repeat(50));
        assert!(long.lines().all(|line| line.len() <= WIDTH) && long.lines().count() == 3);
        assert_eq!(long.replace('\n', " "), "word ".repeat(50).trim());
        assert_eq!(of_section("a [b] (c) ](d"), "a [b] (c) ](d");
    }
}
