//! Acts in words, for the page on which the person types the code. An approval is told in the words of
//! the request that it approves, and a take-up in those of what it asks for, both as they are stored: a
//! console that shows another one than it has the code typed for cannot choose these words.

use std::collections::BTreeSet;

use super::Done;
use super::call::Work;
use super::client_changes::ClientChange;
use super::execute::facts;
use super::petitions::TakeUpPetition;
use super::roles::RoleChange;
use crate::mfa::client_key::{PublicJwk, SignsIn};
use crate::mfa::ids::{ClientId, OverrideId, PetitionId, UserId};
use crate::mfa::overrides::{OverrideKind, PetitionKind};
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Audience, Role};
use crate::store::StoreError;
use crate::store::rows::OverrideRow;

/// What a request or a petition for a user asks for.
pub(super) fn for_user(
    kind: PetitionKind,
    user: &UserId,
    audiences: &BTreeSet<Audience>,
    until: Option<Timestamp>,
) -> String {
    match kind {
        PetitionKind::Exempt => {
            let until = until.map(|at| format!(" until {at}")).unwrap_or_default();
            let audiences: Vec<&str> = audiences.iter().map(Audience::as_str).collect();
            format!("Ask user {user} for no code at {}{until}", audiences.join(", "))
        }
        PetitionKind::Reset => format!("End the factor of user {user}, who enrolls again"),
        PetitionKind::Unlock => format!("Lift the block of user {user}"),
        PetitionKind::Resume => format!("Let the factor of user {user}, reported lost, work again"),
    }
}

/// Giving a role, or taking it away.
pub(super) fn role(is_grant: bool, role: Role, user: &UserId) -> String {
    let role = role.as_str();
    if is_grant {
        format!("Give the role {role} to user {user}")
    } else {
        format!("Take the role {role} from user {user}")
    }
}

/// Replacing the policy.
pub(super) fn policy(version: impl std::fmt::Display) -> String {
    format!("Replace the policy version {version} by a looser one")
}

/// Making a ticket.
pub(super) fn ticket(user: &UserId) -> String {
    format!("Make an enrollment ticket for user {user}")
}

/// Making a client.
pub(super) fn client(name: &str) -> String {
    format!("Make the client {name}")
}

/// Giving a client a second secret.
pub(super) fn client_secret(client: &ClientId) -> String {
    format!("Give the client {client} a new key")
}

/// Letting a client sign in with a public key.
pub(super) fn client_key(client: &ClientId, jwk: Option<&PublicJwk>) -> String {
    let key = jwk.and_then(|jwk| jwk.parse().ok());
    let key = key.map(|key| format!(" {}", key.thumbprint())).unwrap_or_default();
    format!("Let the client {client} sign in with the public key{key}")
}

/// Letting a service account sign in as a client.
pub(super) fn client_account(client: &ClientId, account: &str) -> String {
    format!("Let {account} sign in as the client {client}")
}

fn client_change(change: &ClientChange) -> String {
    match change {
        ClientChange::Create(body) => client(body.name.as_str()),
        ClientChange::Rotate { client_id, .. } => client_secret(client_id),
        ClientChange::AddKey { client_id, with: SignsIn::Jwk(jwk) } => {
            client_key(client_id, Some(jwk))
        }
        ClientChange::AddKey { client_id, with: SignsIn::ServiceAccount(account) } => {
            client_account(client_id, account.as_str())
        }
    }
}

fn request(row: &OverrideRow) -> Result<String, StoreError> {
    let user = || row.user_id.as_ref().ok_or(StoreError::Invalid("override"));
    let of_user = |kind| Ok(for_user(kind, user()?, &row.audiences.0, Some(row.expires_at)));
    match row.kind {
        OverrideKind::Exempt => of_user(PetitionKind::Exempt),
        OverrideKind::Reset => of_user(PetitionKind::Reset),
        OverrideKind::Unlock => of_user(PetitionKind::Unlock),
        OverrideKind::Resume => of_user(PetitionKind::Resume),
        OverrideKind::Ticket => Ok(ticket(user()?)),
        OverrideKind::Policy => Ok(policy(row.policy_version)),
        OverrideKind::Role => {
            let change: RoleChange = facts(row)?;
            Ok(role(change.grant, change.role, &change.user_id))
        }
        OverrideKind::Client => Ok(client_change(&facts(row)?)),
    }
}

/// What an approval approves, if that is there.
pub(super) fn approval(work: &mut Work<'_, '_>, id: &OverrideId) -> Done<Option<String>> {
    let row = work.tx.find_override(&work.tenant, id)?;
    let words = row.map(|row| Ok(format!("{}, asked for by {}", request(&row)?, row.requested_by)));
    words.transpose()
}

/// What taking up a petition asks for, if that is there.
pub(super) fn take_up(
    work: &mut Work<'_, '_>,
    id: &PetitionId,
    body: &TakeUpPetition,
) -> Done<Option<String>> {
    let row = work.tx.find_petition(&work.tenant, id)?;
    Ok(row.map(|row| for_user(row.kind, &row.user_id, &body.audiences, body.expires_at)))
}
