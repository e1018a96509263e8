//! Who may call what. The one table: handlers, transactions, the document and the golden matrix all
//! read it.

use std::collections::BTreeSet;

use crate::mfa::client::Scope;
use crate::mfa::words::Role;

/// Who may call an operation.
#[derive(Debug)]
pub struct Access {
    /// The operation's name: operationId in snake case, transaction, span and log field.
    pub name: &'static str,
    /// The client scope that allows it.
    pub scope: Option<Scope>,
    /// The roles that allow it for anybody's account.
    pub roles: &'static [Role],
    /// Whether any person may call it, for their own account.
    pub own_account: bool,
}

/// A handler's mark: which row of the table it stands under.
pub trait Permitted {
    /// The row.
    const ACCESS: &'static Access;
}

const ADMIN: &[Role] = &[Role::Admin];
const READERS: &[Role] = &[Role::Auditor, Role::Admin];
const STAFF: &[Role] = &[Role::Helpdesk, Role::Auditor, Role::Admin];

/// How a client's token comes to be: whoever may have one has proven a key, and no scope is needed.
pub(super) const ISSUE_CLIENT_TOKEN: &Access =
    &Access { name: "issue_client_token", scope: None, roles: &[], own_account: false };

/// Whether a person with these roles may call an operation, by its operationId. An unknown one nobody may.
pub(super) fn allows(operation: &str, roles: &BTreeSet<Role>) -> bool {
    let row = ALL.iter().find(|access| camel(access.name) == operation);
    row.is_some_and(|access| {
        access.own_account || access.roles.iter().any(|role| roles.contains(role))
    })
}

/// The operationId of a name in snake case.
#[must_use]
pub fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut id = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        id.push_str(&first.to_ascii_uppercase());
        id.push_str(rest);
    }
    id
}

macro_rules! access {
    ($($mark:ident $name:ident = $scope:expr, $roles:expr, $own:expr;)*) => {
        $(
            #[doc = concat!("Stands for `", stringify!($name), "`.")]
            #[derive(Debug)]
            pub struct $mark;
            impl Permitted for $mark {
                const ACCESS: &'static Access = &Access {
                    name: stringify!($name), scope: $scope, roles: $roles, own_account: $own,
                };
            }
        )*

        /// Every row.
        pub const ALL: &[&Access] = &[$(<$mark as Permitted>::ACCESS,)*];
    };
}

access! {
    UpsertUser upsert_user = Some(Scope::Users), &[], false;
    GetUser get_user = Some(Scope::Users), STAFF, false;
    LookupUser lookup_user = Some(Scope::Users), &[], false;
    ListUsers list_users = Some(Scope::Users), READERS, false;
    OffboardUser offboard_user = Some(Scope::Offboard), &[], false;
    GetMfaStatus get_mfa_status = Some(Scope::Users), STAFF, true;
    EvaluateLogin evaluate_login = Some(Scope::Login), &[], false;
    VerifyCode verify_code = Some(Scope::Login), &[], false;
    BeginEnrollment begin_enrollment = Some(Scope::Login), &[], false;
    ConfirmEnrollment confirm_enrollment = Some(Scope::Login), &[], false;
    CancelEnrollment cancel_enrollment = Some(Scope::Login), &[], false;
    RedeemTicket redeem_ticket = Some(Scope::Login), &[], false;
    UseRecoveryCode use_recovery_code = Some(Scope::Login), &[], false;
    ReportLoss report_loss = Some(Scope::Login), &[], false;
    RequestDisable request_disable = Some(Scope::Petitions), &[], true;
    CreatePetition create_petition = Some(Scope::Petitions), &[Role::Helpdesk, Role::Admin], true;
    WithdrawPetition withdraw_petition = Some(Scope::Petitions), &[], true;
    ListPetitions list_petitions = Some(Scope::TenantRead), STAFF, false;
    GetPetition get_petition = Some(Scope::Petitions), STAFF, true;
    TakeUpPetition take_up_petition = None, ADMIN, false;
    DenyPetition deny_petition = None, ADMIN, false;
    BeginStepUp begin_step_up = None, &[], true;
    BeginRotation begin_rotation = None, &[], true;
    RegenerateRecoveryCodes regenerate_recovery_codes = None, &[], true;
    RequestOverride request_override = None, ADMIN, false;
    ApproveOverride approve_override = None, ADMIN, false;
    CollectOverride collect_override = None, ADMIN, false;
    DenyOverride deny_override = None, ADMIN, false;
    WithdrawOverride withdraw_override = None, ADMIN, false;
    ShortenOverride shorten_override = None, ADMIN, false;
    RevokeOverride revoke_override = None, ADMIN, false;
    GetOverride get_override = Some(Scope::TenantRead), READERS, false;
    ListOverrides list_overrides = Some(Scope::TenantRead), READERS, false;
    GetPolicy get_policy = Some(Scope::TenantRead), READERS, false;
    PutPolicy put_policy = None, ADMIN, false;
    ListPolicyVersions list_policy_versions = Some(Scope::TenantRead), READERS, false;
    GrantRole grant_role = None, ADMIN, false;
    RevokeRole revoke_role = None, ADMIN, false;
    CreateTicket create_ticket = None, ADMIN, false;
    RevokeTicket revoke_ticket = None, ADMIN, false;
    ListTickets list_tickets = Some(Scope::TenantRead), READERS, false;
    CreateClient create_client = None, ADMIN, false;
    DisableClient disable_client = None, ADMIN, false;
    UpdateClient update_client = None, ADMIN, false;
    RotateClientSecret rotate_client_secret = None, ADMIN, false;
    RevokeClientSecret revoke_client_secret = None, ADMIN, false;
    AddClientKey add_client_key = None, ADMIN, false;
    RemoveClientKey remove_client_key = None, ADMIN, false;
    GetClient get_client = Some(Scope::TenantRead), READERS, false;
    ListClients list_clients = Some(Scope::TenantRead), READERS, false;
    RenameTenant rename_tenant = None, ADMIN, false;
    SetLookAlikes set_look_alikes = None, ADMIN, false;
    GetTenant get_tenant = Some(Scope::TenantRead), READERS, false;
    ListEvents list_events = Some(Scope::TenantRead), READERS, false;
}
