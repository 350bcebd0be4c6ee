//! From arguments and environment to what a command works with.

use crate::{
    args::Common,
    render::{
        Paint,
        progress::{Mode, Progress},
    },
};
use fairway_delivery::{Delivery, Error, Project, Settings};
use fairway_oplog::Via;
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What every command is given.
pub(crate) struct Context {
    pub(crate) directory: PathBuf,
    pub(crate) store: Option<String>,
    pub(crate) json: bool,
    /// For standard output.
    pub(crate) paint: Paint,
    /// For standard error.
    pub(crate) paint_error: Paint,
    pub(crate) progress: Arc<Progress>,
}

impl Context {
    pub(crate) fn new(common: Common, events: bool) -> Self {
        let Common { directory, store, json, no_color, verbose: _ } = common;
        let colour = !no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let paint_error = Paint { colour: colour && err };
        let mode = match (events, json, err) {
            (true, _, _) => Mode::Events,
            (_, true, _) => Mode::Quiet,
            (_, _, true) => Mode::Moving,
            (_, _, false) => Mode::Lines,
        };
        Self {
            directory: directory.unwrap_or_else(|| PathBuf::from(".")),
            store,
            json,
            paint: Paint { colour: colour && out },
            paint_error,
            progress: Arc::new(Progress::new(mode, paint_error)),
        }
    }

    pub(crate) fn project(&self) -> Result<Project, Error> {
        Ok(Project::find(&self.directory)?)
    }

    /// Opens the project with its store.
    pub(crate) async fn delivery(&self) -> Result<Delivery, Error> {
        let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        Delivery::open(Settings {
            project: self.project()?,
            store: self.store.clone(),
            executable: executable()?,
            via: if ci { Via::Ci } else { Via::Terminal },
            reference: None,
            // A variable that is no text cannot be meant by `${VAR}`; it is nobody's reason to stop.
            process_environment: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            reporter: Arc::clone(&self.progress) as Arc<dyn fairway_delivery::Reporter>,
        })
        .await
    }
}

/// This very program. The agent is started from it, so it must outlive a rebuild: a deleted path is an error here and
/// not a riddle later.
pub(crate) fn executable() -> Result<PathBuf, Error> {
    std::env::current_exe()
        .map_err(|source| Error::File { path: Path::new("the fairway program").to_owned(), source })
}

/// Prints lines on standard output. A reader that has gone away ends the program quietly, as is usual in pipes.
pub(crate) fn print(lines: impl IntoIterator<Item = impl AsRef<str>>) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    for line in lines {
        if writeln!(out, "{}", line.as_ref()).is_err() {
            std::process::exit(0);
        }
    }
}

/// Prints one JSON object on standard output.
pub(crate) fn print_json(value: &serde_json::Value) {
    print([serde_json::to_string_pretty(value).unwrap_or_default()]);
}
