//! From what people wrote to the complete intent for one environment.

pub(crate) mod edge;

use crate::{
    Environment, Expose, Parsed, Per, Postgres, Problem, Problems, Resolved, Service, Sources, Value, check,
    edge::Traffic,
    layers::{self, Config, Origins},
    suggest,
};
use fairway_model::{
    Artifact, ArtifactKind, ConfigValue, ContractDigest, ContractRef, DatabaseSpec, EnvironmentName, Limits,
    Listener, Migration, PostgresSpec, Probes, ProcessSpec, Program, RELEASE_FORMAT, Redacted, Release,
    Resources, RouteSpec, SecretVersion, ServiceName, ServiceSpec, VariableName,
};
use std::collections::BTreeMap;

/// Gives a value of a service its version: a keyed hash, with a key that belongs to the environment.
pub type SecretVersions<'a> = dyn Fn(&ServiceName, &VariableName, &str) -> SecretVersion + 'a;

/// Everything that a release depends on and the manifest does not hold.
pub struct Inputs<'a> {
    /// The process environment of whoever releases; only names with the environment's prefix are read.
    pub process_environment: BTreeMap<String, String>,
    /// The files of the repository.
    pub sources: &'a Sources,
    /// What was built, for every service that is not a stub.
    pub artifacts: BTreeMap<ServiceName, Artifact>,
    /// The migrations of each service that names a directory of them, in their order.
    pub migrations: BTreeMap<ServiceName, Vec<Migration>>,
    /// The digest of each contract; [`crate::contract_digests`] makes them.
    pub contract_digests: BTreeMap<ServiceName, ContractDigest>,
    /// Makes the version of a secret. The URL of an existing PostgreSQL server belongs to no service: it is versioned
    /// under the names [`POSTGRES_SECRET`]. So do the secrets of the edge ([`EDGE_SECRETS`]).
    pub secret_version: &'a SecretVersions<'a>,
    /// The value of the secret by which edges of the environment reach the project's store.
    pub store_access: Redacted,
}

/// The names under which the URL of an existing PostgreSQL server is versioned.
pub const POSTGRES_SECRET: (&str, &str) = ("postgres", "URL");

/// The names under which the secrets of the edge are versioned: the way to the store, and keys of external accounts.
pub const EDGE_SECRETS: (&str, [&str; 2]) = ("edge", ["STORE", "ACME_ACCOUNT_KEY"]);

/// A resolved environment. `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The complete intent.
    pub release: Release,
    /// The values of the secrets that the release names.
    pub secrets: BTreeMap<SecretVersion, Redacted>,
    /// Where each configuration value came from.
    pub origins: BTreeMap<(ServiceName, VariableName), crate::Origin>,
    /// What works, but probably not as its author thinks.
    pub warnings: Vec<Problem>,
}

/// Resolves one environment, or one instance of an environment that exists per pull request.
///
/// # Errors
/// Everything that is wrong with the system, as [`crate::check`] reports it, with the configuration of this
/// environment, and with what was built for it.
pub fn resolve(
    parsed: &Parsed,
    environment: &EnvironmentName,
    inputs: &Inputs<'_>,
) -> Result<Resolution, Problems> {
    let written = find_environment(parsed, environment)?;
    let mut problems = check::check_for(parsed, inputs.sources, Some(environment.base())).problems;
    // What is missing because something is wrong is not worth a second message.
    let quiet = problems.iter().any(Problem::is_error);
    let mut lowering = Lowering {
        parsed,
        environment,
        written,
        inputs,
        quiet,
        problems: Vec::new(),
        secrets: BTreeMap::new(),
        origins: Origins::new(),
    };
    let release = lowering.release();
    let Lowering { problems: found, secrets, origins, .. } = lowering;
    problems.extend(found);
    match (Problems::new(problems.clone()), release) {
        (None, Some(release)) => Ok(Resolution { release, secrets, origins, warnings: problems }),
        (Some(problems), _) => Err(problems),
        (None, None) => Err(Problems::one(
            Problem::error(
                &parsed.file,
                crate::Span::FILE,
                "internal",
                "the release is incomplete and nothing says why",
            )
            .help("please report this as a defect"),
        )),
    }
}

/// The configuration of one environment with the history of each value.
///
/// # Errors
/// What is wrong with the layers, and variables that are not set.
pub fn config(
    parsed: &Parsed,
    environment: &EnvironmentName,
    process_environment: &BTreeMap<String, String>,
    sources: &Sources,
) -> Result<Config, Problems> {
    find_environment(parsed, environment)?;
    let mut problems = Vec::new();
    let resolved = layers::resolve(parsed, environment, process_environment, sources, &mut problems);
    match Problems::new(problems) {
        Some(problems) => Err(problems),
        None => Ok(resolved
            .into_iter()
            .flat_map(|(service, values)| {
                values.into_iter().map(move |(variable, value)| ((service.clone(), variable), value))
            })
            .collect()),
    }
}

/// Whether the passwords of every guard can be had in this environment, as [`resolve`] will want them.
///
/// # Errors
/// Variables that are not set, and passwords that are too short.
pub fn check_passwords(
    parsed: &Parsed,
    environment: &EnvironmentName,
    process_environment: &BTreeMap<String, String>,
) -> Result<(), Problems> {
    find_environment(parsed, environment)?;
    let mut problems = Vec::new();
    edge::passwords(parsed, environment, process_environment, &mut problems);
    Problems::new(problems).map_or(Ok(()), Err)
}

/// What the manifest says about an environment, or about the environment that this is an instance of.
///
/// # Errors
/// The one problem that there is no such environment, with a suggestion.
pub fn find_environment<'p>(parsed: &'p Parsed, name: &EnvironmentName) -> Result<&'p Environment, Problems> {
    let environments = &parsed.manifest.environments;
    let base = name.base();
    let wrong = |path: &[&str], message: String, help: Option<String>| {
        let span = parsed.places.key(path);
        let problem = Problem::error(&parsed.file, span, "unknown-environment", message);
        Err(Problems::one(problem.maybe_help(help)))
    };
    let Some(environment) = environments.get(base) else {
        let help = suggest::did_you_mean(base, environments.keys().map(String::as_str));
        return wrong(&["environments"], format!("there is no environment `{base}`"), help);
    };
    let path = ["environments", base];
    match (instance(name), environment.per) {
        (Some(_), None) => {
            let help = format!("name `{base}`, or add `per: pull-request` to it");
            wrong(&path, format!("`{base}` exists once; there is no `{name}`"), Some(help))
        }
        (None, Some(Per::PullRequest)) => {
            let help = format!("name the instance, such as `{name}/pr-42`");
            wrong(&path, format!("`{name}` exists once for each pull request"), Some(help))
        }
        (Some(_), Some(Per::PullRequest)) | (None, None) => Ok(environment),
    }
}

/// `pr-42` of `test/pr-42`.
fn instance(name: &EnvironmentName) -> Option<&str> {
    name.as_str().split_once('/').map(|(_, instance)| instance)
}

/// `42` of `test/pr-42`.
fn number(name: &EnvironmentName) -> Option<&str> {
    let digits = instance(name)?.rsplit('-').next()?;
    digits.bytes().all(|b| b.is_ascii_digit()).then_some(digits)
}

struct Lowering<'a> {
    parsed: &'a Parsed,
    environment: &'a EnvironmentName,
    written: &'a Environment,
    inputs: &'a Inputs<'a>,
    /// Missing inputs are no news.
    quiet: bool,
    problems: Vec<Problem>,
    secrets: BTreeMap<SecretVersion, Redacted>,
    origins: Origins,
}

impl Lowering<'_> {
    fn release(&mut self) -> Option<Release> {
        let domain = self.domain();
        let (process_environment, sources) = (&self.inputs.process_environment, self.inputs.sources);
        let mut config =
            layers::resolve(self.parsed, self.environment, process_environment, sources, &mut self.problems);
        let mut services = BTreeMap::new();
        for (name, service) in &self.parsed.manifest.services {
            let values = config.remove(name).unwrap_or_default();
            if let Some(spec) = self.service(name, service, values, domain.as_deref()) {
                services.insert(name.clone(), spec);
            }
        }
        self.distinct_routes(&services);
        let edge = self.edge(domain.as_deref(), &services);
        let complete = services.len() == self.parsed.manifest.services.len();
        let resources = Resources { postgres: self.postgres()? };
        complete.then(|| Release {
            format: RELEASE_FORMAT,
            system: self.parsed.manifest.system.clone(),
            environment: self.environment.clone(),
            listener: self.written.listen.map(|address| Listener { address }),
            edge,
            services,
            resources,
            bake: self.written.bake.0,
            drain: self.written.drain.0,
        })
    }

    fn service(
        &mut self,
        name: &ServiceName,
        service: &Service,
        values: BTreeMap<VariableName, Resolved>,
        domain: Option<&str>,
    ) -> Option<ServiceSpec> {
        let contract = match &service.contract {
            None => None,
            Some(file) => {
                let file = crate::sources::join(&self.parsed.manifest.contracts, file);
                match self.inputs.contract_digests.get(name) {
                    Some(digest) => Some(ContractRef { file, digest: *digest }),
                    None => {
                        let message = format!("the digest of the contract `{file}` was not given");
                        self.missing_input(&["services", name.as_str(), "contract"], message);
                        return None;
                    }
                }
            }
        };
        let routes = self.routes(name, service.expose.as_ref(), domain);
        let program = if service.stub {
            Program::Stub
        } else {
            Program::Process(Box::new(self.process(name, service, values)?))
        };
        // A stub has no instances; its routes are answered by the edge.
        let replicas = if service.stub { 0 } else { service.replicas.or(self.written.replicas).unwrap_or(1) };
        let ready = service.ready.as_ref().and_then(crate::Probe::path);
        let traffic = service.traffic.as_ref().map(|traffic| traffic.spec(ready)).unwrap_or_default();
        Some(ServiceSpec { program, contract, routes, replicas, traffic })
    }

    fn process(
        &mut self,
        name: &ServiceName,
        service: &Service,
        values: BTreeMap<VariableName, Resolved>,
    ) -> Option<ProcessSpec> {
        let Some(artifact) = self.inputs.artifacts.get(name).cloned() else {
            let message = format!("`{name}` was not built");
            self.missing_input(&["services", name.as_str(), "build"], message);
            return None;
        };
        self.commands(name, service, &artifact);
        let config = values.into_iter().map(|(variable, value)| self.config(name, variable, value)).collect();
        let database = service.database.as_ref().map(|database| DatabaseSpec {
            env: database.env.clone(),
            migrate: database.migrate.clone(),
            seed: database.seed.clone(),
            migrations: database
                .migrations
                .as_ref()
                .map(|_| self.inputs.migrations.get(name).cloned().unwrap_or_default()),
        });
        Some(ProcessSpec {
            artifact,
            command: service.run.clone()?,
            config,
            listen: service.listen.clone(),
            needs: service.needs.clone(),
            database,
            probes: probes(service),
            limits: Limits {
                cpu_millis: service.limits.cpu.map(|cpu| cpu.0),
                memory_bytes: service.limits.memory.map(|memory| memory.0),
                pids: service.limits.pids,
            },
            stop_grace: service.stop.grace.0,
        })
    }

    /// A single built file is the only program that there is.
    fn commands(&mut self, name: &ServiceName, service: &Service, artifact: &Artifact) {
        let ArtifactKind::File { name: built } = &artifact.kind else { return };
        let database = service.database.as_ref();
        let commands = [
            (vec!["run"], service.run.as_ref()),
            (vec!["database", "migrate"], database.and_then(|database| database.migrate.as_ref())),
            (vec!["database", "seed"], database.and_then(|database| database.seed.as_ref())),
        ];
        for (path, command) in commands {
            if let Some(program) =
                command.and_then(|command| command.first()).filter(|program| *program != built)
            {
                let mut place = vec!["services", name.as_str()];
                place.extend(path);
                place.push("0");
                let message = format!("the build of `{name}` makes `{built}`, but this starts `{program}`");
                let span = self.parsed.places.value(&place);
                let problem = Problem::error(&self.parsed.file, span, "missing-program", message);
                self.problems.push(problem.help(format!(
                    "write `{built}`, or let the build make a directory that holds `{program}`"
                )));
            }
        }
    }

    fn config(
        &mut self,
        service: &ServiceName,
        variable: VariableName,
        resolved: Resolved,
    ) -> (VariableName, ConfigValue) {
        let Resolved { value, origin } = resolved;
        let value = match value {
            Value::Plain(text) => ConfigValue::Plain(text),
            Value::Secret(secret) => {
                let version = (self.inputs.secret_version)(service, &variable, secret.expose());
                self.secrets.insert(version, secret);
                ConfigValue::Secret(version)
            }
        };
        self.origins.insert((service.clone(), variable.clone()), origin);
        (variable, value)
    }

    /// Keeps a secret that belongs to no service, under names of its own.
    fn keep(&mut self, (service, variable): (&str, &str), value: Redacted) -> SecretVersion {
        let owner = ServiceName::new(service).ok().zip(VariableName::new(variable).ok());
        let (service, variable) = owner.expect("the names are valid: a test checks it");
        let version = (self.inputs.secret_version)(&service, &variable, value.expose());
        self.secrets.insert(version, value);
        version
    }

    fn postgres(&mut self) -> Option<Option<PostgresSpec>> {
        let manifest = &self.parsed.manifest;
        if !manifest.services.values().any(|service| service.database.is_some()) {
            return Some(None);
        }
        let spec = match &manifest.resources.postgres {
            None => PostgresSpec::Private { version: None },
            Some(Postgres::Private(private)) => PostgresSpec::Private { version: private.version.clone() },
            Some(Postgres::Existing(existing)) => {
                let path = ["resources", "postgres", "url"];
                match layers::fill(&existing.url, self.environment, &self.inputs.process_environment) {
                    Ok(filled) => {
                        PostgresSpec::Existing { url: self.keep(POSTGRES_SECRET, Redacted::new(filled.text)) }
                    }
                    Err(unset) => {
                        let span = self.parsed.places.value(&path);
                        let file = &self.parsed.file;
                        self.problems.extend(
                            unset
                                .iter()
                                .map(|unset| layers::unset_problem(file, span, self.environment, unset)),
                        );
                        return None;
                    }
                }
            }
        };
        Some(Some(spec))
    }

    /// The domain with its placeholders filled in.
    fn domain(&mut self) -> Option<String> {
        let written = self.written.domain.as_ref()?;
        let base = self.environment.base().to_owned();
        self.placeholders(written, &["environments", &base, "domain"], None)
    }

    fn routes(
        &mut self,
        name: &ServiceName,
        expose: Option<&Expose>,
        domain: Option<&str>,
    ) -> Vec<RouteSpec> {
        let mut routes = Vec::new();
        for (below, route) in edge::routes(expose) {
            let mut place = vec!["services", name.as_str()];
            place.extend(below.iter().map(String::as_str));
            let host_place = [place.as_slice(), &["host"]].concat();
            let host = match route.host.as_deref() {
                // Without a domain there is nothing to tell hosts apart by.
                None | Some("{environment.domain}") if domain.is_none() || route.host.is_none() => None,
                None => None,
                Some(template) => match self.placeholders(template, &host_place, domain) {
                    Some(host) => Some(host),
                    None => continue,
                },
            };
            let guard = self.guard(route, &place);
            routes.push(RouteSpec { host, path: route_path(&route.path), guard });
        }
        routes.sort();
        routes.dedup();
        routes
    }

    /// Routes that differ as they are written can be the same here: without a domain, every host is any host.
    fn distinct_routes(&mut self, services: &BTreeMap<ServiceName, ServiceSpec>) {
        let mut claimed: BTreeMap<(Option<&str>, &str), &ServiceName> = BTreeMap::new();
        for (name, spec) in services {
            for route in &spec.routes {
                let claim = (route.host.as_deref(), route.path.as_str());
                let Some(first) = claimed.insert(claim, name) else { continue };
                let host = route.host.as_deref().unwrap_or("any host");
                let path = &route.path;
                let who = if first == name {
                    format!("`{name}` twice")
                } else {
                    format!("both `{first}` and `{name}`")
                };
                let message = format!("in `{}`, {who} claim `{path}` on {host}", self.environment);
                self.error(&["services", name.as_str(), "expose"], "route-twice", message);
            }
        }
    }

    fn placeholders(&mut self, template: &str, place: &[&str], domain: Option<&str>) -> Option<String> {
        let mut text = template.replace("{environment.name}", &self.environment.as_str().replace('/', "-"));
        if text.contains("{number}") {
            match number(self.environment) {
                Some(number) => text = text.replace("{number}", number),
                None => {
                    let message = format!("`{{number}}` stands for nothing in `{}`", self.environment);
                    self.error(place, "placeholder", message);
                    return None;
                }
            }
        }
        if text.contains("{environment.domain}") {
            // Names below `localhost` are this machine (RFC 6761, section 6.3), which is where a local environment is.
            let local = self.written.target == crate::Target::Local;
            match domain.or(local.then_some("localhost")) {
                Some(domain) => text = text.replace("{environment.domain}", domain),
                None => {
                    let message =
                        format!("`{}` has no domain for `{{environment.domain}}`", self.environment.base());
                    self.error(place, "placeholder", message);
                    return None;
                }
            }
        }
        Some(text)
    }

    fn missing_input(&mut self, path: &[&str], message: String) {
        if !self.quiet {
            self.error(path, "missing-input", message);
        }
    }

    fn error(&mut self, path: &[&str], rule: &str, message: String) {
        let span = self.parsed.places.value(path);
        self.problems.push(Problem::error(&self.parsed.file, span, rule, message));
    }
}

/// A route matches its path and everything below it, so a slash at the end says nothing.
pub(crate) fn route_path(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        path => path.to_owned(),
    }
}

fn probes(service: &Service) -> Probes {
    let ready = service.ready.as_ref().and_then(crate::Probe::ready_spec);
    let live = service.health.as_ref().and_then(crate::Probe::live_spec);
    let tls = service.traffic.as_ref().and_then(Traffic::upstream_tls);
    Probes {
        tls: tls.filter(|_| ready.is_some() || live.is_some()),
        ready,
        live,
        start_deadline: service.start.deadline.0,
    }
}
