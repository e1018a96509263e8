//! Whether anybody may read and try the document in a browser.

use std::net::SocketAddr;

use super::Reader;

/// Reads `PAWL_DOCS`. Said nothing, the quick start has it and nothing else does: a base URL without TLS
/// is loopback's.
pub(super) fn read(
    reader: &mut Reader<'_>,
    listen: Option<SocketAddr>,
    base_url: &str,
    database_url: Option<&str>,
) -> bool {
    let is_local = listen.is_some_and(|listen| listen.ip().is_loopback());
    match reader.text("PAWL_DOCS") {
        "" => is_local && base_url.starts_with("http://") && database_url.is_none(),
        "true" => true,
        "false" => false,
        _ => {
            reader.fault("PAWL_DOCS", "wants true or false");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn docs(pairs: &[(&str, &str)]) -> Option<bool> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::read(pairs).ok().map(|config| config.docs)
    }

    #[test]
    fn only_the_quick_start_has_them_unasked() {
        assert_eq!(docs(&[]), Some(true));
        let elsewhere = [
            ("PAWL_LISTEN", "0.0.0.0:8080"),
            ("PAWL_BASE_URL", "https://mfa.example"),
            ("PAWL_DATABASE_URL", "postgres://pawl@db/pawl"),
        ];
        for pair in elsewhere {
            assert_eq!(docs(&[pair]), Some(false), "{pair:?}");
            assert_eq!(docs(&[pair, ("PAWL_DOCS", "true")]), Some(true), "{pair:?}");
        }
        assert_eq!(docs(&[("PAWL_DOCS", "false")]), Some(false));
        assert_eq!(docs(&[("PAWL_DOCS", "yes")]), None);
    }
}
