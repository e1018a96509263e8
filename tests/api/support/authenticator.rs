//! An authenticator as a phone has it: it knows the `otpauth://` URI that it scanned, and the time.

use std::cell::Cell;

use totp_rs::Totp;

use super::server::Server;

/// An authenticator app with one secret.
#[derive(Clone)]
pub struct Authenticator {
    totp: Totp,
    /// The last step of which a code was read.
    last: Cell<i64>,
}

const PERIOD: i64 = 30;

impl Authenticator {
    /// Scans a QR code.
    pub fn scan(uri: &str) -> Self {
        Self { totp: Totp::from_url(uri).unwrap(), last: Cell::new(0) }
    }

    /// A code that was never read before: if this step's was, waits for the next one.
    pub fn fresh_code(&self, server: &Server) -> String {
        let now = server.now().seconds();
        if now / PERIOD <= self.last.get() {
            server.advance((self.last.get() + 1) * PERIOD - now);
        }
        self.shown(server)
    }

    /// The code that the display shows now, even if it was read before.
    pub fn shown(&self, server: &Server) -> String {
        let now = server.now().seconds();
        self.last.set(now / PERIOD);
        self.code_at(now)
    }

    /// A code that this authenticator shows at no time near now.
    pub fn wrong_code(&self, server: &Server) -> String {
        let now = server.now().seconds();
        let near: Vec<String> = (-3..=3).map(|n| self.code_at(now + n * PERIOD)).collect();
        let digits = near.first().unwrap().len();
        let mut candidates = (0..10).map(|n| n.to_string().repeat(digits));
        candidates.find(|code| !near.contains(code)).unwrap()
    }

    /// Whether a code is one that a server with a window of one step takes now.
    pub fn might_show(&self, server: &Server, code: &str) -> bool {
        let now = server.now().seconds();
        (-1..=1).any(|n| self.code_at(now + n * PERIOD) == code)
    }

    fn code_at(&self, seconds: i64) -> String {
        self.totp.generate(u64::try_from(seconds).unwrap()).to_string()
    }
}
