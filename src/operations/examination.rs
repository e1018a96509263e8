//! What `pawl doctor` asks of an installation: one snapshot, nothing changed.

use super::call::Work;
use super::keys::system_tenant;
use super::token_keys::life;
use super::{Done, Entropy, Pawl};
use crate::mfa::ids::{ClientId, DirectoryId, TenantId};
use crate::mfa::overrides::{OverrideKind, OverrideState};
use crate::mfa::policy::guard::administrators_left;
use crate::mfa::time::{Span, Timestamp};
use crate::mfa::token_key::TokenKey;
use crate::mfa::words::{DisplayName, ExternalId, LookAlikes};
use crate::store::{OverrideFilter, Tx};

/// How long before its end a client's last key is worth a word.
const SOON: Span = Span::hours(14 * 24);
/// Rows of each kind that are looked at.
const MOST: i64 = 10_000;
/// Ids of a directory whose spellings are listed, and spellings of each.
const LISTED: u8 = 5;

/// What was found.
#[derive(Debug)]
pub struct Examination {
    /// Whether a first start was here.
    pub is_made: bool,
    /// The published token keys: none before the first server.
    pub token_keys: Vec<TokenKey>,
    /// The tenants, oldest first.
    pub tenants: Vec<TenantExamination>,
}

/// What was found about one tenant.
#[derive(Debug)]
pub struct TenantExamination {
    /// Which.
    pub id: TenantId,
    /// Administrators who can come to a token for Pawl's own audience.
    pub able_administrators: usize,
    /// Exemptions in force.
    pub exemptions: usize,
    /// Overrides in force that somebody at the server's command line made.
    pub broken_glass: usize,
    /// Clients whose last key ends soon, or ended.
    pub ending_clients: Vec<EndingClient>,
    /// Directories in which external ids of different users fold alike.
    pub look_alikes: Vec<LookAlikesFound>,
}

/// What folds alike in one directory, of the users who did not leave.
#[derive(Debug)]
pub struct LookAlikesFound {
    /// The directory.
    pub directory: DirectoryId,
    /// What becomes of new ones.
    pub setting: LookAlikes,
    /// Ids that more than one user has: of a tenant 10,000 are counted.
    pub ids: usize,
    /// Users who have them.
    pub users: i64,
    /// The spellings of the first few, up to five of each.
    pub first: Vec<Vec<ExternalId>>,
}

/// A client that will be locked out, or is.
#[derive(Debug)]
pub struct EndingClient {
    /// Which.
    pub id: ClientId,
    /// What people call it.
    pub name: DisplayName,
    /// When its last live key ends; `None`: it has none.
    pub ends_at: Option<Timestamp>,
}

/// Opens everything that the keys at hand must open, and counts who can come in.
///
/// # Errors
/// If a sealed value does not open, or the clock is behind the record.
pub async fn examine_installation(
    pawl: &Pawl,
    now: Timestamp,
    entropy: Entropy,
) -> Done<Examination> {
    let base = pawl.base_url.clone();
    pawl.store
        .read("examine_installation", move |tx| -> Done<Examination> {
            let Some(row) = tx.find_installation()? else {
                return Ok(Examination { is_made: false, token_keys: vec![], tenants: vec![] });
            };
            tx.open_installation(&row)?;
            tx.check_clock(&system_tenant(), now)?;
            let mut token_keys = Vec::new();
            for key in tx.list_signing_keys()? {
                tx.open_signing_key(&key)?;
                token_keys.push(life(&key));
            }
            let rows = tx.list_tenants()?;
            let live = rows.into_iter().filter(|row| row.suspended_at.is_none());
            let tenants = live
                .map(|row| {
                    let id = row.tenant_id;
                    examine_tenant(&mut Work::of_server(tx, id, &base, now, &entropy)?)
                })
                .collect::<Done<_>>()?;
            Ok(Examination { is_made: true, token_keys, tenants })
        })
        .await
}

fn examine_tenant(work: &mut Work<'_, '_>) -> Done<TenantExamination> {
    let administrators = work.administrators()?;
    let policy = work.tx.current_policy(&work.tenant)?.document.0;
    let able_administrators =
        administrators_left(&policy, &administrators, &work.own_audience, work.now);
    let (id, now) = (work.tenant.clone(), work.now);
    let (state, user, after) = (Some(OverrideState::Approved), None, String::new());
    let filter = OverrideFilter { state, now, user, after, limit: MOST };
    let live = work.tx.list_overrides(&id, &filter)?;
    let exemptions = live.iter().filter(|row| row.kind == OverrideKind::Exempt).count();
    let broken_glass = live.iter().filter(|row| row.is_break_glass).count();
    let ending_clients = ending_clients(work.tx, &id, now)?;
    let look_alikes = look_alikes(work.tx, &id)?;
    Ok(TenantExamination {
        id,
        able_administrators,
        exemptions,
        broken_glass,
        ending_clients,
        look_alikes,
    })
}

fn look_alikes(tx: &mut Tx<'_>, tenant: &TenantId) -> Done<Vec<LookAlikesFound>> {
    let alike = tx.list_look_alikes(tenant, MOST)?;
    let mut found = Vec::new();
    for row in tx.list_directories(tenant)? {
        let own: Vec<_> = alike.iter().filter(|(directory, ..)| *directory == row.id).collect();
        if own.is_empty() {
            continue;
        }
        let mut first = Vec::new();
        for (directory, folded, _) in own.iter().take(usize::from(LISTED)) {
            first.push(tx.list_spellings(tenant, (directory, folded), i64::from(LISTED))?);
        }
        let users = own.iter().map(|(.., users)| users).sum();
        let (directory, setting, ids) = (row.id, row.look_alikes, own.len());
        found.push(LookAlikesFound { directory, setting, ids, users, first });
    }
    Ok(found)
}

fn ending_clients(tx: &mut Tx<'_>, tenant: &TenantId, now: Timestamp) -> Done<Vec<EndingClient>> {
    let mut ending = Vec::new();
    for row in tx.list_clients(tenant, "", MOST)? {
        // A client with a public key needs no secret.
        if row.disabled_at.is_some() || !tx.live_keys(&row.id)?.is_empty() {
            continue;
        }
        let ends_at = tx.live_secrets(&row.id, now)?.iter().map(|secret| secret.expires_at).max();
        if ends_at.is_none_or(|at| at < now.after(SOON)) {
            ending.push(EndingClient { id: row.id, name: row.name, ends_at });
        }
    }
    Ok(ending)
}
