//! What the edge says in its own name.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use fairway_forward::{Answer, Body, BodyError, Takeover};
use fairway_guard::{Encoder, Encoding};
use fairway_http1::Headers;
use fairway_route::Stub;
use http::header::{ACCEPT, ALLOW, CONNECTION, CONTENT_TYPE, DATE, RETRY_AFTER, SERVER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use serde::Serialize;

use crate::h2::Counted;
use crate::instance::Passage;
use crate::record::Record;
use crate::visitor::{Presence, Signal};

/// The generation that was serving when the edge answered itself.
const X_FAIRWAY_RELEASE: HeaderName = HeaderName::from_static("x-fairway-release");
const NAME: HeaderValue = HeaderValue::from_static("fairway-edge");

/// What the client gets.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Headers,
    /// Whether a `Date` is among the headers.
    pub(crate) dated: bool,
    pub(crate) body: EdgeBody,
    /// Takes the client's stream if the protocol is switched.
    pub(crate) takeover: Option<Takeover>,
}

impl From<Response<EdgeBody>> for Reply {
    fn from(response: Response<EdgeBody>) -> Self {
        let (parts, body) = response.into_parts();
        let dated = parts.headers.contains_key(DATE);
        Self { status: parts.status, headers: parts.headers.into(), dated, body, takeover: None }
    }
}

impl From<Answer<Passage>> for Reply {
    fn from(answer: Answer<Passage>) -> Self {
        let Answer { status, headers, dated, body, takeover } = answer;
        Self { status, headers, dated, body: body.into(), takeover }
    }
}

impl Reply {
    /// For hyper.
    pub(crate) fn into_response(self) -> Response<EdgeBody> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.into_map();
        if let Some(takeover) = self.takeover {
            response.extensions_mut().insert(takeover);
        }
        response
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct EdgeBody {
    source: Source,
    /// Of a stream of HTTP/2: what ends with it, and how it is told to end.
    stream: Option<Box<(Presence, Counted)>>,
    /// What the access log will say.
    record: Option<Box<Record>>,
    /// Compresses it on its way.
    encoder: Option<Box<Encoder>>,
    /// What was held back until the end of what is compressed.
    trailers: Option<Box<HeaderMap>>,
}

#[derive(Debug)]
enum Source {
    /// An instance's, streaming.
    Forwarded(Body<Passage>),
    /// The edge's own.
    Own(Option<Bytes>),
}

impl From<Body<Passage>> for EdgeBody {
    fn from(body: Body<Passage>) -> Self {
        Self::new(Source::Forwarded(body))
    }
}

impl EdgeBody {
    fn new(source: Source) -> Self {
        Self { source, stream: None, record: None, encoder: None, trailers: None }
    }

    pub(crate) fn own(bytes: Bytes) -> Self {
        Self::new(Source::Own((!bytes.is_empty()).then_some(bytes)))
    }

    /// The bytes, if they are the edge's own.
    pub(crate) fn into_own(mut self) -> Bytes {
        match &mut self.source {
            Source::Own(bytes) => bytes.take().unwrap_or_default(),
            Source::Forwarded(_) => Bytes::new(),
        }
    }

    pub(crate) fn of_stream(mut self, presence: Presence, counted: Counted) -> Self {
        self.stream = Some(Box::new((presence, counted)));
        self
    }

    pub(crate) fn attach(&mut self, record: Option<Box<Record>>, encoding: Option<Encoding>) {
        self.record = record;
        self.encoder = encoding.map(|encoding| Box::new(Encoder::new(encoding)));
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Step {
        match &mut self.source {
            Source::Forwarded(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Source::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn poll_encoded(&mut self, cx: &mut Context<'_>) -> Step {
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(*trailers))));
        }
        while self.encoder.is_some() {
            let over = match &mut self.source {
                Source::Forwarded(body) => body.is_end_stream(),
                Source::Own(bytes) => bytes.is_none(),
            };
            let piece = match if over { Poll::Ready(None) } else { self.poll_source(cx) } {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.encoder.as_mut().map(|encoder| encoder.push(&data)).unwrap_or_default(),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok().map(Box::new);
                        self.encoder.take().map(|encoder| encoder.finish()).unwrap_or_default()
                    }
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => self.encoder.take().map(|encoder| encoder.finish()).unwrap_or_default(),
                Poll::Pending => {
                    let Some(encoder) = &mut self.encoder else { return Poll::Pending };
                    let piece = encoder.flush();
                    if piece.is_empty() {
                        return Poll::Pending;
                    }
                    piece
                }
            };
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
        self.poll_source(cx)
    }

    fn is_over(&self) -> bool {
        if self.encoder.is_some() || self.trailers.is_some() {
            return false;
        }
        match &self.source {
            Source::Forwarded(body) => body.is_end_stream(),
            Source::Own(bytes) => bytes.is_none(),
        }
    }
}

impl Drop for EdgeBody {
    fn drop(&mut self) {
        if let Some(record) = &mut self.record {
            record.complete |= match &self.source {
                Source::Forwarded(body) => body.is_end_stream(),
                Source::Own(bytes) => bytes.is_none(),
            };
        }
    }
}

type Step = Poll<Option<Result<Frame<Bytes>, EdgeBodyError>>>;

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EdgeBodyError {
    #[error(transparent)]
    Forwarded(#[from] BodyError),
    #[error("the time to finish is up")]
    Cut,
}

impl HttpBody for EdgeBody {
    type Data = Bytes;
    type Error = EdgeBodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step {
        let this = self.get_mut();
        if let Some(stream) = &this.stream
            && stream.0.visitor.heed(cx) == Signal::Cut
        {
            return Poll::Ready(Some(Err(EdgeBodyError::Cut)));
        }
        let step = if this.encoder.is_some() || this.trailers.is_some() {
            this.poll_encoded(cx)
        } else {
            this.poll_source(cx)
        };
        if let Some(record) = &mut this.record {
            match &step {
                Poll::Ready(Some(Ok(frame))) => {
                    record.bytes_out += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                Poll::Ready(Some(Err(_))) => record.why = Some("broken"),
                _ => {}
            }
        }
        step
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            _ if self.encoder.is_some() || self.trailers.is_some() => SizeHint::new(),
            Source::Forwarded(body) => body.size_hint(),
            Source::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}

/// Why the edge did not pass a request on, for whoever asked.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal<'a> {
    #[serde(skip)]
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<u64>,
}

impl<'a> Refusal<'a> {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        Self { status, code, message, from: "fairway-edge", environment: None, service: None, release: None }
    }

    pub(crate) fn of_environment(mut self, name: &'a str, release: u64) -> Self {
        self.environment = Some(name);
        self.release = Some(release);
        self
    }

    pub(crate) fn of_service(mut self, name: &'a str) -> Self {
        self.service = Some(name);
        self
    }

    /// The response: JSON, or plain text for whoever asks for text and not for JSON.
    pub(crate) fn response(&self, asked: &HeaderMap) -> Response<EdgeBody> {
        let mut response = if wants_text(asked) {
            own(self.status, "text/plain; charset=utf-8", self.text())
        } else {
            own(self.status, "application/json", json(self))
        };
        release(&mut response, self.release);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if matches!(self.status, StatusCode::BAD_REQUEST | StatusCode::REQUEST_TIMEOUT) {
            // What follows on this connection may be the rest of what was not understood.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn text(&self) -> String {
        let mut text = format!("{} {}\n{}\n", self.status, self.code, self.message);
        for (name, value) in [("environment", self.environment), ("service", self.service)] {
            if let Some(value) = value {
                text += &format!("{name}: {value}\n");
            }
        }
        if let Some(release) = self.release {
            text += &format!("release: {release}\n");
        }
        text + "from: fairway-edge\n"
    }
}

#[derive(Serialize)]
struct NotImplemented<'a> {
    code: &'static str,
    message: String,
    boundary: &'a str,
}

/// What a boundary without a program answers.
pub(crate) fn stub(stub: &Stub, generation: u64, path: &str, head_or_get: bool) -> Response<EdgeBody> {
    let probe = path == "/health" || path == "/ready";
    let mut response = if probe && head_or_get {
        #[derive(Serialize)]
        struct Up<'a> {
            status: &'static str,
            boundary: &'a str,
        }
        own(StatusCode::OK, "application/json", json(&Up { status: "ok", boundary: &stub.boundary }))
    } else if probe {
        let mut response = own(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "use GET\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        response
    } else {
        let name = stub.title.as_deref().unwrap_or(&stub.boundary);
        let message = format!("{name} has a contract and no program yet");
        let body = NotImplemented { code: "not_implemented", message, boundary: &stub.boundary };
        own(StatusCode::NOT_IMPLEMENTED, "application/json", json(&body))
    };
    release(&mut response, Some(generation));
    response
}

pub(crate) fn own(status: StatusCode, kind: &'static str, body: String) -> Response<EdgeBody> {
    let mut response = Response::new(EdgeBody::own(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(SERVER, NAME);
    response
}

fn release(response: &mut Response<EdgeBody>, generation: Option<u64>) {
    if let Some(generation) = generation {
        response.headers_mut().insert(X_FAIRWAY_RELEASE, generation.into());
    }
}

fn json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("strings and numbers always serialise");
    text.push('\n');
    text
}

/// Whether text is named, and not after JSON.
fn wants_text(asked: &HeaderMap) -> bool {
    let accept = asked.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match (accept.find("text/"), accept.find("json")) {
        (Some(text), Some(json)) => text < json,
        (Some(_), None) => true,
        (None, _) => false,
    }
}
