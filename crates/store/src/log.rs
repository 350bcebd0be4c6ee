//! The log of an environment: reading it in order, and writing the operation that follows.

use crate::{
    AppendError, NextError, Store, StoreError,
    layout::{self, LAST_NUMBER},
    storage::Created,
};
use bytes::Bytes;
use fairway_model::EnvironmentName;
use fairway_oplog::{DecodeError, OPERATION_FORMAT, Operation, State};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use std::time::Duration;

/// How many operations are fetched at a time.
const FETCH: usize = 16;
/// How often [`Store::append_next`] decides again after someone else was faster.
const ROUNDS: usize = 64;

/// How long to stand back after having been slower: random, so that the same ones do not meet again.
fn pause(round: usize) -> Duration {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let most = 2_000 * (round.min(15) as u64 + 1);
    Duration::from_micros(random % most)
}

/// The log of one environment as far as it was read: the state that it adds up to, ready to read on.
#[derive(Debug, Clone)]
pub struct Log {
    state: State,
}

impl Log {
    /// Nothing was read yet.
    #[must_use]
    pub fn unread(environment: EnvironmentName) -> Self {
        Self { state: State::new(environment) }
    }

    /// What was read adds up to this.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }
}

impl Store {
    /// The environments that have a log, sorted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::Foreign`] for a folder that no environment is named like.
    pub async fn environments(&self) -> Result<Vec<EnvironmentName>, StoreError> {
        let folders = self.storage.folders(layout::ENVIRONMENTS).await?;
        let name = |folder: &String| {
            layout::environment(folder)
                .ok_or_else(|| self.foreign(&format!("{}/{folder}", layout::ENVIRONMENTS)))
        };
        let mut names: Vec<EnvironmentName> = folders.iter().map(name).collect::<Result<_, _>>()?;
        names.sort();
        Ok(names)
    }

    /// The whole log of an environment, in order and without gaps; empty when there is none.
    ///
    /// # Errors
    /// As for [`Store::since`].
    pub async fn operations(&self, environment: &EnvironmentName) -> Result<Vec<Operation>, StoreError> {
        self.since(environment, 0).await
    }

    /// The operations after `number`, in order and without gaps.
    ///
    /// # Errors
    /// [`StoreError::Gap`], [`StoreError::Corrupt`], [`StoreError::Format`], [`StoreError::Foreign`] or
    /// [`StoreError::Unavailable`].
    pub async fn since(
        &self,
        environment: &EnvironmentName,
        number: u64,
    ) -> Result<Vec<Operation>, StoreError> {
        let folder = layout::operations(environment);
        let after = (number > 0).then(|| layout::operation(environment, number));
        let paths = self.storage.list(&folder, after.as_deref()).await?;
        let mut numbers = Vec::with_capacity(paths.len());
        for path in &paths {
            numbers.push(layout::operation_number(path).ok_or_else(|| self.foreign(path))?);
        }
        let newest = numbers.last().copied().unwrap_or(number);
        for (expected, found) in (number + 1..).zip(&numbers) {
            if expected != *found {
                return Err(StoreError::Gap {
                    store: self.storage.name().to_owned(),
                    environment: environment.clone(),
                    missing: expected,
                    newest,
                    path: layout::operation(environment, expected),
                });
            }
        }
        stream::iter(numbers.into_iter().map(|number| self.operation(environment, number)))
            .buffered(FETCH)
            .try_collect()
            .await
    }

    /// What the log of an environment adds up to.
    ///
    /// # Errors
    /// As for [`Store::since`], and [`StoreError::Corrupt`] when the operations do not fold.
    pub async fn state(&self, environment: &EnvironmentName) -> Result<State, StoreError> {
        let mut log = Log::unread(environment.clone());
        self.read_on(&mut log).await?;
        Ok(log.state)
    }

    /// Reads what was added to a log since it was read last; returns the new operations.
    ///
    /// # Errors
    /// As for [`Store::state`]; the log then holds what could be read before.
    pub async fn read_on(&self, log: &mut Log) -> Result<Vec<Operation>, StoreError> {
        let environment = log.state.environment().clone();
        let operations = self.since(&environment, log.state.last()).await?;
        for operation in &operations {
            log.state.apply(operation).map_err(|error| {
                self.corrupt(&layout::operation(&environment, operation.number), error.to_string())
            })?;
        }
        Ok(operations)
    }

    /// Writes an operation under its own number, durably. Whether it fits the log is the caller's matter;
    /// [`Store::append_next`] sees to both.
    ///
    /// # Errors
    /// [`AppendError::Taken`] when the number is taken by another operation, [`AppendError::Misplaced`] when the
    /// operation is for another environment or number, [`AppendError::Store`] when the store cannot be written to at
    /// all, [`AppendError::Unknown`] when it cannot be told whether it was
    /// written.
    pub async fn append(
        &self,
        environment: &EnvironmentName,
        number: u64,
        operation: &Operation,
    ) -> Result<(), AppendError> {
        if operation.environment != *environment
            || operation.number != number
            || !(1..=LAST_NUMBER).contains(&number)
        {
            return Err(AppendError::Misplaced {
                environment: environment.clone(),
                number,
                operation_environment: operation.environment.clone(),
                operation_number: operation.number,
            });
        }
        let path = layout::operation(environment, number);
        match self.storage.create(&path, Bytes::from(operation.to_json())).await {
            Ok(Created::Yes) => Ok(()),
            Ok(Created::Taken) => Err(AppendError::Taken {
                store: self.storage.name().to_owned(),
                environment: environment.clone(),
                number,
            }),
            // Found out before anything was sent.
            Err(source @ StoreError::Unconditional { .. }) => Err(AppendError::Store(source)),
            Err(source) => Err(AppendError::Unknown { environment: environment.clone(), number, source }),
        }
    }

    /// Reads the log, lets `build` make the operation that follows, and writes it. When someone else was faster, the
    /// log is read on and `build` is asked again, with the new state; it may refuse then, because what it was made
    /// against has moved.
    ///
    /// Returns what was written and the state after it.
    ///
    /// # Errors
    /// [`NextError::Refused`] with what `build` says; [`NextError::Append`] and [`NextError::Store`] when storage fails;
    /// [`NextError::Contended`] when others were faster every time.
    pub async fn append_next<E>(
        &self,
        environment: &EnvironmentName,
        build: impl FnMut(&State) -> Result<Operation, E>,
    ) -> Result<(Operation, State), NextError<E>> {
        let mut log = Log::unread(environment.clone());
        let operation = self.append_to(&mut log, build).await?;
        Ok((operation, log.state))
    }

    /// As [`Store::append_next`], for a log that was read before: only what is new is fetched. Afterwards the log
    /// holds the operation that was written.
    ///
    /// # Errors
    /// As for [`Store::append_next`]; the log then holds what could be read.
    pub async fn append_to<E>(
        &self,
        log: &mut Log,
        mut build: impl FnMut(&State) -> Result<Operation, E>,
    ) -> Result<Operation, NextError<E>> {
        let environment = log.state.environment().clone();
        for round in 0..ROUNDS {
            self.read_on(log).await?;
            let operation = build(&log.state).map_err(NextError::Refused)?;
            let mut after = log.state.clone();
            after
                .apply(&operation)
                .map_err(|source| NextError::Unfit { environment: environment.clone(), source })?;
            match self.append(&environment, log.state.last() + 1, &operation).await {
                Ok(()) => {
                    log.state = after;
                    return Ok(operation);
                }
                Err(AppendError::Taken { number, .. }) => {
                    tracing::debug!(%environment, number, "someone else was faster");
                    tokio::time::sleep(pause(round)).await;
                }
                Err(error) => return Err(NextError::Append(error)),
            }
        }
        Err(NextError::Contended { environment, rounds: ROUNDS })
    }

    async fn operation(&self, environment: &EnvironmentName, number: u64) -> Result<Operation, StoreError> {
        let path = layout::operation(environment, number);
        let Some(content) = self.storage.read(&path).await? else {
            return Err(self.corrupt(&path, "it was listed and is not there any more".to_owned()));
        };
        let operation = Operation::from_json(&content).map_err(|error| match error {
            DecodeError::Newer { found, .. } => StoreError::Format {
                store: self.storage.name().to_owned(),
                path: path.clone(),
                found: u64::from(found),
                known: OPERATION_FORMAT,
            },
            error => self.corrupt(&path, crate::error::chain(&error)),
        })?;
        if operation.number != number || operation.environment != *environment {
            let reason = format!("it holds operation {} of {}", operation.number, operation.environment);
            return Err(self.corrupt(&path, reason));
        }
        Ok(operation)
    }

    pub(crate) fn foreign(&self, path: &str) -> StoreError {
        StoreError::Foreign { store: self.storage.name().to_owned(), path: path.to_owned() }
    }
}
