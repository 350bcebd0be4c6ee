//! One attempt to get a certificate.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fairway_model::traffic::{Acme, AcmeChallenge};
use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use tokio::sync::{Mutex, watch};

use super::challenges::{Challenges, Offered};
use super::client::{Https, said};
use super::record::Answer;
use super::stored::{Issued, Records};
use super::turn::Turn;
use super::{AcmeError, account, challenge_name, hook, kind};
use crate::names;
use crate::pair::Pair;

/// How often an order is begun when the server refuses it for reasons that are none.
const ATTEMPTS: u32 = 3;

/// What an attempt needs of its surroundings.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) challenges: Arc<Challenges>,
    pub(crate) hook_limit: Duration,
    pub(crate) attempt_limit: Duration,
    /// For how long the turn to order is good when it is not renewed.
    pub(crate) turn: Duration,
    /// Held while an account is opened, so that the first two certificates do not make one each.
    pub(crate) accounts: Arc<Mutex<()>>,
    /// True when the process ends: the attempt cleans up and gives up.
    pub(crate) ending: watch::Receiver<bool>,
}

/// What an attempt brought.
#[derive(Debug)]
pub(crate) struct Obtained {
    pub(crate) pair: Pair,
    /// Why it could not be kept. It serves nevertheless: asking again would not help, and servers count.
    pub(crate) unkept: Option<AcmeError>,
}

/// A record that a hook has published and must take away.
struct Record {
    name: String,
    value: String,
}

/// What was put up for an order, and has to go when it is over.
#[derive(Default)]
struct Presented {
    offered: Vec<Offered>,
    records: Vec<Record>,
}

/// Gets a certificate for these names, in this turn. `secrets` is the directory with the values of secrets.
pub(crate) async fn obtain(
    context: &Context,
    acme: &Acme,
    names: &[String],
    secrets: Option<&Path>,
    turn: &Turn,
) -> Result<Obtained, AcmeError> {
    let https = Https::new(acme.roots.as_deref())?;
    let records = Records::new(acme, names);
    let mut presented = Presented::default();
    let mut ending = context.ending.clone();
    let attempts = async {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let account = {
                let _one_at_a_time = context.accounts.lock().await;
                account::open(acme, &https, turn.storage(), &records, secrets).await?
            };
            let attempt = attempt(context, acme, names, &https, &account, turn, &mut presented);
            let error = match attempt.await {
                Err(error) if left > 0 => error,
                last => return last,
            };
            match error.kind() {
                // The server was set up anew, or cleaned up. A new account costs nothing.
                Some("accountDoesNotExist") => {
                    account::forget(acme, turn.storage(), &records, &account).await?;
                }
                // The library has tried three nonces; servers behind several addresses may refuse more in a row.
                Some("badNonce") => {}
                _ => return Err(error),
            }
        }
    };
    let result = tokio::select! {
        result = attempts => result,
        lost = turn.keep() => Err(lost),
        () = tokio::time::sleep(context.attempt_limit) => Err(AcmeError::TooLong(context.attempt_limit.as_secs())),
        // An error means that nobody can tell us any more, which is the same.
        _ = ending.wait_for(|ending| *ending) => Err(AcmeError::Shutdown),
    };
    clean_up(context, acme, presented).await;
    result
}

async fn attempt(
    context: &Context,
    acme: &Acme,
    names: &[String],
    https: &Https,
    opened: &account::Opened,
    turn: &Turn,
    presented: &mut Presented,
) -> Result<Obtained, AcmeError> {
    let identifiers: Vec<_> = names.iter().cloned().map(Identifier::Dns).collect();
    let before = turn.certificate().await.filter(|issued| issued.directory == acme.directory);
    let mut order = place(&opened.account, &identifiers, before.as_ref().and_then(Issued::identifier))
        .await
        .map_err(failed(https, format!("{} took no order", acme.directory)))?;
    prove(context, acme, https, &mut order, turn, presented).await?;

    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key)?;
    let failed = failed(https, format!("{} issued nothing", acme.directory));
    order.finalize_csr(request.der()).await.map_err(&failed)?;
    let chain = order.poll_certificate(&patience(context)).await.map_err(&failed)?;

    let issued = Issued::new(names, &acme.directory, chain, key.serialize_pem());
    let pair = issued.pair()?;
    if let Some(missing) = names.iter().find(|name| !names::covered(name, &pair.facts.names)) {
        return Err(AcmeError::Names { has: pair.facts.names.join(", "), wanted: missing.clone() });
    }
    let unkept = turn.issued(&issued).await.err();
    Ok(Obtained { pair, unkept })
}

/// Orders a certificate, and names the one that it replaces to servers that suggest when (RFC 9773, 5): they count
/// renewals less strictly than first certificates.
async fn place(
    account: &Account,
    names: &[Identifier],
    before: Option<CertificateIdentifier<'_>>,
) -> Result<Order, Error> {
    if let Some(before) = before {
        match account.new_order(&NewOrder::new(names).replaces(before)).await {
            // Nothing is known of such words, or the server does not repeat them as it should.
            Err(Error::Unsupported(_) | Error::Other(_)) => {}
            // That certificate has its successor, or is another account's.
            Err(Error::Api(problem)) if NOT_TO_REPLACE.contains(&kind(&problem).unwrap_or_default()) => {
                tracing::debug!(%problem, "ordered without a word of the certificate before");
            }
            placed => return placed,
        }
    }
    account.new_order(&NewOrder::new(names)).await
}

/// What servers say of a certificate that can't be replaced.
const NOT_TO_REPLACE: [&str; 4] = ["alreadyReplaced", "conflict", "malformed", "unauthorized"];

/// Proves to the server that every name of the order is ours.
async fn prove(
    context: &Context,
    acme: &Acme,
    https: &Https,
    order: &mut Order,
    turn: &Turn,
    presented: &mut Presented,
) -> Result<(), AcmeError> {
    let failed = failed(https, format!("{} did not go on with the order", acme.directory));
    let kind = match acme.challenge {
        AcmeChallenge::Http01 => ChallengeType::Http01,
        AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        AcmeChallenge::Dns01 { .. } => ChallengeType::Dns01,
    };
    // First everything is put up, then the server is told: it may look for all of it as soon as it is told of one.
    let mut answers = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(&failed)?;
        // Servers remember what was proven for an earlier order.
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let name = authorization.identifier().to_string();
        let offered = authorization.challenges.iter().map(|c| format!("{:?}", c.r#type).to_lowercase());
        let offered = offered.collect::<Vec<_>>().join(", ");
        let Some(challenge) = authorization.challenge(kind.clone()) else {
            let wanted = challenge_name(&acme.challenge);
            return Err(AcmeError::NoSuchChallenge { name, wanted, offered });
        };
        let key_authorization = challenge.key_authorization();
        match &acme.challenge {
            AcmeChallenge::Http01 | AcmeChallenge::TlsAlpn01 => {
                let authorization = key_authorization.as_str().to_owned();
                let answer = Answer { name, token: challenge.token.clone(), authorization };
                presented.offered.push(context.challenges.offer(&answer)?);
                answers.push(answer);
            }
            AcmeChallenge::Dns01 { hook } => {
                let record = Record {
                    name: format!("_acme-challenge.{}", name.strip_prefix("*.").unwrap_or(&name)),
                    value: key_authorization.dns_value(),
                };
                // Noted before it is tried: a hook that fails half-way may have left something.
                presented.records.push(record);
                if let Some(record) = presented.records.last() {
                    hook::run(hook, "present", &record.name, &record.value, context.hook_limit).await?;
                }
            }
        }
    }
    if !answers.is_empty() {
        // The server comes to whichever edge the name leads to.
        turn.answer(answers).await?;
    }
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(&failed)?;
        if authorization.status == AuthorizationStatus::Pending
            && let Some(mut challenge) = authorization.challenge(kind.clone())
        {
            challenge.set_ready().await.map_err(&failed)?;
        }
    }
    match order.poll_ready(&patience(context)).await {
        Ok(OrderStatus::Ready | OrderStatus::Valid) => Ok(()),
        Ok(OrderStatus::Invalid) => Err(why(acme, order).await),
        Ok(other) => Err(AcmeError::Ended(format!("{other:?}").to_lowercase())),
        // The library reports the order's error and one of the question itself (a nonce, a limit) alike.
        Err(Error::Api(_)) if order.state().error.is_some() => Err(why(acme, order).await),
        Err(error) => Err(failed(error)),
    }
}

/// Which name was refused, and what the server said about it.
async fn why(acme: &Acme, order: &mut Order) -> AcmeError {
    let kind = challenge_name(&acme.challenge);
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        if authorization.refresh().await.is_err() {
            continue;
        }
        if let Some(problem) = authorization.challenges.iter().find_map(|c| c.error.as_ref()) {
            let name = authorization.identifier().to_string();
            let advice = advice(acme, &name);
            return AcmeError::Refused { reason: said(problem), name, kind, advice };
        }
    }
    match &order.state().error {
        Some(problem) => AcmeError::Ended(format!("invalid: {}", said(problem))),
        None => AcmeError::Ended("invalid".to_owned()),
    }
}

fn advice(acme: &Acme, name: &str) -> String {
    match &acme.challenge {
        AcmeChallenge::Http01 => {
            format!(
                "check that {name} points to this edge and that port 80 reaches one of its plain listeners"
            )
        }
        AcmeChallenge::TlsAlpn01 => {
            format!(
                "check that {name} points to this edge and that port 443 reaches one of its TLS listeners"
            )
        }
        AcmeChallenge::Dns01 { .. } => format!(
            "check that the hook waits until the record _acme-challenge.{} can be seen by everybody",
            name.strip_prefix("*.").unwrap_or(name)
        ),
    }
}

async fn clean_up(context: &Context, acme: &Acme, presented: Presented) {
    let Presented { offered, records } = presented;
    drop(offered);
    let AcmeChallenge::Dns01 { hook } = &acme.challenge else { return };
    for record in records {
        if let Err(error) = hook::run(hook, "cleanup", &record.name, &record.value, context.hook_limit).await
        {
            // The certificate does not depend on it, and the next attempt brings another value.
            tracing::warn!(record = record.name, %error, "a record of a DNS-01 challenge stays behind");
        }
    }
}

fn patience(context: &Context) -> RetryPolicy {
    RetryPolicy::new()
        .initial_delay(Duration::from_millis(200))
        .backoff(1.5)
        .timeout(context.attempt_limit.min(Duration::from_secs(120)))
}

/// Turns an error of the library into ours.
pub(crate) fn failed(https: &Https, doing: String) -> impl Fn(Error) -> AcmeError {
    let https = https.clone();
    move |source| AcmeError::Server { doing: doing.clone(), source, not_before: https.busy_until() }
}
