//! Files that only their owner reads.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::StartError;

pub(super) fn file_error(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::File { path: path.to_path_buf(), what, source }
}

pub(super) fn make_directory(path: &Path) -> Result<(), StartError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(file_error(path, "cannot be made; set PAWL_DATA_DIR to a place that can"))
}

/// A database file is as secret as the names in it: only its owner reads it.
pub(super) fn restrict(path: &Path) -> Result<(), StartError> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .map_err(file_error(path, "its mode cannot be set to 0600"))
}

/// Writes a new file that only its owner can read; an existing one is left alone.
///
/// # Errors
/// [`StartError::File`].
pub fn write_secret(path: &Path, content: &[u8]) -> Result<(), StartError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = made.map_err(file_error(path, "cannot be made"))?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(file_error(path, "cannot be written"))
}
