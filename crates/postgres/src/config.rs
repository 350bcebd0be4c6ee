//! The cluster's configuration files. They are written anew at each start; the port is the one thing that is read back.

use crate::{Durability, quote};
use std::{fs, path::Path};

/// Our part of the configuration, included at the end of `postgresql.conf`.
pub(crate) const FILE: &str = "fairway.conf";
/// The line that includes it.
pub(crate) const INCLUDE: &str =
    "\n# Fairway's settings; whatever stands after this line wins over them.\ninclude 'fairway.conf'\n";
/// The name of the map from the operating system's users to the administrator.
const MAP: &str = "fairway";
/// The administrator.
pub(crate) const SUPERUSER: &str = "postgres";

/// What stands in [`FILE`].
pub(crate) fn settings(port: u16, socket_dir: &Path, durability: Durability) -> String {
    let mut text = format!(
        "# Written by Fairway at each start of the server; changes here are lost.\n\
         port = {port}\n\
         listen_addresses = '127.0.0.1'\n\
         unix_socket_directories = {}\n\
         unix_socket_permissions = 0700\n\
         password_encryption = scram-sha-256\n\
         logging_collector = off\n\
         log_destination = stderr\n\
         log_line_prefix = '%m [%p] %q%u@%d '\n\
         max_connections = 200\n",
        quote::listed(&socket_dir.to_string_lossy()),
    );
    match durability {
        Durability::Full => {}
        Durability::TestsOnly => text.push_str("fsync = off\nfull_page_writes = off\n"),
    }
    text
}

/// The port in the text of [`FILE`].
pub(crate) fn port(text: &str) -> Option<u16> {
    text.lines().find_map(|line| line.strip_prefix("port = ")?.trim().parse().ok())
}

/// The durability in the text of [`FILE`].
pub(crate) fn durability(text: &str) -> Durability {
    if text.lines().any(|line| line == "fsync = off") { Durability::TestsOnly } else { Durability::Full }
}

/// The port of an existing cluster, if it is one of ours.
pub(crate) fn persisted_port(data_dir: &Path) -> Option<u16> {
    port(&fs::read_to_string(data_dir.join(FILE)).ok()?)
}

/// `pg_hba.conf`: the administrator at the socket, as the operating system knows him, and over TCP only when he has a
/// password; everybody else with a password.
pub(crate) fn hba(superuser_password: bool) -> String {
    let tcp = if superuser_password { "scram-sha-256" } else { "reject" };
    format!(
        "# Written by Fairway at each start of the server; changes here are lost.\n\
         local all {SUPERUSER} peer map={MAP}\n\
         host all {SUPERUSER} 0.0.0.0/0 {tcp}\n\
         host all {SUPERUSER} ::/0 {tcp}\n\
         local all all scram-sha-256\n\
         host all all 127.0.0.1/32 scram-sha-256\n\
         host all all ::1/128 scram-sha-256\n"
    )
}

/// `pg_ident.conf`: these users of the operating system are the administrator.
pub(crate) fn ident(users: &[String]) -> String {
    let mut text = "# Written by Fairway at each start of the server; changes here are lost.\n".to_owned();
    for user in users {
        text.push_str(&format!("{MAP} {} {SUPERUSER}\n", quote::in_hba(user)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_back() {
        let text = settings(21_234, Path::new("/run/it's, here"), Durability::Full);
        assert_eq!(port(&text), Some(21_234));
        assert!(text.contains("unix_socket_directories = '\"/run/it''s, here\"'\n"), "{text}");
        for each in [Durability::Full, Durability::TestsOnly] {
            assert_eq!(durability(&settings(1, Path::new("/"), each)), each);
        }
        assert_eq!(port("# port = 1\n"), None);
    }
}
