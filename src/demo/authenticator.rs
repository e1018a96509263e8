//! An authenticator as on a phone: it knows an `otpauth://` line and the time, and nothing else.

use totp_rs::Totp;

use crate::mfa::time::{Span, Step, Timestamp};

/// One account on the phone, and which of its codes the person used last.
pub(super) struct Authenticator {
    totp: Totp,
    used: Option<Step>,
}

impl Authenticator {
    /// Scans an `otpauth://` line.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn scan(uri: &str) -> Result<Self, String> {
        let totp = Totp::from_url(uri)
            .map_err(|error| format!("expected an otpauth:// line that can be scanned: {error}"))?;
        Ok(Self { totp, used: None })
    }

    /// The code on the display; the person remembers having used it.
    pub(super) fn read(&mut self, now: Timestamp) -> String {
        self.used = Some(now.step());
        self.shown(now)
    }

    /// When the display shows a code that was not used yet.
    pub(super) fn fresh_from(&self) -> Timestamp {
        let next = self.used.map_or(0, |step| step.offset(1).number());
        Timestamp::from_seconds(next.saturating_mul(PERIOD.as_seconds_up()))
    }

    /// A code that the display shows neither now nor in the steps beside, not even if the present one
    /// ends while the code is on its way.
    pub(super) fn wrong(&self, now: Timestamp) -> String {
        let next = now.after(PERIOD);
        let near = [now.before(PERIOD), now, next, next.after(PERIOD)].map(|at| self.shown(at));
        let mut codes = (0..).map(|number| format!("{number:06}"));
        codes.find(|code| !near.contains(code)).unwrap_or_default()
    }

    fn shown(&self, at: Timestamp) -> String {
        self.totp.generate(at.seconds().unsigned_abs()).to_string()
    }
}

const PERIOD: Span = Span::seconds(crate::mfa::time::PERIOD_SECONDS.cast_signed());

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "otpauth://totp/Pawl:ana?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Pawl&algorithm=SHA1&period=30&digits=";

    fn phone(digits: u8) -> Authenticator {
        Authenticator::scan(&format!("{LINE}{digits}")).unwrap()
    }

    #[test]
    fn it_shows_the_codes_of_rfc_6238() {
        for (at, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_234_567_890, "89005924"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(phone(8).read(Timestamp::from_seconds(at)), code);
        }
    }

    #[test]
    fn a_code_is_fresh_until_it_was_used() {
        let mut phone = phone(6);
        assert_eq!(phone.fresh_from(), Timestamp::from_seconds(0));
        phone.read(Timestamp::from_seconds(59));
        assert_eq!(phone.fresh_from(), Timestamp::from_seconds(60));
    }

    #[test]
    fn a_wrong_code_is_wrong_in_the_steps_beside_too() {
        let phone = phone(6);
        for at in (0..3000).map(Timestamp::from_seconds) {
            let wrong = phone.wrong(at);
            assert_eq!(wrong.len(), 6);
            for near in [at.before(PERIOD), at, at.after(PERIOD)] {
                assert_ne!(wrong, phone.shown(near));
            }
        }
    }

    #[test]
    fn what_is_no_otpauth_line_is_refused() {
        for text in ["", "https://mfa.example", "otpauth://totp/Pawl:ana?issuer=Pawl"] {
            assert!(Authenticator::scan(text).is_err(), "{text}");
        }
    }
}
