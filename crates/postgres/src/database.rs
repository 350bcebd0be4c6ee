//! A database and a login for each service.

use crate::{
    Credentials, DatabaseError, Server, ServerError,
    admin::{Session, failed},
    database_name, name,
    quote::{identifier, literal},
};
use fairway_model::Redacted;
use rand::{RngExt, distr::Alphanumeric};

/// The password of a login.
#[derive(Debug, Clone)]
pub enum Password {
    /// This one. A login that has another one gets it; its sessions stay.
    Given(Redacted),
    /// A new random one, also for a login that has one already: nobody can read the old one back.
    Generate,
}

/// What [`Server::drop_database`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// It was there and is gone.
    Dropped,
    /// There was nothing.
    Absent,
}

/// Length of a generated password: 190 bits.
const GENERATED: usize = 32;

impl Server {
    /// Makes sure that `service` of `environment` has its database and its login, with exactly the rights it should have,
    /// and gives out what it needs to log in. May be repeated at any time, also after it was interrupted.
    ///
    /// # Errors
    /// [`DatabaseError`]. What was made before the error stays and is completed by the next call.
    pub async fn ensure_database(
        &self,
        environment: &str,
        service: &str,
        password: Password,
    ) -> Result<Credentials, DatabaseError> {
        let name = database_name(environment, service);
        let admin = self.session().await?;
        // Two callers at once would both find nothing and both create; the lock ends with the session.
        admin.run("take turns", &format!("SELECT pg_advisory_lock({})", crate::lock::number(&name))).await?;
        self.check_ours(&admin, environment, service).await?;

        let password = match password {
            Password::Given(password) => password,
            Password::Generate => Redacted::new(
                rand::rng().sample_iter(Alphanumeric).take(GENERATED).map(char::from).collect::<String>(),
            ),
        };
        let mut credentials = Credentials {
            database: name.clone(),
            role: name.clone(),
            password,
            created: false,
            place: self.place.clone(),
            ssl_mode: self.ssl_mode,
        };
        self.ensure_role(&admin, environment, service, &credentials).await?;
        credentials.created = self.ensure_owned_database(&admin, environment, service, &name).await?;
        self.ensure_schema(&name).await?;
        Ok(credentials)
    }

    /// Is the database of `service` there?
    ///
    /// # Errors
    /// [`ServerError`] when it cannot be asked.
    pub async fn exists(&self, environment: &str, service: &str) -> Result<bool, ServerError> {
        let admin = self.session().await?;
        let sql = "SELECT 1 FROM pg_database WHERE datname = $1";
        let found: Option<i32> =
            admin.value("look for the database", sql, &database_name(environment, service)).await?;
        Ok(found.is_some())
    }

    /// Ends all sessions of the service and removes its database and its login, with everything in it. Nobody can undo this.
    ///
    /// # Errors
    /// [`DatabaseError`]; something that Fairway has not made is never removed.
    pub async fn drop_database(&self, environment: &str, service: &str) -> Result<Dropped, DatabaseError> {
        let name = database_name(environment, service);
        let admin = self.session().await?;
        admin.run("take turns", &format!("SELECT pg_advisory_lock({})", crate::lock::number(&name))).await?;
        let (database, role) = self.check_ours(&admin, environment, service).await?;
        let quoted = identifier(&name);
        if database {
            // A service that reconnects as fast as it is thrown out would keep its database alive.
            if role {
                admin.run(&format!("close login {name}"), &format!("ALTER ROLE {quoted} NOLOGIN")).await?;
            }
            admin
                .run(
                    &format!("drop database {name}"),
                    &format!("DROP DATABASE IF EXISTS {quoted} WITH (FORCE)"),
                )
                .await?;
        }
        if role {
            admin.run(&format!("drop login {name}"), &format!("DROP ROLE IF EXISTS {quoted}")).await?;
        }
        Ok(if database || role { Dropped::Dropped } else { Dropped::Absent })
    }

    /// Whether database and role exist; refuses those that were made by somebody else.
    async fn check_ours(
        &self,
        admin: &Session,
        environment: &str,
        service: &str,
    ) -> Result<(bool, bool), DatabaseError> {
        let name = database_name(environment, service);
        let marker = name::marker(environment, service);
        let check = |kind, found: Option<Option<String>>| match found {
            None => Ok(false),
            Some(Some(comment)) if comment == marker => Ok(true),
            Some(_) => Err(DatabaseError::Foreign {
                kind,
                name: name.clone(),
                environment: environment.to_owned(),
                service: service.to_owned(),
            }),
        };
        let sql = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1";
        let role = check("role", admin.value("look for the login", sql, &name).await?)?;
        // Creating a database and writing on it are two steps, and between them it already belongs to our login.
        let sql = "SELECT coalesce(shobj_description(d.oid, 'pg_database'), shobj_description(d.datdba, 'pg_authid')) \
                   FROM pg_database d WHERE d.datname = $1";
        let database = check("database", admin.value("look for the database", sql, &name).await?)?;
        Ok((database, role))
    }

    async fn ensure_role(
        &self,
        admin: &Session,
        environment: &str,
        service: &str,
        credentials: &Credentials,
    ) -> Result<(), DatabaseError> {
        let name = &credentials.role;
        let quoted = identifier(name);
        let found: Option<bool> = admin
            .value("look for the login", "SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", name)
            .await?;
        const RIGHTS: &str = "LOGIN NOCREATEDB NOCREATEROLE";
        // Only a superuser may say these, even to take them away; nobody else could have given them.
        let rights = if self.superuser {
            format!("{RIGHTS} NOSUPERUSER NOREPLICATION NOBYPASSRLS")
        } else {
            RIGHTS.to_owned()
        };
        match found {
            None => {
                let verifier = literal(&verifier(&credentials.password));
                let comment = literal(&name::marker(environment, service));
                let sql = format!(
                    "BEGIN; CREATE ROLE {quoted} {rights} PASSWORD {verifier}; COMMENT ON ROLE {quoted} IS {comment}; COMMIT"
                );
                admin.run(&format!("create login {name}"), &sql).await?;
            }
            Some(_) => {
                // The password is set every time: whether it is the same cannot be asked, and setting the same one again
                // disturbs nobody.
                let verifier = literal(&verifier(&credentials.password));
                let sql = format!("ALTER ROLE {quoted} {rights} PASSWORD {verifier}");
                admin.run(&format!("set the rights of login {name}"), &sql).await?;
            }
        }
        if !self.superuser {
            // Whoever is not a superuser must be a member of the role that shall own the database.
            let set = if self.major >= 16 { " WITH SET TRUE, INHERIT TRUE" } else { "" };
            admin.run(&format!("join role {name}"), &format!("GRANT {quoted} TO CURRENT_USER{set}")).await?;
        }
        Ok(())
    }

    /// Says whether the database was made.
    async fn ensure_owned_database(
        &self,
        admin: &Session,
        environment: &str,
        service: &str,
        name: &str,
    ) -> Result<bool, DatabaseError> {
        let quoted = identifier(name);
        let limit: Option<i32> = admin
            .value("look for the database", "SELECT datconnlimit FROM pg_database WHERE datname = $1", name)
            .await?;
        if limit.is_none() {
            // Until PUBLIC is shut out, nobody gets in.
            let sql =
                format!("CREATE DATABASE {quoted} OWNER {quoted} TEMPLATE template0 CONNECTION LIMIT 0");
            admin.run(&format!("create database {name}"), &sql).await?;
        }
        let comment = literal(&name::marker(environment, service));
        let mut sql = format!(
            "BEGIN; COMMENT ON DATABASE {quoted} IS {comment}; \
             REVOKE ALL ON DATABASE {quoted} FROM PUBLIC; \
             ALTER DATABASE {quoted} OWNER TO {quoted};"
        );
        if limit.is_none_or(|limit| limit == 0) {
            sql.push_str(&format!("ALTER DATABASE {quoted} CONNECTION LIMIT -1;"));
        }
        sql.push_str("COMMIT");
        admin.run(&format!("set the rights on database {name}"), &sql).await?;
        // A database that was found with its limit still on was never handed out.
        Ok(limit.is_none_or(|limit| limit == 0))
    }

    /// Hands the schema `public` to the login and shuts everybody else out of it.
    async fn ensure_schema(&self, name: &str) -> Result<(), ServerError> {
        let session = self.session_in(name).await?;
        let sql = "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = $1";
        let owner: Option<String> = session.value("look for schema public", sql, "public").await?;
        // The service may have dropped it. The owner of the database is a member of `pg_database_owner`.
        let mut sql = String::from("BEGIN;");
        match owner.as_deref() {
            None => return Ok(()),
            Some(owner) if owner == name || owner == "pg_database_owner" => {}
            Some(_) if self.superuser => {
                sql.push_str(&format!("ALTER SCHEMA public OWNER TO {};", identifier(name)))
            }
            // Nobody but a superuser can take it from its owner, and PUBLIC, which cannot connect, is what may use it.
            Some(_) => return Ok(()),
        }
        if !self.superuser {
            sql.push_str(&format!("SET LOCAL ROLE {};", identifier(name)));
        }
        sql.push_str("REVOKE ALL ON SCHEMA public FROM PUBLIC; COMMIT");
        session.run(&format!("set the rights on schema public of {name}"), &sql).await
    }

    /// Shuts PUBLIC out of the databases that every cluster has.
    pub(crate) async fn close_common_databases(&self) -> Result<(), ServerError> {
        let admin = self.session().await?;
        let sql = "REVOKE ALL ON DATABASE postgres FROM PUBLIC; REVOKE ALL ON DATABASE template1 FROM PUBLIC";
        admin.client.batch_execute(sql).await.map_err(failed("close the common databases"))
    }

    /// Lets the server read its configuration again.
    pub(crate) async fn reload(&self) -> Result<(), ServerError> {
        let admin = self.session().await?;
        admin.run("read its configuration again", "SELECT pg_reload_conf()").await
    }

    /// Gives the administrator a password, or takes it away.
    pub(crate) async fn set_superuser_password(
        &self,
        password: Option<&Redacted>,
    ) -> Result<(), ServerError> {
        let admin = self.session().await?;
        let password = password.map_or_else(|| "NULL".to_owned(), |password| literal(&verifier(password)));
        admin
            .run("set its administrator's password", &format!("ALTER ROLE CURRENT_USER PASSWORD {password}"))
            .await
    }
}

/// What the server stores in place of a password.
fn verifier(password: &Redacted) -> String {
    postgres_protocol::password::scram_sha_256(password.expose().as_bytes())
}
