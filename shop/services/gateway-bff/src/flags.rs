//! Feature flags: what identity says, remembered for a moment.
//!
//! * What identity said is believed for `GATEWAY_FEATURE_FLAGS_TTL`, never longer. However many requests want to know
//!   then, one asks and the others wait for its answer.
//! * When identity can't be asked nothing is remembered of before: a feature must not stay open because its switch
//!   can't be read. That it can't be asked is remembered for at most [`RETRY`], so that a page does not wait for
//!   identity again with each request.
//! * A change that passes through this gateway is seen by the next request. Others are seen when the time is over.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use shop_kit::{ApiError, ApiResult};
use shop_wire::common::FeatureFlags;
use tokio::sync::Mutex as Turn;

use crate::routing::Boundary;
use crate::upstreams::Upstreams;

/// Where identity keeps them.
pub const PATH: &str = "/admin/config/feature-flags";
/// How long identity may take before the flags count as off.
const LIMIT: Duration = Duration::from_secs(2);
/// How long it is remembered at most that identity can't be asked.
const RETRY: Duration = Duration::from_secs(1);

/// Nothing is switched on.
pub const OFF: FeatureFlags =
    FeatureFlags { payment_enabled: false, wechat_pay_enabled: false, alipay_pay_enabled: false };

/// The flags as this gateway knows them.
#[derive(Debug)]
pub struct Flags {
    ttl: Duration,
    known: Mutex<Known>,
    turn: Turn<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// What was said, and when; nothing inside when nobody could be asked.
    said: Option<(Instant, Option<FeatureFlags>)>,
    /// How often the flags were changed here. An answer to a question from before a change counts for nobody else.
    changes: u64,
}

impl Flags {
    /// Nothing is known yet; what identity says will be believed for `ttl`.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, known: Mutex::default(), turn: Turn::default() }
    }

    /// What is switched on; everything is off when identity can't be asked.
    pub async fn load(&self, upstreams: &Upstreams, headers: &HeaderMap) -> FeatureFlags {
        self.read(upstreams, headers).await.unwrap_or(OFF)
    }

    /// What is switched on; nothing when identity can't be asked.
    pub async fn read(&self, upstreams: &Upstreams, headers: &HeaderMap) -> Option<FeatureFlags> {
        if let Some(said) = self.remembered() {
            return said;
        }
        let _turn = self.turn.lock().await;
        if let Some(said) = self.remembered() {
            return said;
        }
        let changes = self.known().changes;
        let said = match ask(upstreams, headers.clone()).await {
            Ok(flags) => Some(flags),
            Err(reason) => {
                tracing::warn!(reason, "feature flags can't be read");
                None
            }
        };
        let mut known = self.known();
        if known.changes == changes {
            known.said = Some((Instant::now(), said.clone()));
        }
        said
    }

    /// They may have been changed: the next request asks again.
    pub fn forget(&self) {
        let mut known = self.known();
        known.said = None;
        known.changes += 1;
    }

    fn remembered(&self) -> Option<Option<FeatureFlags>> {
        let known = self.known();
        let (since, said) = known.said.as_ref()?;
        let fresh = if said.is_some() { self.ttl } else { self.ttl.min(RETRY) };
        (since.elapsed() < fresh).then(|| said.clone())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(upstreams: &Upstreams, headers: HeaderMap) -> Result<FeatureFlags, String> {
    let identity = upstreams.get(Boundary::Identity).ok_or("identity has no address")?;
    match tokio::time::timeout(LIMIT, upstreams.ask(identity, PATH, headers)).await {
        Ok(Ok(answer)) if answer.status.is_success() => {
            serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
        }
        Ok(Ok(answer)) => Err(format!("identity answered {}", answer.status)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {LIMIT:?}")),
    }
}

/// Lets a request pass only when all `needed` flags are on.
///
/// # Errors
/// 403 `feature-disabled` naming the first that is off.
pub fn require(flags: &FeatureFlags, needed: &[String]) -> ApiResult<()> {
    for flag in needed {
        let (on, message) = match flag.as_str() {
            "paymentEnabled" => (flags.payment_enabled, "payment is disabled"),
            "wechatPayEnabled" => (flags.wechat_pay_enabled, "wechat pay is disabled"),
            "alipayPayEnabled" => (flags.alipay_pay_enabled, "alipay is disabled"),
            _ => (false, "this feature is disabled"),
        };
        if !on {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "feature-disabled", message).because(flag));
        }
    }
    Ok(())
}
