//! Tickets: a right to enroll that neither the administrator nor the mail server can use, for
//! redeeming needs a live challenge of that very user too.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::acts::{Act, CreateTicketAct};
use super::approvals::{Concerns, approvals_needed};
use super::call::{Caller, Note, Person, Work};
use super::enrollments::{EnrollmentSecret, Right, begin, give_up_pending};
use super::overrides::OverrideResult;
use super::proofs::{Proof, apart, cooled_down, prove, required, unwritten};
use super::protocol::{Plan, WAITING, carry_out, held_a_role};
use super::verifications::{live_challenge, live_user};
use super::{Call, Done, Handle, Page, Pawl, Shown, answer, cut};
use crate::mfa::challenge::{EnrollmentAuthority, Purpose, TicketMode};
use crate::mfa::decision::FactorStanding;
use crate::mfa::event::EventKind;
use crate::mfa::ids::{OverrideId, TicketId, UserId};
use crate::mfa::overrides::OverrideKind;
use crate::mfa::refusal::Refusal;
use crate::mfa::time::{Span, Timestamp};
use crate::mfa::totp::Algorithm;
use crate::mfa::words::{Reason, TicketReference, UserKind};
use crate::store::rows::{TicketRow, UserRow};

/// The challenges of a user who may redeem a ticket.
const REDEEMING: &[Purpose] = &[Purpose::Enroll, Purpose::Ticket];

/// A ticket for a user who never had a factor.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTicket {
    /// For whom; never oneself.
    pub user_id: UserId,
    /// Why.
    pub reason: Reason,
    /// The number of a ticket in the organization's own system.
    #[serde(default)]
    pub ticket_reference: Option<TicketReference>,
    /// A code of the administrator's factor, for this one act.
    #[serde(default, skip_serializing_if = "apart", serialize_with = "unwritten")]
    pub proof: Option<Proof>,
}

/// A ticket and a login.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedeemTicket {
    /// The ticket, as the user got it.
    pub ticket: Handle,
    /// The challenge from this user's `evaluateLogin`. It is consumed.
    pub challenge: Handle,
    /// `SHA1` if left out.
    #[serde(default)]
    pub algorithm: Option<Algorithm>,
}

/// A new ticket, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedTicket {
    /// Its id, for `revokeTicket`.
    pub id: TicketId,
    /// The ticket itself: hand it to the user.
    pub ticket: Shown,
    /// How it is redeemed.
    pub mode: TicketMode,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What became of a new ticket: for somebody with a role a second person is needed.
#[derive(Debug)]
pub enum CreateOutcome {
    /// It is there.
    Issued(Box<IssuedTicket>),
    /// It waits for approvals.
    Waiting(Box<OverrideResult>),
}

/// A ticket as it is listed; not the ticket itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// For whom.
    pub user_id: UserId,
    /// How it is redeemed.
    pub mode: TicketMode,
    /// Who made it: a user id, or `server`.
    pub created_by: String,
    /// The override that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub override_id: Option<OverrideId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// When it was redeemed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redeemed_at: Option<Timestamp>,
    /// When it was revoked or replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// A page of tickets.
#[derive(Debug, Serialize, ToSchema)]
pub struct TicketPage {
    /// The tickets, by id.
    #[schema(max_items = 100)]
    pub items: Vec<Ticket>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl From<TicketRow> for Ticket {
    fn from(row: TicketRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            mode: row.mode,
            created_by: row.created_by,
            override_id: row.override_id,
            created_at: row.created_at,
            expires_at: row.expires_at,
            redeemed_at: row.redeemed_at,
            revoked_at: row.revoked_at,
        }
    }
}

/// Whether a ticket can be made for this user: somebody who had a factor is reset instead.
pub(super) fn fits(user: &UserRow) -> Done<()> {
    if user.offboarded_at.is_some() || user.kind == UserKind::Service {
        Err(Refusal::UserGone.into())
    } else if user.ever_enrolled {
        Err(Refusal::AlreadyEnrolled.into())
    } else {
        Ok(())
    }
}

/// Makes a ticket; the user's earlier ones are void. `life` is the policy's if left out.
pub(super) fn issue(
    work: &mut Work<'_, '_>,
    user: &UserRow,
    by: Option<&OverrideId>,
    life: Option<Span>,
) -> Done<IssuedTicket> {
    let facts = work.facts(user.clone())?;
    let hours = facts.requirement(work, &[], None).attributes.ticket_ttl_hours.get();
    let life = life.unwrap_or(Span::hours(i64::from(hours)));
    let id = TicketId::from_random(work.bytes());
    let data = serde_json::json!({ "mode": TicketMode::WithLogin, "override": by });
    let note = Note::new(EventKind::TicketCreated).user(&user.id).object(&id);
    let event = work.record(note.data(data))?;
    let created_by = match &work.caller {
        Caller::Person(person) => person.user.id.to_string(),
        Caller::Client(_) => return Err(Refusal::Forbidden("no client makes tickets").into()),
        Caller::Server(_) => "server".to_owned(),
    };
    let (ticket, hash) = work.secret("mtk_");
    let expires_at = work.now.after(life);
    work.tx.insert_ticket(TicketRow {
        tenant_id: work.tenant.clone(),
        id: id.clone(),
        user_id: user.id.clone(),
        mode: TicketMode::WithLogin,
        hash,
        attempts: 0,
        created_by,
        override_id: by.cloned(),
        created_at: work.now,
        expires_at,
        redeemed_at: None,
        revoked_at: None,
        event_seq: event.seq,
    })?;
    Ok(IssuedTicket { id, ticket: Shown::new(ticket), mode: TicketMode::WithLogin, expires_at })
}

/// Makes a ticket for a first enrollment.
///
/// # Errors
/// Everything that the protocol can say; only `code-rejected` leaves a trace.
pub async fn create_ticket(pawl: &Pawl, call: Call, body: CreateTicket) -> Done<CreateOutcome> {
    let committed = call
        .write(pawl, access::CreateTicket::ACCESS, move |work| {
            let person = work.person()?;
            let (user, plan) = plan(work, &person, &body)?;
            let act = Act::CreateTicketAct(CreateTicketAct { body: body.clone() });
            let proof = body.proof.as_ref();
            if let Some(plan) = plan {
                let result = carry_out(work, &person, &act, plan, proof)?;
                return Ok(result.map(|result| CreateOutcome::Waiting(Box::new(result))));
            }
            if let Err(refusal) = prove(work, &person, &act, required(proof)?)? {
                return Ok(Err(refusal));
            }
            let issued = issue(work, &user, None, None)?;
            Ok(Ok(CreateOutcome::Issued(Box::new(issued))))
        })
        .await?;
    answer(committed)
}

/// Checks everything that can be foreseen of a ticket: its user, and the override that it is for a user
/// with a role, whom its holder could become.
pub(super) fn plan(
    work: &mut Work<'_, '_>,
    person: &Person,
    body: &CreateTicket,
) -> Done<(UserRow, Option<Plan>)> {
    if body.user_id == person.user.id {
        return Err(Refusal::OwnAccount.into());
    }
    let user = work.user(&body.user_id)?;
    fits(&user)?;
    cooled_down(work, person)?;
    let facts = work.facts(user.clone())?;
    let has_role = held_a_role(work, &facts)?;
    let plan = if has_role { Some(with_approvals(work, person, body)?) } else { None };
    Ok((user, plan))
}

fn with_approvals(work: &mut Work<'_, '_>, person: &Person, body: &CreateTicket) -> Done<Plan> {
    let required = approvals_needed(work, person, &Concerns::User(&body.user_id), 1)?;
    let policy_version = work.tx.current_policy(&work.tenant)?.version;
    Ok(Plan {
        kind: OverrideKind::Ticket,
        user: Some(body.user_id.clone()),
        facts: serde_json::json!({ "user_id": body.user_id, "mode": TicketMode::WithLogin }),
        audiences: std::collections::BTreeSet::new(),
        reason: body.reason.clone(),
        ticket_reference: body.ticket_reference.clone(),
        expires_at: work.now.after(WAITING),
        required,
        policy_version,
        petition: None,
    })
}

/// Redeems a ticket with a live challenge of its user: the secret is made now, and shown only to them.
///
/// # Errors
/// `challenge-over`, `ticket-over`, `already-enrolled`.
pub async fn redeem_ticket(
    pawl: &Pawl,
    call: Call,
    request: RedeemTicket,
) -> Done<EnrollmentSecret> {
    let committed = call
        .write(pawl, access::RedeemTicket::ACCESS, move |work| {
            let client = work.client()?;
            let challenge = live_challenge(work, &request.challenge, &client, REDEEMING)?;
            let facts = live_user(work, &challenge)?;
            if facts.factor.is_some() {
                return Err(Refusal::AlreadyEnrolled.into());
            }
            let ticket = work
                .tx
                .find_ticket_by_hash(&work.tenant, request.ticket.hash())?
                .filter(|ticket| ticket.user_id == facts.user.id)
                .ok_or(Refusal::TicketOver("unknown, or another user's"))?;
            if !is_open(&ticket, work.now) {
                return Err(Refusal::TicketOver("redeemed, revoked or expired").into());
            }
            let note = Note::new(EventKind::TicketRedeemed).user(&facts.user.id).object(&ticket.id);
            let event = work.record(note)?;
            work.tx.redeem_ticket(&ticket, work.now, event.seq)?;
            work.tx.close_challenge(&challenge, work.now, event.seq)?;
            let right = Right {
                client: &client.id,
                authority: EnrollmentAuthority::Ticket,
                authority_id: Some(ticket.id.to_string()),
                audiences: challenge.audiences.0.clone(),
                primary: challenge.primary(),
                address: challenge.address.clone(),
                algorithm: request.algorithm,
                is_bootstrap: is_last_resort(work, &ticket)?,
            };
            begin(work, &facts, right)
        })
        .await?;
    committed.into_inner().show()
}

/// Whether a ticket can be redeemed.
fn is_open(ticket: &TicketRow, now: Timestamp) -> bool {
    ticket.redeemed_at.is_none() && ticket.revoked_at.is_none() && ticket.expires_at > now
}

/// Whether the ticket came from break-glass and no other administrator has a factor: then the new one
/// need not cool down, or nobody could act.
fn is_last_resort(work: &mut Work<'_, '_>, ticket: &TicketRow) -> Done<bool> {
    let Some(id) = &ticket.override_id else { return Ok(false) };
    let broken = work.tx.find_override(&work.tenant, id)?.is_some_and(|row| row.is_break_glass);
    let administrators = work.administrators()?;
    let is_admin = administrators.iter().any(|other| other.user == ticket.user_id);
    let active = FactorStanding::Active;
    let others = administrators.iter().any(|other| other.standing.factor == active);
    Ok(broken && is_admin && !others)
}

/// Revokes a ticket. One that was redeemed ends with the enrollment that it began, while that waits for
/// its first code. Doing it again changes nothing.
///
/// # Errors
/// `not-found`, `ticket-over` if a factor was bound by it, or its enrollment is over.
pub async fn revoke_ticket(pawl: &Pawl, call: Call, id: TicketId) -> Done<Ticket> {
    let committed = call
        .write(pawl, access::RevokeTicket::ACCESS, move |work| {
            let row = work.tx.find_ticket(&work.tenant, &id)?.ok_or(Refusal::NotFound)?;
            if row.redeemed_at.is_some() {
                end_redeemed(work, &row)?;
            } else if row.revoked_at.is_none() {
                let note = Note::new(EventKind::TicketRevoked).user(&row.user_id).object(&id);
                let event = work.record(note)?;
                work.tx.revoke_tickets_of(&work.tenant, &row.user_id, work.now, event.seq)?;
            }
            let row = work.tx.find_ticket(&work.tenant, &id)?.ok_or(Refusal::NotFound)?;
            Ok(Ticket::from(row))
        })
        .await?;
    Ok(committed.into_inner())
}

/// Gives up the enrollment that a redeemed ticket began, if it still waits for its first code.
fn end_redeemed(work: &mut Work<'_, '_>, row: &TicketRow) -> Done<()> {
    let over = Refusal::TicketOver("redeemed, and its enrollment is over");
    let pending = work.tx.pending_factor(&work.tenant, &row.user_id)?.ok_or(over.clone())?;
    let begun = work.tx.enrollment_of(&work.tenant, &pending.id)?;
    if begun.and_then(|begun| begun.authority_id).as_deref() != Some(row.id.as_str()) {
        return Err(over.into());
    }
    let note = Note::new(EventKind::TicketRevoked).user(&row.user_id).object(&row.id);
    work.record(note)?;
    let user = work.user(&row.user_id)?;
    let facts = work.facts(user)?;
    give_up_pending(work, &facts)
}

/// A page of tickets, by id.
///
/// # Errors
/// None of its own.
pub async fn list_tickets(pawl: &Pawl, call: Call, page: Page) -> Done<TicketPage> {
    call.read(pawl, access::ListTickets::ACCESS, move |work| {
        let after = page.after.clone().unwrap_or_default();
        let rows = work.tx.list_tickets(&work.tenant, &after, page.limit + 1)?;
        let (rows, next_cursor) = cut(rows, page.limit, |row| row.id.to_string());
        Ok(TicketPage { items: rows.into_iter().map(Ticket::from).collect(), next_cursor })
    })
    .await
}
