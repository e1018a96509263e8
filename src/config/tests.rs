use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Config, Vec<Fault>> {
    Config::read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

#[test]
fn the_defaults_are_a_configuration() {
    let config = read(&[]).expect("the defaults are right");
    assert_eq!(config.key_file, PathBuf::from("./pawl-data/kek"));
    let names: Vec<_> = config.pairs().iter().map(|(name, _)| *name).collect();
    let known: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
    assert_eq!(names, known);
}

#[test]
fn the_base_url_follows_the_port_on_loopback_unless_it_is_given() {
    let of = |pairs: &[(&str, &str)]| read(pairs).expect("a configuration").base_url;
    assert_eq!(of(&[("PAWL_LISTEN", "127.0.0.1:9000")]), "http://127.0.0.1:9000");
    for listen in ["0.0.0.0:9000", "[::1]:9000", "127.0.0.1:0"] {
        assert_eq!(of(&[("PAWL_LISTEN", listen)]), "http://127.0.0.1:8080", "{listen}");
    }
    let given = ("PAWL_BASE_URL", "https://mfa.example");
    assert_eq!(of(&[("PAWL_LISTEN", "127.0.0.1:9000"), given]), given.1);
}

#[test]
fn every_fault_is_told_at_once() {
    let faults = read(&[
        ("PAWL_LISTEN", "everywhere"),
        ("PAWL_WORKERS", "0"),
        ("PAWL_DRAIN_PAUSE_SECONDS", "301"),
        ("PAWL_BASE_URL", "http://mfa.example"),
        ("PAWL_LISTNE", "127.0.0.1:80"),
        ("PATH", "/bin"),
    ])
    .expect_err("five faults");
    let names: Vec<_> = faults.iter().map(|fault| fault.variable.as_str()).collect();
    assert_eq!(
        names,
        ["PAWL_LISTNE", "PAWL_LISTEN", "PAWL_BASE_URL", "PAWL_WORKERS", "PAWL_DRAIN_PAUSE_SECONDS"]
    );
}

#[test]
fn a_base_url_is_one_that_can_be_compared_byte_by_byte() {
    for good in ["https://mfa.example", "https://mfa.example/pawl", "http://localhost:8080"] {
        assert_eq!(fault_of_base(good), None, "{good}");
    }
    for bad in ["mfa.example", "https://", "https://mfa.example/", "https://a b", "ftp://a"] {
        assert!(fault_of_base(bad).is_some(), "{bad}");
    }
}
