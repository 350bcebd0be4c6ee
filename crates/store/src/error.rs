//! What can go wrong with a store, a variant for each thing that a caller can tell apart.

use fairway_model::EnvironmentName;

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The text does not name a place for a store.
    #[error(
        "`{location}` cannot be a store: {reason}. Nothing was opened. Give a directory, or `s3://bucket/prefix` with `endpoint=` and `region=` where they are needed"
    )]
    Location {
        /// The text, with credentials masked.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The place is well named but could not be opened.
    #[error("the store {store} cannot be opened: {reason}. Nothing was changed. {next}")]
    Open {
        /// The store.
        store: String,
        /// What happened.
        reason: String,
        /// What to do.
        next: String,
    },
    /// The server ignores `If-None-Match`, without which two writers overwrite each other.
    #[error(
        "the store {store} overwrites objects although it was told not to (`If-None-Match: *`), so two writers could destroy each other's work. Nothing was written but a marker. Use a server that knows conditional writes: AWS S3, Cloudflare R2, MinIO or Ceph of a recent version"
    )]
    Unconditional {
        /// The store.
        store: String,
    },
    /// The storage refused, broke or could not be reached.
    #[error("the store {store} failed at {doing} `{path}`: {reason}. {next}")]
    Unavailable {
        /// The store.
        store: String,
        /// `reading`, `writing` or `listing`.
        doing: &'static str,
        /// Path below the store.
        path: String,
        /// The cause in words, the inner causes included, because the storage library hides them in nested errors.
        reason: String,
        /// What to do.
        next: &'static str,
    },
    /// Nothing is stored at this address.
    #[error("the store {store} has no {what} `{path}`. {next}")]
    Missing {
        /// The store.
        store: String,
        /// `release` or `plan`.
        what: &'static str,
        /// Path below the store.
        path: String,
        /// What to do.
        next: &'static str,
    },
    /// What is stored is not what was written.
    #[error(
        "`{path}` in the store {store} is damaged: {reason}. Nothing was changed. Put the file back from a backup or another copy of the store; Fairway never rewrites it"
    )]
    Corrupt {
        /// The store.
        store: String,
        /// Path below the store.
        path: String,
        /// How that shows.
        reason: String,
    },
    /// A newer Fairway wrote it.
    #[error(
        "`{path}` in the store {store} has format {found}, and this Fairway reads up to {known}. Nothing was changed. Use a Fairway at least as new as the one that wrote it"
    )]
    Format {
        /// The store.
        store: String,
        /// Path below the store.
        path: String,
        /// The format that it has.
        found: u64,
        /// The newest format that is known.
        known: u32,
    },
    /// The log of an environment has a hole, so its state cannot be told.
    #[error(
        "operation {missing} of {environment} is not in the store {store}, although operation {newest} is. Nothing was changed. Put `{path}` back from a backup; without it the state of {environment} cannot be told"
    )]
    Gap {
        /// The store.
        store: String,
        /// The environment.
        environment: EnvironmentName,
        /// The first number that is missing.
        missing: u64,
        /// The newest number that is there.
        newest: u64,
        /// Where the missing one would be.
        path: String,
    },
    /// A file lies where only operations, releases or plans belong.
    #[error(
        "`{path}` in the store {store} is not a name that Fairway gives. Nothing was changed. Move the file away"
    )]
    Foreign {
        /// The store.
        store: String,
        /// Path below the store.
        path: String,
    },
}

/// The innermost causes in one line; a cause that repeats what was already said is left out.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// Why an operation was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Someone else has written an operation with this number. The log has moved: read on and decide again.
    #[error(
        "operation {number} of {environment} is already in the store {store}. Nothing was written; read the log again and decide anew"
    )]
    Taken {
        /// The store.
        store: String,
        /// The environment.
        environment: EnvironmentName,
        /// The number.
        number: u64,
    },
    /// The operation is for another place, which is a defect of the caller.
    #[error(
        "operation {operation_number} of {operation_environment} cannot be written as operation {number} of {environment}. Nothing was written; this is a defect of Fairway"
    )]
    Misplaced {
        /// Where it was to be written.
        environment: EnvironmentName,
        /// Under which number.
        number: u64,
        /// Where it belongs.
        operation_environment: EnvironmentName,
        /// Under which number it belongs.
        operation_number: u64,
    },
    /// The store cannot be written to. Nothing was written.
    #[error(transparent)]
    Store(StoreError),
    /// Storage failed in a way that leaves open whether the operation was written.
    #[error(
        "it is not known whether operation {number} of {environment} was written. Look at the history of {environment} before you try again"
    )]
    Unknown {
        /// The environment.
        environment: EnvironmentName,
        /// The number.
        number: u64,
        /// What storage says.
        #[source]
        source: StoreError,
    },
}

/// Why [`crate::Store::append_next`] wrote nothing; `E` is what its builder refuses with.
#[derive(Debug, thiserror::Error)]
pub enum NextError<E> {
    /// The builder refused to make an operation for the state that the log has now.
    #[error("{0}")]
    Refused(E),
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operation could not be written.
    #[error(transparent)]
    Append(AppendError),
    /// The builder made an operation that does not follow in the log, which is a defect of the caller.
    #[error(
        "the next operation of {environment} does not fit its log. Nothing was written; this is a defect of Fairway"
    )]
    Unfit {
        /// The environment.
        environment: EnvironmentName,
        /// Why it does not fit.
        #[source]
        source: fairway_oplog::FoldError,
    },
    /// Others were faster every time.
    #[error(
        "others have written to the log of {environment} {rounds} times in a row while this operation waited. Nothing was written; try again when less is going on"
    )]
    Contended {
        /// The environment.
        environment: EnvironmentName,
        /// How often it was tried.
        rounds: usize,
    },
}
