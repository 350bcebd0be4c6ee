//! A name server for one test: every name is on loopback, and TXT records are files that a hook writes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const A: u16 = 1;
const TXT: u16 = 16;

impl Dns {
    /// TXT records are the lines of `<records>/<name>`.
    pub(crate) async fn start(records: PathBuf) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut query = [0; 1500];
            while let Ok((length, client)) = socket.recv_from(&mut query).await {
                if let Some(answer) = answer(&query[..length], &records) {
                    let _ = socket.send_to(&answer, client).await;
                }
            }
        });
        Self { address, task }
    }
}

/// RFC 1035, 4.1: the header, the question as it came, then the records with a pointer to the question's name.
fn answer(query: &[u8], records: &std::path::Path) -> Option<Vec<u8>> {
    let mut name = String::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        let label = query.get(at + 1..at + 1 + length)?;
        at += 1 + length;
        if length == 0 {
            break;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(label).to_lowercase());
    }
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    let data: Vec<Vec<u8>> = match kind {
        A => vec![Ipv4Addr::LOCALHOST.octets().to_vec()],
        TXT => std::fs::read_to_string(records.join(&name))
            .unwrap_or_default()
            .lines()
            .map(|line| [&[u8::try_from(line.len()).unwrap()], line.as_bytes()].concat())
            .collect(),
        _ => Vec::new(),
    };
    let mut answer = query[..2].to_vec();
    answer.extend([0x84, 0x00, 0, 1]);
    answer.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    answer.extend([0; 4]);
    answer.extend(&query[12..at + 4]);
    for data in data {
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 0]);
        answer.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}
