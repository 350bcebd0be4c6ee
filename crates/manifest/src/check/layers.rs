//! The files of the configuration layers, those of every environment.

use super::{Check, services};
use crate::{
    Layer, Problem, Target,
    interpolate::{self, Piece},
    layers::{self, BASE_FILE, CONFIG_DIRECTORY, Setting, Settings},
    sources, suggest,
};
use fairway_model::VariableName;

pub(super) fn check(check: &mut Check<'_>) {
    let manifest = layers::from_manifest(check.parsed);
    settings(check, &manifest, true);
    let files: Vec<String> = check.sources.below(CONFIG_DIRECTORY).map(str::to_owned).collect();
    for file in files {
        let Some(known) = known(check, &file) else { continue };
        let (layer, shared) = known;
        let text = check.sources.text(&file).unwrap_or_default();
        let mut problems = Vec::new();
        let found = layers::from_file(check.parsed, layer, &file, text, &mut problems);
        check.problems.extend(problems);
        settings(check, &found, shared);
    }
}

/// Which layer a file is and whether its values reach other machines; says so when it is none.
fn known(check: &mut Check<'_>, file: &str) -> Option<(Layer, bool)> {
    if file == BASE_FILE {
        return Some((Layer::Base, true));
    }
    let name = file.strip_prefix("config/environments/").filter(|name| !name.contains('/'));
    let environments = &check.parsed.manifest.environments;
    if let Some(base) = name.and_then(|name| name.strip_suffix(".yaml")) {
        if let Some(environment) = environments.get(base) {
            return Some((Layer::Environment, environment.target != Target::Local));
        }
        let problem = Problem::error(
            file,
            crate::Span::FILE,
            "unknown-environment",
            format!("there is no environment `{base}`"),
        );
        check
            .problems
            .push(problem.maybe_help(suggest::did_you_mean(base, environments.keys().map(String::as_str))));
        return None;
    }
    if file.ends_with(".yml") || file.ends_with(".yaml") {
        let expected: Vec<String> =
            environments.keys().map(|name| format!("config/environments/{name}.yaml")).collect();
        let near = suggest::nearest(
            &sources::normal(file).replace(".yml", ".yaml"),
            expected.iter().map(String::as_str),
        );
        let mut problem = Problem::warning(file, crate::Span::FILE, "unread-file", "nothing reads this file");
        problem = match near.filter(|_| file.contains("environment")) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => {
                problem.help(format!("layers are `{BASE_FILE}` and `config/environments/<environment>.yaml`"))
            }
        };
        check.problems.push(problem);
    }
    None
}

fn settings(check: &mut Check<'_>, settings: &Settings, shared: bool) {
    for (service, variables) in settings {
        let Some(spec) = check.parsed.manifest.services.get(service) else { continue };
        let provided = services::provided(spec);
        for (variable, setting) in variables {
            let Setting { text, layer, file, span, key } = setting;
            if let Some(by) = provided.get(variable).and_then(|places| places.first()) {
                let message = format!(
                    "`{variable}` is set by Fairway: it receives the value of `{}` of `{service}`",
                    by.join(".")
                );
                let problem = Problem::error(file, *key, "variable-twice", message);
                check.problems.push(problem.help("remove the line, or use another variable"));
            }
            // What counts for all services is reported once for each file, not once for each service.
            if shared && is_secret(spec, variable) && is_literal(text) {
                let message = format!(
                    "the value of the secret `{variable}` stands in the file, for everybody who can read the repository"
                );
                let problem = Problem::warning(file, *span, "secret-in-file", message);
                check.problems.push(problem.help(secret_help(*layer, variable)));
            }
        }
    }
}

fn is_secret(spec: &crate::Service, variable: &VariableName) -> bool {
    spec.secrets.contains(variable) || layers::is_secret_name(variable.as_str())
}

/// The whole value is written down: no variable, and something there.
fn is_literal(text: &str) -> bool {
    let pieces = interpolate::parse(text).unwrap_or_default();
    !pieces.is_empty() && pieces.iter().all(|piece| matches!(piece, Piece::Text(_)))
}

fn secret_help(layer: Layer, variable: &VariableName) -> String {
    match layer {
        Layer::Manifest | Layer::Base => {
            format!(
                "write `${{{variable}}}` here, and a value for development into the layer of that environment"
            )
        }
        Layer::Environment => format!("write `${{{variable}}}`, which is read from the process environment"),
    }
}
