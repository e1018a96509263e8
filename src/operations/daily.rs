//! The caps on what a client does in a day.

use super::call::{Note, Work};
use super::{Done, Traced};
use crate::mfa::daily::{Admission, Allowances, Counted, Counting};
use crate::mfa::event::EventKind;
use crate::mfa::refusal::Refusal;
use crate::store::rows::ClientRow;

/// Whether this client may do it once more today; answers what to count once it did. The first refusal of a
/// day has an event and must be committed; the others leave no trace.
pub(super) fn admit(
    work: &mut Work<'_, '_>,
    client: &ClientRow,
    counting: Counting,
    allowances: Allowances,
) -> Done<Traced<Counted>> {
    let directory = work.tx.users_of_directory(&work.tenant, &client.directory_id)?;
    let allowance = match counting {
        Counting::NewUsers => allowances.new_users,
        Counting::Offboardings => allowances.offboardings,
    };
    let most = |today| counting.most(directory, today, allowance);
    match client.counted(counting).one_more(most, work.now) {
        Admission::Admitted(counted) => Ok(Ok(counted)),
        Admission::Refused { retry_after, first } => {
            let (refusal, kind, name) = match counting {
                Counting::NewUsers => (
                    Refusal::TooManyNewUsers { retry_after },
                    EventKind::NewUsersRefused,
                    "created",
                ),
                Counting::Offboardings => (
                    Refusal::TooManyOffboardings { retry_after },
                    EventKind::OffboardingsRefused,
                    "offboarded",
                ),
            };
            let Some(counted) = first else { return Err(refusal.into()) };
            let data = serde_json::json!({ name: counted.count, "users": directory });
            let event = work.record(Note::new(kind).object(&client.id).data(data))?;
            work.tx.count_of_day(client, counting, counted, event.seq)?;
            Ok(Err(refusal))
        }
    }
}
