//! Where traces go, and which requests are traced.

use std::path::PathBuf;

use super::Reader;

/// Of a collector.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    /// Where it is.
    pub endpoint: Option<String>,
    /// The authority of its certificate.
    pub ca_file: Option<PathBuf>,
    /// The share of requests that are traced where no caller says anything.
    pub ratio: f64,
}

impl Traces {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let endpoint = reader.text("PAWL_OTLP_ENDPOINT").to_owned();
        let authority = reader.text("PAWL_OTLP_CA_FILE").to_owned();
        if let Some(reason) = fault_of_collector(&endpoint) {
            reader.fault("PAWL_OTLP_ENDPOINT", reason);
        }
        if endpoint.starts_with("https://") && authority.is_empty() {
            reader.fault("PAWL_OTLP_CA_FILE", "is wanted by an https endpoint");
        }
        let ratio = reader.parsed("PAWL_TRACE_RATIO", "wants a number from 0 to 1");
        if ratio.is_some_and(|ratio: f64| !(0.0..=1.0).contains(&ratio)) {
            reader.fault("PAWL_TRACE_RATIO", "wants a number from 0 to 1");
        }
        let given = |text: String| (!text.is_empty()).then_some(text);
        Self {
            endpoint: given(endpoint),
            ca_file: given(authority).map(PathBuf::from),
            ratio: ratio.unwrap_or_default(),
        }
    }

    pub(super) fn pairs(&self) -> [(&'static str, String); 3] {
        [
            ("PAWL_OTLP_ENDPOINT", self.endpoint.clone().unwrap_or_default()),
            ("PAWL_OTLP_CA_FILE", super::shown(self.ca_file.as_ref())),
            ("PAWL_TRACE_RATIO", self.ratio.to_string()),
        ]
    }
}

/// Where a collector is; a user or a query in it would be a secret that `pawl config` shows.
fn fault_of_collector(endpoint: &str) -> Option<&'static str> {
    let rest = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:/[]".contains(&b);
    let is_good = rest
        .is_some_and(|rest| !rest.is_empty() && !rest.ends_with('/') && rest.bytes().all(plain));
    (!endpoint.is_empty() && !is_good).then_some("wants http(s)://host:port, no slash at its end")
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn faults(pairs: &[(&str, &str)]) -> Vec<String> {
        let read = Config::read(
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        read.err().unwrap_or_default().into_iter().map(|fault| fault.variable).collect()
    }

    #[test]
    fn a_collector_is_an_address_and_https_wants_an_authority() {
        assert_eq!(faults(&[("PAWL_OTLP_ENDPOINT", "http://127.0.0.1:4318")]), [""; 0]);
        assert_eq!(faults(&[("PAWL_OTLP_ENDPOINT", "https://otel")]), ["PAWL_OTLP_CA_FILE"]);
        for bad in ["otel:4318", "http://", "http://otel/", "http://u@otel", "http://otel?a=b"] {
            assert_eq!(faults(&[("PAWL_OTLP_ENDPOINT", bad)]), ["PAWL_OTLP_ENDPOINT"], "{bad}");
        }
        for bad in ["", "half", "-0.1", "1.1", "NaN", "inf"] {
            assert_eq!(faults(&[("PAWL_TRACE_RATIO", bad)]), ["PAWL_TRACE_RATIO"], "{bad}");
        }
    }
}
