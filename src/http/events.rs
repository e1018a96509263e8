//! The record.

use actix_web::get;
use serde::Deserialize;
use utoipa::IntoParams;

use super::AppData;
use super::extract::{Caller, Query, default_limit, page};
use super::problem::Problem;
use super::reply::{Answer, ok};
use crate::mfa::event::EventKind;
use crate::mfa::ids::{EventId, UserId};
use crate::mfa::time::Timestamp;
use crate::operations::events::EventPage;
use crate::operations::{self, EventFilter, access};

/// Which events, and where the page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Only those about this user.
    #[serde(default)]
    pub user_id: Option<UserId>,
    /// Only those of this kind.
    #[serde(default)]
    pub kind: Option<EventKind>,
    /// Only those at or after this instant.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Only those before this instant.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[param(max_length = 100, pattern = "^[a-z0-9_]*$")]
    pub cursor: Option<String>,
    /// Rows of a page.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub limit: i64,
}

/// List events, oldest first.
#[utoipa::path(
    operation_id = "listEvents",
    tag = "events",
    params(EventQuery),
    responses((status = 200, description = "A page of events.", body = EventPage)),
)]
#[get("/v1/events")]
pub async fn list_events(
    app: AppData,
    caller: Caller<access::ListEvents>,
    query: Query<EventQuery>,
) -> Answer<EventPage> {
    let EventQuery { user_id: user, kind, since, until, cursor, limit } = query.read()?;
    let page = page(cursor, limit)?;
    let after = match page.after {
        None => None,
        Some(cursor) => Some(
            EventId::parse(&cursor)
                .map_err(|_| Problem::invalid("cursor", "not a cursor of this list"))?,
        ),
    };
    let filter = EventFilter { after_seq: 0, user, kind, since, until, limit: page.limit };
    Ok(ok(operations::events::list_events(&app.pawl, caller.call, after, filter).await?))
}
