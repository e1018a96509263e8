//! The token keys at hand: read from the database now and then, and swapped as a whole.
//!
//! A set that is older than [`PACE`] is read again by whoever asks next; the others go on with the old
//! one meanwhile. Whoever has a proof that asks for a key which is not there reads at once. A set that could not be read again for as long as a token lives is not answered any
//! more: [`crate::mfa::token_key`] counts on it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use super::problem::{Code, Problem};
use super::read_at::{ReadAt, is_younger};
use crate::mfa::factor::VerifiedFactor;
use crate::mfa::time::{Span, Timestamp};
use crate::mfa::token_key::{Kid, UNREAD};
use crate::operations::token_keys::{NewKey, keep_token_keys, published_keys};
use crate::operations::{Entropy, Failure, Pawl};
use crate::telemetry;
use crate::token::{KeyError, KeySet, PublicKey, Signer, SigningKey};

/// How old a set may be before whoever asks for it reads it again. Anybody may ask at any time, so it
/// is not read each time.
pub const PACE: Span = Span::seconds(1);

/// One reading of the published keys.
pub struct TokenKeys {
    /// Mints.
    pub signer: Signer,
    /// Checks, and is published.
    pub set: KeySet,
    read_at: ReadAt,
}

/// Why the keys could not be read.
#[derive(Debug, thiserror::Error)]
pub enum KeysUnread {
    /// The database.
    #[error("the token keys cannot be read: {0:?}")]
    Failed(Failure),
    /// What it holds.
    #[error("a token key cannot be used")]
    Key(#[from] KeyError),
}

impl From<Failure> for KeysUnread {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The keys at hand.
pub struct LiveKeys {
    pawl: Pawl,
    current: RwLock<Arc<TokenKeys>>,
    /// One reads at a time; when it was last tried.
    turn: tokio::sync::Mutex<Timestamp>,
}

impl LiveKeys {
    /// Reads them for the first time, and makes the first of all; everything else is housekeeping's.
    ///
    /// # Errors
    /// [`KeysUnread`].
    pub async fn open(
        pawl: Pawl,
        life: Span,
        now: Timestamp,
        entropy: Entropy,
    ) -> Result<Self, KeysUnread> {
        if published_keys(&pawl).await?.is_empty() {
            keep_token_keys(&pawl, life, new_token_key()?, now, entropy).await?;
        }
        let current = RwLock::new(Arc::new(read(&pawl, now).await?));
        Ok(Self { pawl, current, turn: tokio::sync::Mutex::new(now) })
    }

    fn current(&self) -> Arc<TokenKeys> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys to publish and to check with.
    ///
    /// # Errors
    /// `unavailable` if they could not be read for too long.
    pub(super) async fn fresh(&self, now: Timestamp) -> Result<Arc<TokenKeys>, Problem> {
        let current = self.current();
        let is_usable = current.read_at.is_usable(UNREAD, now, Instant::now());
        if is_usable && is_younger(current.read_at.wall, PACE, now) {
            return Ok(current);
        }
        match self.turn.try_lock() {
            Ok(tried) if is_usable && is_younger(*tried, PACE, now) => {}
            Ok(mut tried) => self.read_again(&mut tried, now).await,
            Err(_) if is_usable => {}
            Err(_) => drop(self.turn.lock().await),
        }
        let current = self.current();
        if current.read_at.is_usable(UNREAD, now, Instant::now()) {
            Ok(current)
        } else {
            Err(Problem::new(Code::Unavailable))
        }
    }

    /// The keys, read again if the one that this proof asks for is not among them.
    pub(super) async fn for_proof(&self, proof: &VerifiedFactor, now: Timestamp) -> Arc<TokenKeys> {
        if !self.current().signer.can_sign(proof) {
            let mut tried = self.turn.lock().await;
            // Whoever had the turn before may have read it.
            if !self.current().signer.can_sign(proof) {
                self.read_again(&mut tried, now).await;
            }
        }
        self.current()
    }

    async fn read_again(&self, tried: &mut Timestamp, now: Timestamp) {
        *tried = now;
        match read(&self.pawl, now).await {
            Ok(keys) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
            }
            Err(error) => tracing::warn!(cause = telemetry::chain(&error), "token keys unread"),
        }
    }
}

async fn read(pawl: &Pawl, now: Timestamp) -> Result<TokenKeys, KeysUnread> {
    let read_at = ReadAt { wall: now, steady: Instant::now() };
    let stored = published_keys(pawl).await?;
    let public = stored.iter().map(|key| PublicKey::parse(&key.public_jwk));
    let set = KeySet::new(public.collect::<Result<_, _>>()?)?;
    let private = stored.iter().map(|key| SigningKey::from_pkcs8(&key.secret));
    let signer = Signer::new(private.collect::<Result<_, _>>()?, pawl.base_url.to_string());
    Ok(TokenKeys { signer, set, read_at })
}

/// A new key, for whoever changes the set.
///
/// # Errors
/// [`KeyError`].
pub fn new_token_key() -> Result<NewKey, KeyError> {
    let (key, secret) = SigningKey::generate()?;
    let kid = Kid::parse(key.public().kid()).map_err(|_| KeyError::NotGenerated)?;
    Ok(NewKey { kid, public_jwk: key.public().to_json()?, secret })
}
