//! What a transaction did, to be counted when it is committed: one that is rolled back and run again
//! did nothing the first time.

use crate::mfa::attempt::Unmatched;
use crate::mfa::event::EventKind;

/// One thing that a transaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurrence {
    /// It wrote an event.
    Event(EventKind),
    /// It was asked about a code.
    Attempt(CodeKind, Outcome),
    /// It found the code of a step this far from the present one.
    Offset(i64),
}

/// Which kind of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeKind {
    /// Of an authenticator.
    Totp,
    /// A recovery code.
    Recovery,
}

/// What became of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Right, and spent.
    Verified,
    /// Of no step in the window, or no such recovery code.
    Wrong,
    /// Of a step that was spent already.
    Replayed,
    /// There was nothing to compare it with.
    NoFactor,
    /// Not looked at: the user must wait.
    Blocked,
    /// Compared in a transaction that was lost; it was charged, and nobody heard what it was.
    Aborted,
}

impl CodeKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Recovery => "recovery",
        }
    }

    /// What can become of one.
    pub(super) const fn outcomes(self) -> &'static [Outcome] {
        use Outcome::{Aborted, Blocked, NoFactor, Replayed, Verified, Wrong};
        match self {
            Self::Totp => &[Verified, Wrong, Replayed, NoFactor, Blocked, Aborted],
            Self::Recovery => &[Verified, Wrong, Blocked, Aborted],
        }
    }
}

impl Outcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Wrong => "wrong",
            Self::Replayed => "replayed",
            Self::NoFactor => "no_factor",
            Self::Blocked => "blocked",
            Self::Aborted => "aborted",
        }
    }
}

impl From<Unmatched> for Outcome {
    fn from(why: Unmatched) -> Self {
        match why {
            Unmatched::Wrong => Self::Wrong,
            Unmatched::Replayed => Self::Replayed,
            Unmatched::NoFactor => Self::NoFactor,
        }
    }
}
