//! Where a database is and as whom Ambit logs in, out of the `url` of its system.

use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::loopback::is_this_machine;
use crate::upstream::Secret;

/// Where a database is, and how it is entered.
#[derive(Clone, Debug)]
pub struct DatabasePlace {
    /// Where its server listens.
    pub at: At,
    /// As whom Ambit logs in.
    pub user: String,
    /// With which password, where one is needed.
    pub password: Option<Secret>,
    /// The database's own name.
    pub database: String,
    /// Whether what goes there is encrypted, and whose certificates are believed.
    pub tls: Tls,
    /// So long may one statement take.
    pub call: Duration,
    /// Where names without a schema are looked for, after `pg_catalog`.
    pub search_path: Vec<String>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// A host and its port.
    Host(String, u16),
    /// A socket on this machine.
    Socket(PathBuf),
}

/// How what goes to a server is kept from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// It does not leave this machine.
    ThisMachine,
    /// Encrypted, to a server that proves to be the host by a certificate of those in that file; of those that this system
    /// trusts where none is said.
    Verified(Option<PathBuf>),
}

/// Why a `url` leads nowhere. Says nothing of what stands in it: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// It is no such URL.
    #[error("its `url` is not of the form `postgres://USER@HOST:PORT/DATABASE`")]
    Form,
    /// It says something that is not known here.
    #[error("its `url` has a parameter other than `host`, `sslmode` and `sslrootcert`")]
    Parameter,
    /// It would send what must be kept from others in the clear, or to whoever says to be the host.
    #[error(
        "its `url` asks for an `sslmode` that others could get between\nhelp: write `sslmode=verify-full`, or leave it out"
    )]
    Unsafe,
}

impl DatabasePlace {
    /// Reads a `url`; paths in it are relative to `dir`.
    ///
    /// # Errors
    /// When it is none, or would be entered in the clear over a network.
    pub fn read(url: &Secret, dir: &Path, call: Duration) -> Result<DatabasePlace, PlaceError> {
        let url = Url::parse(url.reveal()).map_err(|_| PlaceError::Form)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") || url.fragment().is_some() {
            return Err(PlaceError::Form);
        }
        let plain = |text: &str| {
            let text = percent_decode_str(text).decode_utf8().map_err(|_| PlaceError::Form)?;
            if text.contains('\0') { Err(PlaceError::Form) } else { Ok(text.into_owned()) }
        };
        let (mut socket, mut mode, mut roots) = (None, None, None);
        for pair in url.query().into_iter().flat_map(|query| query.split('&')) {
            let (name, value) = pair.split_once('=').ok_or(PlaceError::Parameter)?;
            match name {
                "host" => socket = Some(PathBuf::from(plain(value)?)),
                "sslmode" => mode = Some(plain(value)?),
                "sslrootcert" => roots = Some(dir.join(plain(value)?)),
                _ => return Err(PlaceError::Parameter),
            }
        }
        let host = plain(url.host_str().unwrap_or_default())?;
        let port = url.port().unwrap_or(5432);
        let at = match socket {
            Some(folder) if folder.is_absolute() && host == "localhost" => {
                At::Socket(folder.join(format!(".s.PGSQL.{port}")))
            }
            None if !host.is_empty() => At::Host(host, port),
            _ => return Err(PlaceError::Form),
        };
        let is_here = match &at {
            At::Socket(_) => true,
            At::Host(host, _) => is_this_machine(host),
        };
        let tls = match mode.as_deref() {
            Some("verify-full") if matches!(at, At::Host(..)) => Tls::Verified(roots),
            None | Some("disable") if is_here => Tls::ThisMachine,
            None => Tls::Verified(roots),
            Some(_) => return Err(PlaceError::Unsafe),
        };
        let user = plain(url.username())?;
        let database = plain(url.path().strip_prefix('/').unwrap_or_default())?;
        if user.is_empty() || database.is_empty() || database.contains('/') {
            return Err(PlaceError::Form);
        }
        let password = url.password().map(plain).transpose()?.map(Secret::new);
        let search_path = vec!["public".to_owned()];
        Ok(DatabasePlace { at, user, password, database, tls, call, search_path })
    }

    /// Whether another place is the same, entered as the same.
    #[must_use]
    pub fn is(&self, other: &DatabasePlace) -> bool {
        let password = |place: &DatabasePlace| place.password.as_ref().map(|password| password.reveal().to_owned());
        (&self.at, &self.user, &self.database, &self.tls, self.call, &self.search_path)
            == (&other.at, &other.user, &other.database, &other.tls, other.call, &other.search_path)
            && password(self) == password(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<DatabasePlace, PlaceError> {
        DatabasePlace::read(&Secret::new(url.to_owned()), Path::new("/etc/ambit"), Duration::from_secs(60))
    }

    #[test]
    fn a_url_says_where_a_database_is_and_how_it_is_entered() {
        let place = read("postgres://ambit:p%40ss%2Fword@db.acme.example:5433/crm").unwrap();
        assert_eq!(place.at, At::Host("db.acme.example".into(), 5433));
        assert_eq!((place.user.as_str(), place.database.as_str()), ("ambit", "crm"));
        assert_eq!(place.password.as_ref().map(Secret::reveal), Some("p@ss/word"));
        assert_eq!(place.tls, Tls::Verified(None));
        assert!(!format!("{place:?}").contains("p@ss"));
        let rooted = read("postgresql://a@db/crm?sslmode=verify-full&sslrootcert=ca.pem").unwrap();
        assert_eq!(rooted.tls, Tls::Verified(Some("/etc/ambit/ca.pem".into())));
        assert_eq!(read("postgres://a@127.0.0.1/crm").unwrap().tls, Tls::ThisMachine);
        assert_eq!(read("postgres://a@localhost/crm?sslmode=verify-full").unwrap().tls, Tls::Verified(None));
        let socket = read("postgres://a@localhost/crm?host=/run/postgresql").unwrap();
        assert_eq!(socket.at, At::Socket("/run/postgresql/.s.PGSQL.5432".into()));
        assert!(place.is(&place) && !place.is(&rooted));
    }

    #[test]
    fn what_others_could_get_between_or_is_not_known_is_refused() {
        for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
            assert_eq!(read(&format!("postgres://a@db/crm?sslmode={mode}")).unwrap_err(), PlaceError::Unsafe);
        }
        assert_eq!(read("postgres://a@127.0.0.1/crm?sslmode=prefer").unwrap_err(), PlaceError::Unsafe);
        assert_eq!(read("postgres://a@db/crm?options=-csearch_path%3Dx").unwrap_err(), PlaceError::Parameter);
        for wrong in [
            "crm",
            "mysql://a@db/crm",
            "postgres://db/crm",
            "postgres://a@db/",
            "postgres://a@localhost/crm?host=run",
            "postgres://a@db/crm?host=/run",
            "postgres://a@db/a/b",
        ] {
            assert_eq!(read(wrong).unwrap_err(), PlaceError::Form, "{wrong}");
        }
    }
}
