//! From a right code to a proof: `Matched` is a code that fits, `VerifiedFactor` one whose step was
//! also spent. Only the second can become a token, and only after its transaction was committed.
//!
//! A proof cannot be forged: its fields are private and it is neither `Clone` nor `Deserialize`.
//!
//! ```compile_fail,E0451
//! use pawl::mfa::factor::{Login, VerifiedFactor};
//! fn forge(login: Login) -> VerifiedFactor { VerifiedFactor { login } }
//! ```
//! ```compile_fail,E0599
//! fn twice(proof: pawl::mfa::factor::VerifiedFactor) { let _second = proof.clone(); }
//! ```

use super::ids::{ClientId, EventId, FactorId, TenantId, TokenId, UserId};
use super::time::{Span, Step, Timestamp};
use super::words::{Audience, choice_words};

choice_words! {
    /// What a factor is. The seam for `webauthn`: another kind brings another way to `Matched`.
    FactorKind {
        /// RFC 6238 codes from an authenticator.
        Totp = "totp",
    }
    /// A factor's life: `pending → active ⇄ suspended → ended`. There is no "disabled".
    FactorState {
        /// Made, not yet confirmed by a code.
        Pending = "pending",
        /// Bound: its codes are asked for and accepted.
        Active = "active",
        /// Reported lost: its codes are refused, the requirement stays.
        Suspended = "suspended",
        /// Over; its secret is destroyed.
        Ended = "ended",
    }
    /// How the console says that the primary login was done.
    PrimaryMethod {
        /// A password: the token's `amr` then holds `pwd` and `mfa`.
        Password = "password",
        /// Single sign-on by another identity provider.
        Federated = "federated",
        /// Something else that the console vouches for.
        Other = "other",
    }
}

/// What the console vouched for when it asked for the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Primary {
    /// How the user signed in.
    pub method: PrimaryMethod,
    /// When.
    pub at: Timestamp,
}

/// One token that a verification yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The token's `aud`.
    pub audience: Audience,
    /// The token's `jti`, drawn before the transaction.
    pub token: TokenId,
    /// How long the token lives: `token_ttl_seconds` of the joined policy.
    pub ttl: Span,
}

/// The facts of one login, as the transaction read them under the user's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Of the credential.
    pub tenant: TenantId,
    /// The token's `sub`.
    pub user: UserId,
    /// The token's `client_id`.
    pub client: ClientId,
    /// The token's `fid`.
    pub factor: FactorId,
    /// The user's epoch at the commit.
    pub epoch: i64,
    /// The event that records the verification: the token's `txn`.
    pub event: EventId,
    /// When the code was verified: `auth_time` and `iat`.
    pub at: Timestamp,
    /// What the console vouched for.
    pub primary: Primary,
    /// The tokens asked for; empty for an act.
    pub grants: Vec<Grant>,
}

/// The code was right. It proves nothing until its step has been spent.
#[derive(Debug)]
#[must_use]
pub struct Matched {
    login: Login,
    step: Step,
}

/// Proof that a factor was verified and its step spent.
#[derive(Debug)]
#[must_use]
pub struct VerifiedFactor {
    login: Login,
}

/// Somebody else spent this step, or a later one, first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlreadySpent {
    /// The login that lost.
    pub login: Login,
}

impl Matched {
    /// A code of `login`'s factor matched at `step`. Only `totp` calls this, with the step that its
    /// constant-time search returned; `tests/architecture.rs` holds that.
    pub(super) fn new(login: Login, step: Step) -> Self {
        Self { login, step }
    }

    /// The factor whose step is to be spent.
    #[must_use]
    pub fn factor(&self) -> &FactorId {
        &self.login.factor
    }

    /// The step to spend.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// Spends the steps of a slice of matches. `claim` writes each step down behind a guard
    /// (`last_step < step`) and answers, in order, whether its row was the one to change.
    ///
    /// # Errors
    /// Those of `claim`; then nothing was proved.
    pub fn spend<E>(
        matches: Vec<Self>,
        claim: impl FnOnce(&[Self]) -> Result<Vec<bool>, E>,
    ) -> Result<Vec<Result<VerifiedFactor, AlreadySpent>>, E> {
        let won = claim(&matches)?;
        let answers = won.into_iter().chain(std::iter::repeat(false));
        Ok(matches
            .into_iter()
            .zip(answers)
            .map(
                |(Self { login, .. }, won)| {
                    if won { Ok(VerifiedFactor { login }) } else { Err(AlreadySpent { login }) }
                },
            )
            .collect())
    }
}

impl VerifiedFactor {
    /// What was verified.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }
}
