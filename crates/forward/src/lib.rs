//! Forward one HTTP exchange: pooling, timeouts, limits, upgrades, streaming.
//!
//! # Design
//!
//! A [`Forwarder`] takes a request and somewhere to send it and returns the response as soon as its head is there.
//! Bodies stream both ways piece by piece and are never collected; back-pressure goes through, so memory stays flat.
//!
//! ```no_run
//! # async fn example(request: http::Request<hyper::body::Incoming>) -> Result<(), fairway_forward::Error> {
//! use fairway_forward::{Exchange, Forwarder, Settings};
//!
//! let forwarder = Forwarder::new(Settings::default());
//! let exchange = Exchange::from_client("192.0.2.7:51000".parse().expect("an address"));
//! let instances = ["127.0.0.1:40001".parse().expect("an address")];
//! let response = forwarder.forward(request, &instances[..], &exchange).await?;
//! # drop(response); Ok(()) }
//! ```
//!
//! * **Where to**: [`Targets`] is asked for an address when one is needed, and again when a dial failed. A slice of
//!   addresses is the simple form. An implementation can hand out a [`Guard`] with each address, which then lives
//!   exactly as long as the exchange with that address: until the last byte of the body, the end of the upgraded
//!   connection, or the moment that the exchange moves on to another address. That is how the edge counts.
//! * **Retries** happen only where nothing can happen twice: when no connection could be made; when a pooled
//!   connection turned out to be closed before a byte was sent; when a target of HTTP/2 says that it has not looked at
//!   the request; and when a connection ended without an answer and the request is idempotent. What can be sent again
//!   is here until its answer begins: no body over HTTP/1.1, up to 64 KiB of it over HTTP/2.
//! * **Headers**: what belongs to one hop is removed ([RFC 9110, 7.6.1]), `X-Forwarded-For`, `-Proto` and `-Host` are
//!   added, `Host` stays as the client sent it.
//! * **Upgrades** (WebSocket and anything else that uses HTTP/1.1 `Upgrade`) become a tunnel once the target answers
//!   101. Targets that speak HTTP/2 get a WebSocket by extended CONNECT ([RFC 8441]), if they have announced it. A tunnel that is told to close ends a WebSocket with a close frame.
//! * **Engine**: an HTTP/1.1 client of our own that runs in the caller's task, on [`fairway_http1`]; an idle connection
//!   costs its socket. HTTP/2 is hyper's.
//! * **TLS** is spoken with targets for exchanges that bring a [`Tls`]; the limit for a connection includes its handshake,
//!   and a handshake that fails is a dial that failed.
//! * **Two forms**: [`Forwarder::forward`] takes a [`Request`](http::Request) and gives a [`Response`](http::Response).
//!   [`Forwarder::pass`] takes an [`Inbound`] and gives an [`Answer`]: their headers stay the lines that came until somebody
//!   looks at them.
//!
//! [RFC 8441]: https://www.rfc-editor.org/rfc/rfc8441
//! [RFC 9110, 7.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1

mod answer;
mod body;
mod duplex;
mod error;
mod exchange;
mod forwarder;
mod h1;
mod h2;
mod headers;
mod idle;
mod inbound;
mod pool;
mod request_body;
mod settings;
mod spare;
mod stream;
mod target;
mod timer;
mod tls;
mod tunnel;
mod websocket;
mod wire;

pub use answer::Answer;
pub use body::{Body, BodyError};
pub use duplex::{Duplex, Prefixed};
pub use error::Error;
pub use exchange::{Exchange, Interim, Protocol, Scheme, Timeouts};
pub use forwarder::{Forwarder, Settings};
pub use headers::client_text;
pub use inbound::{Identity, Inbound};
pub use request_body::RequestBody;
pub use target::{Closing, Ending, Guard, Next, Target, Targets};
pub use timer::Timer;
pub use tls::{Tls, TlsFault};
pub use tunnel::Takeover;
