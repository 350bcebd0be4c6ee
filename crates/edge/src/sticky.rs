//! The cookie by which a client stays with its instance.

use fairway_model::traffic::Sticky;
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue, SET_COOKIE};

/// The client's number, and whether it has to be given one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) hash: u64,
    given: Option<u64>,
}

/// Reads the cookie; a client without one gets a number now.
pub(crate) fn client(sticky: &Sticky, headers: &HeaderMap) -> Client {
    let found = headers.get_all(COOKIE).iter().find_map(|cookies| {
        let mut pairs = cookies.to_str().ok()?.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.find_map(|(name, value)| (name == sticky.cookie).then_some(value))
    });
    match found {
        Some(value) => Client { hash: fairway_health::hash(value.as_bytes()), given: None },
        None => {
            let number = rand::random();
            Client { hash: fairway_health::hash(text(number).as_bytes()), given: Some(number) }
        }
    }
}

impl Client {
    /// Gives the cookie to a client that has none.
    pub(crate) fn remember(self, sticky: &Sticky, https: bool, headers: &mut HeaderMap) {
        let Some(number) = self.given else { return };
        let age =
            if sticky.max_age_s > 0 { format!("; Max-Age={}", sticky.max_age_s) } else { String::new() };
        let secure = if https { "; Secure" } else { "" };
        let cookie =
            format!("{}={}; Path=/; HttpOnly; SameSite=Lax{age}{secure}", sticky.cookie, text(number));
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

fn text(number: u64) -> String {
    format!("{number:016x}")
}
