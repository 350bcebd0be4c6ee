//! An S3 server on a loopback port: the protocol (requests, signatures, XML) is the `s3s` crate's, the objects are in
//! memory, and conditional writes are decided under one lock. It can misbehave on request.

use super::location;
use fairway_store::Store;
use futures::TryStreamExt as _;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    S3, S3Request, S3Response, S3Result,
    auth::SimpleAuth,
    dto::{
        CommonPrefix, ETag, GetObjectInput, GetObjectOutput, ListObjectsV2Input, ListObjectsV2Output,
        Metadata, Object, PutObjectInput, PutObjectOutput, StreamingBlob, Timestamp,
    },
    s3_error,
    service::S3ServiceBuilder,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::SystemTime,
};

const BUCKET: &str = "log";
const KEY: &str = "test-key";
const SECRET: &str = "test-secret";
/// Small, so that listings come in pages.
const PAGE: usize = 7;

#[derive(Clone)]
struct Stored {
    content: Vec<u8>,
    metadata: Option<Metadata>,
}

/// How the server misbehaves with writes. Each number is how many writes are still affected.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// The object is stored, and the answer says that the server failed.
    pub(crate) stored_but_failed: usize,
    /// Nothing is stored, and the answer says that the server failed.
    pub(crate) failed: usize,
    /// Nothing is stored, and the answer says that another write is going on.
    pub(crate) conflict: usize,
    /// Conditions are ignored.
    pub(crate) unconditional: bool,
    /// Affects the objects whose keys contain this.
    pub(crate) only: &'static str,
}

#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, Stored>>,
    faults: Mutex<Faults>,
}

pub(crate) struct Server {
    bucket: Arc<Bucket>,
    address: SocketAddr,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        let bucket = Arc::new(Bucket::default());
        let mut builder = S3ServiceBuilder::new(Shared(Arc::clone(&bucket)));
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listening = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let builder = Builder::new(TokioExecutor::new());
                    // A client that hangs up is no matter of the server.
                    let _ = builder.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { bucket, address, listening }
    }

    pub(crate) fn store(&self, prefix: &str) -> Store {
        self.store_signing_with(prefix, SECRET)
    }

    pub(crate) fn store_signing_with(&self, prefix: &str, secret: &str) -> Store {
        let address = self.address;
        let location =
            location(&format!("s3://{BUCKET}/{prefix}?endpoint=http://{address}&region=eu-central-1"));
        let settings = BTreeMap::from([
            ("AWS_ACCESS_KEY_ID".to_owned(), KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), secret.to_owned()),
            // Must not be able to switch off what everything rests on.
            ("AWS_CONDITIONAL_PUT".to_owned(), "disabled".to_owned()),
        ]);
        Store::open_with(&location, &settings).unwrap()
    }

    pub(crate) fn misbehave(&self, faults: Faults) {
        *self.bucket.faults.lock().unwrap() = faults;
    }

    pub(crate) fn documents(&self, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let objects = self.bucket.objects.lock().unwrap();
        let below = objects.iter().filter_map(|(key, stored)| Some((key.strip_prefix(prefix)?, stored)));
        below.map(|(key, stored)| (key.to_owned(), stored.content.clone())).collect()
    }

    pub(crate) fn overwrite(&self, key: &str, content: &[u8]) {
        let stored = Stored { content: content.to_vec(), metadata: None };
        self.bucket.objects.lock().unwrap().insert(key.to_owned(), stored);
    }

    pub(crate) fn remove(&self, key: &str) {
        assert!(self.bucket.objects.lock().unwrap().remove(key).is_some(), "{key}");
    }
}

struct Shared(Arc<Bucket>);

fn take(count: &mut usize) -> bool {
    let any = *count > 0;
    *count = count.saturating_sub(1);
    any
}

#[async_trait::async_trait]
impl S3 for Shared {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let PutObjectInput { key, body, metadata, if_none_match, .. } = request.input;
        let body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
        let chunks: Vec<_> = body.try_collect().await.map_err(|_| s3_error!(IncompleteBody))?;
        let content = chunks.concat();
        let mut faults = self.0.faults.lock().unwrap();
        let affected = key.contains(faults.only);
        if affected && take(&mut faults.failed) {
            return Err(s3_error!(InternalError, "the disk is on fire"));
        }
        if affected && take(&mut faults.conflict) {
            return Err(s3_error!(ConditionalRequestConflict, "another write is going on"));
        }
        let mut objects = self.0.objects.lock().unwrap();
        let conditional = if_none_match.is_some_and(|condition| condition.is_any()) && !faults.unconditional;
        if conditional && objects.contains_key(&key) {
            return Err(s3_error!(PreconditionFailed));
        }
        objects.insert(key, Stored { content, metadata });
        if affected && take(&mut faults.stored_but_failed) {
            return Err(s3_error!(InternalError, "the answer got lost"));
        }
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong("tag".to_owned())),
            ..Default::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let objects = self.0.objects.lock().unwrap();
        let stored = objects.get(&request.input.key).cloned().ok_or_else(|| s3_error!(NoSuchKey))?;
        let length = i64::try_from(stored.content.len()).unwrap();
        let body = s3s::Body::from(bytes::Bytes::from(stored.content));
        Ok(S3Response::new(GetObjectOutput {
            body: Some(StreamingBlob::from(body)),
            content_length: Some(length),
            e_tag: Some(ETag::Strong("tag".to_owned())),
            last_modified: Some(Timestamp::from(SystemTime::now())),
            metadata: stored.metadata,
            ..Default::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let ListObjectsV2Input { bucket, prefix, delimiter, continuation_token, start_after, .. } =
            request.input;
        if bucket.as_str() != BUCKET {
            return Err(s3_error!(NoSuchBucket));
        }
        let prefix = prefix.unwrap_or_default();
        let after = continuation_token.or(start_after).unwrap_or_default();
        let (mut contents, mut folders) = (Vec::new(), BTreeSet::new());
        let mut next = None;
        for (key, stored) in self.0.objects.lock().unwrap().iter() {
            let Some(rest) = key.strip_prefix(&prefix).filter(|_| *key > after) else { continue };
            if let Some((folder, _)) =
                delimiter.as_ref().and_then(|delimiter| rest.split_once(delimiter.as_str()))
            {
                folders.insert(format!("{prefix}{folder}/"));
                continue;
            }
            if contents.len() == PAGE {
                next = contents.last().and_then(|last: &Object| last.key.clone());
                break;
            }
            contents.push(Object {
                key: Some(key.clone()),
                size: Some(i64::try_from(stored.content.len()).unwrap()),
                last_modified: Some(Timestamp::from(SystemTime::now())),
                e_tag: Some(ETag::Strong("tag".to_owned())),
                ..Default::default()
            });
        }
        let folders = folders.into_iter().map(|prefix| CommonPrefix { prefix: Some(prefix) }).collect();
        Ok(S3Response::new(ListObjectsV2Output {
            is_truncated: Some(next.is_some()),
            next_continuation_token: next,
            contents: Some(contents),
            common_prefixes: Some(folders),
            ..Default::default()
        }))
    }
}
