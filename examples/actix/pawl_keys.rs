//! The key set: its keys live 5 minutes, and an unknown one is asked for twice a minute at most. Only
//! who needs the answer waits for it.

use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;

#[derive(Default)]
pub struct Keys {
    known: RwLock<Option<(JwkSet, Instant)>>,
    /// When it was asked for last; locked while somebody asks.
    pub asked: Mutex<Option<Instant>>,
}

impl Keys {
    pub fn find(&self, jwks_url: &str, kid: &str) -> Option<DecodingKey> {
        self.known(kid).or_else(|| self.ask(jwks_url, kid))
    }

    fn ask(&self, jwks_url: &str, kid: &str) -> Option<DecodingKey> {
        let mut asked = self.asked.lock().ok()?;
        let may_ask = asked.is_none_or(|at| at.elapsed() > Duration::from_secs(30));
        if self.known(kid).is_none() && may_ask {
            *asked = Some(Instant::now());
            let patience = Some(Duration::from_secs(5));
            let request = ureq::get(jwks_url).config().timeout_global(patience).build();
            let set = request.call().ok()?.body_mut().read_json().ok()?;
            *self.known.write().ok()? = Some((set, Instant::now()));
        }
        self.known(kid)
    }

    fn known(&self, kid: &str) -> Option<DecodingKey> {
        let known = self.known.read().ok()?;
        let young = |(_, came): &&(JwkSet, Instant)| came.elapsed() <= Duration::from_mins(5);
        let (set, _) = known.as_ref().filter(young)?;
        DecodingKey::from_jwk(set.find(kid)?).ok()
    }
}
