//! Ending everything that is open for a user: what every protective act does, by one function.

use super::Done;
use super::call::{Note, Work};
use super::enrollments::give_up_pending;
use super::standing::Facts;
use crate::mfa::challenge::Purpose;
use crate::mfa::event::EventKind;
use crate::mfa::overrides::OverrideState;

/// Ends everything that is open for a user, so that a thief keeps nothing of what they began: a pending
/// enrollment, every challenge, every ticket, and the overrides that wait: those that the user requested,
/// approved but not collected included, and those that would resume the user's factor.
pub(super) fn end_everything_open(work: &mut Work<'_, '_>, facts: &Facts) -> Done<()> {
    give_up_pending(work, facts)?;
    let (tenant, now, user) = (work.tenant.clone(), work.now, &facts.user.id);
    let event = work.record(Note::new(EventKind::UserChanged).user(user))?;
    work.tx.close_challenges_of(&tenant, user, Purpose::ALL, now, event.seq)?;
    work.tx.revoke_tickets_of(&tenant, user, now, event.seq)?;
    for row in work.tx.overrides_waiting_on(&tenant, user, now)? {
        let (kind, end) = if row.state == OverrideState::Approved {
            (EventKind::OverrideRevoked, OverrideState::Revoked)
        } else {
            (EventKind::OverrideWithdrawn, OverrideState::Withdrawn)
        };
        let event = work.record(Note::new(kind).user(user).object(&row.id))?;
        let by = work.caller.id().to_owned();
        work.tx.end_override(&row, end, &by, now, event.seq)?;
    }
    Ok(())
}
