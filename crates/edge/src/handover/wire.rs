//! Lines of JSON over a Unix socket, and the descriptors that come with them.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytes::BytesMut;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// The system takes at most 253 descriptors in one message.
const AT_ONCE: usize = 250;
/// No line of this protocol comes near this; stats of many thousand instances do not.
const LONGEST: usize = 64 * 1024 * 1024;

/// Both ends of a connection.
pub(super) fn wire(stream: UnixStream) -> (Sender, Receiver) {
    let stream = Arc::new(stream);
    let receiver =
        Receiver { stream: Arc::clone(&stream), bytes: BytesMut::new(), descriptors: VecDeque::new() };
    (Sender(stream), receiver)
}

/// What is said. One task at a time says something.
#[derive(Debug)]
pub(super) struct Sender(Arc<UnixStream>);

impl Sender {
    pub(super) async fn say(&self, word: &impl Serialize) -> io::Result<()> {
        self.say_with(word, &[]).await
    }

    /// The first descriptors come with the line, the others with empty lines behind it.
    pub(super) async fn say_with(
        &self,
        word: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let mut line = serde_json::to_vec(word).map_err(io::Error::from)?;
        line.push(b'\n');
        let (first, rest) = descriptors.split_at(descriptors.len().min(AT_ONCE));
        self.send(&line, first).await?;
        for some in rest.chunks(AT_ONCE) {
            self.send(b"\n", some).await?;
        }
        Ok(())
    }

    async fn send(&self, mut bytes: &[u8], mut descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent = self.0.async_io(Interest::WRITABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
                    return Err(io::Error::other("too many descriptors for one message"));
                }
                Ok(sendmsg(&self.0, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?)
            });
            bytes = &bytes[sent.await?..];
            descriptors = &[];
        }
        Ok(())
    }
}

/// What is heard. A call that is given up loses nothing.
#[derive(Debug)]
pub(super) struct Receiver {
    stream: Arc<UnixStream>,
    bytes: BytesMut,
    descriptors: VecDeque<OwnedFd>,
}

impl Receiver {
    /// The next word; `UnexpectedEof` when the other side is gone.
    pub(super) async fn hear<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        loop {
            while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line = self.bytes.split_to(end + 1);
                if line.len() > 1 {
                    return serde_json::from_slice(&line).map_err(io::Error::from);
                }
            }
            if self.bytes.len() > LONGEST {
                return Err(io::Error::other("the line is too long"));
            }
            self.fill().await?;
        }
    }

    /// So many descriptors, in the order in which they were sent.
    pub(super) async fn descriptors(&mut self, count: usize) -> io::Result<Vec<OwnedFd>> {
        while self.descriptors.len() < count {
            self.fill().await?;
        }
        Ok(self.descriptors.drain(..count).collect())
    }

    async fn fill(&mut self) -> io::Result<()> {
        let Self { stream, bytes, descriptors } = self;
        let received = stream.async_io(Interest::READABLE, || {
            let mut data = [0; 8192];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut into = [IoSliceMut::new(&mut data)];
            let received = recvmsg(&**stream, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(some) = message {
                    descriptors.extend(some);
                }
            }
            if received.flags.contains(ReturnFlags::CTRUNC) {
                return Err(io::Error::other("there is no room for all descriptors, the limit is too low"));
            }
            bytes.extend_from_slice(&data[..received.bytes]);
            Ok(received.bytes)
        });
        match received.await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
