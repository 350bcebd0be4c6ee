//! The three things Fairway asks of storage: create if absent, read, list. Everything else in this crate is built
//! on them, and this is the only module that knows the storage library.

use crate::{Location, StoreError, error::chain, location::is_loopback};
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{
    Attribute, Attributes, ClientOptions, Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    PutPayload, RetryConfig,
    aws::{AmazonS3Builder, S3ConditionalPut},
    local::LocalFileSystem,
    path::Path,
    prefix::PrefixStore,
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::OnceCell;

/// Whether a document was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// It was not there, and now it is, durably.
    Yes,
    /// Something of someone else is there already. Nothing was written.
    Taken,
}

/// Carries who created an object, where storage is behind a network: a create whose answer was lost on the way is
/// sent again and then finds its own object. The value is random and new for every create.
const CREATED_BY: &str = "fairway-created-by";
/// How often a create is tried that neither succeeds nor finds an object.
const CREATE_ATTEMPTS: usize = 4;

/// A place that creates documents if they are absent.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    name: String,
    objects: Arc<dyn ObjectStore>,
    /// Storage behind a network: the answer to a create can get lost, so objects are marked with who created them;
    /// and servers differ, so it is proven once that this one knows conditions.
    remote: Option<Arc<OnceCell<()>>>,
}

/// Lies at the root of a remote store. Creating it a second time has to be refused.
const MARKER: &str = "fairway-store.json";
const MARKER_CONTENT: &[u8] = b"{\"format\":1}\n";

/// A request that gets no answer at all is given up after this long; retries have their own bound.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a failing request is tried again in all.
const RETRY_FOR: Duration = Duration::from_secs(40);

impl Storage {
    /// Opens a location. A directory is created when it is not there; a bucket has to exist.
    ///
    /// Of the settings, those that begin with `AWS_` are heard.
    pub(crate) fn open(location: &Location, settings: &BTreeMap<String, String>) -> Result<Self, StoreError> {
        let name = location.to_string();
        match location {
            Location::Directory(path) => {
                let objects = open_directory(path).map_err(|reason| StoreError::Open {
                    store: name.clone(),
                    reason,
                    next: "Make the directory writable for this user, or give another one".to_owned(),
                })?;
                Ok(Self { name, objects, remote: None })
            }
            Location::S3 { .. } => {
                let objects = open_s3(location, settings).map_err(|error| StoreError::Open {
                    store: name.clone(),
                    reason: chain(&error),
                    next: "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or give `region=`"
                        .to_owned(),
                })?;
                Ok(Self { name, objects, remote: Some(Arc::default()) })
            }
        }
    }

    /// The store, for people.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Creates a document unless there is one; when this returns [`Created::Yes`] the document survives a crash.
    ///
    /// An error leaves open whether the document was created: the answer may have been lost on the way.
    pub(crate) async fn create(&self, path: &str, content: Bytes) -> Result<Created, StoreError> {
        let Some(proven) = &self.remote else {
            return match self.put(path, content, Attributes::new()).await {
                Ok(()) => Ok(Created::Yes),
                Err(Error::AlreadyExists { .. }) => Ok(Created::Taken),
                Err(error) => Err(self.unavailable("writing", path, &error)),
            };
        };
        proven.get_or_try_init(|| self.prove_conditions()).await?;
        let mark = uuid::Uuid::new_v4().to_string();
        let attributes = Attributes::from_iter([(Attribute::Metadata(CREATED_BY.into()), mark.clone())]);
        let mut left = CREATE_ATTEMPTS;
        loop {
            left -= 1;
            let error = match self.put(path, content.clone(), attributes.clone()).await {
                Ok(()) => return Ok(Created::Yes),
                Err(error) => error,
            };
            // Whatever went wrong, the object that is there now tells who won.
            match self.mark(path).await {
                Ok(Some(found)) => {
                    return Ok(if found == mark { Created::Yes } else { Created::Taken });
                }
                // "Conflict with a request in flight" and nothing there: the other one may yet fail.
                Ok(None) if left > 0 && matches!(error, Error::AlreadyExists { .. }) => {}
                Ok(None) | Err(_) => return Err(self.unavailable("writing", path, &error)),
            }
        }
    }

    /// A server that takes a second object where there is one would let two writers write the same operation, and
    /// the log would fork without anyone noticing. Such a server is refused before anything is written that matters.
    async fn prove_conditions(&self) -> Result<(), StoreError> {
        for _ in 0..2 {
            match self.put(MARKER, Bytes::from_static(MARKER_CONTENT), Attributes::new()).await {
                Ok(()) => {}
                Err(Error::AlreadyExists { .. }) => return Ok(()),
                Err(error) => return Err(self.unavailable("writing", MARKER, &error)),
            }
        }
        Err(StoreError::Unconditional { store: self.name.clone() })
    }

    async fn put(&self, path: &str, content: Bytes, attributes: Attributes) -> Result<(), Error> {
        let options = PutOptions { mode: PutMode::Create, attributes, ..PutOptions::default() };
        self.objects.put_opts(&key(path), PutPayload::from(content), options).await.map(|_| ())
    }

    /// The mark of an object: empty when it has none, `None` when there is no object.
    async fn mark(&self, path: &str) -> Result<Option<String>, Error> {
        match self.objects.get(&key(path)).await {
            Ok(found) => {
                let mark = found.attributes.get(&Attribute::Metadata(CREATED_BY.into()));
                Ok(Some(mark.map(|value| value.to_string()).unwrap_or_default()))
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a document; `None` when there is none.
    pub(crate) async fn read(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        let read = async { self.objects.get(&key(path)).await?.bytes().await };
        match read.await {
            Ok(content) => Ok(Some(content)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.unavailable("reading", path, &error)),
        }
    }

    /// The documents directly or deeper below `folder` whose paths sort after `after`, sorted.
    pub(crate) async fn list(&self, folder: &str, after: Option<&str>) -> Result<Vec<String>, StoreError> {
        let prefix = key(folder);
        let listed = match after {
            Some(after) => self.objects.list_with_offset(Some(&prefix), &key(after)),
            None => self.objects.list(Some(&prefix)),
        };
        let listed: Result<Vec<String>, Error> =
            listed.map_ok(|meta| meta.location.to_string()).try_collect().await;
        match listed {
            Ok(mut paths) => {
                paths.sort_unstable();
                Ok(paths)
            }
            // A directory that nobody has written to yet.
            Err(Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(self.unavailable("listing", folder, &error)),
        }
    }

    /// The names directly below `folder` that have something below them, sorted.
    pub(crate) async fn folders(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        match self.objects.list_with_delimiter(Some(&key(folder))).await {
            Ok(listed) => {
                let names = listed.common_prefixes.iter();
                let mut names: Vec<String> =
                    names.filter_map(|path| path.filename().map(str::to_owned)).collect();
                names.sort_unstable();
                Ok(names)
            }
            Err(Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(self.unavailable("listing", folder, &error)),
        }
    }

    fn unavailable(&self, doing: &'static str, path: &str, error: &Error) -> StoreError {
        let reason = chain(error);
        // The library tells a refused listing only in words.
        let refused = ["403 Forbidden", "401 Unauthorized"].iter().any(|status| reason.contains(status));
        let next = match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => CHECK_CREDENTIALS,
            _ if refused => CHECK_CREDENTIALS,
            Error::NotFound { .. } => "Check that the bucket exists",
            _ if doing == "writing" => "Whether it was written is not known; asking again is safe",
            _ => "Nothing was changed; asking again is safe",
        };
        StoreError::Unavailable { store: self.name.clone(), doing, path: path.to_owned(), reason, next }
    }
}

const CHECK_CREDENTIALS: &str = "Check the credentials and that they may list, read and create here";

/// The storage library's form of a path that this crate made; `Path::from` would escape the `~` of `test~pr-42`.
fn key(path: &str) -> Path {
    Path::parse(path).expect("paths are made of checked names, digits and slashes")
}

/// Create-if-absent on a directory is a staged file, synced, hard-linked to its name (which fails when the name is
/// taken), and the directory synced: a crash leaves at most a staged file `<name>#<n>`, which no listing shows.
fn open_directory(path: &PathBuf) -> Result<Arc<dyn ObjectStore>, String> {
    std::fs::create_dir_all(path).map_err(|error| error.to_string())?;
    let files = LocalFileSystem::new_with_prefix(path).map_err(|error| chain(&error))?;
    Ok(Arc::new(files.with_fsync(true)))
}

fn open_s3(location: &Location, settings: &BTreeMap<String, String>) -> Result<Arc<dyn ObjectStore>, Error> {
    let Location::S3 { bucket, prefix, endpoint, region } = location else {
        unreachable!("only called for a bucket");
    };
    // The process may have chosen a provider already; either one signs and encrypts.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = endpoint.as_ref().is_some_and(|url| url.scheme() == "http" && is_loopback(url));
    let client = ClientOptions::new()
        .with_timeout(REQUEST_TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_allow_http(http);
    let retry = RetryConfig { retry_timeout: RETRY_FOR, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new();
    for (name, value) in settings {
        if name.starts_with("AWS_")
            && let Ok(key) = name.to_ascii_lowercase().parse()
        {
            builder = builder.with_config(key, value);
        }
    }
    // After the settings: none of these is a matter of taste.
    builder = builder
        .with_bucket_name(bucket)
        .with_client_options(client)
        .with_retry(retry)
        .with_conditional_put(S3ConditionalPut::ETagMatch);
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = endpoint {
        builder = builder
            .with_endpoint(endpoint.as_str().trim_end_matches('/'))
            .with_virtual_hosted_style_request(false);
    }
    let objects: Arc<dyn ObjectStore> = Arc::new(builder.build()?);
    Ok(match prefix.as_str() {
        "" => objects,
        prefix => Arc::new(PrefixStore::new(objects, key(prefix))),
    })
}
