//! From text to a manifest with places, or to everything that is wrong with the text.

use crate::{Manifest, Places, Problem, Problems, Span, check, format, schema, walk::Walker, yaml};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

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
    /// Everything that is wrong with the text itself: syntax, unknown keys, wrong types, bad names; and of what is
    /// wrong with the system, as much as can be told without other files. [`crate::check`] finds the rest.
    pub fn parse(file: &str, text: &str) -> Result<Parsed, Problems> {
        let Walked { value, places, problems } = walk(file, text, schema::root(), "the manifest")?;
        let parsed = |manifest| Parsed { manifest, file: file.to_owned(), text: text.to_owned(), places };
        match Problems::new(problems) {
            None => Ok(parsed(typed(file, value, "the manifest")?)),
            Some(problems) => {
                let mut problems = problems.into_vec();
                // What could be read is enough to find, say, a need that does not exist: nobody should have to mend
                // the file twice.
                if let Ok(manifest) = Manifest::deserialize(without_null(value)) {
                    problems.extend(check::of_the_text_alone(&parsed(manifest)));
                }
                Err(Problems::new(problems).expect("there were errors already"))
            }
        }
    }
}

/// Reads one document by a schema, as JSON: what could be read of it, and what is wrong with the rest.
pub(crate) fn read_value(
    file: &str,
    text: &str,
    schema: &Value,
    what: &str,
) -> (Option<(Value, Places)>, Vec<Problem>) {
    match walk(file, text, schema, what) {
        Ok(Walked { value, places, problems }) => (Some((without_null(value), places)), problems),
        Err(problems) => (None, problems.into_vec()),
    }
}

/// A document that was gone through. Where something was wrong, the value is null.
struct Walked {
    value: Value,
    places: Places,
    problems: Vec<Problem>,
}

fn walk(file: &str, text: &str, schema: &Value, what: &str) -> Result<Walked, Problems> {
    let Some(root) = yaml::parse(file, text)?.root else {
        let problem = Problem::error(file, Span::FILE, "empty", format!("{what} is empty"));
        return Err(Problems::one(problem.help("`fairway init --print` shows a first version")));
    };
    let mut walker = Walker::new(file, schema, format::check);
    let value = walker.walk(&root);
    let (problems, places) = walker.finish();
    Ok(Walked { value, places, problems })
}

fn typed<T: DeserializeOwned>(file: &str, value: Value, what: &str) -> Result<T, Problems> {
    T::deserialize(value).map_err(|error| {
        // The schema is generated from the type, so this is a defect of ours; it still must not end the program.
        let message = format!("{what} agrees with its schema and can still not be read: {error}");
        Problems::one(
            Problem::error(file, Span::FILE, "internal", message).help("please report this as a defect"),
        )
    })
}

/// Leaves out what could not be read; a mapping that could not be read at all stays as an empty one, so that its
/// name is still known.
fn without_null(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let clean = |key: String, value: Value| match (key.as_str(), value) {
                ("services", Value::Object(services)) => {
                    let named = |(name, value): (String, Value)| {
                        let value =
                            if value.is_null() { Value::Object(Map::new()) } else { without_null(value) };
                        (name, value)
                    };
                    Some((key, Value::Object(services.into_iter().map(named).collect())))
                }
                (_, Value::Null) => None,
                (_, value) => Some((key, without_null(value))),
            };
            Value::Object(map.into_iter().filter_map(|(key, value)| clean(key, value)).collect())
        }
        Value::Array(items) => {
            Value::Array(items.into_iter().filter(|item| !item.is_null()).map(without_null).collect())
        }
        value => value,
    }
}
