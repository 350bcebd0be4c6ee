//! Calls from pages of other origins (Fetch standard, CORS protocol).
//!
//! Where a route has CORS settings the edge is the only one who speaks about it: what the service says is replaced, so
//! that the two can't contradict each other.

use fairway_model::traffic::Cors;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::asked::{Answer, Asked};
use crate::headers::{elements, vary};

const STAR: HeaderValue = HeaderValue::from_static("*");

/// Whose pages may call.
#[derive(Debug)]
pub(crate) struct Origins {
    /// Empty: everybody's.
    origins: Box<[HeaderValue]>,
    methods: Option<HeaderValue>,
    headers: Option<HeaderValue>,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

impl Origins {
    /// The settings were checked.
    pub(crate) fn new(cors: &Cors) -> Self {
        let Cors { origins, methods, headers, expose, credentials, max_age_s } = cors;
        let value = |text: &str| HeaderValue::from_str(text).expect("other texts were refused");
        let list = |names: &[String]| (!names.is_empty()).then(|| value(&names.join(", ")));
        Self {
            origins: origins.iter().filter(|origin| *origin != "*").map(|origin| value(origin)).collect(),
            methods: list(methods),
            headers: list(headers),
            expose: list(expose),
            credentials: *credentials,
            max_age: (*max_age_s).into(),
        }
    }

    /// Which of the origins asks, if it is one of them.
    pub(crate) fn origin(&self, headers: &HeaderMap) -> Option<u16> {
        let mut values = headers.get_all(ORIGIN).iter();
        let origin = values.next().filter(|_| values.next().is_none())?;
        (0..).zip(&self.origins).find(|(_, allowed)| *allowed == origin).map(|(index, _)| index)
    }

    /// The answer, if the request is a preflight. Browsers send no credentials with those, so this comes before any
    /// question of who asks.
    pub(crate) fn preflight(&self, asked: &Asked<'_>, origin: Option<u16>) -> Option<Box<Answer>> {
        let method = asked.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        if asked.method != Method::OPTIONS || !asked.headers.contains_key(ORIGIN) {
            return None;
        }
        let mut answer = if self.origins.is_empty() || origin.is_some() {
            let mut answer = Answer::new(StatusCode::NO_CONTENT, "preflight", "");
            self.permit(asked.headers, method, &mut answer.headers);
            answer
        } else {
            let words = "pages of this origin may not call this route; its CORS settings list those that may";
            Answer::new(StatusCode::FORBIDDEN, "cors_origin", words)
        };
        for on in ["access-control-request-method", "access-control-request-headers"] {
            vary(&mut answer.headers, on);
        }
        Some(answer)
    }

    fn permit(&self, asked: &HeaderMap, method: &HeaderValue, answer: &mut HeaderMap) {
        let methods = match &self.methods {
            Some(methods) => Some(methods.clone()),
            None => Method::from_bytes(method.as_bytes()).is_ok().then(|| method.clone()),
        };
        let headers = match &self.headers {
            Some(headers) => Some(headers.clone()),
            None => wanted(asked),
        };
        answer.extend(methods.map(|value| (ACCESS_CONTROL_ALLOW_METHODS, value)));
        answer.extend(headers.map(|value| (ACCESS_CONTROL_ALLOW_HEADERS, value)));
        answer.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
    }

    /// Completes an answer.
    pub(crate) fn response(&self, origin: Option<u16>, headers: &mut HeaderMap) {
        for name in
            [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS]
        {
            headers.remove(name);
        }
        let allowed = if self.origins.is_empty() {
            Some(&STAR)
        } else {
            vary(headers, "origin");
            origin.and_then(|index| self.origins.get(usize::from(index)))
        };
        let Some(allowed) = allowed else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(expose) = &self.expose {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }
}

/// The headers that a preflight asks for, if they are names of headers.
fn wanted(asked: &HeaderMap) -> Option<HeaderValue> {
    let names = || elements(asked, &ACCESS_CONTROL_REQUEST_HEADERS);
    let sound = names().all(|name| http::HeaderName::try_from(name).is_ok());
    let text = names().collect::<Vec<_>>().join(", ");
    (sound && !text.is_empty()).then(|| HeaderValue::try_from(text).expect("names of headers"))
}
