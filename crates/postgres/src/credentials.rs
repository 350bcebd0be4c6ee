//! What a service needs in order to log in.

use fairway_model::Redacted;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::PathBuf;

/// Where a server is, as a service sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp { host: String, port: u16 },
    Unix { dir: PathBuf, port: u16 },
}

/// The database and the login of one service. It can be printed: the password is hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The database.
    pub database: String,
    /// The login; it owns the database.
    pub role: String,
    /// Its password.
    pub password: Redacted,
    /// Was the database made just now? Then it is empty and wants its seed.
    pub created: bool,
    pub(crate) place: Place,
    pub(crate) ssl_mode: &'static str,
}

/// What may stand unescaped in every part of a URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Credentials {
    /// The connection URL, `postgres://role:password@127.0.0.1:5432/database?sslmode=disable`, every part escaped.
    #[must_use]
    pub fn dsn(&self) -> Redacted {
        let escape = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
        let Self { database, role, password, created: _, place, ssl_mode } = self;
        let (role, password, database) = (escape(role), escape(password.expose()), escape(database));
        Redacted::new(match place {
            Place::Tcp { host, port } => {
                let host = if host.contains(':') { format!("[{host}]") } else { escape(host) };
                format!("postgres://{role}:{password}@{host}:{port}/{database}?sslmode={ssl_mode}")
            }
            Place::Unix { dir, port } => {
                let dir = escape(&dir.to_string_lossy());
                format!("postgres://{role}:{password}@/{database}?host={dir}&port={port}&sslmode={ssl_mode}")
            }
        })
    }

    /// The connection URL without its password, for people.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.place {
            Place::Tcp { host, port } => format!("postgres://{}@{host}:{port}/{}", self.role, self.database),
            Place::Unix { dir, port } => {
                format!("postgres://{}@{}:{port}/{}", self.role, dir.display(), self.database)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(place: Place) -> Credentials {
        Credentials {
            database: "dev_identity".into(),
            role: "a@b".into(),
            password: Redacted::new("p:/?#[]@%é"),
            created: false,
            place,
            ssl_mode: "disable",
        }
    }

    #[test]
    fn urls_survive_hostile_passwords() {
        for (place, expect) in [
            (
                Place::Tcp { host: "127.0.0.1".into(), port: 5432 },
                "postgres://a%40b:p%3A%2F%3F%23%5B%5D%40%25%C3%A9@127.0.0.1:5432/dev_identity?sslmode=disable",
            ),
            (
                Place::Tcp { host: "::1".into(), port: 1 },
                "postgres://a%40b:p%3A%2F%3F%23%5B%5D%40%25%C3%A9@[::1]:1/dev_identity?sslmode=disable",
            ),
            (
                Place::Unix { dir: "/run/pg".into(), port: 1 },
                "postgres://a%40b:p%3A%2F%3F%23%5B%5D%40%25%C3%A9@/dev_identity?host=%2Frun%2Fpg&port=1&sslmode=disable",
            ),
        ] {
            let credentials = credentials(place);
            assert_eq!(credentials.dsn().expose(), expect);
            let config: tokio_postgres::Config = credentials.dsn().expose().parse().unwrap();
            assert_eq!(config.get_password(), Some("p:/?#[]@%é".as_bytes()));
            assert_eq!(config.get_user(), Some("a@b"));
            assert_eq!(config.get_dbname(), Some("dev_identity"));
        }
    }

    #[test]
    fn printing_does_not_give_the_password_away() {
        let credentials = credentials(Place::Tcp { host: "127.0.0.1".into(), port: 1 });
        let shown = format!("{credentials:?} {} {}", credentials.dsn(), credentials.address());
        assert!(!shown.contains("p:/") && !shown.contains("p%3A"), "{shown}");
    }
}
