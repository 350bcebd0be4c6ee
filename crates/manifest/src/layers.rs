//! The layers of configuration: what each says, where, and which one wins.

use crate::{
    Layer, Origin, Parsed, Problem, Redacted, Resolved, Sources, Span, Value,
    interpolate::{self, Piece},
    origin, parse, schema, suggest,
};
use fairway_model::{EnvironmentName, ServiceName, VariableName};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The directory of the layers.
pub const CONFIG_DIRECTORY: &str = "config";
/// The layer of every environment.
pub const BASE_FILE: &str = "config/base.yaml";
/// The key of a layer whose values count for every service.
pub(crate) const ALL: &str = "all";

/// The file of the layer of one environment: `config/environments/test.yaml` for `test/pr-42`.
#[must_use]
pub fn environment_file(environment: &EnvironmentName) -> String {
    format!("{CONFIG_DIRECTORY}/environments/{}.yaml", environment.base())
}

/// A value in a layer, not yet interpolated.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) text: String,
    pub(crate) layer: Layer,
    pub(crate) file: String,
    pub(crate) span: Span,
    /// The place of the variable's name.
    pub(crate) key: Span,
}

/// The settings of every service.
pub(crate) type Settings = BTreeMap<ServiceName, BTreeMap<VariableName, Setting>>;

/// What `env` in the manifest says.
pub(crate) fn from_manifest(parsed: &Parsed) -> Settings {
    let mut settings = Settings::new();
    for (service, spec) in &parsed.manifest.services {
        let of_service = settings.entry(service.clone()).or_default();
        for (variable, text) in &spec.env {
            let path = ["services", service.as_str(), "env", variable.as_str()];
            let setting = Setting {
                text: text.clone(),
                layer: Layer::Manifest,
                file: parsed.file.clone(),
                span: parsed.places.value(&path),
                key: parsed.places.key(&path),
            };
            of_service.insert(variable.clone(), setting);
        }
    }
    settings
}

/// What one file of `config/` says: first what counts for all services, then what counts for each, which wins.
pub(crate) fn from_file(
    parsed: &Parsed,
    layer: Layer,
    file: &str,
    text: &str,
    problems: &mut Vec<Problem>,
) -> Settings {
    let mut settings = Settings::new();
    if is_blank(text) {
        return settings;
    }
    let (read, wrong) = parse::read_value(file, text, schema::config_root(), "the configuration");
    let broken = !wrong.is_empty();
    problems.extend(wrong);
    let Some((value, places)) = read.filter(|(value, _)| !value.is_null()) else { return settings };
    let Ok(content) = BTreeMap::<String, BTreeMap<VariableName, String>>::deserialize(value) else {
        if !broken {
            let message = "the configuration agrees with its schema and can still not be read";
            let problem = Problem::error(file, Span::FILE, "internal", message);
            problems.push(problem.help("please report this as a defect"));
        }
        return settings;
    };
    let services = &parsed.manifest.services;
    let mut add = |service: &ServiceName, key: &str, variables: &BTreeMap<VariableName, String>| {
        for (variable, text) in variables {
            let path = [key, variable.as_str()];
            let setting = Setting {
                text: text.clone(),
                layer,
                file: file.to_owned(),
                span: places.value(&path),
                key: places.key(&path),
            };
            settings.entry(service.clone()).or_default().insert(variable.clone(), setting);
        }
    };
    if let Some(variables) = content.get(ALL) {
        // A stub has no program that could read anything.
        for (service, _) in services.iter().filter(|(_, spec)| !spec.stub) {
            add(service, ALL, variables);
        }
    }
    for (key, variables) in content.iter().filter(|(key, _)| *key != ALL) {
        match services.get_key_value(key.as_str()) {
            Some((_, spec)) if spec.stub && !variables.is_empty() => {
                let message = format!("`{key}` is a stub; it has no program that could read these values");
                problems.push(Problem::error(file, places.key(&[key]), "stub-config", message));
            }
            Some((service, _)) => add(service, key, variables),
            None => {
                let known = services.keys().map(ServiceName::as_str).chain([ALL]);
                let message = format!("there is no service `{key}`");
                let problem = Problem::error(file, places.key(&[key]), "unknown-service", message);
                problems.push(problem.maybe_help(suggest::did_you_mean(key, known)));
            }
        }
    }
    settings
}

/// A file of comments is an empty layer, which is fine.
fn is_blank(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

/// The winning setting of every variable in one environment.
pub(crate) fn merged(
    parsed: &Parsed,
    environment: &EnvironmentName,
    sources: &Sources,
    problems: &mut Vec<Problem>,
) -> Settings {
    let mut settings = from_manifest(parsed);
    for (layer, file) in
        [(Layer::Base, BASE_FILE.to_owned()), (Layer::Environment, environment_file(environment))]
    {
        if let Some(text) = sources.text(&file) {
            for (service, variables) in from_file(parsed, layer, &file, text, problems) {
                settings.entry(service).or_default().extend(variables);
            }
        }
    }
    settings
}

/// What is known about a text once its variables are filled in.
pub(crate) struct Filled {
    pub(crate) text: String,
    pub(crate) variables: Vec<String>,
    pub(crate) defaulted: Vec<String>,
    /// A variable with a secret's name took part.
    pub(crate) tainted: bool,
}

/// A variable that is not set and has no default.
pub(crate) struct Unset {
    /// Its name with the prefix of the environment.
    pub(crate) name: String,
    /// The prefix was written where it is added anyway.
    pub(crate) prefixed_twice: bool,
}

/// Fills in the variables of a text.
pub(crate) fn fill(
    text: &str,
    environment: &EnvironmentName,
    process_environment: &BTreeMap<String, String>,
) -> Result<Filled, Vec<Unset>> {
    let prefix = environment.variable_prefix();
    let mut filled =
        Filled { text: String::new(), variables: Vec::new(), defaulted: Vec::new(), tainted: false };
    let mut unset = Vec::new();
    // Both readers have checked the form already; text that is none of it is text.
    for piece in interpolate::parse(text).unwrap_or_else(|_| vec![Piece::Text(text.to_owned())]) {
        match piece {
            Piece::Text(text) => filled.text.push_str(&text),
            Piece::Variable { name, default } => {
                let full = format!("{prefix}{name}");
                filled.tainted |= is_secret_name(name.as_str());
                match (process_environment.get(&full), default) {
                    (Some(value), _) => {
                        filled.text.push_str(value);
                        filled.variables.push(full);
                    }
                    (None, Some(default)) => {
                        filled.text.push_str(&default);
                        filled.defaulted.push(full);
                    }
                    (None, None) => {
                        unset.push(Unset { prefixed_twice: name.as_str().starts_with(&prefix), name: full });
                    }
                }
            }
        }
    }
    if unset.is_empty() { Ok(filled) } else { Err(unset) }
}

/// The problem of a variable that is not set.
pub(crate) fn unset_problem(file: &str, span: Span, environment: &EnvironmentName, unset: &Unset) -> Problem {
    let Unset { name, prefixed_twice } = unset;
    let message = format!("`{name}` is not set, and there is no default");
    let help = if *prefixed_twice {
        let prefix = environment.variable_prefix();
        format!("variables are read with the prefix `{prefix}`; write the name without it")
    } else {
        format!("set `{name}`, or write a default: `${{NAME:default}}`")
    };
    Problem::error(file, span, "unset-variable", message).help(help)
}

const SECRET_SUFFIXES: [&str; 6] = ["_SECRET", "_PASSWORD", "_TOKEN", "_KEY", "_DSN", "_PRIVATE_KEY"];

/// Values of variables with such a name are secret without being listed.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_SUFFIXES.iter().any(|suffix| name.ends_with(suffix) || name == suffix[1..])
}

/// The configuration of every service in one environment.
pub(crate) fn resolve(
    parsed: &Parsed,
    environment: &EnvironmentName,
    process_environment: &BTreeMap<String, String>,
    sources: &Sources,
    problems: &mut Vec<Problem>,
) -> BTreeMap<ServiceName, BTreeMap<VariableName, Resolved>> {
    let mut resolved = BTreeMap::new();
    for (service, settings) in merged(parsed, environment, sources, problems) {
        let secrets =
            parsed.manifest.services.get(&service).map(|spec| spec.secrets.as_slice()).unwrap_or_default();
        let mut values = BTreeMap::new();
        for (variable, setting) in settings {
            match fill(&setting.text, environment, process_environment) {
                Ok(filled) => {
                    let secret =
                        filled.tainted || secrets.contains(&variable) || is_secret_name(variable.as_str());
                    let value = if secret {
                        Value::Secret(Redacted::new(filled.text))
                    } else {
                        Value::Plain(filled.text)
                    };
                    let Setting { text: _, layer, file, span, key: _ } = setting;
                    let origin = origin::Origin {
                        layer,
                        file,
                        line: span.line,
                        column: span.column,
                        variables: filled.variables,
                        defaulted: filled.defaulted,
                    };
                    values.insert(variable, Resolved { value, origin });
                }
                Err(unset) => problems.extend(
                    unset.iter().map(|unset| unset_problem(&setting.file, setting.span, environment, unset)),
                ),
            }
        }
        resolved.insert(service, values);
    }
    resolved
}

/// The configuration of every service in one environment, with the history of each value.
pub type Config = BTreeMap<(ServiceName, VariableName), Resolved>;

/// Origins alone.
pub(crate) type Origins = BTreeMap<(ServiceName, VariableName), Origin>;
