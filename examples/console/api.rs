//! Pawl over HTTP: the only way in which the console speaks to it.

use std::time::Duration;

use actix_web::web;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Agent;

/// A connection to Pawl.
#[derive(Clone)]
pub struct Api {
    agent: Agent,
    base_url: String,
}

/// Why there is no answer to go on with.
pub enum Failure {
    /// Pawl refused, and says why.
    Refused(Box<Problem>),
    /// Nobody knows: no answer, 503, or one that cannot be read. Unknown is not "no".
    Unknown(String),
}

/// An RFC 9457 problem. The code is the stable part, and the texts shown are the console's own.
#[derive(Debug, Deserialize)]
pub struct Problem {
    /// What went wrong: match on this and on nothing else.
    pub code: String,
    /// Which part of the request was wrong.
    pub field: Option<String>,
    /// What was wrong with it.
    pub reason: Option<String>,
    /// How long to wait before another try.
    pub retry_after_seconds: Option<i64>,
    /// The petition that a refused disable became.
    pub petition_id: Option<String>,
    /// When a new factor may weaken.
    pub usable_from: Option<String>,
    /// The latest end that is allowed.
    pub latest: Option<String>,
}

impl Failure {
    /// The problem's code, if Pawl refused.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(problem) => &problem.code,
            Self::Unknown(_) => "",
        }
    }
}

impl Api {
    /// Of the Pawl at this address.
    pub fn new(base_url: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(5)))
            .build();
        Self { agent: config.into(), base_url: base_url.to_owned() }
    }

    /// Sends a body.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn post<T: DeserializeOwned + Send + 'static>(
        &self,
        credential: &str,
        path: &str,
        body: Value,
    ) -> Result<T, Failure> {
        let request = self.agent.post(format!("{}{path}", self.base_url));
        let request = request.header("authorization", format!("Bearer {credential}"));
        blocking(move || request.send_json(&body)).await
    }

    /// Sends a body in the place of what is there.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn put<T: DeserializeOwned + Send + 'static>(
        &self,
        credential: &str,
        path: &str,
        version: &str,
        body: Value,
    ) -> Result<T, Failure> {
        let request = self.agent.put(format!("{}{path}", self.base_url));
        let request = request.header("authorization", format!("Bearer {credential}"));
        let request = request.header("if-match", version);
        blocking(move || request.send_json(&body)).await
    }

    /// Reads.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn get<T: DeserializeOwned + Send + 'static>(
        &self,
        credential: &str,
        path: &str,
    ) -> Result<T, Failure> {
        let request = self.agent.get(format!("{}{path}", self.base_url));
        let request = request.header("authorization", format!("Bearer {credential}"));
        blocking(move || request.call()).await
    }

    /// Reads what needs no credential.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn get_public<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
    ) -> Result<T, Failure> {
        let request = self.agent.get(format!("{}{path}", self.base_url));
        blocking(move || request.call()).await
    }
}

/// An id as Pawl makes them. What came from a browser goes into no path before it passed here.
pub fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

type Answer = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

async fn blocking<T: DeserializeOwned + Send + 'static>(
    send: impl FnOnce() -> Answer + Send + 'static,
) -> Result<T, Failure> {
    let answered = web::block(move || read(send())).await;
    answered.unwrap_or_else(|error| Err(Failure::Unknown(error.to_string())))
}

fn read<T: DeserializeOwned>(answer: Answer) -> Result<T, Failure> {
    let unknown = |error: &dyn std::fmt::Display| Failure::Unknown(error.to_string());
    let mut answer = answer.map_err(|error| unknown(&error))?;
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string().map_err(|error| unknown(&error))?;
    let text = if text.is_empty() { "null" } else { &text };
    match status {
        200..300 => serde_json::from_str(text).map_err(|error| unknown(&error)),
        400..500 => {
            let problem = serde_json::from_str(text).map_err(|error| unknown(&error))?;
            Err(Failure::Refused(problem))
        }
        _ => Err(unknown(&format_args!("status {status}"))),
    }
}
