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
use super::time::{Span, Timestamp};
use super::token_key::Kid;
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
    /// The key that signs them: the one that was active when the transaction looked; none for an act.
    pub key: Option<Kid>,
}

/// The evidence was right: for `totp`, the step that a code belongs to. It proves nothing until the
/// evidence has been spent.
///
/// This is the seam for other kinds of factor. Another module of `mfa` makes a match with evidence of
/// its own, and it reaches [`VerifiedFactor`] on the same way:
///
/// ```
/// use pawl::mfa::factor::{AlreadySpent, Matched, VerifiedFactor};
///
/// /// A signature counter that a `webauthn` assertion carried.
/// struct SignCount(u32);
///
/// fn spend_counters(
///     assertions: Vec<Matched<SignCount>>,
///     raise: impl Fn(&SignCount) -> bool,
/// ) -> Result<Vec<Result<VerifiedFactor, AlreadySpent>>, std::convert::Infallible> {
///     Matched::spend(assertions, |all| Ok(all.iter().map(|one| raise(one.evidence())).collect()))
/// }
/// ```
///
/// Nobody outside of `mfa` makes one:
///
/// ```compile_fail,E0451
/// use pawl::mfa::factor::{Login, Matched};
/// fn forge(login: Login) -> Matched<u32> { Matched { login, evidence: 7 } }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Matched<E> {
    login: Login,
    evidence: E,
}

/// Proof that a factor was verified and its evidence spent.
#[derive(Debug)]
#[must_use]
pub struct VerifiedFactor {
    login: Login,
}

/// Somebody else spent this evidence, or a later one, first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlreadySpent {
    /// The login that lost.
    pub login: Login,
}

impl<E> Matched<E> {
    /// A search for `login`'s factor found `evidence`. `tests/architecture.rs` holds who calls this.
    pub(super) fn new(login: Login, evidence: E) -> Self {
        Self { login, evidence }
    }

    /// The factor whose evidence is to be spent.
    #[must_use]
    pub fn factor(&self) -> &FactorId {
        &self.login.factor
    }

    /// What is to be spent.
    #[must_use]
    pub fn evidence(&self) -> &E {
        &self.evidence
    }

    /// Spends the evidence of a slice of matches. `claim` writes each down behind a guard
    /// (`last_step < step`) and answers, in order, whether its row was the one to change.
    ///
    /// # Errors
    /// Those of `claim`; then nothing was proved.
    pub fn spend<F>(
        matches: Vec<Self>,
        claim: impl FnOnce(&[Self]) -> Result<Vec<bool>, F>,
    ) -> Result<Vec<Result<VerifiedFactor, AlreadySpent>>, F> {
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
