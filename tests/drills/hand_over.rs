//! Nothing is founded or made whose secrets could not be kept. Over PostgreSQL, where the data directory
//! holds nothing else that a start would miss.

use crate::binary::support::text;
use crate::drills::site::Site;

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
            said.contains("nothing was founded") && said.contains("/proc/.first-start-"),
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

#[test]
fn a_secret_that_could_not_be_kept_is_not_made() {
    let (site, server) = Site::found("deliver", str::to_owned);
    let folder = site.place().join("secrets");
    let client = site.rows("SELECT id FROM clients")[0].get::<_, String>(0);
    let run = |folder: &std::path::Path, arguments: &[&str]| {
        let mut command = site.command(arguments);
        let key = site.place().join("kek");
        command.env("PAWL_DATA_DIR", folder).env("PAWL_KEY_FILE", key).output().unwrap()
    };
    let rows = || {
        site.count(
            "SELECT ((SELECT count(*) FROM clients) + (SELECT count(*) FROM client_secrets) + \
             (SELECT count(*) FROM overrides) + (SELECT count(*) FROM tickets))::text",
        )
    };
    let user = site.console.enrolled(&server.address, "ana").id;
    let before = rows();
    let rotate = ["client", "rotate", &client];
    let create = ["client", "create", "--name", "Second", "--audience", "console"];
    let reset = ["override", "reset", &user, "--reason", "drill of the emergency plan"];
    for arguments in [&rotate[..], &create, &reset] {
        let output = run("/proc".as_ref(), arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("nothing was done") && said.contains("/proc/.secret-"), "{said}");
        assert_eq!(rows(), before, "{arguments:?}");
    }
    let files = || std::fs::read_dir(&folder).unwrap().count();
    for (arguments, code, kept) in [(&rotate[..], 0, 1), (&rotate, 1, 1), (&reset, 0, 2)] {
        let output = run(&folder, arguments);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert_eq!(files(), kept, "a refused one leaves no file");
    }
}
