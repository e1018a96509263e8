//! The frame of every operation that is one act of a person, planned and carried out by the protocol.

use super::access::Access;
use super::acts::Act;
use super::call::{Person, Work};
use super::overrides::OverrideResult;
use super::proofs::Proof;
use super::protocol::{Plan, carry_out};
use super::{Call, Done, Pawl, answer};

/// Runs an act in one transaction: `plan` checks everything that can be foreseen, then the proof is checked.
///
/// # Errors
/// Those of `plan`, and everything that the protocol can say; only `code-rejected` leaves a trace.
pub(super) async fn request(
    pawl: &Pawl,
    call: Call,
    access: &'static Access,
    (act, proof): (Act, Option<Proof>),
    plan: impl Fn(&mut Work<'_, '_>, &Person) -> Done<Plan> + Send + 'static,
) -> Done<OverrideResult> {
    let committed = call
        .write(pawl, access, move |work| {
            let person = work.person()?;
            let plan = plan(work, &person)?;
            carry_out(work, &person, &act, plan, proof.as_ref())
        })
        .await?;
    answer(committed)
}
