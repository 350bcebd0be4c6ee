//! Node packages that can be started.

use super::{Detected, DetectedProject, ProjectKind, Repository, inside, label, last_part};
use fairway_model::SystemName;
use serde_json::Value;

pub(super) fn detect(repository: &Repository<'_>, detected: &mut Detected) {
    for (directory, text) in repository.named("package.json") {
        let file = inside(directory, "package.json");
        let Ok(package) = serde_json::from_str::<Value>(text) else {
            detected.skipped.push((file, "it is not JSON".to_owned()));
            continue;
        };
        let name = package["name"].as_str().and_then(label).or_else(|| label(last_part(directory)?));
        if directory.is_empty()
            && let Some(name) = &name
        {
            detected.system = detected.system.take().or_else(|| SystemName::new(name.as_str()).ok());
        }
        let script = |name: &str| package["scripts"][name].is_string();
        match name {
            Some(name) if script("start") => {
                let kind = ProjectKind::Node { builds: script("build") };
                detected.projects.push(DetectedProject::new(repository, name, directory, kind));
            }
            // The root of a workspace holds packages and is none.
            _ if package.get("workspaces").is_some() => {}
            _ => detected.skipped.push((file, "the Node package has no script `start`".to_owned())),
        }
    }
}
