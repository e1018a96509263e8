//! pgbouncer in transaction mode between two servers and PostgreSQL: each transaction may be on another
//! connection.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::drills::cluster::{folder, free_port, give, unprivileged};
use crate::drills::races::one_of_many;
use crate::drills::site::{Site, socket, wait_until};

/// A pooler that ends with its guard.
struct Pooler {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Pooler {
    fn start(url: &str) -> Self {
        let (folder, port) = (folder("pooler"), free_port());
        let config: tokio_postgres::Config = url.parse().unwrap();
        let (role, socket) = (config.get_user().unwrap(), socket(url));
        let upstream = socket.parent().unwrap().display();
        let upstream_port = socket.extension().unwrap().to_str().unwrap();
        let users = folder.join("users");
        fs::write(&users, format!("\"{role}\" \"\"\n")).unwrap();
        let settings = format!(
            "[databases]\npostgres = host={upstream} port={upstream_port}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n\
             auth_file = {}\npool_mode = transaction\ndefault_pool_size = 3\n",
            users.display()
        );
        let file = folder.join("pgbouncer.ini");
        fs::write(&file, settings).unwrap();
        give(&users);
        give(&file);
        let mut command = unprivileged(Path::new("pgbouncer"));
        command.arg("-q").arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(Stdio::null()).spawn().expect("pgbouncer is installed");
        let pooler = Self { child, folder, port };
        wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        pooler
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn one_code_at_two_servers_behind_a_pooler_opens_one_session() {
    let mut started = None;
    let (site, first) =
        Site::found_with("pooler", &[("PAWL_DATABASE_POOLER", "transaction")], |url| {
            let pooler = started.insert(Pooler::start(url));
            format!(
                "postgres://pawl_drill_pooler@127.0.0.1:{}/postgres?sslmode=disable",
                pooler.port
            )
        });
    let second = site.serve();
    one_of_many(&site, &[&first.address, &second.address], 6, 20);
}
