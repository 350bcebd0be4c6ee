//! Everything that is not the gateway's own: to the boundary that the contracts name, and back.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use fairway_forward::{Closing, Error, Exchange, Guard, Next, RequestBody, Target, Targets};
use http::header::CONTENT_LENGTH;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use shop_kit::layers::{INTERNAL_TOKEN, REQUEST_ID, RequestId, SERVICE};
use shop_kit::metrics::RouteName;
use shop_kit::server::{Hold, Peer, Shutdown};
use shop_kit::{ApiError, ApiResult};

use crate::app::App;
use crate::flags;
use crate::routing::Boundary;
use crate::upstreams::Upstream;

/// How long the other side of a WebSocket has for its goodbye when the gateway stops.
const GOODBYE: Duration = Duration::from_secs(2);

/// Answers a request that no route of the gateway took.
///
/// # Errors
/// 404 when no contract knows the path, 403 when a feature is off, 413 for too large a body, 501 when the
/// boundary has no program, 502 when it does not answer.
pub async fn forward(State(app): State<App>, request: Request) -> ApiResult<Response> {
    let path = request.uri().path().to_owned();
    let Some(destination) = app.routes().find(request.method().as_str(), &path) else {
        return Err(ApiError::not_found(format!("no contract knows {path}")));
    };
    if destination.boundary == Boundary::Gateway {
        return Err(app.own().answer(request.method(), &path));
    }
    if !destination.feature_flags.is_empty() {
        let mut headers = HeaderMap::new();
        copy_request_id(&request, &mut headers);
        // While the flags can't be read the boundary decides; it has a fallback of its own.
        if let Some(flags) = app.flags().read(app.upstreams(), &headers).await {
            flags::require(&flags, destination.feature_flags)?;
        }
    }
    match app.upstreams().get(destination.boundary) {
        Some(upstream) => {
            let boundary = destination.boundary;
            let changes_flags = path == flags::PATH && request.method() != Method::GET;
            let mut response = exchange(&app, upstream, boundary, request).await.into_response();
            if changes_flags {
                app.flags().forget();
            }
            // In the numbers; the boundary itself counts by its own routes.
            response.extensions_mut().insert(RouteName(boundary.to_string().into()));
            Ok(response)
        }
        None => Err(without_program(destination.boundary, &path)),
    }
}

async fn exchange(
    app: &App,
    upstream: &Upstream,
    boundary: Boundary,
    mut request: Request,
) -> ApiResult<Response> {
    let limit = app.max_body_bytes();
    let too_large = || {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            format!("the body is larger than {limit} bytes"),
        )
    };
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut headers = std::mem::take(request.headers_mut());
    copy_request_id(&request, &mut headers);
    // What services show each other does not come from outside.
    headers.remove(INTERNAL_TOKEN);
    *request.headers_mut() = headers;
    if !upstream.prefix().is_empty() {
        prefix(request.uri_mut(), upstream.prefix())
            .map_err(|e| ApiError::internal("internal server error", e))?;
    }
    let path = request.uri().path().to_owned();
    // The edge in front of the gateway has said who asks; what it said is kept and added to. Of anybody else it is
    // replaced.
    let client = request.extensions().get::<Peer>().map(|peer| peer.0);
    let from = client.map_or_else(Exchange::own, |address| Exchange {
        trusted: app.guards().trusts(address.ip()),
        ..Exchange::from_client(address)
    });
    let from = from.with_timeouts(app.upstreams().timeouts());

    let exceeded = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&exceeded);
    let request = request.map(|body| RequestBody::new(Capped { body, left: limit, exceeded: flag }));
    let addresses =
        upstream.addresses().await.map_err(|e| ApiError::bad_gateway(format!("{boundary}: {e}")))?;
    let targets = Watched { addresses: addresses.into_iter(), shutdown: app.shutdown().clone() };
    match app.upstreams().forwarder().forward(request, targets, &from).await {
        // Every service of the shop says its name, even in a 501. Without one it came from whatever stands
        // in for a program that does not exist yet, and clients should see the shop's own words.
        Ok(response)
            if response.status() == StatusCode::NOT_IMPLEMENTED
                && !response.headers().contains_key(SERVICE) =>
        {
            Err(without_program(boundary, &path))
        }
        Ok(response) => Ok(response.map(Body::new)),
        Err(_) if exceeded.load(Ordering::Relaxed) => Err(too_large()),
        Err(error @ (Error::ClientGone | Error::ClientSlow { .. } | Error::Request(_))) => {
            Err(ApiError::new(error.status(), "invalid_request", "the request could not be read")
                .because(error))
        }
        Err(error) => {
            let cause =
                std::error::Error::source(&error).map_or(String::new(), |source| format!(": {source}"));
            Err(ApiError::bad_gateway(format!("{boundary}: {error}{cause}")))
        }
    }
}

/// The answer of a boundary that has a contract and no program.
fn without_program(boundary: Boundary, path: &str) -> ApiError {
    match boundary {
        Boundary::Identity | Boundary::Commerce | Boundary::Gateway => {
            ApiError::bad_gateway(format!("{boundary} has no address"))
        }
        Boundary::Payment | Boundary::Admin | Boundary::Ai => {
            tracing::warn!(%boundary, path, "asked for a boundary that has no program yet");
            ApiError::not_implemented(format!("{boundary} service not implemented"))
        }
    }
}

fn copy_request_id(request: &Request, headers: &mut HeaderMap) {
    let id = request.extensions().get::<RequestId>();
    if let Some(value) = id.and_then(|id| HeaderValue::from_str(&id.0).ok()) {
        headers.insert(REQUEST_ID, value);
    }
}

fn prefix(uri: &mut Uri, prefix: &str) -> Result<(), http::Error> {
    let rest = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{prefix}{rest}"))?);
    *uri = Uri::from_parts(parts)?;
    Ok(())
}

/// The addresses of a boundary; exchanges with them hold the end of the gateway and end with it.
struct Watched {
    addresses: std::vec::IntoIter<std::net::SocketAddr>,
    shutdown: Shutdown,
}

/// Accompanies one exchange.
struct Watch {
    shutdown: Shutdown,
    _hold: Hold,
}

impl Targets for Watched {
    type Guard = Watch;

    fn next(&mut self) -> Next<Watch> {
        let Some(address) = self.addresses.next() else { return Next::Nobody };
        let guard = Watch { _hold: self.shutdown.hold(), shutdown: self.shutdown.clone() };
        Next::Target(Target { address, guard })
    }
}

impl Guard for Watch {
    fn closing(&self) -> Option<Closing> {
        let shutdown = self.shutdown.clone();
        Some(Box::pin(async move {
            shutdown.requested().await;
            GOODBYE
        }))
    }
}

/// A request body that ends with an error when it grows too large.
struct Capped {
    body: Body,
    left: u64,
    exceeded: Arc<AtomicBool>,
}

impl HttpBody for Capped {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => {
                    self.exceeded.store(true, Ordering::Relaxed);
                    return Poll::Ready(Some(Err("the body is too large".into())));
                }
            }
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
