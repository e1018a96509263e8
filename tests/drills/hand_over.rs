//! A first start whose secrets could not be kept founds nothing. Over PostgreSQL, where the data directory
//! holds nothing else that a start would miss.

use crate::site::Site;
use crate::support::text;

#[test]
fn a_folder_that_takes_no_file_is_refused_before_anything_is_founded() {
    let site = Site::empty("hand_over", &[], str::to_owned);
    let key = site.place().join("kek");
    let refused = |arguments: &[&str]| {
        let mut command = site.command(arguments);
        let output = command.env("PAWL_DATA_DIR", "/proc").env("PAWL_KEY_FILE", &key).output();
        let output = output.unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("nothing was founded") && said.contains("/proc/first-start-"),
            "{said}"
        );
        assert_eq!(site.count("SELECT count(*)::text FROM tenants"), 0);
    };
    refused(&["bootstrap", "--tenant-name", "Pawl"]);
    assert_eq!(site.count("SELECT count(*)::text FROM installation"), 0);
    refused(&["serve"]);
    site.tenant("Pawl");
    assert_eq!(site.count("SELECT count(*)::text FROM tenants"), 1);
}
