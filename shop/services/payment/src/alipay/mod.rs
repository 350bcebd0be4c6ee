//! Alipay's open platform: sessions for mini programs, and notifications.

pub mod amount;

use provider_kit::alipay::{Gateway, GatewayError, from_china, in_china, sign};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::provider::{Channel, NotifyError, Opening, ProviderError, Report, Session};
use crate::state::Reported;

/// What the request has to carry so that Alipay knows who pays.
const LOGIN_CODE: &str = "alipayAuthCode";

/// The provider, with our keys.
#[derive(Debug)]
pub struct Alipay {
    /// Asks it.
    pub gateway: Gateway,
    /// Where they report to us.
    pub notify_url: String,
}

#[derive(Deserialize)]
struct Token {
    user_id: Option<String>,
    open_id: Option<String>,
}

#[derive(Deserialize)]
struct Trade {
    trade_no: String,
}

#[derive(Deserialize)]
struct Found {
    out_trade_no: String,
    trade_no: Option<String>,
    trade_status: String,
    total_amount: String,
    send_pay_date: Option<String>,
}

impl Alipay {
    /// Opens a trade (`alipay.trade.create`) for whoever the login code stands for.
    ///
    /// # Errors
    /// When Alipay does not open one.
    pub async fn open(&self, opening: &Opening<'_>) -> Result<Session, ProviderError> {
        let code = opening.login_code.ok_or(ProviderError::LoginCodeMissing(LOGIN_CODE))?;
        let token = [("grant_type", "authorization_code".to_owned()), ("code", code.to_owned())];
        let token: Token = match self.gateway.ask("alipay.system.oauth.token", &token).await {
            Err(GatewayError::Refused(refusal)) if refusal.is_about("isv.code-") => {
                return Err(ProviderError::LoginCodeRefused {
                    field: LOGIN_CODE,
                    reason: refusal.to_string(),
                });
            }
            other => other?,
        };
        let mut content = json!({
            "out_trade_no": opening.payment.simple().to_string(),
            "total_amount": amount::yuan(opening.amount_fen),
            "subject": opening.description,
            "product_code": "JSAPI_PAY",
            "op_app_id": self.gateway.app_id,
            "time_expire": in_china(opening.expires_at),
        });
        match (token.open_id, token.user_id) {
            (Some(id), _) => content["buyer_open_id"] = id.into(),
            (None, Some(id)) => content["buyer_id"] = id.into(),
            (None, None) => return Err(ProviderError::Unbelievable("it names no buyer".to_owned())),
        }
        let values = [("biz_content", content.to_string()), ("notify_url", self.notify_url.clone())];
        let trade: Trade = self.gateway.ask("alipay.trade.create", &values).await?;
        let pay_params = Map::from_iter([("tradeNO".to_owned(), Value::from(trade.trade_no.as_str()))]);
        Ok(Session::Alipay { trade_no: trade.trade_no, pay_params })
    }

    /// How a trade stands (`alipay.trade.query`); nothing while Alipay knows none.
    ///
    /// # Errors
    /// When Alipay does not say.
    pub async fn find(&self, payment: Uuid) -> Result<Option<Report>, ProviderError> {
        let wish = json!({ "out_trade_no": payment.simple().to_string() }).to_string();
        let found: Found = match self.gateway.ask("alipay.trade.query", &[("biz_content", wish)]).await {
            Err(GatewayError::Refused(refusal)) if refusal.is_about("ACQ.TRADE_NOT_EXIST") => {
                return Ok(None);
            }
            other => other?,
        };
        let odd = |what: String| ProviderError::Unbelievable(what);
        if Uuid::try_parse(&found.out_trade_no) != Ok(payment) {
            return Err(odd(format!("it is about {}", found.out_trade_no)));
        }
        let amount_fen = amount::fen(&found.total_amount)
            .ok_or_else(|| odd(format!("total_amount {}", found.total_amount)))?;
        Ok(Some(Report {
            channel: Channel::Alipay,
            event_id: None,
            payment,
            reported: reported(&found.trade_status)
                .ok_or_else(|| odd(format!("trade_status {}", found.trade_status)))?,
            trade_no: found.trade_no,
            amount_fen: Some(amount_fen),
            paid_at: found.send_pay_date.as_deref().and_then(from_china),
            failure: None,
        }))
    }

    /// What a notification says, if Alipay sent it.
    ///
    /// # Errors
    /// When it did not, or the content can't be read.
    pub fn read_notification(&self, body: &[u8]) -> Result<Report, NotifyError> {
        let values =
            sign::form(body).ok_or_else(|| NotifyError::Unreadable("a name occurs twice".to_owned()))?;
        let value = |name: &str| values.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let needed = |name: &str| value(name).ok_or_else(|| NotifyError::Unreadable(format!("no {name}")));
        if value("sign_type").is_some_and(|kind| kind != "RSA2") {
            return Err(NotifyError::Disbelieved("it is not signed with RSA2".to_owned()));
        }
        let signature = value("sign").unwrap_or_default();
        if !self.gateway.platform.verifies(sign::of_notification(&values).as_bytes(), signature) {
            return Err(NotifyError::Disbelieved("the signature is not that of the body".to_owned()));
        }
        if value("app_id") != Some(&self.gateway.app_id) {
            return Err(NotifyError::Disbelieved("it is about another app".to_owned()));
        }
        let number = needed("out_trade_no")?;
        let payment =
            Uuid::try_parse(number).map_err(|_| NotifyError::Unreadable(format!("out_trade_no {number}")))?;
        let total = needed("total_amount")?;
        let amount_fen =
            amount::fen(total).ok_or_else(|| NotifyError::Unreadable(format!("total_amount {total}")))?;
        let status = needed("trade_status")?;
        let reported =
            reported(status).ok_or_else(|| NotifyError::Unreadable(format!("trade_status {status}")))?;
        Ok(Report {
            channel: Channel::Alipay,
            event_id: Some(needed("notify_id")?.to_owned()),
            payment,
            reported,
            trade_no: value("trade_no").map(str::to_owned),
            amount_fen: Some(amount_fen),
            paid_at: value("gmt_payment").and_then(from_china),
            failure: None,
        })
    }
}

/// What a trade's state says of a payment; nothing for a state that is not known.
fn reported(trade_status: &str) -> Option<Reported> {
    match trade_status {
        "TRADE_SUCCESS" | "TRADE_FINISHED" => Some(Reported::Paid),
        // Closed unpaid, or paid and refunded in full; the second comes after PAID and changes nothing.
        "TRADE_CLOSED" => Some(Reported::Cancelled),
        "WAIT_BUYER_PAY" => Some(Reported::Waiting),
        _ => None,
    }
}

impl From<GatewayError> for ProviderError {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::NoAnswer(error) => Self::Call(error),
            GatewayError::Refused(refusal) => Self::Refused(refusal.to_string()),
            GatewayError::Status { .. } | GatewayError::Unbelievable(_) => {
                Self::Unbelievable(error.to_string())
            }
        }
    }
}
