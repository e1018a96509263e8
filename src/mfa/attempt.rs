//! One code on its way: charged, compared, settled. The types hold the order.
//!
//! A comparison needs an [`Attempt`], which only a charge makes, and what it found stays shut in
//! [`Compared`] until somebody wrote the throttle that carries the charge.
//!
//! ```compile_fail,E0451
//! use pawl::mfa::{attempt::Attempt, throttle::Charged};
//! fn uncharged(charged: Charged) -> Attempt { Attempt { charged } }
//! ```
//! ```compile_fail,E0616
//! fn peek(compared: &pawl::mfa::attempt::Compared) -> bool { compared.found.is_ok() }
//! ```

use super::factor::{Login, Matched};
use super::secret::Seed;
use super::throttle::{Blocked, Charged, Limits, Throttle};
use super::time::{Step, Timestamp};
use super::totp::{Code, Parameters, Window, matched};

/// A charged attempt: its code may be compared.
#[derive(Debug)]
#[must_use]
pub struct Attempt {
    charged: Charged,
}

/// What a code is compared with.
#[derive(Clone, Copy)]
pub struct Sought<'a> {
    /// The factor's secret; without one the search takes as long and finds nothing.
    pub seed: Option<&'a Seed>,
    /// How its codes are made.
    pub parameters: Parameters,
    /// How far from the present a code may be.
    pub window: Window,
    /// The last step that was spent, by a row or earlier in the same slice.
    pub last_step: Step,
}

/// Why a code belongs to no step that could be spent. Callers are told the same of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmatched {
    /// It is of no step in the window.
    Wrong,
    /// It is of a step that was spent, or of an earlier one.
    Replayed,
    /// There is no seed.
    NoFactor,
}

/// A comparison that was made. Nobody learns what it found before its charge is written.
#[derive(Debug)]
#[must_use]
pub struct Compared {
    charged: Charged,
    found: Result<Matched<Step>, Unmatched>,
}

impl Attempt {
    /// Charges an attempt.
    ///
    /// # Errors
    /// [`Blocked`]; then nothing changes, and the code must not be looked at.
    pub fn begin(throttle: &Throttle, limits: Limits, now: Timestamp) -> Result<Self, Blocked> {
        Ok(Self { charged: throttle.charge(limits, now)? })
    }

    /// Compares `code` with every candidate, in constant time.
    pub fn compare(self, login: Login, code: &Code, sought: &Sought<'_>) -> Compared {
        let Sought { seed, parameters, window, last_step } = *sought;
        let found = matched(login, seed, parameters, code, window, last_step);
        Compared { charged: self.charged, found }
    }

    /// The throttle to write if the transaction that compared was aborted: as after a wrong code.
    #[must_use]
    pub fn aborted(self) -> Throttle {
        self.charged.failed()
    }
}

impl Compared {
    /// `write` writes the throttle, and what belongs to a right code, down; then the result is known,
    /// beside what `write` answered.
    ///
    /// # Errors
    /// Those of `write`; then nobody learns the result.
    pub fn settle<T, E>(
        self,
        write: impl FnOnce(&Throttle, Option<&Matched<Step>>) -> Result<T, E>,
    ) -> Result<(T, Result<Matched<Step>, Unmatched>), E> {
        let throttle = match &self.found {
            Ok(_) => self.charged.succeeded(),
            Err(_) => self.charged.failed(),
        };
        let written = write(&throttle, self.found.as_ref().ok())?;
        Ok((written, self.found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mfa::factor::{Primary, PrimaryMethod};
    use crate::mfa::ids::{ClientId, EventId, FactorId, TenantId, UserId};
    use crate::mfa::secret::Secret;
    use crate::mfa::totp::{Algorithm, Digits};

    const NOW: i64 = 45;

    fn compared(code: &str, throttle: &Throttle) -> Compared {
        let at = Timestamp::from_seconds(NOW);
        let login = Login {
            tenant: TenantId::from_random([1; 16]),
            user: UserId::from_random([2; 16]),
            client: ClientId::from_random([3; 16]),
            factor: FactorId::from_random([4; 16]),
            epoch: 1,
            event: EventId::from_random([5; 16]),
            at,
            primary: Primary { method: PrimaryMethod::Password, at },
            grants: Vec::new(),
            key: None,
        };
        let seed = Seed::from_stored(Secret::new(b"12345678901234567890".to_vec())).unwrap();
        let sought = Sought {
            seed: Some(&seed),
            parameters: Parameters { algorithm: Algorithm::Sha1, digits: Digits::Six },
            window: Window { past: 0, future: 0 },
            last_step: Step::from_number(0),
        };
        let attempt = Attempt::begin(throttle, Limits::DEFAULT, at).unwrap();
        attempt.compare(login, &Code::parse(code).unwrap(), &sought)
    }

    #[test]
    fn each_result_brings_the_throttle_that_goes_with_it() {
        let fresh = Throttle::fresh(Limits::DEFAULT, Timestamp::from_seconds(NOW));
        let settled = |code| {
            let (written, found) = compared(code, &fresh)
                .settle(|throttle, right| {
                    Ok::<_, ()>((*throttle, right.map(|right| *right.evidence())))
                })
                .unwrap();
            (found.is_ok(), written)
        };
        let (is_right, (throttle, step)) = settled("287082");
        assert!(is_right);
        assert_eq!((throttle, step), (fresh, Some(Step::from_number(1))));
        let (is_right, (throttle, step)) = settled("000000");
        assert!(!is_right);
        assert_eq!((throttle.consecutive, throttle.bucket.tokens, step), (1, 9, None));
    }

    #[test]
    fn nobody_learns_a_result_whose_charge_was_not_written() {
        let fresh = Throttle::fresh(Limits::DEFAULT, Timestamp::from_seconds(NOW));
        for code in ["287082", "000000"] {
            assert_eq!(
                compared(code, &fresh).settle(|_, _| Err::<(), _>("full")).unwrap_err(),
                "full"
            );
        }
    }

    #[test]
    fn an_aborted_attempt_costs_what_a_wrong_code_costs() {
        let at = Timestamp::from_seconds(NOW);
        let fresh = Throttle::fresh(Limits::DEFAULT, at);
        let aborted = Attempt::begin(&fresh, Limits::DEFAULT, at).unwrap().aborted();
        assert_eq!((aborted.consecutive, aborted.bucket.tokens), (1, 9));
    }
}
