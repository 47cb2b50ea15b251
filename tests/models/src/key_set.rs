//! A key set's life (docs/tokens.md, "Keys"): documents that say where an issuer has its keys, a provider that replaces its
//! key, fetches that end well, badly or late, tokens that name keys that are not there, and restarts.
//!
//! A set has one key, so each new set withdraws the key before. A fetch brings the set that the provider had when the fetch began. It
//! ends within its timeout, which is short beside the units of time: 5 s, and 300 s, after which every set is due.

mod properties;
mod rules;

/// The bounds of the model, and the fault in it, if any.
#[derive(Clone, Debug)]
pub struct KeySets {
    /// The sources that the documents name at first, one for each issuer.
    pub issuers: Vec<Source>,
    /// Most new sets at the first address.
    pub publishes: u8,
    /// Most changes of the documents.
    pub changes: u8,
    /// Most tokens.
    pub asks: u8,
    /// Most fetches that fail.
    pub failures: u8,
    /// Most times that 5 s pass, and that 300 s pass.
    pub passes: (u8, u8),
    /// Most restarts.
    pub restarts: u8,
    /// True if there is a state folder.
    pub kept: bool,
    /// The rule that is broken.
    pub fault: Option<Fault>,
}

/// Rules that can be broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The keys stay where a document names another address.
    KeepOverAddress,
    /// Saved keys count as fetched when the server starts.
    RestartIsFetch,
    /// Keys that could not be fetched again never become too old.
    UsesStale,
    /// A fetch that fails takes the keys away.
    FailureEmpties,
    /// P266: other settings throw the keys away.
    SettingsForget,
    /// A fetch goes on when its settings go, and counts for those that replace them.
    LateFetch,
    /// P670: new settings begin with the first set of their address that is at hand, not the newest, and ignore those that stay.
    FirstNotNewest,
    /// P671: of two fetches the one that ends last is saved, not the one that began last.
    SavedByEnd,
    /// A token that names an unknown key has nothing fetched.
    NeverAsk,
    /// P264: the fetch that was under way when a token came counts as the answer about its key.
    EarlierAnswer,
    /// P261: a key that a fetch did not bring is never asked for again.
    AbsentForever,
    /// P61: each token with an unknown key has the set fetched.
    NoBudget,
}

/// The keys of an issuer, as its document says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The first address.
    First,
    /// The first address, with a longer `maxStale`.
    Longer,
    /// Another address.
    Other,
}

/// A key, by the number of the set that has it.
type Key = u8;

/// A key that no set has.
const MADE_UP: Key = 9;

/// How long a provider's answer about a key may be taken for true of a token that comes later.
const ABSENT: u16 = 10;

/// A set that was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Held {
    key: Key,
    at: u16,
    /// When its fetch began, among all fetches.
    ticket: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Flight {
    key: Key,
    ticket: u8,
}

/// A key that a token named and that was not in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Absent {
    key: Key,
    since: u16,
    asked: Option<u16>,
    times: u8,
}

/// One source, followed or kept for requests that began before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    source: Source,
    followed: bool,
    held: Option<Held>,
    flight: Option<Flight>,
    due: u16,
    failures: u8,
    absent: Vec<Absent>,
    /// When a key id that was never named before had the set fetched last.
    asked: Option<u16>,
    /// How many fetches key ids that are named again may still cause now.
    repeats: u8,
    /// How many fetches tokens have caused now.
    caused: u8,
}

/// A token that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Request {
    issuer: usize,
    key: Key,
    /// A fetch was under way when it came.
    during: bool,
    /// A fetch that began later has ended; has ended well.
    ended: bool,
    good: bool,
    /// The key was published when it came, and no token had named it for 10 s, or for longer. Only a property looks at this.
    known: bool,
}

/// The result of a request for keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    Allowed,
    /// The key is unknown for certain.
    Refused,
    /// It cannot be known now.
    Unsure,
}

/// A state of all of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    now: u16,
    documents: Vec<Source>,
    entries: Vec<Entry>,
    /// The saved set of each address.
    files: [Option<Held>; 2],
    tickets: u8,
    /// The key that each address publishes, and since when.
    published: [(Key, Option<u16>); 2],
    request: Option<Request>,
    last: Option<Outcome>,
    changes: u8,
    asks: u8,
    failed: u8,
    passed: (u8, u8),
    restarts: u8,
    /// Steps since time passed that took a part of a second.
    slow: u8,
    /// When a fetch last brought each key of each address. Only the properties look at this and those below.
    brought: Vec<(usize, Key, u16)>,
    /// The newest key that was in force for each issuer, by address.
    newest: Vec<[Option<Key>; 2]>,
    /// When the last set in force for each issuer was fetched, since its address was named.
    had: Vec<Option<u16>>,
    /// A key that was published was called unknown for certain.
    wronged: bool,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The provider replaces its key.
    Publish,
    /// A token of the issuer names a key.
    Ask(usize, Key),
    /// The client of the token that waits hangs up.
    HangUp,
    /// The fetch of an entry ends well, or badly.
    End(usize, Source, bool),
    /// The document of an issuer names another source.
    Change(usize, Source),
    /// 5 s pass.
    Moment,
    /// 300 s pass.
    Pass,
    /// The server restarts.
    Restart,
}

impl Source {
    const ALL: [Self; 3] = [Self::First, Self::Longer, Self::Other];

    const fn address(self) -> usize {
        match self {
            Self::First | Self::Longer => 0,
            Self::Other => 1,
        }
    }

    const fn max_stale(self) -> u16 {
        if matches!(self, Self::Longer) { 900 } else { 600 }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Longer => "longer",
            Self::Other => "other",
        }
    }
}
