//! The token keys, as housekeeping and somebody at the server move them; this server has no
//! housekeeping of its own.

use pawl::app::entropy;
use pawl::http::token_keys::new_token_key;
use pawl::mfa::time::Span;
use pawl::mfa::token_key::{Change, Kid, Rotation, TokenKey};
use pawl::mfa::words::Reason;
use pawl::operations::token_keys::{
    are_keys_due, keep_token_keys, list_token_keys, revoke_token_key, rotate_token_key,
};

use super::actors::REASON;
use super::server::{Server, done, waited};

/// How long a key signs in a test.
pub const DAYS: i64 = 7;

impl Server {
    /// A round of housekeeping.
    pub fn keep_keys(&self) -> Vec<Change> {
        let every = Span::hours(24 * DAYS);
        if !done(are_keys_due(self.pawl(), every, self.now())) {
            return Vec::new();
        }
        let (fresh, entropy) = (new_token_key().unwrap(), entropy().unwrap());
        done(keep_token_keys(self.pawl(), every, fresh, self.now(), entropy))
    }

    /// `pawl keys rotate`.
    pub fn rotate_keys(&self, in_haste: bool) -> Rotation {
        let (fresh, entropy) = (new_token_key().unwrap(), entropy().unwrap());
        done(rotate_token_key(self.pawl(), in_haste, fresh, self.now(), entropy))
    }

    /// `pawl keys revoke`; whether there was such a key.
    pub fn revoke_key(&self, kid: &str) -> bool {
        let (fresh, entropy) = (new_token_key().unwrap(), entropy().unwrap());
        let wish = (Kid::parse(kid).unwrap(), Reason::parse(REASON).unwrap());
        waited(revoke_token_key(self.pawl(), wish, fresh, self.now(), entropy)).is_ok()
    }

    /// Every key there ever was.
    pub fn token_keys(&self) -> Vec<TokenKey> {
        done(list_token_keys(self.pawl()))
    }

    /// How many replicas take turns.
    pub fn replicas(&self) -> usize {
        self.addresses().len()
    }
}
