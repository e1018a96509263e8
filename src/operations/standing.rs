//! Reads what decides about a user, and about a tenant's administrators.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Done;
use super::call::Work;
use crate::mfa::decision::{Exemption, FactorStanding, Standing};
use crate::mfa::factor::FactorState;
use crate::mfa::policy::Policy;
use crate::mfa::policy::guard::Administrator;
use crate::mfa::policy::join::{Context, Groups, Requirement, join};
use crate::mfa::words::{Audience, Role};
use crate::store::rows::{FactorRow, PolicyRow, UserRow};

/// What decides about one user, read under the tenant's lock by an operation that writes.
pub(super) struct Facts {
    pub(super) user: UserRow,
    pub(super) policy: PolicyRow,
    pub(super) factor: Option<FactorRow>,
    pub(super) standing: Standing,
    pub(super) groups: Groups,
    pub(super) roles: BTreeSet<Role>,
}

impl Work<'_, '_> {
    /// Reads what decides about a user.
    pub(super) fn facts(&mut self, user: UserRow) -> Done<Facts> {
        let policy = self.tx.current_policy(&self.tenant)?;
        let factor = self.tx.bound_factor(&self.tenant, &user.id)?;
        let roles = self.tx.roles_of(&self.tenant, &user.id)?;
        let standing = self.standing(&user, factor.as_ref(), !roles.is_empty())?;
        let groups = self.groups(&user.id)?;
        Ok(Facts { user, policy, factor, standing, groups, roles })
    }

    fn standing(
        &mut self,
        user: &UserRow,
        factor: Option<&FactorRow>,
        holds_role: bool,
    ) -> Done<Standing> {
        let exemptions = self.tx.live_exemptions(&self.tenant, &user.id, self.now)?;
        let bootstrap = self.tx.bootstrap_enrollment(&self.tenant, &user.id, self.now)?;
        Ok(Standing {
            kind: user.kind,
            offboarded: user.offboarded_at.is_some(),
            factor: match factor.map(|factor| factor.state) {
                Some(FactorState::Active) => FactorStanding::Active,
                Some(FactorState::Suspended) => FactorStanding::Suspended,
                Some(FactorState::Pending | FactorState::Ended) | None => FactorStanding::None,
            },
            ever_enrolled: user.ever_enrolled,
            ticket_only: user.ticket_only,
            holds_role,
            bootstrap_pending: bootstrap.is_some(),
            exemptions: exemptions
                .into_iter()
                .map(|row| Exemption {
                    override_id: row.id,
                    audiences: row.audiences.0,
                    expires_at: row.expires_at,
                })
                .collect(),
        })
    }

    /// The tenant's administrators, for the guard.
    pub(super) fn administrators(&mut self) -> Done<Vec<Administrator>> {
        let mut administrators = Vec::new();
        for id in self.tx.holders_of(&self.tenant, Role::Admin)? {
            let Some(user) = self.tx.find_user(&self.tenant, None, &id)? else { continue };
            let Facts { user, standing, groups, roles, .. } = self.facts(user)?;
            let labels = user.labels.0;
            administrators.push(Administrator { user: user.id, groups, roles, labels, standing });
        }
        Ok(administrators)
    }
}

impl Facts {
    /// What the policy demands of this user for these audiences.
    pub(super) fn requirement(
        &self,
        work: &Work<'_, '_>,
        audiences: &[Audience],
        address: Option<IpAddr>,
    ) -> Requirement {
        self.requirement_of(&self.policy.document.0, &self.groups, work, audiences, address)
    }

    /// The same, under another policy or other groups.
    pub(super) fn requirement_of(
        &self,
        policy: &Policy,
        groups: &Groups,
        work: &Work<'_, '_>,
        audiences: &[Audience],
        address: Option<IpAddr>,
    ) -> Requirement {
        let context = Context {
            groups,
            roles: &self.roles,
            labels: &self.user.labels.0,
            audiences,
            address,
            now: work.now,
        };
        join(policy, &context)
    }
}
