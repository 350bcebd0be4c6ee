//! Every rule about operations, parameters, bodies, statuses and security.

use crate::common::{check_documents, with_paths};

#[track_caller]
fn check(old: &str, new: &str, expect: &[&str]) {
    check_documents(&with_paths("3.0.3", old), &with_paths("3.0.3", new), expect);
}

const NOTHING: &[&str] = &[];
const DONE: &str = "responses: {'204': {description: Done}}";

fn operation(path: &str, content: &str) -> String {
    format!("{path}: {{get: {{{content}{}{DONE}}}}}\n", if content.is_empty() { "" } else { ", " })
}

#[test]
fn operations_come_and_go() {
    let (a, b) = (operation("/a", ""), operation("/b", ""));
    check(&a, &format!("{a}{b}"), &["compatible operation-added"]);
    check(&format!("{a}{b}"), &a, &["breaking operation-removed"]);
    check(&a, &b, &["breaking operation-removed", "compatible operation-added"]);
    check(
        &operation("/a", "operationId: x"),
        &operation("/a", "operationId: y"),
        &["compatible operation-id-changed"],
    );
    check(&a, &operation("/a", "deprecated: true"), &["compatible deprecated"]);
    check(&operation("/a", "deprecated: true"), &a, &["compatible deprecation-withdrawn"]);
    check(&a, &operation("/a", "summary: Words, description: More, tags: [x]"), NOTHING);
}

#[test]
fn a_new_path_may_take_requests_from_another() {
    let hole = |schema: &str| {
        operation(
            "'/a/{id}'",
            &format!("parameters: [{{name: id, in: path, required: true, schema: {schema}}}]"),
        )
    };
    let check_hole = |schema: &str, added: &str, expect: &[&str]| {
        check(&hole(schema), &format!("{}{}", hole(schema), operation(added, "")), expect);
    };
    let shadowed = &["compatible operation-added", "unknown operation-shadowed"];
    let free = &["compatible operation-added"];
    check_hole("{type: string}", "/a/stats", shadowed);
    check_hole("{type: string, format: uuid}", "/a/stats", free);
    check_hole("{type: string, format: uuid}", "/a/0b7c6f9e-6d5e-4c33-9f5a-3a0d1f2b4c5d", shadowed);
    check_hole("{type: integer}", "/a/stats", free);
    check_hole("{type: integer}", "/a/12", shadowed);
    check_hole("{type: string, enum: [x, y]}", "/a/stats", free);
    check_hole("{type: string, enum: [x, y]}", "/a/x", shadowed);
    check_hole("{type: string}", "/a/stats/x", free);
}

#[test]
fn parameters() {
    let with = |parameter: &str| operation("/a", &format!("parameters: [{parameter}]"));
    let none = operation("/a", "");
    let optional = with("{name: q, in: query, schema: {type: string}}");
    let required = with("{name: q, in: query, required: true, schema: {type: string}}");
    check(&none, &optional, &["compatible parameter-added-optional"]);
    check(&none, &required, &["breaking parameter-added-required"]);
    check(&optional, &none, &["unknown parameter-removed"]);
    check(&required, &none, &["unknown parameter-removed"]);
    check(&optional, &required, &["breaking parameter-became-required"]);
    check(&required, &optional, &["compatible parameter-became-optional"]);
    check(
        &optional,
        &with("{name: q, in: query, schema: {type: integer}}"),
        &["breaking request-type-changed"],
    );
    check(
        &optional,
        &with("{name: q, in: query, schema: {type: string, enum: [a]}}"),
        &["breaking request-enum-narrowed"],
    );
    check(
        &optional,
        &with("{name: q, in: header, schema: {type: string}}"),
        &["unknown parameter-removed", "compatible parameter-added-optional"],
    );
    check(
        &with("{name: X-Q, in: header, schema: {type: string}}"),
        &with("{name: x-q, in: header, schema: {type: string}}"),
        NOTHING,
    );
    check(
        &optional,
        &with("{name: q, in: query, deprecated: true, schema: {type: string}}"),
        &["compatible deprecated"],
    );
    check(
        &optional,
        &with("{name: q, in: query, allowEmptyValue: true, schema: {type: string}}"),
        &["compatible parameter-value-freed"],
    );
    check(
        &with("{name: q, in: query, allowReserved: true, schema: {type: string}}"),
        &optional,
        &["breaking parameter-value-restricted"],
    );
    check(
        &with("{name: q, in: query, schema: {type: array, items: {}}}"),
        &with("{name: q, in: query, explode: false, schema: {type: array, items: {}}}"),
        &["breaking parameter-serialization-changed"],
    );
    check(
        &optional,
        &with("{name: q, in: query, explode: false, schema: {type: string}}"),
        &["compatible parameter-serialization-changed"],
    );
    check(
        &optional,
        &with("{name: q, in: query, style: form, explode: true, schema: {type: string}}"),
        NOTHING,
    );
    check(
        &optional,
        &with("{name: q, in: query, content: {application/json: {schema: {type: string}}}}"),
        &["breaking parameter-serialization-changed"],
    );
}

#[test]
fn the_name_of_a_path_parameter_is_invisible() {
    let path = |name: &str, kind: &str| {
        operation(
            &format!("'/a/{{{name}}}'"),
            &format!("parameters: [{{name: {name}, in: path, required: true, schema: {{type: {kind}}}}}]"),
        )
    };
    check(&path("id", "string"), &path("orderId", "string"), &["compatible parameter-renamed"]);
    check(
        &path("id", "string"),
        &path("orderId", "integer"),
        &["compatible parameter-renamed", "breaking request-type-changed"],
    );
    let digest = |text: &str| crate::common::contract(&with_paths("3.0.3", text)).digest().to_owned();
    assert_eq!(digest(&path("id", "string")), digest(&path("orderId", "string")));
}

#[test]
fn parameters_of_the_path_item_count() {
    let shared =
        format!("/a: {{parameters: [{{name: q, in: query, schema: {{type: string}}}}], get: {{{DONE}}}}}\n");
    let own = operation("/a", "parameters: [{name: q, in: query, schema: {type: string}}]");
    check(&shared, &own, NOTHING);
    let replaced = format!(
        "/a: {{parameters: [{{name: q, in: query, schema: {{type: integer}}}}], \
         get: {{parameters: [{{name: q, in: query, schema: {{type: string}}}}], {DONE}}}}}\n"
    );
    check(&replaced, &own, NOTHING);
}

#[test]
fn request_bodies() {
    let with = |body: &str| operation("/a", &format!("requestBody: {body}"));
    let none = operation("/a", "");
    let json = "content: {application/json: {schema: {type: object}}}";
    let optional = with(&format!("{{{json}}}"));
    let required = with(&format!("{{required: true, {json}}}"));
    check(&none, &optional, &["compatible request-body-added-optional"]);
    check(&none, &required, &["breaking request-body-added-required"]);
    check(&optional, &none, &["unknown request-body-removed"]);
    check(&optional, &required, &["breaking request-body-became-required"]);
    check(&required, &optional, &["compatible request-body-became-optional"]);
    let two = with("{content: {application/json: {schema: {type: object}}, text/csv: {}}}");
    check(&optional, &two, &["compatible request-media-type-added"]);
    check(&two, &optional, &["breaking request-media-type-removed"]);
    let charset = with("{content: {'application/JSON; charset=utf-8': {schema: {type: object}}}}");
    check(&optional, &charset, NOTHING);
    let range = with("{content: {application/*: {schema: {type: object}}}}");
    check(&optional, &range, &["compatible request-media-type-added"]);
    let form = |encoding: &str| {
        with(&format!("{{content: {{multipart/form-data: {{schema: {{type: object}}{encoding}}}}}}}"))
    };
    check(
        &form(""),
        &form(", encoding: {file: {contentType: image/png}}"),
        &["unknown request-encoding-changed"],
    );
}

#[test]
fn statuses() {
    let with = |responses: &str| format!("/a: {{get: {{responses: {{{responses}}}}}}}\n");
    let ok = "'200': {description: Ok}";
    let only = with(ok);
    let plus = |more: &str| with(&format!("{ok}, {more}"));
    check(&only, &plus("'404': {description: No}"), &["compatible response-status-added"]);
    check(&plus("'404': {description: No}"), &only, &["compatible response-status-removed"]);
    check(&only, &plus("'202': {description: Later}"), &["unknown response-status-added"]);
    check(&plus("'202': {description: Later}"), &only, &["breaking response-status-removed"]);
    check(&only, &plus("default: {description: Rest}"), &["compatible response-status-added"]);
    check(&plus("default: {description: Rest}"), &only, &["unknown response-status-removed"]);
    check(
        &only,
        &with("2XX: {description: Fine}"),
        &["unknown response-status-removed", "unknown response-status-added"],
    );
    // What `default` promised must hold for a status that is now listed.
    let text = "content: {application/json: {schema: {type: string}}}";
    let number = "content: {application/json: {schema: {type: integer}}}";
    check(
        &plus(&format!("default: {{description: E, {text}}}")),
        &plus(&format!("default: {{description: E, {text}}}, '404': {{description: No, {number}}}")),
        &["compatible response-status-added", "breaking response-type-changed"],
    );
}

#[test]
fn response_content_and_headers() {
    let with =
        |response: &str| format!("/a: {{get: {{responses: {{'200': {{description: Ok{response}}}}}}}}}\n");
    let json = with(", content: {application/json: {schema: {type: string}}}");
    let two =
        with(", content: {application/json: {schema: {type: string}}, text/csv: {schema: {type: string}}}");
    check(&json, &two, &["compatible response-media-type-added"]);
    check(&two, &json, &["breaking response-media-type-removed"]);
    check(&json, &with(""), &["breaking response-media-type-removed"]);
    check(
        &json,
        &with(
            ", content: {application/json: {schema: {type: string}, encoding: {a: {contentType: text/plain}}}}",
        ),
        &["unknown response-encoding-changed"],
    );
    let none = with("");
    let optional = with(", headers: {X-Total: {schema: {type: integer}}}");
    let required = with(", headers: {x-total: {required: true, schema: {type: integer}}}");
    check(&none, &optional, &["compatible response-header-added"]);
    check(&optional, &none, &["breaking response-header-removed"]);
    check(&optional, &required, &["compatible response-header-became-required"]);
    check(&required, &optional, &["breaking response-header-became-optional"]);
    check(
        &optional,
        &with(", headers: {X-Total: {schema: {type: number}}}"),
        &["breaking response-type-widened"],
    );
}

#[test]
fn security() {
    let document = |top: &str, own: &str| {
        let own = if own.is_empty() { String::new() } else { format!("security: {own}") };
        let paths = with_paths("3.0.3", &operation("/a", &own));
        let top = if top.is_empty() { String::new() } else { format!("security: {top}\n") };
        format!(
            "{paths}{top}components:\n  securitySchemes:\n    bearer: {{type: http, scheme: Bearer}}\n    \
             token: {{type: http, scheme: bearer, bearerFormat: JWT}}\n    \
             key: {{type: apiKey, in: header, name: X-Key}}\n    \
             oauth: {{type: oauth2, flows: {{clientCredentials: {{tokenUrl: /t, scopes: {{read: Read, write: Write}}}}}}}}\n"
        )
    };
    let check = |old: &str, new: &str, expect: &[&str]| {
        check_documents(&document("", old), &document("", new), expect);
    };
    let tightened = &["breaking security-tightened"];
    let loosened = &["compatible security-loosened"];
    check("", "[{bearer: []}]", tightened);
    check("[{bearer: []}]", "[]", loosened);
    check("[{bearer: []}]", "[{bearer: []}, {}]", loosened);
    check("[{bearer: []}, {}]", "[{bearer: []}]", tightened);
    check("[{bearer: []}]", "[{bearer: []}, {key: []}]", loosened);
    check("[{bearer: []}, {key: []}]", "[{bearer: []}]", tightened);
    check("[{bearer: []}]", "[{bearer: [], key: []}]", tightened);
    check("[{bearer: [], key: []}]", "[{bearer: []}]", loosened);
    check("[{bearer: []}]", "[{key: []}]", tightened);
    check("[{oauth: [read]}]", "[{oauth: [read, write]}]", tightened);
    check("[{oauth: [read, write]}]", "[{oauth: [read]}]", loosened);
    // The same proof under another name, or written with an alternative that adds nothing.
    check("[{bearer: []}]", "[{token: []}]", NOTHING);
    check("[{bearer: []}]", "[{bearer: []}, {bearer: [], key: []}]", NOTHING);
    check_documents(&document("[{bearer: []}]", ""), &document("", "[{bearer: []}]"), NOTHING);
    check_documents(&document("[{bearer: []}]", ""), &document("[{bearer: []}]", "[]"), loosened);
}

#[test]
fn base_paths_and_versions() {
    let document = |servers: &str, version: &str| {
        format!(
            "openapi: 3.0.3\ninfo: {{title: T, version: '{version}'}}\nservers: {servers}\npaths:\n  {}",
            operation("/a", "")
        )
    };
    let v1 = document("[{url: https://a.example/v1}]", "1");
    check_documents(&v1, &document("[{url: http://localhost:8080/v1/}]", "1"), NOTHING);
    check_documents(
        &v1,
        &document("[{url: /v2}]", "1"),
        &["breaking base-path-removed", "compatible base-path-added"],
    );
    check_documents(&v1, &document("[{url: /v1}, {url: /v2}]", "1"), &["compatible base-path-added"]);
    check_documents(&v1, &document("[{url: /v1}]", "2"), &["compatible contract-version-changed"]);
}

#[test]
fn callbacks_and_webhooks() {
    let callback = |kind: &str| {
        operation(
            "/a",
            &format!(
                "callbacks: {{paid: {{'{{$request.body#/url}}': {{post: {{requestBody: {{content: {{application/json: \
                 {{schema: {{type: {kind}}}}}}}}}, {DONE}}}}}}}}}"
            ),
        )
    };
    let changed = &["unknown callback-changed"];
    check(&operation("/a", ""), &callback("object"), changed);
    check(&callback("object"), &operation("/a", ""), changed);
    check(&callback("object"), &callback("array"), changed);
    check(&callback("object"), &callback("object"), NOTHING);

    let webhook = |name: &str, kind: &str| {
        format!(
            "openapi: 3.1.0\ninfo: {{title: T, version: '1'}}\nwebhooks:\n  {name}:\n    post:\n      requestBody: \
             {{content: {{application/json: {{schema: {{type: {kind}}}}}}}}}\n"
        )
    };
    check_documents(&webhook("a", "object"), &webhook("a", "array"), &["unknown webhook-changed"]);
    check_documents(
        &webhook("a", "object"),
        &webhook("b", "object"),
        &["unknown webhook-changed", "unknown webhook-changed"],
    );
}
