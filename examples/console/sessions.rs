//! The console's own sessions. All that matters is kept here; the browser has a random name for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::people::random;
use super::tokens::Subject;

/// What the console remembers about one browser.
#[derive(Clone)]
pub struct Session {
    /// In every form of this session, and in nobody else's.
    pub csrf: String,
    /// How far they are.
    pub stage: Stage,
    expires_at: Timestamp,
}

/// How far somebody is.
#[derive(Clone)]
pub enum Stage {
    /// Nobody knows who it is.
    Stranger,
    /// The password was right, and Pawl wants something more.
    Halfway(Halfway),
    /// In.
    SignedIn(SignedIn),
}

/// Somebody whose password was right, and who is not in.
#[derive(Clone)]
pub struct Halfway {
    /// The console's id.
    pub person: &'static str,
    /// Pawl's id.
    pub user_id: String,
    /// What is to be done.
    pub step: Step,
}

/// What Pawl wants, with its handle. Handles stay on this side.
#[derive(Clone)]
pub enum Step {
    /// A code.
    Code(String),
    /// An enrollment, which is still to begin.
    Enroll(String),
    /// The first code of an enrollment that began.
    Confirm(String),
    /// A ticket.
    Ticket(String),
    /// A recovery code.
    Recover(String),
}

/// Somebody who is in.
#[derive(Clone)]
pub struct SignedIn {
    /// The console's id.
    pub person: &'static str,
    /// Pawl's id.
    pub user_id: String,
    /// Why they are in.
    pub because: Because,
    /// An administrator's token for Pawl itself. It never leaves the console.
    pub own_token: Option<String>,
    /// An act that waits for its code.
    pub act: Option<PendingAct>,
    /// Something to say on the next page.
    pub notice: Option<String>,
}

impl SignedIn {
    /// Somebody who comes in now.
    pub fn new(person: &'static str, user_id: String, because: Because) -> Self {
        Self { person, user_id, because, own_token: None, act: None, notice: None }
    }
}

/// Why somebody is in.
#[derive(Clone)]
pub enum Because {
    /// A verified code: a token of Pawl says so.
    Code(Subject),
    /// An exemption: no token, and so nothing that wants one.
    Exempt(String),
    /// MFA is optional here. No token either.
    NotRequired,
}

/// An act with which somebody weakens something: opened at Pawl, waiting for its code.
#[derive(Clone)]
pub struct PendingAct {
    /// Which one the page showed: another tab may begin another.
    pub name: String,
    /// Where the operation is.
    pub path: String,
    /// Its body, without the proof.
    pub body: Value,
    /// The handle of the challenge for this one act.
    pub challenge: String,
    /// The act in Pawl's words.
    pub words: String,
}

/// All of them. They end with the process.
#[derive(Default)]
pub struct Sessions {
    by_name: Mutex<HashMap<String, Session>>,
}

impl Stage {
    /// How long a session in this stage lives: a login in Pawl's handles' minutes, then half an hour.
    fn life(&self) -> SignedDuration {
        match self {
            Self::Stranger | Self::Halfway(_) => SignedDuration::from_mins(10),
            Self::SignedIn(_) => SignedDuration::from_mins(30),
        }
    }
}

impl Sessions {
    /// A new session with a new name, whoever had the old one: a name that was planted in a browser is
    /// worth nothing after the login.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn begin(&self, stage: Stage) -> Result<(String, Session), String> {
        let name = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let csrf = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let now = Timestamp::now();
        let session = Session { csrf, expires_at: now + stage.life(), stage };
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.retain(|_, session| session.expires_at > now);
        by_name.insert(name.clone(), session.clone());
        Ok((name, session))
    }

    /// The live session of this name.
    pub fn find(&self, name: &str) -> Option<Session> {
        let by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.get(name).filter(|session| session.expires_at > Timestamp::now()).cloned()
    }

    /// Remembers something more in a session; its end stays where it is.
    pub fn change(&self, name: &str, stage: Stage) {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = by_name.get_mut(name) {
            session.stage = stage;
        }
    }

    /// Ends a session.
    pub fn end(&self, name: &str) {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}
