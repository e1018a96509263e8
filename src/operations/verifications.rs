//! `verifyCode`: the verify transaction. A token follows from its committed outcome and from nothing
//! else.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::SharedCode;
use super::access::{self, Permitted};
use super::call::Work;
use super::codes::{Answered, Asked};
use super::evaluations::{Obligation, obligations};
use super::standing::Facts;
use super::{Call, Done, Handle, Pawl, Traced};
use crate::mfa::challenge::{Purpose, accepts_codes, still_open};
use crate::mfa::event::{EventKind, EventSeq};
use crate::mfa::factor::{Grant, Login, Primary, VerifiedFactor};
use crate::mfa::ids::{ClientId, FactorId, TokenId};
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Span;
use crate::mfa::words::Audience;
use crate::store::rows::{ChallengeRow, ClientRow, IssuedTokenRow};
use crate::store::{Ahead, Committed};

/// A code for a challenge.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyCode {
    /// The handle from `evaluateLogin`.
    pub challenge: Handle,
    /// The code from the user's authenticator, as the user typed it.
    pub code: SharedCode,
}

/// What a right code led to, besides the tokens.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// What the user must do soon.
    pub obligations: Vec<Obligation>,
}

/// The proof and what goes with it.
pub type Outcome = Traced<(VerifiedFactor, Verified)>;

/// Verifies one code.
///
/// The result is committed: it may hold a proof, from which `token` mints, or a refusal whose charge
/// was written.
///
/// # Errors
/// `challenge-over` and `too-many-attempts`, which change nothing.
pub async fn verify_code(pawl: &Pawl, call: Call, request: VerifyCode) -> Done<Committed<Outcome>> {
    let ahead = Ahead::Challenge(*request.challenge.hash());
    call.write_ahead(pawl, access::VerifyCode::ACCESS, ahead, move |work| {
        verify_one(work, &request)
    })
    .await
}

fn verify_one(work: &mut Work<'_, '_>, request: &VerifyCode) -> Done<Outcome> {
    let client = work.client()?;
    let purposes = [Purpose::Login, Purpose::Recovery];
    let challenge = live_challenge(work, &request.challenge, &client, &purposes)?;
    let facts = live_user(work, &challenge)?;
    let requirement = facts.requirement(work, &challenge.audiences.0, address(&challenge));
    // A challenge from a time when the factor was suspended never yields a token, though the factor may be
    // active again.
    let takes_codes = challenge.purpose == Purpose::Login;
    let bound = facts.factor.as_ref();
    let factor = bound.filter(|factor| takes_codes && accepts_codes(factor.state));
    let about = LoginOf {
        client: &client.id,
        audiences: &challenge.audiences.0,
        address: address(&challenge),
        primary: challenge.primary(),
        epoch: facts.user.epoch,
    };
    // Without a factor the search takes as long, under an id that no row has.
    let factor_id = match factor {
        Some(factor) => factor.id.clone(),
        None => FactorId::from_random(work.bytes()),
    };
    let asked = Asked {
        login: login(work, &facts, factor_id, about)?,
        code: request.code.get(),
        factor,
        attributes: &requirement.attributes,
        kind: EventKind::CodeVerified,
        object: challenge.id.to_string(),
        address: address(&challenge),
    };
    match work.ask(asked)? {
        Answered::Blocked(retry_after) => Err(Refusal::TooManyAttempts { retry_after }.into()),
        Answered::Rejected(event) => {
            work.tx.charge_challenge(&challenge, None, event.seq)?;
            Ok(Err(Refusal::CodeRejected("wrong, replayed or without a factor")))
        }
        Answered::Verified(proof, event) => {
            work.tx.charge_challenge(&challenge, Some(work.now), event.seq)?;
            issue(work, &proof, event.seq);
            let obligations = obligations(&facts, &requirement);
            Ok(Ok((proof, Verified { obligations })))
        }
    }
}

/// A challenge that this client can still use for one of these purposes. Unknown, expired, consumed and
/// foreign handles are alike, and so is one for an audience that the client lost since.
pub(super) fn live_challenge(
    work: &mut Work<'_, '_>,
    handle: &Handle,
    client: &ClientRow,
    purposes: &[Purpose],
) -> Done<ChallengeRow> {
    let challenge = work
        .tx
        .find_challenge(&work.tenant, handle.hash())?
        .filter(|row| row.client_id == client.id && purposes.contains(&row.purpose))
        .filter(|row| client.may_ask_for(&row.audiences.0, &work.own_audience))
        .ok_or(Refusal::ChallengeOver("unknown, foreign or of another purpose"))?;
    still_open(challenge.closed_at, challenge.expires_at, challenge.attempts, work.now)
        .map_err(|_| Refusal::ChallengeOver("closed, expired or out of attempts"))?;
    Ok(challenge)
}

/// The challenge's user, locked, with the facts read after the lock.
pub(super) fn live_user(work: &mut Work<'_, '_>, challenge: &ChallengeRow) -> Done<Facts> {
    let user = work
        .tx
        .find_user(&work.tenant, None, &challenge.user_id)?
        .filter(|user| user.offboarded_at.is_none())
        .ok_or(Refusal::ChallengeOver("the user is gone"))?;
    work.facts(user)
}

pub(super) fn address(challenge: &ChallengeRow) -> Option<std::net::IpAddr> {
    reported(challenge.address.as_deref())
}

/// An address as a row keeps it. One that cannot be read is unknown, which every rule on networks meets.
pub(super) fn reported(address: Option<&str>) -> Option<std::net::IpAddr> {
    address.and_then(|address| address.parse().ok())
}

/// What a login is about, besides its user and factor.
pub(super) struct LoginOf<'a> {
    pub(super) client: &'a ClientId,
    pub(super) audiences: &'a [Audience],
    pub(super) address: Option<std::net::IpAddr>,
    pub(super) primary: Primary,
    pub(super) epoch: i64,
}

/// The login that a right code will prove. How long a token lives may depend on its audience.
pub(super) fn login(
    work: &mut Work<'_, '_>,
    facts: &Facts,
    factor: FactorId,
    about: LoginOf<'_>,
) -> Done<Login> {
    let mut grants = Vec::with_capacity(about.audiences.len());
    for audience in about.audiences {
        let one = std::slice::from_ref(audience);
        let attributes = facts.requirement(work, one, about.address).attributes;
        let ttl = Span::seconds(i64::from(attributes.token_ttl_seconds.get()));
        let token = TokenId::from_random(work.ordered());
        grants.push(Grant { audience: audience.clone(), token, ttl });
    }
    let key = if grants.is_empty() { None } else { Some(work.tx.signing_kid()?) };
    Ok(Login {
        tenant: work.tenant.clone(),
        user: facts.user.id.clone(),
        client: about.client.clone(),
        factor,
        epoch: about.epoch,
        event: work.event_id(),
        at: work.now,
        primary: about.primary,
        grants,
        key,
    })
}

/// Writes down the tokens that will be minted once this is committed.
pub(super) fn issue(work: &mut Work<'_, '_>, proof: &VerifiedFactor, event: EventSeq) {
    let login = proof.login();
    for grant in &login.grants {
        work.tx.insert_issued_token(IssuedTokenRow {
            tenant_id: login.tenant.clone(),
            id: grant.token.clone(),
            user_id: login.user.clone(),
            client_id: login.client.clone(),
            factor_id: login.factor.clone(),
            audience: grant.audience.clone(),
            epoch: login.epoch,
            issued_at: login.at,
            expires_at: login.at.after(grant.ttl),
            event_seq: event,
        });
    }
}
