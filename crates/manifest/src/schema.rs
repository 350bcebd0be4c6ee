//! The JSON Schema of `fairway.yaml`, generated from the types: what editors read, what `explain` prints and what
//! the checker walks, so that the three can never disagree.
//!
//! Beyond the standard, the checker knows the formats in [`crate::format`] and the keyword `x-reserved`: keys that
//! are understood and refused, each with its reason.

use crate::{Cpu, Duration, Environment, Manifest, Memory, Size, edge::Password};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};
use std::{borrow::Cow, sync::LazyLock};

/// Keys that begin like this are ignored everywhere.
pub(crate) const EXTENSION: &str = "x-";

/// The JSON Schema (draft 2020-12) of `fairway.yaml`.
#[must_use]
pub fn schema() -> Value {
    root().clone()
}

/// The JSON Schema (draft 2020-12) of the files in `config/`.
#[must_use]
pub fn config_schema() -> Value {
    config_root().clone()
}

pub(crate) fn root() -> &'static Value {
    static ROOT: LazyLock<Value> = LazyLock::new(generate::<Manifest>);
    &ROOT
}

pub(crate) fn config_root() -> &'static Value {
    static ROOT: LazyLock<Value> = LazyLock::new(generate::<ConfigLayer>);
    &ROOT
}

fn generate<T: JsonSchema>() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    schema
}

/// Makes the generated schema say what is meant: a key that is left out is left out and not `null`, and `x-*` keys
/// are welcome in every mapping whose other keys are fixed.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            without_null(object);
            if object.get("additionalProperties") == Some(&Value::Bool(false)) {
                object.insert("patternProperties".to_owned(), json!({ "^x-": true }));
            }
            // What stands under these keywords is data, not a schema.
            for (keyword, inner) in object.iter_mut() {
                if !["examples", "default", "enum", "x-reserved"].contains(&keyword.as_str()) {
                    tidy(inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn without_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
        branches.retain(|branch| branch.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = branches.as_mut_slice() {
            let only = std::mem::take(only);
            object.remove("anyOf");
            // What is said about this use wins over what is said about the type.
            for (keyword, value) in only {
                object.entry(keyword).or_insert(value);
            }
        }
    }
    if object.get("default") == Some(&Value::Null) {
        object.remove("default");
    }
}

macro_rules! text_schema {
    ($(#[$doc:meta])* $name:ident, $types:tt, $format:literal, $pattern:expr) => {
        $(#[$doc])*
        pub(crate) struct $name;
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = json_schema!({ "type": $types, "format": $format });
                let pattern: Option<&str> = $pattern;
                if let Some(pattern) = pattern {
                    schema.insert("pattern".to_owned(), pattern.into());
                }
                schema
            }
        }
    };
}

const LABEL: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

text_schema!(
    /// The key of a service.
    ServiceKey,
    "string",
    "service-name",
    Some(LABEL)
);
text_schema!(
    /// The key of an environment, without the instance.
    EnvironmentKey,
    "string",
    "environment-name",
    Some(LABEL)
);
text_schema!(
    /// The name of the system.
    SystemText,
    "string",
    "system-name",
    Some(LABEL)
);
text_schema!(
    /// The key of an environment variable.
    VariableKey,
    "string",
    "variable-name",
    Some(VARIABLE)
);
text_schema!(
    /// The name of an environment variable, as a value.
    VariableValue,
    "string",
    "variable-name",
    Some(VARIABLE)
);
text_schema!(
    /// The value of an environment variable: any scalar, taken as it is written.
    EnvironmentValue,
    ["string", "number", "boolean"],
    "variable-text",
    None
);
text_schema!(
    /// A major version, which people also write without quotes.
    PostgresVersion,
    ["string", "number"],
    "postgres-version",
    None
);
text_schema!(
    /// Text with variables of the process environment.
    VariableText,
    "string",
    "variable-text",
    None
);
text_schema!(
    /// Where an environment runs.
    TargetText,
    "string",
    "target",
    Some("^(local|ssh://.+|kubernetes://.+)$")
);
text_schema!(
    /// An address, or a network of them.
    NetworkText,
    "string",
    "network",
    None
);
text_schema!(
    /// A version of TLS, which people also write without quotes.
    TlsVersionText,
    ["string", "number"],
    "tls-version",
    None
);
text_schema!(
    /// A host, with placeholders.
    HostTemplate,
    "string",
    "host-template",
    None
);
text_schema!(
    /// The name of a user.
    UserKey,
    "string",
    "user-name",
    Some("^[^:]+$")
);
text_schema!(
    /// An address and a port.
    SocketText,
    "string",
    "socket-address",
    None
);

macro_rules! quantity_schema {
    ($name:ty, $title:literal, $types:tt, $format:literal, $pattern:literal, $examples:tt) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                $title.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": $types, "format": $format, "pattern": $pattern, "examples": $examples })
            }
        }
    };
}

quantity_schema!(
    Duration,
    "Duration",
    "string",
    "duration-text",
    r"^[0-9]+(\.[0-9]{1,3})?(ms|s|m|h)$",
    ["30s"]
);
quantity_schema!(
    Memory,
    "Memory",
    ["string", "integer"],
    "memory",
    r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$",
    ["512Mi"]
);
quantity_schema!(
    Size,
    "Size",
    ["string", "integer"],
    "size",
    r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$",
    ["10Mi"]
);
quantity_schema!(Cpu, "Cpu", ["string", "number"], "cpu", r"^[0-9]+(\.[0-9]+)?m?$", ["0.5"]);

pub(crate) fn system_name(generator: &mut SchemaGenerator) -> Schema {
    SystemText::json_schema(generator)
}

pub(crate) fn variable_name(generator: &mut SchemaGenerator) -> Schema {
    VariableValue::json_schema(generator)
}

pub(crate) fn variable_text(generator: &mut SchemaGenerator) -> Schema {
    VariableText::json_schema(generator)
}

pub(crate) fn postgres_version(generator: &mut SchemaGenerator) -> Schema {
    PostgresVersion::json_schema(generator)
}

pub(crate) fn target(generator: &mut SchemaGenerator) -> Schema {
    TargetText::json_schema(generator)
}

pub(crate) fn socket_address(generator: &mut SchemaGenerator) -> Schema {
    SocketText::json_schema(generator)
}

pub(crate) fn tls_version(generator: &mut SchemaGenerator) -> Schema {
    TlsVersionText::json_schema(generator)
}

pub(crate) fn networks(generator: &mut SchemaGenerator) -> Schema {
    list(NetworkText::json_schema(generator))
}

pub(crate) fn host_list(generator: &mut SchemaGenerator) -> Schema {
    list(HostTemplate::json_schema(generator))
}

/// At least one of these, none of them twice.
fn list(item: Schema) -> Schema {
    json_schema!({ "type": "array", "items": item, "minItems": 1, "uniqueItems": true })
}

pub(crate) fn user_map(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = map::<UserKey, Password>(generator);
    schema.insert("minProperties".to_owned(), 1.into());
    schema
}

/// A command: the program and its arguments.
pub(crate) fn command(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })
}

pub(crate) fn variable_list(generator: &mut SchemaGenerator) -> Schema {
    let item = VariableValue::json_schema(generator);
    json_schema!({ "type": "array", "items": item, "uniqueItems": true })
}

/// A mapping with free keys of one form.
pub(crate) fn map<K: JsonSchema, V: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut keys = K::json_schema(generator).to_value();
    // A reader that ignores `x-*` values must not complain about their names either.
    if let Some(pattern) = keys.get("pattern").and_then(Value::as_str) {
        keys["pattern"] = format!("^x-|{pattern}").into();
    }
    let values = generator.subschema_for::<V>();
    json_schema!({
        "type": "object",
        "propertyNames": keys,
        "additionalProperties": values,
        "patternProperties": { "^x-": true },
    })
}

pub(crate) fn environment_map(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = map::<EnvironmentKey, Environment>(generator);
    schema.insert("minProperties".to_owned(), 1.into());
    schema
}

/// One file of `config/`, for its schema only: the layers keep their text and places.
struct ConfigLayer;

impl JsonSchema for ConfigLayer {
    fn schema_name() -> Cow<'static, str> {
        "config".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let variables = map::<VariableKey, EnvironmentValue>(generator);
        let object = |schema: Schema| schema.as_object().cloned().unwrap_or_else(Map::new);
        let mut variables = object(variables);
        variables.insert("description".to_owned(), "Environment variables and their values.".into());
        let mut layer = object(json_schema!({
            "type": "object",
            "description": "Values of environment variables, under the name of a service or `all` for every service. \
                `config/base.yaml` counts in every environment, `config/environments/<name>.yaml` in that one and wins.",
            "propertyNames": { "type": "string", "format": "service-name", "pattern": format!("^x-|{LABEL}") },
            "patternProperties": { "^x-": true },
        }));
        layer.insert("additionalProperties".to_owned(), Value::Object(variables));
        Schema::from(layer)
    }
}
