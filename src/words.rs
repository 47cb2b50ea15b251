//! Enumerations whose values are called by a word in documents, records and output.

/// A number and its noun.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{count} {stem}ies"),
        (_, Some(_) | None) => format!("{count} {noun}s"),
    }
}

/// The operating system's words for an error, in our spelling: `no such file or directory`.
pub fn of_system(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// An enumeration from one list of its values, each with its word: `ALL`, `as_str`, `named` and `Display` follow.
macro_rules! words {
    ($(#[$about:meta])* $visible:vis enum $name:ident { $($(#[$of:meta])* $value:ident $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visible enum $name { $($(#[$of])* $value,)+ }

        impl $name {
            /// All of them, in order.
            $visible const ALL: [$name; [$($name::$value),+].len()] = [$($name::$value),+];

            /// The word for it.
            $visible const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word,)+ }
            }

            /// The one that is called `word`.
            $visible fn named(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|own| own.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;
