//! Tickets.

use actix_web::{get, post};

use super::AppData;
use super::extract::{Body, Caller, Named, PageQuery, Query, page};
use super::reply::{Answer, Either, created, ok, waiting};
use crate::mfa::ids::TicketId;
use crate::operations::overrides::OverrideResult;
use crate::operations::tickets::{CreateOutcome, CreateTicket, IssuedTicket, Ticket, TicketPage};
use crate::operations::{self, access};

/// List tickets.
#[utoipa::path(
    operation_id = "listTickets",
    tag = "tickets",
    params(PageQuery),
    responses((status = 200, description = "A page of tickets.", body = TicketPage)),
)]
#[get("/v1/tickets")]
pub async fn list_tickets(
    app: AppData,
    caller: Caller<access::ListTickets>,
    query: Query<PageQuery>,
) -> Answer<TicketPage> {
    let query = query.read()?;
    Ok(ok(operations::tickets::list_tickets(
        &app.pawl,
        caller.call,
        page(query.cursor, query.limit)?,
    )
    .await?))
}

/// Revoke an open ticket.
#[utoipa::path(
    operation_id = "revokeTicket",
    tag = "tickets",
    params(("ticket_id" = TicketId, Path, description = "The ticket.")),
    responses((status = 200, description = "The ticket.", body = Ticket)),
)]
#[post("/v1/tickets/{ticket_id}/revoke")]
pub async fn revoke_ticket(
    app: AppData,
    caller: Caller<access::RevokeTicket>,
    id: Named<TicketId>,
) -> Answer<Ticket> {
    let id = id.read()?;
    Ok(ok(operations::tickets::revoke_ticket(&app.pawl, caller.call, id).await?))
}

/// Make a ticket for a user who never had a factor.
///
/// For a user with a role a second person must approve, and the requester reads the ticket by
/// `collectOverride`.
#[utoipa::path(
    operation_id = "createTicket",
    tag = "tickets",
    request_body = CreateTicket,
    responses(
        (status = 201, description = "The ticket, shown once.", body = IssuedTicket),
        (status = 202, description = "The override waits for approvals.", body = OverrideResult),
    ),
)]
#[post("/v1/tickets")]
pub async fn create_ticket(
    app: AppData,
    caller: Caller<access::CreateTicket>,
    body: Body<CreateTicket>,
) -> Answer<Either<IssuedTicket, OverrideResult>> {
    let body = body.read()?;
    Ok(match operations::tickets::create_ticket(&app.pawl, caller.call, body).await? {
        CreateOutcome::Issued(ticket) => created(Either::Left(*ticket)),
        CreateOutcome::Waiting(result) => waiting(&app.pawl.base_url, *result),
    })
}
