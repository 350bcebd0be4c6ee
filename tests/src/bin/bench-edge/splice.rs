//! The limit: what a proxy costs that understands nothing. One connection to the upstream for each client, bytes copied.

use crate::upstream::listener;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// Each way and connection; an answer of 16 KiB with its head fits into it.
const BUFFER: usize = 32 * 1024;

/// Serves until the process ends.
pub(crate) async fn serve(listen: SocketAddr, upstream: SocketAddr) -> anyhow::Result<()> {
    let listener = listener(listen)?;
    loop {
        let Ok((mut client, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            continue;
        };
        tokio::spawn(async move {
            let copied = async {
                let mut server = TcpStream::connect(upstream).await?;
                client.set_nodelay(true)?;
                server.set_nodelay(true)?;
                tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await
            };
            copied.await.unwrap_or_default()
        });
    }
}
