//! Example users for development: one for each role, with known codes and passwords.
//!
//! Running it again adds what is missing and changes nothing that is there. With a reset the tables are
//! emptied first; roles and permissions stay.

use shop_kit::database::DatabaseError;
use sqlx::{PgConnection, PgPool};
use thiserror::Error;
use uuid::Uuid;

use crate::login::password;

/// Seeding failed; nothing was changed.
#[derive(Debug, Error)]
pub enum SeedError {
    /// The database refused.
    #[error("seeding failed and was rolled back; has `identity migrate` been run?")]
    Database(#[source] DatabaseError),
    /// No randomness for a salt.
    #[error("a password could not be hashed; nothing was changed")]
    Password(#[source] argon2::password_hash::Error),
}

impl From<sqlx::Error> for SeedError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

struct Person {
    /// The hex digits repeated through the whole id, as in `dddddddd-dddd-…`.
    digits: &'static str,
    name: &'static str,
    user_type: &'static str,
    phone: u8,
    roles: &'static [&'static str],
    /// The code that logs in on weapp.
    code: Option<&'static str>,
    login: Option<(&'static str, &'static str)>,
    owner: Option<&'static str>,
}

const SALES: &str = "b";

const PEOPLE: [Person; 9] = [
    Person {
        digits: "a",
        name: "Admin",
        user_type: "admin",
        phone: 1,
        roles: &["ADMIN"],
        code: None,
        login: Some(("admin", "admin123")),
        owner: None,
    },
    Person {
        digits: "e",
        name: "Boss",
        user_type: "admin",
        phone: 5,
        roles: &["BOSS"],
        code: None,
        login: Some(("boss", "boss123")),
        owner: None,
    },
    Person {
        digits: "f",
        name: "Manager",
        user_type: "staff",
        phone: 6,
        roles: &["MANAGER"],
        code: None,
        login: Some(("manager", "manager123")),
        owner: None,
    },
    Person {
        digits: "9",
        name: "CS Dev",
        user_type: "staff",
        phone: 7,
        roles: &["CS"],
        code: None,
        login: Some(("cs", "cs123")),
        owner: None,
    },
    Person {
        digits: SALES,
        name: "Sales Dev",
        user_type: "staff",
        phone: 2,
        roles: &["SALES"],
        code: Some("mock_sales_001"),
        login: Some(("sales", "sales123")),
        owner: None,
    },
    Person {
        digits: "d",
        name: "Customer Dev",
        user_type: "customer",
        phone: 3,
        roles: &["CUSTOMER"],
        code: Some("mock_customer_001"),
        login: None,
        owner: Some(SALES),
    },
    Person {
        digits: "c",
        name: "Multi Role",
        user_type: "customer",
        phone: 4,
        roles: &["CUSTOMER", "SALES"],
        code: Some("mock_multi_001"),
        login: None,
        owner: Some(SALES),
    },
    Person {
        digits: "8",
        name: "Procurement Dev",
        user_type: "staff",
        phone: 9,
        roles: &["PROCUREMENT"],
        code: Some("mock_procurement_001"),
        login: None,
        owner: None,
    },
    Person {
        digits: "12",
        name: "Debug All Roles",
        user_type: "staff",
        phone: 8,
        roles: &["ADMIN", "BOSS", "CS", "CUSTOMER", "MANAGER", "SALES"],
        code: Some("mock_debug_001"),
        login: Some(("debug", "debug123")),
        owner: None,
    },
];

/// Adds the example users; with `reset` it removes every user first.
///
/// # Errors
/// When the database refuses; nothing is changed then.
pub async fn run(pool: &PgPool, reset: bool) -> Result<(), SeedError> {
    let mut transaction = pool.begin().await?;
    if reset {
        sqlx::query("TRUNCATE users, audit_logs CASCADE").execute(&mut *transaction).await?;
        sqlx::query(
            "UPDATE feature_flags
             SET payment_enabled = false, wechat_pay_enabled = false, alipay_pay_enabled = false",
        )
        .execute(&mut *transaction)
        .await?;
    }
    let mut added = 0;
    for person in &PEOPLE {
        added += add(&mut transaction, person).await?;
    }
    transaction.commit().await?;
    tracing::info!(added, reset, "users seeded");
    Ok(())
}

async fn add(connection: &mut PgConnection, person: &Person) -> Result<u64, SeedError> {
    let id = repeated(person.digits);
    let added = sqlx::query(
        "INSERT INTO users (id, display_name, user_type, phone, owner_sales_user_id)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(person.name)
    .bind(person.user_type)
    .bind(format!("+1555000000{}", person.phone))
    .bind(person.owner.map(repeated))
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if added == 0 {
        return Ok(0);
    }
    for role in person.roles {
        sqlx::query("INSERT INTO user_roles (user_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(id)
            .bind(role)
            .execute(&mut *connection)
            .await?;
    }
    if let Some(code) = person.code {
        sqlx::query(
            "INSERT INTO user_identities (provider, provider_user_id, user_id) VALUES ('weapp', $1, $2)
             ON CONFLICT DO NOTHING",
        )
        .bind(code)
        .bind(id)
        .execute(&mut *connection)
        .await?;
    }
    if let Some((username, word)) = person.login {
        sqlx::query(
            "INSERT INTO user_passwords (user_id, username, password_hash) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(username)
        .bind(password::hash(word).map_err(SeedError::Password)?)
        .execute(connection)
        .await?;
    }
    Ok(1)
}

/// The id made of a hex digit (or two) repeated.
fn repeated(digits: &str) -> Uuid {
    let hex: String = digits.chars().cycle().take(32).collect();
    Uuid::parse_str(&hex).expect("32 hex digits are a UUID")
}
