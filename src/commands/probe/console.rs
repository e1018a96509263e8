//! The console under the probe: one page of it, asked with one token after the other.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// What came of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Came {
    /// The page opened.
    Opened,
    /// Any answer that is not the page: 4xx, or a way to the login.
    Refused,
    /// 5xx, or no answer from a console that answered before.
    Broken,
    /// Refused, but it fetched an address out of the token first.
    Followed,
}

/// Why nothing can be said about a token.
pub(super) enum Silence {
    /// There is no answer.
    NoAnswer(String),
    /// It answers for how often it is asked.
    TooOften(String),
}

impl Silence {
    pub(super) fn in_words(self) -> String {
        let (Self::NoAnswer(text) | Self::TooOften(text)) = self;
        text
    }
}

/// One page, and how a token is shown to it.
pub(super) struct Console {
    agent: Agent,
    url: String,
    cookie: Option<String>,
    shows: Option<String>,
}

impl Console {
    pub(super) fn new(
        url: &str,
        cookie: Option<&str>,
        shows: Option<&str>,
        authorities: Option<&Path>,
    ) -> Result<Self, String> {
        let agent = agent(authorities)?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self { agent, url: url.to_owned(), cookie: owned(cookie), shows: owned(shows) })
    }

    /// Shows a token, or none.
    ///
    /// # Errors
    /// [`Silence`].
    pub(super) fn ask(&self, token: Option<&str>) -> Result<(Came, u16), Silence> {
        let mut request = self.agent.get(&self.url);
        match (token, &self.cookie) {
            (Some(token), Some(name)) => {
                request = request.header("Cookie", format!("{name}={token}"));
            }
            (Some(token), None) => {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            (None, _) => {}
        }
        let silent = |error| Silence::NoAnswer(format!("{}: no answer: {error}", self.url));
        let mut answer = request.call().map_err(silent)?;
        let status = answer.status().as_u16();
        let came = match (status, &self.shows) {
            (200..=299, Some(text)) => {
                let body = answer.body_mut().read_to_vec().map_err(silent)?;
                if String::from_utf8_lossy(&body).contains(text) {
                    Came::Opened
                } else {
                    Came::Refused
                }
            }
            (200..=299, None) => Came::Opened,
            (429, _) => {
                let why = "429: let the probe ask as often as it must";
                return Err(Silence::TooOften(format!("{}: {why}", self.url)));
            }
            (500.., _) => Came::Broken,
            _ => Came::Refused,
        };
        Ok((came, status))
    }

    /// A public document, such as the key set.
    pub(super) fn read(&self, url: &str) -> Result<serde_json::Value, String> {
        let no_answer = |error: ureq::Error| format!("{url}: no answer: {error}");
        let mut answer = self.agent.get(url).call().map_err(no_answer)?;
        match answer.status().as_u16() {
            200 => answer.body_mut().read_json().map_err(no_answer),
            status => Err(format!("{url}: {status}")),
        }
    }
}

/// Follows nothing, takes each status as an answer, and knows the given authorities alone.
fn agent(authorities: Option<&Path>) -> Result<Agent, String> {
    let mut roots = Vec::new();
    if let Some(path) = authorities {
        let wrong = |why: String| format!("{}: {why}", path.display());
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        for item in parse_pem(&pem) {
            if let PemItem::Certificate(root) = item.map_err(|error| wrong(error.to_string()))? {
                roots.push(root);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(provider)
        .build();
    Ok(Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(10)))
        .tls_config(tls)
        .build()
        .into())
}
