//! Settings come from the environment, which is passed as a value.
//!
//! Every reader takes the variable's name and its default, and answers with a [`SettingError`] that names
//! the variable, shows what it held and what would have been accepted.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use url::Url;

/// The variables a program was started with.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A variable that was asked for, and what stands for it when it is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The variable.
    pub name: String,
    /// Its default as one would write it; nothing when there is none.
    pub default: Option<String>,
}

/// A variable that can't be used. The program stops before it opens a port or a connection.
#[derive(Debug, Error)]
#[error("{name} is `{value}`, which is not {expected}; nothing was started. Set {name} like `{example}`")]
pub struct SettingError {
    /// The variable.
    pub name: String,
    /// What it held (secrets never come here).
    pub value: String,
    /// What kind of text was expected.
    pub expected: &'static str,
    /// A value that would have been accepted.
    pub example: &'static str,
}

/// A value that is never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl Environment {
    /// What the process was started with. Values that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let values = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect();
        Self { values, asked: Arc::default() }
    }

    /// Every variable that was asked for so far, in that order: what documentation has to name.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ask(&self, name: &str, default: Option<&str>) -> Option<String> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.iter().any(|a| a.name == name) {
            let default = default.filter(|d| !d.is_empty()).map(str::to_owned);
            asked.push(Asked { name: name.to_owned(), default });
        }
        self.values.get(name).cloned()
    }

    fn given(&self, name: &str, default: Option<&str>) -> Option<String> {
        self.ask(name, default).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
    }

    /// An environment made of the given pairs.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let values = pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Self { values, asked: Arc::default() }
    }

    /// The text of a variable, or `default` when it is not set. An empty variable counts as set.
    pub fn text(&self, name: &str, default: &str) -> String {
        self.ask(name, Some(default)).unwrap_or_else(|| default.to_owned())
    }

    /// The text of a variable, or nothing when it is unset or blank.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.given(name, None)
    }

    /// A value that must not be printed.
    pub fn secret(&self, name: &str, default: &str) -> Secret {
        Secret::new(self.given(name, Some(default)).unwrap_or_else(|| default.to_owned()))
    }

    /// An address to listen on: `:8081` (every interface), `127.0.0.1:0` or `localhost:8081`.
    ///
    /// # Errors
    /// When the text is not such an address.
    pub fn address(&self, name: &str, default: &str) -> Result<SocketAddr, SettingError> {
        let value = self.given(name, Some(default)).unwrap_or_else(|| default.to_owned());
        let full = if value.starts_with(':') { format!("0.0.0.0{value}") } else { value.clone() };
        let resolved = match full.parse() {
            Ok(address) => Some(address),
            Err(_) => full.to_socket_addrs().ok().and_then(|mut all| all.next()),
        };
        resolved.ok_or_else(|| wrong(name, value, "an address to listen on", ":8081"))
    }

    /// An address to listen on, when one is given.
    ///
    /// # Errors
    /// When the text is not such an address.
    pub fn optional_address(&self, name: &str) -> Result<Option<SocketAddr>, SettingError> {
        match self.given(name, None) {
            Some(value) => self.address(name, &value).map(Some),
            None => Ok(None),
        }
    }

    /// A duration such as `10s`, `250ms`, `168h` or `1h30m`.
    ///
    /// # Errors
    /// When the text is not a duration.
    pub fn duration(&self, name: &str, default: Duration) -> Result<Duration, SettingError> {
        match self.given(name, Some(&duration_text(default))) {
            None => Ok(default),
            Some(value) => parse_duration(&value).ok_or_else(|| wrong(name, value, "a duration", "10s")),
        }
    }

    /// A switch: `true`, `false`, `1` or `0`.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn switch(&self, name: &str, default: bool) -> Result<bool, SettingError> {
        match self.given(name, Some(&default.to_string())).as_deref() {
            None => Ok(default),
            Some("true" | "TRUE" | "True" | "t" | "1") => Ok(true),
            Some("false" | "FALSE" | "False" | "f" | "0") => Ok(false),
            Some(other) => Err(wrong(name, other.to_owned(), "true or false", "true")),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// When the text is not a number that fits.
    pub fn number(&self, name: &str, default: u64) -> Result<u64, SettingError> {
        match self.given(name, Some(&default.to_string())) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| wrong(name, value, "a whole number", "33554432")),
        }
    }

    /// The address of another service, without a trailing slash. A variable that is set but empty means
    /// "there is none".
    ///
    /// # Errors
    /// When the text is not an `http://` address.
    pub fn base_url(&self, name: &str, default: &str) -> Result<Option<BaseUrl>, SettingError> {
        let value = self.text(name, default).trim().to_owned();
        if value.is_empty() {
            return Ok(None);
        }
        BaseUrl::parse(&value)
            .map(Some)
            .ok_or_else(|| wrong(name, value, "the http:// address of a service", "http://localhost:8081"))
    }
}

/// Where another service answers, e.g. `http://127.0.0.1:8081`; paths are appended to it as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Reads an `http://host[:port][/prefix]` address.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let usable = url.scheme() == "http" && url.host().is_some() && url.query().is_none();
        usable.then(|| Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// The address without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name or address of the host, and its port.
    pub fn authority(&self) -> (String, u16) {
        let url = Url::parse(&self.0).expect("was a URL when this was made");
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        (host, url.port().unwrap_or(80))
    }

    /// What comes before every path: nothing, or `/prefix`.
    pub fn prefix(&self) -> &str {
        let after_scheme = self.0.strip_prefix("http://").unwrap_or(&self.0);
        after_scheme.find('/').map_or("", |slash| &after_scheme[slash..])
    }

    /// The address of a path (starting with `/`) of that service.
    pub fn join(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.0)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn wrong(name: &str, value: String, expected: &'static str, example: &'static str) -> SettingError {
    SettingError { name: name.to_owned(), value, expected, example }
}

/// A duration as one would write it.
fn duration_text(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    match (seconds, millis) {
        (0, millis @ 1..) => format!("{millis}ms"),
        (seconds, 0) if seconds > 0 && seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (seconds, 0) if seconds > 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        (seconds, 0) => format!("{seconds}s"),
        (seconds, millis) => format!("{seconds}s{millis}ms"),
    }
}

/// Reads a sequence of `<number><unit>` with the units `ms`, `s`, `m` and `h`.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(parse_duration(text).map(|d| d.as_millis() as u64), expect, "{text:?}");
        };
        check("10s", Some(10_000));
        check("250ms", Some(250));
        check("168h", Some(604_800_000));
        check("1h30m", Some(5_400_000));
        check("1.5s", Some(1_500));
        check("", None);
        check("10", None);
        check("10 s", None);
        check("1d", None);
    }

    #[test]
    fn addresses() {
        let check = |text: &str, expect: Result<&str, ()>| {
            let got = Environment::from_pairs([("A", text)]).address("A", ":1").map(|a| a.to_string());
            assert_eq!(got.as_deref().map_err(|_| ()), expect, "{text:?}");
        };
        check(":8081", Ok("0.0.0.0:8081"));
        check("127.0.0.1:0", Ok("127.0.0.1:0"));
        check("[::1]:80", Ok("[::1]:80"));
        check("", Ok("0.0.0.0:1"));
        check("8081", Err(()));
        check(":port", Err(()));
    }

    #[test]
    fn an_empty_base_url_means_none() {
        let env = Environment::from_pairs([("A", ""), ("B", "http://h:1/x/"), ("C", "localhost:1")]);
        assert_eq!(env.base_url("A", "http://d").unwrap(), None);
        assert_eq!(env.base_url("B", "").unwrap().unwrap().join("/p?q=1"), "http://h:1/x/p?q=1");
        assert_eq!(env.base_url("D", "http://d:2").unwrap().unwrap().as_str(), "http://d:2");
        let error = env.base_url("C", "").unwrap_err().to_string();
        assert_eq!(
            error,
            "C is `localhost:1`, which is not the http:// address of a service; nothing was started. Set C like \
             `http://localhost:8081`"
        );
    }

    #[test]
    fn parts_of_a_base_url() {
        let check = |text: &str, host: &str, port: u16, prefix: &str| {
            let url = BaseUrl::parse(text).unwrap();
            assert_eq!((url.authority(), url.prefix()), ((host.to_owned(), port), prefix), "{text}");
        };
        check("http://localhost", "localhost", 80, "");
        check("http://10.0.0.7:8081/", "10.0.0.7", 8081, "");
        check("http://[::1]:8081/api/v1/", "::1", 8081, "/api/v1");
    }

    #[test]
    fn what_was_asked_for_is_known_with_its_default() {
        let env = Environment::from_pairs([("A", "1s")]);
        env.duration("A", Duration::from_secs(5400)).unwrap();
        env.clone().switch("B", false).unwrap();
        env.optional("C");
        env.secret("D", "dev");
        env.optional_address("E").unwrap();
        let asked: Vec<_> =
            env.asked().into_iter().map(|a| (a.name, a.default.unwrap_or_default())).collect();
        let expect = [("A", "90m"), ("B", "false"), ("C", ""), ("D", "dev"), ("E", "")];
        assert_eq!(asked, expect.map(|(name, default)| (name.to_owned(), default.to_owned())));
        for text in ["250ms", "10s", "1s500ms", "168h"] {
            assert_eq!(duration_text(parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "<secret>");
    }
}
