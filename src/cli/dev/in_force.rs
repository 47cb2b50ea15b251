//! The documents that the server has in force, as it says itself: an edit may be refused, or wait for a confirmation.

use std::net::SocketAddr;

use crate::admin::status::StatusPage;
use crate::cli::admin_client::status;
use crate::cli::style::{self, visible};

/// How many problems are shown of a refused edit.
const MAX_SHOWN: usize = 5;

/// The last answers of the server.
#[derive(Debug, Default)]
pub(super) struct InForce {
    shown: Option<Answer>,
    /// The newest one. It is shown once it comes twice: a server in the middle of a change may say half of it.
    newest: Option<Answer>,
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    revision: String,
    waits: bool,
    problems: Vec<String>,
}

impl InForce {
    /// Asks the server at `admin`, and shows what is news.
    pub(super) async fn look(&mut self, admin: SocketAddr) {
        // A server that is just starting says nothing yet.
        let Some(answer) = status(admin).await.map(Answer::from) else { return };
        let is_settled = self.newest.as_ref() == Some(&answer);
        if is_settled && self.shown.as_ref() != Some(&answer) {
            answer.show();
            self.shown = self.newest.replace(answer);
        } else {
            self.newest = Some(answer);
        }
    }
}

impl From<StatusPage> for Answer {
    fn from(StatusPage { revision, documents, .. }: StatusPage) -> Self {
        let waits = documents.unconfirmed_set.is_some();
        Self { revision, waits, problems: documents.errors }
    }
}

impl Answer {
    fn show(&self) {
        match self.problems.is_empty() && !self.waits {
            true => style::hint(self.text()),
            false => style::warning(self.text()),
        }
    }

    fn text(&self) -> String {
        let revision = visible(&self.revision);
        if self.problems.is_empty() && !self.waits {
            return format!("revision {revision} of the documents is in force");
        }
        let (why, then) = match self.waits {
            true => (
                "the edit removes what is in force, and waits for a confirmation",
                "bring it back, or confirm as the line above says",
            ),
            false => (
                "the server does not take the edited documents",
                "correct them; they are read again when they change",
            ),
        };
        let shown = self.problems.iter().take(MAX_SHOWN).map(|own| format!("  {}\n", visible(own)));
        let more = match self.problems.len().saturating_sub(MAX_SHOWN) {
            0 => String::new(),
            more => format!("  and {more} more\n"),
        };
        format!(
            "{why}: revision {revision} stays in force\n{}{more}  {then}",
            shown.collect::<String>()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P736: an edit that is refused, or waits, is said with what stays in force and what to do.
    #[test]
    fn what_stays_in_force_is_said() {
        let text = |waits, problems: usize| {
            let problems = (0..problems).map(|own| format!("p.yaml:{own}:1: wrong")).collect();
            Answer { revision: String::from("5c3a"), waits, problems }.text()
        };
        assert_eq!(text(false, 0), "revision 5c3a of the documents is in force");
        let refused = text(false, 7);
        for part in
            ["revision 5c3a stays in force\n  p.yaml:0:1: wrong\n", "and 2 more", "correct them"]
        {
            assert!(refused.contains(part), "{refused}");
        }
        assert!(text(true, 1).contains("waits for a confirmation: revision 5c3a stays in force"));
    }
}
