//! The account at an ACME server: made once, kept, made again when the server has forgotten it.

use std::path::Path;

use fairway_model::traffic::Acme;
use instant_acme::{Account, AccountBuilder, NewAccount};

use super::client::Https;
use super::external;
use super::stored::{Records, StoredAccount, load, save};
use super::{AcmeError, order};
use crate::storage::Storage;

/// How often another edge may be faster with the account.
const ROUNDS: usize = 4;

/// An account, and which version of the document holds it.
pub(crate) struct Opened {
    pub(crate) account: Account,
    version: u64,
}

/// The account that is kept, or a new one.
pub(crate) async fn open(
    acme: &Acme,
    https: &Https,
    storage: &dyn Storage,
    records: &Records,
    secrets: Option<&Path>,
) -> Result<Opened, AcmeError> {
    let name = records.account();
    for _ in 0..ROUNDS {
        let newest = storage.newest(&name).await?;
        let (number, kept) = match newest {
            Some(version) => (version.number, Some(load::<StoredAccount>(&name, &version.content)?)),
            None => (0, None),
        };
        let (account, credentials) = match kept {
            Some(StoredAccount { contact, credentials: Some(credentials), .. }) => {
                let account = known(acme, https, credentials.clone(), &name).await?;
                if contact == acme.contact {
                    return Ok(Opened { account, version: number });
                }
                let update = account.update_contacts(&as_texts(&contacts(acme))).await;
                update.map_err(failed(acme, https))?;
                (account, credentials)
            }
            _ => new(acme, https, &name, secrets).await?,
        };
        // Kept before it is used: an attempt that fails later must not leave an account behind each time.
        let stored = StoredAccount::new(acme.contact.clone(), Some(credentials));
        if save(storage, &name, number + 1, &stored).await? {
            return Ok(Opened { account, version: number + 1 });
        }
    }
    Err(AcmeError::Overtaken)
}

/// Forgets an account that the server does not know any more, unless another edge was faster.
pub(crate) async fn forget(
    acme: &Acme,
    storage: &dyn Storage,
    records: &Records,
    opened: &Opened,
) -> Result<(), AcmeError> {
    let forgotten = StoredAccount::new(acme.contact.clone(), None);
    save(storage, &records.account(), opened.version + 1, &forgotten).await.map(drop)
}

async fn known(
    acme: &Acme,
    https: &Https,
    credentials: serde_json::Value,
    name: &str,
) -> Result<Account, AcmeError> {
    let credentials = serde_json::from_value(credentials)
        .map_err(|error| AcmeError::Document { document: name.to_owned(), reason: error.to_string() })?;
    builder(https).from_credentials(credentials).await.map_err(failed(acme, https))
}

async fn new(
    acme: &Acme,
    https: &Https,
    name: &str,
    secrets: Option<&Path>,
) -> Result<(Account, serde_json::Value), AcmeError> {
    let external = acme.account.as_ref().map(|account| external::key(account, secrets)).transpose()?;
    let contacts = contacts(acme);
    let new = NewAccount {
        contact: &as_texts(&contacts),
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let made = builder(https).create(&new, acme.directory.clone(), external.as_ref()).await;
    let (account, credentials) = made.map_err(failed(acme, https))?;
    let credentials = serde_json::to_value(credentials)
        .map_err(|error| AcmeError::Document { document: name.to_owned(), reason: error.to_string() })?;
    Ok((account, credentials))
}

fn builder(https: &Https) -> AccountBuilder {
    Account::builder_with_http(Box::new(https.clone()))
}

fn failed(acme: &Acme, https: &Https) -> impl Fn(instant_acme::Error) -> AcmeError {
    order::failed(https, format!("the account at {}", acme.directory))
}

fn contacts(acme: &Acme) -> Vec<String> {
    let address = |contact: &String| {
        if contact.contains(':') { contact.clone() } else { format!("mailto:{contact}") }
    };
    acme.contact.iter().map(address).collect()
}

fn as_texts(contacts: &[String]) -> Vec<&str> {
    contacts.iter().map(String::as_str).collect()
}
