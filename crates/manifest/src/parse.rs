//! From text to a manifest with places, or to everything that is wrong with the text.

use crate::{Manifest, Places, Problem, Problems, format, schema, walk::Walker, yaml};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A manifest and where everything in it stands.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What was written.
    pub manifest: Manifest,
    /// The file, as the caller named it; in problems.
    pub file: String,
    /// The text of the file, for renderers that show the offending line.
    pub text: String,
    /// The place of every node.
    pub places: Places,
}

impl Manifest {
    /// Reads a manifest. `file` is used in problems only.
    ///
    /// # Errors
    /// Everything that is wrong with the text itself: syntax, unknown keys, wrong types, bad names. What is wrong
    /// with the system that it describes, [`crate::check`] finds.
    pub fn parse(file: &str, text: &str) -> Result<Parsed, Problems> {
        let (manifest, places) = read(file, text, schema::root(), "the manifest")?;
        Ok(Parsed { manifest, file: file.to_owned(), text: text.to_owned(), places })
    }
}

/// Reads one document by a schema.
pub(crate) fn read<T: DeserializeOwned>(
    file: &str,
    text: &str,
    schema: &Value,
    what: &str,
) -> Result<(T, Places), Problems> {
    let (value, places) = read_value(file, text, schema, what)?;
    let typed = T::deserialize(value).map_err(|error| {
        // The schema is generated from the type, so this is a defect of ours; it still must not end the program.
        let message = format!("{what} agrees with its schema and can still not be read: {error}");
        Problems::one(
            Problem::error(file, crate::Span::FILE, "internal", message)
                .help("please report this as a defect"),
        )
    })?;
    Ok((typed, places))
}

/// Reads one document by a schema, as JSON.
pub(crate) fn read_value(
    file: &str,
    text: &str,
    schema: &Value,
    what: &str,
) -> Result<(Value, Places), Problems> {
    let tree = yaml::parse(file, text)?;
    let mut walker = Walker::new(file, schema, format::check);
    let value = match tree.root {
        Some(root) => walker.walk(&root),
        None => {
            let problem = Problem::error(file, crate::Span::FILE, "empty", format!("{what} is empty"));
            return Err(Problems::one(problem.help("`fairway init` writes a first version")));
        }
    };
    let (problems, places) = walker.finish();
    match Problems::new(problems) {
        Some(problems) => Err(problems),
        None => Ok((value, places)),
    }
}
