//! Files that only their owner reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::StartError;

pub(super) fn file_error(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::File { path: path.to_path_buf(), what, source }
}

/// Makes a directory of its owner's, if there is none.
///
/// # Errors
/// [`StartError::File`].
pub fn make_directory(path: &Path) -> Result<(), StartError> {
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
    NewSecret::make(path)?.fill(content, path)
}

/// A new file that only its owner can read, for a secret that is not there yet. Without one it goes
/// away.
pub struct NewSecret {
    file: File,
    path: PathBuf,
    is_kept: bool,
}

impl NewSecret {
    /// Makes it, where nothing is.
    ///
    /// # Errors
    /// [`StartError::File`].
    pub fn make(path: &Path) -> Result<Self, StartError> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = made.map_err(file_error(path, "cannot be made"))?;
        Ok(Self { file, path: path.to_path_buf(), is_kept: false })
    }

    /// Writes the secret, to last, and gives the file its name; a file of that name is replaced.
    ///
    /// # Errors
    /// [`StartError::File`]; then nothing of the secret stays.
    pub fn fill(mut self, content: &[u8], name: &Path) -> Result<(), StartError> {
        self.file
            .write_all(content)
            .and_then(|()| self.file.sync_all())
            .map_err(file_error(&self.path, "cannot be written"))?;
        let folder = name.parent().filter(|folder| !folder.as_os_str().is_empty());
        fs::rename(&self.path, name)
            .and_then(|()| File::open(folder.unwrap_or(Path::new(".")))?.sync_all())
            .map_err(file_error(name, "cannot be written"))?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for NewSecret {
    fn drop(&mut self) {
        if !self.is_kept {
            // Whoever waits for it is told of another failure.
            let _ = fs::remove_file(&self.path);
        }
    }
}
