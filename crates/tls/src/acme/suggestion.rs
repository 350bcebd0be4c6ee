//! When the server suggests that a certificate is replaced (RFC 9773).

use std::time::Duration;

use fairway_model::traffic::Acme;
use instant_acme::{CertificateIdentifier, Error, RenewalInfo};
use rustls::pki_types::CertificateDer;

use super::client::Https;
use super::order::failed;
use super::stored::Records;
use super::{AcmeError, Context, account};
use crate::clock;
use crate::plan::Window;
use crate::unit::Unit;

/// How often a server is asked that says how often, at most and at least.
const SOONEST: Duration = Duration::from_secs(60);
const LATEST: Duration = Duration::from_secs(24 * 60 * 60);
/// When a server is asked again that could not be asked (RFC 9773, 4.3.3).
const AFTER_FAILURE: Duration = Duration::from_secs(6 * 60 * 60);

/// What a server said of a certificate last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suggestion {
    /// None: it has no opinion.
    pub(crate) window: Option<Window>,
    /// When it is asked again, in seconds since 1970.
    pub(crate) again: u64,
}

/// Asks the server. What can't be known now leaves what was known before.
pub(crate) async fn suggested(
    context: &Context,
    acme: &Acme,
    unit: &Unit,
    leaf: &CertificateDer<'_>,
) -> Suggestion {
    let after = |wait: Duration| clock::now().saturating_add(wait.as_secs());
    // Without a key of its issuer it has no name that the server knows.
    let Ok(certificate) = CertificateIdentifier::try_from(leaf) else {
        return Suggestion { window: None, again: after(LATEST) };
    };
    match ask(context, acme, unit, &certificate).await {
        Ok((RenewalInfo { suggested_window, .. }, wait)) => {
            let second = |at: time::OffsetDateTime| u64::try_from(at.unix_timestamp()).unwrap_or_default();
            let window = Window { start: second(suggested_window.start), end: second(suggested_window.end) };
            Suggestion { window: Some(window), again: after(wait.clamp(SOONEST, LATEST)) }
        }
        Err(AcmeError::Server { source: Error::Unsupported(_), .. }) => {
            Suggestion { window: None, again: after(LATEST) }
        }
        Err(error) => {
            tracing::debug!(names = unit.names.join(", "), %error, "no word when to replace a certificate");
            Suggestion { window: unit.suggestion.and_then(|known| known.window), again: after(AFTER_FAILURE) }
        }
    }
}

async fn ask(
    context: &Context,
    acme: &Acme,
    unit: &Unit,
    certificate: &CertificateIdentifier<'_>,
) -> Result<(RenewalInfo, Duration), AcmeError> {
    let https = Https::new(acme.roots.as_deref())?;
    let records = Records::new(acme, &unit.names);
    let opened = {
        let _one_at_a_time = context.accounts.lock().await;
        account::open(acme, &https, &*unit.storage, &records, unit.secrets.as_deref()).await?
    };
    let info = opened.account.renewal_info(certificate).await;
    info.map_err(failed(&https, format!("{} said nothing of the next certificate", acme.directory)))
}
