//! The account at an ACME server: made once, kept, made again when the server has forgotten it.

use fairway_model::traffic::Acme;
use instant_acme::{Account, NewAccount};

use super::client::Https;
use super::stored::{Records, StoredAccount, load, save};
use super::{AcmeError, order};
use crate::storage::Storage;

/// The account that is kept, or a new one.
pub(crate) async fn open(
    acme: &Acme,
    https: &Https,
    storage: &dyn Storage,
    records: &Records,
) -> Result<Account, AcmeError> {
    let failed = order::failed(https, format!("the account at {}", acme.directory));
    if let Some(kept) = load::<StoredAccount>(storage, &records.account()).await? {
        let account = Account::builder_with_http(Box::new(https.clone()))
            .from_credentials(kept.credentials)
            .await
            .map_err(&failed)?;
        if kept.contact != acme.contact {
            let contacts = contacts(acme);
            let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
            account.update_contacts(&contacts).await.map_err(&failed)?;
            // The credentials went into the account; the document is read again to keep all of it but the contact.
            if let Some(kept) = load::<StoredAccount>(storage, &records.account()).await? {
                let kept = StoredAccount::new(acme.contact.clone(), kept.credentials);
                save(storage, &records.account(), &kept).await?;
            }
        }
        return Ok(account);
    }
    let contacts = contacts(acme);
    let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contacts, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = Account::builder_with_http(Box::new(https.clone()))
        .create(&new, acme.directory.clone(), None)
        .await
        .map_err(&failed)?;
    // Kept before it is used: an attempt that fails later must not leave an account behind each time.
    save(storage, &records.account(), &StoredAccount::new(acme.contact.clone(), credentials)).await?;
    Ok(account)
}

/// Forgets an account that the server does not know any more.
pub(crate) async fn forget(storage: &dyn Storage, records: &Records) -> Result<(), AcmeError> {
    Ok(storage.remove(&records.account()).await?)
}

fn contacts(acme: &Acme) -> Vec<String> {
    let address = |contact: &String| {
        if contact.contains(':') { contact.clone() } else { format!("mailto:{contact}") }
    };
    acme.contact.iter().map(address).collect()
}
