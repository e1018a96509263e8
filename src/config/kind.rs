//! What a variable names, which its own name's end says.

/// What a variable names: whoever deploys Pawl must give it a file, a folder, a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An address and a port that Pawl listens on.
    Address,
    /// A file that Pawl reads.
    File,
    /// Several, separated by ':'.
    Files,
    /// A folder that Pawl writes to.
    Folder,
    /// A URL.
    Url,
    /// Anything else: a number, a name, a choice.
    Value,
}

impl Kind {
    /// What a variable of this name names.
    #[must_use]
    pub fn of(variable: &str) -> Self {
        match variable.rsplit('_').next().unwrap_or_default() {
            "LISTEN" => Self::Address,
            "FILE" => Self::File,
            "FILES" => Self::Files,
            "DIR" => Self::Folder,
            "URL" => Self::Url,
            _ => Self::Value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_in_what_it_names() {
        for (name, kind) in [
            ("PAWL_HEALTH_LISTEN", Kind::Address),
            ("PAWL_KEY_FILE", Kind::File),
            ("PAWL_OTHER_KEY_FILES", Kind::Files),
            ("PAWL_DATA_DIR", Kind::Folder),
            ("PAWL_BASE_URL", Kind::Url),
            ("PAWL_WORKERS", Kind::Value),
        ] {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }
}
