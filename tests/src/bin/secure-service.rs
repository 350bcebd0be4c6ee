//! A service that speaks TLS and nothing else.
//!
//! It listens at `ADDRESS`, with the certificate and key in the PEM file `SERVER_PEM`, and answers what it was asked.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, env, sync::Arc};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let file = env::var("SERVER_PEM").context("SERVER_PEM")?;
    let chain = CertificateDer::pem_file_iter(&file)?.collect::<Result<_, _>>()?;
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(&file)?)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(env::var("ADDRESS").context("ADDRESS")?).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            // How clients leave is their affair.
            let _ = serving.await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(format!("in TLS: {}", request.uri().path()))))
}
