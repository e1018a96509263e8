//! The key set: its keys live 5 minutes, and an unknown one is asked for twice a minute at most.

use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;

#[derive(Default)]
pub struct Keys {
    known: Option<(JwkSet, Instant)>,
    asked: Option<Instant>,
}

impl Keys {
    pub fn find(&mut self, jwks_url: &str, kid: &str) -> Option<DecodingKey> {
        self.known.take_if(|(_, came)| came.elapsed() > Duration::from_mins(5));
        let may_ask = self.asked.is_none_or(|at| at.elapsed() > Duration::from_secs(30));
        if self.known(kid).is_none() && may_ask {
            self.asked = Some(Instant::now());
            let patience = Some(Duration::from_secs(5));
            let request = ureq::get(jwks_url).config().timeout_global(patience).build();
            let set = request.call().ok()?.body_mut().read_json().ok()?;
            self.known = Some((set, Instant::now()));
        }
        self.known(kid)
    }

    fn known(&self, kid: &str) -> Option<DecodingKey> {
        let (set, _) = self.known.as_ref()?;
        DecodingKey::from_jwk(set.find(kid)?).ok()
    }
}
