//! What a console's credential may do.

use super::time::Span;
use super::words::choice_words;

choice_words! {
    /// One thing that a client may do. None of them weakens.
    Scope {
        /// Evaluate logins, verify codes, enroll, recover.
        Login = "login",
        /// Keep the directory's users and read their MFA status.
        Users = "users",
        /// Off-board the directory's users, for good.
        Offboard = "offboard",
        /// Pass on a user's wish to switch MFA off.
        Petitions = "petitions",
        /// Read the tenant's lists.
        TenantRead = "tenant:read",
    }
}

/// How many live secrets a client has at most: the one in use, and the one that follows it.
pub const LIVE_SECRETS: usize = 2;

/// How long a secret must live still to count as a way into its tenant.
pub const LASTING: Span = Span::hours(24);

/// How long a client's access token lives.
pub const TOKEN_LIFE: Span = Span::minutes(5);

/// The prefix of every access token of a client: `pawl_at_{32 hex}_{43 base64url}`. No client's key
/// begins like this, for an id is hex.
pub const TOKEN_PREFIX: &str = "pawl_at_";

/// The prefix of every client key: `pawl_{32 hex}_{43 base64url}`.
pub const KEY_PREFIX: &str = "pawl_";
