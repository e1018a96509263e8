//! What can be foreseen of an act: the checks of its own operation, before a code is asked for.

use super::access;
use super::acts::Act;
use super::call::{Person, Work};
use super::{
    Done, client_endings, client_keys, client_secrets, client_updates, clients, look_alikes,
    overrides, policies, protocol, roles, take_up, tenant_changes, tickets,
};
use crate::mfa::refusal::Refusal;

impl Act {
    /// Refuses an act that its operation would refuse, with the same refusal.
    ///
    /// # Errors
    /// `forbidden` without the role, and everything that the operation refuses before it looks at a proof.
    pub(super) fn foresee(&self, work: &mut Work<'_, '_>, person: &Person) -> Done<()> {
        if !access::allows(self.operation(), &person.roles) {
            return Err(Refusal::Forbidden("the person lacks the role of the act").into());
        }
        match self {
            Self::RequestOverrideAct(act) => {
                protocol::plan(work, person, &act.body.asking()).map(drop)
            }
            Self::ApproveOverrideAct(act) => {
                overrides::approvable(work, person, &act.override_id, &act.body).map(drop)
            }
            Self::TakeUpPetitionAct(act) => {
                take_up::plan(work, person, &act.petition_id, &act.body).map(drop)
            }
            Self::PutPolicyAct(act) => {
                policies::plan(work, person, &act.if_match, &act.body).map(drop)
            }
            Self::GrantRoleAct(act) => {
                roles::plan_grant(work, person, (&act.user_id, act.role), &act.body).map(drop)
            }
            Self::RevokeRoleAct(act) => {
                roles::plan_revocation(work, person, (&act.user_id, act.role), &act.body).map(drop)
            }
            Self::CreateTicketAct(act) => tickets::plan(work, person, &act.body).map(drop),
            Self::CreateClientAct(act) => clients::plan(work, person, &act.body).map(drop),
            Self::DisableClientAct(act) => client_endings::may_disable(work, &act.client_id),
            Self::UpdateClientAct(act) => {
                client_updates::plan(work, person, &act.client_id, &act.body).map(drop)
            }
            Self::RotateClientSecretAct(act) => {
                client_secrets::plan(work, person, &act.client_id, &act.body).map(drop)
            }
            Self::AddClientKeyAct(act) => {
                client_keys::plan(work, person, &act.client_id, &act.body).map(drop)
            }
            Self::RenameTenantAct(act) => {
                tenant_changes::plan_rename(work, person, &act.body).map(drop)
            }
            Self::SetLookAlikesAct(act) => {
                look_alikes::plan(work, person, &act.directory_id, &act.body).map(drop)
            }
            // On one's own account: an active factor is all that they need.
            Self::BeginRotationAct(_) | Self::RegenerateRecoveryCodesAct(_) => Ok(()),
        }
    }
}
