//! What the probe found: a line for each token.

use serde::Serialize;

use super::console::Came;
use crate::commands::say;

/// What came of one token.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Of docs/validating-tokens.md; 0 is none of them.
    pub(super) rule: u8,
    pub(super) about: &'static str,
    pub(super) expected: Came,
    /// Absent if the token was not sent.
    pub(super) came: Option<Came>,
    pub(super) status: Option<u16>,
    /// What to do, where something is to be done.
    pub(super) next: Option<String>,
}

impl Row {
    /// Sent, and other than it must be.
    pub(super) fn is_fault(&self) -> bool {
        self.came.is_some_and(|came| came != self.expected)
    }

    fn line(&self) -> String {
        let word = |came: Came| match came {
            Came::Opened => "opened",
            Came::Refused => "refused",
            Came::Broken => "broken",
            Came::Followed => "followed",
        };
        let verdict = match self.came {
            None => "-",
            Some(_) if self.is_fault() => "FAULT",
            Some(_) => "ok",
        };
        let came = self.came.map_or("not sent", word);
        let status = self.status.map(|status| status.to_string()).unwrap_or_default();
        let expected = word(self.expected);
        let next = self.next.as_ref().map(|next| format!("\n      -> {next}")).unwrap_or_default();
        let Self { name, about, .. } = self;
        format!("{verdict:<5} {name}: {came} {status} (must be {expected}). {about}{next}")
    }
}

/// Prints all of it, and fails if something is to be done.
pub(super) fn print(rows: &[Row], json: bool) -> Result<(), String> {
    if json {
        say(&serde_json::to_string(rows).map_err(|error| error.to_string())?)?;
    } else {
        for row in rows {
            say(&row.line())?;
        }
    }
    let faults = rows.iter().filter(|row| row.is_fault()).count();
    let unsent = rows.iter().filter(|row| row.came.is_none()).count();
    if !json {
        say(&format!(
            "right: {}, faults: {faults}, not sent: {unsent}",
            rows.len() - faults - unsent
        ))?;
    }
    match faults {
        0 => Ok(()),
        1 => Err("the console has one fault".to_owned()),
        several => Err(format!("the console has {several} faults")),
    }
}
