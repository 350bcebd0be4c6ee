//! The files of the configuration layers, those of every environment.

use super::{Check, services};
use crate::{
    Layer, Problem, Target, interpolate,
    layers::{self, BASE_FILE, CONFIG_DIRECTORY, Setting, Settings},
    suggest,
};
use fairway_model::{ServiceName, VariableName};
use std::collections::BTreeSet;

pub(super) fn check(check: &mut Check<'_>) {
    let manifest = layers::from_manifest(check.parsed);
    settings(check, &manifest, true);
    let mut set = variables_of(&manifest);
    let files: Vec<String> = check.sources.below(CONFIG_DIRECTORY).map(str::to_owned).collect();
    for file in files {
        let Some((layer, shared)) = layer_of(check, &file) else { continue };
        let text = check.sources.text(&file).unwrap_or_default();
        let mut problems = Vec::new();
        let found = layers::from_file(check.parsed, layer, &file, text, &mut problems);
        check.problems.extend(problems);
        settings(check, &found, shared);
        set.extend(variables_of(&found));
    }
    for (name, service) in check.services() {
        let provided = services::provided(service);
        for (index, secret) in service.secrets.iter().enumerate() {
            if !set.contains(&(name.clone(), secret.clone())) && !provided.contains_key(secret) {
                let path = ["services", name.as_str(), "secrets", &index.to_string()];
                let message = format!("no layer of the configuration gives `{secret}` a value");
                let help = Some(format!("write `env: {{ {secret}: \"${{{secret}}}\" }}`, or remove it here"));
                check.warn_at_key(&path, "no-effect", message, help);
            }
        }
    }
}

fn variables_of(settings: &Settings) -> BTreeSet<(ServiceName, VariableName)> {
    let variables = settings.iter().flat_map(|(service, variables)| {
        variables.keys().map(move |variable| (service.clone(), variable.clone()))
    });
    variables.collect()
}

/// Which layer a file is and whether its values reach other machines; says so when it is none.
fn layer_of(check: &mut Check<'_>, file: &str) -> Option<(Layer, bool)> {
    if file == BASE_FILE {
        return Some((Layer::Base, true));
    }
    let environments = &check.parsed.manifest.environments;
    let name = file.strip_prefix("config/environments/").filter(|name| !name.contains('/'));
    if let Some(base) = name.and_then(|name| name.strip_suffix(".yaml")) {
        if let Some(environment) = environments.get(base) {
            return Some((Layer::Environment, environment.target != Target::Local));
        }
        let message = format!("there is no environment `{base}`");
        let problem = Problem::error(file, crate::Span::FILE, "unknown-environment", message);
        let help = suggest::did_you_mean(base, environments.keys().map(String::as_str));
        check.problems.push(problem.maybe_help(help));
    } else if file.ends_with(".yml") || file.ends_with(".yaml") {
        let problem = Problem::warning(file, crate::Span::FILE, "unread-file", "nothing reads this file");
        let environments = environments.keys().map(|name| format!("config/environments/{name}.yaml"));
        let expected: Vec<String> = environments.chain([BASE_FILE.to_owned()]).collect();
        let renamed = file.strip_suffix(".yml").map(|stem| format!("{stem}.yaml"));
        // The names of the files are compared, not the directories that they have in common.
        let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        let near = renamed.filter(|renamed| expected.contains(renamed)).or_else(|| {
            let names: Vec<String> = expected.iter().map(|path| name(path)).collect();
            let near = suggest::nearest(&name(file), names.iter().map(String::as_str))?;
            expected.iter().find(|path| name(path) == near).cloned()
        });
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("layers are `{BASE_FILE}` and `config/environments/<environment>.yaml`"),
        };
        check.problems.push(problem.help(help));
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
            if shared && is_secret(spec, variable) && interpolate::is_literal(text) {
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
