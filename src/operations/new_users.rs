//! The cap on users that a client creates in a day.

use super::call::{Note, Work};
use super::{Done, Traced};
use crate::mfa::event::EventKind;
use crate::mfa::new_users::{Admission, Created};
use crate::mfa::refusal::Refusal;
use crate::store::rows::ClientRow;

/// Whether this client may create one more user; answers what to count once it did. The first refusal of a
/// day has an event and must be committed; the others leave no trace.
pub(super) fn admit(
    work: &mut Work<'_, '_>,
    client: &ClientRow,
    allowance: i64,
) -> Done<Traced<Created>> {
    let directory = work.tx.users_of_directory(&work.tenant, &client.directory_id)?;
    match client.created_users().one_more(directory, allowance, work.now) {
        Admission::Admitted(created) => Ok(Ok(created)),
        Admission::Refused { retry_after, first } => {
            let refusal = Refusal::TooManyNewUsers { retry_after };
            let Some(created) = first else { return Err(refusal.into()) };
            let data = serde_json::json!({ "created": created.users, "users": directory });
            let note = Note::new(EventKind::NewUsersRefused).object(&client.id).data(data);
            let event = work.record(note)?;
            work.tx.count_new_users(client, created, &event)?;
            Ok(Err(refusal))
        }
    }
}
