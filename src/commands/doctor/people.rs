//! What the installation holds: keys that open it, and people and consoles that can come in.

use super::{Danger, Findings, token_keys};
use crate::app::{entropy, explain};
use crate::clock::Clock;
use crate::config::Config;
use crate::mfa::text::quoted;
use crate::mfa::words::{ExternalId, LookAlikes};
use crate::operations::examination::{Examination, TenantExamination, examine_installation};
use crate::operations::resealing::{Survey, survey};
use crate::operations::{Failure, Pawl};
use crate::store::{Database, KeyRing, Store, StoreError};
use crate::telemetry::metrics::Metrics;

/// Reads the installation in one snapshot.
pub(super) fn examine(config: &Config, database: Database, ring: KeyRing, findings: &mut Findings) {
    let now = Clock::system().now();
    let read = actix_web::rt::System::new().block_on(async {
        let metrics = std::sync::Arc::<Metrics>::default();
        let store =
            Store::open(database, ring, std::sync::Arc::clone(&metrics)).map_err(Failure::Store)?;
        let base_url = std::sync::Arc::from(config.base_url.as_str());
        let recent = std::sync::Arc::default();
        let per_day = config.caps.per_day();
        let pawl = Pawl { store, base_url, recent, metrics, per_day };
        let entropy = entropy().map_err(|_| Failure::Store(StoreError::Busy))?;
        let examination = examine_installation(&pawl, now, entropy).await?;
        Ok::<_, Failure>((examination, survey(&pawl).await?))
    });
    match read {
        Ok((examination, survey)) => {
            installation(&examination, findings);
            if examination.is_made {
                token_keys::examine(
                    &examination.token_keys,
                    config.token_key_life(),
                    now,
                    findings,
                );
            }
            sealed(&survey, findings);
        }
        Err(failure) => {
            let is_clock = matches!(failure, Failure::Store(StoreError::Clock(_)));
            let next = if is_clock {
                "correct the clock; a running server answers 503 meanwhile"
            } else {
                "name the right key file, or find out who changed the database"
            };
            let about = if is_clock { "clock" } else { "keys" };
            findings.add(Danger::Down, about, explain(&failure.into()), next);
        }
    }
}

/// Which keys are needed, whether or not they are at hand.
fn sealed(survey: &Survey, findings: &mut Findings) {
    let missing = survey.missing();
    if !missing.is_empty() {
        findings.add(
            Danger::Down,
            "keys",
            format!("no file at hand is the key {}, which sealed something", missing.join(", ")),
            "name its file in PAWL_OTHER_KEY_FILES; `pawl seal status` says whose factors it sealed",
        );
    }
    if survey.left() > 0 {
        findings.add(
            Danger::Risk,
            "keys",
            format!("{} values are sealed under keys that only open", survey.left()),
            "`pawl seal reseal` ends the change of keys",
        );
    }
}

fn installation(examination: &Examination, findings: &mut Findings) {
    if !examination.is_made {
        findings.add(
            Danger::Note,
            "keys",
            "no key has sealed anything here yet",
            "the first `pawl serve` or `pawl bootstrap` does, with the key file at hand",
        );
    }
    if examination.is_made && examination.tenants.is_empty() {
        findings.add(
            Danger::Note,
            "people",
            "there is no tenant",
            "`pawl bootstrap --tenant-name …` founds one",
        );
    }
    for tenant in &examination.tenants {
        people(tenant, findings);
        consoles(tenant, findings);
        look_alikes(tenant, findings);
    }
}

fn people(tenant: &TenantExamination, findings: &mut Findings) {
    let name = &tenant.id;
    let (danger, finding) = match tenant.able_administrators {
        0 => (Danger::Down, format!("no administrator of {name} can sign in")),
        1 => (
            Danger::Risk,
            format!("one administrator of {name} can sign in: a lost phone locks it"),
        ),
        _ => return over(tenant, findings),
    };
    let next = "grant a second person `admin` and let them enroll; `pawl override reset` helps the last one";
    findings.add(danger, "people", finding, next);
    over(tenant, findings);
}

fn over(tenant: &TenantExamination, findings: &mut Findings) {
    let TenantExamination { id, exemptions, broken_glass, .. } = tenant;
    if *broken_glass > 0 {
        findings.add(
            Danger::Risk,
            "people",
            format!("{broken_glass} overrides of {id} by break-glass are in force"),
            "see who broke the glass and why: listOverrides, listEvents",
        );
    }
    if *exemptions > 0 {
        findings.add(
            Danger::Note,
            "people",
            format!("{exemptions} exemptions of {id} are in force"),
            "listOverrides tells until when; revokeOverride ends one",
        );
    }
}

fn consoles(tenant: &TenantExamination, findings: &mut Findings) {
    for client in &tenant.ending_clients {
        let (danger, when) = match client.ends_at {
            None => (Danger::Down, "has no live key".to_owned()),
            Some(at) => (Danger::Risk, format!("has a key only until {at}")),
        };
        findings.add(
            danger,
            "consoles",
            format!("{} ({}) of {} {when}", client.name.as_str(), client.id, tenant.id),
            "give it a new key, or disable it if it is not used any more",
        );
    }
}

/// Whether several users may be one person: the first few by their spellings.
fn look_alikes(tenant: &TenantExamination, findings: &mut Findings) {
    for found in &tenant.look_alikes {
        let (danger, next) = match found.setting {
            LookAlikes::Hold => (
                Danger::Note,
                "off-board the spelling that the console does not use; one who was held enrolls by a ticket",
            ),
            LookAlikes::Note => (
                Danger::Risk,
                "off-board the spelling that the console does not use; `setLookAlikes` holds new ones",
            ),
        };
        let spelled = |ids: &Vec<ExternalId>| {
            ids.iter().map(|id| quoted(id.as_str())).collect::<Vec<_>>().join(" = ")
        };
        let first: Vec<String> = found.first.iter().map(spelled).collect();
        let (ids, users, directory) = (found.ids, found.users, &found.directory);
        let more = if ids > first.len() { ", …" } else { "" };
        findings.add(
            danger,
            "people",
            format!(
                "{users} users of {directory} share {ids} external ids by other spellings: {}{more}",
                first.join(", ")
            ),
            next,
        );
    }
}
