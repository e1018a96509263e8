//! Settings and files.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{Danger, Findings};
use crate::app::{StartError, explain, is_private, read_key};
use crate::config::Config;
use crate::http::workloads::keys_of_file;
use crate::store::KeyRing;
use crate::telemetry::chain;

/// What the settings say about each other.
pub(super) fn settings(config: &Config, findings: &mut Findings) {
    let about = "settings";
    let is_far = |address: SocketAddr| !address.ip().is_loopback();
    let host = config.base_url.split("://").nth(1).unwrap_or_default();
    let is_near = ["127.0.0.1", "localhost"].iter().any(|near| host.starts_with(near));
    if is_far(config.listen) && is_near {
        findings.add(
            Danger::Risk,
            about,
            format!("PAWL_BASE_URL is {}, but the API listens on {}", config.base_url, config.listen),
            "set PAWL_BASE_URL to the public https URL before anybody enrolls: it is in every issuer",
        );
    }
    if is_far(config.listen) {
        findings.add(
            Danger::Note,
            about,
            format!("the API listens on {} and speaks plain HTTP", config.listen),
            "let TLS end in front of it, and nothing else reach the port",
        );
    }
    if is_far(config.health_listen) {
        findings.add(
            Danger::Note,
            about,
            format!("{} answers whoever asks", config.health_listen),
            "let only probes and monitoring reach the port",
        );
    }
    if config.log.contains("debug") || config.log.contains("trace") {
        findings.add(
            Danger::Note,
            about,
            format!("PAWL_LOG is {}", config.log),
            "go back to info when you have seen enough: the log of a busy server is large",
        );
    }
}

/// The modes and contents of files; answers the keys if all can be used.
pub(super) fn files(config: &Config, findings: &mut Findings) -> Option<KeyRing> {
    folder(config, findings);
    let database = config.database();
    if config.database_url.is_none() {
        for end in ["", "-wal", "-shm"] {
            private(&PathBuf::from(format!("{}{end}", database.display())), findings);
        }
        if config.key_file.parent() == database.parent() && config.key_file.exists() {
            findings.add(
                Danger::Note,
                "files",
                "the key file lies beside the database",
                "back them up to different places; set PAWL_KEY_FILE to keep them apart here too",
            );
        }
    }
    if let Some(path) = &config.database_password_file {
        private(path, findings);
    }
    if let Some(path) = config.workload.as_ref().and_then(|of| of.jwks_file.as_ref()) {
        cluster(path, findings);
    }
    keys(config, findings)
}

fn cluster(path: &Path, findings: &mut Findings) {
    let fault = match keys_of_file(path) {
        Ok(keys) if keys.is_empty() => {
            "it has no key for RS256 of 2048 to 4096 bits or for ES256, with a kid".to_owned()
        }
        Ok(_) => return,
        Err(error) => chain(&error),
    };
    findings.add(
        Danger::Down,
        "files",
        format!("PAWL_WORKLOAD_JWKS_FILE is {}: {fault}", path.display()),
        "put the answer of `kubectl get --raw /openid/v1/jwks` there, for Pawl to read; until then no \
         service account signs in",
    );
}

fn folder(config: &Config, findings: &mut Findings) {
    let path = &config.data_dir;
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        findings.add(
            Danger::Hole,
            "files",
            format!("others may write into {} (mode {mode:o})", path.display()),
            format!(
                "`chmod 700 {}`, and find out whether somebody replaced a file",
                path.display()
            ),
        );
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        // One that is called `new` was left by a command that was killed before it gave the file its name.
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "txt" || extension == "new") {
            findings.add(
                Danger::Risk,
                "files",
                format!("{} holds what was to be read once", path.display()),
                "hand it over and delete it",
            );
        }
    }
}

fn private(path: &Path, findings: &mut Findings) {
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if !is_private(&metadata).unwrap_or(false) {
        findings.add(
            Danger::Hole,
            "files",
            format!("others may read {} (mode {mode:o})", path.display()),
            format!("`chmod 600 {}`, and think of its content as known", path.display()),
        );
    }
}

fn keys(config: &Config, findings: &mut Findings) -> Option<KeyRing> {
    let mut ring = None;
    let mut all = true;
    for path in std::iter::once(&config.key_file).chain(&config.other_key_files) {
        let read = read_key(path).and_then(|read| match ring.take() {
            None => Ok(read),
            Some(known) => KeyRing::with_other(known, read)
                .map_err(|error| StartError::KeyFile(path.clone(), error)),
        });
        match read {
            Ok(read) => ring = Some(read),
            Err(error) => {
                all = false;
                let (danger, next) = if matches!(error, StartError::KeyMode(_)) {
                    (Danger::Hole, "correct the mode, and think of rotating the key")
                } else {
                    (Danger::Down, "put the key file back from its backup, or correct its name")
                };
                findings.add(danger, "keys", explain(&error), next);
            }
        }
    }
    ring.filter(|_| all)
}
