//! The mini-program platforms: whose account a login code belongs to, and codes that lead into the mini-program.
//!
//! One trait, two implementations: [`mock`] for development, where the code is the account, and [`real`], which
//! asks WeChat and Alipay.

pub mod alipay;
pub mod mock;
pub mod picture;
pub mod real;
pub mod weapp;

use std::fmt::Debug;

use async_trait::async_trait;
use shop_kit::ApiError;
use shop_wire::common::Platform;
use shop_wire::identity::MiniLoginCapabilities;
use thiserror::Error;

/// An account at a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The platform's id of the user within this mini-program.
    pub id: String,
    /// The platform's id of the user across programs of one owner.
    pub union_id: Option<String>,
}

/// A platform did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlatformError {
    /// The platform says no, or we can't ask it: the code is wrong, used or expired, or settings are missing.
    #[error("{0}")]
    Refused(String),
    /// The platform can't be reached, or has trouble of its own.
    #[error("{0}")]
    Unavailable(String),
}

impl PlatformError {
    /// What a client is told: a refusal in the given words, trouble as 502.
    pub fn or_refuse(self, words: &'static str) -> ApiError {
        match self {
            Self::Refused(cause) => ApiError::invalid(words).because(cause),
            Self::Unavailable(cause) => ApiError::bad_gateway(cause),
        }
    }
}

/// What identity needs of the platforms.
#[async_trait]
pub trait Platforms: Debug + Send + Sync {
    /// Whose account a login code belongs to. A code is good once.
    async fn account(&self, platform: Platform, code: &str) -> Result<Account, PlatformError>;

    /// The address of a picture that leads into the mini-program with a scene.
    async fn picture(&self, platform: Platform, scene: &str) -> Result<String, PlatformError>;

    /// What works, and which settings are missing for the rest.
    fn capabilities(&self) -> MiniLoginCapabilities;
}
