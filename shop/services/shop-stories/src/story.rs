//! People who talk to the gateway, and the transcript of what was said.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use shop_kit::client::{Answer, HttpClient};
use shop_kit::testing::{Client, Reply};

use crate::{Redactor, Shop};

/// How long something that happens by itself may take.
const LONG: Duration = Duration::from_secs(30);

/// A story being told.
#[derive(Debug)]
pub struct Story {
    shop: Shop,
    people: BTreeMap<&'static str, Client>,
    tokens: BTreeMap<&'static str, String>,
    redactor: Redactor,
    transcript: String,
}

impl Story {
    /// A story in a shop of its own. Nothing when PostgreSQL is not installed.
    pub async fn begin() -> Option<Self> {
        let shop = Shop::open().await?;
        Some(Self {
            shop,
            people: BTreeMap::new(),
            tokens: BTreeMap::new(),
            redactor: Redactor::default(),
            transcript: String::new(),
        })
    }

    fn client(&mut self, who: &'static str) -> Client {
        let base = self.shop.base("gateway-bff");
        self.people.entry(who).or_insert_with(|| Client::of(base)).clone()
    }

    /// Somebody asks for something; the answer.
    pub async fn say(&mut self, who: &'static str, request: &str, body: Value) -> Value {
        self.say_with(who, request, &[], body).await
    }

    /// The same with more headers.
    ///
    /// # Panics
    /// When the answer is neither JSON nor text.
    pub async fn say_with(
        &mut self,
        who: &'static str,
        request: &str,
        headers: &[(&'static str, &str)],
        body: Value,
    ) -> Value {
        let reply = self.ask(who, request, headers, &body).await;
        let mut line = format!("{who}: {}", self.redactor.text(request));
        for (name, value) in headers {
            let _infallible = write!(line, " {name}: {}", self.redactor.text(value));
        }
        if !body.is_null() {
            let _infallible = write!(line, " {}", self.redactor.body(&body));
        }
        self.write(&line, &reply)
    }

    /// Asks until the answer is as wanted, and writes down only that one.
    ///
    /// # Panics
    /// When it does not get so.
    pub async fn wait(&mut self, who: &'static str, request: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut reply = None;
        let asking = async {
            loop {
                let answer = self.ask(who, request, &[], &Value::Null).await;
                if wanted(&serde_json::from_str(&answer.text).unwrap_or_default()) {
                    return answer;
                }
                reply = Some(answer);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(LONG, asking).await {
            Ok(answer) => {
                let line = format!("{who}, later: {}", self.redactor.text(request));
                self.write(&line, &answer)
            }
            Err(_) => panic!("{request} is not as wanted after {LONG:?}: {reply:?}"),
        }
    }

    /// Somebody logs in and stays so.
    pub async fn log_in(&mut self, who: &'static str, path: &str, body: Value) -> Value {
        let answer = self.say(who, &format!("POST {path}"), body).await;
        if let Some(token) = answer["accessToken"].as_str() {
            let client = self.client(who).signed_in(token);
            self.people.insert(who, client);
            self.tokens.insert(who, token.to_owned());
        }
        answer
    }

    /// Somebody logs in by the code of a mini program.
    pub async fn mini(&mut self, who: &'static str, code: &str) -> Value {
        self.log_in(who, "/auth/mini/login", json!({ "platform": "weapp", "code": code })).await
    }

    /// Somebody logs in by a name of the seed.
    pub async fn web(&mut self, who: &'static str, name: &str) -> Value {
        let body = json!({ "username": name, "password": format!("{name}123") });
        self.log_in(who, "/auth/password/login", body).await
    }

    /// Somebody uploads a file in the form field `field`.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn upload(
        &mut self,
        who: &'static str,
        path: &str,
        field: &str,
        file: &str,
        content: &[u8],
    ) -> Value {
        let head = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{file}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let body = [head.as_bytes(), content, b"\r\n--edge--\r\n"].concat();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=edge"));
        if let Some(token) = self.tokens.get(who) {
            let value =
                HeaderValue::from_str(&format!("Bearer {token}")).expect("a token fits into a header");
            headers.insert(AUTHORIZATION, value);
        }
        let url = format!("{}{path}", self.shop.base("gateway-bff"));
        let sent = HttpClient::new().call(Method::POST, &url, &headers, Bytes::from(body), LONG).await;
        let Answer { status, headers, body } = sent.expect("the gateway answers");
        let text = String::from_utf8_lossy(&body).into_owned();
        let reply = Reply { status: status.as_u16(), headers, text };
        let line = format!("{who}: POST {} {field}={file}", self.redactor.text(path));
        self.write(&line, &reply)
    }

    async fn ask(
        &mut self,
        who: &'static str,
        request: &str,
        headers: &[(&'static str, &str)],
        body: &Value,
    ) -> Reply {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let client = headers.iter().fold(self.client(who), |client, (name, value)| client.with(name, value));
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        client.send(method, path, body).await
    }

    fn write(&mut self, line: &str, reply: &Reply) -> Value {
        let mut value: Value = serde_json::from_str(&reply.text).unwrap_or_else(|_| json!(reply.text));
        let answer = value.clone();
        if let Some(fields) = value.as_object_mut()
            && fields.contains_key("code")
        {
            fields.remove("requestId");
        }
        let body = match &value {
            Value::String(text) => self.redactor.text(text),
            value => serde_json::to_string_pretty(&self.redactor.body(value)).unwrap_or_default(),
        };
        self.transcript.push_str(&format!("> {line}\n{} {body}\n\n", reply.status));
        answer
    }

    /// The end: every program ends well; what was said.
    pub async fn end(self) -> String {
        self.shop.close().await;
        self.transcript
    }
}
