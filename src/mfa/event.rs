//! Everything that must be on record. An event is written in the transaction of its change.

use super::ids::{ClientId, EventId, TenantId, UserId};
use super::time::Timestamp;
use super::words::choice_words;

choice_words! {
    /// Who did it.
    ActorKind {
        /// A console's machine identity.
        Client = "client",
        /// A user with a Pawl token.
        Person = "person",
        /// The server itself, or somebody at its command line.
        Server = "server",
    }
    /// What happened.
    EventKind {
        /// The data directory got its keys.
        InstallationCreated = "installation.created",
        /// A token key was published, to sign later.
        SigningKeyPublished = "signing_key.published",
        /// A token key began to sign.
        SigningKeyActivated = "signing_key.activated",
        /// A token key ceased to sign.
        SigningKeyRetired = "signing_key.retired",
        /// A token key left the key set; its secret is destroyed.
        SigningKeyEnded = "signing_key.ended",
        /// A token key was taken out of the key set at once; its secret is destroyed.
        SigningKeyRevoked = "signing_key.revoked",
        /// A tenant was made.
        TenantCreated = "tenant.created",
        /// A tenant got another name: the issuer that authenticators show from now on.
        TenantRenamed = "tenant.renamed",
        /// A directory was made.
        DirectoryCreated = "directory.created",
        /// A directory's way with look-alikes changed.
        DirectoryChanged = "directory.changed",
        /// A client was made.
        ClientCreated = "client.created",
        /// A client was disabled.
        ClientDisabled = "client.disabled",
        /// A client got other scopes or audiences.
        ClientUpdated = "client.updated",
        /// A client got a second secret.
        ClientSecretCreated = "client.secret_created",
        /// A client's secret was revoked.
        ClientSecretRevoked = "client.secret_revoked",
        /// A client got a public key.
        ClientKeyAdded = "client.key_added",
        /// A client's public key was removed.
        ClientKeyRemoved = "client.key_removed",
        /// A client got an access token for a signed assertion.
        ClientTokenIssued = "client.token_issued",
        /// A client was refused a new user, for the first time in its day: it had created as many as it may.
        NewUsersRefused = "client.new_users_refused",
        /// A client was refused an off-boarding, for the first time in its day: it had off-boarded as many as it may.
        OffboardingsRefused = "client.offboardings_refused",
        /// A user was made.
        UserCreated = "user.created",
        /// A new user's external id is another spelling of an older user's, who is the object; it says whether
        /// the new one is held until a ticket.
        UserLooksAlike = "user.looks_alike",
        /// A user's label or groups changed.
        UserChanged = "user.changed",
        /// A console's removal of a group was not applied: it would loosen.
        GroupRemovalHeld = "user.group_removal_held",
        /// A user left.
        UserOffboarded = "user.offboarded",
        /// A role was given.
        RoleGranted = "role.granted",
        /// A role was taken away.
        RoleRevoked = "role.revoked",
        /// A policy version came into force.
        PolicyReplaced = "policy.replaced",
        /// A login was evaluated and needs no code, or cannot have one.
        LoginEvaluated = "login.evaluated",
        /// A login was evaluated and waits for a code.
        ChallengeOpened = "challenge.opened",
        /// A user signed in under an exemption.
        LoginExempt = "login.exempt",
        /// A code was right and its step spent.
        CodeVerified = "code.verified",
        /// A code was wrong, replayed or had no factor.
        CodeRejected = "code.rejected",
        /// A person asked for a code for one act.
        StepUpBegun = "step_up.begun",
        /// A secret was made.
        EnrollmentBegun = "enrollment.begun",
        /// A factor was bound by its first code.
        EnrollmentConfirmed = "enrollment.confirmed",
        /// An enrollment was given up or replaced.
        EnrollmentCancelled = "enrollment.cancelled",
        /// A factor ended.
        FactorEnded = "factor.ended",
        /// A factor was reported lost.
        LossReported = "loss.reported",
        /// A suspended factor works again.
        FactorResumed = "factor.resumed",
        /// Recovery codes were made.
        RecoveryCodesIssued = "recovery_codes.issued",
        /// A recovery code was used.
        RecoveryCodeUsed = "recovery_code.used",
        /// A recovery code was wrong.
        RecoveryCodeRejected = "recovery_code.rejected",
        /// A ticket was made.
        TicketCreated = "ticket.created",
        /// A ticket was redeemed.
        TicketRedeemed = "ticket.redeemed",
        /// A ticket was revoked or replaced.
        TicketRevoked = "ticket.revoked",
        /// A user's wish to switch MFA off was refused.
        DisableRefused = "disable.refused",
        /// A petition was filed.
        PetitionFiled = "petition.filed",
        /// A petition became an administrator's request.
        PetitionTakenUp = "petition.taken_up",
        /// A petition was denied.
        PetitionDenied = "petition.denied",
        /// A petition was withdrawn.
        PetitionWithdrawn = "petition.withdrawn",
        /// An override was requested.
        OverrideRequested = "override.requested",
        /// An approver agreed.
        OverrideEndorsed = "override.endorsed",
        /// An override came into force.
        OverrideApproved = "override.approved",
        /// An override's one act was done.
        OverrideUsed = "override.used",
        /// An approver said no.
        OverrideDenied = "override.denied",
        /// The requester took it back.
        OverrideWithdrawn = "override.withdrawn",
        /// An expiry was brought closer.
        OverrideShortened = "override.shortened",
        /// An override was ended.
        OverrideRevoked = "override.revoked",
        /// A user's block was lifted.
        UserUnlocked = "user.unlocked",
        /// Rows past their keeping were purged.
        RetentionPurged = "retention.purged",
        /// Secrets were sealed again, under another key-encryption key.
        SecretsResealed = "secrets.resealed",
    }
}

impl EventKind {
    /// Whether it says where the request came from, so that a stolen credential can be traced to a host.
    #[must_use]
    pub const fn has_source(self) -> bool {
        matches!(
            self,
            Self::ClientCreated
                | Self::ClientSecretCreated
                | Self::ClientSecretRevoked
                | Self::ClientKeyAdded
                | Self::ClientKeyRemoved
                | Self::ClientTokenIssued
                | Self::NewUsersRefused
                | Self::OffboardingsRefused
                | Self::CodeVerified
                | Self::CodeRejected
                | Self::RecoveryCodeUsed
                | Self::RecoveryCodeRejected
                | Self::EnrollmentConfirmed
        )
    }
}

/// Who acts, and through which console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A console.
    Client(ClientId),
    /// A person, through the console whose token they hold.
    Person(UserId, ClientId),
    /// The server or its command line.
    Server,
}

impl Actor {
    /// Kind, id and console, as the row keeps them.
    #[must_use]
    pub fn parts(&self) -> (ActorKind, &str, Option<&ClientId>) {
        match self {
            Self::Client(client) => (ActorKind::Client, client.as_str(), Some(client)),
            Self::Person(user, client) => (ActorKind::Person, user.as_str(), Some(client)),
            Self::Server => (ActorKind::Server, "server", None),
        }
    }
}

/// The number of an event in its tenant's log, which counts 1, 2, 3 and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventSeq(i64);

impl EventSeq {
    /// The number as it is kept.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// The number as it is kept.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// A recorded event, as rows and answers name it.
#[derive(Debug, Clone)]
pub struct RecordedEvent {
    /// Its id: a token's `txn`.
    pub id: EventId,
    /// Its number: what the rows that it made or changed name.
    pub seq: EventSeq,
}

/// One event, before it is a row.
#[derive(Debug, Clone)]
pub struct Event {
    /// Known before the row is written: a token's `txn`.
    pub id: EventId,
    /// The tenant whose trail it is in.
    pub tenant: TenantId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// Who.
    pub actor: Actor,
    /// The user it is about.
    pub user: Option<UserId>,
    /// The row it is about.
    pub object: Option<String>,
    /// For codes: whether a comparison was made.
    pub evaluated: Option<bool>,
    /// Facts without secrets. Of personal data it has the address that a console reports, two external ids of
    /// which one is another spelling of the other, and what a person wrote as a reason.
    pub data: serde_json::Value,
}
