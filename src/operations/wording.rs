//! Acts for a person to read, for the page on which the code is typed. An approval is told in the words of
//! the request that it approves, and a take-up in those of its petition, both as they are stored: a console
//! that shows another one than it has the code typed for cannot choose these words. Every name and reason
//! is quoted, so that it cannot pose as our words.

use std::collections::BTreeSet;

use serde::Serialize;
use utoipa::ToSchema;

use super::Done;
use super::acts::{Act, ApproveOverrideAct, TakeUpPetitionAct};
use super::call::Work;
use super::client_changes::ClientChange;
use super::client_keys::wanted;
use super::client_updates::ClientUpdate;
use super::clients::CreateClient;
use super::execute::facts;
use super::roles::RoleChange;
use super::tenant_changes::TenantChange;
use crate::mfa::client::Scope;
use crate::mfa::client_key::SignsIn;
use crate::mfa::ids::{ClientId, DirectoryId, UserId};
use crate::mfa::overrides::{OverrideKind, PetitionKind};
use crate::mfa::policy::weakening::{PolicyChange, hardened, loosened};
use crate::mfa::policy::{Policy, PolicyDocument};
use crate::mfa::refusal::Refusal;
use crate::mfa::text::{folded, quoted};
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Audience, DisplayName, ExternalId, LookAlikes, Reason, Role};
use crate::store::StoreError;
use crate::store::rows::{ClientRow, DirectoryRow, OverrideRow};

/// A user by their names.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NamedUser {
    /// Pawl's id.
    pub id: UserId,
    /// The console's own id.
    pub external_id: ExternalId,
    /// What people call them.
    pub display_name: DisplayName,
    /// The name of their directory: in another one the same names are another person.
    pub directory: DisplayName,
    /// The directory in words, where the tenant has another one.
    #[serde(skip)]
    place: Option<String>,
}

impl NamedUser {
    /// The names in quotes, and the directory where the tenant has another one.
    fn in_words(&self) -> String {
        let (name, external_id) = (quoted(self.display_name.as_str()), self.external_id.as_str());
        let mut id = quoted(external_id);
        // Quoting has changed it: another user's may read the same.
        if id.trim_matches('"') != external_id {
            id = format!("{id}, {}", self.id);
        }
        let place = self.place.as_deref().map(|place| format!(" in the directory {place}"));
        format!("{name} ({id}{})", place.unwrap_or_default())
    }
}

/// An act for a person to read, and what it is about.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) text: String,
    pub(super) subject: Option<NamedUser>,
    pub(super) requester: Option<NamedUser>,
    pub(super) changes: Vec<PolicyChange>,
}

impl Words {
    fn of(text: String) -> Self {
        Self { text, ..Self::default() }
    }

    fn of_user(user: NamedUser, text: impl FnOnce(&str) -> String) -> Self {
        let text = text(&user.in_words());
        Self { subject: Some(user), ..Self::of(text) }
    }

    fn because(mut self, reason: &Reason) -> Self {
        self.text = format!("{}. Reason: {}", self.text, quoted(reason.as_str()));
        self
    }
}

/// The act in words. Its operation would take it: that was checked before.
pub(super) fn words(work: &mut Work<'_, '_>, act: &Act) -> Done<Words> {
    Ok(match act {
        Act::RequestOverrideAct(act) => {
            let body = &act.body;
            for_user(work, body.kind, &body.user_id, &body.audiences, body.expires_at)?
                .because(&body.reason)
        }
        Act::ApproveOverrideAct(act) => approval(work, act)?,
        Act::TakeUpPetitionAct(act) => take_up(work, act)?,
        Act::PutPolicyAct(act) => {
            let words = policy(work, &act.body.policy)?;
            act.body.reason.iter().fold(words, Words::because)
        }
        Act::GrantRoleAct(act) => {
            role(work, true, act.role, &act.user_id)?.because(&act.body.reason)
        }
        Act::RevokeRoleAct(act) => {
            role(work, false, act.role, &act.user_id)?.because(&act.body.reason)
        }
        Act::CreateTicketAct(act) => ticket(work, &act.body.user_id)?.because(&act.body.reason),
        Act::CreateClientAct(act) => new_client(work, &act.body)?.because(&act.body.reason),
        Act::DisableClientAct(act) => {
            let client = client(work, &act.client_id)?;
            Words::of(format!("Disable the client {client} for good")).because(&act.body.reason)
        }
        Act::UpdateClientAct(act) => {
            let sets = (&act.body.scopes, &act.body.audiences);
            updated_client(work, &act.client_id, sets)?.because(&act.body.reason)
        }
        Act::RotateClientSecretAct(act) => {
            second_secret(work, &act.client_id)?.because(&act.body.reason)
        }
        Act::AddClientKeyAct(act) => {
            let with = wanted(&act.body)?;
            signs_in(work, &act.client_id, &with)?.because(&act.body.reason)
        }
        Act::RenameTenantAct(act) => tenant_name(work, &act.body.name)?.because(&act.body.reason),
        Act::SetLookAlikesAct(act) => {
            look_alikes(work, &act.directory_id, act.body.look_alikes)?.because(&act.body.reason)
        }
        Act::BeginRotationAct(_) => Words::of("Replace your own authenticator".to_owned()),
        Act::RegenerateRecoveryCodesAct(_) => {
            Words::of("Replace your own recovery codes".to_owned())
        }
    })
}

fn named(work: &mut Work<'_, '_>, id: &UserId) -> Done<NamedUser> {
    let user = work.user(id)?;
    let all = work.tx.list_directories(&work.tenant)?;
    let own = all.iter().find(|one| one.id == user.directory_id);
    let own = own.ok_or(StoreError::Invalid("directory"))?;
    Ok(NamedUser {
        id: user.id,
        external_id: user.external_id,
        display_name: user.display_name,
        directory: own.name.clone(),
        place: (all.len() > 1).then(|| in_words(own, &all)),
    })
}

/// What a request or a petition for a user asks for.
fn for_user(
    work: &mut Work<'_, '_>,
    kind: PetitionKind,
    user: &UserId,
    audiences: &BTreeSet<Audience>,
    until: Option<Timestamp>,
) -> Done<Words> {
    let user = named(work, user)?;
    Ok(Words::of_user(user, |user| match kind {
        PetitionKind::Exempt => {
            let until = until.map(|at| format!(" until {}", at.in_words())).unwrap_or_default();
            format!("Ask {user} for no code at {}{until}", list(audiences))
        }
        PetitionKind::Reset => format!("End the factor of {user}, who then enrolls with a ticket"),
        PetitionKind::Unlock => format!("Lift the block of {user} after wrong codes"),
        PetitionKind::Resume => format!("Let the factor of {user}, reported lost, work again"),
    }))
}

fn list(audiences: &BTreeSet<Audience>) -> String {
    let quoted: Vec<String> = audiences.iter().map(|audience| quoted(audience.as_str())).collect();
    quoted.join(", ")
}

fn role(work: &mut Work<'_, '_>, is_grant: bool, role: Role, user: &UserId) -> Done<Words> {
    let (user, role) = (named(work, user)?, role.as_str());
    Ok(Words::of_user(user, |user| {
        if is_grant {
            format!("Give the role {role} to {user}")
        } else {
            format!("Take the role {role} from {user}")
        }
    }))
}

/// Replacing the policy in force: everything that gets looser, with what it was and what it will be.
fn policy(work: &mut Work<'_, '_>, document: &PolicyDocument) -> Done<Words> {
    let row = work.tx.current_policy(&work.tenant)?;
    let new = Policy::from_document(document.clone(), Some(&row.document.0), work.now).map_err(
        |invalid| Refusal::InvalidPolicy { field: invalid.field, reason: invalid.reason },
    )?;
    let (mut changes, hardened) =
        (loosened(&row.document.0, &new), hardened(&row.document.0, &new));
    let listed =
        |changes: &[PolicyChange]| changes.iter().map(change).collect::<Vec<_>>().join("; ");
    let version = row.version;
    let mut text = if changes.is_empty() {
        format!("Replace the policy version {version} by one that is nowhere looser")
    } else {
        let looser = listed(&changes);
        format!("Replace the policy version {version} by a looser one. Looser: {looser}")
    };
    if !hardened.is_empty() {
        text.extend([". Harder for who helps a user: ", &listed(&hardened)]);
    }
    changes.extend(hardened);
    Ok(Words { changes, ..Words::of(text) })
}

fn change(change: &PolicyChange) -> String {
    let plain = |value: &serde_json::Value| match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    };
    let (rule, attribute) = (quoted(&change.rule.to_string()), change.attribute.as_str());
    let (from, to) = (plain(&change.from), plain(&change.to));
    format!("rule {rule}, {attribute} from {from} to {to}")
}

fn ticket(work: &mut Work<'_, '_>, user: &UserId) -> Done<Words> {
    let user = named(work, user)?;
    Ok(Words::of_user(user, |user| format!("Make an enrollment ticket for {user}")))
}

fn scope_list(scopes: &BTreeSet<Scope>) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ")
}

fn audience_list(audiences: &BTreeSet<Audience>) -> String {
    if audiences.is_empty() {
        "no audience of its own".to_owned()
    } else {
        format!("the audiences {}", list(audiences))
    }
}

/// A new client with what makes it dangerous: its scopes, its audiences, and whose logins it passes on.
fn new_client(work: &mut Work<'_, '_>, body: &CreateClient) -> Done<Words> {
    let (scopes, audiences) = (scope_list(&body.scopes), audience_list(&body.audiences));
    let place = match &body.directory_id {
        None => "in a new directory".to_owned(),
        Some(id) if body.scopes.contains(&Scope::Login) => place_of(work, id)?,
        Some(id) => format!("in the directory {}", directory_name(work, id)?),
    };
    let name = quoted(body.name.as_str());
    Ok(Words::of(format!("Make the client {name} with the scopes {scopes}, {audiences}, {place}")))
}

/// A directory, and whether administrators are among its users.
fn place_of(work: &mut Work<'_, '_>, id: &DirectoryId) -> Done<String> {
    let name = directory_name(work, id)?;
    let who = if has_administrators(work, id)? { ", where administrators sign in" } else { "" };
    Ok(format!("in the directory {name}{who}"))
}

fn directory_name(work: &mut Work<'_, '_>, id: &DirectoryId) -> Done<String> {
    let all = work.tx.list_directories(&work.tenant)?;
    let directory = all.iter().find(|one| one.id == *id).ok_or(Refusal::NotFound)?;
    Ok(in_words(directory, &all))
}

/// A directory by its name, and by its id where another one of the tenant has a name that reads alike.
fn in_words(directory: &DirectoryRow, all: &[DirectoryRow]) -> String {
    let name = quoted(directory.name.as_str());
    let alike = |one: &&DirectoryRow| folded(&quoted(one.name.as_str())) == folded(&name);
    if all.iter().filter(alike).count() > 1 { format!("{name} ({})", directory.id) } else { name }
}

fn has_administrators(work: &mut Work<'_, '_>, directory: &DirectoryId) -> Done<bool> {
    for id in work.tx.holders_of(&work.tenant, Role::Admin)? {
        if work.user(&id)?.directory_id == *directory {
            return Ok(true);
        }
    }
    Ok(false)
}

fn client(work: &mut Work<'_, '_>, id: &ClientId) -> Done<String> {
    let row = work.tx.find_client(&work.tenant, id)?.ok_or(Refusal::NotFound)?;
    Ok(client_in_words(&row))
}

/// A client by its name and its id: two clients may have one name.
fn client_in_words(row: &ClientRow) -> String {
    format!("{} ({})", quoted(row.name.as_str()), row.id)
}

/// What a client may do, before and after.
fn updated_client(
    work: &mut Work<'_, '_>,
    id: &ClientId,
    (scopes, audiences): (&BTreeSet<Scope>, &BTreeSet<Audience>),
) -> Done<Words> {
    let row = work.tx.find_client(&work.tenant, id)?.ok_or(Refusal::NotFound)?;
    let name = client_in_words(&row);
    let (old_scopes, new_scopes) = (scope_list(&row.scopes.0), scope_list(scopes));
    let (old, new) = (audience_list(&row.audiences.0), audience_list(audiences));
    let place = place_of(work, &row.directory_id)?;
    Ok(Words::of(format!(
        "Change the client {name} {place}: scopes from {old_scopes} to {new_scopes}, from {old} to {new}"
    )))
}

fn second_secret(work: &mut Work<'_, '_>, id: &ClientId) -> Done<Words> {
    let client = client(work, id)?;
    Ok(Words::of(format!("Give the client {client} a second secret")))
}

fn signs_in(work: &mut Work<'_, '_>, id: &ClientId, with: &SignsIn) -> Done<Words> {
    let client = client(work, id)?;
    let with = match with {
        SignsIn::Jwk(jwk) => match jwk.parse() {
            Ok(key) => format!("the public key {}", key.thumbprint()),
            Err(_) => return Err(StoreError::Invalid("client key").into()),
        },
        SignsIn::ServiceAccount(account) => {
            format!("the service account {}", quoted(account.as_str()))
        }
    };
    Ok(Words::of(format!("Let {with} sign in as the client {client}")))
}

fn tenant_name(work: &mut Work<'_, '_>, to: &DisplayName) -> Done<Words> {
    let row = work.tx.find_tenant(&work.tenant)?.ok_or(StoreError::Invalid("tenant"))?;
    let (from, to) = (quoted(row.name.as_str()), quoted(to.as_str()));
    Ok(Words::of(format!("Rename the tenant from {from} to {to}, the name that new phones show")))
}

fn look_alikes(work: &mut Work<'_, '_>, id: &DirectoryId, to: LookAlikes) -> Done<Words> {
    let place = place_of(work, id)?;
    let what = "new users whose external id is another spelling of an older user's";
    Ok(Words::of(match to {
        LookAlikes::Hold => format!("Hold, {place}, {what}, until a ticket"),
        LookAlikes::Note => format!("Let enroll with a password alone, {place}, {what}"),
    }))
}

fn request(work: &mut Work<'_, '_>, row: &OverrideRow) -> Done<Words> {
    let user = row.user_id.as_ref().ok_or(StoreError::Invalid("override"));
    let kind = match row.kind {
        OverrideKind::Exempt => PetitionKind::Exempt,
        OverrideKind::Reset => PetitionKind::Reset,
        OverrideKind::Unlock => PetitionKind::Unlock,
        OverrideKind::Resume => PetitionKind::Resume,
        OverrideKind::Ticket => return ticket(work, user?),
        OverrideKind::Policy => return policy(work, &facts(row)?),
        OverrideKind::Role => {
            let change: RoleChange = facts(row)?;
            return role(work, change.grant, change.role, &change.user_id);
        }
        OverrideKind::Client => {
            return match facts(row)? {
                ClientChange::Create(body) => new_client(work, &body),
                ClientChange::Rotate { client_id, .. } => second_secret(work, &client_id),
                ClientChange::AddKey { client_id, with } => signs_in(work, &client_id, &with),
                ClientChange::Update { client_id, update: ClientUpdate { to, .. } } => {
                    updated_client(work, &client_id, (&to.scopes, &to.audiences))
                }
            };
        }
        OverrideKind::Tenant => {
            return match facts(row)? {
                TenantChange::Rename { name } => tenant_name(work, &name),
                TenantChange::SetLookAlikes { directory_id, look_alikes: to } => {
                    look_alikes(work, &directory_id, to)
                }
            };
        }
    };
    for_user(work, kind, user?, &row.audiences.0, Some(row.expires_at))
}

fn approval(work: &mut Work<'_, '_>, act: &ApproveOverrideAct) -> Done<Words> {
    let row = work.tx.find_override(&work.tenant, &act.override_id)?.ok_or(Refusal::NotFound)?;
    let words = request(work, &row)?.because(&row.reason);
    let by = UserId::parse(&row.requested_by).map_err(|_| StoreError::Invalid("override"))?;
    let by = named(work, &by)?;
    let text = format!("Approve what {} asks for: {}", by.in_words(), words.text);
    Ok(Words { text, requester: Some(by), ..words })
}

fn take_up(work: &mut Work<'_, '_>, act: &TakeUpPetitionAct) -> Done<Words> {
    let row = work.tx.find_petition(&work.tenant, &act.petition_id)?.ok_or(Refusal::NotFound)?;
    let body = &act.body;
    let asked = for_user(work, row.kind, &row.user_id, &body.audiences, body.expires_at)?;
    let words = asked.because(&body.reason);
    let text =
        format!("Take up a petition, which says {}: {}", quoted(row.reason.as_str()), words.text);
    Ok(Words { text, ..words })
}
