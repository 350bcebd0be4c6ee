//! What the standard variables say.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

/// How and where spans are exported.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where to.
    pub endpoint: Endpoint,
    /// Sent along with each batch; such as a token.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long the collector may take for a batch. Default 10 s.
    pub timeout: Duration,
    /// Spans that may wait. Default 2048.
    pub queue: usize,
    /// Spans of one batch at most. Default 512.
    pub batch: usize,
    /// How long the first span of a batch waits for others. Default 5 s.
    pub delay: Duration,
    /// How long to wait before a batch is sent again that the collector could not take for now; twice as long before the
    /// third and last time. Default 1 s.
    pub backoff: Duration,
    /// Which traces.
    pub sampler: Sampler,
    /// What the spans say about their origin.
    pub resource: BTreeMap<String, String>,
}

/// A collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `host:port` to connect to.
    pub authority: String,
    /// The path that is posted to.
    pub path: String,
}

/// Which traces are exported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Whether whoever asked has decided already, where a `traceparent` came along.
    pub parent_decides: bool,
    /// Of those that nobody has decided about, this part, from 0 to 1.
    pub ratio: f64,
}

impl Sampler {
    /// The same answer for one trace everywhere, since it depends on nothing but the trace.
    #[must_use]
    pub fn samples(&self, trace_id: [u8; 16], parent: Option<bool>) -> bool {
        if let (true, Some(sampled)) = (self.parent_decides, parent) {
            return sampled;
        }
        let [.., a, b, c, d, e, f, g] = trace_id;
        // The last 56 bits, which are random (W3C Trace Context, level 2).
        let random = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
        #[expect(clippy::cast_precision_loss, reason = "no trace more or less is noticed")]
        let part = random as f64 / (1_u64 << 56) as f64;
        part < self.ratio
    }
}

/// Why no spans are exported.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// A variable has a value that this exporter can't do.
    #[error("{variable}={value} can't be done here: {why}; no spans are exported, traffic is served")]
    Value {
        /// The variable.
        variable: String,
        /// Its value.
        value: String,
        /// What would be right.
        why: String,
    },
    /// The thread can't be started.
    #[error("the thread that exports spans can't be started; no spans are exported, traffic is served")]
    Thread {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

const GENERAL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

impl Settings {
    /// The defaults, to this collector, for one in so many of the traces that begin here.
    ///
    /// # Errors
    /// [`OtlpError::Value`] when the collector can't be reached that way.
    pub fn to(endpoint: &str, one_in: u32) -> Result<Self, OtlpError> {
        Ok(Self {
            endpoint: Endpoint::parse("otlp.endpoint", endpoint, "/v1/traces")?,
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            queue: 2_048,
            batch: 512,
            delay: Duration::from_secs(5),
            backoff: Duration::from_secs(1),
            sampler: Sampler { parent_decides: true, ratio: 1.0 / f64::from(one_in.max(1)) },
            resource: [("service.name".to_owned(), "fairway-edge".to_owned())].into(),
        })
    }

    /// The settings that variables of the process describe; none when they name no endpoint or ask for none.
    /// `OTEL_EXPORTER_OTLP_*` with and without `TRACES_`, `OTEL_BSP_*`, `OTEL_TRACES_SAMPLER*`, `OTEL_SERVICE_NAME`,
    /// `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_EXPORTER`, `OTEL_SDK_DISABLED`.
    ///
    /// # Errors
    /// [`OtlpError::Value`] for what is asked and can't be done.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, OtlpError> {
        let read = Read(&|name| variable(name).filter(|value| !value.trim().is_empty()));
        if read.one("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        match read.one("OTEL_TRACES_EXPORTER").as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => return Err(bad("OTEL_TRACES_EXPORTER", other, "say `otlp` or `none`")),
        }
        let endpoint = match (read.one(TRACES), read.one(GENERAL)) {
            (Some(url), _) => Endpoint::parse(TRACES, &url, "")?,
            (None, Some(url)) => Endpoint::parse(GENERAL, &url, "/v1/traces")?,
            (None, None) => return Ok(None),
        };
        if let Some((name, value)) = read.either("PROTOCOL")
            && value != "http/json"
        {
            return Err(bad(&name, &value, "say `http/json`"));
        }
        if let Some((name, value)) = read.either("COMPRESSION")
            && value != "none"
        {
            return Err(bad(&name, &value, "say `none`"));
        }
        let headers = match read.either("HEADERS") {
            None => Vec::new(),
            Some((name, value)) => {
                pairs(&name, &value)?.into_iter().map(|pair| header(&name, pair)).collect::<Result<_, _>>()?
            }
        };
        let mut resource: BTreeMap<String, String> = match read.one("OTEL_RESOURCE_ATTRIBUTES") {
            None => BTreeMap::new(),
            Some(value) => pairs("OTEL_RESOURCE_ATTRIBUTES", &value)?.into_iter().collect(),
        };
        match read.one("OTEL_SERVICE_NAME") {
            Some(name) => _ = resource.insert("service.name".to_owned(), name),
            None => {
                _ = resource.entry("service.name".to_owned()).or_insert_with(|| "fairway-edge".to_owned())
            }
        }
        let timeout = match read.either("TIMEOUT") {
            None => 10_000,
            Some((name, value)) => number(&name, &value)?,
        };
        let of = |name: &str, default| read.one(name).map_or(Ok(default), |value| number(name, &value));
        let size = |name: &str, default| {
            of(name, default).map(|value| usize::try_from(value).unwrap_or(usize::MAX).clamp(1, 1 << 20))
        };
        Ok(Some(Self {
            endpoint,
            headers,
            timeout: Duration::from_millis(timeout),
            queue: size("OTEL_BSP_MAX_QUEUE_SIZE", 2_048)?,
            batch: size("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)?,
            delay: Duration::from_millis(of("OTEL_BSP_SCHEDULE_DELAY", 5_000)?),
            backoff: Duration::from_secs(1),
            sampler: sampler(&read)?,
            resource,
        }))
    }
}

/// The variables.
struct Read<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Read<'_> {
    fn one(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }

    /// The variable for traces, else the general one.
    fn either(&self, what: &str) -> Option<(String, String)> {
        let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
        names.into_iter().find_map(|name| Some((name.clone(), self.one(&name)?)))
    }
}

impl Endpoint {
    fn parse(variable: &str, url: &str, below: &str) -> Result<Self, OtlpError> {
        let wrong = || bad(variable, url, "write a URL such as `http://127.0.0.1:4318`");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(bad(
                    variable,
                    url,
                    "spans are sent by plain HTTP; name a collector on this host or network",
                ));
            }
            _ => return Err(wrong()),
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        let path = format!("{}{below}", uri.path().trim_end_matches('/'));
        Ok(Self { authority, path: if path.is_empty() { "/".to_owned() } else { path } })
    }
}

fn sampler(read: &Read<'_>) -> Result<Sampler, OtlpError> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
    let Some(value) = read.one(NAME) else { return Ok(Sampler { parent_decides: true, ratio: 1.0 }) };
    let (parent_decides, kind) =
        value.strip_prefix("parentbased_").map_or((false, value.as_str()), |kind| (true, kind));
    let ratio = match kind {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => match read.one(ARGUMENT) {
            None => 1.0,
            Some(text) => {
                let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
                ratio.ok_or_else(|| bad(ARGUMENT, &text, "say a number from 0 to 1"))?
            }
        },
        _ => {
            return Err(bad(
                NAME,
                &value,
                "say `always_on`, `always_off` or `traceidratio`, or `parentbased_` and one of them",
            ));
        }
    };
    Ok(Sampler { parent_decides, ratio })
}

/// `key=value,key=value` with percent-encoded values.
fn pairs(variable: &str, text: &str) -> Result<Vec<(String, String)>, OtlpError> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let wrong = || bad(variable, "…", "write `key=value,key=value`");
    let pair = |entry: &str| {
        let (key, value) = entry.split_once('=').ok_or_else(wrong)?;
        let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| wrong())?;
        Ok((key.trim().to_owned(), value.into_owned()))
    };
    entries.map(pair).collect()
}

/// Values of headers are not shown in errors: they may be tokens.
fn header(variable: &str, (key, value): (String, String)) -> Result<(HeaderName, HeaderValue), OtlpError> {
    let wrong = || bad(variable, "…", "a key or value is not one of a header");
    let name = HeaderName::try_from(key).map_err(|_| wrong())?;
    let mut value = HeaderValue::try_from(value).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn number(variable: &str, value: &str) -> Result<u64, OtlpError> {
    value.trim().parse().map_err(|_| bad(variable, value, "say a whole number (times are milliseconds)"))
}

fn bad(variable: &str, value: &str, why: &str) -> OtlpError {
    OtlpError::Value { variable: variable.to_owned(), value: value.to_owned(), why: why.to_owned() }
}
