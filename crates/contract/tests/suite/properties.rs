//! What holds for any document.

use std::collections::BTreeMap;

use fairway_contract::{Contract, Rule, Verdict, compare};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::common::{files, parse};

/// Schemas as people write them, with references to the components `A`, `B` and `C`.
fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "integer"})),
        Just(json!({"type": "number"})),
        Just(json!({"type": "boolean", "nullable": true})),
        (0_u8..4, 4_u8..8).prop_map(|(a, b)| json!({"type": "string", "minLength": a, "maxLength": b})),
        (0_i8..4, 4_i8..8, any::<bool>()).prop_map(
            |(a, b, open)| json!({"type": "integer", "minimum": a, "maximum": b, "exclusiveMaximum": open})
        ),
        proptest::sample::subsequence(vec!["a", "b", "cc"], 1..=3)
            .prop_map(|values| json!({"type": "string", "enum": values})),
        Just(json!({})),
        proptest::sample::select(vec!["A", "B", "C"])
            .prop_map(|name| json!({"$ref": format!("#/components/schemas/{name}")})),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let properties = proptest::collection::btree_map("[a-c]", inner.clone(), 0..3);
        prop_oneof![
            3 => (properties, proptest::collection::btree_set("[a-c]", 0..2), 0_u8..3, any::<bool>()).prop_map(
                |(properties, required, additional, nullable)| {
                    let mut object = json!({"type": "object", "properties": properties, "nullable": nullable});
                    if !required.is_empty() {
                        object["required"] = json!(required);
                    }
                    match additional {
                        0 => object["additionalProperties"] = json!(false),
                        1 => object["additionalProperties"] = json!({"type": "integer"}),
                        _ => {}
                    }
                    object
                }
            ),
            1 => (inner.clone(), 0_u8..3).prop_map(|(items, n)| json!({"type": "array", "items": items, "maxItems": n})),
            1 => proptest::collection::vec(inner.clone(), 1..4).prop_map(|list| json!({"oneOf": list})),
            1 => proptest::collection::vec(inner.clone(), 1..4).prop_map(|list| json!({"anyOf": list})),
            1 => proptest::collection::vec(inner.clone(), 1..3).prop_map(|list| json!({"allOf": list})),
            1 => inner.prop_map(|not| json!({"not": not})),
        ]
    })
}

fn operation() -> impl Strategy<Value = Value> {
    (schema(), schema(), proptest::option::of(schema()), any::<bool>(), any::<bool>()).prop_map(
        |(response, error, body, required, deprecated)| {
            let mut operation = json!({
                "deprecated": deprecated,
                "tags": ["x", "y"],
                "parameters": [
                    {"name": "q", "in": "query", "required": required, "schema": {"type": "integer"}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                ],
                "responses": {
                    "200": {"description": "Ok", "content": {"application/json": {"schema": response}}},
                    "4XX": {"description": "No", "content": {"application/json": {"schema": error}}},
                },
            });
            if let Some(body) = body {
                operation["requestBody"] =
                    json!({"required": required, "content": {"application/json": {"schema": body}}});
            }
            operation
        },
    )
}

fn document() -> impl Strategy<Value = Value> {
    let paths = proptest::collection::btree_map("/(a|b|c)/(d|e|f)", operation(), 1..4);
    (paths, schema(), schema(), schema()).prop_map(|(paths, a, b, c)| {
        let paths: BTreeMap<String, Value> =
            paths.into_iter().map(|(p, o)| (p, json!({"post": o}))).collect();
        // A component that is only a reference may close a circle, which is refused; each gets a body.
        let solid = |schema: Value| match schema.get("$ref") {
            Some(_) => json!({"type": "object", "properties": {"r": schema}}),
            None => schema,
        };
        json!({
            "openapi": "3.0.3",
            "info": {"title": "T", "version": "1"},
            "paths": paths,
            "components": {"schemas": {"A": solid(a), "B": solid(b), "C": solid(c)}},
        })
    })
}

fn read(document: &Value) -> Contract {
    parse(&document.to_string()).unwrap_or_else(|problems| panic!("{problems}\n{document:#}"))
}

/// The same document with the keys of every mapping in another order.
fn shuffled(value: &Value, seed: u64) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            let mut state = seed | 1;
            for i in (1..entries.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let j = usize::try_from(state >> 33).expect("31 bits") % (i + 1);
                entries.swap(i, j);
            }
            Value::Object(
                entries
                    .into_iter()
                    .map(|(k, v)| (k.clone(), shuffled(v, seed ^ 0x9e37)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(|v| shuffled(v, seed ^ 0x79b9)).collect()),
        other => other.clone(),
    }
}

/// Whether a value satisfies a schema, by the letter of JSON Schema; the oracle for what comparisons claim.
fn fits(value: &Value, schema: &Value, root: &Value, depth: usize) -> bool {
    if depth > 40 {
        return true;
    }
    let sub = |value: &Value, schema: &Value| fits(value, schema, root, depth + 1);
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return sub(value, root.pointer(&name[1..]).expect("references lead somewhere"));
    }
    if value.is_null() && schema["nullable"] == json!(true) {
        return true;
    }
    let typed = match schema.get("type").and_then(Value::as_str) {
        None => true,
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some(other) => panic!("{other}"),
    };
    let listed = schema.get("enum").and_then(Value::as_array).is_none_or(|values| values.contains(value));
    let length = value.as_str().map(|text| text.chars().count() as u64);
    let within = length.is_none_or(|n| {
        schema.get("minLength").and_then(Value::as_u64).is_none_or(|min| n >= min)
            && schema.get("maxLength").and_then(Value::as_u64).is_none_or(|max| n <= max)
    }) && value.as_f64().is_none_or(|n| {
        let exclusive = schema["exclusiveMaximum"] == json!(true);
        schema.get("minimum").and_then(Value::as_f64).is_none_or(|min| n >= min)
            && schema
                .get("maximum")
                .and_then(Value::as_f64)
                .is_none_or(|max| n < max || (n <= max && !exclusive))
    });
    let items = value.as_array().is_none_or(|items| {
        schema.get("maxItems").and_then(Value::as_u64).is_none_or(|max| items.len() as u64 <= max)
            && schema.get("items").is_none_or(|item| items.iter().all(|v| sub(v, item)))
    });
    let properties = value.as_object().is_none_or(|object| {
        let required = schema.get("required").and_then(Value::as_array);
        required.is_none_or(|names| names.iter().all(|n| object.contains_key(n.as_str().expect("a name"))))
            && object.iter().all(|(name, value)| match schema.get("properties").and_then(|p| p.get(name)) {
                Some(property) => sub(value, property),
                None => match schema.get("additionalProperties") {
                    Some(Value::Bool(allowed)) => *allowed,
                    Some(other) => sub(value, other),
                    None => true,
                },
            })
    });
    let list = |key: &str| schema.get(key).and_then(Value::as_array);
    typed
        && listed
        && within
        && items
        && properties
        && list("allOf").is_none_or(|all| all.iter().all(|s| sub(value, s)))
        && list("anyOf").is_none_or(|any| any.iter().any(|s| sub(value, s)))
        && list("oneOf").is_none_or(|one| one.iter().filter(|s| sub(value, s)).count() == 1)
        && schema.get("not").is_none_or(|not| !sub(value, not))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1_i64..9).prop_map(Value::from),
        Just(json!(2.5)),
        proptest::sample::select(vec!["", "a", "b", "cc", "dddddd"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-d]", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

/// A document whose only operation takes `schema`, or gives it.
fn with_body(takes: bool, schema: &Value, components: &Value) -> Value {
    let content = json!({"application/json": {"schema": schema}});
    let operation = if takes {
        json!({"requestBody": {"required": true, "content": content}, "responses": {"204": {"description": "Done"}}})
    } else {
        json!({"responses": {"200": {"description": "Ok", "content": content}}})
    };
    json!({
        "openapi": "3.0.3",
        "info": {"title": "T", "version": "1"},
        "paths": {"/x": {"post": operation}},
        "components": components,
    })
}

/// A small change somewhere in a schema: what editing a contract looks like.
fn edited(schema: &Value, at: usize) -> Value {
    let Some(object) = schema.as_object() else { return schema.clone() };
    if object.contains_key("$ref") {
        return schema.clone();
    }
    let mut edited = object.clone();
    match at % 9 {
        0 => drop(edited.remove("required")),
        1 => drop(edited.insert("nullable".to_owned(), json!(true))),
        2 => drop(edited.remove("additionalProperties")),
        3 => {
            let key = ["maxLength", "maxItems", "minimum"][at / 9 % 3];
            edited.insert(key.to_owned(), json!(1));
        }
        4 => drop(edited.remove("enum")),
        5 => drop(edited.remove("maximum")),
        6 => drop(edited.remove("nullable")),
        _ => {
            for key in ["properties", "oneOf", "anyOf", "allOf"] {
                match edited.get_mut(key) {
                    Some(Value::Object(parts)) => {
                        for part in parts.values_mut() {
                            *part = self::edited(part, at / 9);
                        }
                    }
                    Some(Value::Array(parts)) => {
                        if at.is_multiple_of(2) && parts.len() > 1 {
                            parts.pop();
                        } else if let Some(part) = parts.first_mut() {
                            *part = self::edited(part, at / 9);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    Value::Object(edited)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_contract_does_not_differ_from_itself(document in document()) {
        let contract = read(&document);
        prop_assert_eq!(compare(&contract, &contract), vec![]);
    }

    #[test]
    fn the_order_of_keys_means_nothing(document in document(), seed: u64) {
        let (one, other) = (read(&document), read(&shuffled(&document, seed)));
        prop_assert_eq!(one.digest(), other.digest());
        prop_assert_eq!(compare(&one, &other), vec![]);
    }

    #[test]
    fn adding_and_removing_an_operation_mirror_each_other(document in document(), operation in operation()) {
        let mut more = document.clone();
        more["paths"]["/new"] = json!({"get": operation});
        let (less, more) = (read(&document), read(&more));
        let there: Vec<_> = compare(&less, &more).iter().map(|f| (f.verdict, f.rule)).collect();
        prop_assert_eq!(there, vec![(Verdict::Compatible, Rule::OperationAdded)]);
        let back: Vec<_> = compare(&more, &less).iter().map(|f| (f.verdict, f.rule)).collect();
        prop_assert_eq!(back, vec![(Verdict::Breaking, Rule::OperationRemoved)]);
    }

    #[test]
    fn different_meaning_is_never_passed_over(one in document(), other in document()) {
        let (one, other) = (read(&one), read(&other));
        let findings = compare(&one, &other);
        prop_assert_eq!(findings.is_empty(), one.digest() == other.digest());
        prop_assert_eq!(&findings, &compare(&one, &other));
    }

    #[test]
    fn what_is_called_compatible_is(
        schema in schema(),
        parts in (schema(), schema(), schema()),
        at in 0_usize..1000,
        reverse: bool,
        values in proptest::collection::vec(value(), 60),
    ) {
        let solid = |schema: &Value| match schema.get("$ref") {
            Some(_) => json!({"type": "object", "properties": {"r": schema}}),
            None => schema.clone(),
        };
        let components = json!({"schemas": {"A": solid(&parts.0), "B": solid(&parts.1), "C": solid(&parts.2)}});
        let (mut old, mut new) = (schema.clone(), edited(&schema, at));
        if reverse {
            std::mem::swap(&mut old, &mut new);
        }
        for takes in [true, false] {
            let (before, after) = (with_body(takes, &old, &components), with_body(takes, &new, &components));
            let findings = compare(&read(&before), &read(&after));
            // Describing a property of an open object is taken as compatible although it narrows by the letter.
            let by_the_letter = |rule: Rule| {
                !matches!(rule, Rule::RequestPropertyAddedOptional | Rule::ResponsePropertyAdded)
            };
            if !findings.iter().all(|f| f.verdict == Verdict::Compatible && by_the_letter(f.rule)) {
                continue;
            }
            for value in &values {
                let (was, is) = (fits(value, &old, &before, 0), fits(value, &new, &after, 0));
                let holds = if takes { !was || is } else { !is || was };
                prop_assert!(holds, "takes: {} value: {} fitted: {} fits: {}\n{:#}\n{:#}\n{:?}", takes, value, was, is, old, new, findings);
            }
        }
    }

    #[test]
    fn broken_documents_do_no_harm(
        document in document(),
        edits in proptest::collection::vec((0.0_f64..1.0, 0_u8..5, "[\\PC\n\t]{0,3}"), 1..6),
    ) {
        let whole = read(&document);
        let mut text: Vec<char> = format!("{document:#}").chars().collect();
        for (at, kind, insert) in edits {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in the text")]
            let at = (at * text.len() as f64) as usize;
            match kind {
                0 => text.truncate(at),
                1 => drop(text.drain(at..(at + 3).min(text.len()))),
                2 => drop(text.splice(at..at, insert.chars())),
                3 => drop(text.splice(at..(at + 1).min(text.len()), insert.chars())),
                _ => {
                    let last = text.len() - 1;
                    text.swap(at.min(last), last);
                }
            }
            if text.is_empty() {
                break;
            }
        }
        let text: String = text.into_iter().collect();
        match Contract::parse("api.yaml", &files(&[("api.yaml", &text)])) {
            Ok(contract) => drop(compare(&whole, &contract)),
            Err(problems) => prop_assert!(problems.len() > 0),
        }
    }

    #[test]
    fn nonsense_does_no_harm(text in "[\\PC\n\t]{0,200}") {
        drop(parse(&text));
        drop(parse(&format!("openapi: 3.0.3\ninfo: {{title: T, version: '1'}}\npaths: {text}")));
    }
}
