//! `fairway explain`.

use crate::settings::{Context, print, print_json};
use fairway_delivery::{Error, exit};

pub(super) fn run(key: Option<&str>, context: &Context) -> Result<u8, Error> {
    let explanation = fairway_manifest::explain(key.unwrap_or_default())
        .map_err(|error| Error::Usage(error.to_string()))?;
    if context.json {
        print_json(&serde_json::to_value(&explanation).unwrap_or_default());
    } else {
        print([explanation.to_string()]);
    }
    Ok(exit::DONE)
}
