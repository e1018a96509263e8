//! Reading the record.

use serde::Serialize;
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::{Call, Done, Pawl, cut};
use crate::mfa::event::{ActorKind, EventKind};
use crate::mfa::ids::{ClientId, EventId, UserId};
use crate::mfa::refusal::Refusal;
use crate::mfa::time::Timestamp;
use crate::store::EventFilter;
use crate::store::rows::EventRow;

/// One event.
#[derive(Debug, Serialize, ToSchema)]
pub struct Event {
    /// Its id: `txn` of a token.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// What kind of actor it was.
    pub actor_kind: ActorKind,
    /// Who: a client id, a user id, or `server`.
    pub actor_id: String,
    /// The console.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// The user it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,
    /// For codes: whether a comparison was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluated: Option<bool>,
    /// The request in whose log line the rest stands.
    pub request_id: String,
    /// Facts, without secrets.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventPage {
    /// The events, oldest first.
    #[schema(max_items = 100)]
    pub items: Vec<Event>,
    /// Where the next page begins: an event's id. The last page has one too: ask again later for what
    /// came since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            at: row.at,
            kind: row.kind,
            actor_kind: row.actor_kind,
            actor_id: row.actor_id,
            client_id: row.client_id,
            user_id: row.user_id,
            object_id: row.object_id,
            evaluated: row.evaluated,
            request_id: row.request_id,
            data: row.data.0,
        }
    }
}

/// A page of events, oldest first.
///
/// # Errors
/// None of its own.
pub async fn list_events(
    pawl: &Pawl,
    call: Call,
    after: Option<EventId>,
    filter: EventFilter,
) -> Done<EventPage> {
    call.read(pawl, access::ListEvents::ACCESS, move |work| {
        // The cursor is the id of the last event that the reader has seen.
        let after_seq = match &after {
            None => 0,
            Some(id) => work.tx.find_event_seq(&work.tenant, id)?.ok_or_else(|| {
                let reason = "not a cursor of this list";
                Refusal::InvalidInput { field: "cursor", reason }
            })?,
        };
        let wanted = EventFilter { limit: filter.limit + 1, after_seq, ..filter.clone() };
        let rows = work.tx.list_events(&work.tenant, &wanted)?;
        let (rows, _) = cut(rows, filter.limit, |row| row.id.to_string());
        let last = rows.last().map(|row| row.id.to_string());
        let next_cursor = last.or_else(|| after.as_ref().map(ToString::to_string));
        Ok(EventPage { items: rows.into_iter().map(Event::from).collect(), next_cursor })
    })
    .await
}
