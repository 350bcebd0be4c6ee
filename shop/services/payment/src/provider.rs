//! Who moves the money: WeChat Pay, Alipay, or nobody while developing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shop_kit::client::CallError;
use shop_wire::payment::PaymentChannel;
use thiserror::Error;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::alipay::Alipay;
use crate::state::Reported;
use crate::wechat::WeChat;

/// Over what an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// WeChat Pay, in a mini program.
    WeChat,
    /// Alipay, in a mini program.
    Alipay,
}

impl From<Channel> for PaymentChannel {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::WeChat => Self::Wechat,
            Channel::Alipay => Self::Alipay,
        }
    }
}

impl Channel {
    /// The name on the wire and in the database.
    pub fn name(self) -> &'static str {
        PaymentChannel::from(self).as_str()
    }

    /// The channel of this name; nothing for one that is not spoken here.
    pub fn named(name: &str) -> Option<Self> {
        [Self::WeChat, Self::Alipay].into_iter().find(|channel| channel.name() == name)
    }

    /// The name in sentences.
    pub fn title(self) -> &'static str {
        match self {
            Self::WeChat => "wechat pay",
            Self::Alipay => "alipay",
        }
    }
}

/// Whether real money can come of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No provider is asked, and notifications are believed as they come.
    Mock,
    /// Requests are signed, answers and notifications verified.
    Live,
}

impl Mode {
    /// The name in settings, headers and the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mock => "mock",
            Self::Live => "live",
        }
    }
}

/// The providers of this process.
#[derive(Debug)]
pub enum Providers {
    /// Nobody.
    Mock,
    /// Those that have keys.
    Live {
        /// WeChat Pay.
        wechat: Option<Box<WeChat>>,
        /// Alipay.
        alipay: Option<Box<Alipay>>,
    },
}

/// What a provider is asked to open.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The payment; the provider knows it by this number.
    pub payment: Uuid,
    /// How much, in fen.
    pub amount_fen: i64,
    /// What the customer reads in the payment window.
    pub description: String,
    /// Until when it can be paid.
    pub expires_at: OffsetDateTime,
    /// What the platform's login gave; says who pays.
    pub login_code: Option<&'a str>,
}

/// What the client needs to open the payment window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Session {
    /// The arguments of `wx.requestPayment`.
    WeChat {
        /// WeChat's number of the session.
        prepay_id: String,
        /// The number as it is signed.
        package: String,
        /// A random text.
        nonce_str: String,
        /// When it was signed, in Unix seconds.
        time_stamp: String,
        /// `RSA`.
        sign_type: String,
        /// Our signature of the call.
        pay_sign: String,
    },
    /// The arguments of `my.tradePay`.
    Alipay {
        /// Alipay's number of the trade.
        trade_no: String,
        /// The arguments themselves.
        pay_params: Map<String, Value>,
    },
}

/// No session.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// The channel has no keys.
    #[error("{0} is not configured")]
    NotConfigured(&'static str),
    /// Nothing says who pays.
    #[error("{0} is required")]
    LoginCodeMissing(&'static str),
    /// The provider does not know what should say who pays.
    #[error("{field} is not accepted: {reason}")]
    LoginCodeRefused {
        /// The field of the request.
        field: &'static str,
        /// The provider's words.
        reason: String,
    },
    /// The provider said no.
    #[error("refused: {0}")]
    Refused(String),
    /// The provider did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Somebody answered who is not the provider, or not in its language.
    #[error("the answer is not believed: {0}")]
    Unbelievable(String),
}

/// What a verified notification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Over which channel.
    pub channel: Channel,
    /// The notification's number; repeated ones have the same. Mock notifications have none.
    pub event_id: Option<String>,
    /// Which payment.
    pub payment: Uuid,
    /// What happened.
    pub reported: Reported,
    /// The provider's number of the trade.
    pub trade_no: Option<String>,
    /// How much, if it was said.
    pub amount_fen: Option<i64>,
    /// When it was paid, if it was said.
    pub paid_at: Option<OffsetDateTime>,
    /// Words for a failure.
    pub failure: Option<String>,
}

/// Why a notification has no effect.
#[derive(Debug, Error)]
pub enum NotifyError {
    /// The channel has no keys.
    #[error("{0} is not configured")]
    NotConfigured(&'static str),
    /// The provider did not send this, or not now.
    #[error("{0}")]
    Disbelieved(String),
    /// It can't be read.
    #[error("{0}")]
    Unreadable(String),
}

impl Providers {
    /// Whether money moves.
    pub fn mode(&self) -> Mode {
        match self {
            Self::Mock => Mode::Mock,
            Self::Live { .. } => Mode::Live,
        }
    }

    /// Opens a session.
    ///
    /// # Errors
    /// When there is none; nothing can be paid then.
    pub async fn open(&self, channel: Channel, opening: &Opening<'_>) -> Result<Session, ProviderError> {
        let Self::Live { wechat, alipay } = self else { return Ok(mock_session(channel)) };
        match channel {
            Channel::WeChat => {
                wechat.as_ref().ok_or(ProviderError::NotConfigured(channel.title()))?.open(opening).await
            }
            Channel::Alipay => {
                alipay.as_ref().ok_or(ProviderError::NotConfigured(channel.title()))?.open(opening).await
            }
        }
    }

    /// How a payment stands, as its provider says when it is asked; nothing while it knows of none.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn find(&self, channel: Channel, payment: Uuid) -> Result<Option<Report>, ProviderError> {
        let Self::Live { wechat, alipay } = self else { return Ok(None) };
        match channel {
            Channel::WeChat => {
                wechat.as_ref().ok_or(ProviderError::NotConfigured(channel.title()))?.find(payment).await
            }
            Channel::Alipay => {
                alipay.as_ref().ok_or(ProviderError::NotConfigured(channel.title()))?.find(payment).await
            }
        }
    }
}

/// A session that looks like one and can't be paid.
fn mock_session(channel: Channel) -> Session {
    let id = Uuid::new_v4();
    let now = OffsetDateTime::now_utc().unix_timestamp().to_string();
    match channel {
        Channel::WeChat => Session::WeChat {
            prepay_id: format!("prepay_{id}"),
            package: format!("prepay_id=prepay_{id}"),
            nonce_str: id.simple().to_string(),
            time_stamp: now,
            sign_type: "RSA".to_owned(),
            pay_sign: "mock".to_owned(),
        },
        Channel::Alipay => Session::Alipay {
            trade_no: format!("trade_{id}"),
            pay_params: Map::from_iter([
                ("tradeNO".to_owned(), Value::from(format!("trade_{id}"))),
                ("timestamp".to_owned(), Value::from(now)),
                ("mock".to_owned(), Value::from(true)),
            ]),
        },
    }
}
