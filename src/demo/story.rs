//! What the players know while the story goes on, and the moves that they make more than once.

use serde_json::json;

use super::authenticator::Authenticator;
use super::screen::Screen;
use super::server::Server;
use super::talk::{Answer, By, Talk};
use super::waiting::Waiting;
use crate::mfa::time::Timestamp;

/// One step: what it is called, what happens and why, how it is played, and what it shows.
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) why: &'static str,
    pub(super) play: fn(&mut Story) -> Result<(), String>,
    pub(super) so: &'static str,
}

/// The audience that the second console stands for.
pub(super) const AUDIENCE: &str = "console";

/// The players and what they hold.
pub(super) struct Story {
    pub(super) talk: Talk,
    pub(super) screen: Screen,
    pub(super) waiting: Waiting,
    /// `iss` of the tenant's tokens, and Pawl's own audience.
    pub(super) issuer: String,
    /// The console's own id of the administrator.
    pub(super) administrator: String,
    /// The administrator's id at Pawl.
    pub(super) administrator_id: String,
    /// The administrator's phone.
    pub(super) administrator_phone: Authenticator,
    /// Ana's id at Pawl.
    pub(super) ana_id: String,
    /// Ana's phone, once she scanned the QR code.
    pub(super) ana_phone: Option<Authenticator>,
    /// The handle that the next move needs.
    pub(super) handle: String,
    /// The code that was typed last.
    pub(super) code: String,
    /// The token that the second console is shown.
    pub(super) token: String,
    /// Ana's petition.
    pub(super) petition_id: String,
    /// Until when Ana is exempt.
    pub(super) exempt_until: Timestamp,
}

/// Whose phone.
#[derive(Clone, Copy)]
pub(super) enum Phone {
    /// Ana's.
    Ana,
    /// The administrator's.
    Administrator,
}

impl Story {
    /// With what the server handed over.
    ///
    /// # Errors
    /// The administrator's `otpauth://` line is none.
    pub(super) fn begin(server: &Server, screen: Screen, waiting: Waiting) -> Result<Self, String> {
        let given = &server.handed_over;
        Ok(Self {
            talk: Talk::new(&server.base_url, &given.client_key, screen, waiting.clone()),
            screen,
            waiting,
            issuer: given.issuer.clone(),
            administrator: given.administrator.clone(),
            administrator_id: String::new(),
            administrator_phone: Authenticator::scan(&given.authenticator)?,
            ana_id: String::new(),
            ana_phone: None,
            handle: String::new(),
            code: String::new(),
            token: String::new(),
            petition_id: String::new(),
            exempt_until: Timestamp::from_seconds(0),
        })
    }

    /// Someone gave the console their password; it asks Pawl what now.
    pub(super) fn evaluate(&self, who: &str, audience: &str) -> Result<Answer, String> {
        let body = json!({
            "external_id": who,
            "display_name": who,
            "audiences": [audience],
            "primary_login": { "method": "password", "at": self.waiting.now() },
        });
        self.talk.post("evaluateLogin", "/v1/evaluations", By::Console, &body)?.with(200)
    }

    /// Ana signs in at the console, and Pawl decides this.
    pub(super) fn ana_signs_in(&mut self, decision: &str) -> Result<Answer, String> {
        let answer = self.evaluate("ana", AUDIENCE)?.says("/decision", decision)?;
        let user_id = answer.text("/user_id")?;
        if !self.ana_id.is_empty() && self.ana_id != user_id {
            return Err("expected ana to have the same user_id as before".to_owned());
        }
        self.ana_id = user_id;
        Ok(answer)
    }

    /// Ana signs in and is asked for a code.
    pub(super) fn ana_is_challenged(&mut self) -> Result<(), String> {
        self.handle = self.ana_signs_in("challenge")?.text("/challenge/handle")?;
        Ok(())
    }

    /// The console sends the code that Ana typed.
    pub(super) fn verify(&self) -> Result<Answer, String> {
        let body = json!({ "challenge": self.handle, "code": self.code });
        self.talk.post("verifyCode", "/v1/challenges/verify", By::Console, &body)
    }

    /// Ana's code was right: the console has a token for her.
    pub(super) fn verified(&mut self) -> Result<(), String> {
        let answer = self.verify()?.with(200)?;
        let answer = answer.says("/tokens/0/audience", AUDIENCE)?;
        self.token = answer.text("/tokens/0/access_token")?;
        Ok(())
    }

    /// Reads a code that was not used yet from a phone, and waits for it if need be.
    pub(super) fn read_code(&mut self, phone: Phone) -> Result<(), String> {
        let (whose, phone) = match phone {
            Phone::Ana => ("ana", self.ana_phone.as_mut().ok_or("expected ana to have a phone")?),
            Phone::Administrator => ("admin", &mut self.administrator_phone),
        };
        let what = format!("the phone of {whose} shows a fresh code");
        self.waiting.until(phone.fresh_from(), &what, self.screen)?;
        self.code = phone.read(self.waiting.now());
        self.screen.remark(&format!("The phone of {whose} shows {}.", self.code))
    }
}
