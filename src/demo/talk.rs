//! Talking to Pawl over HTTP, with every request and answer on the screen.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

use super::screen::Screen;
use super::waiting::Waiting;

/// Whose credential goes with a request.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// The console's client key.
    Console,
    /// The administrator's Pawl token.
    Administrator,
    /// Nobody's: it is public.
    Anyone,
}

impl By {
    fn in_words(self) -> &'static str {
        match self {
            Self::Console => "the console, with its client key",
            Self::Administrator => "admin, with a Pawl token",
            Self::Anyone => "anyone, without a credential",
        }
    }
}

/// A connection to Pawl, and the credentials that the players hold.
pub(super) struct Talk {
    agent: Agent,
    base_url: String,
    screen: Screen,
    waiting: Waiting,
    client_key: String,
    /// The administrator's token for Pawl's own audience.
    pub(super) administrator_token: String,
}

impl Talk {
    /// Of a console with its key.
    pub(super) fn new(base_url: &str, client_key: &str, screen: Screen, waiting: Waiting) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(10)))
            .build();
        Self {
            agent: config.into(),
            base_url: base_url.to_owned(),
            screen,
            waiting,
            client_key: client_key.to_owned(),
            administrator_token: String::new(),
        }
    }

    /// Sends a body.
    ///
    /// # Errors
    /// No answer.
    pub(super) fn post(
        &self,
        operation: &str,
        path: &str,
        by: By,
        body: &Value,
    ) -> Result<Answer, String> {
        self.waiting.go_on()?;
        self.screen.request(operation, "POST", path, by.in_words(), Some(body))?;
        let mut request = self.agent.post(format!("{}{path}", self.base_url));
        if let Some(credential) = self.credential(by) {
            request = request.header("authorization", credential);
        }
        self.answer(request.send_json(body))
    }

    /// Reads.
    ///
    /// # Errors
    /// No answer.
    pub(super) fn get(&self, operation: &str, path: &str, by: By) -> Result<Answer, String> {
        let answer = self.get_quietly(operation, path, by)?;
        self.screen.answer(answer.status, &answer.body)?;
        Ok(answer)
    }

    /// Reads, and leaves it to the caller to show the answer.
    ///
    /// # Errors
    /// No answer.
    pub(super) fn get_quietly(
        &self,
        operation: &str,
        path: &str,
        by: By,
    ) -> Result<Answer, String> {
        self.waiting.go_on()?;
        self.screen.request(operation, "GET", path, by.in_words(), None)?;
        let mut request = self.agent.get(format!("{}{path}", self.base_url));
        if let Some(credential) = self.credential(by) {
            request = request.header("authorization", credential);
        }
        read(request.call())
    }

    /// The path of a URL of this server.
    ///
    /// # Errors
    /// It leads elsewhere.
    pub(super) fn path_of<'a>(&self, url: &'a str) -> Result<&'a str, String> {
        let elsewhere = || format!("expected {url} to be on {}", self.base_url);
        url.strip_prefix(&self.base_url).ok_or_else(elsewhere)
    }

    fn credential(&self, by: By) -> Option<String> {
        match by {
            By::Console => Some(format!("Bearer {}", self.client_key)),
            By::Administrator => Some(format!("Bearer {}", self.administrator_token)),
            By::Anyone => None,
        }
    }

    fn answer(&self, response: Response) -> Result<Answer, String> {
        let answer = read(response)?;
        self.screen.answer(answer.status, &answer.body)?;
        Ok(answer)
    }
}

type Response = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn read(response: Response) -> Result<Answer, String> {
    let mut response = response.map_err(|error| format!("expected an answer: {error}"))?;
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string();
    let text = text.map_err(|error| format!("expected the whole answer: {error}"))?;
    let body = if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text) };
    Ok(Answer { status, body: body.map_err(|error| format!("expected JSON: {error}"))? })
}

/// What Pawl answered.
pub(super) struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    /// It did what was asked.
    ///
    /// # Errors
    /// It has another status.
    pub(super) fn with(self, status: u16) -> Result<Self, String> {
        if self.status == status {
            return Ok(self);
        }
        Err(format!("expected {status}, but the answer was {}", self.in_short()))
    }

    /// It refused, for this very reason.
    ///
    /// # Errors
    /// It did not, or for another one.
    pub(super) fn refused(self, status: u16, code: &str) -> Result<Self, String> {
        if self.status == status && self.at("/code").as_str() == Some(code) {
            return Ok(self);
        }
        Err(format!("expected {status} {code}, but the answer was {}", self.in_short()))
    }

    /// The member at this JSON pointer has this value.
    ///
    /// # Errors
    /// It has another one.
    pub(super) fn says(self, pointer: &str, value: impl Into<Value>) -> Result<Self, String> {
        let (value, found) = (value.into(), self.at(pointer));
        if *found == value {
            return Ok(self);
        }
        Err(format!("expected {pointer} to be {value}, but it was {found}"))
    }

    /// The text at a JSON pointer.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn text(&self, pointer: &str) -> Result<String, String> {
        let found = self.at(pointer).as_str().filter(|text| !text.is_empty());
        found.map(str::to_owned).ok_or_else(|| format!("expected the answer to have {pointer}"))
    }

    /// The value at a JSON pointer; null if there is none.
    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The list at a JSON pointer.
    pub(super) fn list(&self, pointer: &str) -> &[Value] {
        self.at(pointer).as_array().map_or(&[], Vec::as_slice)
    }

    fn in_short(&self) -> String {
        let word = ["/code", "/decision", "/outcome"].iter().find_map(|p| self.at(p).as_str());
        word.map_or_else(|| self.status.to_string(), |word| format!("{} {word}", self.status))
    }
}
