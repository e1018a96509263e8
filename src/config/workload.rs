//! Whose service accounts may sign in as clients: a Kubernetes cluster's.

use std::path::PathBuf;

use super::{Reader, Variable};

pub(super) const ISSUER: Variable = Variable {
    name: "PAWL_WORKLOAD_ISSUER",
    default: "",
    about: "The cluster's issuer, as the iss of its service-account tokens says. Empty: no such token is taken.",
};
pub(super) const AUDIENCE: Variable = Variable {
    name: "PAWL_WORKLOAD_AUDIENCE",
    default: "",
    about: "The one audience that those tokens are for: a name of your choice, not the issuer. An issuer wants it.",
};
pub(super) const JWKS_FILE: Variable = Variable {
    name: "PAWL_WORKLOAD_JWKS_FILE",
    default: "",
    about: "The file with the cluster's public keys (JWKS). It is read again each minute.",
};
pub(super) const JWKS_URL: Variable = Variable {
    name: "PAWL_WORKLOAD_JWKS_URL",
    default: "",
    about: "Where the cluster's public keys are, if in no file. https, but for loopback.",
};
pub(super) const CA_FILE: Variable = Variable {
    name: "PAWL_WORKLOAD_CA_FILE",
    default: "",
    about: "PEM of the authority that the certificate of PAWL_WORKLOAD_JWKS_URL must be by. https wants it.",
};

/// A cluster whose service accounts may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The only `aud` that they may have.
    pub audience: String,
    /// The file with its public keys.
    pub jwks_file: Option<PathBuf>,
    /// Where its public keys are, if in no file.
    pub jwks_url: Option<String>,
    /// The authority of the certificate there.
    pub ca_file: Option<PathBuf>,
}

impl Workload {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let issuer = reader.text(ISSUER.name);
        let audience = reader.text(AUDIENCE.name);
        if issuer.is_empty() {
            for other in [AUDIENCE, JWKS_FILE, JWKS_URL, CA_FILE] {
                if !reader.text(other.name).is_empty() {
                    reader.fault(other.name, "is of no use without PAWL_WORKLOAD_ISSUER");
                }
            }
            return None;
        }
        if !is_name(issuer) {
            reader.fault(ISSUER.name, "wants 1 to 200 ASCII letters, digits and - _ . : /");
        }
        if !is_name(audience) || audience == issuer {
            reader.fault(
                AUDIENCE.name,
                "wants a name of its own, of ASCII letters, digits and - _ . : /",
            );
        }
        fault_of_keys(reader);
        let given = |name| Some(reader.text(name)).filter(|text| !text.is_empty());
        Some(Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            jwks_file: given(JWKS_FILE.name).map(PathBuf::from),
            jwks_url: given(JWKS_URL.name).map(str::to_owned),
            ca_file: given(CA_FILE.name).map(PathBuf::from),
        })
    }

    pub(super) fn pairs(given: Option<&Self>) -> [(&'static str, String); 5] {
        let of = |told: fn(&Self) -> String| given.map(told).unwrap_or_default();
        [
            (ISSUER.name, of(|workload| workload.issuer.clone())),
            (AUDIENCE.name, of(|workload| workload.audience.clone())),
            (JWKS_FILE.name, of(|workload| super::shown(workload.jwks_file.as_ref()))),
            (JWKS_URL.name, of(|workload| workload.jwks_url.clone().unwrap_or_default())),
            (CA_FILE.name, of(|workload| super::shown(workload.ca_file.as_ref()))),
        ]
    }
}

fn fault_of_keys(reader: &mut Reader<'_>) {
    let (file, url) = (reader.text(JWKS_FILE.name), reader.text(JWKS_URL.name));
    let has_authority = !reader.text(CA_FILE.name).is_empty();
    match (file, url) {
        ("", "") => {
            reader.fault(JWKS_FILE.name, "or PAWL_WORKLOAD_JWKS_URL is wanted by an issuer");
        }
        (_, "") if has_authority => reader.fault(CA_FILE.name, "is of no use with a file"),
        (_, "") => {}
        ("", url) => {
            if let Some(reason) = fault_of_url(url) {
                reader.fault(JWKS_URL.name, reason);
            }
            if url.starts_with("https://") && !has_authority {
                reader.fault(CA_FILE.name, "is wanted by an https URL");
            }
        }
        _ => reader.fault(JWKS_URL.name, "and PAWL_WORKLOAD_JWKS_FILE are not both wanted"),
    }
}

/// As an `iss` or `aud` is compared, byte by byte, and shown by `pawl config`.
fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b);
    (1..=200).contains(&text.len()) && text.bytes().all(plain)
}

/// Keys that come over a network without TLS are whoever's is on the network.
fn fault_of_url(url: &str) -> Option<&'static str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let rest = rest.filter(|rest| is_name(rest));
    let Some(rest) = rest else { return Some("wants https://host/path, without a query") };
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let is_loopback = matches!(host, "127.0.0.1" | "localhost");
    (url.starts_with("http://") && !is_loopback).then_some("wants https, but for loopback")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const GOOD: [(&str, &str); 3] = [
        ("PAWL_WORKLOAD_ISSUER", "https://kubernetes.default.svc.cluster.local"),
        ("PAWL_WORKLOAD_AUDIENCE", "pawl"),
        ("PAWL_WORKLOAD_JWKS_FILE", "/etc/pawl/jwks.json"),
    ];

    fn read(changes: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let all = GOOD.iter().filter(|good| !changes.iter().any(|change| change.0 == good.0));
        let all = all.chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::read(all).map_err(|faults| faults.into_iter().map(|fault| fault.variable).collect())
    }

    #[test]
    fn a_cluster_is_an_issuer_an_audience_and_one_place_of_keys() {
        let workload = read(&[]).unwrap().workload.unwrap();
        assert_eq!(workload.jwks_file, Some(PathBuf::from("/etc/pawl/jwks.json")));
        let url = "https://10.0.0.1:6443/openid/v1/jwks";
        let by_url = [
            ("PAWL_WORKLOAD_JWKS_FILE", ""),
            ("PAWL_WORKLOAD_JWKS_URL", url),
            ("PAWL_WORKLOAD_CA_FILE", "/etc/pawl/cluster.pem"),
        ];
        let pairs = read(&by_url).unwrap().pairs();
        let shown: Vec<_> =
            pairs.iter().filter(|(name, _)| name.starts_with("PAWL_WORKLOAD")).collect();
        let values: Vec<_> = shown.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, [GOOD[0].1, GOOD[1].1, "", url, "/etc/pawl/cluster.pem"]);
    }

    #[test]
    fn what_is_missing_double_or_too_open_is_a_fault() {
        let (issuer, audience) = ("PAWL_WORKLOAD_ISSUER", "PAWL_WORKLOAD_AUDIENCE");
        let (file, url, ca) =
            ("PAWL_WORKLOAD_JWKS_FILE", "PAWL_WORKLOAD_JWKS_URL", "PAWL_WORKLOAD_CA_FILE");
        for (changes, faults) in [
            (&[(issuer, "")][..], &[audience, file][..]),
            (&[(issuer, "a b")], &[issuer]),
            (&[(audience, "")], &[audience]),
            (&[(audience, GOOD[0].1)], &[audience]),
            (&[(file, "")], &[file]),
            (&[(url, "https://a")], &[url]),
            (&[(ca, "/ca.pem")], &[ca]),
            (&[(file, ""), (url, "https://a")], &[ca]),
            (&[(file, ""), (url, "http://a")], &[url]),
            (&[(file, ""), (url, "http://localhost.evil")], &[url]),
            (&[(file, ""), (url, "http://u@localhost")], &[url]),
            (&[(file, ""), (url, "https://a?b=c"), (ca, "/ca.pem")], &[url]),
        ] {
            assert_eq!(read(changes).unwrap_err(), faults, "{changes:?}");
        }
        read(&[(file, ""), (url, "http://127.0.0.1:8001/openid/v1/jwks")]).unwrap();
    }
}
