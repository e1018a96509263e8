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
    /// An exemption until then: no token, and so nothing that wants one.
    Exempt(Timestamp),
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
pub struct Sessions {
    by_name: Mutex<HashMap<String, Session>>,
    /// How many are kept of those who are not in: whoever loads a page has one, and may load a million.
    most_outside: usize,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { by_name: Mutex::default(), most_outside: 10_000 }
    }
}

impl Stage {
    /// When a session in this stage ends: a login in Pawl's handles' minutes, then after half an hour,
    /// and never after the exemption that let somebody in.
    fn end(&self, now: Timestamp) -> Timestamp {
        let (login, inside) = (SignedDuration::from_mins(10), SignedDuration::from_mins(30));
        match self {
            Self::Stranger | Self::Halfway(_) => now + login,
            Self::SignedIn(SignedIn { because: Because::Exempt(until), .. }) => {
                (now + inside).min(*until)
            }
            Self::SignedIn(_) => now + inside,
        }
    }

    fn is_in(&self) -> bool {
        matches!(self, Self::SignedIn(_))
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
        let session = Session { csrf, expires_at: stage.end(now), stage };
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.retain(|_, session| session.expires_at > now);
        if !session.stage.is_in() {
            make_room_outside(&mut by_name, self.most_outside);
        }
        by_name.insert(name.clone(), session.clone());
        Ok((name, session))
    }

    /// The live session of this name.
    pub fn find(&self, name: &str) -> Option<Session> {
        let by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.get(name).filter(|session| session.expires_at > Timestamp::now()).cloned()
    }

    /// Changes a session as it is now, which is not what a handler read before it asked Pawl: another
    /// tab may have changed it since. Its end stays where it is.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Stage)) {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = by_name.get_mut(name) {
            change(&mut session.stage);
        }
    }

    /// Ends a session.
    pub fn end(&self, name: &str) {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// Strangers make room for strangers, and after them whoever is halfway. Nobody who is in does: else
/// anybody could throw the users out by loading a page often enough.
fn make_room_outside(by_name: &mut HashMap<String, Session>, most: usize) {
    let outside = || by_name.iter().filter(|(_, session)| !session.stage.is_in());
    if outside().count() < most {
        return;
    }
    let rank = |session: &Session| (!matches!(session.stage, Stage::Stranger), session.expires_at);
    let oldest = outside().min_by_key(|(_, session)| rank(session)).map(|(name, _)| name.clone());
    oldest.and_then(|name| by_name.remove(&name));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_in(because: Because) -> Stage {
        Stage::SignedIn(SignedIn::new("n-3", "usr_1".to_owned(), because))
    }

    fn halfway() -> Stage {
        let step = Step::Code("mch_1".to_owned());
        Stage::Halfway(Halfway { person: "n-4", user_id: "usr_2".to_owned(), step })
    }

    #[test]
    fn nobody_is_in_longer_than_exempt() {
        let now = Timestamp::now();
        let minutes = SignedDuration::from_mins;
        let end = |until| signed_in(Because::Exempt(now + until)).end(now);
        assert_eq!(end(minutes(3)), now + minutes(3));
        assert_eq!(end(minutes(300)), now + minutes(30));
        let sessions = Sessions::default();
        let (over, _) = sessions.begin(signed_in(Because::Exempt(now))).unwrap();
        assert!(sessions.find(&over).is_none());
    }

    #[test]
    fn strangers_displace_the_oldest_stranger_and_nobody_else() {
        let sessions = Sessions { most_outside: 3, ..Sessions::default() };
        let begin = |stage| sessions.begin(stage).unwrap().0;
        let inside = begin(signed_in(Because::NotRequired));
        let halfway = begin(halfway());
        let strangers: Vec<_> = (0..5).map(|_| begin(Stage::Stranger)).collect();
        assert!(sessions.find(&inside).is_some());
        assert!(sessions.find(&halfway).is_some());
        let found: Vec<_> = strangers.iter().map(|name| sessions.find(name).is_some()).collect();
        assert_eq!(found, [false, false, false, true, true]);
    }

    #[test]
    fn whoever_is_halfway_shuts_nobody_out() {
        let sessions = Sessions { most_outside: 3, ..Sessions::default() };
        let begin = |stage| sessions.begin(stage).unwrap().0;
        let oldest = begin(halfway());
        (0..2).for_each(|_| drop(begin(halfway())));
        let stranger = begin(Stage::Stranger);
        assert!(sessions.find(&stranger).is_some());
        assert!(sessions.find(&oldest).is_none());
    }
}
