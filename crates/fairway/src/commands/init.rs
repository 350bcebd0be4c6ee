//! `fairway init`.

use crate::{
    args,
    settings::{Context, print, print_json},
};
use fairway_delivery::{Error, MANIFEST, exit, survey};
use serde_json::json;

pub(super) fn run(arguments: &args::Init, context: &Context) -> Result<u8, Error> {
    let files = survey(&context.directory)?;
    let detected = fairway_manifest::detect(&files);
    let text = fairway_manifest::render_initial(&detected);
    let path = context.directory.join(MANIFEST);
    let as_json = |written: bool| json!({ "format": 1, "path": path, "written": written, "manifest": text });
    if arguments.print {
        if context.json {
            print_json(&as_json(false));
        } else {
            print([text.trim_end()]);
        }
        return Ok(exit::DONE);
    }
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Error::Usage(format!(
                "{} is there already, and was not changed; --print shows what would be written",
                path.display()
            )));
        }
        Err(source) => return Err(Error::File { path, source }),
    }
    if context.json {
        print_json(&as_json(true));
        return Ok(exit::DONE);
    }
    print([
        format!("wrote {MANIFEST}"),
        "next: read it, then run `fairway check` and `fairway up`".to_owned(),
    ]);
    Ok(exit::DONE)
}
