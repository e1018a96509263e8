//! Tickets: single-use rights to enroll.

use diesel::prelude::*;

use super::conn::{change, on};
use super::prepared::update;
use super::rows::TicketRow;
use super::schema::tickets;
use super::{StoreError, Tx, exactly_one};
use crate::mfa::event::EventSeq;
use crate::mfa::ids::{TenantId, TicketId, UserId};
use crate::mfa::time::Timestamp;

impl Tx<'_> {
    /// A ticket of this tenant by the SHA-256 of its token.
    pub(crate) fn find_ticket_by_hash(
        &mut self,
        tenant: &TenantId,
        hash: &[u8; 32],
    ) -> Result<Option<TicketRow>, StoreError> {
        Ok(on!(self, conn => tickets::table
            .filter(tickets::hash.eq(hash.as_slice()))
            .filter(tickets::tenant_id.eq(tenant))
            .select(TicketRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// A ticket by its id.
    pub(crate) fn find_ticket(
        &mut self,
        tenant: &TenantId,
        id: &TicketId,
    ) -> Result<Option<TicketRow>, StoreError> {
        Ok(on!(self, conn => tickets::table
            .filter(tickets::tenant_id.eq(tenant))
            .filter(tickets::id.eq(id))
            .select(TicketRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// A page of tickets, by id.
    pub(crate) fn list_tickets(
        &mut self,
        tenant: &TenantId,
        after: &str,
        limit: i64,
    ) -> Result<Vec<TicketRow>, StoreError> {
        Ok(on!(self, conn => tickets::table
            .filter(tickets::tenant_id.eq(tenant))
            .filter(tickets::id.gt(after))
            .order(tickets::id.asc())
            .limit(limit)
            .select(TicketRow::as_select())
            .load(conn))?)
    }

    /// Writes a new ticket and revokes the user's earlier open ones.
    pub(crate) fn insert_ticket(&mut self, row: TicketRow) -> Result<(), StoreError> {
        self.revoke_tickets_of(&row.tenant_id, &row.user_id, row.created_at, row.event_seq)?;
        let rows =
            change!(self, conn => diesel::insert_into(tickets::table).values(row).execute(conn))?;
        exactly_one("tickets", rows)
    }

    /// Revokes a user's open tickets.
    pub(crate) fn revoke_tickets_of(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        change!(self, conn => update(tickets::table)
            .filter(tickets::tenant_id.eq(tenant))
            .filter(tickets::user_id.eq(user))
            .filter(tickets::redeemed_at.is_null())
            .filter(tickets::revoked_at.is_null())
            .set((tickets::revoked_at.eq(at), tickets::event_seq.eq(event)))
            .execute(conn))?;
        Ok(())
    }

    /// Redeems a ticket that is open.
    pub(crate) fn redeem_ticket(
        &mut self,
        row: &TicketRow,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(tickets::table)
            .filter(tickets::tenant_id.eq(&row.tenant_id))
            .filter(tickets::id.eq(&row.id))
            .filter(tickets::redeemed_at.is_null())
            .filter(tickets::revoked_at.is_null())
            .filter(tickets::expires_at.gt(at))
            .set((tickets::redeemed_at.eq(at), tickets::event_seq.eq(event)))
            .execute(conn))?;
        exactly_one("tickets", rows)
    }
}
