//! The HTTP client for what the operator named: it trusts one authority, follows nothing and has an end.

use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// No certificate in what should be the authority's.
#[derive(Debug, thiserror::Error)]
#[error("it holds no certificate")]
pub struct NoAuthority;

/// A client that trusts certificates by this authority (PEM), and none if there is none.
///
/// # Errors
/// [`NoAuthority`].
pub fn agent(authority: Option<&[u8]>, timeout: Duration) -> Result<ureq::Agent, NoAuthority> {
    let mut roots = Vec::new();
    for item in parse_pem(authority.unwrap_or_default()) {
        if let PemItem::Certificate(root) = item.map_err(|_| NoAuthority)? {
            roots.push(root);
        }
    }
    if authority.is_some() && roots.is_empty() {
        return Err(NoAuthority);
    }
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build();
    Ok(ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(timeout))
        .max_redirects(0)
        .proxy(None)
        .tls_config(tls)
        .build()
        .into())
}
