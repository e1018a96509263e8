//! Key files: made, read, and who else may read them.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::StartError;
use super::files::{file_error, write_secret};
use crate::config::Config;
use crate::store::seal::{KeyRing, new_key_file};

/// Makes a file with a new key-encryption key, mode 0600.
///
/// # Errors
/// [`StartError::File`] if it is there already; the key in it may have sealed something.
pub fn new_key(path: &Path) -> Result<(), StartError> {
    let mut random = Zeroizing::new([0; 36]);
    aws_lc_rs::rand::fill(random.as_mut_slice()).map_err(|_| StartError::Random)?;
    write_secret(path, new_key_file(&random).as_bytes())
}

/// The keys of the configuration; on SQLite the first start makes one.
pub(super) fn key_ring(config: &Config) -> Result<KeyRing, StartError> {
    if !config.key_file.exists() {
        if config.database_url.is_some() {
            return Err(StartError::KeyAbsent(config.key_file.clone()));
        }
        if config.database().exists() {
            return Err(StartError::KeyMissing(config.key_file.clone()));
        }
        new_key(&config.key_file)?;
    }
    let mut ring = read_key(&config.key_file)?;
    for path in &config.other_key_files {
        ring = ring
            .with_other(read_key(path)?)
            .map_err(|error| StartError::KeyFile(path.clone(), error))?;
    }
    Ok(ring)
}

/// Reads a key file that nobody else can.
pub(crate) fn read_key(path: &Path) -> Result<KeyRing, StartError> {
    let read = file_error(path, "the key file cannot be read");
    match fs::metadata(path).and_then(|file| is_private(&file)) {
        Ok(true) => {}
        Ok(false) => return Err(StartError::KeyMode(path.to_path_buf())),
        Err(error) => return Err(read(error)),
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(read)?);
    KeyRing::parse_file(&text).map_err(|error| StartError::KeyFile(path.to_path_buf(), error))
}

/// Whether nobody reads the file but this process' user, or root and this process' group.
///
/// The latter is how a Kubernetes secret reaches a process that is not root: the kubelet writes the
/// file as root and, with `fsGroup`, makes it readable by that group, 0440, whatever mode was asked
/// for. The process does not own it, so without the group nobody but everybody could read it.
pub(crate) fn is_private(file: &Metadata) -> io::Result<bool> {
    // On Linux the owner of /proc/self is the process itself: its effective group, without unsafe code.
    let own_group = fs::metadata(Path::new("/proc/self")).map(|process| process.gid());
    match file.mode() & 0o077 {
        0 => Ok(true),
        _ => Ok(is_roots(file.mode(), (file.uid(), file.gid()), own_group?)),
    }
}

/// Root's file, which nobody may change or execute, and nobody else reads but the group.
fn is_roots(mode: u32, (owner, group): (u32, u32), own_group: u32) -> bool {
    mode & 0o7777 == 0o440 && owner == 0 && group == own_group
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_reads_a_key_only_if_it_is_ones_own_and_the_file_roots() {
        assert!(is_roots(0o100_440, (0, 65532), 65532));
        for (mode, owner, group) in [
            (0o440, 65532, 65532),
            (0o440, 0, 0),
            (0o440, 0, 65533),
            (0o444, 0, 65532),
            (0o441, 0, 65532),
            (0o450, 0, 65532),
            (0o460, 0, 65532),
            (0o640, 0, 65532),
            (0o2440, 0, 65532),
            (0o040, 0, 65532),
        ] {
            assert!(!is_roots(mode, (owner, group), 65532), "{mode:o} {owner}:{group}");
        }
    }
}
