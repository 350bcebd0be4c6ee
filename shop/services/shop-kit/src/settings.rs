//! Settings come from the environment, which is passed as a value.
//!
//! A program declares its [`Variable`]s in one table ([`variables!`](crate::variables)), which its documentation is made
//! of. Every reader takes one of them, and answers with a [`SettingError`] that names the variable, shows what it held
//! and what would have been accepted.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use thiserror::Error;
use url::Url;

/// The variables a program was started with.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
}

/// A variable that a program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What stands for it when it is not set, as one would write it; empty when nothing does.
    pub default: &'static str,
    /// What it says, for whoever sets it.
    pub meaning: &'static str,
}

/// Declares every variable of a program, each as a constant of its own name, and all of them as `VARIABLES`, in this
/// order.
#[macro_export]
macro_rules! variables {
    ($($name:ident = $default:literal, $meaning:literal;)*) => {
        $(
            pub(crate) const $name: $crate::settings::Variable = $crate::settings::Variable {
                name: stringify!($name), default: $default, meaning: $meaning,
            };
        )*
        /// Every variable.
        pub const VARIABLES: &[$crate::settings::Variable] = &[$(
            $crate::settings::Variable { name: stringify!($name), default: $default, meaning: $meaning },
        )*];
    };
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
        Self { values }
    }

    /// The text of a variable without blanks around it, or its default when it is unset or blank.
    fn trimmed(&self, variable: Variable) -> &str {
        let given = self.values.get(variable.name).map(|value| value.trim());
        given.filter(|value| !value.is_empty()).unwrap_or(variable.default)
    }

    /// An environment made of the given pairs.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let values = pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Self { values }
    }

    /// The text of a variable, or its default when it is not set. An empty variable counts as set.
    pub fn text(&self, variable: Variable) -> String {
        self.values.get(variable.name).map_or(variable.default, String::as_str).to_owned()
    }

    /// The text of a variable, or nothing when it is unset or blank.
    pub fn optional(&self, variable: Variable) -> Option<String> {
        Some(self.trimmed(variable)).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// A value that must not be printed.
    pub fn secret(&self, variable: Variable) -> Secret {
        Secret::new(self.trimmed(variable))
    }

    /// An address to listen on: `:8081` (every interface), `127.0.0.1:0` or `localhost:8081`.
    ///
    /// # Errors
    /// When the text is not such an address.
    pub fn address(&self, variable: Variable) -> Result<SocketAddr, SettingError> {
        let value = self.trimmed(variable);
        let full = if value.starts_with(':') { format!("0.0.0.0{value}") } else { value.to_owned() };
        let resolved = match full.parse() {
            Ok(address) => Some(address),
            Err(_) => full.to_socket_addrs().ok().and_then(|mut all| all.next()),
        };
        resolved.ok_or_else(|| wrong(variable, value, "an address to listen on", ":8081"))
    }

    /// An address to listen on, when one is given.
    ///
    /// # Errors
    /// When the text is not such an address.
    pub fn optional_address(&self, variable: Variable) -> Result<Option<SocketAddr>, SettingError> {
        self.optional(variable).map(|_| self.address(variable)).transpose()
    }

    /// A duration such as `10s`, `250ms`, `168h` or `1h30m`.
    ///
    /// # Errors
    /// When the text is not a duration.
    pub fn duration(&self, variable: Variable) -> Result<Duration, SettingError> {
        let value = self.trimmed(variable);
        parse_duration(value).ok_or_else(|| wrong(variable, value, "a duration", "10s"))
    }

    /// A switch: `true`, `false`, `1` or `0`.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn switch(&self, variable: Variable) -> Result<bool, SettingError> {
        match self.trimmed(variable) {
            "true" | "TRUE" | "True" | "t" | "1" => Ok(true),
            "false" | "FALSE" | "False" | "f" | "0" => Ok(false),
            other => Err(wrong(variable, other, "true or false", "true")),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// When the text is not a number that fits.
    pub fn number(&self, variable: Variable) -> Result<u64, SettingError> {
        let value = self.trimmed(variable);
        value.parse().map_err(|_| wrong(variable, value, "a whole number", "33554432"))
    }

    /// The address of another service, without a trailing slash. A variable that is set but empty means
    /// "there is none".
    ///
    /// # Errors
    /// When the text is not an `http://` address.
    pub fn base_url(&self, variable: Variable) -> Result<Option<BaseUrl>, SettingError> {
        let text = self.text(variable);
        let value = text.trim();
        if value.is_empty() {
            return Ok(None);
        }
        BaseUrl::parse(value).map(Some).ok_or_else(|| {
            wrong(variable, value, "the http:// address of a service", "http://localhost:8081")
        })
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

fn wrong(variable: Variable, value: &str, expected: &'static str, example: &'static str) -> SettingError {
    SettingError { name: variable.name.to_owned(), value: value.to_owned(), expected, example }
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

    fn variable(name: &'static str, default: &'static str) -> Variable {
        Variable { name, default, meaning: "" }
    }

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
            let got =
                Environment::from_pairs([("A", text)]).address(variable("A", ":1")).map(|a| a.to_string());
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
        assert_eq!(env.base_url(variable("A", "http://d")).unwrap(), None);
        assert_eq!(env.base_url(variable("B", "")).unwrap().unwrap().join("/p?q=1"), "http://h:1/x/p?q=1");
        assert_eq!(env.base_url(variable("D", "http://d:2")).unwrap().unwrap().as_str(), "http://d:2");
        let error = env.base_url(variable("C", "")).unwrap_err().to_string();
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
    fn what_is_not_given_is_the_default() {
        let env = Environment::from_pairs([("BLANK", " "), ("GIVEN", " 5s ")]);
        for name in ["BLANK", "UNSET"] {
            assert_eq!(env.duration(variable(name, "90m")).unwrap(), Duration::from_secs(5400));
            assert_eq!(env.secret(variable(name, "dev")).reveal(), "dev");
            assert_eq!(env.optional(variable(name, "")), None);
            assert_eq!(env.optional_address(variable(name, "")).unwrap(), None);
        }
        assert_eq!(env.duration(variable("GIVEN", "90m")).unwrap(), Duration::from_secs(5));
        assert_eq!(env.text(variable("BLANK", "x")), " ", "empty is something here");
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "<secret>");
    }
}
